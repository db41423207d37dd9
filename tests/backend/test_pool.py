"""The pool of threads: chunks, nesting, concurrent callers, forks, the end of the process, a busy machine."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pydsl.jit.cpu import pool, threads
from pydsl.jit.llvm import parallel
from pydsl.jit.runtime.table import runtime_table
from pydsl.loops.ir import Assign, Declare, For, LoopKind, Read, Return
from tests.backend.harness import (
    F4,
    F8,
    INT64,
    Native,
    af,
    arg,
    const,
    elem,
    function,
    op,
    put,
    slots_of,
    var,
)

pytestmark = pytest.mark.skipif(not threads.install(), reason="no threads")

BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    threads.set_threads(4)
    yield
    threads.set_threads(None)


def parallel_for(body: Callable[[int, int], None], begin: int, end: int, grain: int, most: int = 4) -> None:
    """Call the pool with a Python function as the body."""
    kind = ctypes.CFUNCTYPE(
        None, BODY, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64
    )
    entry = kind(runtime_table().get("parallel_for"))
    entry(BODY(lambda _env, low, high: body(low, high)), None, begin, end, grain, most)


def chunks_of(begin: int, end: int, grain: int, most: int = 4) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    parallel_for(lambda low, high: seen.append((low, high)), begin, end, grain, most)
    return sorted(seen)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
@pytest.mark.parametrize(("begin", "end"), [(0, 1), (0, 2), (0, 255), (-7, 300), (5, 100_003)])
@pytest.mark.parametrize("grain", [1, 16, 256])
def test_chunks_cover_the_range_once(count: int, begin: int, end: int, grain: int) -> None:
    threads.set_threads(count)
    chunks = chunks_of(begin, end, grain)
    assert chunks[0][0] == begin
    assert chunks[-1][1] == end
    for (_, high), (low, _) in itertools.pairwise(chunks):
        assert high == low
    assert all((low - begin) % grain == 0 for low, _ in chunks)
    assert len(chunks) <= count * pool.CHUNKS_PER_THREAD


def test_short_ranges_stay_on_the_caller() -> None:
    assert chunks_of(0, 256, 256) == [(0, 256)]
    threads.set_threads(1)
    assert chunks_of(0, 100_000, 1) == [(0, 100_000)]


def test_a_loop_has_the_threads_that_it_asks_for() -> None:
    threads.set_threads(None)
    assert chunks_of(0, 100_000, 1, most=1) == [(0, 100_000)]
    assert len(chunks_of(0, 100_000, 1, most=2)) > 1


def test_nested_regions_run_on_their_thread() -> None:
    total: list[int] = []

    def body(low: int, high: int) -> None:
        here = threading.get_ident()

        def inner(first: int, last: int) -> None:
            assert threading.get_ident() == here
            total.append(last - first)

        parallel_for(inner, 0, 1000, 1)
        assert high > low

    parallel_for(body, 0, 32, 1)
    assert sum(total) == 1000 * 32


def heavy(kind: LoopKind, n: int = 3000, m: int = 400) -> Native:
    x, y, i, j, s = arg("x", 0), arg("y", 1), var("i"), var("j"), var("s", F8)
    inner = For(j, af(0), af(m), [Assign(s, op("sqrt", op("add", Read(s), const(1.0))))])
    return Native(
        function(
            [For(i, af(0), af(n), [Declare(s, elem(x, i)), inner, put(y, i, Read(s))], kind), Return(0)],
            [x, y],
        )
    )


def test_eight_callers_at_once() -> None:
    native = heavy(LoopKind.PARALLEL)
    x = np.random.default_rng(0).random(3000)
    expected = np.zeros(3000)
    heavy(LoopKind.SERIAL).run(slots_of(x, expected))
    wrong: list[int] = []

    def call() -> None:
        for number in range(100):
            y = np.zeros(3000)
            native.run(slots_of(x, y))
            if not np.array_equal(y, expected):
                wrong.append(number)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("n", [1, 63, 1000, 4096, 100_001])
def test_chunks_do_not_change_results(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Vectorised functions may differ from their scalar forms in the last bit: both threads and one use the same."""
    monkeypatch.setattr(parallel, "GRAIN_NS", 0.0)
    data = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    found = []
    for count in (1, 2, 3, 4, 7):
        threads.set_threads(count)
        x, y, i = arg("x", 0, F4), arg("y", 1, F4), var()
        loop = For(i, af(0), af(n), [put(y, i, op("exp", elem(x, i)))], LoopKind.PARALLEL, independent=True)
        out = np.zeros(n, np.float32)
        Native(function([loop, Return(0)], [x, y])).run(slots_of(data, out))
        found.append(out)
    for out in found[1:]:
        np.testing.assert_array_equal(out, found[0])


