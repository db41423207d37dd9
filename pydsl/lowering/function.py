"""Tensor IR functions to loop IR functions: structured control flow around fused straight lines.

A block is cut at its control-flow operations. Every piece between two cuts becomes an operation DAG, is fused into
nests and lowered; control flow maps one to one. Carried scalars are mutable variables; carried tensor references
whose storage changes are pointers, and the numbers in their types are scalars carried beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.fusion.access import reads
from pydsl.fusion.build import build, copy_statement
from pydsl.fusion.dead import remove_dead
from pydsl.fusion.edges import Edge, edges
from pydsl.fusion.elide import elide_copies
from pydsl.fusion.forward import Forwarding
from pydsl.fusion.intervals import simplify
from pydsl.fusion.nests import Item, Nest, build_nests
from pydsl.fusion.state import INT64, LoweringState
from pydsl.fusion.statement import Statement
from pydsl.ir.affine import Affine
from pydsl.ir.calls import CallSite
from pydsl.ir.core import Block, Function, Op, Value, symbols_of
from pydsl.ir.record import Kind
from pydsl.ir.types import INDEX, Origin, Storage, TensorType
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Break,
    Buffer,
    CallPython,
    Const,
    Continue,
    Contract,
    Declare,
    Expr,
    Fail,
    For,
    Gemm,
    If,
    Index,
    Let,
    LoopFunction,
    Operand,
    Product,
    Read,
    Return,
    SetPointer,
    Space,
    Stmt,
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.walk import walk
from pydsl.lowering.leaf import lower_item
from pydsl.lowering.provenance import MOST_CHOICES, Provenance
from pydsl.lowering.results import ArrayLeaf, Number, ResultLeaf, ScalarLeaf, SlotNumber, StorageInfo

#: automatic memory is used for temporaries up to this many bytes
LOCAL_BYTES = 512


@dataclass
class Segment:
    """One fused straight line, kept for reports.

    Parameters
    ----------
    built: one statement for each operation that needs one; ``statements``: those that are left, in program order.
    items: nests and statements outside of loops, in the order of execution.
    local: buffers that nothing outside the line reads.
    kernels: the items that have loops, by their number (:attr:`pydsl.loops.ir.For.kernel`).
    """

    ops: list[Op]
    built: list[Statement]
    statements: list[Statement]
    items: list[Item]
    local: set[Buffer]
    kernels: dict[int, Item] = field(default_factory=dict)

    @cached_property
    def edges(self) -> list[Edge]:
        """The dependency edges between ``statements``, derived when they are asked for."""
        return edges(self.statements)


@dataclass
class Lowered:
    """A lowered function with what the runtime and the reports need.

    Parameters
    ----------
    arguments: for every leaf argument (block argument), its first ABI slot.
    implicit: global arrays that are used, in order, with their slots.
    results: for every return site, its dynamic leaves in operand order.
    context_slot: the slot after those of the arguments; it is there on a GPU only.
    """

    function: LoopFunction
    arguments: list[int]
    implicit: list[tuple[Storage, int]]
    storages: list[StorageInfo]
    results: dict[int, list[ResultLeaf]]
    segments: list[Segment]
    written_arguments: set[Storage]
    buffers: dict[Storage, Buffer]
    context_slot: int = -1


@dataclass(frozen=True)
class ArgumentSlots:
    """ABI slots of the block arguments: `leaves` of the first ones, which are arguments of the call, `symbols` of the
    others, which are numbers read from those; `count` in all."""

    leaves: tuple[int, ...]
    symbols: tuple[int, ...]
    count: int


def _slots_in_order(function: Function) -> ArgumentSlots:
    """One leaf after the other, no symbols."""
    slots, count = [], 0
    for value in function.body.args:
        slots.append(count)
        count += 2 if not value.is_tensor and value.scalar.dtype.kind == "c" else 1
    return ArgumentSlots(tuple(slots), (), count)


def lower_function(
    function: Function, fuse: bool = True, slots: ArgumentSlots | None = None, *, threads: bool = False
) -> Lowered:
    """Lowers a tensor IR function.

    Parameters
    ----------
    fuse: False keeps every operation in its own loop nest.
    slots: where the block arguments are passed; one after the other if not given.
    threads: for a GPU: an argument slot more, for the context, and reductions for threads (`LoweringState.threads`).
    """
    return _FunctionLowering(function, fuse, slots or _slots_in_order(function), threads).run()


@dataclass
class _Usage:
    """Where values and storages are used: the numbers of the straight lines, and whether control flow sees them."""

    segment_of: dict[Op, int] = field(default_factory=dict)
    scalars: dict[Value, set[int]] = field(default_factory=lambda: defaultdict(set))
    storages: dict[Storage, set[int]] = field(default_factory=lambda: defaultdict(set))
    joined: set[Storage] = field(default_factory=set)
    returned: set[Storage] = field(default_factory=set)
    top: set[Storage] = field(default_factory=set)
    primary: dict[Storage, TensorType] = field(default_factory=dict)
    written: set[Storage] = field(default_factory=set)

    def note(self, value: Value, number: int) -> None:
        """A use of a value, and of the numbers in its type."""
        type_ = value.type
        if not isinstance(type_, TensorType):
            self.scalars[value].add(number)
            return
        self.storages[type_.storage].add(number)
        for part in (*type_.shape, *type_.strides, type_.offset):
            for symbol in part.symbols():
                assert isinstance(symbol, Value)
                self.scalars[symbol].add(number)
        if type_.storage.nbytes is not None:
            for symbol in type_.storage.nbytes.symbols():
                assert isinstance(symbol, Value)
                self.scalars[symbol].add(_CONTROL)  # allocations read it, which no statement shows
        if type_.storage.origin is Origin.PHI:
            self.joined.update(_sources(type_.storage))

    def note_returned(self, op: Op) -> None:
        """Results, and the numbers that say how large the memory is that they lie in."""
        storages = {value.tensor.storage for value in op.operands if value.is_tensor}
        self.returned |= storages
        for whole in [self.primary[storage] for storage in storages if storage in self.primary]:
            for part in (*whole.shape, *whole.strides):
                for symbol in part.symbols():
                    assert isinstance(symbol, Value)
                    self.scalars[symbol].add(_CONTROL)


#: segment number of uses by control flow
_CONTROL = -1
#: operations between which the straight lines lie
_CUTS = (Kind.CONTROL, Kind.CALL)


class _FunctionLowering:
    def __init__(self, function: Function, fuse: bool, slots: ArgumentSlots, threads: bool) -> None:
        self.source = function
        self.fuse = fuse
        self.leaves = slots.leaves
        self.argument_slots = slots
        self.state = LoweringState(threads=threads)
        self.usage = _Usage()
        self.segments: list[Segment] = []
        self.kernels = 0
        self.n_slots = 0
        self.result_slots: dict[tuple[int, int, int], int] = {}
        self.storages: list[StorageInfo] = []
        self.storage_index: dict[Storage, int] = {}
        self.results: dict[int, list[ResultLeaf]] = {}
        self.allocated: set[Buffer] = set()
        self.scalars: list[tuple[Var, int]] = []
        self.arguments: list[int] = []
        self.argument_of: dict[Storage, tuple[int, int]] = {}  # leaf number, offset of its element 0
        self.argument_index: dict[int, int] = {}  # storage number of an argument that is returned, by leaf
        self.copied_out: dict[tuple[int, Storage | TensorType], int] = {}  # by return site and memory
        self.implicit: list[tuple[Storage, int]] = []
        self.calls: list[CallSite] = []

    def run(self) -> Lowered:
        self._scan()
        self._bind_arguments()
        self._place_storages()
        self.provenance = Provenance(self.usage.returned, self.argument_of, self.source.storages)
        body = [*self.provenance.declare(), *self._block(self.source.body, None)]
        payload = self.n_slots
        self.n_slots += max((len(e.payload) for e in self.state.errors), default=0)
        buffers = [*self.state.buffers.values(), *self.state.extra_buffers]
        function = LoopFunction(
            self.source.name,
            body,
            self.scalars,
            buffers,
            self.n_slots,
            payload,
            self.state.errors,
            calls=self.calls,
        )
        return Lowered(
            function,
            self.arguments,
            self.implicit,
            self.storages,
            self.results,
            self.segments,
            self.usage.written,
            self.state.buffers,
            self.context_slot,
        )

    # --- where things are used ---

    def _scan(self) -> None:
        usage = self.usage
        segment = 0

        def visit(block: Block, top: bool) -> None:
            nonlocal segment
            segment += 1
            for op in block.ops:
                control = op.record.kind in _CUTS
                number = _CONTROL if control else segment
                usage.segment_of[op] = number
                for value in (*op.operands, *op.results):
                    usage.note(value, number)
                for symbol in symbols_of(op):
                    usage.scalars[symbol].add(number)
                for index in op.record.written(op):
                    usage.written.update(op.operands[index].tensor.storage.roots())
                if op.record.allocates and op.results and op.result.is_tensor:
                    storage = op.result.tensor.storage
                    usage.primary[storage] = op.result.tensor
                    if top:
                        usage.top.add(storage)
                if op.name == "return":
                    usage.note_returned(op)
                for region in op.regions:
                    for arg in region.args:
                        usage.note(arg, _CONTROL)
                    visit(region, False)
                if op.regions or op.record.kind is Kind.CALL:
                    segment += 1

        visit(self.source.body, True)

    def _bind_arguments(self) -> None:
        given = self.argument_slots
        self.arguments = list(given.leaves)
        self.n_slots = given.count
        for leaf, (value, slot) in enumerate(
            zip(self.source.body.args, (*given.leaves, *given.symbols), strict=True)
        ):
            if isinstance(value.type, TensorType):
                storage = value.type.storage
                if storage not in self.argument_of:
                    buffer = self.state.buffer(storage)
                    buffer.slot, buffer.slot_bias = slot, value.type.offset.value
                    self.argument_of[storage] = (leaf, value.type.offset.value)
            else:
                self.scalars.append((self.state.bind(value), slot))
        for storage in self.usage.storages:
            if storage.origin is Origin.GLOBAL:
                buffer = self.state.buffer(storage)
                low = _lowest(storage.data)
                buffer.slot, buffer.slot_bias = self.n_slots, low
                self.argument_of[storage] = (len(self.leaves) + len(self.implicit), low)
                self.implicit.append((storage, self.n_slots))
                self.n_slots += 1
        self.context_slot = self.n_slots
        self.n_slots += self.state.threads

    def _place_storages(self) -> None:
        usage = self.usage
        for storage in usage.storages:
            if storage.origin is not Origin.ALLOC:
                continue
            buffer = self.state.buffer_of_alloc(storage)
            static = storage.nbytes is not None and storage.nbytes.is_const
            if storage in usage.returned and storage in usage.top:
                buffer.space = Space.RESULT
                primary = usage.primary[storage]
                self._result_storage(
                    storage, buffer, primary, "entry" if static and primary.is_static else "kernel"
                )
            elif storage in usage.joined or not static:
                buffer.space = Space.HEAP
            elif storage.nbytes is not None and storage.nbytes.value <= LOCAL_BYTES:
                buffer.space = Space.LOCAL

    def _result_storage(self, storage: Storage, buffer: Buffer, primary: TensorType, made_by: Any) -> int:
        slot = self._slots(1)
        buffer.slot = slot
        if made_by == "entry":
            buffer.space, buffer.fresh = Space.ARG, True
            self.allocated.add(buffer)
        index = len(self.storages)
        self.storage_index[storage] = index
        shape = tuple(self._number(d, (-1 - index, 0, k)) for k, d in enumerate(primary.shape))
        strides = tuple(self._number(d, (-1 - index, 1, k)) for k, d in enumerate(primary.strides))
        self.storages.append(StorageInfo(storage.dtype, shape, strides, made_by, slot))
        return index

    def _slots(self, count: int) -> int:
        first = self.n_slots
        self.n_slots += count
        return first

    def _number(self, expr: Affine, key: tuple[int, int, int]) -> Number:
        if expr.is_const:
            return expr.value
        if key not in self.result_slots:
            self.result_slots[key] = self._slots(1)
        return SlotNumber(self.result_slots[key])

    # --- blocks ---

    def _block(self, block: Block, loop: _LoopFrame | None) -> list[Stmt]:
        out: list[Stmt] = []
        pending: list[Op] = []
        for op in block.ops:
            if op.record.kind in _CUTS:
                out.extend(self._straight(pending))
                pending = []
                out.extend(self._control(op, loop))
            else:
                pending.append(op)
        out.extend(self._straight(pending))
        return out

    def _straight(self, ops: list[Op]) -> list[Stmt]:
        if not ops:
            return []
        number = self.usage.segment_of[ops[0]]
        built: list[Statement] = []
        for op in ops:
            built.extend(build(op, self.state))
        local = {
            self.state.buffers[s]
            for s in {v.tensor.storage for op in ops for v in op.results if v.is_tensor}
            if s.origin is Origin.ALLOC and self.usage.storages[s] == {number} and s not in self.usage.joined
        }
        live = {
            var
            for op in ops
            for value in op.results
            if not value.is_tensor and self.usage.scalars[value] - {number}
            for var in _variables(self.state.scalars.get(value))
        }
        statements = built
        if self.fuse:
            statements = remove_dead(statements, local, live)
            Forwarding(statements, local, threads=self.state.threads).run()
            statements = simplify(statements, local)
            statements = remove_dead(statements, local, live)
            statements = elide_copies(statements, local)
        items = build_nests(statements, self.fuse, threads=self.state.threads)
        segment = Segment(ops, built, statements, items, local)
        self.segments.append(segment)
        out: list[Stmt] = []
        for item in items:
            self._allocate(item, out)
            lowered = lower_item(item, self.state)
            loops = [s for s in walk(lowered) if isinstance(s, (For, Contract, Gemm))]
            if loops:
                self.kernels += 1
                segment.kernels[self.kernels] = item
            for loop in loops:
                loop.kernel = self.kernels
            out.extend(lowered)
        for op in ops:
            # what lives on must exist from here on, even if its first use is inside a loop
            if op.record.allocates and op.results and op.result.is_tensor:
                buffer = self.state.buffers.get(op.result.tensor.storage)
                if buffer is not None and buffer not in local:
                    self._ensure_allocated(buffer, out)
        return out

    def _allocate(self, item: Item, out: list[Stmt]) -> None:
        members = item.statements() if isinstance(item, Nest) else [item]
        for statement in members:
            for buffer in (statement.buffer, *(access.buffer for access in reads(statement))):
                if buffer is not None:
                    self._ensure_allocated(buffer, out)

    def _ensure_allocated(self, buffer: Buffer, out: list[Stmt]) -> None:
        if buffer.space not in (Space.HEAP, Space.RESULT, Space.ARENA) or buffer in self.allocated:
            return
        if buffer.space is Space.ARENA:
            if self.state.size(buffer).is_const:
                return
            buffer.space = Space.HEAP
        self.allocated.add(buffer)
        self._emit_alloc(buffer, out)

    def _emit_alloc(self, buffer: Buffer, out: list[Stmt]) -> None:
        nbytes = self.state.size(buffer)
        if buffer.space is Space.RESULT:
            index = next(i for s, i in self.storage_index.items() if self.state.buffers[s] is buffer)
            storage = next(s for s, i in self.storage_index.items() if i == index)
            primary = self.usage.primary[storage]
            out.append(AllocResult(buffer, index, nbytes))
            for kind, parts in enumerate((primary.shape, primary.strides)):
                for k, part in enumerate(parts):
                    slot = self.result_slots.get((-1 - index, kind, k))
                    if slot is not None:
                        out.insert(len(out) - 1, StoreSlot(slot, Index(self.state.affine(part))))
        else:
            out.append(Alloc(buffer, nbytes))

    # --- control flow ---

    def _control(self, op: Op, loop: _LoopFrame | None) -> list[Stmt]:
        match op.name:
            case "for":
                return self._for(op)
            case "while":
                return self._while(op)
            case "if":
                return self._if(op, loop)
            case "return":
                return self._return(op)
            case "raise":
                return self._raise(op)
            case "break":
                assert loop is not None
                return [*loop.leave(self, op.operands), Break()]
            case "call":
                return self._call(op)
            case "yield":
                return []  # the operation around it assigns the values
            case "continue":
                assert loop is not None
                return [*loop.next(self, op.operands), Continue()]
        raise InternalCompilerError(f"no lowering for {op.name}")

    def _for(self, op: Op) -> list[Stmt]:
        start, stop, *inits = op.operands
        step: int = op.attrs["step"]
        (region,) = op.regions
        index, *carried = region.args
        first, last = self.state.symbol(start), self.state.symbol(stop)
        out: list[Stmt] = []
        frame = _LoopFrame(self, carried, op.results)
        out.extend(frame.enter(self, inits))
        self._set_apart(carried, inits, region)
        var = Var(index.hint or "i", INT64, index.bounds)
        if step == 1:
            self.state.scalars[index] = Read(var)
            lower, upper = first, last
        else:
            span = last - first + (step - 1 if step > 0 else step + 1)
            lower = Affine.of(0)
            if span.is_const:
                upper = Affine.of(max(0, span.value // step))
            else:
                trips = Var("trips", INT64, (None, None))
                out.append(Let(trips, Apply("floor_divide", (Index(span), Const(step, INT64)), INT64)))
                upper = Affine.of(trips)
            var = Var("trip", INT64, (0, upper.value - 1 if upper.is_const else None))
            self.state.scalars[index] = Index(first + Affine.of(var) * step)
        body = [*frame.bind(self), *self._block(region, frame)]
        if region.terminator is not None and region.terminator.name == "yield":
            body.extend(frame.next(self, region.terminator.operands))
        out.append(For(var, lower, upper, body, label="user", loc=op.loc))
        out.extend(frame.exit(self))
        return out

    def _set_apart(self, carried: Sequence[Value], inits: Sequence[Value], region: Block) -> None:
        """Notes arrays that a loop only swaps: they begin as different memory and stay different."""
        end = region.terminator
        if end is None or end.name != "yield" or any(op.name == "continue" for op in region.walk()):
            return
        swapped = {
            value.tensor.storage: (first.tensor.storage, after)
            for value, first, after in zip(carried, inits, end.operands, strict=True)
            if value.is_tensor
            and value.tensor.storage.origin is Origin.PHI
            and first.is_tensor
            and after.is_tensor
        }
        followers = {s: after.tensor.storage for s, (_, after) in swapped.items()}
        while any(f not in followers for f in followers.values()):
            followers = {s: f for s, f in followers.items() if f in followers}
        starts = {s: swapped[s][0] for s in followers}
        if len(set(followers.values())) < len(followers) or len(set(starts.values())) < len(starts):
            return
        if any(start.origin is Origin.PHI for start in starts.values()):
            return
        for storage in followers:
            self.state.buffer(storage).apart = {self.state.buffer(s) for s in followers if s is not storage}

    def _while(self, op: Op) -> list[Stmt]:
        header_block, body_block = op.regions
        frame = _LoopFrame(self, header_block.args, op.results)
        out = frame.enter(self, op.operands)
        header = [*frame.bind(self), *self._block(header_block, frame)]
        assert header_block.terminator is not None
        condition = self.state.scalar(header_block.terminator.operands[0])
        body = self._block(body_block, frame)
        if body_block.terminator is not None and body_block.terminator.name == "yield":
            body.extend(frame.next(self, body_block.terminator.operands))
        out.append(While(header, condition, body, op.loc))
        out.extend(frame.exit(self))
        return out

    def _if(self, op: Op, loop: _LoopFrame | None) -> list[Stmt]:
        join = _Join(self, op.results)
        out = join.declare()
        branches: list[list[Stmt]] = []
        for region in op.regions:
            before = set(self.allocated)
            body = self._block(region, loop)
            if region.terminator is not None and region.terminator.name == "yield":
                body.extend(join.assign(self, region.terminator.operands))
            branches.append(body)
            self.allocated = before | {b for b in self.allocated if b.space is not Space.RESULT}
        out.append(
            If(self.state.scalar(op.operands[0]), branches[0], branches[1] if len(branches) > 1 else [])
        )
        out.extend(join.finish(self))
        return out

    def _call(self, op: Op) -> list[Stmt]:
        """A call of a Python function, for which all memory that it may see must be as the program says."""
        out: list[Stmt] = []
        operands: list[Operand] = []
        for value in op.operands:
            type_ = value.tensor
            self._ensure_allocated(self.state.buffer(type_.storage), out)
            shape, strides = (tuple(map(self.state.affine, part)) for part in (type_.shape, type_.strides))
            offset = self.state.affine(type_.offset)
            operands.append(Operand(self.state.buffer(type_.storage), offset, type_.dtype, shape, strides))
        site: CallSite = op.attrs["site"]
        self.calls.append(site)
        writes = tuple(dict.fromkeys(operands[index].buffer for index in site.written))
        visible = self.argument_of if site.reaches else ()
        reached = tuple(self.state.buffer(storage) for storage in visible)
        out.append(CallPython(len(self.calls) - 1, tuple(operands), writes, reached))
        return out

    def _raise(self, op: Op) -> list[Stmt]:
        payload = tuple(self.state.scalar(v) for v in op.operands)
        error = self.state.error(op.attrs["error"], op.attrs["message"], op, tuple(e.dtype for e in payload))
        return [Fail(self.state.errors.index(error), payload)]

    # --- results ---

    def _return(self, op: Op) -> list[Stmt]:
        storages = dict.fromkeys(value.tensor.storage for value in op.operands if value.is_tensor)
        joined = [storage for storage in storages if storage.origin is Origin.PHI]
        choices = [len(self.provenance.candidates(storage)) + 1 for storage in joined]
        return self._return_among(op, joined if prod(choices) <= MOST_CHOICES else [], {})

    def _return_among(self, op: Op, joined: Sequence[Storage], known: dict[Storage, Storage]) -> list[Stmt]:
        """A return whose joined references are told apart by the argument they point into."""
        if not joined:
            return self._return_from(op, known)
        storage, *rest = joined
        arguments = self.provenance.candidates(storage)
        out: list[Stmt] = []
        if len(arguments) == len(storage.roots()):
            known = {**known, storage: arguments.pop()}
        for argument in arguments:
            body = self._return_among(op, rest, {**known, storage: argument})
            out.append(If(self.provenance.is_in(storage, argument), body))
        return [*out, *self._return_among(op, rest, known)]

    def _return_from(self, op: Op, known: dict[Storage, Storage]) -> list[Stmt]:
        """A return through a site of its own; ``known`` says which argument a joined reference points into."""
        site: int = op.attrs["site"]
        if site in self.results:
            self.source.returns.append(self.source.returns[site])
            site = len(self.source.returns) - 1
        out: list[Stmt] = []
        leaves: list[ResultLeaf] = []
        for position, value in enumerate(op.operands):
            if isinstance(value.type, TensorType):
                type_ = replace(value.type, storage=known.get(value.type.storage, value.type.storage))
                argument = self._argument_of(value, type_.storage)
                if argument is not None:
                    leaves.append(self._return_view(type_, argument, (site, position), out))
                else:
                    leaves.append(self._return_tensor(type_, (site, position), out))
            else:
                dtype = value.scalar.dtype
                slot = self._slots(2 if dtype.kind == "c" else 1)
                out.append(StoreSlot(slot, self.state.scalar(value)))
                leaves.append(ScalarLeaf(dtype, value.scalar.weak, slot))
        self.results[site] = leaves
        out.append(Return(site))
        return out

    def _argument_of(self, value: Value, storage: Storage) -> _Argument | None:
        """The argument that a result is a view of: among several in one memory the one it was made of."""
        if storage not in self.argument_of:
            return None
        while isinstance(value.owner, Op) and value.owner.record.kind is Kind.VIEW and value.owner.operands:
            value = value.owner.operands[0]
        if value in self.source.body.args:
            leaf = self.source.body.args.index(value)
            return _Argument(leaf, self.arguments[leaf], value.tensor.offset.value)
        leaf, bias = self.argument_of[storage]
        slot = self.state.buffer(storage).slot
        assert slot is not None
        return _Argument(leaf, slot, bias)

    def _return_view(
        self, type_: TensorType, argument: _Argument, key: tuple[int, int], out: list[Stmt]
    ) -> ArrayLeaf:
        if argument.leaf not in self.argument_index:
            self.argument_index[argument.leaf] = len(self.storages)
            self.storages.append(StorageInfo(type_.storage.dtype, (), (), argument.leaf, argument.slot))
        return self._leaf(type_, self.argument_index[argument.leaf], key, out, argument.offset)

    def _return_tensor(self, type_: TensorType, key: tuple[int, int], out: list[Stmt]) -> ArrayLeaf:
        storage = type_.storage
        if storage in self.usage.primary and storage not in self.storage_index:
            return self._return_whole(type_, key, out)
        if storage not in self.storage_index:
            return self._return_copy(type_, key, out)
        if storage in self.usage.top:
            self._ensure_allocated(self.state.buffer(storage), out)
        return self._leaf(type_, self.storage_index[storage], key, out)

    def _leaf(
        self, type_: TensorType, index: int, key: tuple[int, int], out: list[Stmt], bias: int = 0
    ) -> ArrayLeaf:
        """A reference as a result on storage number ``index``, which begins at ``bias``."""
        parts = [*type_.shape, *type_.strides, type_.offset - bias]
        numbers: list[Number] = []
        for k, part in enumerate(parts):
            number = self._number(part, (key[0], key[1], k))
            if isinstance(number, SlotNumber):
                out.append(StoreSlot(number.index, Index(self.state.affine(part))))
            numbers.append(number)
        rank = type_.rank
        return ArrayLeaf(
            index,
            type_.dtype,
            tuple(numbers[:rank]),
            tuple(numbers[rank : 2 * rank]),
            numbers[-1],
        )

    def _return_whole(self, type_: TensorType, key: tuple[int, int], out: list[Stmt]) -> ArrayLeaf:
        """A result whose memory was allocated in a loop or a branch: the memory is copied out, once for each site."""
        whole = self.usage.primary[type_.storage]
        site = (key[0], type_.storage)
        if site not in self.copied_out:
            self.copied_out[site] = self._copy_out(whole, whole.strides, type_.storage.nbytes, out)
        return self._leaf(type_, self.copied_out[site], key, out)

    def _return_copy(self, type_: TensorType, key: tuple[int, int], out: list[Stmt]) -> ArrayLeaf:
        """A result whose memory is constant, or one of several: copied out, the same one once for each site."""
        index = self.copied_out.get((key[0], type_))
        if index is None:
            strides, nbytes = self._packed(type_, out)
            index = self.copied_out[key[0], type_] = self._copy_out(type_, strides, nbytes, out)
        info = self.storages[index]
        return ArrayLeaf(index, type_.dtype, info.shape, info.strides, 0)

    def _packed(self, type_: TensorType, out: list[Stmt]) -> tuple[tuple[Affine, ...], Affine]:
        """Strides and size of new memory in the order of the old axes."""
        strides = [Affine.of(0)] * type_.rank
        step = Affine.of(type_.itemsize)
        empty = False
        slowest_first = sorted(range(type_.rank), key=lambda k: -_large(type_.strides[k]))
        for axis in slowest_first[::-1]:
            strides[axis] = step
            dim = type_.shape[axis]
            if dim.is_const and not dim.const:
                empty = True  # NumPy gives the other axes the strides of a dim of 1
            else:
                step = self._times(step, dim, out)
        return tuple(strides), Affine.of(0) if empty else step

    def _times(self, a: Affine, b: Affine, out: list[Stmt]) -> Affine:
        """The product; a new number where it is not affine."""
        known = a.mul(b)
        if known is not None:
            return known
        value = Value(INDEX, "size")
        var = self.state.bind(value)
        factors = Index(self.state.affine(a)), Index(self.state.affine(b))
        out.append(Let(var, Apply("multiply", factors, INT64)))
        return Affine.of(value)

    def _copy_out(
        self, from_type: TensorType, strides: tuple[Affine, ...], nbytes: Affine | None, out: list[Stmt]
    ) -> int:
        """Copies an array to new memory of NumPy's; the number of the result storage."""
        if nbytes is None:
            raise InternalCompilerError("the size of a returned array is not an index expression")
        storage = Storage(Origin.ALLOC, "result", from_type.dtype, nbytes)
        primary = TensorType(from_type.dtype, from_type.shape, strides, Affine.of(0), storage)
        self.usage.primary[storage] = primary
        self.usage.top.add(storage)
        buffer = self.state.buffer_of_alloc(storage)
        buffer.space = Space.RESULT
        index = self._result_storage(storage, buffer, primary, "entry" if primary.is_static else "kernel")
        self._ensure_allocated(buffer, out)
        copy = copy_statement(from_type, primary, self.state)
        for item in build_nests([copy], threads=self.state.threads):
            out.extend(lower_item(item, self.state))
        return index


