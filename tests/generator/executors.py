"""The ways to run a program: tensor IR, loop IR and machine code. Each takes a Python function and gives a callable."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.jit.decorator import JitFunction
from pydsl.jit.pipeline import compile_specialization
from pydsl.jit.runtime.abi import MISS
from pydsl.jit.runtime.portable import PortableSpecialization
from pydsl.loops import interpreter as loops
from tests.tracing import run_traced, with_request

Callable_ = Callable[..., Any]


def tensor_ir(function: Any) -> Callable_:
    """Trace, verify, print and parse, then interpret."""
    return partial(run_traced, function)


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
        compiled = with_request(function, args, compile_specialization)
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
