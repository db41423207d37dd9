"""From a function with kernels to the texts of its modules: host code, kernels for the device and for the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydsl.jit.cpu.target import host_target
from pydsl.jit.cuda.device_storage import DeviceStorage
from pydsl.jit.cuda.kernel_frame import Captures
from pydsl.jit.cuda.kernel_text import emit_kernel_forms
from pydsl.jit.cuda.program import PLACE_GEMM, PLACE_READ_BACK, KernelImage
from pydsl.jit.cuda.target import cuda_target
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.kernel import Parts, emit_kernel
from pydsl.jit.llvm.scalars import float_literal, llvm_type, memory_type, part_dtype
from pydsl.jit.llvm.statements import Writer
from pydsl.jit.llvm.storage import Storage
from pydsl.jit.llvm.target import Target
from pydsl.jit.llvm.unit import Unit
from pydsl.loops.gpu.kernels import Kernel
from pydsl.loops.gpu.plan import GpuPlan
from pydsl.loops.ir import Fetch, For, Gemm, LoopFunction, LoopKind, Stmt, Var, cell_bytes


@dataclass(frozen=True)
class Emitted:
    """The texts of the modules, and the kernels in the order of the context's words."""

    host: str
    device: str
    sim: str
    kernels: tuple[KernelImage, ...]


def emit_program(function: LoopFunction, plan: GpuPlan, context_slot: int) -> Emitted:
    """The modules of a function whose kernels are scheduled."""
    host = replace(host_target(), threads=1)
    modules = Unit(function, cuda_target()), Unit(function, _plain_host(host))
    images: list[KernelImage] = []
    kernels: list[Kernel] = []

    class OwnStorage(DeviceStorage):
        pass

    OwnStorage.context_slot = context_slot

    def writer(frame: Frame, storage: Storage) -> Writer:
        assert isinstance(storage, DeviceStorage)
        return _HostWriter(frame, storage, plan, modules, images, kernels)

    text = emit_kernel(function, host, parts=Parts(OwnStorage, writer))
    plan.kernels = kernels  # without those in code that never runs
    return Emitted(text, modules[0].module.text(), modules[1].module.text(), tuple(images))


def _plain_host(host: Target) -> Target:
    """The host for the simulator: no vector forms."""
    return replace(host, math={}, function_attributes="nounwind")


