"""Running loop functions on arrays, natively and interpreted, and building small ones."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.jit.cpu.passes import optimize
from pydsl.jit.cpu.target import host_target
from pydsl.jit.llvm.kernel import KERNEL, emit_kernel
from pydsl.jit.runtime.loader import load
from pydsl.jit.runtime.table import runtime_table
from pydsl.loops.interpreter import Outcome, Region, interpret, region_of
from pydsl.loops.ir import (
    Apply,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    LoopFunction,
    LoopKind,
    Read,
    Return,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.verifier import verify

INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
F4 = np.dtype(np.float32)
F8 = np.dtype(np.float64)


def af(x: object) -> Affine:
    return Affine.of(x)


def var(name: str = "i", dtype: Any = INT64) -> Var:
    return Var(name, np.dtype(dtype))


def const(value: Any, dtype: Any = F8) -> Const:
    return Const(value, np.dtype(dtype))


def op(name: str, *args: Expr, dtype: Any = None, **flags: bool) -> Apply:
    """An operation; the dtype is that of the first operand if not given."""
    return Apply(name, args, args[0].dtype if dtype is None else np.dtype(dtype), **flags)


def arg(name: str, slot: int, dtype: Any = F8, **fields: Any) -> Buffer:
    return Buffer(name, Space.ARG, np.dtype(dtype), slot=slot, **fields)


def elem(buffer: Buffer, index: Any, dtype: Any = None) -> Load:
    """The element at an index of a contiguous buffer."""
    wanted = buffer.dtype if dtype is None else np.dtype(dtype)
    return Load(buffer, af(index) * wanted.itemsize, wanted)


def put(buffer: Buffer, index: Any, value: Expr) -> Store:
    return Store(buffer, af(index) * value.dtype.itemsize, value)


def function(
    body: Sequence[Stmt],
    buffers: Sequence[Buffer],
    scalars: Sequence[tuple[Var, int]] = (),
    n_slots: int = 16,
    **fields: Any,
) -> LoopFunction:
    """A loop function that the verifier accepts. The error payload begins at slot 8."""
    made = LoopFunction("f", list(body), list(scalars), list(buffers), n_slots, 8, **fields)
    verify(made)
    return made


class Native:
    """A compiled loop function, called with an array of slot values."""

    def __init__(self, made: LoopFunction) -> None:
        self.function = made
        self.text = emit_kernel(made, host_target())
        self.code = load(self.text, optimize)
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._call = prototype(self.code.address(KERNEL))

    def run(self, slots: np.ndarray) -> int:
        """Run on slots; two words in front of them are the runtime's."""
        words = np.zeros(2 + max(1, slots.size), np.int64)
        words[2 : 2 + slots.size] = slots
        status = self._call(runtime_table().address, words.ctypes.data + 16)
        slots[:] = words[2 : 2 + slots.size]
        return int(status)


def slots_of(*values: Any, size: int = 16) -> np.ndarray:
    """ABI slots: arrays as data pointers, ints and bools as i64, floats as the bits of a double, complex as two."""
    words: list[int] = []
    for value in values:
        if isinstance(value, np.ndarray):
            words.append(value.__array_interface__["data"][0])
        elif isinstance(value, (complex, np.complexfloating)):
            words += np.array([value.real, value.imag], np.float64).view(np.int64).tolist()
        elif isinstance(value, (float, np.floating)):
            words += np.array([value], np.float64).view(np.int64).tolist()
        else:
            words.append(int(np.array(value).astype(np.int64)))
    return np.array(words + [0] * (size - len(words)), np.int64)


def regions(*values: Any) -> dict[int, Region]:
    """The memory behind the slots of the same values (no complex numbers)."""
    return {slot: region_of(v) for slot, v in enumerate(values) if isinstance(v, np.ndarray)}


def run_native(made: LoopFunction, *values: Any) -> tuple[int, np.ndarray]:
    """Status and slots after a native run."""
    slots = slots_of(*values)
    return Native(made).run(slots), slots


def run_interpreted(made: LoopFunction, *values: Any, backwards: bool = False) -> tuple[Outcome, np.ndarray]:
    """Outcome and slots after an interpreted run."""
    slots = slots_of(*values)
    return interpret(made, slots, regions(*values), backwards=backwards), slots


def both(made: LoopFunction, *values: Any) -> tuple[int, np.ndarray]:
    """Run natively on the values themselves, interpreted on copies, and compare everything."""
    copies = [v.copy() if isinstance(v, np.ndarray) else v for v in values]
    outcome, slots = run_interpreted(made, *copies)
    status, native_slots = run_native(made, *values)
    assert status == outcome.status
    pointers = [slot for slot, v in enumerate(values) if isinstance(v, np.ndarray)]
    for slot in range(slots.size):
        if slot not in pointers:
            assert slots[slot] == native_slots[slot], f"slot {slot}"
    for mine, other in zip(values, copies):
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other)
    return status, native_slots


def elementwise(
    calls: Sequence[tuple[Sequence[Any], Any, Callable[..., Expr]]], kind: LoopKind = LoopKind.VECTOR
) -> LoopFunction:
    """One loop for each of ``(operand dtypes, result dtype, expression)``; the slots are operands and result of
    the first, of the second, ..., then the length of each loop."""
    total = sum(len(dtypes) + 1 for dtypes, _, _ in calls)
    buffers: list[Buffer] = []
    body: list[Stmt] = []
    scalars: list[tuple[Var, int]] = []
    for number, (dtypes, out, make) in enumerate(calls):
        ins = [arg(f"x{k}", len(buffers) + k, d, readonly=True) for k, d in enumerate(dtypes)]
        target = arg("y", len(buffers) + len(ins), out)
        buffers += [*ins, target]
        n, i = Var("n", INT64, (0, None)), var()
        scalars.append((n, total + number))
        value = make(*(elem(b, i) for b in ins))
        body.append(For(i, af(0), af(n), [put(target, i, value)], kind, independent=True))
    made = LoopFunction("f", [*body, Return(0)], scalars, buffers, total + len(calls), 0)
    verify(made)
    return made


def total_of(acc: Var, value: Expr, name: str = "add") -> Apply:
    """The next value of a reorderable accumulator."""
    return Apply(name, (Read(acc), value), acc.dtype, reassoc=True)
