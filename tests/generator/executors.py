"""The ways to run a program: tensor IR, loop IR and machine code. Each takes a Python function and gives a callable."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.frontend.request import (
    ReturnArgument,
    ReturnLeaf,
    ReturnMapping,
    ReturnObject,
    ReturnSequence,
    ReturnStatic,
    TraceResult,
)
from pydsl.frontend.trace import trace
from pydsl.ir.interpreter import interpret
from pydsl.ir.parser import parse_function
from pydsl.ir.printer import constant_table, print_function
from pydsl.ir.verifier import verify
from pydsl.jit.contract import dynamic_leaves, trace_request
from pydsl.jit.decorator import JitFunction
from pydsl.jit.pipeline import compile_specialization
from pydsl.jit.runtime.abi import MISS
from pydsl.jit.runtime.portable import PortableSpecialization
from pydsl.jit.signature import Binder, CompileRequest, StaticsNeeded
from pydsl.loops import interpreter as loops

Callable_ = Callable[..., Any]


def _requests(function: Any, args: tuple[Any, ...], use: Callable[[CompileRequest], Any]) -> Any:
    """Describe a call and hand it on, again with more static leaves where the compiler asks for them."""
    binder = Binder(function)
    statics: frozenset[Any] = frozenset()
    for _ in range(5):
        bound = binder.bind(args, {}, statics)
        try:
            return use(CompileRequest(function, bound.signature, objects=bound.objects))
        except StaticsNeeded as needed:
            statics |= frozenset(needed.paths)
    raise InternalCompilerError("static leaves are asked for again and again")


def _at(args: dict[str, Any], path: tuple[Any, ...]) -> Any:
    value = args[path[0]]
    for step in path[1:]:
        value = getattr(value, step) if isinstance(step, str) and not isinstance(value, dict) else value[step]
    return value


# --- tensor IR ------------------------------------------------------------------------------------------------------


def tensor_ir(function: Any) -> Callable_:
    """Trace, verify, print and parse, then interpret."""

    def call(*args: Any) -> Any:
        return _requests(function, args, lambda request: _interpret(request, function, args))

    return call


def _interpret(request: CompileRequest, function: Any, args: tuple[Any, ...]) -> Any:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    by_name = dict(zip(names, args))
    result = trace(trace_request(request))
    verify(result.function, "trace")
    text = print_function(result.function)
    again = print_function(parse_function(text, constant_table(result.function)))
    if again != text:
        raise InternalCompilerError(f"the text form does not read back:\n{text}\n{again}")
    leaves = [_at(by_name, path) for path, _ in dynamic_leaves(request)]
    outcome = interpret(result.function, leaves)
    return build(result, outcome.site, outcome.values, by_name)


def build(result: TraceResult, site: int, values: list[Any], args: dict[str, Any]) -> Any:
    """The Python object that a return site stands for."""

    def tree(node: Any) -> Any:
        match node:
            case None:
                return None
            case ReturnLeaf():
                return values[node.operand_index]
            case ReturnStatic():
                return node.value
            case ReturnArgument():
                return _at(args, node.path)
            case ReturnSequence():
                items = [tree(item) for item in node.items]
                return node.type(items) if node.type in (tuple, list) else node.type(*items)
            case ReturnMapping():
                return {key: tree(item) for key, item in node.items}
            case ReturnObject():
                return node.cls(**{key: tree(item) for key, item in node.items})
        raise TypeError(node)

    return tree(result.function.returns[site])


# --- loop IR --------------------------------------------------------------------------------------------------------


class _LoopSpecialization(PortableSpecialization):
    """The guards and results of a specialization, with the loop IR interpreter as its kernel."""

    def __init__(self, compiled: Any, backwards: bool) -> None:
        super().__init__(compiled.spec, 0)
        self.loops = compiled.report.loops
        self.backwards = backwards

    def _run_kernel(self, run: Any) -> int:
        regions = _regions({slot: array for slot, (_, array) in run.arrays.items()})
        for position, storage in enumerate(self.spec.storages):
            if storage.allocated_by == "entry":
                regions[storage.data_slot] = loops.region_of(run.owners[position])
        slots = np.frombuffer(run.ints, np.int64)
        outcome = loops.interpret(self.loops, slots, regions, backwards=self.backwards)
        for index, region in outcome.results.items():
            run.owners[index] = region.data[region.origin :]
            run.buffers.add(index)
        return outcome.status


def _regions(arrays: dict[int, np.ndarray[Any, Any]]) -> dict[int, loops.Region]:
    """The memory of each array; overlapping arrays see the whole of their common memory."""
    spans = {slot: np.lib.array_utils.byte_bounds(array) for slot, array in arrays.items() if array.size}
    regions: dict[int, loops.Region] = {}
    for slot, array in arrays.items():
        if slot not in spans:
            regions[slot] = loops.region_of(array)
            continue
        low, high = spans[slot]
        changed = True
        while changed:
            touching = [s for s in spans.values() if s[0] < high and low < s[1]]
            wider = min(s[0] for s in touching), max(s[1] for s in touching)
            changed = wider != (low, high)
            low, high = wider
        everything = np.frombuffer((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8)
        regions[slot] = loops.Region(everything, array.__array_interface__["data"][0] - low)
    return regions


def loop_ir(function: Any, backwards: bool = False) -> Callable_:
    """Compile down to scheduled loop IR, then interpret that."""

    def call(*args: Any) -> Any:
        compiled = _requests(function, args, compile_specialization)
        answer = _LoopSpecialization(compiled, backwards).call(args, {})
        if answer is MISS:
            raise InternalCompilerError("the guards refuse the arguments they were made for")
        return answer

    return call


def loop_ir_backwards(function: Any) -> Callable_:
    """As :func:`loop_ir`, with independent loops run from their end."""
    return loop_ir(function, backwards=True)


# --- machine code ---------------------------------------------------------------------------------------------------


def native(function: Any) -> Callable_:
    """What users call."""
    return JitFunction(function)


native.stateful = True  # type: ignore[attr-defined]


EXECUTORS: dict[str, Callable[[Any], Callable_]] = {
    "ir": tensor_ir,
    "loops": loop_ir,
    "backwards": loop_ir_backwards,
    "native": native,
}