def _large(stride: Affine) -> int:
    """The absolute value of a stride when every symbol is large."""
    return abs(stride.const + 1_000_003 * sum(coeff for _, coeff in stride.terms))


def _sources(storage: Storage) -> Iterator[Storage]:
    yield from storage.sources
    yield from storage.roots()


def _variables(expr: Expr | None) -> Iterator[Var]:
    if isinstance(expr, Read):
        yield expr.var
    elif isinstance(expr, Index):
        for symbol in expr.expr.symbols():
            yield symbol.factor if isinstance(symbol, Product) else symbol  # type: ignore[misc]


def _lowest(array: np.ndarray[Any, Any]) -> int:
    """Bytes from the lowest address of an array to its first element."""
    return -sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True) if s < 0 and n > 0)


@dataclass(frozen=True)
class _Argument:
    """A leaf argument: its number, the slot of its data pointer, and where in its storage that points."""

    leaf: int
    slot: int
    offset: int


class _Join:
    """Values that several edges assign: scalars in mutable variables, storages in pointers."""

    def __init__(self, lowering: _FunctionLowering, targets: Sequence[Value]) -> None:
        self.targets = list(targets)
        self.vars: dict[Value, Var] = {}
        self.pointers: dict[Value, Buffer] = {}
        for value in targets:
            if isinstance(value.type, TensorType):
                if value.type.storage.origin is Origin.PHI:
                    self.pointers[value] = lowering.state.buffer(value.type.storage)
            else:
                self.vars[value] = Var(value.hint or "carried", value.scalar.dtype)

    def declare(self) -> list[Stmt]:
        return [Declare(v, Const(np.zeros((), v.dtype).item(), v.dtype)) for v in self.vars.values()]

    def assign(self, lowering: _FunctionLowering, values: Sequence[Value]) -> list[Stmt]:
        """Parallel assignment of the edge's values."""
        state = lowering.state
        first: list[Stmt] = []
        second: list[Stmt] = []
        mutable = set(self.vars.values())
        several = len(values) > 1
        for target, value in zip(self.targets, values, strict=True):
            if target in self.vars:
                var, expr = self.vars[target], state.scalar(value)
                if isinstance(expr, Read) and expr.var is var:
                    continue
                if expr.dtype != var.dtype:
                    expr = Apply("cast", (expr,), var.dtype)
                if several and _reads_any(expr, mutable):
                    temp = Var("next", var.dtype)
                    first.append(Let(temp, expr))
                    expr = Read(temp)
                second.append(Assign(var, expr))
            elif target in self.pointers:
                source = state.buffer(value.tensor.storage)
                lowering._ensure_allocated(source, first)
                pointer = self.pointers[target]
                if source is pointer:
                    continue
                if several and source in self.pointers.values():
                    temp_pointer = Buffer("next", Space.POINTER, source.dtype, targets=[source])
                    first.append(SetPointer(temp_pointer, source))
                    source = temp_pointer
                    state.extra_buffers.append(temp_pointer)
                second.append(SetPointer(pointer, source))
        pairs = [
            (target.tensor.storage, value.tensor.storage)
            for target, value in zip(self.targets, values, strict=True)
            if target in self.pointers
        ]
        return first + second + lowering.provenance.follow(pairs)

    def finish(self, lowering: _FunctionLowering) -> list[Stmt]:
        """Binds the targets to what was assigned last."""
        out: list[Stmt] = []
        for value, var in self.vars.items():
            fixed = Var(value.hint or "joined", var.dtype, value.bounds)
            out.append(Let(fixed, Read(var)))
            lowering.state.scalars[value] = Read(fixed)
        return out


