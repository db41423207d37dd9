"""Products in every layout against NumPy: tiles, the library, copies of operands, symmetric products, threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import jit, knobs
from pydsl.loops.ir import For, Gemm, LoopKind
from pydsl.loops.walk import walk

Layout = Callable[[Any], Any]

LAYOUTS: dict[str, Layout] = {
    "plain": lambda x: x,
    "transposed": lambda x: np.asfortranarray(x),
    "columns": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "rows": lambda x: np.repeat(x, 3, axis=0)[::3],
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "inside": lambda x: np.pad(x, 2)[2:-2, 2:-2],
    "both": lambda x: np.repeat(np.repeat(x, 2, axis=1), 2, axis=0)[::2, ::2],
}


def array(rng: np.random.Generator, dtype: str, *shape: int) -> Any:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape)).astype(dtype) if dtype[0] == "c" else x.astype(dtype)


def product(a: Any, b: Any) -> Any:
    return a @ b


def finished(a: Any, b: Any) -> Any:
    return np.tanh(a @ b) + 1


def times_own_transpose(a: Any) -> Any:
    return a @ a.T


def transpose_times_own(a: Any) -> Any:
    return a.T @ a + 1


def column_by_rest(d: Any) -> Any:
    return d[:, 3] @ d[:, 4:]


def rest_by_column(d: Any) -> Any:
    return d[4:] @ d[:, 3]


def row_into_column(d: Any, out: Any) -> Any:
    out[:, 1] = d @ d[2]
    return out


def many(a: Any, b: Any) -> Any:
    return np.tensordot(a, b, axes=((1, 2), (0, 1)))


def agree(function: Callable[..., Any], *args: Any) -> None:
    got, wanted = jit(function)(*args), function(*args)
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    tolerance = 2e-4 if wanted.dtype.name in ("float32", "complex64") else 1e-11
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * 10)


def library_calls(function: Callable[..., Any], *args: Any) -> int:
    return sum(isinstance(s, Gemm) for s in walk(jit(function).report(*args).loops.body))


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Any:
    with knobs.scope(num_threads=request.param):
        yield request.param


NAMES = list(LAYOUTS)
PAIRS = [(first, NAMES[(i + by) % len(NAMES)]) for i, first in enumerate(NAMES) for by in (0, 1, 3)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_layouts_of_large_products(first: str, second: str) -> None:
    rng = np.random.default_rng(0)
    a, b = array(rng, "f4", 150, 210), array(rng, "f4", 210, 170)
    agree(finished, LAYOUTS[first](a), LAYOUTS[second](b))


@pytest.mark.parametrize("dtype", ["f8", "c8", "c16"])
@pytest.mark.parametrize("layout", ["plain", "transposed", "both"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (40, 30, 20), (150, 130, 140)])
def test_dtypes(dtype: str, layout: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    m, k, n = shape
    agree(product, LAYOUTS[layout](array(rng, dtype, m, k)), LAYOUTS[layout](array(rng, dtype, k, n)))


@pytest.mark.parametrize("layout", ["plain", "transposed", "reversed", "both"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_vectors(dtype: str, layout: str, threads: int) -> None:
    rng = np.random.default_rng(2)
    d = LAYOUTS[layout](array(rng, dtype, 300, 300))
    agree(column_by_rest, d)
    agree(rest_by_column, d)
    agree(product, d, d[7])
    agree(product, d[7, ::-1], d)
    out = array(rng, dtype, 300, 3)
    got = jit(row_into_column)(d, out.copy())
    np.testing.assert_allclose(got, row_into_column(d, out.copy()), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("shape", [(128, 70), (200, 300), (257, 64)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_own_transpose(dtype: str, shape: tuple[int, int], threads: int) -> None:
    a = array(np.random.default_rng(3), dtype, *shape)
    for layout in ("plain", "inside"):
        agree(times_own_transpose, LAYOUTS[layout](a))
        agree(transpose_times_own, LAYOUTS[layout](a))
    result = jit(times_own_transpose)(a)
    np.testing.assert_array_equal(result, result.T)


def test_several_dimensions_and_a_large_right_operand() -> None:
    rng = np.random.default_rng(4)
    agree(many, array(rng, "f4", 30, 20, 30), array(rng, "f4", 20, 30, 500))
    agree(many, array(rng, "f4", 6, 20, 30, 7).transpose(0, 1, 2, 3)[..., 0], array(rng, "f4", 20, 30, 500))
    windows = np.lib.stride_tricks.sliding_window_view(array(rng, "f4", 12, 9, 64), (3, 3), (0, 1))
    weights = array(rng, "f4", 64, 3, 3, 500)

    def convolve(x: Any, w: Any) -> Any:
        return np.tensordot(x, w, axes=((2, 3, 4), (0, 1, 2)))

    agree(convolve, windows, weights)


def test_batches(threads: int) -> None:
    rng = np.random.default_rng(5)
    agree(product, array(rng, "f4", 3, 200, 190), array(rng, "f4", 3, 190, 210))
    agree(product, array(rng, "f4", 3, 200, 190), array(rng, "f4", 190, 210)[:, ::-1])
    agree(product, array(rng, "c8", 9, 20, 30), array(rng, "c8", 9, 30, 10))
    agree(product, array(rng, "f8", 4, 90, 300), array(rng, "f8", 4, 300, 1))


def test_strided_vectors_and_matrices_go_to_the_library() -> None:
    d = array(np.random.default_rng(6), "f8", 400, 400)
    assert library_calls(rest_by_column, d) == library_calls(column_by_rest, d) == 1
    assert library_calls(product, d, d[::-1, ::-1]) == 1
    assert library_calls(product, d + 0j, d + 0j) == 1


def test_long_products_run_on_threads_in_panels() -> None:
    d = array(np.random.default_rng(7), "f8", 512, 512)
    with knobs.scope(num_threads=2):
        for function, args in (
            (product, (d, d.copy())),
            (times_own_transpose, (d,)),
            (product, (np.tile(d, (4, 4)), d[:4].ravel())),
        ):
            loops = jit(function).report(*args).loops
            shared = [s for s in loops.body if isinstance(s, For) and s.kind is LoopKind.PARALLEL]
            assert len(shared) == 1, function
            assert any(isinstance(s, Gemm) for s in walk(shared))


@pytest.mark.parametrize("depth", [1, 3, 64, 300, 70_000])
def test_bools_are_counted_in_what_the_count_fits_into(depth: int) -> None:
    rng = np.random.default_rng(8)
    for share in (0.0, 0.05, 1.0):
        a, b = rng.random((3, depth)) < share, rng.random((depth, 5)) < share
        np.testing.assert_array_equal(jit(product)(a, b), a @ b)
        np.testing.assert_array_equal(jit(product)(a, b[:, 0]), a @ b[:, 0])
        np.testing.assert_array_equal(jit(product)(a[0], b), a[0] @ b)


def test_long_sums_of_small_tiles() -> None:
    rng = np.random.default_rng(9)
    for m, k, n in [(4, 10_000, 4), (1, 777, 3), (2, 501, 9), (3, 5, 1), (5, 2, 20)]:
        agree(product, array(rng, "f8", m, k), array(rng, "f8", k, n))
        agree(finished, array(rng, "f4", m, k), array(rng, "f4", k, n))
