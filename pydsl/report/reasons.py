"""Why two kernels of one straight line stayed apart, and why a loop does not run on threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydsl.analysis.dependence import Dependence, distances
from pydsl.fusion.access import Access, reads, written
from pydsl.fusion.nests import MAX_STATEMENTS, Item, Nest
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.ir.affine import Affine
from pydsl.loops.alias import may_alias
from pydsl.loops.cost import estimate
from pydsl.loops.ir import Buffer, For, LoopKind, Var
from pydsl.loops.schedule.auto import PARALLEL_NS
from pydsl.loops.schedule.dependences import Carried, carried, carried_scalars, leaves, only_scalar_work
from pydsl.lowering.function import Segment
from pydsl.report import names
from pydsl.report.kernels import members

BufferNames = dict[Buffer, str]


@dataclass
class Apart:
    """Two kernels that were not fused. ``edge``: the kind of dependency edge that forbids it, if one does."""

    first: int
    second: int
    reason: str
    edge: str = ""


def apart(segment: Segment, namer: BufferNames) -> list[Apart]:
    """Neighbouring kernels of a straight line that share data, each with the reason why they are two."""
    found: list[Apart] = []
    kernels = list(segment.kernels.items())
    for position, (second, item) in enumerate(kernels):
        nearest = True
        for first, earlier in reversed(kernels[:position]):
            shared = _shared(earlier, item, namer)
            if shared and (nearest or _feeds(earlier, item, segment.local)):
                found.append(_reason(first, earlier, second, item, shared, namer))
                nearest = False
    return found


def _feeds(a: Item, b: Item, local: set[Buffer]) -> bool:
    """Whether the second reads a temporary that the first writes."""
    written_there = {statement.buffer for statement in members(a)} & local
    return any(load.buffer in written_there for statement in members(b) for load in statement.loads())


def _shared(a: Item, b: Item, namer: BufferNames) -> list[str]:
    """Names of the memory that both touch."""
    mine = [_touched(statement) for statement in members(a)]
    theirs = {buffer for statement in members(b) for buffer in _touched(statement)}
    both = dict.fromkeys(buffer for buffers in mine for buffer in buffers if buffer in theirs)
    return [namer.get(buffer, buffer.name) for buffer in both]


def _touched(statement: Statement) -> list[Buffer]:
    found = [load.buffer for load in statement.loads()]
    return found if statement.buffer is None else [*found, statement.buffer]


def _reason(first: int, a: Item, second: int, b: Item, shared: list[str], namer: BufferNames) -> Apart:
    for item, which in ((a, "the first"), (b, "the second")):
        special = next((text for s in members(item) if (text := _special(s))), "")
        if special:
            return Apart(first, second, f"{which} {special}; both use {_list(shared)}")
    if not isinstance(a, Nest) or not isinstance(b, Nest):
        return Apart(first, second, f"one of them makes a single number; both use {_list(shared)}")
    if a.extent != b.extent:
        spaces = f"{_space(a)} and {_space(b)}"
        return Apart(first, second, f"they run over different spaces, {spaces}; both use {_list(shared)}")
    if a.reduction or b.reduction:
        return Apart(first, second, f"a reduction ends in between; both use {_list(shared)}")
    blocking = next(_blocking(a, b), None)
    if blocking is not None:
        earlier, later, kind, buffer, found = blocking
        name = namer.get(buffer, buffer.name)
        does = {"RAW": f"needs `{name}`", "WAR": f"overwrites `{name}`", "WAW": f"overwrites `{name}`"}[kind]
        did = {"RAW": "writes", "WAR": "reads", "WAW": "writes"}[kind]
        where = distance_text(found) if found is not None else "at places known at run time only"
        reason = (
            f"{_place(later)} {does} that {_place(earlier)} {did} in other iterations ({kind} edge, {where})"
        )
        return Apart(first, second, reason, kind)
    if len(members(a)) + len(members(b)) > MAX_STATEMENTS:
        return Apart(first, second, f"one kernel has at most {MAX_STATEMENTS} statements")
    begins = members(b)[0]
    if not any(set(_touched(begins)) & set(_touched(s)) for s in members(a)):
        return Apart(
            first,
            second,
            f"no edge forbids it; the second begins with `{begins.label()}`, which shares no data",
        )
    if second - first > 1:
        return Apart(first, second, f"a kernel between them has to run first; both use {_list(shared)}")
    return Apart(
        first, second, f"no edge forbids it; grouping in program order did not find it ({_list(shared)})"
    )


def _special(statement: Statement) -> str:
    if statement.kind is StatementKind.CONTRACT:
        return "is a product, which only element-wise work on its result joins"
    if statement.kind is StatementKind.SCATTER:
        return "stores at loaded indices, whose order has to stay"
    if statement.lane is not None:
        return "reduces along outer axes, in strips of its own"
    if statement.kind is StatementKind.CHECK:
        return "checks all its elements before anything else may happen"
    return ""


def _blocking(a: Nest, b: Nest) -> Iterator[tuple[Statement, Statement, str, Buffer, Dependence | None]]:
    """Conflicts of the two nests at different values of their outer loops."""
    for earlier in members(a):
        for later in members(b):
            for kind, x, y in _conflicts(earlier, later):
                if x.whole or y.whole or x.buffer is not y.buffer:
                    yield earlier, later, kind, y.buffer, None
                    continue
                moved = Access(
                    y.buffer,
                    y.address.substitute({b.var: Affine.of(a.var)}),
                    y.itemsize,
                    tuple(a.var if v is b.var else v for v in y.vars),
                    y.extents,
                )
                found = distances(x, moved, (a.var,), _ranges(x), _ranges(moved))
                if not found.only_same_iteration:
                    yield earlier, later, kind, y.buffer, found


def _conflicts(earlier: Statement, later: Statement) -> Iterator[tuple[str, Access, Access]]:
    first, second = written(earlier), written(later)
    if first is not None:
        yield from (("RAW", first, r) for r in reads(later) if may_alias(r.buffer, first.buffer))
    if second is not None:
        yield from (("WAR", r, second) for r in reads(earlier) if may_alias(r.buffer, second.buffer))
    if first is not None and second is not None and may_alias(first.buffer, second.buffer):
        yield "WAW", first, second


def _ranges(access: Access) -> dict[Any, tuple[int | None, int | None]]:
    return {
        v: (0, e.value - 1 if e.is_const else None) for v, e in zip(access.vars, access.extents, strict=True)
    }


def _space(nest: Nest) -> str:
    found = []
    item: Item = nest
    while isinstance(item, Nest):
        found.append(item.extent)
        item = item.body[0]
    return names.dims(found)


def _place(statement: Statement) -> str:
    return f"line {statement.loc.line}" if statement.loc is not None else f"`{statement.label()}`"


def _list(shared: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in shared[:3])
    return shown + (f" and {len(shared) - 3} more" if len(shared) > 3 else "")


def _minus(value: int | None) -> int | None:
    return None if value is None else -value


# --- threads ------------------------------------------------------------------------------------------------------


def why_serial(loop: For, threads: int, namer: BufferNames) -> str:
    """Why a loop runs on one thread; empty if it runs on several."""
    if loop.kind is LoopKind.PARALLEL:
        return ""
    forbidden = why_dependent(loop, namer)
    if forbidden:
        return forbidden
    cost = estimate([loop])
    if cost < PARALLEL_NS:
        return f"too short to pay for threads (about {duration(cost)})"
    if threads <= 1:
        return "there is one thread"
    extent = loop.stop - loop.start
    if extent.is_const and extent.value < threads:
        return f"only {extent.value} iterations"
    return "a loop around it or in it runs on threads"


def too_short(loop: For) -> float | None:
    """The estimated time of a loop in nanoseconds, where that alone is why it has no threads."""
    cost = estimate([loop])
    return cost if loop.kind is not LoopKind.PARALLEL and cost < PARALLEL_NS else None


def why_dependent(loop: For, namer: BufferNames) -> str:
    """The dependence that orders the iterations of a loop; empty if they are independent."""
    edge = next(carried(loop), None)
    if edge is not None:
        return _carried_text(edge, loop.var, namer)
    if leaves(loop):
        return "an iteration may end the loop (a break, a return or an error)"
    scalars = carried_scalars(loop)
    if scalars:
        what = ", ".join(dict.fromkeys(f"`{var.name}`" for var in scalars))
        return f"each iteration needs {what} from the one before"
    if not only_scalar_work(loop):
        return "it allocates, or has a loop of unknown length in it"
    return ""


def carried_edges(loop: For, namer: BufferNames) -> list[str]:
    """The dependences between the iterations of a loop, each once, with their distances."""
    return list(dict.fromkeys(_carried_text(edge, loop.var, namer) for edge in carried(loop)))


def _carried_text(edge: Carried, var: Var, namer: BufferNames) -> str:
    if edge.distance is None or edge.buffer is None:
        about = f" on `{namer.get(edge.buffer, edge.buffer.name)}`" if edge.buffer is not None else ""
        return f"{edge.kind}{about}"
    verbs = {
        "RAW": "an iteration reads what an earlier one wrote",
        "WAR": "an iteration overwrites what an earlier one reads",
        "WAW": "two iterations write the same element",
    }
    name = namer.get(edge.buffer, edge.buffer.name)
    return f"{edge.kind} edge on `{name}`: {verbs[edge.kind]} ({distance_text(edge.distance, True)} in {var.name})"


def distance_text(found: Dependence, absolute: bool = False) -> str:
    """The distances of a dependence over one loop, as one interval; ``absolute``: without the sign if all have one."""
    lows = [box[0][0] for box in found.boxes]
    highs = [box[0][1] for box in found.boxes]
    if absolute and all(x is not None and x < 0 for x in highs):
        lows, highs = [_minus(x) for x in highs], [_minus(x) for x in lows]
    low = "..." if None in lows else str(min(x for x in lows if x is not None))
    high = "..." if None in highs else str(max(x for x in highs if x is not None))
    if low == high:
        return "any distance" if low == "..." else f"distance {low}"
    return f"distance {low} to {high}"


def duration(nanoseconds: float) -> str:
    """A time: ``120 ns``, ``3.1 us``, ``1.2 ms``."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"
