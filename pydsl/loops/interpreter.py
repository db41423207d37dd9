"""The reference interpreter of the loop IR: plain Python on NumPy byte arrays, every access checked.

    outcome = interpret(function, slots, {0: region_of(x), 1: region_of(y)})

It says what loop IR means, and finds what a backend would do silently: reads and writes out of bounds or after a
release, variables used before their declaration, and (with ``backwards=True``, which runs the loops that are
marked independent from their end) loops that are not as independent as they claim. Scalar operations are NumPy's
own.
"""

from __future__ import annotations

import ctypes
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pydsl.errors import InternalCompilerError
from pydsl.ir.affine import Affine
from pydsl.ir.calls import perform
from pydsl.ir.ops.elementwise import UFUNCS
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Break,
    Buffer,
    CallPython,
    Const,
    Continue,
    Contract,
    Copy,
    Declare,
    DType,
    Expr,
    Fail,
    Fetch,
    For,
    Gemm,
    If,
    Index,
    Let,
    Load,
    LoopFunction,
    LoopKind,
    Operand,
    Read,
    Release,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
    cell_bytes,
)

Bytes: TypeAlias = "NDArray[np.uint8]"

_FRESH = 0xA5
"""What new memory is filled with."""


@dataclass(eq=False)
class Region:
    """A piece of memory: its bytes, and the position of the byte that offset 0 means (not the first one for an array
    with negative strides). ``live`` ends with the release of a block."""

    data: Bytes
    origin: int = 0
    live: bool = True
    references: int = 1


@dataclass
class Outcome:
    """How a run ended: ``status`` as a kernel returns it, and the memory of the results it allocated, by index."""

    status: int
    results: dict[int, Region] = field(default_factory=dict)

    @property
    def site(self) -> int | None:
        return self.status if self.status >= 0 else None

    @property
    def error(self) -> int | None:
        return -1 - self.status if self.status < 0 else None


