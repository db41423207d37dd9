"""argmax and argmin by blocks: ties, NaN, signed zeros, every dtype, lengths around the block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.lowering.arguments import BLOCK

LENGTHS = (1, 4, 5, 17, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7)


def both(a: Any) -> Any:
    return a.argmax(), a.argmin()


def by_rows(a: Any) -> Any:
    return a.argmax(axis=1), a.argmin(axis=-1)


def of_a_value(a: Any, b: Any) -> Any:
    return (
        (a - b * 2).argmax(axis=1),
        np.abs(a).argmin(axis=1),
        np.exp(a).argmax(axis=1),
        (a > b).argmax(axis=1),
    )


def at_indices(a: Any, i: Any) -> Any:
    return a[i].argmax()


def agree(function: Any, *args: Any) -> None:
    got, wanted = jit(function)(*args), function(*args)
    pairs = zip(got, wanted, strict=True) if isinstance(wanted, tuple) else [(got, wanted)]
    for g, w in pairs:
        np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u4", "i8", "u8", "?", "c8"])
def test_dtypes_and_lengths(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for n in LENGTHS:
        a = rng.integers(0, 40, n).astype(dtype)  # many ties
        agree(both, a)
        agree(both, np.repeat(a, 2)[::-2])


@pytest.mark.parametrize("n", LENGTHS)
def test_special_numbers(n: int) -> None:
    rng = np.random.default_rng(n)
    compiled = jit(both)
    for _ in range(40):
        a = rng.choice(np.array([0.0, -0.0, 1.0, np.inf, -np.inf, -1.0], np.float32), n)
        assert compiled(a) == both(a)
        a[rng.integers(0, n, 1 + n // 100)] = np.nan
        assert compiled(a) == both(a)
        assert compiled(np.full_like(a, -np.inf)) == (0, 0)


def test_rows_and_values() -> None:
    rng = np.random.default_rng(1)
    for shape in [(7, 5), (5, 300), (3, 1000), (1, 64)]:
        a, b = rng.standard_normal(shape), rng.standard_normal(shape)
        agree(by_rows, a)
        agree(by_rows, np.asfortranarray(a))
        agree(of_a_value, a.round(1), b.round(1))
    agree(at_indices, rng.standard_normal(1000), rng.integers(0, 1000, 700))
