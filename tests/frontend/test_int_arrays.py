"""Arrays of integers where NumPy takes a sequence of them; rows of an array as a list of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import jit

A = np.arange(12.0).reshape(3, 4)


def select(a: Any, i: Any) -> Any:
    return np.select(a > 3, a[:, 0], 0)


def lower(a: Any, i: Any) -> Any:
    return np.tril(a[0]), np.triu(a[1], 1)


def split(a: Any, i: Any) -> Any:
    return [part.sum() for part in np.split(a, i)]


def split_from_the_end(a: Any, i: Any) -> Any:
    return [part.sum() for part in np.array_split(a, -i)]


def roll(a: Any, i: Any) -> Any:
    return np.roll(a, i), np.roll(a, i, axis=(0, 1))


def tile(a: Any, i: Any) -> Any:
    return np.tile(a, i)


@pytest.mark.parametrize("function", [select, lower, split, split_from_the_end, roll, tile])
def test_like_numpy(function: Callable[..., Any]) -> None:
    positions = np.array([1, 2])
    expected, found = function(A, positions), jit(function)(A, positions)
    if not isinstance(expected, (tuple, list)):
        expected, found = [expected], [found]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.shape(one) == np.shape(other)


def test_add_at_writes_where_numpy_does() -> None:
    @jit
    def counted(x: Any) -> Any:
        np.add.at(x, [0, 0, 2], 1)
        return x

    frozen = np.zeros(3)
    frozen.flags.writeable = False
    assert counted(frozen) is frozen
    assert frozen.tolist() == [2, 0, 1]


def test_view_of_one_element_with_any_stride() -> None:
    @jit
    def viewed(x: Any) -> Any:
        return x[:1].view(np.uint8), x[:0].view(np.uint8)

    one, none = viewed(np.arange(1.0, 9.0)[::3])
    assert one.tolist() == np.array([1.0]).view(np.uint8).tolist()
    assert none.shape == (0,)
