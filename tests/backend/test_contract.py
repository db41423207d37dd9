"""Contractions and the library GEMM against einsum in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pydsl.jit.cpu import threads
from pydsl.jit.cpu.target import host_target
from pydsl.jit.llvm import parallel
from pydsl.jit.llvm.target import Target
from pydsl.jit.llvm.tiling import merged, plan
from pydsl.loops.ir import Contract, For, Gemm, LoopFunction, LoopKind, Read, Return, Stmt
from pydsl.loops.walk import walk
from tests.backend.harness import (
    F4,
    F8,
    Native,
    af,
    arg,
    const,
    elem,
    function,
    op,
    put,
    run_interpreted,
    slots_of,
    var,
)

# What other machines have. Code for them runs here too, as far as this machine has the instructions.
_TARGETS = {
    "host": host_target(),
    "avx2": dataclasses.replace(host_target(), vector_bits=256, vector_registers=16, masked=False),
    "sse": Target("sse"),
    "threads": dataclasses.replace(host_target(), threads=3),
}


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops on threads are cut into as many chunks as they can be."""
    monkeypatch.setattr(parallel, "GRAIN_NS", 0.0)
    threads.install()


def run(made: LoopFunction, target: str, *values: np.ndarray) -> None:
    """Natively for a target."""
    import tests.backend.harness as harness

    before = harness.host_target
    for stmt in walk(made.body):
        if isinstance(stmt, Contract):
            stmt.parallel = target == "threads"
    harness.host_target = lambda: _TARGETS[target]  # type: ignore[assignment]
    try:
        assert Native(made).run(slots_of(*values)) == 0
    finally:
        harness.host_target = before


def close(result: np.ndarray, wanted: np.ndarray, depth: int) -> None:
    unit = np.finfo(result.dtype).eps
    np.testing.assert_allclose(result, wanted, rtol=4 * unit, atol=unit * max(1.0, depth**0.5) * 8)


def convolution(
    h: int, w: int, c: int, size: int, n: int, dtype: np.dtype, *, layout: str = "rows"
) -> LoopFunction:
    """An image (h, w, c) with a kernel (size, size, c, n), bias and ReLU; or with a kernel (n, size, size, c)."""
    s, oh, ow = dtype.itemsize, h - size + 1, w - size + 1
    x, k, bias, out = (arg(v, slot, dtype, alignment=s) for slot, v in enumerate(["x", "k", "bias", "out"]))
    oy, ox, ch, acc = var("oy"), var("ox"), var("n"), var("acc", dtype)
    if layout == "rows":
        n_stride, k_strides = s, (size * c * n * s, c * n * s, n * s)
    else:
        n_stride, k_strides = size * size * c * s, (size * c * s, c * s, s)
    value = op("maximum", op("add", Read(acc), elem(bias, af(ch))), const(0, dtype))
    epilogue: list[Stmt] = [put(out, af(oy) * (ow * n) + af(ox) * n + af(ch), value)]
    dims = ((size, w * c * s, k_strides[0]), (size, c * s, k_strides[1]), (c, s, k_strides[2]))
    m = ((oy, oh, w * c * s), (ox, ow, c * s))
    stmt = Contract(dtype, m, (ch, n, n_stride), dims, x, af(0), k, af(0), acc, epilogue)
    return function([stmt, Return(0)], [x, k, bias, out])


@pytest.mark.parametrize("target", sorted(_TARGETS))
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(
    ("h", "w", "c", "size", "n"),
    [
        *((8, 9, 3, 3, 10), (5, 5, 4, 2, 1), (6, 7, 2, 3, 2), (4, 4, 48, 2, 64), (7, 5, 3, 3, 33)),
        *((3, 40, 5, 1, 17), (12, 12, 3, 3, 70), (3, 3, 8, 3, 130), (6, 6, 1, 6, 5)),
    ],
)
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_convolution(
    h: int, w: int, c: int, size: int, n: int, dtype: np.dtype, layout: str, target: str
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((h, w, c)).astype(dtype)
    kernel = rng.standard_normal((size, size, c, n)).astype(dtype)
    bias = rng.standard_normal(n).astype(dtype)
    out = np.full((h - size + 1, w - size + 1, n), np.nan, dtype)
    stored = kernel if layout == "rows" else np.ascontiguousarray(kernel.transpose(3, 0, 1, 2))
    run(convolution(h, w, c, size, n, dtype, layout=layout), target, x, stored, bias, out)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(F8), (size, size), (0, 1))
    wanted = np.maximum(np.einsum("hwcij,ijcn->hwn", windows, kernel.astype(F8)) + bias, 0)
    close(out, wanted, size * size * c)


