"""The operation graph of a function: what is drawn by :mod:`pydsl.report.graph` and listed by the text form.

Nodes are operations of the tensor IR, arguments, new arrays and results; clusters are kernels (fusion groups) and
structured control flow. A read is linked to the writes whose data may arrive there (RAW), through a *view* node where
it is a part or another shape; WAR and WAW links are those that no path of others implies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pydsl.analysis.edges import EdgeKind, derive, reduced
from pydsl.analysis.overlap import covers, may_share
from pydsl.analysis.region import Region
from pydsl.fusion.edges import absorbed
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.record import Kind
from pydsl.ir.types import Origin, Storage, TensorType
from pydsl.lowering.function import Lowered
from pydsl.report import names
from pydsl.report.footprint import Mask, clipped_mask, region_mask
from pydsl.report.kernels import members
from pydsl.report.opmodel import GraphCluster, GraphLink, GraphNode, OpGraph, kernels_of, op_touches, region
from pydsl.report.optitles import Titles


def op_graph(function: Function, lowered: Lowered | None = None, kept: Iterable[Storage] = ()) -> OpGraph:
    """The graph of a function.

    Parameters
    ----------
    lowered: names the kernels; without it there are none.
    kept: storages of temporaries that stay in memory.
    """
    return _Builder(function, lowered, set(kept)).run()


# --- building -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Write:
    """A write whose data may be read later."""

    node: GraphNode
    storage: Storage
    region: Region | None
    always: bool = True


State = list[_Write]


class _Builder:
    def __init__(self, function: Function, lowered: Lowered | None, kept: set[Storage]) -> None:
        self.function = function
        self.titles = Titles(function)
        self.kept = kept
        self.kernels = kernels_of(lowered) if lowered is not None else {}
        self.lowered = lowered
        self.root = GraphCluster(function.name)
        self.links: dict[GraphLink, None] = {}
        self.node_of: dict[Op, GraphNode] = {}
        self.scalar_of: dict[Value, GraphNode] = {}
        self.origins: dict[Storage, GraphNode] = {}
        self.views: dict[tuple[Value, frozenset[GraphNode], GraphCluster], GraphNode] = {}
        self.clusters: dict[int, GraphCluster] = {}
        self.needed = self._needed_ops()

    def run(self) -> OpGraph:
        for value in self.function.body.args:
            if value.is_tensor:
                self._origin(value.tensor.storage, value)
            else:
                node = GraphNode("argument", value.hint or "scalar", names.of_type(value.type))
                self.root.members.append(node)
                self.scalar_of[value] = node
        self._block(self.function.body, self.root, [])
        links = self._useful_links()
        _prune(self.root, {end for link in links for end in (link.source, link.target)})
        return OpGraph(self.root, links)

    def _useful_links(self) -> list[GraphLink]:
        """All links but those to scalars that only index arithmetic uses."""
        links = list(self.links)
        while True:
            sources = {link.source for link in links}
            kept = [link for link in links if link.target.kind != "scalar" or link.target in sources]
            if len(kept) == len(links):
                return links
            links = kept

    def _needed_ops(self) -> set[Op] | None:
        """Operations that some generated code computes; None where that is not known."""
        if self.lowered is None:
            return None
        needed: set[Op] = set(self.kernels)
        for segment in self.lowered.segments:
            for item in segment.items:
                for statement in members(item):
                    needed.update(s.op for s in (*absorbed(statement), statement) if s.op is not None)
        return needed

    # --- nodes ---

    def _origin(self, storage: Storage, value: Value | None = None) -> GraphNode:
        """The node of the memory itself: an argument, a constant, a new array."""
        node = self.origins.get(storage)
        if node is None:
            kinds = {Origin.ARG: "argument", Origin.CONST: "constant", Origin.GLOBAL: "constant"}
            detail = names.tensor(value.tensor) if value is not None else storage.dtype.name
            node = GraphNode(kinds.get(storage.origin, "memory"), self.titles.names.storage(storage), detail)
            self.origins[storage] = node
            self.root.members.append(node)
        return node

    def _home(self, op: Op, scope: GraphCluster) -> GraphCluster:
        numbers = self.kernels.get(op)
        if not numbers:
            return scope
        if numbers[0] not in self.clusters:
            self.clusters[numbers[0]] = GraphCluster(f"kernel {numbers[0]}", numbers[0])
            scope.members.append(self.clusters[numbers[0]])
        return self.clusters[numbers[0]]

    def _node(self, op: Op) -> GraphNode:
        scalars = bool(op.results) and not any(v.is_tensor for v in (*op.results, *op.operands))
        kind = "scalar" if scalars else _KIND_NAMES.get(op.record.kind, "operation")
        node = GraphNode(kind, self.titles.title(op), op=op)
        if op.results and op.result.is_tensor:
            node.detail = names.tensor(op.result.tensor)
            node.kept = op.record.allocates and op.result.tensor.storage in self.kept
        elif op.record.writes:
            node.detail = names.tensor(op.operands[0].tensor)
        elif op.results:
            node.detail = names.of_type(op.result.type)
        computes = bool(op_touches(op)) and (op.record.allocates or bool(op.record.writes))
        node.dead = self.needed is not None and computes and op not in self.needed
        numbers = self.kernels.get(op, [])
        if len(numbers) > 1:
            again = ", ".join(map(str, numbers[1:]))
            node.notes.append(f"computed again in kernel {again}")
        self.node_of[op] = node
        return node

    # --- links ---

    def _link(self, source: GraphNode, target: GraphNode, kind: str = "RAW", text: str = "") -> None:
        if source is not target:
            self.links[GraphLink(source, target, kind, text)] = None

    def _sources(self, value: Value, state: State) -> list[GraphNode]:
        """The nodes whose data a read of a tensor may see, latest first."""
        wanted = _Wanted(value.tensor)
        found: dict[GraphNode, None] = {}
        roots = value.tensor.storage.roots()
        for write in reversed(state):
            if not (write.storage.roots() & roots):
                continue
            if write.region is None or write.storage is not value.tensor.storage:
                found[write.node] = None
                continue
            if wanted.touches(write.region):
                found[write.node] = None
                if write.always and wanted.satisfied(write.region):
                    return list(found)
        for root in roots:
            if root.origin is not Origin.ALLOC:
                found[self._origin(root, value if not isinstance(value.owner, Op) else None)] = None
        return list(found)

    def _read(self, value: Value, target: GraphNode, home: GraphCluster, state: State) -> None:
        sources = self._sources(value, state)
        through = _shown_view(value)
        if through is None:
            for source in sources:
                self._link(source, target)
            return
        key = (through, frozenset(sources), home)
        node = self.views.get(key)
        if node is None:
            node = self.views[key] = GraphNode(
                "view",
                self.titles.reference(through),
                names.tensor(through.tensor),
                op=through.owner,  # type: ignore[arg-type]
            )
            home.members.append(node)
            for source in sources:
                self._link(source, node)
        self._link(node, target)

    def _use(self, value: Value, target: GraphNode) -> None:
        node = self.scalar_of.get(value)
        if node is not None:
            self._link(node, target)

    # --- blocks ---

    def _block(self, block: Block, scope: GraphCluster, state: State) -> None:
        line: list[Op] = []
        for op in block.ops:
            if op.record.kind is Kind.CONTROL:
                self._in_place(line)
                line = []
                self._control(op, scope, state)
            else:
                self._op(op, scope, state)
                line.append(op)
        self._in_place(line)

    def _op(self, op: Op, scope: GraphCluster, state: State) -> None:
        kind = op.record.kind
        if op.name in ("constant", "index", "constant_array") or kind is Kind.VIEW:
            return
        if op.name == "cast" and not op.result.is_tensor and not op.operands[0].is_tensor:
            if op.operands[0] in self.scalar_of:
                self.scalar_of[op.result] = self.scalar_of[op.operands[0]]
            return
        if kind is Kind.ALLOC:
            self._origin(op.result.tensor.storage, op.result)
            return
        node = self._node(op)
        home = self._home(op, scope)
        for position, value in enumerate(op.operands):
            if not value.is_tensor:
                self._use(value, node)
            elif position in op.record.reads(op):
                self._read(value, node, home, state)
        home.members.append(node)  # after the views that it reads
        for result in op.results:
            if not result.is_tensor:
                self.scalar_of[result] = node
        if not node.dead:
            self._writes(op, node, state)

    def _writes(self, op: Op, node: GraphNode, state: State) -> None:
        for touch in op_touches(op):
            if not touch.writes:
                continue
            storage = touch.memory
            assert isinstance(storage, Storage)
            if op.record.writes:
                for root in storage.roots():
                    first = not any(root in w.storage.roots() for w in state)
                    if first and (root.origin is not Origin.ALLOC or root in self.origins):
                        self._link(self._origin(root), node, "memory")
            state.append(_Write(node, storage, touch.region))

    def _in_place(self, line: Sequence[Op]) -> None:
        """The WAR and WAW links of one straight line."""
        ops = [op for op in line if op in self.node_of and not self.node_of[op].dead]
        found = derive([op_touches(op) for op in ops], Storage.roots, rar=False)
        keep = {(e.source, e.target) for e in found if e.kind is EdgeKind.RAW}
        for edge in reduced(found):
            if edge.kind is EdgeKind.RAW or (edge.source, edge.target) in keep:
                continue
            source, target = self.node_of[ops[edge.source]], self.node_of[ops[edge.target]]
            name = self.titles.names.storage(edge.buffer)
            self._link(source, target, edge.kind.value, f"{edge.kind.value} on {name}: {edge.relation}")

    def _control(self, op: Op, scope: GraphCluster, state: State) -> None:
        if op.name == "return":
            for position, value in enumerate(op.operands):
                self._result(value, position, len(op.operands), scope, state)
            return
        if not op.regions:
            if op.name != "yield":
                node = GraphNode("control", self.titles.leaving(op), op=op)
                scope.members.append(node)
                for value in op.operands:
                    if not value.is_tensor:
                        self._use(value, node)
            return
        before = list(state)
        if _is_library(op):
            self._library(op, scope, state)
        else:
            self._region_op(op, scope, state)
        self._after(op, before, state)

    def _region_op(self, op: Op, scope: GraphCluster, state: State) -> None:
        """A loop or a branch as a cluster."""
        before = list(state)
        cluster = GraphCluster(self.titles.control(op))
        scope.members.append(cluster)
        carried = op.operands[2:] if op.name == "for" else op.operands if op.name == "while" else []
        args = op.regions[0].args[1:] if op.name == "for" else op.regions[0].args
        for arg, init in zip(args, carried, strict=False):
            if not arg.is_tensor:
                node = GraphNode("scalar", arg.hint or "carried", names.of_type(arg.type))
                cluster.members.append(node)
                self.scalar_of[arg] = node
                self._use(init, node)
        for number, block in enumerate(op.regions):
            inner = GraphCluster(("then", "else")[number]) if op.name == "if" else cluster
            if inner is not cluster:
                cluster.members.append(inner)
            branch = list(before) if op.name == "if" else state
            known = len(branch)
            self._block(block, inner, branch)
            if op.name == "if":
                state.extend(branch[known:])
            last = block.terminator
            if last is not None and last.name == "yield" and (number or op.name != "while"):
                for result, value in zip(op.results, last.operands, strict=False):
                    if value in self.scalar_of:
                        self.scalar_of.setdefault(result, self.scalar_of[value])

    def _library(self, op: Op, scope: GraphCluster, state: State) -> None:
        """A loop of the self-hosted library as one node; adjacent ones of one module are one."""
        assert op.loc is not None
        title = f"{op.loc.function or PurePath(op.loc.file).stem} (library)"
        last = scope.members[-1] if scope.members else None
        if isinstance(last, GraphNode) and last.title == title:
            node = last
        else:
            node = GraphNode("operation", title, "loops", op=op)
            scope.members.append(node)
        inside = [op, *(inner for region_ in op.regions for inner in region_.walk())]
        made = {
            r.tensor.storage
            for inner in inside
            if inner.record.allocates
            for r in inner.results
            if r.is_tensor
        }
        for inner in inside:
            for position, value in enumerate(inner.operands):
                if not value.is_tensor:
                    self._use(value, node)
                elif position in inner.record.reads(inner) and value.tensor.storage not in made:
                    for source in self._sources(value, state):
                        self._link(source, node)
        for inner in inside:
            for position in inner.record.written(inner):
                state.append(_Write(node, inner.operands[position].tensor.storage, None))
        for result in op.results:
            if not result.is_tensor:
                self.scalar_of[result] = node

    def _after(self, op: Op, before: State, state: State) -> None:
        """After a loop or a branch one node stands for each memory written in it; what was there before may be left."""
        written: dict[Storage, GraphNode] = {}
        for write in state[len(before) :]:
            written[write.storage] = write.node
        state[:] = before
        for storage, node in written.items():
            for earlier in before:
                if earlier.storage.roots() & storage.roots():
                    self._link(earlier.node, node, "memory")
            state[:] = [w for w in state if w.storage is not storage]
            state.append(_Write(node, storage, _everything(storage)))

    def _result(self, value: Value, position: int, count: int, scope: GraphCluster, state: State) -> None:
        title = "return" if count == 1 else f"return [{position}]"
        if not value.is_tensor:
            detail = names.of_type(value.type)
            if self.titles.is_constant(value):
                title += f" {self.titles.scalar(value)}"
        else:
            title += f" {value.hint or self.titles.names.storage(value.tensor.storage)}"
            detail = names.tensor(value.tensor)
        node = GraphNode("result", title, detail)
        scope.members.append(node)
        if not value.is_tensor:
            self._use(value, node)
            return
        for source in self._sources(value, state):
            self._link(source, node)


_KIND_NAMES = {
    Kind.WRITE: "write",
    Kind.SCALAR: "scalar",
    Kind.CHECK: "check",
}


def _is_library(op: Op) -> bool:
    return op.loc is not None and PurePath(op.loc.file).parts[-3:-1] == ("pydsl", "library")


def _everything(storage: Storage) -> Region | None:
    """All bytes of a storage; None where their number is not an index expression."""
    return None if storage.nbytes is None else Region.of(0, [storage.nbytes], [1], 1)


class _Wanted:
    """The bytes of a read that no later write has provided yet."""

    def __init__(self, type_: TensorType) -> None:
        self.region = region(type_)
        size = type_.storage.nbytes
        self.mask = None
        if size is not None and size.is_const and self.region.is_const:
            self.low, self.size = self.region.layout.low, self.region.layout.high - self.region.layout.low
            self.mask = region_mask(self.region, self.low, self.size)

    def touches(self, write: Region) -> bool:
        other = self._mask_of(write)
        if self.mask is None or other is None:
            return may_share(write, self.region)
        return bool((self.mask & other).any())

    def satisfied(self, write: Region) -> bool:
        """Takes the bytes of a write away; whether nothing is wanted any more."""
        other = self._mask_of(write)
        if self.mask is None or other is None:
            return covers(write, self.region)
        self.mask &= ~other
        return not self.mask.any()

    def _mask_of(self, write: Region) -> Mask | None:
        return clipped_mask(write, self.low, self.size) if self.mask is not None else None


def _shown_view(value: Value) -> Value | None:
    """The view to show for a reference: the outermost one that the user wrote; None for a whole array."""
    owner = value.owner
    while isinstance(owner, Op) and owner.name == "view" and owner.attrs.get("how") == "broadcast":
        value = owner.operands[0]
        owner = value.owner
    return value if isinstance(owner, Op) and owner.name == "view" else None


def _prune(cluster: GraphCluster, used: set[GraphNode]) -> None:
    """Leaves out new arrays, scalars and dead nodes that nothing is linked to, and empty clusters."""
    kept: list[GraphNode | GraphCluster] = []
    for member in cluster.members:
        if isinstance(member, GraphCluster):
            _prune(member, used)
            if member.members:
                kept.append(member)
        elif member in used or member.kind not in ("memory", "scalar", "constant", "view"):
            kept.append(member)
    cluster.members = kept