def test_grains() -> None:
    x, y, i, j = arg("x", 0), arg("y", 1), var("i"), var("j")
    flat = For(i, af(0), af(10_000), [put(y, i, elem(x, i))], LoopKind.PARALLEL)
    assert parallel.grain(flat) % 256 == 0
    rows = For(i, af(0), af(10_000), [For(j, af(0), af(10_000), [put(y, j, elem(x, j))])], LoopKind.PARALLEL)
    assert 1 <= parallel.grain(rows) < 100
    stop = var("n", INT64)
    unknown = For(i, af(0), af(100), [For(j, af(0), af(stop), [put(y, j, elem(x, j))])], LoopKind.PARALLEL)
    assert parallel.grain(unknown) == 1


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    prelude = f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        import numpy as np
        from pydsl.jit.cpu import threads
        from pydsl.loops.ir import LoopKind
        from tests.backend.harness import slots_of
        from tests.backend.test_pool import heavy
        native = heavy(LoopKind.PARALLEL)
        x, y = np.ones(3000), np.zeros(3000)
        def call():
            native.run(slots_of(x, y))
    """
    text = textwrap.dedent(prelude) + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: ())(0)) < 2, reason="needs two cores")
def test_workers_take_part() -> None:
    """The caller stays on one core, the workers on another, so that nobody is in the way."""
    program = """
        from tests.backend.test_pool import parallel_for
        threads.set_threads(2)
        first, second = sorted(os.sched_getaffinity(0))[:2]
        before = set(os.listdir("/proc/self/task"))
        call()
        os.sched_setaffinity(0, {first})
        for task in set(os.listdir("/proc/self/task")) - before:
            os.sched_setaffinity(int(task), {second})
        names = set()
        def body(low, high):
            names.add(threading.get_native_id())
            time.sleep(0.01)
        for _ in range(100):
            parallel_for(body, 0, 32, 1, 2)
            if len(names) > 1: break
        assert len(names) == 2, names
    """
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_the_knob_of_the_environment() -> None:
    program = "call(); print(threads.started_workers())"
    assert run(program, PYDSL_NUM_THREADS="3").stdout.strip() == "2"
    assert run(program, PYDSL_NUM_THREADS="1").stdout.strip() == "0"


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(3)",
        "os._exit(0)",
        "threading.Thread(target=lambda: [call() for _ in range(10**6)], daemon=True).start(); time.sleep(0.2)",
        "del native; import gc; gc.collect()",
    ],
)
def test_the_process_ends(end: str) -> None:
    program = f"threads.set_threads(4)\nfor _ in range(50): call()\n{end}\n"
    done = run(program, PYDSL_NUM_THREADS="4")
    assert done.returncode == (3 if "exit(3)" in end else 0), done.stderr
    assert not done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_while_other_threads_are_in_the_pool() -> None:
    program = """
        import warnings; warnings.simplefilter("ignore")
        threads.set_threads(4)
        stop = False
        def keep():
            while not stop: call()
        others = [threading.Thread(target=keep, daemon=True) for _ in range(2)]
        for t in others: t.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                y = np.zeros(3000)
                native.run(slots_of(x, y))
                good = threads.started_workers() == 3 and y[0] > 1 and (y == y[0]).all()
                os._exit(0 if good else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stop = True
        for t in others: t.join()
    """
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_a_signal_reaches_the_main_thread() -> None:
    program = """
        import signal
        got = []
        signal.signal(signal.SIGALRM, lambda *_: got.append(threading.get_ident()))
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        end = time.time() + 0.5
        while time.time() < end: call()
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert got and set(got) == {threading.get_ident()}
        call()
        masks = [line for t in os.listdir("/proc/self/task") for line in open(f"/proc/self/task/{t}/status")
                 if line.startswith("SigBlk")] if sys.platform == "linux" else []
        assert sum(int(m.split()[1], 16) > 2**32 for m in masks) >= threads.started_workers()
    """
    done = run(program, PYDSL_NUM_THREADS="3")
    assert done.returncode == 0, done.stderr


def test_a_busy_machine() -> None:
    """More busy processes than cores: every region ends, and soon."""
    native = heavy(LoopKind.PARALLEL)
    x, y = np.ones(3000), np.zeros(3000)
    count = (os.cpu_count() or 1) + 1
    others = [subprocess.Popen([sys.executable, "-c", "while 1: pass"]) for _ in range(count)]
    try:
        start = time.perf_counter()
        for _ in range(200):
            native.run(slots_of(x, y))
        assert time.perf_counter() - start < 60
    finally:
        for process in others:
            process.kill()
            process.wait()


def test_idle_workers_sleep() -> None:
    program = """
        for _ in range(20): call()
        time.sleep(0.05)
        before = sum(os.times()[:2])
        time.sleep(0.5)
        assert sum(os.times()[:2]) - before < 0.1
    """
    done = run(program, PYDSL_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr


def test_where_there_are_no_pthreads_loops_run_on_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert pool.pool_ir() is None
    monkeypatch.undo()
    native, y = heavy(LoopKind.PARALLEL), np.zeros(3000)
    entry = runtime_table().get("parallel_for")
    runtime_table().provide("parallel_for", 0)
    try:
        native.run(slots_of(np.ones(3000), y))
    finally:
        runtime_table().provide("parallel_for", entry)
    assert (y == y[0]).all()
    assert y[0] > 1
