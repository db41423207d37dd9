"""The function of one kernel: what it uses of the host's values are its parameters.

Numbers and pointers of the host are captured in the order of their first use. Integers and bools are passed as i64,
floats in their own type, complex numbers in two parts.
"""

from __future__ import annotations

from pydsl.errors import InternalCompilerError
from pydsl.ir.affine import Affine
from pydsl.jit.llvm.frame import Frame, alignment
from pydsl.jit.llvm.scalars import DType, Value, llvm_type, memory_type, part_dtype
from pydsl.jit.llvm.storage import Storage
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.llvm.unit import Unit
from pydsl.loops.alias import roots
from pydsl.loops.ir import Buffer, Space, Var

_INTEGERS = {"i1", "i8", "i16", "i32"}
_ON_DEVICE = (Space.ARG, Space.GLOBAL, Space.HEAP, Space.RESULT, Space.ARENA, Space.POINTER, Space.SHARED)


class Captures:
    """The parameters of a kernel, shared by its forms: the variable (and part) or buffer that each stands for."""

    def __init__(self) -> None:
        self.keys: list[tuple[Var | Buffer, int]] = []
        self.types: list[str] = []

    def number(self, owner: Var | Buffer, part: int, type_: str) -> int:
        """The position of a parameter, new if it must be."""
        key = (owner, part)
        if key not in self.keys:
            self.keys.append(key)
            self.types.append(wide_type(type_))
        return self.keys.index(key)


def wide_type(type_: str) -> str:
    """The type in which a value is passed."""
    return "i64" if type_ in _INTEGERS else type_


class KernelFrame(Frame):
    """A frame whose outer values are parameters."""

    def __init__(self, unit: Unit, text: FunctionText, captures: Captures) -> None:
        super().__init__(unit, text, "null", "null")
        self.captures = captures
        self._outer: dict[Var, Value] = {}
        self._bases: dict[Buffer, str] = {}

    def parameter(self, number: int, type_: str) -> str:
        """The value of a parameter, at the beginning of the function."""
        name = f"%p{number}"
        wide = wide_type(type_)
        if wide == type_:
            return name
        return self.text.entry_op(f"trunc {wide} {name} to {type_}")

    def value(self, var: Var) -> Value:
        if var in self._values or var in self._cells:
            return super().value(var)
        if var not in self._outer:
            t = llvm_type(var.dtype)
            parts = [
                self.parameter(self.captures.number(var, part, t), t)
                for part in range(2 if var.dtype.kind == "c" else 1)
            ]
            self._outer[var] = (parts[0], parts[1]) if len(parts) == 2 else parts[0]
        return self._outer[var]

    def pointer(self, buffer: Buffer) -> str:
        if buffer.space is Space.CONST:
            return self.unit.constant(buffer)
        if buffer in self._bases:
            return self._bases[buffer]
        if buffer.space is Space.LOCAL:
            self._bases[buffer] = self._local(buffer)
        elif buffer.space is Space.SHARED:
            self._bases[buffer] = self.shared(buffer)
        else:
            self._bases[buffer] = self.parameter(self.captures.number(buffer, 0, "ptr"), "ptr")
        return self._bases[buffer]

    def shared(self, buffer: Buffer) -> str:
        """The address of a buffer of the block."""
        raise InternalCompilerError(f"{buffer!r} has no place", stage="cuda")

    def alignment(self, buffer: Buffer, offset: Affine, dtype: DType) -> int:
        return device_alignment(buffer, offset, dtype)

    def load(self, buffer: Buffer, offset: Affine, dtype: DType) -> Value:
        address, metadata = self.checked(buffer, offset, dtype, write=False), self.access(buffer)
        t, align = memory_type(dtype), self.alignment(buffer, offset, part_dtype(dtype))
        value = self.text.op(f"load {t}, ptr {address}, align {align}{metadata}")
        if dtype.kind == "b":
            return self.text.op(f"icmp ne i8 {value}, 0")
        if dtype.kind != "c":
            return value
        second = self.text.op(f"getelementptr inbounds i8, ptr {address}, i64 {dtype.itemsize // 2}")
        return value, self.text.op(f"load {t}, ptr {second}, align {align}{metadata}")

    def store(self, buffer: Buffer, offset: Affine, value: Value, dtype: DType) -> None:
        address, metadata = self.checked(buffer, offset, dtype, write=True), self.access(buffer)
        t, align = memory_type(dtype), self.alignment(buffer, offset, part_dtype(dtype))
        parts = value if isinstance(value, tuple) else (value,)
        for position, part in enumerate(parts):
            number = self.text.op(f"zext i1 {part} to i8") if dtype.kind == "b" else part
            place = address
            if position:
                half = dtype.itemsize // 2
                place = self.text.op(f"getelementptr inbounds i8, ptr {address}, i64 {half}")
            self.text.do(f"store {t} {number}, ptr {place}, align {align}{metadata}")

    def checked(self, buffer: Buffer, offset: Affine, dtype: DType, *, write: bool) -> str:
        """The address of an access."""
        return self.address(buffer, offset)


