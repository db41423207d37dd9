"""The compiler for CUDA on one page: as for the CPU up to the loops, then kernels, and three modules instead of one.

trace, clean              as for the CPU                                      pydsl.jit.pipeline
fuse and lower            tensor IR -> loop IR with reductions for threads    pydsl.lowering
schedule                  loop IR   -> host code that launches kernels        pydsl.loops.gpu
plan memory               loop IR   -> loop IR, one arena on the device       pydsl.lowering.memory
emit                      loop IR   -> LLVM IR of host, device, simulator     pydsl.jit.cuda.emit
"""

from __future__ import annotations

from dataclasses import replace

from pydsl import knobs
from pydsl.errors import UnsupportedError
from pydsl.frontend.source import load
from pydsl.ir.core import Function
from pydsl.jit.contract import dynamic_leaves, specialization
from pydsl.jit.cpu.passes import optimize
from pydsl.jit.cuda.emit import emit_program
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.cuda.refusals import refuse_unsupported
from pydsl.jit.cuda.report import CudaCompilation
from pydsl.jit.pipeline import Stages, bind, front, place_buffers
from pydsl.jit.runtime.abi import IntGuard, Specialization
from pydsl.jit.signature import ArrayLeaf, CompileRequest
from pydsl.loops.gpu.plan import GpuPlan, schedule_gpu
from pydsl.loops.passes.collapse import collapse
from pydsl.loops.passes.dead_code import remove_unread
from pydsl.loops.passes.scalar_replacement import scalar_replacement
from pydsl.loops.schedule.auto import ScheduleReport
from pydsl.loops.verifier import verify as verify_loops
from pydsl.lowering.function import Lowered, lower_function


def compile_program(request: CompileRequest) -> CudaProgram:
    """Compiles one function for one signature.

    Raises
    ------
    UnsupportedError: the function uses what the compiler does not support; all findings at once.
    StaticsNeeded: values of arguments that must be known at compile time.
    """
    stage = Stages()
    if request.options.schedule:
        place = load(request.function).location
        raise UnsupportedError.at(place, "a schedule for CUDA", 'no schedule, or target="cpu"')
    traced, function = front(request, stage)
    refuse_unsupported(function)
    lowered: Lowered = stage("lower", lambda: lower_function(function, threads=True))
    loops = lowered.function
    _mark_unaligned(request, function, lowered)
    stage("simplify", simplify, lowered)
    stage("simplify", bind, loops)
    plan: GpuPlan = stage("schedule", schedule_gpu, loops)
    memory = stage("memory", place_buffers, loops)
    if knobs.VERIFY.get():
        stage("verify", verify_loops, loops)
    emitted = stage("emit", emit_program, loops, plan, lowered.context_slot)
    spec = with_context(specialization(request, traced, lowered), lowered.context_slot)
    report = CudaCompilation(
        request, function, lowered, loops, memory, ScheduleReport(), emitted.host, stage.times, plan, emitted
    )
    return CudaProgram(
        spec,
        emitted.host,
        emitted.device,
        emitted.sim,
        emitted.kernels,
        lowered.context_slot,
        optimize,
        report,
        bool(plan.without_library),
    )


def _mark_unaligned(request: CompileRequest, function: Function, lowered: Lowered) -> None:
    """Notes arguments whose elements a device cannot access as a whole."""
    for value, (_, leaf) in zip(function.body.args, dynamic_leaves(request), strict=True):
        if isinstance(leaf, ArrayLeaf) and not leaf.aligned and value.is_tensor:
            buffer = lowered.buffers.get(value.tensor.storage)
            if buffer is not None:
                buffer.unaligned = True


def simplify(lowered: Lowered) -> None:
    """The loop IR passes, in order. Short loops stay loops: each of their iterations has a thread of its own."""
    loops = lowered.function
    body = scalar_replacement(collapse(loops.body))
    temporaries = {b for segment in lowered.segments for b in segment.local}
    loops.body = remove_unread(body, temporaries)


def with_context(spec: Specialization, slot: int) -> Specialization:
    """The specialization with the placeholder for the address of the context words, and its slot."""
    guards = (*spec.guards, IntGuard(slot))
    return replace(spec, guards=guards, implicit=(*spec.implicit, 0))
