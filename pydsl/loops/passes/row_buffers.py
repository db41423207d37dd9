"""Row buffers: a temporary of which every iteration of a loop uses only its own part shrinks to that part.

Before::

    for i in [0, 1000)
      for j in [0, 64): @t[256*i + 4*j] = exp(@x[256*i + 4*j])
      for j in [0, 64): sum = add(sum, @t[256*i + 4*j])
      for j in [0, 64): @y[256*i + 4*j] = divide(@t[256*i + 4*j], sum)

After: ``@t`` is 256 bytes of automatic memory, at the same place in every iteration, and stays in the nearest cache::

    for j in [0, 64): @t[4*j] = exp(@x[256*i + 4*j])

Nothing outside the statements reads the temporary, so what an iteration reads it has written itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from pydsl.ir.affine import Affine, Range, Symbol
from pydsl.loops.ir import Buffer, Expr, For, Load, Space, Stmt, Store, Var
from pydsl.loops.walk import blocks, buffers, expressions, map_expressions, subexpressions

#: bytes of one row buffer, and of all those of a function
ROW_BYTES = 32 << 10
ALL_BYTES = 96 << 10


@dataclass
class _Access:
    offset: Affine
    itemsize: int
    loops: tuple[For, ...]


@dataclass
class _Found:
    accesses: list[_Access] = field(default_factory=list)
    opaque: bool = False


def shrink_to_rows(body: list[Stmt], temporaries: Collection[Buffer]) -> list[Stmt]:
    """Shrinks temporaries in place; returns the list.

    Parameters
    ----------
    temporaries: buffers that nothing outside of these statements reads.
    """
    wanted = {b for b in temporaries if b.space is Space.ARENA and b.nbytes is not None and b.nbytes.is_const}
    if not wanted:
        return body
    found: dict[Buffer, _Found] = defaultdict(_Found)
    _collect(body, (), wanted, found)
    left = ALL_BYTES
    moved: dict[Buffer, tuple[set[Var], int]] = {}
    for buffer, uses in found.items():
        plan = None if uses.opaque else _plan(uses.accesses)
        if plan is None:
            continue
        loops, low, nbytes = plan
        if nbytes > min(ROW_BYTES, left):
            continue
        left -= nbytes
        moved[buffer] = loops, low
        buffer.space, buffer.nbytes, buffer.scratch, buffer.alignment = (
            Space.LOCAL,
            Affine.of(nbytes),
            True,
            64,
        )
    if moved:
        _rewrite(body, moved)
    return body


def _collect(
    body: list[Stmt], loops: tuple[For, ...], wanted: set[Buffer], found: dict[Buffer, _Found]
) -> None:
    for stmt in body:
        for top in expressions(stmt):
            for expr in subexpressions(top):
                if isinstance(expr, Load) and expr.buffer in wanted:
                    access = _Access(expr.offset, expr.dtype.itemsize, loops)
                    found[expr.buffer].accesses.append(access)
        if isinstance(stmt, Store):
            if stmt.buffer in wanted:
                found[stmt.buffer].accesses.append(_Access(stmt.offset, stmt.value.dtype.itemsize, loops))
        else:
            loaded = {
                e.buffer for top in expressions(stmt) for e in subexpressions(top) if isinstance(e, Load)
            }
            for buffer in buffers(stmt):
                if buffer not in loaded and buffer in wanted:
                    found[buffer].opaque = True  # a product, a copy, a pointer
        inside = (*loops, stmt) if isinstance(stmt, For) else loops
        for block in blocks(stmt):
            _collect(block, inside, wanted, found)


def _plan(accesses: list[_Access]) -> tuple[set[Var], int, int] | None:
    """The loops whose iterations use disjoint parts, the first byte of a part, its size; None where no loop does."""
    first = accesses[0].loops
    shared = [loop for loop in first if all(loop in a.loops for a in accesses)]
    dropped: set[Var] = set()
    for loop in reversed(shared):
        steps = {a.offset.coeff(loop.var) for a in accesses}
        if len(steps) != 1 or loop.label == "user":
            break
        (step,) = steps
        span = _span(accesses, dropped | {loop.var})
        if step == 0 or span is None or span[1] - span[0] > abs(step):
            break
        dropped.add(loop.var)
    if not dropped:
        return None
    span = _span(accesses, dropped)
    assert span is not None
    return dropped, span[0], span[1] - span[0]


def _span(accesses: list[_Access], fixed: set[Var]) -> tuple[int, int] | None:
    """The bytes that the accesses touch while some variables stand still."""
    low: int | None = None
    high: int | None = None
    for access in accesses:
        ranges: dict[Symbol, Range] = {loop.var: _range(loop) for loop in access.loops}
        bounds = access.offset.without(fixed).bounds(ranges)
        if bounds[0] is None or bounds[1] is None:
            return None
        low = bounds[0] if low is None else min(low, bounds[0])
        end = bounds[1] + access.itemsize
        high = end if high is None else max(high, end)
    return None if low is None or high is None else (low, high)


def _range(loop: For) -> Range:
    start, stop = loop.start, loop.stop
    known = start.is_const and stop.is_const and stop.value > start.value
    return (start.value, stop.value - 1) if known else loop.var.bounds


def _rewrite(body: list[Stmt], moved: dict[Buffer, tuple[set[Var], int]]) -> None:
    def place(buffer: Buffer, offset: Affine) -> Affine:
        loops, low = moved[buffer]
        return offset.without(loops) - low

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Load) and node.buffer in moved:
            return Load(node.buffer, place(node.buffer, node.offset), node.dtype)
        return None

    for stmt in body:
        map_expressions(stmt, leaf)
        if isinstance(stmt, Store) and stmt.buffer in moved:
            stmt.offset = place(stmt.buffer, stmt.offset)
        for block in blocks(stmt):
            _rewrite(block, moved)
