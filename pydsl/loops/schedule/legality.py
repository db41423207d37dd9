"""What the schedule primitives ask before they change the order of work, and how they refuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydsl.errors import ScheduleError
from pydsl.ir.affine import Affine
from pydsl.loops.ir import For, LoopKind, Product, Var
from pydsl.loops.schedule.dependences import Pair, carried_scalars, leaves, pairs
from pydsl.loops.schedule.uses import Uses


def loop_text(loops: For | Iterable[For]) -> str:
    """The loops in an error message: ``the loop over i``, ``the loops over i, j``."""
    found = [loops] if isinstance(loops, For) else list(loops)
    names = ", ".join(loop.var.name for loop in found)
    return f"the loop{'s' if len(found) > 1 else ''} over {names}"


def refuse(primitive: str, loops: For | Iterable[For], reason: str) -> ScheduleError:
    """The error of a primitive that does not apply."""
    return ScheduleError(primitive, loop_text(loops), reason)


def band(primitive: str, outer: For, depth: int) -> list[For]:
    """So many perfectly nested loops from the outer one inwards, whose bounds do not depend on each other.

    Raises
    ------
    ScheduleError: there are no such loops.
    """
    found = [outer]
    while len(found) < depth:
        body = found[-1].body
        inner = body[0] if len(body) == 1 else None
        if not isinstance(inner, For):
            raise refuse(
                primitive, outer, f"{depth} perfectly nested loops are needed, there are {len(found)}"
            )
        found.append(inner)
    variables = {loop.var for loop in found}
    for loop in found:
        for bound in (loop.start, loop.stop):
            if mentions(bound, variables):
                raise refuse(primitive, found, f"the bounds of {loop.var.name} depend on a loop around it")
    return found


def mentions(expr: Affine, variables: set[Var]) -> bool:
    """Whether an index expression depends on one of some variables."""
    for symbol in expr.symbols():
        if symbol in variables:
            return True
        if isinstance(symbol, Product):
            if symbol.factor in variables or mentions(Affine.of(symbol.factor), variables):
                return True
            if mentions(symbol.stride, variables):
                return True
    return False


def movable(primitive: str, loops: Sequence[For]) -> list[Pair]:
    """The dependences below perfectly nested loops, over their variables, for a primitive that changes their order.

    Raises
    ------
    ScheduleError: not all accesses are known, iterations may end a loop, pass a scalar on, or run on threads already.
    """
    outer = loops[0]
    for loop in loops:
        if loop.kind is not LoopKind.SERIAL:
            raise refuse(
                primitive, loop, f"it is marked {loop.kind.value} already; change the order of loops first"
            )
    if leaves(outer):
        raise refuse(primitive, loops, "an iteration may end the loop")
    for var in carried_scalars(outer):
        what = "a result" if var is outer.var else f"the variable {var.name}"
        raise refuse(primitive, loops, f"iterations assign {what} in an order that matters")
    uses = Uses([outer])
    if uses.opaque:
        raise refuse(primitive, loops, f"there is {uses.opaque} inside")
    return list(pairs(uses, [loop.var for loop in loops]))
