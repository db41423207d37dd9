"""Statements about memory: blocks, results, pointers, the arena; and what is freed when a function is left.

Each function owns the counted buffers (HEAP, POINTER) whose home it is. An owner cell holds the data address of
the block that is held, null when there is none, so that leaving at any point frees exactly what is live.
"""

from __future__ import annotations

from pydsl.errors import InternalCompilerError
from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.runtime.abi import RETURN_EXCEPTION_SET
from pydsl.loops.ir import Alloc, AllocResult, Buffer, Copy, Release, SetPointer, Space

COLD = ', !prof !{!"branch_weights", i32 1, i32 1048575}'


class Storage:
    """The memory that one function owns, and how it is left early.

    status: the cell of the return status.
    """

    def __init__(self, frame: Frame, status: str) -> None:
        self.frame = frame
        self.status = status
        self._arena = ""
        self._owners: dict[Buffer, str] = {}
        self._bases: dict[Buffer, str] = {}
        text = frame.text
        for buffer in frame.unit.counted:
            if frame.unit.home[buffer] is frame.home:
                self._owners[buffer] = text.entry_op("alloca ptr")
                text.entry_do(f"store ptr null, ptr {self._owners[buffer]}")
                if buffer.space is Space.POINTER:
                    self._bases[buffer] = text.entry_op("alloca ptr")
        for buffer in frame.unit.function.buffers:
            if buffer.space is Space.RESULT and frame.home is None:
                self._bases[buffer] = text.entry_op("alloca ptr")
        frame.moving = self.base

    # --- addresses ------------------------------------------------------------------------------------------

    def base(self, buffer: Buffer) -> str | None:
        """The address of a buffer whose place changes while the function runs; None where it does not."""
        cell = self._bases.get(buffer) or self._owners.get(buffer)
        return None if cell is None else self.frame.text.op(f"load ptr, ptr {cell}")

    def owner(self, buffer: Buffer) -> str:
        """The data address of the counted block that holds a buffer; null if it is not counted."""
        cell = self._owners.get(buffer)
        return "null" if cell is None else self.frame.text.op(f"load ptr, ptr {cell}")

    def _cell(self, buffer: Buffer) -> str:
        cell = self._owners.get(buffer)
        if cell is None:
            raise InternalCompilerError(f"{buffer!r} belongs to another function", stage="llvm")
        return cell

    # --- statements -----------------------------------------------------------------------------------------

    def alloc(self, stmt: Alloc) -> None:
        text, cell = self.frame.text, self._cell(stmt.buffer)
        runtime.release(text, self.frame.rt, text.op(f"load ptr, ptr {cell}"))
        data = runtime.allocate(text, self.frame.rt, self.frame.index(stmt.nbytes))
        text.do(f"store ptr {data}, ptr {cell}")
        self._stop_if_null(data, report=True)

    def temporary(self, nbytes: str) -> str:
        """A block that the caller releases; nothing may leave the function before."""
        data = runtime.allocate(self.frame.text, self.frame.rt, nbytes)
        self._stop_if_null(data, report=True)
        return data

    def alloc_result(self, stmt: AllocResult) -> None:
        frame = self.frame
        text = frame.text
        function = runtime.table_entry(text, frame.rt, "alloc")
        arguments = f"ptr {frame.rt}, ptr {frame.slots}, i64 {stmt.index}, i64 {frame.index(stmt.nbytes)}"
        data = text.op(f"call ptr {function}({arguments})")
        text.do(f"store ptr {data}, ptr {self._bases[stmt.buffer]}")
        self._stop_if_null(data, report=False)

    def set_pointer(self, stmt: SetPointer) -> None:
        text, cell = self.frame.text, self._cell(stmt.pointer)
        base, owner = self.frame.pointer(stmt.target), self.owner(stmt.target)
        if owner != "null":
            runtime.retain(text, owner)
        runtime.release(text, self.frame.rt, text.op(f"load ptr, ptr {cell}"))
        text.do(f"store ptr {owner}, ptr {cell}")
        text.do(f"store ptr {base}, ptr {self._bases[stmt.pointer]}")

    def release(self, stmt: Release) -> None:
        text, cell = self.frame.text, self._cell(stmt.buffer)
        runtime.release(text, self.frame.rt, text.op(f"load ptr, ptr {cell}"))
        text.do(f"store ptr null, ptr {cell}")

    def copy(self, stmt: Copy) -> None:
        frame = self.frame
        target = frame.address(stmt.dst, stmt.dst_offset)
        source = frame.address(stmt.src, stmt.src_offset)
        runtime.copy(frame.unit.module, frame.text, target, source, frame.index(stmt.nbytes))

    # --- arena ----------------------------------------------------------------------------------------------

    def open_arena(self, nbytes: int) -> None:
        """Allocate the arena and say where the buffers in it begin."""
        frame = self.frame
        text = frame.text
        cell = text.entry_op("alloca ptr")
        text.entry_do(f"store ptr null, ptr {cell}")
        self._arena = cell
        data = runtime.take_arena(text, frame.rt, str(nbytes))
        text.do(f"store ptr {data}, ptr {cell}")
        self._stop_if_null(data, report=True)
        for buffer in frame.unit.function.buffers:
            if buffer.space is Space.ARENA:
                frame.place(
                    buffer, text.op(f"getelementptr inbounds i8, ptr {data}, i64 {buffer.arena_offset}")
                )

    # --- leaving --------------------------------------------------------------------------------------------

    def stop(self, status: str) -> None:
        """Leave the function with a status."""
        self.frame.text.do(f"store i64 {status}, ptr {self.status}")
        self.frame.text.jump(self.frame.leave)

    def stop_if(self, failed: str) -> None:
        """Leave the function if a Python exception has been set."""
        text = self.frame.text
        raised, fine = text.block("raised"), text.block("fine")
        text.branch(failed, raised, fine, COLD)
        text.start(raised)
        self.stop(str(RETURN_EXCEPTION_SET))
        text.start(fine)

    def _stop_if_null(self, data: str, *, report: bool) -> None:
        text = self.frame.text
        failed, fine = text.block("failed"), text.block("fine")
        text.branch(text.op(f"icmp eq ptr {data}, null"), failed, fine, COLD)
        text.start(failed)
        if report:
            runtime.no_memory(text, self.frame.rt, self.frame.slots)
        self.stop(str(RETURN_EXCEPTION_SET))
        text.start(fine)

    def free_all(self) -> None:
        """Release every block that is held, and the arena."""
        text = self.frame.text
        if self._arena:
            runtime.give_arena(text, self.frame.rt, text.op(f"load ptr, ptr {self._arena}"))
        for cell in self._owners.values():
            runtime.release(text, self.frame.rt, text.op(f"load ptr, ptr {cell}"))
