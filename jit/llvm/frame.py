"""One emitted function and its names: variables, buffers, index expressions, scalar expressions.

A `Frame` writes everything that is not a statement. Immutable variables are LLVM values, mutable ones are stack
cells that LLVM promotes to values. The body of a parallel loop is a frame of its own whose parent is the frame
around it: what it does not know it captures from the parent through an environment in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydsl.errors import InternalCompilerError
from pydsl.ir.affine import Affine
from pydsl.jit.llvm.opcall import OpCall
from pydsl.jit.llvm.scalars import (
    DType,
    Value,
    is_complex,
    literal,
    llvm_type,
    memory_type,
    part_dtype,
    parts,
    single,
)
from pydsl.jit.llvm.table import emit_op
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.llvm.unit import Unit
from pydsl.loops.ir import Apply, Buffer, Const, Expr, For, Index, Load, Read, Space, Var

_CAPTURE_BYTES = 8


class Frame:
    """The names of one function.

    home: the parallel loop whose body this function is; None for the kernel itself.
    rt, slots: the runtime table and the ABI slots.
    leave: label of the block that frees what the function owns and returns.
    groups: access groups of the parallel-safe loops around the current point.
    targets: labels of the nearest loop for `Continue` and `Break`, innermost last.
    moving: the current address of a buffer whose place changes at run time, None for others.
    """

    def __init__(self, unit: Unit, text: FunctionText, rt: str, slots: str, home: For | None = None) -> None:
        self.unit = unit
        self.target = unit.target
        self.text = text
        self.rt = rt
        self.slots = slots
        self.home = home
        self.parent: Frame | None = None
        self.environment = ""
        self.captured: list[tuple[str, str]] = []
        self.capture_offset = 0
        self.leave = text.block("leave")
        self.groups: list[str] = []
        self.targets: list[tuple[str, str]] = []
        self.moving: Callable[[Buffer], str | None] = lambda _buffer: None
        self._values: dict[Var, Value] = {}
        self._cells: dict[Var, Value] = {}
        self._pointers: dict[Buffer, str] = {}
        self._indices: list[dict[Affine, str]] = [{}]

    # --- variables ------------------------------------------------------------------------------------------

    def bind(self, var: Var, value: Value) -> None:
        """Name an immutable variable's value."""
        self._values[var] = value

    def declare(self, var: Var, value: Value) -> None:
        """Make the cell of a mutable variable (its storage is per function, also when declared in a loop)."""
        t = llvm_type(var.dtype)
        if var not in self._cells:
            cells = [self.text.entry_op(f"alloca {t}") for _ in range(2 if is_complex(var.dtype) else 1)]
            self._cells[var] = (cells[0], cells[1]) if is_complex(var.dtype) else cells[0]
        self.assign(var, value)

    def assign(self, var: Var, value: Value) -> None:
        if var not in self._cells:
            raise InternalCompilerError(
                f"assignment to {var!r}, which this function does not own", stage="llvm"
            )
        t, cell = llvm_type(var.dtype), self._cells[var]
        if isinstance(cell, tuple):
            for address, part in zip(cell, parts(value), strict=True):
                self.text.do(f"store {t} {part}, ptr {address}")
        else:
            self.text.do(f"store {t} {single(value)}, ptr {cell}")

    def value(self, var: Var) -> Value:
        """The current value of a variable."""
        if var in self._values:
            return self._values[var]
        cell = self._cells.get(var)
        if cell is not None:
            t = llvm_type(var.dtype)
            if isinstance(cell, tuple):
                return self.text.op(f"load {t}, ptr {cell[0]}"), self.text.op(f"load {t}, ptr {cell[1]}")
            return self.text.op(f"load {t}, ptr {cell}")
        if self.parent is None:
            raise InternalCompilerError(f"{var!r} is used before its declaration", stage="llvm")
        outer, t = self.parent.value(var), llvm_type(var.dtype)
        if isinstance(outer, tuple):
            found: Value = self.capture(t, outer[0]), self.capture(t, outer[1])
        else:
            found = self.capture(t, outer)
        self._values[var] = found
        return found

    def capture(self, type_: str, outer: str) -> str:
        """A value of the parent, read from the environment on entry."""
        if not outer.startswith("%"):
            return outer
        offset = self.capture_offset + _CAPTURE_BYTES * len(self.captured)
        self.captured.append((type_, outer))
        address = self.text.entry_op(f"getelementptr inbounds i8, ptr {self.environment}, i64 {offset}")
        return self.text.entry_op(f"load {type_}, ptr {address}")

    # --- index expressions ----------------------------------------------------------------------------------

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A nested region: index expressions computed in it are forgotten after it."""
        self._indices.append({})
        try:
            yield
        finally:
            self._indices.pop()

    def index(self, expr: Affine) -> str:
        """The value of an index expression. Plain wrapping arithmetic: its inputs may be the user's."""
        if expr.is_const:
            return str(expr.const)
        variable = expr - expr.const if expr.const else expr
        total = self._terms(variable)
        return self.text.op(f"add i64 {total}, {expr.const}") if expr.const else total

    def _terms(self, expr: Affine) -> str:
        for known in reversed(self._indices):
            if expr in known:
                return known[expr]
        total = ""
        stable = True
        for symbol, coeff in expr.terms:
            assert isinstance(symbol, Var)
            stable = stable and symbol not in self.unit.mutable
            value = single(self.value(symbol))
            if coeff != 1:
                value = self.text.op(f"mul i64 {value}, {coeff}")
            total = self.text.op(f"add i64 {total}, {value}") if total else value
        if stable:
            self._indices[-1][expr] = total
        return total

    # --- memory ---------------------------------------------------------------------------------------------

    def place(self, buffer: Buffer, pointer: str) -> None:
        """Say where an immutable buffer begins."""
        self._pointers[buffer] = pointer

    def pointer(self, buffer: Buffer) -> str:
        """The address of byte 0 of a buffer."""
        known = self._pointers.get(buffer) or self.moving(buffer)
        if known is not None:
            return known
        if buffer.space is Space.CONST:
            return self.unit.constant(buffer)
        if buffer.space is Space.LOCAL and self.unit.home.get(buffer) is self.home:
            return self._local(buffer)
        if buffer.space in (Space.ARG, Space.GLOBAL) and self.parent is None:
            address = self.text.entry_op(f"getelementptr inbounds i64, ptr {self.slots}, i64 {buffer.slot}")
            pointer = self.text.entry_op(f"load ptr, ptr {address}")
            if buffer.slot_bias:
                pointer = self.text.entry_op(f"getelementptr i8, ptr {pointer}, i64 {-buffer.slot_bias}")
            self._pointers[buffer] = pointer
            return pointer
        if self.parent is None:
            raise InternalCompilerError(f"{buffer!r} is used before it exists", stage="llvm")
        self._pointers[buffer] = self.capture("ptr", self.parent.pointer(buffer))
        return self._pointers[buffer]

    def _local(self, buffer: Buffer) -> str:
        if buffer.nbytes is None or not buffer.nbytes.is_const:
            raise InternalCompilerError(f"{buffer!r} has no constant size", stage="llvm")
        size = max(1, buffer.nbytes.value)
        self._pointers[buffer] = self.text.entry_op(f"alloca [{size} x i8], align 64")
        return self._pointers[buffer]

    def address(self, buffer: Buffer, offset: Affine) -> str:
        """The address of a byte of a buffer that is about to be accessed."""
        base = self.pointer(buffer)
        if offset.is_const and offset.const == 0:
            return base
        return self.text.op(f"getelementptr inbounds i8, ptr {base}, i64 {self.index(offset)}")

    def access(self, buffer: Buffer) -> str:
        """The metadata of an access to a buffer at the current point."""
        text = self.unit.alias(buffer)
        if self.groups and buffer.space is not Space.LOCAL:
            text += f", !llvm.access.group {self.group()}"
        return text

    def group(self) -> str:
        """The access groups at the current point as one node."""
        return self.groups[0] if len(self.groups) == 1 else self.unit.module.node(", ".join(self.groups))

    def load(self, buffer: Buffer, offset: Affine, dtype: DType) -> Value:
        address, metadata = self.address(buffer, offset), self.access(buffer)
        t, align = memory_type(dtype), alignment(buffer, offset, part_dtype(dtype))
        value = self.text.op(f"load {t}, ptr {address}, align {align}{metadata}")
        if dtype.kind == "b":
            return self.text.op(f"icmp ne i8 {value}, 0")
        if dtype.kind != "c":
            return value
        second = self.text.op(f"getelementptr inbounds i8, ptr {address}, i64 {dtype.itemsize // 2}")
        return value, self.text.op(f"load {t}, ptr {second}, align {align}{metadata}")

    def store(self, buffer: Buffer, offset: Affine, value: Value, dtype: DType) -> None:
        address, metadata = self.address(buffer, offset), self.access(buffer)
        t, align = memory_type(dtype), alignment(buffer, offset, part_dtype(dtype))
        if dtype.kind == "c":
            real, imag = parts(value)
            self.text.do(f"store {t} {real}, ptr {address}, align {align}{metadata}")
            second = self.text.op(f"getelementptr inbounds i8, ptr {address}, i64 {dtype.itemsize // 2}")
            self.text.do(f"store {t} {imag}, ptr {second}, align {align}{metadata}")
            return
        number = single(value)
        if dtype.kind == "b":
            number = self.text.op(f"zext i1 {number} to i8")
        self.text.do(f"store {t} {number}, ptr {address}, align {align}{metadata}")

    # --- expressions ----------------------------------------------------------------------------------------

    def evaluate(self, expr: Expr) -> Value:
        """The value of an expression at the current point. Operands first, without recursion: fused expressions can be
        deeper than Python's stack; shared parts are written once."""
        memo: dict[int, Value] = {}
        stack = [expr]
        while stack:
            node = stack[-1]
            if id(node) in memo:
                stack.pop()
                continue
            if isinstance(node, Apply):
                missing = [arg for arg in node.args if id(arg) not in memo]
                if missing:
                    stack.extend(reversed(missing))
                    continue
                memo[id(node)] = self._apply(node, tuple([memo[id(arg)] for arg in node.args]))
            else:
                memo[id(node)] = self._leaf(node)
            stack.pop()
        return memo[id(expr)]

    def _leaf(self, expr: Expr) -> Value:
        match expr:
            case Const(value=value, dtype=dtype):
                return literal(value, dtype)
            case Read(var=var):
                return self.value(var)
            case Index(expr=index):
                return self.index(index)
            case Load(buffer=buffer, offset=offset, dtype=dtype):
                return self.load(buffer, offset, dtype)
        raise InternalCompilerError(f"unknown expression {expr!r}", stage="llvm")

    def _apply(self, expr: Apply, args: tuple[Value, ...]) -> Value:
        flags = f"{'reassoc ' if expr.reassoc else ''}{'contract ' if expr.contract else ''}"
        dtypes = tuple([arg.dtype for arg in expr.args])
        return emit_op(self.text, OpCall(expr.name, args, dtypes, expr.dtype, flags))


_OWN_ALIGNMENT = {Space.LOCAL: 64, Space.HEAP: 64, Space.CONST: 64}


def alignment(buffer: Buffer, offset: Affine, dtype: DType) -> int:
    """The known alignment of an access, at most the natural one of the element."""
    base = max(buffer.alignment, _OWN_ALIGNMENT.get(buffer.space, 1))
    bits = base | offset.const | dtype.itemsize
    for _, coeff in offset.terms:
        bits |= coeff
    return bits & -bits