def region_of(array: NDArray[Any]) -> Region:
    """The memory of an array, shared: what is stored there is stored in the array."""
    first = int(array.__array_interface__["data"][0])
    if array.size == 0:
        return Region(np.empty(0, np.uint8))
    spans = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    low = first + sum(span for span in spans if span < 0)
    high = first + sum(span for span in spans if span > 0) + array.itemsize
    content = np.frombuffer((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8)
    return Region(content, first - low)


def interpret(
    function: LoopFunction,
    slots: NDArray[np.int64],
    memory: Mapping[int, Region] | None = None,
    *,
    backwards: bool = False,
) -> Outcome:
    """Run a loop function.

    Parameters
    ----------
    slots: the ABI slots; scalars are read from them, scalar results and error payloads written to them.
    memory: data slot number to the memory that its pointer stands for.
    backwards: run loops whose iterations are independent in reverse order.

    Raises
    ------
    InternalCompilerError: the function is wrong: an access out of bounds, an undeclared variable.
    """
    machine = _Machine(function, slots, memory or {}, backwards)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return machine.run()


class _Break(Exception):  # noqa: N818
    pass


class _Continue(Exception):  # noqa: N818
    pass


class _Leave(Exception):  # noqa: N818
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Machine:
    """The state of a run: values of variables, places of buffers."""

    def __init__(
        self, function: LoopFunction, slots: NDArray[np.int64], memory: Mapping[int, Region], backwards: bool
    ) -> None:
        self.function = function
        self.slots = slots
        self.backwards = backwards
        self.values: dict[Var, Any] = {}
        self.places: dict[Buffer, Region] = {}
        self.outcome = Outcome(0)
        arena = _fresh(function.arena)
        for buffer in function.buffers:
            place = self._initial_place(buffer, memory, arena)
            if place is not None:
                self.places[buffer] = place
        for var, slot in function.scalars:
            self.values[var] = self._read_slot(slot, var.dtype)

    def _initial_place(self, buffer: Buffer, memory: Mapping[int, Region], arena: Region) -> Region | None:
        match buffer.space:
            case Space.ARG | Space.GLOBAL:
                if buffer.slot is not None and buffer.slot in memory:
                    region = memory[buffer.slot]
                    return Region(region.data, region.origin - buffer.slot_bias)
                return region_of(buffer.data) if isinstance(buffer.data, np.ndarray) else None
            case Space.CONST:
                return Region(np.frombuffer(np.asarray(buffer.data).tobytes(order="A"), np.uint8))
            case Space.LOCAL | Space.SHARED:
                return _fresh(0 if buffer.nbytes is None else buffer.nbytes.value)
            case Space.ARENA:
                return Region(arena.data, buffer.arena_offset or 0)
            case _:
                return None

    def _read_slot(self, slot: int, dtype: DType) -> Any:
        words = self.slots[slot : slot + 2]
        if dtype.kind == "c":
            real, imag = words.view(np.float64)
            return np.asarray(complex(real, imag)).astype(dtype)[()]
        if dtype.kind == "f":
            return words.view(np.float64)[0].astype(dtype)
        return words[0].astype(dtype)

    def _write_slot(self, slot: int, value: Any, dtype: DType) -> None:
        if dtype.kind == "c":
            pair = np.asarray([value.real, value.imag], np.float64)
            self.slots[slot : slot + 2] = pair.view(np.int64)
        elif dtype.kind == "f":
            self.slots[slot : slot + 1] = np.asarray([value], np.float64).view(np.int64)
        else:
            self.slots[slot] = np.asarray(value).astype(np.int64)

    def run(self) -> Outcome:
        try:
            self.body(self.function.body)
        except _Leave as leave:
            self.outcome.status = leave.status
        return self.outcome

    # --- expressions ----------------------------------------------------------------------------------------

    def index(self, expr: Affine) -> int:
        """An index expression, wrapped to 64 bits as compiled code does."""
        total = expr.const
        for symbol, coeff in expr.terms:
            assert isinstance(symbol, Var)
            total += int(self.value(symbol)) * coeff
        return (total + 2**63) % 2**64 - 2**63

    def value(self, var: Var) -> Any:
        try:
            return self.values[var]
        except KeyError:
            raise _wrong(f"{var!r} is used before its declaration") from None

    def evaluate(self, expr: Expr) -> Any:
        """The value of an expression, a NumPy scalar of its dtype."""
        return self._expr(expr, {})

    def _expr(self, expr: Expr, memo: dict[int, Any]) -> Any:
        match expr:
            case Const(value=value, dtype=dtype):
                return np.asarray(value).astype(dtype)[()]
            case Read(var=var):
                return self.value(var)
            case Index(expr=index):
                return np.int64(self.index(index))
            case Load(buffer=buffer, offset=offset, dtype=dtype):
                return self.bytes_at(buffer, self.index(offset), dtype.itemsize).view(dtype)[0]
            case Apply(args=args):
                if id(expr) not in memo:
                    memo[id(expr)] = apply(expr.name, [self._expr(arg, memo) for arg in args], expr.dtype)
                return memo[id(expr)]
        raise _wrong(f"unknown expression {expr!r}")

    def bytes_at(self, buffer: Buffer, offset: int, size: int, *, write: bool = False) -> Bytes:
        """A view of some bytes of a buffer."""
        place = self.places.get(buffer)
        if place is None:
            raise _wrong(f"{buffer!r} is used before it has memory")
        if not place.live:
            raise _wrong(f"{buffer!r} is used after its release")
        if write and (buffer.readonly or buffer.space is Space.CONST):
            raise _wrong(f"store to {buffer!r}, which is read only")
        first = place.origin + offset
        known = buffer.nbytes is not None and buffer.space is not Space.ARG
        limit = (
            place.origin + self.index(buffer.nbytes)
            if known and buffer.nbytes is not None
            else place.data.size
        )
        if first < 0 or first + size > min(limit, place.data.size):
            raise _wrong(
                f"{size} bytes at {offset} are outside of {buffer!r} ({place.data.size} bytes from {-place.origin})"
            )
        return place.data[first : first + size]

    # --- statements -----------------------------------------------------------------------------------------

    def body(self, body: Sequence[Stmt]) -> None:
        for stmt in body:
            _STATEMENTS[type(stmt)](self, stmt)

    def loop(self, loop: For) -> None:
        start, stop = self.index(loop.start), self.index(loop.stop)
        free = loop.independent or loop.kind in (LoopKind.PARALLEL, LoopKind.BLOCK, LoopKind.THREAD)
        counters = range(start, stop)
        for counter in reversed(counters) if free and self.backwards else counters:
            self.values[loop.var] = np.int64(counter)
            try:
                self.body(loop.body)
            except _Continue:
                continue
            except _Break:
                break

    def while_(self, loop: While) -> None:
        while True:
            try:
                self.body(loop.header)
                if not self.evaluate(loop.condition):
                    return
                self.body(loop.body)
            except _Continue:
                continue
            except _Break:
                return

    def branch(self, stmt: If) -> None:
        self.body(stmt.then if self.evaluate(stmt.condition) else stmt.orelse)

    def define(self, stmt: Let | Declare) -> None:
        self.values[stmt.var] = self._typed(stmt.value, stmt.var.dtype)

    def assign(self, stmt: Assign) -> None:
        self.value(stmt.var)
        self.values[stmt.var] = self._typed(stmt.value, stmt.var.dtype)

    def _typed(self, expr: Expr, dtype: DType) -> Any:
        if expr.dtype != dtype:
            raise _wrong(f"a value of dtype {expr.dtype} where {dtype} is wanted")
        return self.evaluate(expr)

    def store(self, stmt: Store) -> None:
        dtype = stmt.value.dtype
        value = self.evaluate(stmt.value)
        self.bytes_at(stmt.buffer, self.index(stmt.offset), dtype.itemsize, write=True).view(dtype)[0] = value

    def fetch(self, stmt: Fetch) -> None:
        offset = self.index(stmt.offset)
        for var in stmt.vars:
            self.values[var] = self.bytes_at(stmt.buffer, offset, var.dtype.itemsize).view(var.dtype)[0]
            offset += cell_bytes(var.dtype)

    def store_slot(self, stmt: StoreSlot) -> None:
        self._write_slot(stmt.slot, self.evaluate(stmt.value), stmt.value.dtype)

    def fail(self, stmt: Fail) -> None:
        for position, expr in enumerate(stmt.payload):
            self._write_slot(self.function.payload_slot + position, self.evaluate(expr), expr.dtype)
        raise _Leave(-1 - stmt.error)

    def alloc(self, stmt: Alloc) -> None:
        self.places[stmt.buffer] = _fresh(self.index(stmt.nbytes))

    def alloc_result(self, stmt: AllocResult) -> None:
        if stmt.index in self.outcome.results:
            raise _wrong(f"result {stmt.index} is allocated twice")
        self.places[stmt.buffer] = self.outcome.results[stmt.index] = _fresh(self.index(stmt.nbytes))

    def set_pointer(self, stmt: SetPointer) -> None:
        target = self.places.get(stmt.target)
        if target is None or not target.live:
            raise _wrong(f"{stmt.pointer!r} is pointed at {stmt.target!r}, which has no memory")
        target.references += 1
        self._drop(stmt.pointer)
        self.places[stmt.pointer] = target

    def release(self, stmt: Release) -> None:
        self._drop(stmt.buffer)

    def _drop(self, buffer: Buffer) -> None:
        place = self.places.pop(buffer, None)
        if place is not None:
            place.references -= 1
            place.live = place.references > 0

    def copy(self, stmt: Copy) -> None:
        size = self.index(stmt.nbytes)
        if size > 0:
            source = self.bytes_at(stmt.src, self.index(stmt.src_offset), size).copy()
            self.bytes_at(stmt.dst, self.index(stmt.dst_offset), size, write=True)[:] = source

    def gemm(self, stmt: Gemm) -> None:
        m, n, k = (self.index(size) for size in (stmt.m, stmt.n, stmt.k))
        a = self._matrix(stmt.a, stmt.a_offset, (k, m) if stmt.trans_a else (m, k), stmt.lda, stmt.dtype)
        b = self._matrix(stmt.b, stmt.b_offset, (n, k) if stmt.trans_b else (k, n), stmt.ldb, stmt.dtype)
        c = self._matrix(stmt.c, stmt.c_offset, (m, n), stmt.ldc, stmt.dtype, write=True)
        if c.size:
            product = (a.T if stmt.trans_a else a) @ (b.T if stmt.trans_b else b)
            c[...] = product + (stmt.dtype.type(stmt.beta) * c if stmt.beta else 0)

    def call(self, stmt: CallPython) -> None:
        perform(self.function.calls[stmt.site], [self._array(operand) for operand in stmt.operands])

    def _array(self, operand: Operand) -> NDArray[Any]:
        shape, strides = (tuple(map(self.index, part)) for part in (operand.shape, operand.strides))
        if 0 in shape:
            return np.empty(shape, operand.dtype)
        spans = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
        low = sum(span for span in spans if span < 0)
        size = sum(map(abs, spans)) + operand.dtype.itemsize
        content = self.bytes_at(operand.buffer, self.index(operand.offset) + low, size)
        return np.ndarray(shape, operand.dtype, content.data, -low, strides)

    def _matrix(
        self,
        buffer: Buffer,
        offset: Affine,
        shape: tuple[int, int],
        lead: Affine,
        dtype: DType,
        *,
        write: bool = False,
    ) -> NDArray[Any]:
        rows, columns = shape
        if not rows or not columns:
            return np.empty(shape, dtype)
        stride = self.index(lead) * dtype.itemsize
        span = (rows - 1) * stride + columns * dtype.itemsize
        flat = self.bytes_at(buffer, self.index(offset), span, write=write)
        return np.ndarray(shape, dtype, flat.data, strides=(stride, dtype.itemsize))

    def contract(self, stmt: Contract) -> None:
        a0, b0 = self.index(stmt.a_offset), self.index(stmt.b_offset)
        dims = [*stmt.m, stmt.n]
        for position in itertools.product(*(range(extent) for _, extent, _ in dims)):
            a = a0 + sum(i * stride for i, (_, _, stride) in zip(position, stmt.m, strict=False))
            b = b0 + position[-1] * stmt.n[2]
            total = stmt.dtype.type(0)
            for inner in itertools.product(*(range(extent) for extent, _, _ in stmt.k)):
                at = a + sum(i * dim[1] for i, dim in zip(inner, stmt.k, strict=True))
                bt = b + sum(i * dim[2] for i, dim in zip(inner, stmt.k, strict=True))
                x = self.bytes_at(stmt.a, at, stmt.dtype.itemsize).view(stmt.dtype)[0]
                y = self.bytes_at(stmt.b, bt, stmt.dtype.itemsize).view(stmt.dtype)[0]
                total = total + x * y
            for i, (var, _, _) in zip(position, dims, strict=True):
                self.values[var] = np.int64(i)
            self.values[stmt.acc] = total
            self.body(stmt.epilogue)

    def leave(self, stmt: Return) -> None:
        raise _Leave(stmt.site)

    def break_(self, _stmt: Break) -> None:
        raise _Break

    def continue_(self, _stmt: Continue) -> None:
        raise _Continue


_STATEMENTS: dict[type[Stmt], Callable[[_Machine, Any], None]] = {
    For: _Machine.loop,
    While: _Machine.while_,
    If: _Machine.branch,
    Let: _Machine.define,
    Declare: _Machine.define,
    Assign: _Machine.assign,
    Store: _Machine.store,
    StoreSlot: _Machine.store_slot,
    Fetch: _Machine.fetch,
    Break: _Machine.break_,
    Continue: _Machine.continue_,
    Alloc: _Machine.alloc,
    AllocResult: _Machine.alloc_result,
    SetPointer: _Machine.set_pointer,
    Release: _Machine.release,
    Copy: _Machine.copy,
    Gemm: _Machine.gemm,
    CallPython: _Machine.call,
    Contract: _Machine.contract,
    Return: _Machine.leave,
    Fail: _Machine.fail,
}


def apply(name: str, args: Sequence[Any], dtype: DType) -> Any:
    """One scalar operation on NumPy scalars, as NumPy computes it."""
    if name == "select":
        return args[1] if args[0] else args[2]
    if name in ("cast", "copy"):
        return np.asarray(args[0]).astype(dtype)[()]
    record = UFUNCS.get(name)
    if record is None or record.ufunc is None:
        raise _wrong(f"{name} is not a scalar operation")
    return np.asarray(record.ufunc(*args)).astype(dtype)[()]


def _fresh(nbytes: int) -> Region:
    return Region(np.full(nbytes, _FRESH, np.uint8))


def _wrong(message: str) -> InternalCompilerError:
    return InternalCompilerError(message, stage="loop interpreter")
