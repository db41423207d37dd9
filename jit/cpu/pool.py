"""The pool of threads as LLVM IR: compiled once in a process, on first use.

    void pydsl_parallel_for(body, env, begin, end, grain, threads)

calls ``body(env, low, high)`` for chunks that cover [begin, end), each a multiple of `grain` long (the last may be
shorter), on at most `threads` threads. Nobody waits for a thread that the system has not started yet: the caller
takes chunks like the workers, closes the job when there are none left, and waits only for workers that are inside.

Where the waiting happens:

- One job at a time. A caller that finds the pool busy (a nested loop, another Python thread) runs its loop itself.
- `gate` is the number of places left for workers, the number of workers inside, and whether the caller sleeps until
  they have left. Taking a place is one compare-and-swap that fails on a closed gate, so the words of a job never change
  under a worker.
- `signal` counts jobs. A worker that has nothing to do watches it for a moment and then sleeps on it. Nobody watches
  when there are more threads than cores: it would take the time from those that work. For the same reason a worker
  that finds itself on the caller's core (all others are busy) goes back to sleep.

Workers are made when they are first needed, have all signals blocked and are never joined: the process ends without
them. The code and its variables are never freed.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass
from string import Template
from typing import Any

from pydsl.jit.runtime.loader import load

MOST_THREADS = 1024
"""The most threads a loop can have: places and workers are 15 bits of the gate each."""

CHUNKS_PER_THREAD = 8
WATCH_NS = 30_000
"""How long a worker without a job watches for the next one before it sleeps."""
AWAIT_NS = 5_000
"""How long the caller watches for the workers to finish before it sleeps."""
FAN = 4
"""So many workers are woken by the caller, and so many by each of those while there are places left."""

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
"""The number of the system call on Linux, by machine."""

_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
    "arm64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

_PTHREADS = ("pthread_create", "pthread_detach", "pthread_sigmask", "clock_gettime")


@dataclass(frozen=True)
class _System:
    """What differs between systems: names that must exist, how to sleep on a word and to wake who sleeps on it.

    core: the core that a thread is on; negative where the system does not say.
    set_mask, monotonic: the numbers of SIG_SETMASK and CLOCK_MONOTONIC.
    """

    symbols: tuple[str, ...]
    declarations: str
    core: str
    sleep: str
    wake: str
    set_mask: int
    monotonic: int


def _system() -> _System | None:
    """This system; None where there can be no pool."""
    machine = platform.machine()
    if sys.platform.startswith("linux") and machine in _FUTEX:
        call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX[machine]}, ptr %word"
        return _System(
            symbols=("syscall", "sched_getcpu"),
            declarations="declare i64 @syscall(i64, ...)\ndeclare i32 @sched_getcpu()",
            core="call i32 @sched_getcpu()",
            sleep=f"{call}, i64 128, i64 %wide, ptr null, ptr null, i64 0)",
            wake=f"{call}, i64 129, i64 %wide, ptr null, ptr null, i64 0)",
            set_mask=2,
            monotonic=1,
        )
    if sys.platform == "darwin":
        return _System(
            symbols=("__ulock_wait", "__ulock_wake"),
            core="sub i32 0, 1",
            declarations="declare i32 @__ulock_wait(i32, ptr, i64, i32)\ndeclare i32 @__ulock_wake(i32, ptr, i64)",
            sleep="call i32 @__ulock_wait(i32 1, ptr %word, i64 %wide, i32 0)",
            wake="call i32 @__ulock_wake(i32 257, ptr %word, i64 0)",
            set_mask=3,
            monotonic=6,
        )
    return None


_TEXT = Template("""
@threads = internal global i64 0, align 128  ; set by the user; 0: what the loop asks for
@cores = internal global i64 1               ; more threads than these do not watch, they sleep
@started = internal global i64 0             ; the workers that exist
@busy = internal global i64 0, align 128
@gate = internal global i32 0, align 128     ; places * 65536 + (the caller sleeps) * 32768 + workers inside
@signal = internal global i32 0, align 128
@sleepers = internal global i32 0, align 128
@next = internal global i64 0, align 128     ; the number of the next chunk
@body = internal global ptr null, align 128
@env = internal global ptr null
@begin = internal global i64 0
@end = internal global i64 0
@chunk = internal global i64 0
@home = internal global i32 -1               ; the core of the last caller
@watching = internal global i64 0, align 128 ; whether threads may watch

