"""Between the call and the compiler: arguments as the front end sees them, results and guards as the runtime does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pydsl.errors import InternalCompilerError, UnsupportedError
from pydsl.frontend.request import (
    ArgTree,
    ArraySpec,
    MappingSpec,
    ObjectSpec,
    OpaqueSpec,
    ReturnArgument,
    ReturnLeaf,
    ReturnMapping,
    ReturnObject,
    ReturnSequence,
    ReturnStatic,
    ScalarSpec,
    SequenceSpec,
    StaticSpec,
    SymbolSpec,
    SymbolTerm,
    TraceRequest,
    TraceResult,
)
from pydsl.frontend.source import load
from pydsl.ir.affine import Affine
from pydsl.jit.guard_plan import Captured, GuardPlan, plan_guards
from pydsl.jit.runtime.abi import (
    MISSING,
    ArgResult,
    ArrayResult,
    CallOperand,
    CellGuard,
    Condition,
    ConstResult,
    ErrorEntry,
    Extent,
    GlobalGuard,
    NameGuard,
    PythonCall,
    Result,
    ResultDict,
    ResultList,
    ResultObject,
    ResultStorage,
    ResultTuple,
    SameOffset,
    ScalarResult,
    Slot,
    Specialization,
)
from pydsl.jit.signature import (
    ArrayLeaf,
    AttributesNode,
    CompileRequest,
    DictNode,
    LeafPath,
    ListNode,
    Node,
    NumberLeaf,
    NumpyScalarLeaf,
    ObjectLeaf,
    StaticLeaf,
    TupleNode,
)
from pydsl.jit.symbol_plan import SymbolPlan, plan_symbols
from pydsl.jit.symbolic import LEAST_SIZE
from pydsl.loops.ir import CallPython, LoopFunction
from pydsl.loops.walk import walk
from pydsl.lowering.function import ArgumentSlots, Lowered
from pydsl.lowering.results import ArrayLeaf as ArrayValue
from pydsl.lowering.results import Number, ResultLeaf, SlotNumber

#: estimated run time above which the GIL is released
RELEASE_NS = 10_000.0


def dynamic_leaves(
    request: CompileRequest,
) -> list[tuple[LeafPath, ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf]]:
    """The leaves that have slots, in slot order."""
    return [(path, leaf) for path, leaf in request.signature.leaves() if not isinstance(leaf, StaticLeaf)]


# --- arguments ---


def trace_request(request: CompileRequest) -> TraceRequest:
    """The arguments in the front end's terms: arrays that overlap share a group."""
    numbers = {path: number for number, (path, _) in enumerate(dynamic_leaves(request))}
    groups = _groups(request)
    plan = plan_symbols(request.signature)

    def numbers_of(path: LeafPath, kind: str, known: Sequence[object]) -> tuple[int | SymbolTerm, ...]:
        return tuple(
            number if isinstance(number, int) else SymbolTerm(*reversed(plan.terms[path, kind, axis]))
            for axis, number in enumerate(known)
        )

    def tree(node: Node, path: LeafPath) -> ArgTree:
        match node:
            case ArrayLeaf():
                group, offset = groups[path]
                return ArraySpec(
                    node.dtype,
                    numbers_of(path, "shape", node.shape),
                    numbers_of(path, "strides", node.strides),
                    node.writeable,
                    group,
                    offset,
                    numbers[path],
                )
            case NumberLeaf():
                low = LEAST_SIZE if node.size else None
                return ScalarSpec(np.dtype(_PYTHON_DTYPES[node.cls]), True, numbers[path], low)
            case NumpyScalarLeaf():
                return ScalarSpec(node.dtype, False, numbers[path], LEAST_SIZE if node.size else None)
            case ObjectLeaf():
                return OpaqueSpec(node.cls, numbers[path])
            case StaticLeaf():
                return StaticSpec(node.value)
            case TupleNode():
                return SequenceSpec(tuple(tree(n, (*path, k)) for k, n in enumerate(node.items)), node.cls)
            case ListNode():
                return SequenceSpec(tuple(tree(n, (*path, k)) for k, n in enumerate(node.items)), list)
            case DictNode():
                return MappingSpec(tuple((key, tree(n, (*path, key))) for key, n in node.items))
            case AttributesNode():
                return ObjectSpec(node.cls, tuple((key, tree(n, (*path, key))) for key, n in node.items))
        raise InternalCompilerError(f"no argument tree for {type(node).__name__}", stage="contract")

    paths = {argument.path: argument.node for argument in request.signature.arguments}
    params: dict[str, ArgTree] = {}
    for name, node in request.parameters().items():
        if (name,) in paths:
            params[name] = tree(node, (name,))
        elif isinstance(node, DictNode):  # **kwargs and *args: the items are arguments of their own
            params[name] = MappingSpec(
                tuple((str(p[1]), tree(n, p)) for p, n in paths.items() if p[0] == name)
            )
        else:
            params[name] = SequenceSpec(tuple(tree(n, p) for p, n in paths.items() if p[0] == name))
    symbols = tuple(SymbolSpec(n.name, n.low, n.factors) for n in plan.numbers)
    return TraceRequest(request.function, params, symbols=symbols)


