"""Parallel loops: captured values, private buffers, fallbacks, forks."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from pydsl.jit.cpu import threads
from pydsl.loops.ir import (
    Alloc,
    Assign,
    Buffer,
    Declare,
    For,
    If,
    Let,
    LoopFunction,
    LoopKind,
    Read,
    Release,
    Return,
    Space,
    StoreSlot,
)
from pydsl.loops.verifier import findings_of
from tests.backend.harness import (
    BOOL,
    F4,
    F8,
    INT64,
    Native,
    af,
    arg,
    both,
    const,
    elem,
    function,
    op,
    put,
    slots_of,
    var,
)

pytestmark = pytest.mark.skipif(not threads.install(), reason="no threads")


def rows(n: int = 200, m: int = 30) -> LoopFunction:
    """Row sums with everything captured: arguments, scalars of several dtypes, a mutable variable, a local buffer."""
    x, y = arg("x", 0, readonly=True), arg("y", 1)
    scratch = Buffer("row", Space.LOCAL, F8, nbytes=af(8 * m))
    i, j, k = var("i"), var("j"), var("k")
    scale, shift, flag = var("scale", F8), var("shift", F4), var("flag", BOOL)
    bias, acc = var("bias", F8), var("acc", F8)
    body = [
        For(
            j,
            af(0),
            af(m),
            [put(scratch, j, op("multiply", elem(x, af(i) * m + af(j)), Read(scale)))],
            LoopKind.VECTOR,
        ),
        Declare(acc, Read(bias)),
        For(k, af(0), af(m), [Assign(acc, op("add", Read(acc), elem(scratch, k)))]),
        If(Read(flag), [Assign(acc, op("negative", Read(acc)))]),
        put(y, i, op("add", Read(acc), op("cast", Read(shift), dtype=F8))),
    ]
    return function(
        [
            Declare(bias, const(1.0)),
            Assign(bias, op("add", Read(bias), const(2.0))),
            For(i, af(0), af(n), body, LoopKind.PARALLEL),
            StoreSlot(6, Read(bias)),
            Return(0),
        ],
        [x, y, scratch],
        [(scale, 2), (shift, 3), (flag, 4)],
    )


def values(n: int = 200, m: int = 30) -> tuple:
    return np.random.default_rng(0).standard_normal((n, m)), np.zeros(n), 1.5, 0.25, True


def test_captures() -> None:
    both(rows(), *values())


def test_complex_captures_and_nested_parallel_loops() -> None:
    c16 = np.dtype(np.complex128)
    y, z, i, j = arg("y", 0, c16), var("z", c16), var(), var()
    inner = For(
        j,
        af(0),
        af(3),
        [put(y, af(i) * 3 + af(j), op("multiply", Read(z), const(2j, c16)))],
        LoopKind.PARALLEL,
    )
    made = function([For(i, af(0), af(40), [inner], LoopKind.PARALLEL), Return(0)], [y], [(z, 1)])
    out = np.zeros(120, complex)
    slots = slots_of(out, 1 + 3j)
    assert Native(made).run(slots) == 0
    np.testing.assert_array_equal(out, (1 + 3j) * 2j)


def test_private_heap_blocks() -> None:
    h, y, i, j = Buffer("h", Space.HEAP, F8, nbytes=af(80)), arg("y", 0), var("i"), var("j")
    body = [
        Alloc(h, af(80)),
        For(j, af(0), af(10), [put(h, j, op("cast", op("add", Read(i), Read(j)), dtype=F8))]),
        put(y, i, elem(h, 9)),
        Release(h),
    ]
    made = function([For(i, af(0), af(300), body, LoopKind.PARALLEL), Return(0)], [h, y])
    both(made, np.zeros(300))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 1000])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_iteration_runs_once(n: int, count: int) -> None:
    y, i, stop = arg("y", 0, np.int64), var(), var("n")
    body = [put(y, i, op("add", elem(y, i), const(1, INT64)))]
    made = function([For(i, af(0), af(stop), body, LoopKind.PARALLEL), Return(0)], [y], [(stop, 1)])
    native, counts = Native(made), np.zeros(1000, np.int64)
    threads.set_threads(count)
    try:
        assert native.run(slots_of(counts, n)) == 0
    finally:
        threads.set_threads(None)
    np.testing.assert_array_equal(counts, np.arange(1000) < n)


def test_several_threads_really_run() -> None:
    """The iterations are slow enough that a second thread arrives before the first one has done them all."""
    y, i, j, s = arg("y", 0), var("i"), var("j"), var("s", F8)
    spin = For(j, af(0), af(200_000), [Assign(s, op("sqrt", op("add", Read(s), const(1.0))))])
    body = [Declare(s, const(0.0)), spin, put(y, i, Read(s))]
    made = function([For(i, af(0), af(64), body, LoopKind.PARALLEL), Return(0)], [y])
    native, before = Native(made), os.times()
    start = time.perf_counter()
    native.run(slots_of(np.zeros(64)))
    assert len(os.listdir("/proc/self/task")) > 1
    elapsed, after = time.perf_counter() - start, os.times()
    assert after.user - before.user < 8 * elapsed  # nobody is left spinning


def test_callers_on_many_threads() -> None:
    """Only one of them gets the team, the others run alone; all are right."""
    native, outputs = Native(rows()), [values() for _ in range(8)]
    expected = values()
    native.run(slots_of(*expected))

    def call(number: int) -> None:
        for _ in range(20):
            native.run(slots_of(*outputs[number]))

    pool = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    for got in outputs:
        np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_makes_its_own_threads() -> None:
    native, data = Native(rows()), values()
    native.run(slots_of(*data))
    child = os.fork()
    if child == 0:
        again = values()
        native.run(slots_of(*again))
        os._exit(0 if np.array_equal(again[1], data[1]) else 1)
    for _ in range(1000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        threading.Event().wait(0.01)
    else:
        os.kill(child, 9)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
    native.run(slots_of(*data))


def test_the_verifier_keeps_parallel_loops_parallel() -> None:
    y, i, s = arg("y", 0), var(), var("s", F8)
    body = [Assign(s, op("add", Read(s), elem(y, i))), Return(0)]
    made = LoopFunction(
        "f", [Declare(s, const(0.0)), For(i, af(0), af(3), body, LoopKind.PARALLEL), Return(0)], [], [y], 4, 0
    )
    assert [f for f in findings_of(made) if "assigned" in f]
    assert [f for f in findings_of(made) if "inside a parallel loop" in f]


def test_a_value_of_the_outside_may_be_an_address() -> None:
    y, i, at = arg("y", 0), var(), var("at")
    body = [put(y, af(i) + af(at), const(1.0))]
    made = function(
        [Let(at, const(5, INT64)), For(i, af(0), af(20), body, LoopKind.PARALLEL), Return(0)], [y]
    )
    both(made, np.zeros(25))