def product(
    m: int, k: int, n: int, dtype: np.dtype, *, trans_a: bool = False, trans_b: bool = False
) -> LoopFunction:
    s = dtype.itemsize
    a, b, c = (arg(v, slot, dtype, alignment=s) for slot, v in enumerate("abc"))
    i, j, acc = var("i"), var("j"), var("acc", dtype)
    a_strides, b_strides = ((s, m * s) if trans_a else (k * s, s)), ((s, k * s) if trans_b else (n * s, s))
    epilogue: list[Stmt] = [put(c, af(i) * n + af(j), Read(acc))]
    stmt = Contract(
        dtype,
        ((i, m, a_strides[0]),),
        (j, n, b_strides[1]),
        ((k, a_strides[1], b_strides[0]),),
        a,
        af(0),
        b,
        af(0),
        acc,
        epilogue,
    )
    return function([stmt, Return(0)], [a, b, c])


_SIZES = [
    (1, 1, 1),
    (1, 100, 50),
    (2, 3, 4),
    (3, 64, 64),
    (4, 4, 4),
    (7, 5, 9),
    (16, 16, 16),
    (13, 200, 31),
    (40, 33, 1),
]


@pytest.mark.parametrize(("m", "k", "n"), [*_SIZES, (5, 1, 200), (30, 20, 10)])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4", "u1", "i8", "?"])
def test_matrix_product(m: int, k: int, n: int, dtype: str, trans_a: bool, trans_b: bool) -> None:
    kind = np.dtype(dtype)
    rng = np.random.default_rng(1)
    a, b = rng.integers(-3, 4, (m, k)).astype(kind), rng.integers(-3, 4, (k, n)).astype(kind)
    out = np.zeros((m, n), kind)
    made = product(m, k, n, kind, trans_a=trans_a, trans_b=trans_b)
    stored = np.ascontiguousarray(a.T) if trans_a else a, np.ascontiguousarray(b.T) if trans_b else b
    assert Native(made).run(slots_of(*stored, out)) == 0
    np.testing.assert_array_equal(out, a @ b)
    if m * n * k < 200:
        again = np.zeros_like(out)
        run_interpreted(made, *stored, again)
        np.testing.assert_array_equal(again, out)


def test_empty_extents() -> None:
    for m, k, n in [(0, 3, 3), (3, 0, 3), (3, 3, 0)]:
        out = np.full((m, n), 7.0)
        assert Native(product(m, k, n, F8)).run(slots_of(np.ones((m, k)), np.ones((k, n)), out)) == 0
        np.testing.assert_array_equal(out, np.ones((m, k)) @ np.ones((k, n)))


def test_a_large_second_operand_that_must_be_packed_is_not() -> None:
    """Above the limit the plain loops are used, and are right."""
    a, b = np.ones((2, 600)), np.random.default_rng(2).standard_normal((300, 600))
    out = np.zeros((2, 300))
    assert Native(product(2, 600, 300, F8, trans_b=True)).run(slots_of(a, b, out)) == 0
    close(out, a @ b.T, 600)


def test_batched_product_in_a_parallel_loop() -> None:
    """The contraction inside a parallel loop, with an epilogue that reads and writes in place."""
    n_batch, m, k, n = 20, 5, 7, 6
    a, b, c = (arg(v, slot, F4, alignment=4) for slot, v in enumerate("abc"))
    t, i, j, acc = var("t"), var("i"), var("j"), var("acc", F4)
    at = af(t) * (m * n) + af(i) * n + af(j)
    epilogue: list[Stmt] = [put(c, at, op("add", elem(c, at), Read(acc)))]
    stmt = Contract(
        F4,
        ((i, m, k * 4),),
        (j, n, 4),
        ((k, 4, n * 4),),
        a,
        af(t) * (m * k * 4),
        b,
        af(t) * (k * n * 4),
        acc,
        epilogue,
    )
    made = function([For(t, af(0), af(n_batch), [stmt], LoopKind.PARALLEL), Return(0)], [a, b, c])
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((n_batch, m, k)).astype(F4), rng.standard_normal((n_batch, k, n)).astype(F4)
    out = np.ones((n_batch, m, n), F4)
    assert Native(made).run(slots_of(x, y, out)) == 0
    close(out, 1 + x.astype(F8) @ y.astype(F8), k)


