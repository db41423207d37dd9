"""Kernels of the loop IR as functions: for the device with block and thread numbers from registers and barriers between
thread loops; for the simulator as plain loops. Both from the same statements, with the same parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydsl.errors import InternalCompilerError
from pydsl.jit.cuda.checks import CHECK, check_text
from pydsl.jit.cuda.kernel_frame import Captures, DeviceFrame, KernelFrame, KernelStorage, SimFrame
from pydsl.jit.llvm.loops import counted_loop
from pydsl.jit.llvm.statements import Writer
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.llvm.unit import Unit
from pydsl.loops.ir import INT64, Buffer, Const, For, Let, LoopKind, Space, Stmt, Var
from pydsl.loops.walk import buffers, walk


@dataclass(frozen=True)
class KernelText:
    """What the emission of one kernel tells: its parameters, the accesses by number, bytes of shared memory."""

    captures: Captures
    sites: tuple[str, ...]
    shared: int


def emit_kernel_forms(device: Unit, sim: Unit, name: str, loop: For, threads: int) -> KernelText:
    """Write a kernel into both modules."""
    captures = Captures()
    _device(device, captures, name, loop, threads)
    found = _sim(sim, captures, name, loop)
    shared = {b for s in walk([loop]) for b in buffers(s) if b.space is Space.SHARED}
    return KernelText(captures, tuple(found.sites), sum(map(_shared_bytes, shared)))


def _shared_bytes(buffer: Buffer) -> int:
    assert buffer.nbytes is not None
    return -(-buffer.nbytes.value // 16) * 16


class KernelWriter(Writer):
    """Writes a kernel's statements; thread loops in its own way."""

    def __init__(self, frame: KernelFrame, threads: Callable[[KernelWriter, For, bool], None]) -> None:
        super().__init__(frame, KernelStorage(frame))
        self.kernel = frame
        self._threads = threads

    def blocks(self, body: Sequence[Stmt]) -> None:
        """The statements of a block of threads."""
        last = body[-1] if body else None
        for stmt in body:
            if isinstance(stmt, For) and stmt.kind is LoopKind.THREAD:
                self._threads(self, stmt, stmt is last)
            elif isinstance(stmt, For) and any(
                isinstance(s, For) and s.kind is LoopKind.THREAD for s in walk(stmt.body)
            ):
                self._turns(stmt)
            else:
                super().body(self.frame, [stmt])

    def _turns(self, loop: For) -> None:
        """A loop that all threads of a block run together, with barriers inside."""
        frame = self.frame
        start, stop = frame.index(loop.start), frame.index(loop.stop)

        def body(counter: str) -> None:
            frame.bind(loop.var, counter)
            self.blocks([*loop.body, Let(Var("turn", INT64), Const(0, INT64))])  # a barrier ends each turn

        counted_loop(frame, start, stop, body)


# --- the device ------------------------------------------------------------------------------------------------------


def _device(unit: Unit, captures: Captures, name: str, loop: For, threads: int) -> None:
    text = FunctionText(unit.module, name, "void", [])
    frame = DeviceFrame(unit, text, captures)
    writer = KernelWriter(frame, _device_threads)
    frame.bind(loop.var, _register(text, "ctaid"))
    writer.blocks(loop.body)
    text.start(frame.leave)
    text.ret("void")
    text.parameters = [f"{type_} %p{n}" for n, type_ in enumerate(captures.types)]
    unit.module.function(text.text("ptx_kernel ", "nounwind"))
    unit.module.annotate("nvvm.annotations", f'ptr @{name}, !"maxntidx", i32 {threads}')


def _register(text: FunctionText, name: str) -> str:
    function = text.module.declare(f"llvm.nvvm.read.ptx.sreg.{name}.x", "i32", [], "nounwind memory(none)")
    return text.op(f"zext i32 {text.op(f'call i32 {function}()')} to i64")


def _device_threads(writer: KernelWriter, loop: For, last: bool) -> None:
    frame, text = writer.frame, writer.frame.text
    with frame.scope():
        frame.bind(loop.var, _register(text, "tid"))
        if loop.start.is_const and loop.start.value == 0 and loop.stop.is_const:
            inside, after = text.block("thread"), text.block("joined")
            number = frame.value(loop.var)
            text.branch(text.op(f"icmp slt i64 {number}, {loop.stop.value}"), inside, after)
            text.start(inside)
            writer.body(frame, loop.body)
            text.start(after)
        else:
            raise InternalCompilerError("a thread loop with other bounds", stage="cuda")
    if not last:
        barrier = text.module.declare("llvm.nvvm.barrier0", "void", [], "convergent nounwind")
        text.do(f"call void {barrier}()")


# --- the simulator ---------------------------------------------------------------------------------------------------


def _sim(unit: Unit, captures: Captures, name: str, loop: For) -> SimFrame:
    text = FunctionText(unit.module, name, "void", ["ptr %params", "ptr %state", "i64 %grid"])
    frame = SimFrame(unit, text, captures, unit.module.helper(CHECK, check_text))
    frame.phase = text.entry_op("alloca i64")
    writer = KernelWriter(frame, _sim_threads)

    def block(counter: str) -> None:
        frame.bind(loop.var, counter)
        frame.block = counter
        text.do(f"store i64 0, ptr {frame.phase}")
        writer.blocks(loop.body)

    counted_loop(frame, "0", "%grid", block)
    text.start(frame.leave)
    text.ret("void")
    unit.module.function(text.text("", unit.target.function_attributes))
    return frame


def _sim_threads(writer: KernelWriter, loop: For, last: bool) -> None:
    frame, text = writer.frame, writer.frame.text
    assert isinstance(frame, SimFrame)
    start, stop = frame.index(loop.start), frame.index(loop.stop)

    def thread(counter: str) -> None:
        frame.bind(loop.var, counter)
        block = text.op(f"shl i64 {frame.block}, 10")
        frame.who = text.op(f"or i64 {block}, {counter}")
        writer.body(frame, loop.body)

    counted_loop(frame, start, stop, thread)
    passed = text.op(f"load i64, ptr {frame.phase}")
    text.do(f"store i64 {text.op(f'add i64 {passed}, 1')}, ptr {frame.phase}")
