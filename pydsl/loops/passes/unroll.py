"""Unrolling of short constant loops inside longer ones, so that the longer loop is the one that vectorises.

Before::

    for i in 1000: for j in 2: @a[16*i + 4*j] = ...

After::

    for i in 1000: @a[16*i] = ...; @a[16*i + 4] = ...
"""

from __future__ import annotations

from pydsl.loops.ir import Assign, Declare, Fail, For, If, Let, LoopKind, Stmt, Store, StoreSlot
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import blocks, walk

#: what an unrolled body may have: no jumps out of it, nothing that is long by itself
_SIMPLE = (For, If, Let, Declare, Assign, Store, StoreSlot, Fail)
#: a longer loop is not unrolled
MAX_EXTENT = 16
#: statements that unrolling one loop may make
MAX_STATEMENTS = 96
#: the loop around must be at least this much longer
RATIO = 2


def unroll_short(body: list[Stmt], around: int | None = None) -> list[Stmt]:
    """Unrolls inside out; returns the new list.

    Parameters
    ----------
    around: extent of the enclosing loop; None outside of loops, a large number for a symbolic one.
    """
    out: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, For):
            extent = stmt.stop - stmt.start
            stmt.body = unroll_short(stmt.body, extent.value if extent.is_const else 1 << 30)
            if _should(stmt, around):
                out.extend(unrolled(stmt))
                continue
        else:
            for inner in blocks(stmt):
                inner[:] = unroll_short(inner, around)
        out.append(stmt)
    return out


def _should(loop: For, around: int | None) -> bool:
    extent = loop.stop - loop.start
    if not extent.is_const or loop.label == "user" or loop.kind is not LoopKind.SERIAL:
        return False
    n = extent.value
    if n > MAX_EXTENT or (around is not None and n * RATIO > around and n > 4) or (around is None and n > 4):
        return False
    inner = list(walk(loop.body))
    if n > 1 and any(isinstance(s, For) for s in inner):
        return False  # a loop stays inside, so the loop around is not the one that vectorises
    return all(isinstance(s, _SIMPLE) for s in inner) and n * len(inner) <= MAX_STATEMENTS


def unrolled(loop: For) -> list[Stmt]:
    """The iterations of a constant loop, one after the other."""
    out: list[Stmt] = []
    start = loop.start
    for k in range(max(0, (loop.stop - loop.start).value)):
        out.extend(substituted(loop.body, {loop.var: start + k}))
    return out
