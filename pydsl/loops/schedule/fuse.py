"""Fuse and distribute: two loops over the same range become one, and back.

Before::

    for i in [0, n): @t[8*i] = @a[8*i]: float64
    for j in [0, n): @b[8*j] = @t[8*j]: float64

After ``fuse(first, second)``::

    for i in [0, n)
      @t[8*i] = @a[8*i]: float64
      @b[8*i] = @t[8*i]: float64

Legal where no iteration of the second loop touches what a later one of the first loop writes, or writes what that
touches. ``distribute`` is the inverse and asks the same question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydsl.analysis.dependence import distances
from pydsl.ir.affine import Affine
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import Assign, Declare, Expr, For, Let, LoopKind, Read, Stmt, StoreSlot, Var
from pydsl.loops.schedule.dependences import Pair, leaves, skips
from pydsl.loops.schedule.legality import mentions, refuse
from pydsl.loops.schedule.uses import Uses
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import affines, expressions, subexpressions, walk


def fuse(first: For, second: For) -> For:
    """One loop that runs the bodies of two loops, which follow each other, one after the other.

    Raises
    ------
    ScheduleError: they have different numbers of iterations, or a dependence would turn around.
    """
    loops = (first, second)
    if first.stop - first.start != second.stop - second.start:
        raise refuse("fuse", loops, f"{first.stop - first.start} and {second.stop - second.start} iterations")
    moved = substituted(second.body, {second.var: Affine.of(first.var) + (second.start - first.start)})
    _check("fuse", loops, first, first.body, moved)
    return replace(first, body=[*first.body, *moved], independent=False)


def distribute(loop: For, position: int) -> list[Stmt]:
    """Two loops, one for the statements before a position of the body and one for the rest.

    Raises
    ------
    ScheduleError: a dependence would turn around, or the second part uses a variable that the first declares.
    """
    if not 0 < position < len(loop.body):
        raise refuse("distribute", loop, f"there is no position {position} inside a body of {len(loop.body)}")
    first, second = loop.body[:position], loop.body[position:]
    _check("distribute", loop, loop, first, second)
    declared = {stmt.var for stmt in first if isinstance(stmt, (Let, Declare))}
    used = _used(second, declared)
    if used is not None:
        raise refuse("distribute", loop, f"the second part uses the variable {used.name} of the first")
    var = Var(loop.var.name, loop.var.dtype, loop.var.bounds)
    rest = substituted(second, {loop.var: Affine.of(var)})
    return [
        replace(loop, body=first, independent=False),
        replace(loop, var=var, body=rest, independent=False),
    ]


def _check(
    primitive: str, named: For | tuple[For, ...], loop: For, first: list[Stmt], second: list[Stmt]
) -> None:
    """Refuses where the iterations of two bodies may not be interleaved, or may not be taken apart."""
    for part in (named,) if isinstance(named, For) else named:
        if part.kind is not LoopKind.SERIAL:
            raise refuse(primitive, part, f"it is marked {part.kind.value} already")
        if leaves(part) or skips(part.body):
            raise refuse(primitive, part, "an iteration may end or skip the rest of the loop")
    changed = _assigned(first) & _assigned(second)
    for one, other in ((first, second), (second, first)):
        outer = _assigned(one) - {s.var for s in walk(one) if isinstance(s, Declare)}
        shared = next(iter(changed), None) or _used(other, outer)
        if shared is not None:
            raise refuse(primitive, named, f"both use the variable {shared.name}, which is assigned")
    if all(any(isinstance(s, StoreSlot) for s in walk(body)) for body in (first, second)):
        raise refuse(primitive, named, "both write a result")
    before, after = Uses([replace(loop, body=first)]), Uses([replace(loop, body=second)])
    if before.opaque or after.opaque:
        raise refuse(primitive, named, f"there is {before.opaque or after.opaque} inside")
    for pair in _across(before, after, loop.var):
        if pair.dependence is None or not pair.dependence.lexicographically_nonnegative:
            raise refuse(primitive, named, f"this would turn around {pair}")


def _across(before: Uses, after: Uses, var: Var) -> Iterator[Pair]:
    """Pairs of an access of one body and one of the other that may conflict."""
    symbols = {**before.symbols, **after.symbols}
    for buffer, accesses in before.by_buffer.items():
        for other, later in after.by_buffer.items():
            if not may_alias(buffer, other):
                continue
            for src in accesses:
                for dst in later:
                    if not (src.writes or dst.writes):
                        continue
                    if buffer is not other:
                        yield Pair(src, dst, None)
                        continue
                    found = distances(src.access, dst.access, (var,), src.ranges, dst.ranges, symbols)
                    if not found.is_none:
                        yield Pair(src, dst, found)


def _assigned(body: list[Stmt]) -> set[Var]:
    return {stmt.var for stmt in walk(body) if isinstance(stmt, Assign)}


def _used(body: list[Stmt], variables: set[Var]) -> Var | None:
    """One of some variables that statements read."""
    for stmt in walk(body):
        for top in expressions(stmt):
            for expr in subexpressions(top):
                found = _read(expr)
                if found in variables:
                    return found
        if isinstance(stmt, Assign) and stmt.var in variables:
            return stmt.var
        for index in affines(stmt):
            if mentions(index, variables):
                return next(var for var in variables if mentions(index, {var}))
    return None


def _read(expr: Expr) -> Var | None:
    return expr.var if isinstance(expr, Read) else None