def device_alignment(buffer: Buffer, offset: Affine, dtype: DType) -> int:
    """The known alignment of an access: arrays on the device are aligned to their elements unless they say so."""
    own = 256 if buffer.space in (Space.ARENA, Space.HEAP, Space.RESULT) or buffer.fresh else 1
    if buffer.space in (Space.ARENA, Space.SHARED):
        own = 64 if buffer.space is Space.ARENA else 16
    if buffer.space in (Space.ARG, Space.GLOBAL, Space.POINTER) and not buffer.fresh:
        own = 1 if any(b.unaligned for b in (buffer, *roots(buffer))) else part_dtype(buffer.dtype).itemsize
    bits = max(own, alignment(buffer, Affine.of(0), dtype)) | offset.const | dtype.itemsize
    for _, coeff in offset.terms:
        bits |= coeff
    return bits & -bits


class KernelStorage(Storage):
    """A kernel owns no memory and has one way to end."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.status = "null"


class DeviceFrame(KernelFrame):
    """The form of a kernel for the device."""

    def shared(self, buffer: Buffer) -> str:
        assert buffer.nbytes is not None
        name = f"pydsl.shared.{buffer.id}"
        size = max(1, buffer.nbytes.value)
        symbol = self.unit.module.constant(
            name, f"internal addrspace(3) global [{size} x i8] undef, align 16"
        )
        return f"addrspacecast (ptr addrspace(3) {symbol} to ptr)"


class SimFrame(KernelFrame):
    """The form of a kernel for the simulator: every access of device memory is checked.

    block, who: number of the running block; and with that of the thread, as the check takes it.
    phase: address of the number of barriers that the block has passed.
    """

    state = "%state"
    who = ""
    block = ""
    phase = ""

    def __init__(self, unit: Unit, text: FunctionText, captures: Captures, check: str) -> None:
        super().__init__(unit, text, captures)
        self.check = check
        self.sites: list[str] = []
        self.shared_bytes = 0

    def parameter(self, number: int, type_: str) -> str:
        place = self.text.entry_op(f"getelementptr inbounds ptr, ptr %params, i64 {number}")
        address = self.text.entry_op(f"load ptr, ptr {place}")
        wide = wide_type(type_)
        value = self.text.entry_op(f"load {wide}, ptr {address}")
        return value if wide == type_ else self.text.entry_op(f"trunc {wide} {value} to {type_}")

    def shared(self, buffer: Buffer) -> str:
        from_state = self.text.entry_op("getelementptr inbounds i64, ptr %state, i64 3")
        base = self.text.entry_op(f"load ptr, ptr {from_state}")
        place = self.shared_bytes
        assert buffer.nbytes is not None
        self.shared_bytes += -(-buffer.nbytes.value // 16) * 16
        return self.text.entry_op(f"getelementptr inbounds i8, ptr {base}, i64 {place}")

    def alignment(self, buffer: Buffer, offset: Affine, dtype: DType) -> int:
        return 1

    def checked(self, buffer: Buffer, offset: Affine, dtype: DType, *, write: bool) -> str:
        address = self.address(buffer, offset)
        if buffer.space not in _ON_DEVICE:
            return address
        site = len(self.sites)
        self.sites.append(f"the {'store to' if write else 'load of'} {buffer.name}")
        phase = self.text.op(f"load i64, ptr {self.phase}")
        arguments = (
            f"ptr {self.state}, ptr {address}, i64 {dtype.itemsize}, i64 {int(write)}, i64 {site}, "
            f"i64 {self.who}, i64 {phase}"
        )
        return self.text.op(f"call ptr {self.check}({arguments})")
