"""Calls of the CUDA driver from emitted host code, through the runtime table; see `program.py` for the contract."""

from __future__ import annotations

from collections.abc import Sequence

from pydsl.jit.cuda.program import CONTEXT_CUBLAS, CONTEXT_KERNELS, CONTEXT_STREAM
from pydsl.jit.llvm.runtime import table_entry
from pydsl.jit.llvm.storage import COLD, Storage
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.runtime.abi import RETURN_EXCEPTION_SET


class Driver:
    """The driver as one function of the host uses it."""

    def __init__(self, storage: Storage, context_slot: int) -> None:
        self.storage = storage
        self.frame = storage.frame
        text = self.frame.text
        place = text.entry_op(f"getelementptr inbounds i64, ptr {self.frame.slots}, i64 {context_slot}")
        self._context = text.entry_op(f"load ptr, ptr {place}")
        stream = text.entry_op(f"getelementptr inbounds ptr, ptr {self._context}, i64 {CONTEXT_STREAM}")
        self.stream = text.entry_op(f"load ptr, ptr {stream}")

    @property
    def text(self) -> FunctionText:
        return self.frame.text

    def call(self, name: str, arguments: Sequence[str]) -> str:
        """A call; answers its `CUresult`."""
        function = table_entry(self.text, self.frame.rt, name)
        return self.text.op(f"call i32 {function}({', '.join(arguments)})")

    def checked(self, name: str, arguments: Sequence[str], place: int) -> None:
        """A call; what fails ends the function."""
        self.expect_success(self.call(name, arguments), place)

    def expect_success(self, status: str, place: int) -> None:
        text = self.text
        failed, fine = text.block("failed"), text.block("fine")
        text.branch(text.op(f"icmp ne i32 {status}, 0"), failed, fine, COLD)
        text.start(failed)
        report = table_entry(text, self.frame.rt, "cuda_failed")
        wide = text.op(f"sext i32 {status} to i64")
        text.do(f"call void {report}(ptr {self.frame.rt}, ptr {self.frame.slots}, i64 {wide}, i64 {place})")
        self.storage.stop(str(RETURN_EXCEPTION_SET))
        text.start(fine)

    def library(self) -> str:
        """The handle of cuBLAS, null where there is none."""
        place = self.text.op(f"getelementptr inbounds ptr, ptr {self._context}, i64 {CONTEXT_CUBLAS}")
        return self.text.op(f"load ptr, ptr {place}")

    def launch(self, kernel: int, grid: str, threads: int, params: str) -> None:
        """A launch of a one-dimensional grid; ``params`` is the array of the addresses of the parameters."""
        text = self.text
        place = text.op(f"getelementptr inbounds ptr, ptr {self._context}, i64 {CONTEXT_KERNELS + kernel}")
        function = text.op(f"load ptr, ptr {place}")
        blocks = text.op(f"trunc i64 {grid} to i32")
        sizes = [blocks, 1, 1, threads, 1, 1, 0]
        arguments = [f"ptr {function}", *(f"i32 {size}" for size in sizes), f"ptr {self.stream}"]
        self.checked("cuLaunchKernel", [*arguments, f"ptr {params}", "ptr null"], kernel)