def _reads_any(expr: Expr, variables: set[Var]) -> bool:
    if isinstance(expr, Read):
        return expr.var in variables
    if isinstance(expr, Apply):
        return any(_reads_any(a, variables) for a in expr.args)
    return isinstance(expr, Index) and any(s in variables for s in expr.expr.symbols())


class _LoopFrame:
    """The carried values of a loop: block arguments inside, results after it."""

    def __init__(
        self, lowering: _FunctionLowering, carried: Sequence[Value], results: Sequence[Value]
    ) -> None:
        self.carried = _Join(lowering, carried)
        self.results = list(results)
        self.exit_join = _Join(lowering, results)

    def enter(self, lowering: _FunctionLowering, inits: Sequence[Value]) -> list[Stmt]:
        return [*self.carried.declare(), *self.carried.assign(lowering, inits)]

    def bind(self, lowering: _FunctionLowering) -> list[Stmt]:
        return self.carried.finish(lowering)

    def next(self, lowering: _FunctionLowering, values: Sequence[Value]) -> list[Stmt]:
        return self.carried.assign(lowering, values)

    leave = next

    def exit(self, lowering: _FunctionLowering) -> list[Stmt]:
        out: list[Stmt] = []
        for target, source in zip(self.results, self.carried.targets, strict=True):
            if source in self.carried.vars:
                var = self.carried.vars[source]
                fixed = Var(target.hint or "after", var.dtype, target.bounds)
                out.append(Let(fixed, Read(var)))
                lowering.state.scalars[target] = Read(fixed)
            elif target in self.exit_join.pointers:
                inside = self.carried.pointers.get(source) or lowering.state.buffer(source.tensor.storage)
                if inside is not self.exit_join.pointers[target]:
                    out.append(SetPointer(self.exit_join.pointers[target], inside))
                    out += lowering.provenance.follow([(target.tensor.storage, source.tensor.storage)])
        return out
