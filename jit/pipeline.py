"""The compiler on one page: from a call's description to LLVM IR and the record that the runtime needs.

    trace            Python source              -> tensor IR       pydsl.frontend
    clean            tensor IR                  -> tensor IR       pydsl.transforms
    fuse and lower   tensor IR -> operation DAG -> loop IR         pydsl.fusion, pydsl.lowering
    simplify         loop IR                    -> loop IR         pydsl.loops.passes
    schedule         loop IR                    -> loop IR         pydsl.loops.schedule
    plan memory      loop IR                    -> loop IR         pydsl.lowering.memory
    emit             loop IR                    -> LLVM IR         pydsl.jit.llvm

What a call looks like to the native entry (guards, results, errors) is put together in `pydsl.jit.contract`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydsl import knobs
from pydsl.errors import UnsupportedError
from pydsl.frontend.failures import NeedStatic
from pydsl.frontend.request import TraceResult
from pydsl.frontend.source import load
from pydsl.frontend.trace import trace
from pydsl.ir.core import Function
from pydsl.ir.verifier import verify
from pydsl.jit.contract import argument_slots, dynamic_leaves, specialization, trace_request
from pydsl.jit.cpu.compile import assembly, optimized_ir
from pydsl.jit.cpu.passes import optimize
from pydsl.jit.cpu.target import host_target
from pydsl.jit.cpu.threads import thread_count
from pydsl.jit.llvm.kernel import emit_kernel
from pydsl.jit.runtime.abi import CompiledSpecialization
from pydsl.jit.signature import CompileRequest, StaticsNeeded
from pydsl.loops.cost import estimate
from pydsl.loops.ir import Contract, LoopFunction, Space
from pydsl.loops.passes.collapse import collapse
from pydsl.loops.passes.dead_code import remove_unread
from pydsl.loops.passes.products import bind_products
from pydsl.loops.passes.row_buffers import shrink_to_rows
from pydsl.loops.passes.scalar_replacement import scalar_replacement
from pydsl.loops.passes.unroll import unroll_short
from pydsl.loops.schedule.auto import ScheduleReport, schedule
from pydsl.loops.schedule.user import apply_schedule
from pydsl.loops.verifier import verify as verify_loops
from pydsl.loops.walk import walk
from pydsl.lowering.function import Lowered, lower_function
from pydsl.lowering.memory import MemoryPlan, plan_memory
from pydsl.transforms.dce import eliminate_dead_code

if TYPE_CHECKING:
    from pydsl.report.explain import Explanation
    from pydsl.report.graph import Graph

_LONG_NS = 100_000.0
"""A call that takes so long may pay for a compilation for its sizes alone."""


@dataclass
class Compilation:
    """Everything known about one compilation, for `explain`, `inspect` and `graph`.

    Parameters
    ----------
    times: seconds by stage, in order.
    """

    request: CompileRequest
    function: Function
    lowered: Lowered
    loops: LoopFunction
    plan: MemoryPlan
    schedule: ScheduleReport
    llvm: str
    times: dict[str, float] = field(default_factory=dict)

    @cached_property
    def profits_from_sizes(self) -> bool:
        """Whether long products run in register tiles, which need constant sizes."""
        return self.loops.cost_ns > _LONG_NS and any(isinstance(s, Contract) for s in walk(self.loops.body))

    @property
    def source(self) -> Any:
        """The user's function."""
        return self.request.function

    def optimized(self) -> str:
        """LLVM IR after the backend's passes."""
        return optimized_ir(self.llvm)

    def asm(self) -> str:
        """Assembly of this machine."""
        return assembly(self.llvm)

    # reports are loaded when somebody asks for one

    def explain(self) -> Explanation:
        """What was done, in words."""
        from pydsl.report.explain import explain  # noqa: PLC0415

        return explain(self)

    def graph(self) -> Graph:
        """The operation graph."""
        from pydsl.report.graph import graph  # noqa: PLC0415

        return graph(self)

    def inspect(self, stage: str = "stages") -> str:
        """The text of one stage."""
        from pydsl.report.stages import inspect  # noqa: PLC0415

        return inspect(self, stage)

    def loaded(self, seconds: float) -> None:
        """Notes that the machine code is there, and after how long; logs and dumps as the knobs say."""
        self.times["machine code"] = seconds
        if knobs.LOG.get() != "off" or knobs.DUMP.get().stages:
            from pydsl.report.output import announce  # noqa: PLC0415

            announce(self)


