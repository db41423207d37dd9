"""The records of an operation graph, and what one operation touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydsl.analysis.edges import Touch
from pydsl.analysis.region import Region
from pydsl.fusion.edges import absorbed
from pydsl.fusion.nests import Nest
from pydsl.ir.core import Op
from pydsl.ir.record import Kind
from pydsl.ir.types import TensorType
from pydsl.lowering.function import Lowered


@dataclass(eq=False)
class GraphNode:
    """One node.

    Parameters
    ----------
    kind: "argument", "constant", "memory", "operation", "view", "write", "scalar", "check", "control" or "result".
    title, detail: the lines to show.
    notes: what to say about it beside the drawing.
    dead: nothing needs it, so no code is made for it.
    kept: its result stays in memory as a temporary.
    """

    kind: str
    title: str
    detail: str = ""
    notes: list[str] = field(default_factory=list)
    op: Op | None = None
    dead: bool = False
    kept: bool = False


@dataclass(eq=False)
class GraphCluster:
    """A kernel (``number`` > 0), a control-flow operation, or the whole function."""

    title: str
    number: int = 0
    members: list[GraphNode | GraphCluster] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class GraphLink:
    """``kind``: "RAW", "WAR", "WAW", or "memory" (the array that a first write goes to)."""

    source: GraphNode
    target: GraphNode
    kind: str
    text: str = ""


@dataclass
class OpGraph:
    """The graph of a function; nodes are reached through ``root``."""

    root: GraphCluster
    links: list[GraphLink]

    def nodes(self) -> list[GraphNode]:
        return [member for member in _members(self.root) if isinstance(member, GraphNode)]


def _members(cluster: GraphCluster) -> Iterable[GraphNode | GraphCluster]:
    for member in cluster.members:
        yield member
        if isinstance(member, GraphCluster):
            yield from _members(member)


def region(type_: TensorType) -> Region:
    """The elements of a tensor reference."""
    return Region(type_.offset, type_.shape, type_.strides, type_.itemsize)


def op_touches(op: Op) -> list[Touch]:
    """What one operation reads and writes in memory."""
    found = []
    for position in op.record.reads(op):
        type_ = op.operands[position].tensor
        found.append(Touch(type_.storage, region(type_), False))
    for position in op.record.written(op):
        type_ = op.operands[position].tensor
        exact = op.name == "store"
        found.append(Touch(type_.storage, region(type_) if exact else None, True))
    if op.record.allocates and op.record.kind is not Kind.ALLOC:
        found += [Touch(r.tensor.storage, region(r.tensor), True) for r in op.results if r.is_tensor]
    return found


# --- which operation runs in which kernel -------------------------------------------------------------------------


def kernels_of(lowered: Lowered) -> dict[Op, list[int]]:
    """The kernels that compute each operation (several: it is computed again)."""
    found: dict[Op, list[int]] = defaultdict(list)
    for segment in lowered.segments:
        for number, item in segment.kernels.items():
            members = item.statements() if isinstance(item, Nest) else [item]
            for statement in members:
                for one in (*absorbed(statement), statement):
                    if one.op is not None and number not in found[one.op]:
                        found[one.op].append(number)
    return dict(found)
