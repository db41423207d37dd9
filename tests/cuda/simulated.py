"""Compiled CUDA programs run on the host without the runtime: the memory of NumPy arrays serves as that of the device.

The driver here is as small as can be; what it owns are the allocations that kernels are checked against, and counts.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.jit.cuda.program import STATE_COUNT, STATE_TABLE, CudaProgram
from pydsl.jit.cuda.sim_kernels import SimKernel, SimState, load_kernels
from pydsl.jit.runtime.abi import MISS, RETURN_EXCEPTION_SET
from pydsl.jit.runtime.loader import load
from pydsl.jit.runtime.portable import PortableSpecialization, _table_with
from tests.cuda.programs import program

Address, Size = ctypes.c_void_p, ctypes.c_int64
LAUNCH = ctypes.CFUNCTYPE(ctypes.c_int, Size, *[ctypes.c_uint] * 7, Address, Address, Address)
ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_int, Address, Size, Address)
FREE = ctypes.CFUNCTYPE(ctypes.c_int, Size, Address)
COPY_OUT = ctypes.CFUNCTYPE(ctypes.c_int, Address, Size, Size, Address)
SYNCHRONIZE = ctypes.CFUNCTYPE(ctypes.c_int, Address)
FAILED = ctypes.CFUNCTYPE(None, Address, Address, Size, Size)
RESULT = ctypes.CFUNCTYPE(Address, Address, Address, Size, Size)
POISON = 0xFF


@dataclass
class Counts:
    """What one call asked of the driver."""

    launches: int = 0
    allocations: int = 0
    frees: int = 0
    fetches: int = 0


class Driver:
    """Memory and launches of one call."""

    def __init__(self, kernels: tuple[SimKernel, ...]) -> None:
        self.kernels = kernels
        self.state = SimState()
        self.counts = Counts()
        self.fault = ""
        self._shadows: dict[int, np.ndarray[Any, Any]] = {}
        self._sizes: dict[int, int] = {}
        self._own: dict[int, np.ndarray[Any, Any]] = {}
        self._table = np.zeros(0, np.int64)

    def register(self, low: int, high: int) -> None:
        """Memory that kernels may touch; what overlaps becomes one piece."""
        if high <= low:
            return
        for base in [b for b, size in self._sizes.items() if b < high and low < b + size]:
            low, high = min(low, base), max(high, base + self._sizes.pop(base))
            self._shadows.pop(base)
        self._sizes[low] = high - low
        self._shadows[low] = np.zeros(high - low, np.int64)
        self._publish()

    def _publish(self) -> None:
        rows = [(b, self._sizes[b], self._shadows[b].ctypes.data) for b in sorted(self._sizes)]
        self._table = np.array(rows, np.int64).reshape(-1, 3)
        self.state.words[STATE_COUNT] = len(rows)
        self.state.words[STATE_TABLE] = self._table.ctypes.data

    def callbacks(self) -> dict[str, Any]:
        return {
            "cuLaunchKernel": LAUNCH(self._launch),
            "cuMemAllocAsync": ALLOCATE(self._allocate),
            "cuMemFreeAsync": FREE(self._free),
            "cuMemcpyDtoHAsync_v2": COPY_OUT(self._copy_out),
            "cuStreamSynchronize": SYNCHRONIZE(lambda _stream: 0),
            "cuda_failed": FAILED(self._failed),
        }

    def _launch(self, handle: int, grid: int, *rest: Any) -> int:
        self.counts.launches += 1
        kernel = self.kernels[handle - 1]
        status = kernel.launch(self.state, grid, rest[2], rest[7])
        fault = self.state.fault()
        if fault is not None:
            self.fault = fault.describe(kernel.image)
        return status

    def _allocate(self, place: int, nbytes: int, _stream: int) -> int:
        self.counts.allocations += 1
        memory = np.full(nbytes + 256, POISON, np.uint8)
        base = -(-memory.ctypes.data // 256) * 256
        self._own[base] = memory
        self.register(base, base + nbytes)
        ctypes.c_int64.from_address(place).value = base
        return 0

    def _free(self, base: int, _stream: int) -> int:
        self.counts.frees += 1
        self._own.pop(base).fill(POISON)
        self._sizes.pop(base)
        self._shadows.pop(base)
        self._publish()
        return 0

    def _copy_out(self, host: int, device: int, nbytes: int, _stream: int) -> int:
        self.counts.fetches += 1
        ctypes.memmove(host, device, nbytes)
        return 0

    def _failed(self, _rt: int, _slots: int, status: int, place: int) -> None:
        self.fault = self.fault or f"status {status} at {place}"

    @property
    def leaked(self) -> int:
        return len(self._own)


class Simulated(PortableSpecialization):
    """A program with guards and results as everywhere, its kernels run on the host."""

    def __init__(self, made: CudaProgram) -> None:
        self.kernels = load_kernels(made.sim_ir, made.kernels)
        words = np.zeros(2 + len(self.kernels), np.int64)
        words[2:] = np.arange(1, 1 + len(self.kernels))
        spec = replace(made.spec, implicit=(*made.spec.implicit[:-1], int(words.ctypes.data)))
        code = load(made.host_ir, made.optimize)
        super().__init__(spec, code.address("pydsl_kernel"), (code, words))
        self.program = made
        self.counts = Counts()

    def _run_kernel(self, run: Any) -> int:
        driver = Driver(self.kernels)
        for _, array in run.arrays.values():
            if array.size:
                driver.register(*np.lib.array_utils.byte_bounds(array))
        for position, storage in enumerate(self.program.spec.storages):
            if storage.allocated_by == "entry" and run.owners[position].size:
                driver.register(*np.lib.array_utils.byte_bounds(run.owners[position]))

        def result(_rt: int, _slots: int, storage: int, nbytes: int) -> int:
            owner = np.full(nbytes, POISON, np.uint8)
            run.owners[storage] = owner
            run.buffers.add(storage)
            run.slots[self.program.spec.storages[storage].data_slot] = owner.ctypes.data
            driver.register(owner.ctypes.data, owner.ctypes.data + nbytes)
            return int(owner.ctypes.data) if nbytes else 64

        callbacks = {**driver.callbacks(), "alloc": RESULT(result)}  # alive as long as they may be called
        table = _table_with(callbacks)
        status = int(self._kernel(ctypes.addressof(table), ctypes.addressof(run.slots)))
        self.counts = driver.counts
        if status == RETURN_EXCEPTION_SET or driver.fault:
            raise InternalCompilerError(driver.fault or "a driver call failed", stage="simulator")
        if driver.leaked:
            raise InternalCompilerError(f"{driver.leaked} allocations are not freed", stage="simulator")
        return status


def simulate(function: Any, *args: Any) -> tuple[Any, Simulated]:
    """Compile a jitted function for arguments and run it on them."""
    simulated = Simulated(program(function, *args))
    answer = simulated.call(args, {})
    if answer is MISS:
        raise InternalCompilerError("the guards refuse the arguments they were made for")
    return answer, simulated
