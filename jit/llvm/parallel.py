"""Parallel loops: the body becomes a function of an environment and a range of iterations, for threads to call.

`parallel_for` of the runtime table calls it for chunks; without such an entry it is called once for the whole loop.
Where a chunk begins does not change results: chunks are multiples of a number of iterations that every vector length
divides, so that the elements of a vector loop's remainder are the same as on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeAlias

from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.loops import counted_loop
from pydsl.jit.llvm.storage import COLD, Storage
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.runtime.abi import RETURN_EXCEPTION_SET
from pydsl.loops.cost import estimate
from pydsl.loops.ir import Contract, For, Gemm, Stmt, While
from pydsl.loops.walk import walk

WriteFunction: TypeAlias = Callable[[Frame, Storage, Sequence[Stmt]], None]

GRAIN_NS = 10_000.0
"""A chunk takes at least about this long."""

_SHORTEST_NS = 0.05
"""An iteration counts as at least this long."""

_VECTOR_GRAIN = 256
"""A multiple of the elements that one turn of a vectorised loop takes."""

BODY_PREFIX = "pydsl.parallel."
"""The functions of parallel loops have names that begin so."""

_PARAMETERS = ("ptr %env", "i64 %low", "i64 %high")

# The environment: these words, then the captured values.
_RT, _SLOTS, _STATUS, _CAPTURED = range(0, 32, 8)


def emit_parallel(frame: Frame, storage: Storage, loop: For, write: WriteFunction) -> None:
    """The loop on threads, if there is anything to do."""
    text = frame.text
    start, stop = frame.index(loop.start), frame.index(loop.stop)
    run, done = text.block("parallel"), text.block("joined")
    text.branch(text.op(f"icmp slt i64 {start}, {stop}"), run, done)
    text.start(run)
    with frame.scope():
        environment = f"%{text.fresh('env')}"
        child = _body_function(frame, loop, write)
        size = _CAPTURED + 8 * len(child.captured)
        text.entry_do(f"{environment} = alloca [{size} x i8], align 64")
        words = [("ptr", frame.rt, _RT), ("ptr", frame.slots, _SLOTS), ("i64", "0", _STATUS)]
        words += [(t, value, _CAPTURED + 8 * n) for n, (t, value) in enumerate(child.captured)]
        for type_, value, offset in words:
            text.do(f"store {type_} {value}, ptr {_at(text, environment, offset)}")
        _run(frame, f"ptr @{child.text.name}", f"ptr {environment}, i64 {start}, i64 {stop}", grain(loop))
        status = text.op(f"load i64, ptr {_at(text, environment, _STATUS)}")
        failed = text.block("failed")
        text.branch(text.op(f"icmp ne i64 {status}, 0"), failed, done, COLD)
        text.start(failed)
        storage.stop(str(RETURN_EXCEPTION_SET))
    text.start(done)


def _at(text: FunctionText, base: str, offset: int) -> str:
    return text.op(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")


def _run(frame: Frame, function: str, job: str, iterations: int) -> None:
    """Hand the function to the pool, or call it for all iterations."""
    text = frame.text
    team, alone, end = (text.block(name) for name in ("team", "alone", "end"))
    parallel_for = runtime.table_entry(text, frame.rt, "parallel_for")
    text.branch(text.op(f"icmp eq ptr {parallel_for}, null"), alone, team)
    text.start(team)
    text.do(f"call void {parallel_for}({function}, {job}, i64 {iterations}, i64 {frame.target.threads})")
    text.jump(end)
    text.start(alone)
    text.do(f"call void {function.removeprefix('ptr ')}({job})")
    text.start(end)


def grain(loop: For) -> int:
    """The fewest iterations of a chunk: enough to pay for taking it, as far as the cost of an iteration is known."""
    inside = list(walk(loop.body))
    if any(isinstance(s, While) or (isinstance(s, For) and not (s.stop - s.start).is_const) for s in inside):
        return 1
    least = max(1, ceil(GRAIN_NS / max(estimate(loop.body), _SHORTEST_NS)))
    return (
        least
        if any(isinstance(s, For | Contract | Gemm) for s in inside)
        else -(-least // _VECTOR_GRAIN) * _VECTOR_GRAIN
    )


def _body_function(frame: Frame, loop: For, write: WriteFunction) -> Frame:
    """The function that runs a chunk."""
    unit = frame.unit
    text = FunctionText(unit.module, f"{BODY_PREFIX}{unit.module.number()}", "void", _PARAMETERS)
    rt = text.entry_op(f"load ptr, ptr {text.entry_op(f'getelementptr inbounds i8, ptr %env, i64 {_RT}')}")
    slots = text.entry_op(
        f"load ptr, ptr {text.entry_op(f'getelementptr inbounds i8, ptr %env, i64 {_SLOTS}')}"
    )
    child = Frame(unit, text, rt, slots, home=loop)
    child.parent, child.environment, child.capture_offset = frame, "%env", _CAPTURED
    storage = Storage(child, _entry_at(text, _STATUS))

    def iteration(counter: str) -> None:
        child.bind(loop.var, counter)
        write(child, storage, loop.body)

    with child.scope():
        counted_loop(child, "%low", "%high", iteration, nonnegative=False)
    text.start(child.leave)
    storage.free_all()
    text.ret("void")
    unit.module.function(text.text("internal ", unit.target.function_attributes))
    return child


def _entry_at(text: FunctionText, offset: int) -> str:
    return text.entry_op(f"getelementptr inbounds i8, ptr %env, i64 {offset}")
