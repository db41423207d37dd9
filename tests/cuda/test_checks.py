"""The simulator notices what a device would do silently: accesses outside of memory, and races."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from pydsl.ir.affine import Affine
from pydsl.jit.cuda.emit import emit_program
from pydsl.jit.cuda.sim_kernels import Fault, SimState, load_kernels
from pydsl.loops.gpu.kernels import Kernel
from pydsl.loops.gpu.plan import GpuPlan
from pydsl.loops.ir import (
    INT64,
    Apply,
    Buffer,
    Const,
    For,
    If,
    Index,
    Load,
    LoopFunction,
    LoopKind,
    Return,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.verifier import verify

F8 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
BLOCKS, THREADS = 3, 32


class Bench:
    """One kernel over one array of 96 numbers; `phases` makes the bodies of its thread loops."""

    def __init__(self) -> None:
        self.x = Buffer("x", Space.ARG, F8, slot=0)
        self.shared = Buffer("s", Space.SHARED, F8, Affine.of(8 * THREADS))
        self.block = Var("b", INT64, (0, BLOCKS - 1))
        self.data = np.zeros(BLOCKS * THREADS + 1)

    def run(self, *phases: Any, size: int = BLOCKS * THREADS) -> Fault | None:
        threads = [Var("t", INT64, (0, THREADS - 1)) for _ in phases]
        body: list[Stmt] = [
            For(t, Affine.of(0), Affine.of(THREADS), make(self, t), LoopKind.THREAD, True)
            for t, make in zip(threads, phases, strict=True)
        ]
        loop = For(self.block, Affine.of(0), Affine.of(BLOCKS), body, LoopKind.BLOCK, True)
        function = LoopFunction("f", [loop, Return(0)], [], [self.x, self.shared], 2, 2)
        verify(function)
        emitted = emit_program(function, GpuPlan([Kernel(loop, "block", THREADS)]), 1)
        (kernel,) = load_kernels(emitted.sim, emitted.kernels)
        state = SimState()
        shadow = np.zeros(size, np.int64).repeat(8)
        table = np.array([self.data.ctypes.data, 8 * size, shadow.ctypes.data])
        state.words[:2] = 1, table.ctypes.data
        parameter = ctypes.c_void_p(self.data.ctypes.data)
        params = (ctypes.c_void_p * 1)(ctypes.addressof(parameter))
        kernel.launch(state, BLOCKS, THREADS, ctypes.addressof(params))
        fault = state.fault()
        if fault is not None:
            assert "x" in fault.describe(kernel.image) or "s" in fault.describe(kernel.image)
        return fault

    def at(self, thread: Var, shift: int = 0) -> Affine:
        return (Affine.of(self.block) * THREADS + Affine.of(thread) + shift) * 8

    def load(self, offset: Affine) -> Load:
        return Load(self.x, offset, F8)


ONE = Const(1.0, F8)


def own(bench: Bench, thread: Var) -> list[Stmt]:
    return [Store(bench.x, bench.at(thread), ONE)]


def neighbour(bench: Bench, thread: Var) -> list[Stmt]:
    """Threads but the last of a block add what their neighbour has."""
    value = Apply("add", (bench.load(bench.at(thread, 1)), ONE), F8)
    inside = Apply("less", (Index(Affine.of(thread)), Const(THREADS - 1, INT64)), BOOL)
    return [If(inside, [Store(bench.x, bench.at(thread), value)])]


def read_neighbour(bench: Bench, thread: Var) -> list[Stmt]:
    inside = Apply("less", (Index(Affine.of(thread)), Const(THREADS - 1, INT64)), BOOL)
    to = Store(bench.shared, Affine.of(thread) * 8, bench.load(bench.at(thread, 1)))
    return [If(inside, [to])]


def one_cell(bench: Bench, thread: Var) -> list[Stmt]:
    return [Store(bench.x, Affine.of(0), ONE)]


def read_one_cell(bench: Bench, thread: Var) -> list[Stmt]:
    return [Store(bench.x, bench.at(thread), bench.load(Affine.of(0)))]


def all_read(bench: Bench, thread: Var) -> list[Stmt]:
    return [Store(bench.shared, Affine.of(thread) * 8, bench.load(Affine.of(0)))]


def shared_neighbour(bench: Bench, thread: Var) -> list[Stmt]:
    at = (Affine.of(thread) * -1 + (THREADS - 1)) * 8
    return [Store(bench.x, bench.at(thread), Load(bench.shared, at, F8))]


def shared_own(bench: Bench, thread: Var) -> list[Stmt]:
    return [Store(bench.shared, Affine.of(thread) * 8, ONE)]


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param((own,), id="each its own"),
        pytest.param((own, read_neighbour), id="written, barrier, read"),
        pytest.param((all_read,), id="all read one"),
        pytest.param((shared_own, shared_neighbour), id="through shared memory"),
        pytest.param((read_neighbour, own), id="read, barrier, written"),
    ],
)
def test_right_kernels_pass(phases: Any) -> None:
    assert Bench().run(*phases) is None


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param((neighbour,), id="read and written without a barrier"),
        pytest.param((one_cell,), id="all write one"),
        pytest.param((read_one_cell,), id="one writes what all read"),
        pytest.param(
            (lambda b, t: [*shared_own(b, t), *shared_neighbour(b, t)],), id="shared without a barrier"
        ),
    ],
)
def test_races_are_found(phases: Any) -> None:
    fault = Bench().run(*phases)
    assert fault is not None and fault.kind == "race"


def test_blocks_that_touch_the_same_memory_race_whatever_the_barriers() -> None:
    def first(bench: Bench, thread: Var) -> list[Stmt]:
        is_first = Apply("equal", (Index(Affine.of(thread)), Const(0, INT64)), BOOL)
        return [If(is_first, [Store(bench.x, Affine.of(0), ONE)])]

    fault = Bench().run(own, first)
    assert fault is not None and fault.kind == "race"
    assert fault.other is not None and fault.other[0] != fault.block


def test_an_access_outside_is_found_and_does_not_happen() -> None:
    bench = Bench()
    fault = bench.run(lambda b, t: [Store(b.x, b.at(t, 1), ONE)], size=BLOCKS * THREADS)
    assert fault is not None and fault.kind == "outside"
    assert (fault.block, fault.thread) == (BLOCKS - 1, THREADS - 1)
    assert bench.data[-1] == 0


def test_an_access_outside_of_shared_memory_is_found() -> None:
    fault = Bench().run(lambda b, t: [Store(b.shared, (Affine.of(t) + 1) * 8, ONE)])
    assert fault is not None and fault.kind == "outside"
