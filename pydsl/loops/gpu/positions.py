"""Iterations of nested loops by one number: which loops may be counted together, their variables from the number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.gpu.pieces import is_parallel
from pydsl.loops.ir import INT64, Apply, Assign, Const, Declare, DType, Expr, For, Index, Let, Read, Stmt, Var
from pydsl.loops.schedule.dependences import skips
from pydsl.loops.walk import walk

UINT32, UINT64 = np.dtype(np.uint32), np.dtype(np.uint64)


def spreads(loop: For) -> bool:
    """Whether iterations assign nothing outside, so that each may run on a thread of its own."""
    inside = {loop.var} | {s.var for s in walk(loop.body) if isinstance(s, (Declare, Let, For))}
    return not any(isinstance(s, Assign) and s.var not in inside for s in walk(loop.body))


def perfect(loop: For) -> tuple[list[For], list[Stmt]]:
    """Parallel loops nested without anything between them, whose bounds do not depend on each other."""
    loops = [loop]
    seen = {loop.var}
    body = loop.body
    while len(body) == 1 and is_parallel(body[0]):
        inner = body[0]
        assert isinstance(inner, For)
        if not spreads(inner) or any(s in seen for e in (inner.start, inner.stop) for s in e.symbols()):
            break
        loops.append(inner)
        seen.add(inner.var)
        body = inner.body
    if skips(body):  # a turn of a loop of its own ends there
        body = [For(Var("once", INT64, (0, 0)), Affine.of(0), Affine.of(1), body)]
    return loops, body


def counted(extents: Sequence[Affine]) -> tuple[list[Stmt], Affine, int | None]:
    """Statements that count the iterations of nested loops, their number, and the same where it is constant."""
    if all(e.is_const for e in extents):
        total = prod(max(0, e.value) for e in extents)
        return [], Affine.of(total), total
    size: Expr = Const(1, INT64)
    for extent in extents:
        some = Apply("maximum", (Index(extent), Const(0, INT64)), INT64)
        size = Apply("multiply", (size, some), INT64)
    count = Var("count", INT64, (0, None))
    return [Let(count, size)], Affine.of(count), None


def positions(
    loops: Sequence[For], extents: Sequence[Affine], at: Affine, total: int | None
) -> Iterator[Stmt]:
    """The loops' variables from the number of the iteration; the last loop runs fastest."""
    if len(loops) == 1:
        yield Let(loops[0].var, Index(loops[0].start + at))
        return
    dtype: DType = UINT32 if total is not None and total < 1 << 31 else UINT64
    rest: Expr = Apply("cast", (Index(at),), dtype)
    for loop, extent in zip(reversed(loops[1:]), reversed(extents[1:]), strict=True):
        number = Var("rest", dtype)
        yield Let(number, rest)
        size = Apply("cast", (Index(extent),), dtype)
        place = Apply("cast", (Apply("remainder", (Read(number), size), dtype),), INT64)
        yield from _place(loop, place)
        rest = Apply("floor_divide", (Read(number), size), dtype)
    yield from _place(loops[0], Apply("cast", (rest,), INT64))


def _place(loop: For, place: Expr) -> Iterator[Stmt]:
    if loop.start == Affine.of(0):
        yield Let(loop.var, place)
        return
    at = Var("at", INT64)
    yield Let(at, place)
    yield Let(loop.var, Index(Affine.of(at) + loop.start))