_PYTHON_DTYPES: dict[type, Any] = {int: np.int64, float: np.float64, complex: np.complex128}


def _groups(request: CompileRequest) -> dict[LeafPath, tuple[int, int]]:
    """Group and offset of element 0 from the group's lowest address, for every array leaf."""
    arrays = {path: leaf for path, leaf in dynamic_leaves(request) if isinstance(leaf, ArrayLeaf)}
    position: dict[LeafPath, tuple[LeafPath, int]] = {path: (path, 0) for path in arrays}
    changed = True
    while changed:
        changed = False
        for overlap in request.signature.overlaps:
            root, at = position[overlap.first]
            other, there = position[overlap.second]
            if root == other:
                continue
            # move the second's group so that its address agrees
            shift = at + overlap.delta - there
            for path, (member, offset) in list(position.items()):
                if member == other:
                    position[path] = (root, offset + shift)
            changed = True
    lowest: dict[LeafPath, int] = {}
    for path, (root, offset) in position.items():
        # a symbolic axis that runs backwards begins at its last element: the group's lowest address is not a constant
        low = offset + sum(
            (n - 1) * s
            for n, s in zip(arrays[path].shape, arrays[path].strides, strict=True)
            if isinstance(n, int) and isinstance(s, int) and s < 0 and n > 1
        )
        lowest[root] = min(lowest.get(root, low), low)
    numbers = {
        root: number for number, root in enumerate(dict.fromkeys(root for root, _ in position.values()))
    }
    return {path: (numbers[root], offset - lowest[root]) for path, (root, offset) in position.items()}


def argument_slots(request: CompileRequest) -> ArgumentSlots:
    """The slots of the block arguments: leaves, then the numbers known at run time only."""
    plan = plan_symbols(request.signature)
    return ArgumentSlots(tuple(plan.leaf_slots), tuple(number.slot for number in plan.numbers), plan.n_slots)


# --- the specialization ---


def specialization(request: CompileRequest, traced: TraceResult, lowered: Lowered) -> Specialization:
    """Guards, result trees and errors of a compiled kernel.

    Raises
    ------
    UnsupportedError: a global array shares memory with an argument and one of them is written.
    """
    leaves = dynamic_leaves(request)
    captured = tuple(Captured(("<global>", k), s.data) for k, (s, _) in enumerate(lowered.implicit))
    values = traced.function.body.args[: len(leaves)]
    storages = [v.tensor.storage if v.is_tensor else None for v in values]
    tried = lowered.written_arguments | traced.asked_to_write
    written = [
        path
        for (path, leaf), s in zip(leaves, storages, strict=True)
        if s in tried and (not isinstance(leaf, ArrayLeaf) or leaf.writeable)
    ]
    written += [
        c.path for c, (s, _) in zip(captured, lowered.implicit, strict=True) if s in lowered.written_arguments
    ]
    plan = plan_guards(request, written, captured)
    numbers = plan_symbols(request.signature)
    order = [path for path, _ in leaves] + [c.path for c in captured]
    expected = lowered.arguments + [slot for _, slot in lowered.implicit]
    if [plan.slots[path] for path in order] != expected:
        raise InternalCompilerError("argument slots of the kernel and of its guards differ", stage="contract")
    _refuse_aliased_globals(request, captured, plan, {plan.slots[path] for path in written})
    function = lowered.function
    paths = [plan.paths[path] for path in order]
    payload = max((len(e.payload) for e in function.errors), default=0)
    return Specialization(
        name=function.name,
        call_form=request.signature.call_form,
        guards=plan.guards,
        # a function that always raises still has one way to return, for the entry's sake
        results=tuple(_results(traced, lowered, request)) or (ConstResult(None),),
        n_slots=function.n_slots,
        implicit=plan.implicit,
        name_guards=tuple(_name_guards(traced)),
        overlaps=plan.overlaps,
        conditions=(*numbers.conditions, *_assumed(traced, numbers)),
        storages=tuple(
            ResultStorage(
                info.dtype,
                tuple(map(_extent, info.shape)),
                tuple(map(_extent, info.strides)),
                paths[info.made_by] if isinstance(info.made_by, int) else info.made_by,
                info.slot,
            )
            for info in lowered.storages
        ),
        errors=tuple(
            ErrorEntry(e.error, e.message, e.loc, tuple("f64" if d.kind == "f" else "i64" for d in e.payload))
            for e in function.errors
        ),
        payload_slot=function.payload_slot,
        payload_count=payload,
        release_gil=function.cost_ns > RELEASE_NS,
        calls=tuple(_calls(function)),
    )