$declarations
$declare_pause
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @clock_gettime(i32, ptr)
declare i64 @llvm.smin.i64(i64, i64)

define void @pydsl_parallel_for(ptr %body, ptr %env, i64 %begin, i64 %end, i64 %grain, i64 %asked) nounwind {
entry:
  %set = load atomic i64, ptr @threads monotonic, align 8
  %chosen = icmp sgt i64 %set, 0
  %most = select i1 %chosen, i64 %set, i64 %asked
  %allowed = call i64 @llvm.smin.i64(i64 %most, i64 $most_threads)
  %count = sub i64 %end, %begin
  %last = sub i64 %count, 1
  %full = udiv i64 %last, %grain
  %grains = add i64 %full, 1
  %team = call i64 @llvm.smin.i64(i64 %allowed, i64 %grains)
  %several = icmp sgt i64 %team, 1
  br i1 %several, label %claim, label %alone
claim:
  %taken = load atomic i64, ptr @busy monotonic, align 8
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %swap, label %alone
swap:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst monotonic
  %ours = extractvalue { i64, i1 } %pair, 1
  br i1 %ours, label %gather, label %alone
gather:
  %others = sub i64 %team, 1
  %had = load i64, ptr @started
  %missing = icmp slt i64 %had, %others
  br i1 %missing, label %make, label %ready
make:
  call void @make_workers(i64 %others)
  br label %ready
ready:
  %have = load i64, ptr @started
  %workers = call i64 @llvm.smin.i64(i64 %have, i64 %others)
  %some = icmp sgt i64 %workers, 0
  br i1 %some, label %publish, label %give_up
give_up:
  store atomic i64 0, ptr @busy release, align 8
  br label %alone
alone:
  call void %body(ptr %env, i64 %begin, i64 %end)
  ret void

publish:
  %cores = load atomic i64, ptr @cores monotonic, align 8
  %all = add i64 %have, 1
  %enough = icmp sle i64 %all, %cores
  %watching = zext i1 %enough to i64
  store atomic i64 %watching, ptr @watching monotonic, align 8
  %wanted = mul i64 %team, $chunks
  %lastgrain = sub i64 %grains, 1
  %whole = udiv i64 %lastgrain, %wanted
  %each = add i64 %whole, 1
  %chunk = mul i64 %each, %grain
  store ptr %body, ptr @body
  store ptr %env, ptr @env
  store i64 %begin, ptr @begin
  store i64 %end, ptr @end
  store i64 %chunk, ptr @chunk
  %here = $core
  store atomic i32 %here, ptr @home monotonic, align 4
  store atomic i64 0, ptr @next monotonic, align 8
  %narrow = trunc i64 %workers to i32
  %open = shl i32 %narrow, 16
  store atomic i32 %open, ptr @gate seq_cst, align 4
  %old = atomicrmw add ptr @signal, i32 1 seq_cst
  call void @wake_workers()
  call void @work()
  %was = atomicrmw and ptr @gate, i32 65535 seq_cst
  %inside = and i32 %was, 65535
  %empty = icmp eq i32 %inside, 0
  br i1 %empty, label %done, label %await
await:
  call void @wait_for_workers()
  br label %done
done:
  store atomic i64 0, ptr @busy release, align 8
  ret void
}

; Chunk after chunk until there are none.
define internal void @work() nounwind noinline {
entry:
  %body = load ptr, ptr @body
  %env = load ptr, ptr @env
  %begin = load i64, ptr @begin
  %end = load i64, ptr @end
  %chunk = load i64, ptr @chunk
  br label %take
take:
  %ticket = atomicrmw add ptr @next, i64 1 monotonic
  %skip = mul i64 %ticket, %chunk
  %low = add i64 %begin, %skip
  %more = icmp slt i64 %low, %end
  br i1 %more, label %run, label %done
run:
  %after = add i64 %low, %chunk
  %high = call i64 @llvm.smin.i64(i64 %after, i64 %end)
  call void %body(ptr %env, i64 %low, i64 %high)
  br label %take
done:
  ret void
}

