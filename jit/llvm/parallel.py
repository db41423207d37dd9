"""Parallel loops: the body becomes a function that the threads of a pool run.

The loop is cut into chunks; each thread takes the next one from a counter until none is left, so that it does not
matter how many threads really come. The loop runs on the calling thread alone when there is no pool, when one thread is
configured, or when another thread of the process is in a parallel loop already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.loops import counted_loop
from pydsl.jit.llvm.storage import COLD, Storage
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.runtime.abi import RETURN_EXCEPTION_SET
from pydsl.loops.ir import For, Stmt

WriteFunction: TypeAlias = Callable[[Frame, Storage, Sequence[Stmt]], None]

CHUNKS_PER_THREAD = 8

BODY_PREFIX = "pydsl.parallel."
"""The functions of parallel loops have names that begin so."""

# The environment: these words, then the captured values.
_NEXT, _CHUNK, _START, _STOP, _RT, _SLOTS, _STATUS, _CAPTURED = range(0, 64, 8)

STATE_BUSY, STATE_THREADS = 0, 8
"""The first words of the state that the runtime table's entry "parallel_state" points to."""


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
        words = [("i64", "0", _NEXT), ("i64", start, _START), ("i64", stop, _STOP), ("i64", "0", _STATUS)]
        words += [("ptr", frame.rt, _RT), ("ptr", frame.slots, _SLOTS)]
        words += [(t, value, _CAPTURED + 8 * n) for n, (t, value) in enumerate(child.captured)]
        for type_, value, offset in words:
            text.do(f"store {type_} {value}, ptr {_at(text, environment, offset)}")
        _start_threads(frame, child.text.name, environment, text.op(f"sub i64 {stop}, {start}"))
        status = text.op(f"load i64, ptr {_at(text, environment, _STATUS)}")
        failed = text.block("failed")
        text.branch(text.op(f"icmp ne i64 {status}, 0"), failed, done, COLD)
        text.start(failed)
        storage.stop(str(RETURN_EXCEPTION_SET))
    text.start(done)


def _at(text: FunctionText, base: str, offset: int) -> str:
    return text.op(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")


def _start_threads(frame: Frame, function: str, environment: str, count: str) -> None:
    """Hand the function to the pool, or run it once with a single chunk."""
    text = frame.text
    ask, ready, team, alone, end = (text.block(name) for name in ("ask", "ready", "team", "alone", "end"))
    chunk = _at(text, environment, _CHUNK)
    state = runtime.table_entry(text, frame.rt, "parallel_state")
    text.branch(text.op(f"icmp eq ptr {state}, null"), alone, ask)
    text.start(ask)
    wanted = text.op(f"load i64, ptr {_at(text, state, STATE_THREADS)}")
    threads = text.intrinsic("smin", "i64", wanted, count)
    text.branch(text.op(f"icmp sgt i64 {threads}, 1"), ready, alone)
    text.start(ready)
    swap = text.op(f"cmpxchg ptr {_at(text, state, STATE_BUSY)}, i64 0, i64 1 acquire monotonic")
    text.branch(text.op(f"extractvalue {{ i64, i1 }} {swap}, 1"), team, alone)
    text.start(team)
    chunks = text.op(f"mul i64 {threads}, {CHUNKS_PER_THREAD}")
    rounded = text.op(f"add i64 {count}, {text.op(f'sub i64 {chunks}, 1')}")
    text.do(f"store i64 {text.op(f'udiv i64 {rounded}, {chunks}')}, ptr {chunk}")
    # the pool clears the flag when it is done
    parallel = runtime.table_entry(text, frame.rt, "parallel")
    text.do(f"call void {parallel}(ptr {state}, ptr @{function}, ptr {environment}, i64 {threads})")
    text.jump(end)
    text.start(alone)
    text.do(f"store i64 {count}, ptr {chunk}")
    text.do(f"call void @{function}(ptr {environment})")
    text.start(end)


def _body_function(frame: Frame, loop: For, write: WriteFunction) -> Frame:
    """The function that each thread runs: chunk after chunk."""
    unit = frame.unit
    text = FunctionText(unit.module, f"{BODY_PREFIX}{unit.module.number()}", "void", ["ptr %env"])
    rt = text.entry_op(f"load ptr, ptr {text.entry_op(f'getelementptr inbounds i8, ptr %env, i64 {_RT}')}")
    slots = text.entry_op(
        f"load ptr, ptr {text.entry_op(f'getelementptr inbounds i8, ptr %env, i64 {_SLOTS}')}"
    )
    child = Frame(unit, text, rt, slots, home=loop)
    child.parent, child.environment, child.capture_offset = frame, "%env", _CAPTURED
    storage = Storage(child, _entry_at(text, _STATUS))
    chunk, start, stop = (
        text.entry_op(f"load i64, ptr {_entry_at(text, offset)}") for offset in (_CHUNK, _START, _STOP)
    )
    take, work = text.block("take"), text.block("work")
    text.start(take)
    ticket = text.op(f"atomicrmw add ptr {_at(text, '%env', _NEXT)}, i64 1 monotonic")
    low = text.op(f"add i64 {start}, {text.op(f'mul i64 {ticket}, {chunk}')}")
    text.branch(text.op(f"icmp slt i64 {low}, {stop}"), work, child.leave)
    text.start(work)
    high = text.intrinsic("smin", "i64", text.op(f"add i64 {low}, {chunk}"), stop)

    def iteration(counter: str) -> None:
        child.bind(loop.var, counter)
        write(child, storage, loop.body)

    with child.scope():
        counted_loop(child, low, high, iteration, nonnegative=False)
    text.jump(take)
    text.start(child.leave)
    storage.free_all()
    text.ret("void")
    unit.module.function(text.text("internal ", unit.target.function_attributes))
    return child


def _entry_at(text: FunctionText, offset: int) -> str:
    return text.entry_op(f"getelementptr inbounds i8, ptr %env, i64 {offset}")
