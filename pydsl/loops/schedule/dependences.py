"""Which loops carry dependences: every pair of accesses below a loop of which one writes, and what variables carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydsl.analysis.dependence import Dependence, distances
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Break,
    Buffer,
    Continue,
    Declare,
    Fail,
    For,
    Let,
    Read,
    Release,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.schedule.uses import Use, Uses
from pydsl.loops.walk import blocks, expressions, loads, subexpressions, walk

ALIASED = "it may be the same memory as another array"


@dataclass(frozen=True)
class Carried:
    """A dependence between iterations of a loop. ``distance`` counts iterations, from the write to the other access."""

    buffer: Buffer | None
    kind: str  # RAW, WAR, WAW, or a reason in words where nothing is known
    distance: Dependence | None = None


@dataclass(frozen=True)
class Pair:
    """Two accesses of which one writes and that may meet; ``dependence`` is None where nothing is known."""

    src: Use
    dst: Use
    dependence: Dependence | None

    def __str__(self) -> str:
        if self.dependence is None:
            return f"{self.src} and {self.dst}, which may be the same memory"
        return f"{self.src} and {self.dst} at distance {self.dependence}"


def pairs(uses: Uses, common: Sequence[Var]) -> Iterator[Pair]:
    """All pairs of accesses that may conflict, earlier one first, with their distances over common loops.

    Parameters
    ----------
    common: variables of loops that are around all accesses, outermost first.
    """
    by_buffer = uses.by_buffer
    for buffer, accesses in by_buffer.items():
        for place, later in enumerate(accesses):
            for earlier in accesses[: place + 1]:
                if not (later.writes or earlier.writes):
                    continue
                found = distances(
                    earlier.access, later.access, common, earlier.ranges, later.ranges, uses.symbols
                )
                if not found.is_none:
                    yield Pair(earlier, later, found)
        if any(b.space is Space.POINTER for b in by_buffer):
            yield from _aliased(buffer, uses)


def _aliased(buffer: Buffer, uses: Uses) -> Iterator[Pair]:
    """Pairs over different buffers, one of them a pointer that may point into the other."""
    for other, accesses in uses.by_buffer.items():
        if other is buffer or not may_alias(buffer, other):
            continue
        for one in uses.by_buffer[buffer]:
            for two in accesses:
                if one.order < two.order and (one.writes or two.writes):
                    yield Pair(one, two, None)


def independent(loop: For) -> bool:
    """Whether the iterations may run in any order.

    None touches memory that another one writes, ends the loop, or passes a scalar on, except through a reduction that
    may be reordered.
    """
    return not leaves(loop) and not carried_scalars(loop) and next(carried(loop), None) is None


def touches_again(body: Sequence[Stmt], common: Sequence[Var]) -> bool:
    """Whether an iteration of the loop over ``common`` may read or write what it has written before.

    Of a loop whose accesses are declared independent LLVM's vectoriser takes this as excluded: it gathers loads with
    gaps before stores that stand between them.
    """
    uses = Uses(body, repeated=True)
    if not any(use.writes for accesses in uses.by_buffer.values() for use in accesses[:-1]):
        return False
    return bool(uses.opaque) or any(
        pair.src.writes and pair.src is not pair.dst for pair in pairs(uses, common)
    )


def carried(loop: For) -> Iterator[Carried]:
    """The dependences between iterations of a loop that memory carries."""
    uses = Uses([loop])
    if uses.opaque:
        yield Carried(None, f"{uses.opaque} inside")
        return
    for pair in pairs(uses, (loop.var,)):
        if pair.src.buffer.scratch and pair.src.buffer is pair.dst.buffer and private(pair.src.buffer, loop):
            continue
        found = pair.dependence
        if found is None:
            yield Carried(pair.src.buffer, ALIASED)
        elif not found.only_same_iteration:
            later = any(signs[0] > 0 for signs in found.directions())
            yield Carried(pair.src.buffer, _kind(pair, later), found)


def private(scratch: Buffer, loop: For) -> bool:
    """Whether each iteration begins by writing a scratch buffer: what it holds then never comes from another one."""
    for stmt in walk(loop.body):
        if any(load.buffer is scratch for load in loads(stmt)):
            return False
        if isinstance(stmt, Store) and stmt.buffer is scratch:
            return True
    return False


def _kind(pair: Pair, later: bool) -> str:
    if pair.src.writes and pair.dst.writes:
        return "WAW"
    # the pair is in program order; a negative distance turns it around
    return "RAW" if pair.src.writes == later else "WAR"


# --- scalars and control flow ---------------------------------------------------------------------------------------


def leaves(loop: For) -> bool:
    """Whether an iteration may end the loop before the last one."""
    return any(isinstance(s, (Fail, Return)) for s in walk(loop.body)) or _breaks(loop.body)


def _breaks(body: list[Stmt]) -> bool:
    """Whether a statement list has a Break of the loop around it."""
    for stmt in body:
        if isinstance(stmt, Break):
            return True
        if not isinstance(stmt, (For, While)) and any(_breaks(block) for block in blocks(stmt)):
            return True
    return False


def skips(body: list[Stmt]) -> bool:
    """Whether a statement list has a Continue of the loop around it."""
    for stmt in body:
        if isinstance(stmt, Continue):
            return True
        if not isinstance(stmt, (For, While)) and any(skips(block) for block in blocks(stmt)):
            return True
    return False


#: operations whose repetition gives the same in any order, for all dtypes but inexact ones
_EXACT = {"add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor"}
#: the same for all dtypes
_ALWAYS = {"maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or", "logical_xor"}


def carried_scalars(loop: For) -> list[Var]:
    """Outer variables that iterations assign, reductions that may be reordered left out; a slot counts as one."""
    inside = _declared(loop)
    found: dict[Var, list[Assign]] = {}
    for stmt in walk(loop.body):
        if isinstance(stmt, Assign) and stmt.var not in inside:
            found.setdefault(stmt.var, []).append(stmt)
        elif isinstance(stmt, StoreSlot):
            return [loop.var]
    return [var for var, assigns in found.items() if not _reduction(loop, var, assigns)]


def _declared(loop: For) -> set[Var]:
    return {loop.var} | {stmt.var for stmt in walk(loop.body) if isinstance(stmt, (Declare, Let, For))}


def _reduction(loop: For, var: Var, assigns: list[Assign]) -> bool:
    """Whether a variable is only changed by one kind of step ``var = op(var, ...)``, and not read otherwise."""
    names = set()
    for assign in assigns:
        step = assign.value
        if not isinstance(step, Apply) or len(step.args) != 2 or not _reorders(step):
            return False
        if sum(isinstance(arg, Read) and arg.var is var for arg in step.args) != 1:
            return False
        names.add(step.name)
    return len(names) == 1 and _reads(loop.body, var) == len(assigns)


def _reorders(step: Apply) -> bool:
    return step.reassoc or step.name in _ALWAYS or (step.name in _EXACT and step.dtype.kind in "biu")


def _reads(body: list[Stmt], var: Var) -> int:
    return sum(
        isinstance(node, Read) and node.var is var
        for stmt in walk(body)
        for top in expressions(stmt)
        for node in subexpressions(top)
    )


def only_scalar_work(loop: For) -> bool:
    """Whether the body assigns no outer variable and cannot leave the loop, so that iterations may run on threads."""
    inside = _declared(loop)
    for stmt in walk(loop.body):
        if isinstance(stmt, Assign) and stmt.var not in inside:
            return False
        if isinstance(stmt, (Fail, Return, Alloc, AllocResult, Release, SetPointer, StoreSlot, While)):
            return False
    return not _breaks(loop.body)