; All workers have left: watch the gate for a moment, then sleep on it.
define internal void @wait_for_workers() nounwind noinline {
entry:
  %watching = load atomic i64, ptr @watching monotonic, align 8
  %may = icmp ne i64 %watching, 0
  br i1 %may, label %watch, label %look
watch:
  %start = call i64 @now()
  br label %turn
turn:
  %n = phi i64 [ 0, %watch ], [ %m, %again ]
  %g = load atomic i32, ptr @gate seq_cst, align 4
  %gone = icmp eq i32 %g, 0
  br i1 %gone, label %done, label %stay
stay:
  $pause
  %m = add i64 %n, 1
  %rest = and i64 %m, 15
  %clock = icmp eq i64 %rest, 0
  br i1 %clock, label %check, label %again
check:
  %t = call i64 @now()
  %elapsed = sub i64 %t, %start
  %long = icmp ugt i64 %elapsed, $await_ns
  br i1 %long, label %look, label %again
again:
  br label %turn
look:
  %value = load atomic i32, ptr @gate seq_cst, align 4
  %inside = and i32 %value, 32767
  %left = icmp eq i32 %inside, 0
  br i1 %left, label %done, label %mark
mark:
  %marked = or i32 %value, 32768
  %pair = cmpxchg ptr @gate, i32 %value, i32 %marked seq_cst monotonic
  %ok = extractvalue { i32, i1 } %pair, 1
  br i1 %ok, label %sleep, label %look
sleep:
  call void @sleep_on(ptr @gate, i32 %marked)
  br label %look
done:
  ret void
}

define internal ptr @worker(ptr %unused) nounwind {
entry:
  br label %job
job:
  %seen = load atomic i32, ptr @signal seq_cst, align 4
  %here = $core
  %home = load atomic i32, ptr @home monotonic, align 4
  %known = icmp sge i32 %here, 0
  %equal = icmp eq i32 %here, %home
  %in_the_way = and i1 %known, %equal
  br i1 %in_the_way, label %sleep, label %try
try:
  %g = load atomic i32, ptr @gate seq_cst, align 4
  %open = icmp ugt i32 %g, 65535
  br i1 %open, label %enter, label %idle
enter:
  %g2 = sub i32 %g, 65535                    ; a place less, a worker more
  %pair = cmpxchg ptr @gate, i32 %g, i32 %g2 seq_cst monotonic
  %entered = extractvalue { i32, i1 } %pair, 1
  br i1 %entered, label %inside, label %try
inside:
  %room = icmp ugt i32 %g2, 65535
  br i1 %room, label %wake, label %work
wake:
  call void @wake_workers()
  br label %work
work:
  call void @work()
  %was = atomicrmw sub ptr @gate, i32 1 seq_cst
  %waited_for = icmp eq i32 %was, 32769      ; the last one, and the caller sleeps
  br i1 %waited_for, label %report, label %idle
report:
  call void @wake_on(ptr @gate, i32 1)
  br label %idle

idle:
  %watching = load atomic i64, ptr @watching monotonic, align 8
  %may = icmp ne i64 %watching, 0
  br i1 %may, label %watch, label %sleep
watch:
  %start = call i64 @now()
  br label %turn
turn:
  %n = phi i64 [ 0, %watch ], [ %m, %again ]
  %s = load atomic i32, ptr @signal seq_cst, align 4
  %same = icmp eq i32 %s, %seen
  br i1 %same, label %stay, label %job
stay:
  $pause
  %m = add i64 %n, 1
  %rest = and i64 %m, 15
  %clock = icmp eq i64 %rest, 0
  br i1 %clock, label %check, label %again
check:
  %t = call i64 @now()
  %elapsed = sub i64 %t, %start
  %long = icmp ugt i64 %elapsed, $watch_ns
  br i1 %long, label %sleep, label %again
again:
  br label %turn
sleep:
  %in = atomicrmw add ptr @sleepers, i32 1 seq_cst
  call void @sleep_on(ptr @signal, i32 %seen)
  %out = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  br label %job
}