@pytest.mark.parametrize("target", ["host", "threads"])
def test_epilogue_runs_once_for_each_element(target: str) -> None:
    """Tiles overlap at the end of a dimension; the epilogue does not."""
    for m in range(1, 40):
        a, b, c = (arg(v, slot, F8, alignment=8) for slot, v in enumerate("abc"))
        i, j, acc = var("i"), var("j"), var("acc", F8)
        at = af(i) * 3 + af(j)
        epilogue: list[Stmt] = [put(c, at, op("add", elem(c, at), Read(acc)))]
        stmt = Contract(F8, ((i, m, 16),), (j, 3, 8), ((2, 8, 24),), a, af(0), b, af(0), acc, epilogue)
        x, y = np.arange(2.0 * m).reshape(m, 2), np.arange(6.0).reshape(2, 3)
        out = np.ones((m, 3))
        run(function([stmt, Return(0)], [a, b, c]), target, x, y, out)
        np.testing.assert_array_equal(out, 1 + x @ y)


def test_rows_of_a_packed_product_on_threads() -> None:
    """The copy of the second operand is made once, before the threads start."""
    rng = np.random.default_rng(4)
    for m, k, n in [(200, 100, 50), (3, 600, 64), (1, 40, 40), (50, 7, 3)]:
        a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k))
        out = np.zeros((m, n))
        run(product(m, k, n, F8, trans_b=True), "threads", a, b, out)
        close(out, a @ b.T, k)


def test_plans() -> None:
    assert [
        tuple(dataclasses.astuple(d))
        for d in merged(((3, 4800, 960), (3, 160, 320), (1, 7, 7), (10, 16, 32)))
    ] == [
        (3, 4800, 960),
        (30, 16, 32),
    ]
    i, j, acc = var("i"), var("j"), var("acc", F4)
    x, y = arg("x", 0, F4), arg("y", 1, F4)

    def tiling(m: int, k: int, n: int, target: Target) -> object:
        stmt = Contract(F4, ((i, m, k * 4),), (j, n, 4), ((k, 4, n * 4),), x, af(0), y, af(0), acc, [])
        return plan(stmt, target)

    wide = Target("wide", vector_bits=512, vector_registers=32, masked=True, fma=True)
    for m, k, n in [(46, 288, 64), (100, 27, 10), (1, 1152, 256), (3, 9, 200), (1000, 8, 2)]:
        made = tiling(m, k, n, wide)
        assert made is not None
        accumulators = len(made.rows()) * max(count for _, count, _ in made.column_tiles)  # type: ignore[attr-defined]
        assert accumulators <= 28
        assert made.vectors * made.lanes >= n  # type: ignore[attr-defined]


# --- library --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize(("trans_a", "trans_b"), [(False, False), (True, False), (False, True), (True, True)])
def test_gemm(trans_a: bool, trans_b: bool, beta: float, dtype: np.dtype) -> None:
    m, n, k = var("m"), var("n"), var("k")
    a, b, c = (arg(v, slot, dtype) for slot, v in enumerate("abc"))
    lda, ldb = (m if trans_a else k), (k if trans_b else n)
    stmt = Gemm(
        dtype,
        af(m),
        af(n),
        af(k),
        a,
        af(0),
        af(lda),
        trans_a,
        b,
        af(0),
        af(ldb),
        trans_b,
        c,
        af(0),
        af(n),
        beta,
    )
    made = function([stmt, Return(0)], [a, b, c], [(m, 3), (n, 4), (k, 5)])
    native = Native(made)
    rng = np.random.default_rng(4)
    for size in [(3, 4, 5), (70, 80, 90), (1, 1, 1), (0, 4, 5), (3, 0, 5), (3, 4, 0), (1, 50, 60)]:
        x, y = (
            rng.standard_normal((size[0], size[2])).astype(dtype),
            rng.standard_normal((size[2], size[1])).astype(dtype),
        )
        first = rng.standard_normal(size[:2]).astype(dtype)
        stored = np.ascontiguousarray(x.T) if trans_a else x, np.ascontiguousarray(y.T) if trans_b else y
        out, again = first.copy(), first.copy()
        assert native.run(slots_of(*stored, out, *size)) == 0
        run_interpreted(made, *stored, again, *size)
        wanted = x.astype(F8) @ y.astype(F8) + beta * first
        close(out, wanted, size[2])
        close(again, wanted, size[2])