class _HostWriter(Writer):
    """Host statements; a loop over blocks is a launch."""

    def __init__(
        self,
        frame: Frame,
        storage: DeviceStorage,
        plan: GpuPlan,
        modules: tuple[Unit, Unit],
        images: list[KernelImage],
        kernels: list[Kernel],
    ) -> None:
        super().__init__(frame, storage)
        self.driver = storage.driver
        self.plan = plan
        self.modules = modules
        self.images = images
        self.kernels = kernels

    def body(self, frame: Frame, body: Sequence[Stmt]) -> None:
        for stmt in body:
            if frame.text.terminated:
                return
            if isinstance(stmt, For) and stmt.kind is LoopKind.BLOCK:
                self._launch(stmt)
            elif isinstance(stmt, Fetch):
                self._fetch(stmt)
            elif isinstance(stmt, Gemm):
                self._product(stmt)
            else:
                super().body(frame, [stmt])

    # --- launches -------------------------------------------------------------------------------------------

    def _launch(self, loop: For) -> None:
        frame, text = self.frame, self.frame.text
        number, kernel = len(self.kernels), self.plan.of(loop)
        self.kernels.append(kernel)
        name = f"k{number}"
        emitted = emit_kernel_forms(*self.modules, name, loop, kernel.threads)
        image = KernelImage(
            name,
            tuple(emitted.captures.types),
            kernel.grid,
            kernel.threads,
            emitted.shared,
            kernel.loc,
            kernel.elementwise,
            kernel.bytes_moved,
            emitted.sites,
        )
        self.images.append(image)
        blocks = frame.index(loop.stop - loop.start)
        run, done = text.block("launch"), text.block("launched")
        text.branch(text.op(f"icmp sgt i64 {blocks}, 0"), run, done)
        text.start(run)
        with frame.scope():
            params = self._params(emitted.captures)
            self.driver.launch(number, blocks, kernel.threads, params)
        text.start(done)

    def _params(self, captures: Captures) -> str:
        """The array of the addresses of the parameters."""
        text, count = self.frame.text, len(captures.keys)
        values = text.entry_op(f"alloca [{max(1, count)} x i64], align 16")
        array = text.entry_op(f"alloca [{max(1, count)} x ptr], align 16")
        for position, ((owner, part), type_) in enumerate(zip(captures.keys, captures.types, strict=True)):
            value = self._value(owner, part)
            place = text.op(f"getelementptr inbounds i64, ptr {values}, i64 {position}")
            text.do(f"store {type_} {value}, ptr {place}")
            entry = text.op(f"getelementptr inbounds ptr, ptr {array}, i64 {position}")
            text.do(f"store ptr {place}, ptr {entry}")
        return array

    def _value(self, owner: object, part: int) -> str:
        frame = self.frame
        if not isinstance(owner, Var):
            return frame.pointer(owner)  # type: ignore[arg-type]
        found = frame.value(owner)
        value = found[part] if isinstance(found, tuple) else found
        kind = owner.dtype.kind
        if kind in "fc" or owner.dtype.itemsize == 8:
            return value
        extend = "sext" if kind == "i" else "zext"
        return frame.text.op(f"{extend} {llvm_type(owner.dtype)} {value} to i64")

    # --- matrix products ------------------------------------------------------------------------------------

    def _product(self, stmt: Gemm) -> None:
        """By cuBLAS, if the context has it."""
        text = self.frame.text
        own, library, done = (text.block(name) for name in ("own", "library", "done"))
        handle = self.driver.library()
        text.branch(text.op(f"icmp eq ptr {handle}, null"), own, library)
        text.start(own)
        with self.frame.scope():
            self.body(self.frame, self.plan.without_library[stmt])
        text.jump(done)
        text.start(library)
        with self.frame.scope():
            self._library_product(stmt, handle)
        text.start(done)

    def _library_product(self, stmt: Gemm, handle: str) -> None:
        """cuBLAS has columns where we have rows: the transposed product, of the operands the other way around."""
        frame, text = self.frame, self.frame.text
        type_ = llvm_type(stmt.dtype)
        places = []
        for value in (1.0, stmt.beta):
            place = text.entry_op(f"alloca {type_}")
            text.do(f"store {type_} {float_literal(value, stmt.dtype)}, ptr {place}")
            places.append(place)
        a, b, c = (
            frame.address(buffer, offset)
            for buffer, offset in ((stmt.a, stmt.a_offset), (stmt.b, stmt.b_offset), (stmt.c, stmt.c_offset))
        )
        lda, ldb, ldc = (max(1, lead.value) for lead in (stmt.lda, stmt.ldb, stmt.ldc))
        arguments = [
            f"ptr {handle}",
            f"i32 {int(stmt.trans_b)}",
            f"i32 {int(stmt.trans_a)}",
            *(f"i32 {extent.value}" for extent in (stmt.n, stmt.m, stmt.k)),
            f"ptr {places[0]}",
            *(f"ptr {b}", f"i32 {ldb}", f"ptr {a}", f"i32 {lda}"),
            *(f"ptr {places[1]}", f"ptr {c}", f"i32 {ldc}"),
        ]
        name = "cublasSgemm_v2" if stmt.dtype.itemsize == 4 else "cublasDgemm_v2"
        self.driver.checked(name, arguments, PLACE_GEMM)

    # --- numbers from the device ----------------------------------------------------------------------------

    def _fetch(self, stmt: Fetch) -> None:
        frame, text = self.frame, self.frame.text
        size = sum(cell_bytes(var.dtype) for var in stmt.vars)
        here = text.entry_op(f"alloca [{size} x i8], align 16")
        there = text.op(f"ptrtoint ptr {frame.address(stmt.buffer, stmt.offset)} to i64")
        stream = f"ptr {self.driver.stream}"
        arguments = [f"ptr {here}", f"i64 {there}", f"i64 {size}", stream]
        self.driver.checked("cuMemcpyDtoHAsync_v2", arguments, PLACE_READ_BACK)
        self.driver.checked("cuStreamSynchronize", [stream], PLACE_READ_BACK)
        place = 0
        for var in stmt.vars:
            values = []
            for part in range(2 if var.dtype.kind == "c" else 1):
                step = part * part_dtype(var.dtype).itemsize
                address = text.op(f"getelementptr inbounds i8, ptr {here}, i64 {place + step}")
                value = text.op(f"load {memory_type(var.dtype)}, ptr {address}")
                values.append(text.op(f"icmp ne i8 {value}, 0") if var.dtype.kind == "b" else value)
            frame.bind(var, (values[0], values[1]) if len(values) == 2 else values[0])
            place += cell_bytes(var.dtype)
