"""Schedules written by the user: steps that name loops, applied after the loop passes.

    from pydsl import Schedule, jit

    tiled = Schedule().tile("i", (32, 32)).parallel("i_t").vectorize("j")

    @jit(schedule=tiled)
    def transposed_sum(a, b): ...

A loop is named as `inspect("loops")` prints it before the first step that touches it, or by the line of the user's
`for`. New loops have new names: ``split`` appends ``_o`` and ``_i``, ``tile`` names the loops over blocks with ``_t``.
Every step is checked against the dependences (`ScheduleError`). In nests that a schedule touches, the automatic
schedule only marks innermost loops as vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydsl.errors import ScheduleError
from pydsl.loops.ir import For, LoopFunction, Stmt
from pydsl.loops.passes.collapse import collapsed
from pydsl.loops.printer import loop_names
from pydsl.loops.schedule.fuse import distribute, fuse
from pydsl.loops.schedule.legality import refuse
from pydsl.loops.schedule.marks import parallel, unroll, vectorize
from pydsl.loops.schedule.reorder import reorder
from pydsl.loops.schedule.split import split
from pydsl.loops.schedule.tile import tile
from pydsl.loops.walk import blocks, walk

LoopName: TypeAlias = "str | int"
"""The name of a loop variable, or the line of a `for` statement."""


@dataclass(frozen=True)
class Step:
    """One application of a primitive."""

    primitive: str
    loop: LoopName
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Steps in order. Immutable: every method gives a schedule with one step more."""

    steps: tuple[Step, ...] = ()

    def _with(self, primitive: str, loop: LoopName, *arguments: Any) -> Schedule:
        return replace(self, steps=(*self.steps, Step(primitive, loop, arguments)))

    def split(self, loop: LoopName, factor: int, names: tuple[str, str] | None = None) -> Schedule:
        """Cut a loop into pieces of ``factor`` iterations, and a loop for the rest."""
        return self._with("split", loop, factor, names)

    def reorder(self, loop: LoopName, order: tuple[str, ...]) -> Schedule:
        """Nest the perfectly nested loops that begin with ``loop`` in another order."""
        return self._with("reorder", loop, tuple(order))

    def tile(self, loop: LoopName, sizes: tuple[int, ...]) -> Schedule:
        """Run perfectly nested loops block by block."""
        return self._with("tile", loop, tuple(sizes))

    def collapse(self, loop: LoopName) -> Schedule:
        """Make one loop of two that are perfectly nested and contiguous in memory."""
        return self._with("collapse", loop)

    def fuse(self, loop: LoopName) -> Schedule:
        """Make one loop of this one and the one that follows it."""
        return self._with("fuse", loop)

    def distribute(self, loop: LoopName, position: int) -> Schedule:
        """Make two loops, of the statements before a position of the body and of the others."""
        return self._with("distribute", loop, position)

    def vectorize(self, loop: LoopName, width: int | None = None) -> Schedule:
        """Run iterations as vectors; with a width, that many at once."""
        return self._with("vectorize", loop, width)

    def parallel(self, loop: LoopName) -> Schedule:
        """Run iterations on threads."""
        return self._with("parallel", loop)

    def unroll(self, loop: LoopName, factor: int | None = None) -> Schedule:
        """Write iterations one after the other, all of them or ``factor`` at a time."""
        return self._with("unroll", loop, factor)

    def apply(self, function: LoopFunction) -> None:
        """Changes a function in place.

        Raises
        ------
        ScheduleError: a loop is not there, or a step would change results.
        """
        for step in self.steps:
            container, position = _find(function, step)
            _PRIMITIVES[step.primitive](container, position, *step.arguments)


def _find(function: LoopFunction, step: Step) -> tuple[list[Stmt], int]:
    """The statement list that holds the loop that a step is about, and the loop's position."""
    names = loop_names(function)
    if isinstance(step.loop, int):
        about = f"the loop of line {step.loop}"
        found = [f for f in names if f.label == "user" and f.loc is not None and f.loc.line == step.loop]
    else:
        about = f"the loop over {step.loop}"
        found = [f for f, name in names.items() if name == step.loop]
    if len(found) != 1:
        known = ", ".join(names.values()) or "none"
        reason = f"there are {len(found)} of them" if found else f"there is no such loop; there are {known}"
        raise ScheduleError(step.primitive, about, reason)
    place = _place(function.body, found[0])
    assert place is not None
    found[0].var.name = names[found[0]]  # what becomes of the loop is named after what the user called it
    return place


def _place(body: list[Stmt], loop: For) -> tuple[list[Stmt], int] | None:
    for position, stmt in enumerate(body):
        if stmt is loop:
            return body, position
        for inner in blocks(stmt):
            found = _place(inner, loop)
            if found is not None:
                return found
    return None


# --- the primitives at a place --------------------------------------------------------------------------------------


def _at(container: list[Stmt], position: int) -> For:
    loop = container[position]
    assert isinstance(loop, For)
    return loop


def _split(container: list[Stmt], position: int, factor: int, names: tuple[str, str] | None) -> None:
    container[position : position + 1] = split(_at(container, position), factor, names)


def _reorder(container: list[Stmt], position: int, order: tuple[str, ...]) -> None:
    container[position] = reorder(_at(container, position), order)


def _tile(container: list[Stmt], position: int, sizes: tuple[int, ...]) -> None:
    container[position : position + 1] = tile(_at(container, position), sizes)


def _collapse(container: list[Stmt], position: int) -> None:
    loop = _at(container, position)
    made = collapsed(loop)
    if made is loop:
        raise refuse("collapse", loop, "there is no loop right inside of it over memory that continues it")
    container[position] = made


def _fuse(container: list[Stmt], position: int) -> None:
    first = _at(container, position)
    second = container[position + 1] if position + 1 < len(container) else None
    if not isinstance(second, For):
        raise refuse("fuse", first, "no loop follows it")
    container[position : position + 2] = [fuse(first, second)]


def _distribute(container: list[Stmt], position: int, at: int) -> None:
    container[position : position + 1] = distribute(_at(container, position), at)


def _vectorize(container: list[Stmt], position: int, width: int | None) -> None:
    container[position : position + 1] = vectorize(_at(container, position), width)


def _parallel(container: list[Stmt], position: int) -> None:
    container[position] = parallel(_at(container, position))


def _unroll(container: list[Stmt], position: int, factor: int | None) -> None:
    container[position : position + 1] = unroll(_at(container, position), factor)


_PRIMITIVES: dict[str, Callable[..., None]] = {
    "split": _split,
    "reorder": _reorder,
    "tile": _tile,
    "collapse": _collapse,
    "fuse": _fuse,
    "distribute": _distribute,
    "vectorize": _vectorize,
    "parallel": _parallel,
    "unroll": _unroll,
}


def apply_schedule(
    schedule: Schedule | Callable[[LoopFunction], object] | None, function: LoopFunction
) -> set[For]:
    """Applies what `jit(schedule=...)` was given: a `Schedule`, or a function that changes the loops by itself.

    Returns
    -------
    The loops it made or marked.
    """
    if schedule is None:
        return set()
    before = _loops(function)
    if isinstance(schedule, Schedule):
        schedule.apply(function)
    else:
        schedule(function)
    return _loops(function) - before


def _loops(function: LoopFunction) -> set[For]:
    return {stmt for stmt in walk(function.body) if isinstance(stmt, For)}