; The caller holds `busy`. Where the system gives no more threads, the loop runs on those that there are.
define internal void @make_workers(i64 %wanted) nounwind noinline cold {
entry:
  %id = alloca i64
  %all = alloca [16 x i64]
  %before = alloca [16 x i64]
  store [16 x i64] [$all_signals], ptr %all
  %masked = call i32 @pthread_sigmask(i32 $set_mask, ptr %all, ptr %before)
  br label %next
next:
  %have = load i64, ptr @started
  %more = icmp slt i64 %have, %wanted
  br i1 %more, label %make, label %done
make:
  %rc = call i32 @pthread_create(ptr %id, ptr null, ptr @worker, ptr null)
  %made = icmp eq i32 %rc, 0
  br i1 %made, label %count, label %done
count:
  %thread = load i64, ptr %id
  %detached = call i32 @pthread_detach(i64 %thread)
  %now = add i64 %have, 1
  store i64 %now, ptr @started
  br label %next
done:
  %restored = call i32 @pthread_sigmask(i32 $set_mask, ptr %before, ptr null)
  ret void
}

define internal void @wake_workers() nounwind {
entry:
  %asleep = load atomic i32, ptr @sleepers seq_cst, align 4
  %some = icmp ne i32 %asleep, 0
  br i1 %some, label %wake, label %done
wake:
  call void @wake_on(ptr @signal, i32 $fan)
  br label %done
done:
  ret void
}

define internal void @sleep_on(ptr %word, i32 %value) nounwind noinline {
  %wide = zext i32 %value to i64
  %rc = $sleep
  ret void
}

define internal void @wake_on(ptr %word, i32 %count) nounwind noinline {
  %wide = zext i32 %count to i64
  %rc = $wake
  ret void
}

define internal i64 @now() nounwind noinline {
  %time = alloca [2 x i64]
  %rc = call i32 @clock_gettime(i32 $monotonic, ptr %time)
  %s = load i64, ptr %time
  %p = getelementptr i64, ptr %time, i64 1
  %ns = load i64, ptr %p
  %scaled = mul i64 %s, 1000000000
  %sum = add i64 %scaled, %ns
  ret i64 %sum
}

define void @pydsl_pool_set(i64 %threads, i64 %cores) nounwind {
  store atomic i64 %threads, ptr @threads monotonic, align 8
  store atomic i64 %cores, ptr @cores monotonic, align 8
  ret void
}

define i64 @pydsl_pool_workers() nounwind {
  %n = load atomic i64, ptr @started monotonic, align 8
  ret i64 %n
}

; In a forked child: there are no workers, and nobody is inside a job.
define void @pydsl_pool_forget() nounwind {
  store i64 0, ptr @started
  store i32 0, ptr @gate
  store i32 0, ptr @sleepers
  store atomic i64 0, ptr @busy release, align 8
  ret void
}
""")


def pool_ir() -> str | None:
    """The IR text of the pool for this system; None where there can be none."""
    system = _system()
    if system is None:
        return None
    process = ctypes.CDLL(None)
    if not all(hasattr(process, name) for name in (*_PTHREADS, *system.symbols)):
        return None
    declare_pause, pause = _PAUSE.get(platform.machine(), ("", ""))
    return _TEXT.substitute(
        declarations=system.declarations,
        core=system.core,
        sleep=system.sleep,
        wake=system.wake,
        set_mask=system.set_mask,
        monotonic=system.monotonic,
        declare_pause=declare_pause,
        pause=pause,
        most_threads=MOST_THREADS,
        chunks=CHUNKS_PER_THREAD,
        watch_ns=WATCH_NS,
        await_ns=AWAIT_NS,
        fan=FAN,
        all_signals=", ".join(["i64 -1"] * 16),
    )


class Pool:
    """The compiled pool.

    entry: the address of `pydsl_parallel_for`.
    """

    def __init__(self, text: str) -> None:
        code = load(text, level=2)
        self.entry = code.address("pydsl_parallel_for")
        integer = ctypes.c_int64
        self._set: Any = ctypes.CFUNCTYPE(None, integer, integer)(code.address("pydsl_pool_set"))
        self._workers: Any = ctypes.CFUNCTYPE(integer)(code.address("pydsl_pool_workers"))
        self._forget: Any = ctypes.CFUNCTYPE(None)(code.address("pydsl_pool_forget"))
        code.leak()

    def configure(self, threads: int, cores: int) -> None:
        """How many threads a loop may use (0: as many as it asks for), and how many at most may watch for work."""
        self._set(min(threads, MOST_THREADS), cores)

    def workers(self) -> int:
        """How many workers have been started."""
        return int(self._workers())

    def forget(self) -> None:
        """Take it that there are no workers: in a forked child."""
        self._forget()
