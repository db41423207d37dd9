"""The threads of compiled code: a small pool of its own, entered through the runtime table.

    install()             fills the table; idempotent, called before code with parallel loops is loaded
    thread_count()        how many threads a parallel loop may use: at least 1, and 1 where there is no pool
    set_threads(n)        changes it

Why not libgomp: the end of an OpenMP region waits for every thread of the team, also for those that the system has not
started yet. On a machine with other work that is a time slice (8 ms were seen for loops of 0.1 ms). Here the caller
takes chunks like everybody else, and in the end waits only for threads that are inside a chunk; who wakes up later
finds the job closed and sleeps on. Threads are made when they are first needed, also in a forked child, which has none
of its parent's. A wake-up costs the caller one system call, and none while the threads still spin after the last loop.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
import threading
from string import Template
from typing import Any

from pydsl import knobs
from pydsl.jit.runtime import table
from pydsl.jit.runtime.loader import load

# The words of the pool's state. The first two are read and written by kernels (`pydsl.jit.llvm.parallel`).
_BUSY, _THREADS, _GENERATION, _GATE, _FUNCTION, _ENVIRONMENT, _SLEEPERS, _STARTED, _LIMIT = range(9)
_WORDS = 16

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
"""The number of the system call, by machine."""

_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

_SPINS = 2000
"""Turns of the waiting loop before a thread goes to sleep: some 20 microseconds."""

_OPEN = 1 << 32

# The gate counts the threads inside a job in its low half and says in its upper half whether the job is open. A thread
# that has got in keeps the job's words in place: the caller closes the gate, then waits until the count is zero.
_TEXT = Template("""
$declare_pause
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sched_yield()
declare i64 @syscall(i64, ...)

define void @pydsl_parallel(ptr %state, ptr %fn, ptr %env, i64 %threads) nounwind {
entry:
  %id = alloca i64
  %startedp = getelementptr i64, ptr %state, i64 $started
  %others = sub i64 %threads, 1
  br label %check
check:
  %started = load i64, ptr %startedp
  %enough = icmp sge i64 %started, %others
  br i1 %enough, label %open, label %make
make:
  %rc = call i32 @pthread_create(ptr %id, ptr null, ptr @pydsl_worker, ptr %state)
  %failed = icmp ne i32 %rc, 0
  br i1 %failed, label %open, label %made
made:
  %thread = load i64, ptr %id
  %detached = call i32 @pthread_detach(i64 %thread)
  %more = add i64 %started, 1
  store i64 %more, ptr %startedp
  br label %check

open:
  %fnp = getelementptr i64, ptr %state, i64 $function
  store ptr %fn, ptr %fnp
  %envp = getelementptr i64, ptr %state, i64 $environment
  store ptr %env, ptr %envp
  %limitp = getelementptr i64, ptr %state, i64 $limit
  store i64 %others, ptr %limitp
  %gate = getelementptr i64, ptr %state, i64 $gate
  store atomic i64 $is_open, ptr %gate seq_cst, align 8
  %generation = getelementptr i64, ptr %state, i64 $generation
  %old = atomicrmw add ptr %generation, i32 1 seq_cst
  %sleepersp = getelementptr i64, ptr %state, i64 $sleepers
  %sleepers = load atomic i64, ptr %sleepersp seq_cst, align 8
  %asleep = icmp ne i64 %sleepers, 0
  br i1 %asleep, label %wake, label %run
wake:
  %woken = call i64 (i64, ...) @syscall(i64 $futex, ptr %generation, i64 129, i64 %others, i64 0, i64 0, i64 0)
  br label %run
run:
  call void %fn(ptr %env)
  %was = atomicrmw and ptr %gate, i64 4294967295 seq_cst
  br label %wait
wait:
  %turn = phi i64 [ 0, %run ], [ %next, %again ]
  %inside = load atomic i64, ptr %gate seq_cst, align 8
  %empty = icmp eq i64 %inside, 0
  br i1 %empty, label %done, label %busy
busy:
  %next = add i64 %turn, 1
  %long = icmp ugt i64 %next, $spins
  br i1 %long, label %yield, label %spin
yield:
  %yielded = call i32 @sched_yield()
  br label %again
spin:
  $pause
  br label %again
again:
  br label %wait
done:
  store atomic i64 0, ptr %state release, align 8
  ret void
}