class Stages:
    """Runs the stages one after the other, timing each."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    def __call__(self, name: str, run: Callable[..., Any], *args: Any) -> Any:
        start = time.perf_counter()
        result = run(*args)
        self.times[name] = self.times.get(name, 0.0) + time.perf_counter() - start
        return result


def compile_specialization(request: CompileRequest) -> CompiledSpecialization:
    """Compiles one function for one signature.

    Raises
    ------
    UnsupportedError: the function uses what the compiler does not support; all findings at once.
    StaticsNeeded: values of arguments that must be known at compile time.
    """
    stage = Stages()
    _refuse_target(request)
    traced, function = front(request, stage)
    verifying = knobs.VERIFY.get()
    lowered: Lowered = stage("lower", lower_function, function, True, argument_slots(request))
    loops = lowered.function
    stage("simplify", simplify, lowered)
    touched = stage("schedule", apply_schedule, request.options.schedule, loops)
    stage("simplify", bind, loops)
    report: ScheduleReport = stage("schedule", schedule, loops.body, thread_count(), touched)
    plan: MemoryPlan = stage("memory", place_buffers, loops)
    if verifying:
        stage("verify", verify_loops, loops)
    loops.cost_ns = estimate(loops.body)
    text: str = stage("emit", emit_kernel, loops, host_target())
    spec = specialization(request, traced, lowered)
    compilation = Compilation(request, function, lowered, loops, plan, report, text, stage.times)
    return CompiledSpecialization(spec, text, optimize, report=compilation)


def front(request: CompileRequest, stage: Stages) -> tuple[TraceResult, Function]:
    """The stages that know no target: the traced call and its function, clean."""
    try:
        traced = stage("trace", trace, trace_request(request))
    except NeedStatic as need:
        raise StaticsNeeded((dynamic_leaves(request)[need.leaf][0],)) from None
    function: Function = traced.function
    verifying = knobs.VERIFY.get()
    if verifying:
        stage("verify", verify, function)
    stage("clean", eliminate_dead_code, function)
    if verifying:
        stage("verify", verify, function)
    return traced, function


def _refuse_target(request: CompileRequest) -> None:
    target = request.options.target or knobs.TARGET.get()
    if target != "cpu":
        place = load(request.function).location
        raise UnsupportedError.at(
            place, f"the target {target!r} is not there yet", 'target="cpu", the default'
        )


def simplify(lowered: Lowered) -> None:
    """The loop IR passes, in order."""
    loops = lowered.function
    body = collapse(loops.body)
    body = unroll_short(body)
    body = scalar_replacement(body)
    temporaries = {b for segment in lowered.segments for b in segment.local}
    body = remove_unread(body, temporaries)
    loops.body = shrink_to_rows(body, temporaries)


def bind(loops: LoopFunction) -> None:
    """Computes what addresses need."""
    loops.body = bind_products(loops.body, [var for var, _ in loops.scalars])


def place_buffers(loops: LoopFunction) -> MemoryPlan:
    """Plans the temporaries and lists the buffers that are still in use."""
    plan, used = plan_memory(loops.body)
    loops.arena = plan.arena
    kept = [b for b in loops.buffers if b.space in (Space.ARG, Space.GLOBAL)]
    loops.buffers = list(dict.fromkeys([*kept, *used]))
    return plan
