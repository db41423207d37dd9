"""Memory of the device that host code owns: one arena for a call, and counted blocks of dynamic size.

A counted block is a small block of the host (as on the CPU, with its count) whose only word is the address on the
device. Device memory goes back to the driver in stream order when the count reaches zero.
"""

from __future__ import annotations

from pydsl.jit.cuda.driver_calls import Driver
from pydsl.jit.cuda.program import PLACE_ALLOCATE, PLACE_COPY
from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.runtime import HEADER
from pydsl.jit.llvm.storage import Storage
from pydsl.jit.runtime.table import index
from pydsl.loops.ir import Alloc, Buffer, Copy, Release, SetPointer, Space

_WORD = 8


def _release_text() -> str:
    return f"""define internal void @pydsl.cuda.release(ptr %rt, ptr %stream, ptr %data) nounwind noinline {{
entry:
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %count
count:
  %block = getelementptr inbounds i8, ptr %data, i64 {-HEADER}
  %had = load i64, ptr %block
  %last = icmp eq i64 %had, 1
  br i1 %last, label %device, label %drop
device:
  %memory = load i64, ptr %data
  %empty = icmp eq i64 %memory, 0
  br i1 %empty, label %drop, label %free
free:
  %fp = getelementptr inbounds ptr, ptr %rt, i64 {index("cuMemFreeAsync")}
  %f = load ptr, ptr %fp
  %status = call i32 %f(i64 %memory, ptr %stream)
  br label %drop
drop:
  call void @pydsl.release(ptr %rt, ptr %data)
  br label %done
done:
  ret void
}}"""


class DeviceStorage(Storage):
    """`Storage` whose blocks lie on the device."""

    context_slot = -1

    def __init__(self, frame: Frame, status: str) -> None:
        super().__init__(frame, status)
        self.driver = Driver(self, self.context_slot)

    def base(self, buffer: Buffer) -> str | None:
        if buffer.space is Space.HEAP and buffer in self._owners:
            block = self.frame.text.op(f"load ptr, ptr {self._owners[buffer]}")
            return self.frame.text.op(f"load ptr, ptr {block}")
        return super().base(buffer)

    # --- statements -----------------------------------------------------------------------------------------

    def alloc(self, stmt: Alloc) -> None:
        text, cell = self.frame.text, self._cell(stmt.buffer)
        self._give_up(cell)
        block = runtime.allocate(text, self.frame.rt, str(_WORD))
        text.do(f"store ptr {block}, ptr {cell}")
        self._stop_if_null(block, report=True)
        text.do(f"store i64 0, ptr {block}")
        self._allocate(block, self.frame.index(stmt.nbytes))

    def _allocate(self, place: str, nbytes: str) -> None:
        """Device memory of at least one byte, whose address goes to a place on the host."""
        size = self.frame.text.intrinsic("smax", "i64", nbytes, "1")
        self.driver.checked(
            "cuMemAllocAsync", [f"ptr {place}", f"i64 {size}", f"ptr {self.driver.stream}"], PLACE_ALLOCATE
        )

    def set_pointer(self, stmt: SetPointer) -> None:
        text, cell = self.frame.text, self._cell(stmt.pointer)
        base, owner = self.frame.pointer(stmt.target), self.owner(stmt.target)
        if owner != "null":
            runtime.retain(text, owner)
        self._give_up(cell)
        text.do(f"store ptr {owner}, ptr {cell}")
        text.do(f"store ptr {base}, ptr {self._bases[stmt.pointer]}")

    def release(self, stmt: Release) -> None:
        cell = self._cell(stmt.buffer)
        self._give_up(cell)
        self.frame.text.do(f"store ptr null, ptr {cell}")

    def _give_up(self, cell: str) -> None:
        text = self.frame.text
        text.module.helper("pydsl.release", runtime.release_text)
        function = text.module.helper("pydsl.cuda.release", _release_text)
        block = text.op(f"load ptr, ptr {cell}")
        text.do(f"call void {function}(ptr {self.frame.rt}, ptr {self.driver.stream}, ptr {block})")

    def copy(self, stmt: Copy) -> None:
        frame = self.frame
        target, source = (
            frame.text.op(f"ptrtoint ptr {frame.address(buffer, offset)} to i64")
            for buffer, offset in ((stmt.dst, stmt.dst_offset), (stmt.src, stmt.src_offset))
        )
        size = f"i64 {frame.index(stmt.nbytes)}"
        arguments = [f"i64 {target}", f"i64 {source}", size, f"ptr {self.driver.stream}"]
        self.driver.checked("cuMemcpyDtoDAsync_v2", arguments, PLACE_COPY)

    # --- arena and leaving ----------------------------------------------------------------------------------

    def open_arena(self, nbytes: int) -> None:
        frame, text = self.frame, self.frame.text
        cell = text.entry_op("alloca i64")
        text.entry_do(f"store i64 0, ptr {cell}")
        self._arena = cell
        self._allocate(cell, str(nbytes))
        base = text.op(f"inttoptr i64 {text.op(f'load i64, ptr {cell}')} to ptr")
        for buffer in frame.unit.function.buffers:
            if buffer.space is Space.ARENA:
                frame.place(
                    buffer, text.op(f"getelementptr inbounds i8, ptr {base}, i64 {buffer.arena_offset}")
                )

    def free_all(self) -> None:
        text = self.frame.text
        if self._arena:
            memory = text.op(f"load i64, ptr {self._arena}")
            free, freed = text.block("free"), text.block("freed")
            text.branch(text.op(f"icmp ne i64 {memory}, 0"), free, freed)
            text.start(free)
            self.driver.call("cuMemFreeAsync", [f"i64 {memory}", f"ptr {self.driver.stream}"])
            text.start(freed)
        for cell in self._owners.values():
            self._give_up(cell)
