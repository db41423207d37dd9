"""Reductions along the innermost loops.

Sums of floats are at least as accurate as NumPy's pairwise sum and still vectorise: runs of ``CHUNK`` elements are
added in several lanes (at most ``CHUNK / 32`` additions one after the other, then a tree), and the sums of the runs are
added in a wider way: float32 in float64, float64 with a compensation term (Neumaier, "Rundungsfehleranalyse einiger
Verfahren zur Summation endlicher Summen", 1974). Everything else is exact in any order, or runs in NumPy's order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.fusion.reduction import combine, identity
from pydsl.fusion.state import INT64
from pydsl.fusion.statement import IndexedLoad, Statement, rewrite, substitute
from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, Assign, Const, Declare, Expr, For, Index, Let, Load, Read, Stmt, Store, Var

CHUNK = 256
#: NumPy adds so few elements one after the other
SEQUENTIAL = 8
F32, F64, BOOL = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_)
Dim = tuple[Var, Affine]


def lower_reduction(statement: Statement, *, threads: bool = False) -> list[Stmt]:
    """``dst = reduction of value over the reduce dims``, at one point of the result.

    Parameters
    ----------
    threads: for a GPU: sums of floats have one accumulator, in a wider type or compensated.
    """
    assert statement.buffer is not None and statement.dtype is not None and statement.value is not None
    dims = reduce_order(statement)
    if statement.reduction == "sum" and statement.dtype.kind == "f":
        body, result = (_wide_sum if threads else _float_sum)(statement, dims)
    else:
        acc = Var("acc", statement.dtype)
        exact = statement.dtype.kind in "iub" or statement.reduction not in ("sum", "prod")
        step = _step(acc, statement.value, statement.reduction, reassoc=exact)
        body = [Declare(acc, identity(statement.reduction, statement.dtype)), *_loops(dims, step)]
        result = Read(acc)
    return [*body, Store(statement.buffer, statement.address, result)]


def lower_products(statement: Statement) -> list[Stmt]:
    """A sum of products at one point of the result, one after the other; float16 in float32, as NumPy does."""
    assert statement.buffer is not None and statement.dtype is not None and statement.value is not None
    dtype = statement.dtype
    working = F32 if dtype == np.float16 else dtype
    acc = Var("acc", working)
    value = rewrite(statement.value, lambda e: _wider_product(e, working))
    step = _step(acc, value, "sum", reassoc=dtype.kind in "iub", contract=dtype.kind == "f")
    result = _narrow(Read(acc), dtype)
    loops = _loops(reduce_order(statement), step)
    return [
        Declare(acc, identity("sum", working)),
        *loops,
        Store(statement.buffer, statement.address, result),
    ]


def _wider_product(expr: Expr, dtype: np.dtype[Any]) -> Expr | None:
    if not isinstance(expr, Apply) or expr.name != "multiply":
        return None
    args = tuple(a if a.dtype == dtype else Apply("cast", (a,), dtype) for a in expr.args)
    return Apply("multiply", args, dtype, contract=dtype.kind == "f")


def reduce_order(statement: Statement) -> list[Dim]:
    """The reduce dims, outermost first: by falling stride of what is loaded."""
    dims = [
        (v, e)
        for v, e in zip(statement.reduce_vars, statement.reduce_extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    dims.sort(key=lambda d: -max((abs(load.offset.coeff(d[0])) for load in statement.loads()), default=0))
    return dims


def _loops(dims: list[Dim], body: list[Stmt]) -> list[Stmt]:
    for var, extent in reversed(dims):
        body = [For(var, Affine.of(0), extent, body, label="reduce")]
    return body


def _step(acc: Var, value: Expr, reduction: str, **flags: bool) -> list[Stmt]:
    before, plain_value = plain(value)
    return [*before, Assign(acc, combine(reduction, Read(acc), plain_value, **flags))]


def plain(expr: Expr) -> tuple[list[Stmt], Expr]:
    """An expression without indexed loads: their indices are bound to variables before."""
    before: list[Stmt] = []

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, IndexedLoad):
            return None
        offset = node.offset
        for index, stride in node.terms:
            more, value = plain(index)
            var = Var("at", INT64)
            before.extend([*more, Let(var, value)])
            offset = offset + Affine.of(var) * stride
        return Load(node.buffer, offset, node.dtype)

    return before, rewrite(expr, leaf)


def _float_sum(statement: Statement, dims: list[Dim]) -> tuple[list[Stmt], Expr]:
    dtype = statement.dtype
    assert dtype is not None and statement.value is not None
    working = F32 if dtype.itemsize == 2 else dtype
    value = statement.value if working == dtype else Apply("cast", (statement.value,), working)
    if not dims:
        before, only = plain(value)
        return before, _narrow(only, dtype)
    *outer, (inner, extent) = dims
    if not outer and extent.is_const and extent.value <= CHUNK:
        part = Var("acc", working)
        step = _step(part, value, "sum", reassoc=extent.value >= SEQUENTIAL)
        return [Declare(part, identity("sum", working)), *_loops(dims, step)], _narrow(Read(part), dtype)
    total = _Total(F64 if working == F32 else working)
    body = _chunks(inner, extent, value, working, total)
    return [*total.declare(), *_loops(outer, body)], _narrow(total.result(), dtype)


def _wide_sum(statement: Statement, dims: list[Dim]) -> tuple[list[Stmt], Expr]:
    dtype = statement.dtype
    assert dtype is not None and statement.value is not None
    total = _Total(F64)
    before, value = plain(statement.value)
    wide = dtype.itemsize < F64.itemsize
    if wide:
        step: list[Stmt] = [
            Assign(total.sum, Apply("add", (Read(total.sum), _narrow(value, F64)), F64, reassoc=True))
        ]
    else:
        step = total.add(value)
    declared = total.declare()
    body = [*(declared[:1] if wide else declared), *_loops(dims, [*before, *step])]
    return body, _narrow(total.result(), dtype)


def _narrow(expr: Expr, dtype: np.dtype[Any]) -> Expr:
    return expr if expr.dtype == dtype else Apply("cast", (expr,), dtype)


def _chunks(inner: Var, extent: Affine, value: Expr, working: np.dtype[Any], total: _Total) -> list[Stmt]:
    """The innermost dimension in runs of ``CHUNK``, then the rest."""
    if extent.is_const and extent.value <= CHUNK:
        return _run(inner, Affine.of(0), extent, value, working, total)
    out: list[Stmt] = []
    if extent.is_const:
        whole = Affine.of(extent.value // CHUNK)
        rest = Affine.of(extent.value % CHUNK)
    else:
        chunks = Var("chunks", INT64, (0, None))
        out.append(Let(chunks, Apply("floor_divide", (Index(extent), Const(CHUNK, INT64)), INT64)))
        whole = Affine.of(chunks)
        rest = extent - whole * CHUNK
    chunk = Var("chunk", INT64, (0, None))
    out.append(
        For(
            chunk,
            Affine.of(0),
            whole,
            _run(inner, Affine.of(chunk) * CHUNK, Affine.of(CHUNK), value, working, total),
        )
    )
    if not (rest.is_const and rest.value == 0):
        out.extend(_run(inner, whole * CHUNK, rest, value, working, total))
    return out


def _run(
    inner: Var, start: Affine, length: Affine, value: Expr, working: np.dtype[Any], total: _Total
) -> list[Stmt]:
    lane = Var(inner.name, INT64, (0, CHUNK - 1))
    part = Var("part", working)
    shifted = substitute(value, {inner: start + Affine.of(lane)})
    step = _step(part, shifted, "sum", reassoc=True)
    return [
        Declare(part, identity("sum", working)),
        For(lane, Affine.of(0), length, step, label="reduce"),
        *total.add(Read(part)),
    ]


class _Total:
    """The sum of the runs: plain in a wider type, or compensated where there is none."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.sum = Var("sum", dtype)
        self.lost = Var("lost", dtype)
        self.compensated = False
        self.dtype = dtype

    def declare(self) -> list[Stmt]:
        zero = Const(0.0, self.dtype)
        return [Declare(self.sum, zero), Declare(self.lost, zero)]

    def add(self, part: Expr) -> list[Stmt]:
        if part.dtype != self.dtype:
            wide = Apply("cast", (part,), self.dtype)
            return [Assign(self.sum, Apply("add", (Read(self.sum), wide), self.dtype))]
        self.compensated = True
        dtype = self.dtype
        x, s, t = Var("x", dtype), Var("s", dtype), Var("t", dtype)
        big = Apply("greater_equal", (_abs(Read(s)), _abs(Read(x))), BOOL)
        hi, lo = (
            Apply("select", (big, Read(s), Read(x)), dtype),
            Apply("select", (big, Read(x), Read(s)), dtype),
        )
        error = Apply("add", (Apply("subtract", (hi, Read(t)), dtype), lo), dtype)
        return [
            Let(x, part),
            Let(s, Read(self.sum)),
            Let(t, Apply("add", (Read(s), Read(x)), dtype)),
            Assign(self.lost, Apply("add", (Read(self.lost), error), dtype)),
            Assign(self.sum, Read(t)),
        ]

    def result(self) -> Expr:
        if not self.compensated:
            return Read(self.sum)
        # an infinite sum has a meaningless compensation term
        better = Apply("add", (Read(self.sum), Read(self.lost)), self.dtype)
        finite = Apply("isfinite", (Read(self.lost),), BOOL)
        return Apply("select", (finite, better, Read(self.sum)), self.dtype)


def _abs(expr: Expr) -> Expr:
    return Apply("absolute", (expr,), expr.dtype)