define internal ptr @pydsl_worker(ptr %state) nounwind {
entry:
  %signals = alloca [16 x i64]
  store [16 x i64] [$all_signals], ptr %signals
  %blocked = call i32 @pthread_sigmask(i32 0, ptr %signals, ptr null)
  %generation = getelementptr i64, ptr %state, i64 $generation
  %gate = getelementptr i64, ptr %state, i64 $gate
  %sleepersp = getelementptr i64, ptr %state, i64 $sleepers
  %limitp = getelementptr i64, ptr %state, i64 $limit
  %fnp = getelementptr i64, ptr %state, i64 $function
  %envp = getelementptr i64, ptr %state, i64 $environment
  br label %job

job:
  %seen = load atomic i32, ptr %generation seq_cst, align 8
  br label %try
try:
  %count = load atomic i64, ptr %gate seq_cst, align 8
  %is_open = icmp uge i64 %count, $is_open
  %inside = and i64 %count, 4294967295
  %limit = load i64, ptr %limitp
  %room = icmp ult i64 %inside, %limit
  %may = and i1 %is_open, %room
  br i1 %may, label %enter, label %idle
enter:
  %one_more = add i64 %count, 1
  %swap = cmpxchg ptr %gate, i64 %count, i64 %one_more seq_cst monotonic
  %entered = extractvalue { i64, i1 } %swap, 1
  br i1 %entered, label %work, label %try
work:
  %fn = load ptr, ptr %fnp
  %env = load ptr, ptr %envp
  call void %fn(ptr %env)
  %left = atomicrmw sub ptr %gate, i64 1 seq_cst
  br label %idle

idle:
  br label %spin
spin:
  %turn = phi i64 [ 0, %idle ], [ %next, %pause ]
  %now = load atomic i32, ptr %generation seq_cst, align 8
  %changed = icmp ne i32 %now, %seen
  br i1 %changed, label %job, label %same
same:
  %next = add i64 %turn, 1
  %long = icmp ugt i64 %next, $spins
  br i1 %long, label %sleep, label %pause
pause:
  $pause
  br label %spin
sleep:
  %in = atomicrmw add ptr %sleepersp, i64 1 seq_cst
  %seen64 = zext i32 %seen to i64
  %slept = call i64 (i64, ...) @syscall(i64 $futex, ptr %generation, i64 128, i64 %seen64, ptr null, i64 0, i64 0)
  %out = atomicrmw sub ptr %sleepersp, i64 1 seq_cst
  br label %job
}
""")


@functools.cache
def _state() -> ctypes.Array[ctypes.c_int64]:
    """The state of the pool, which lives as long as the process."""
    words = (ctypes.c_int64 * _WORDS)()
    words[_THREADS] = knobs.NUM_THREADS.get()
    return words


def _machine() -> str | None:
    """The machine, if there can be a pool on it."""
    machine = platform.machine()
    return machine if sys.platform.startswith("linux") and machine in _FUTEX else None


_INSTALLATION = threading.Lock()
_installed: list[Any] = []


def install() -> bool:
    """Fill the entries of the runtime table for parallel loops. Answers whether there is a pool."""
    machine = _machine()
    if machine is None:
        return False
    with _INSTALLATION:
        if not _installed:
            state = _state()
            code = load(_text(machine))
            table.provide("parallel", code.address("pydsl_parallel"), code)
            table.provide("parallel_state", ctypes.addressof(state), state)
            _installed.append(code)
            os.register_at_fork(after_in_child=_after_fork)
    return True


def _text(machine: str) -> str:
    declare_pause, pause = _PAUSE.get(machine, ("", ""))
    return _TEXT.substitute(
        started=_STARTED,
        function=_FUNCTION,
        environment=_ENVIRONMENT,
        limit=_LIMIT,
        gate=_GATE,
        generation=_GENERATION,
        sleepers=_SLEEPERS,
        is_open=_OPEN,
        spins=_SPINS,
        futex=_FUTEX[machine],
        declare_pause=declare_pause,
        pause=pause,
        all_signals=", ".join(["i64 -1"] * 16),
    )


def _after_fork() -> None:
    """The child has no workers, and nobody is inside a job."""
    state = _state()
    for word in (_BUSY, _GATE, _SLEEPERS, _STARTED):
        state[word] = 0


def thread_count() -> int:
    """How many threads a parallel loop may use."""
    return knobs.NUM_THREADS.get() if _machine() is not None else 1


def set_threads(count: int) -> None:
    """How many threads parallel loops use from now on."""
    _state()[_THREADS] = max(1, count)
