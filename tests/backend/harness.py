"""Running a loop function on arrays, natively and interpreted."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.jit.cpu.passes import optimize
from pydsl.jit.cpu.target import host_target
from pydsl.jit.llvm.kernel import KERNEL, emit_kernel
from pydsl.jit.runtime.loader import LoadedCode, load
from pydsl.jit.runtime.table import runtime_table
from pydsl.jit.llvm.scalars import DType
from pydsl.loops.ir import Buffer, Expr, For, Load, LoopFunction, LoopKind, Return, Space, Stmt, Store, Var

INT64 = np.dtype(np.int64)


class Native:
    """A compiled loop function, called with a list of slot values."""

    def __init__(self, function: LoopFunction) -> None:
        self.function = function
        self.text = emit_kernel(function, host_target())
        self.code: LoadedCode = load(self.text, optimize)
        prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._call = prototype(self.code.address(KERNEL))

    def run(self, slots: np.ndarray) -> int:
        """Run on slots (int64 words); two words in front are the runtime's."""
        words = np.zeros(2 + max(1, slots.size), np.int64)
        words[2 : 2 + slots.size] = slots
        status = self._call(runtime_table().address, words.ctypes.data + 16)
        slots[:] = words[2 : 2 + slots.size]
        return int(status)


def slots_of(*values: Any, extra: int = 0) -> np.ndarray:
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
    return np.array(words + [0] * extra, np.int64)


def elementwise(
    dtypes: Sequence[DType], out: DType, make: Any, n: int | None = None, kind: LoopKind = LoopKind.VECTOR
) -> LoopFunction:
    """``out[i] = make(in0[i], in1[i], ...)`` over contiguous arrays; slots: inputs, output, length."""
    buffers = [Buffer(f"x{k}", Space.ARG, dtype, slot=k, readonly=True) for k, dtype in enumerate(dtypes)]
    target = Buffer("y", Space.ARG, out, slot=len(dtypes))
    length, i = Var("n", INT64, (0, None)), Var("i", INT64)
    loads: list[Expr] = [Load(b, Affine.of(i) * d.itemsize, d) for b, d in zip(buffers, dtypes)]
    body: list[Stmt] = [Store(target, Affine.of(i) * out.itemsize, make(*loads))]
    loop = For(i, Affine.of(0), Affine.of(length if n is None else n), body, kind, independent=True)
    return LoopFunction(
        "f",
        [loop, Return(0)],
        [(length, len(dtypes) + 1)],
        [*buffers, target],
        len(dtypes) + 2,
        len(dtypes) + 2,
    )