def _calls(function: LoopFunction) -> Iterator[PythonCall]:
    """The calls of Python functions. A statement may have been copied: all copies look alike."""
    statements = {stmt.site: stmt for stmt in walk(function.body) if isinstance(stmt, CallPython)}
    for number, site in enumerate(function.calls):
        operands = statements[number].operands if number in statements else ()
        yield PythonCall(
            site,
            tuple(CallOperand(o.dtype, _constants(o.shape), _constants(o.strides)) for o in operands),
        )


def _constants(numbers: tuple[Affine, ...]) -> tuple[int | None, ...]:
    return tuple(number.const if number.is_const else None for number in numbers)


def _assumed(traced: TraceResult, plan: SymbolPlan) -> Iterator[Condition]:
    """What the front end took for granted about sizes."""
    slots = [*plan.leaf_slots, *(number.slot for number in plan.numbers)]
    values: list[Any] = traced.function.body.args
    for kind, expr in traced.assumed:
        terms = tuple((slots[values.index(symbol)], factor) for symbol, factor in expr.terms)
        yield Condition("ne" if kind == "ne" else "ge", expr.const, terms)


def _refuse_aliased_globals(
    request: CompileRequest, captured: tuple[Captured, ...], plan: GuardPlan, written: set[int]
) -> None:
    slots = {plan.slots[c.path] for c in captured}
    for guard in plan.overlaps:
        pair = {guard.first, guard.second} if isinstance(guard, SameOffset) else set()
        if slots & pair and written & pair:
            raise UnsupportedError.at(
                load(request.function).location,
                "writing memory that a global array and an argument share",
                "the global array as an argument too",
            )


def _name_guards(traced: TraceResult) -> Iterator[NameGuard]:
    for namespace, name, obj in traced.read_globals:
        yield GlobalGuard(namespace, name, obj)
    for cell, obj in traced.read_cells:
        yield CellGuard(cell, obj)
    for namespace, name in traced.reads.absent:
        yield GlobalGuard(namespace, name, MISSING)


def _results(traced: TraceResult, lowered: Lowered, request: CompileRequest) -> Iterator[Result]:
    for site, tree in enumerate(traced.function.returns):
        leaves = lowered.results.get(site)
        # a site that turned out to be unreachable keeps its number
        yield ConstResult(None) if leaves is None else _result(tree, leaves, request)


def _result(tree: Any, leaves: list[ResultLeaf], request: CompileRequest) -> Result:
    match tree:
        case ReturnArgument():
            return ArgResult(request.signature.arg_path(tree.path))
        case ReturnStatic():
            return ConstResult(tree.value)
        case ReturnSequence():
            items = tuple(_result(item, leaves, request) for item in tree.items)
            return ResultList(items) if tree.type is list else ResultTuple(items, tree.type)
        case ReturnMapping():
            return ResultDict(tuple((str(key), _result(item, leaves, request)) for key, item in tree.items))
        case ReturnObject():
            return ResultObject(
                tree.cls, tuple((key, _result(item, leaves, request)) for key, item in tree.items)
            )
        case ReturnLeaf():
            leaf = leaves[tree.operand_index]
            if isinstance(leaf, ArrayValue):
                return ArrayResult(
                    leaf.storage,
                    leaf.dtype,
                    tuple(map(_extent, leaf.shape)),
                    tuple(map(_extent, leaf.strides)),
                    _extent(leaf.offset),
                    leaf.writeable and tree.writeable,
                )
            return ScalarResult(leaf.dtype, leaf.weak, leaf.slot)
        case None:
            return ConstResult(None)
    raise InternalCompilerError(f"no result for {type(tree).__name__}", stage="contract")


def _extent(number: Number) -> Extent:
    return Slot(number.index) if isinstance(number, SlotNumber) else number
