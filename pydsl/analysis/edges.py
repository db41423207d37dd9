"""Dependency edges between the nodes of a straight line: which node must follow which, and because of what memory.

A node is described by its *touches*: a memory, the region of it, and whether the node writes there. From every pair of
touches of two nodes that may share a byte comes one edge:

- RAW: the later one reads what the earlier one wrote (data flow);
- WAR: the later one overwrites what the earlier one reads (an in-place update must wait);
- WAW: both write;
- RAR: both read the same bytes. It orders nothing; it says that the data are worth keeping close.

Edges are facts about pairs: nothing is left out because something in between implies it. :func:`reduced` and
:func:`data_flow` pick the ones worth drawing. What a memory is stays open; only which memories may alias is asked.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydsl.analysis.overlap import Kind, Relation, covers, relate
from pydsl.analysis.region import Ranges, Region

Memory = Hashable
Roots = Callable[[Any], frozenset[Any]]


class EdgeKind(enum.Enum):
    """What the two ends of an edge do. All but RAR order them."""

    RAW = "RAW"
    WAR = "WAR"
    WAW = "WAW"
    RAR = "RAR"
    GUARD = "guard"  # one end may raise: what the caller can see must not cross it

    @property
    def orders(self) -> bool:
        return self is not EdgeKind.RAR


@dataclass(frozen=True, slots=True)
class Touch:
    """One access of a node. ``region`` is None where it is not a strided region (indices that are loaded)."""

    memory: Memory
    region: Region | None
    writes: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """``target`` comes after ``source`` in program order, and both touch ``buffer``.

    Parameters
    ----------
    relation: how the region of the source lies to that of the target (``identical``, ``shifted by [1]``, ``covers``,
        ``covered``, ``overlaps``, ``unknown``; ``value`` for a scalar).
    distance: the index shift, where the relation is one.
    """

    kind: EdgeKind
    source: int
    target: int
    buffer: Any
    relation: str
    distance: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return f"{self.kind.value} {self.source} -> {self.target} on {self.buffer} ({self.relation})"


def derive(
    nodes: Sequence[Sequence[Touch]], roots: Roots, ranges: Ranges | None = None, *, rar: bool = True
) -> list[Edge]:
    """All edges between nodes in program order, sorted by target, source and kind.

    Parameters
    ----------
    roots: the memories, other than pointers, that a memory may stand for; two memories may alias where these meet. A
        pointer of which nothing is known has none: it may alias everything.
    rar: whether to list RAR edges too.
    """
    by_root: dict[Any, list[tuple[int, Touch]]] = defaultdict(list)
    known = {touch.memory: roots(touch.memory) for touches in nodes for touch in touches}
    every = frozenset().union(*known.values()) | {None}
    for number, touches in enumerate(nodes):
        for touch in dict.fromkeys(touches):
            for root in known[touch.memory] or every:
                by_root[root].append((number, touch))
    found: dict[tuple[int, int, str, Any], list[Relation]] = defaultdict(list)
    seen: set[tuple[int, int, Touch, Touch]] = set()
    for touched in by_root.values():
        for position, (target, later) in enumerate(touched):
            for source, earlier in touched[:position]:
                if source == target or not (earlier.writes or later.writes or rar):
                    continue
                if (source, target, earlier, later) in seen:
                    continue
                seen.add((source, target, earlier, later))
                relation = _relation(earlier, later, ranges)
                if relation.may_share:
                    kind = _KINDS[earlier.writes, later.writes].value
                    found[target, source, kind, later.memory].append(relation)
    edges = [
        _edge(source, target, EdgeKind(kind), memory, relations)
        for (target, source, kind, memory), relations in found.items()
    ]
    return sorted(edges, key=lambda e: (e.target, e.source, _ORDER[e.kind]))


_KINDS = {
    (True, False): EdgeKind.RAW,
    (False, True): EdgeKind.WAR,
    (True, True): EdgeKind.WAW,
    (False, False): EdgeKind.RAR,
}
_ORDER = {kind: position for position, kind in enumerate(EdgeKind)}


def _relation(earlier: Touch, later: Touch, ranges: Ranges | None) -> Relation:
    if earlier.memory is not later.memory or earlier.region is None or later.region is None:
        return Relation(Kind.UNKNOWN)
    return relate(earlier.region, later.region, ranges)


def _edge(source: int, target: int, kind: EdgeKind, memory: Memory, relations: list[Relation]) -> Edge:
    texts = list(dict.fromkeys(map(str, relations)))
    shift = relations[0].shift if len(texts) == 1 else None
    return Edge(kind, source, target, memory, ", ".join(texts), shift)


# --- which edges to draw ------------------------------------------------------------------------------------------


def reduced(edges: Iterable[Edge], keep: Callable[[Edge], bool] | None = None) -> list[Edge]:
    """The transitive reduction: ordering edges that no path of others implies, and those that ``keep`` wants.

    Several edges between the same two nodes stay or go together; RAR edges are left out.
    """
    edges = [edge for edge in edges if edge.kind.orders]
    successors: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        successors[edge.source].add(edge.target)
    reach: dict[int, int] = defaultdict(int)  # bit sets of nodes reachable in one step or more
    needed: set[tuple[int, int]] = set()
    for source in sorted(successors, reverse=True):
        covered = 0
        for target in sorted(successors[source]):
            if not covered >> target & 1:
                needed.add((source, target))
            covered |= reach[target] | 1 << target
        reach[source] = covered
    return [e for e in edges if (e.source, e.target) in needed or (keep is not None and keep(e))]


def data_flow(
    nodes: Sequence[Sequence[Touch]], edges: Iterable[Edge], ranges: Ranges | None = None
) -> list[Edge]:
    """The RAW edges whose data may arrive: not those that another node overwrites completely in between."""
    alive = []
    for edge in edges:
        if edge.kind is not EdgeKind.RAW:
            continue
        reads = [t for t in nodes[edge.target] if not t.writes and t.memory is edge.buffer]
        between = [
            touch
            for node in nodes[edge.source + 1 : edge.target]
            for touch in node
            if touch.writes and touch.memory is edge.buffer
        ]
        source = [t for t in nodes[edge.source] if t.writes and t.memory is edge.buffer]
        if not all(any(_covers(w, r, ranges) for w in between) for r in reads) and not (
            source and all(any(_covers(w, s, ranges) for w in between) for s in source)
        ):
            alive.append(edge)
    return alive


def _covers(write: Touch, touch: Touch, ranges: Ranges | None) -> bool:
    return (
        write.region is not None and touch.region is not None and covers(write.region, touch.region, ranges)
    )
