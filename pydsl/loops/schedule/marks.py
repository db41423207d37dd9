"""Marks: how the iterations of a loop run.

``vectorize`` and ``parallel`` only say that the iterations may run side by side, and so ask for independent ones;
``unroll`` writes them one after the other.

Before::

    for i in [0, n): @a[8*i] = @b[8*i]: float64

After ``parallel(loop)``::

    for i in [0, n) parallel independent: @a[8*i] = @b[8*i]: float64
"""

from __future__ import annotations

from dataclasses import replace

from pydsl.loops.ir import Assign, For, LoopKind, Stmt
from pydsl.loops.passes.unroll import unrolled
from pydsl.loops.schedule.dependences import (
    carried_scalars,
    leaves,
    only_scalar_work,
    pairs,
    private,
    skips,
)
from pydsl.loops.schedule.legality import refuse
from pydsl.loops.schedule.split import split
from pydsl.loops.schedule.uses import Uses
from pydsl.loops.walk import walk

#: iterations that unrolling may write out
MAX_UNROLLED = 256


def _require_independent(primitive: str, loop: For) -> None:
    if loop.independent:  # known from the loop that it was made of
        return
    if leaves(loop):
        raise refuse(primitive, loop, "an iteration may end the loop")
    for var in carried_scalars(loop):
        what = "a result" if var is loop.var else f"the variable {var.name}"
        raise refuse(primitive, loop, f"iterations assign {what} in an order that matters")
    uses = Uses([loop])
    if uses.opaque:
        raise refuse(primitive, loop, f"there is {uses.opaque} inside")
    for pair in pairs(uses, (loop.var,)):
        if pair.src.buffer.scratch and pair.src.buffer is pair.dst.buffer and private(pair.src.buffer, loop):
            continue  # each thread has its own
        if pair.dependence is None or not pair.dependence.only_same_iteration:
            raise refuse(primitive, loop, f"its iterations depend on each other: {pair}")


def vectorize(loop: For, width: int | None = None) -> list[Stmt]:
    """The loop, marked to run as vectors.

    Parameters
    ----------
    width: that many iterations at once, in a loop of their own: it is then enough that these are independent.

    Raises
    ------
    ScheduleError: an iteration depends on another one.
    """
    if width is None:
        _require_independent("vectorize", loop)
        return [replace(loop, kind=LoopKind.VECTOR, independent=True)]
    parts = split(loop, width)
    for part in parts:
        if isinstance(part, For) and len(part.body) == 1 and isinstance(part.body[0], For):
            inner = part.body[0]
            if inner.stop.is_const and inner.stop.value == width:
                _require_independent("vectorize", inner)
                part.body[:] = [replace(inner, kind=LoopKind.VECTOR, independent=True)]
                break
    return parts


def parallel(loop: For) -> For:
    """The loop, marked to run on threads.

    Raises
    ------
    ScheduleError: an iteration depends on another one, or what it does cannot be done on threads.
    """
    _require_independent("parallel", loop)
    if not only_scalar_work(loop):
        assigned = [s.var.name for s in walk(loop.body) if isinstance(s, Assign)]
        reason = (
            f"threads would share the variable {assigned[0]}"
            if assigned
            else "it allocates or has a while loop"
        )
        raise refuse("parallel", loop, reason)
    if any(isinstance(s, For) and s.kind is LoopKind.PARALLEL for s in walk(loop.body)):
        raise refuse("parallel", loop, "a loop inside of it runs on threads already")
    return replace(loop, kind=LoopKind.PARALLEL, independent=True)


def unroll(loop: For, factor: int | None = None) -> list[Stmt]:
    """The iterations of a constant loop one after the other, or ``factor`` of them in each iteration.

    Raises
    ------
    ScheduleError: the number of iterations is not constant, or too large, or they may end or skip the rest of the loop.
    """
    if leaves(loop) or skips(loop.body):
        raise refuse("unroll", loop, "an iteration may end or skip the rest of the loop")
    if factor is not None:
        parts = split(loop, factor)
        for part in parts:
            if isinstance(part, For) and part.var is not loop.var:
                (inner,) = part.body
                assert isinstance(inner, For)
                part.body[:] = unrolled(inner)
        return parts
    extent = loop.stop - loop.start
    if not extent.is_const:
        raise refuse("unroll", loop, f"its number of iterations ({extent}) is not constant; give a factor")
    if extent.value > MAX_UNROLLED:
        raise refuse("unroll", loop, f"{extent.value} iterations are more than {MAX_UNROLLED}; give a factor")
    return unrolled(loop)
