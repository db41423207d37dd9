"""Reductions along outer axes: strips of the innermost result dimension are accumulated side by side.

Before::

    for i in [0, n): @s[4*i] = max over r of @x[4*n*r + 4*i]

After::

    for strip:
        acc[...] = -inf
        for r: for lane: acc[lane] = max(acc[lane], @x[4*n*r + 4*(1024*strip + lane)])
        @s[...] = acc[...]

Memory is walked in order, the accumulators stay in the nearest cache, and each element sees its terms in NumPy's order.
"""

from __future__ import annotations

import numpy as np

from pydsl.fusion.reduction import combine, identity
from pydsl.fusion.state import INT64
from pydsl.fusion.statement import Statement, substitute
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Buffer,
    Const,
    DType,
    Expr,
    For,
    Index,
    Let,
    Load,
    Read,
    Space,
    Stmt,
    Store,
    Var,
    substitute_index,
)
from pydsl.lowering.arguments import beats
from pydsl.lowering.reductions import plain, reduce_order

#: bytes of one strip of accumulators
STRIP_BYTES = 4096
BOOL = np.dtype(np.bool_)


def lower_strips(statement: Statement) -> list[Stmt]:
    """A reduction whose ``lane`` dimension runs inside of it, at one point of the other result dimensions."""
    assert statement.lane is not None and statement.value is not None
    extent = dict(zip(statement.vars, statement.extents, strict=True))[statement.lane]
    width = STRIP_BYTES // statement.value.dtype.itemsize
    if extent.is_const and extent.value <= width:
        return _strip(statement, Affine.of(0), extent, extent.value)
    out: list[Stmt] = []
    if extent.is_const:
        whole = Affine.of(extent.value // width)
    else:
        strips = Var("strips", INT64, (0, None))
        out.append(Let(strips, Apply("floor_divide", (Index(extent), Const(width, INT64)), INT64)))
        whole = Affine.of(strips)
    strip = Var("strip", INT64, (0, whole.value - 1 if whole.is_const else None))
    body = _strip(statement, Affine.of(strip) * width, Affine.of(width), width)
    out.append(For(strip, Affine.of(0), whole, body))
    rest = extent - whole * width
    if not (rest.is_const and rest.value == 0):
        out.extend(_strip(statement, whole * width, rest, width))
    return out


def _strip(statement: Statement, start: Affine, length: Affine, width: int) -> list[Stmt]:
    if statement.reduction in ("argmax", "argmin"):
        return _argument_strip(statement, start, length, width)
    assert statement.value is not None and statement.dtype is not None and statement.buffer is not None
    result = statement.dtype
    working = np.dtype(np.float32) if result == np.float16 and statement.reduction == "sum" else result
    acc = _scratch("acc", working, width)
    at = _At(statement, start)
    value = statement.value if working == result else Apply("cast", (statement.value,), working)
    before, term = plain(at.expr(value))
    place = at.lane * working.itemsize
    step = [*before, Store(acc, place, combine(statement.reduction, Load(acc, place, working), term))]
    total: Expr = Load(acc, place, working)
    if working != result:
        total = Apply("cast", (total,), result)
    return [
        at.loop(length, [Store(acc, place, identity(statement.reduction, working))]),
        *_around(statement, at.loop(length, step)),
        at.loop(length, [Store(statement.buffer, at.index(statement.address), total)]),
    ]


def _argument_strip(statement: Statement, start: Affine, length: Affine, width: int) -> list[Stmt]:
    assert statement.value is not None and statement.buffer is not None
    (var,), (extent,) = statement.reduce_vars, statement.reduce_extents
    dtype = statement.value.dtype
    best, best_at = _scratch("best", dtype, width), _scratch("best_at", INT64, width)
    at = _At(statement, start)
    here, there = at.lane * dtype.itemsize, at.lane * INT64.itemsize
    before, first = plain(at.expr(substitute(statement.value, {var: Affine.of(0)})))
    inside, later = plain(at.expr(substitute(statement.value, {var: Affine.of(var) + 1})))
    candidate, known, better = Var("candidate", dtype), Var("known", dtype), Var("better", BOOL)
    chosen = Apply("select", (Read(better), Read(candidate), Read(known)), dtype)
    position = Apply("select", (Read(better), Index(Affine.of(var) + 1), Load(best_at, there, INT64)), INT64)
    step: list[Stmt] = [
        *inside,
        Let(candidate, later),
        Let(known, Load(best, here, dtype)),
        Let(better, beats(statement.reduction, Read(candidate), Read(known))),
        Store(best, here, chosen),
        Store(best_at, there, position),
    ]
    return [
        at.loop(length, [*before, Store(best, here, first), Store(best_at, there, Const(0, INT64))]),
        For(var, Affine.of(0), extent - 1, [at.loop(length, step)], label="reduce"),
        at.loop(length, [Store(statement.buffer, at.index(statement.address), Load(best_at, there, INT64))]),
    ]


def _scratch(name: str, dtype: DType, width: int) -> Buffer:
    return Buffer(name, Space.LOCAL, dtype, Affine.of(width * dtype.itemsize), alignment=64, scratch=True)


def _around(statement: Statement, inner: Stmt) -> list[Stmt]:
    for var, extent in reversed(reduce_order(statement)):
        inner = For(var, Affine.of(0), extent, [inner], label="reduce")
    return [inner]


class _At:
    """The strip's lanes: the statement's lane variable is ``start`` plus the loop's own."""

    def __init__(self, statement: Statement, start: Affine) -> None:
        assert statement.lane is not None
        self.var = Var("lane", INT64, (0, None))
        self.mapping = {statement.lane: start + Affine.of(self.var)}

    @property
    def lane(self) -> Affine:
        return Affine.of(self.var)

    def expr(self, expr: Expr) -> Expr:
        return substitute(expr, self.mapping)

    def index(self, expr: Affine) -> Affine:
        return substitute_index(expr, self.mapping)

    def loop(self, length: Affine, body: list[Stmt]) -> Stmt:
        return For(self.var, Affine.of(0), length, body)
