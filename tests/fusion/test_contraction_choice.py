"""Which contractions are left to the library, and that either way the results are those of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.loops.ir import Contract, Gemm
from pydsl.loops.walk import walk
from tests.fusion.test_kernel_counts import f32


def product(a: Any, b: Any) -> Any:
    return np.maximum(a @ b, 0)


def windows(x: Any, b: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, 256) @ b


def kinds(fn: Any, *args: Any) -> list[type]:
    return [type(s) for s in walk(jit(fn).report(*args).loops.body) if isinstance(s, Gemm | Contract)]


def test_a_small_right_operand_is_tiled_however_large_the_left_one_is() -> None:
    args = f32(4000, 32), f32(100, 32).T
    assert kinds(product, *args) == [Contract]
    np.testing.assert_allclose(jit(product)(*args), product(*args), rtol=1e-5)


def test_a_large_right_operand_goes_to_the_library() -> None:
    args = f32(200, 256), f32(256, 256)
    assert kinds(product, *args) == [Gemm]
    np.testing.assert_allclose(jit(product)(*args), product(*args), rtol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
def test_rows_that_overlap_do_not_go_to_the_library(flip: bool) -> None:
    args = f32(600), f32(256, 256).T if flip else f32(256, 256)
    assert Gemm not in kinds(windows, *args)
    np.testing.assert_allclose(jit(windows)(*args), windows(*args), rtol=1e-4)


def scaled(a: Any, b: Any) -> Any:
    return (2.5 * a + 1) @ b


@pytest.mark.parametrize(("side", "chosen"), [(200, Gemm), (40, Contract)])
def test_a_computed_operand_is_stored_first(side: int, chosen: type) -> None:
    args = f32(side, side), f32(side, 200)
    assert kinds(scaled, *args) == [chosen]
    np.testing.assert_allclose(jit(scaled)(*args), scaled(*args), rtol=1e-4)


def test_a_computed_operand_of_a_product_with_a_vector_is_not() -> None:
    args = f32(60, 60), f32(60)
    report = jit(scaled).report(*args)
    assert not report.plan.arena
    np.testing.assert_allclose(jit(scaled)(*args), scaled(*args), rtol=1e-4)


def replaced(a: Any, b: Any) -> None:
    for r in range(a.shape[0]):
        a[r] = a[r] @ b


def test_a_product_over_its_own_operand_stays_whole() -> None:
    """Its rows could be stored one by one, in the loop over the rows; the product would be of single rows then."""
    a, b = f32(40, 20, 30), f32(30, 30)
    assert kinds(replaced, a, b) == [Contract]
    got, want = a.copy(), a.copy()
    jit(replaced)(got, b)
    replaced(want, b)
    np.testing.assert_allclose(got, want, rtol=1e-5)
