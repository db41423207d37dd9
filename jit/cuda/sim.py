"""The simulated driver: device memory is host memory that nothing else knows, and every operation is counted.

Fresh allocations are poisoned (all bytes 255: NaN, -1, no valid bool), freed ones are gone at once, copies are checked
against the allocations, and kernels run on the host with every access checked (`sim_kernels.py`). Work is done when it
is submitted.
"""

from __future__ import annotations

import bisect
import ctypes
import dataclasses
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl import knobs
from pydsl.jit.cuda import api
from pydsl.jit.cuda.driver import Driver
from pydsl.jit.cuda.program import (
    SHADOW_BYTES,
    STATE_COUNT,
    STATE_TABLE,
    TABLE_ENTRY_WORDS,
    CudaProgram,
)
from pydsl.jit.cuda.sim_kernels import SimKernel, SimState, load_kernels

POISON = 0xFF
ALIGNMENT = 256
TOTAL = 1 << 40
"""Bytes of the device where no limit is set."""


@dataclasses.dataclass
class Counters:
    """What was submitted since the start, or since `reset`."""

    launches: int = 0
    allocations: int = 0
    frees: int = 0
    copies_in: int = 0
    copies_out: int = 0
    copies_within: int = 0
    fills: int = 0
    synchronizations: int = 0
    products: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def reset(self) -> None:
        """Count from zero."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, 0)


@dataclasses.dataclass(frozen=True)
class _Allocation:
    base: int
    size: int
    memory: np.ndarray[Any, Any]
    shadow: np.ndarray[Any, Any]


class Memory:
    """The allocations, and the table of them that kernels check with."""

    def __init__(self) -> None:
        self.state = SimState()
        self._bases: list[int] = []
        self._by_base: dict[int, _Allocation] = {}
        self._table: np.ndarray[Any, Any] = np.zeros(0, np.int64)
        self.used = 0

    @property
    def limit(self) -> int:
        """Bytes of the simulated device."""
        return knobs.CUDA_SIM_MEMORY.get() or TOTAL

    def allocate(self, size: int) -> int | None:
        """The address of poisoned memory; None if there is not enough."""
        if size <= 0 or self.used + size > self.limit:
            return None
        memory = np.full(size + ALIGNMENT, POISON, np.uint8)
        base = -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        self._by_base[base] = _Allocation(base, size, memory, np.zeros(SHADOW_BYTES * size, np.uint8))
        bisect.insort(self._bases, base)
        self.used += size
        self._publish()
        return base

    def free(self, base: int) -> bool:
        """Whether there was such an allocation."""
        found = self._by_base.pop(base, None)
        if found is None:
            return False
        self._bases.remove(base)
        self.used -= found.size
        found.memory.fill(POISON)
        self._publish()
        return True

    def covers(self, address: int, size: int) -> bool:
        """Whether these bytes lie in one allocation."""
        position = bisect.bisect_right(self._bases, address) - 1
        if size == 0:
            return True
        if position < 0:
            return False
        found = self._by_base[self._bases[position]]
        return address + size <= found.base + found.size

    def _publish(self) -> None:
        rows = [(b, self._by_base[b].size, self._by_base[b].shadow.ctypes.data) for b in self._bases]
        self._table = np.array(rows, np.int64).reshape(-1, TABLE_ENTRY_WORDS)
        self.state.words[STATE_COUNT] = len(rows)
        self.state.words[STATE_TABLE] = self._table.ctypes.data


class SimDriver(Driver):
    """The driver of `PYDSL_CUDA_SIM=1`."""

    is_simulated = True
    name = "simulator"

    def __init__(self) -> None:
        self.space = Memory()
        self.counters = Counters()
        self._kernels: dict[int, SimKernel] = {}
        self._handles = itertools.count(0x1000)
        self._faulty: SimKernel | None = None
        self._lock = threading.RLock()
        self._internal: BaseException | None = None
        functions = {name: self._function(name, kinds) for name, kinds in api.SIGNATURES.items()}
        self._gemms = {
            name: ctypes.CFUNCTYPE(ctypes.c_int, *api.GEMM)(self._guarded(gemm))
            for name, gemm in (
                ("cublasSgemm_v2", self._gemm(np.dtype(np.float32))),
                ("cublasDgemm_v2", self._gemm(np.dtype(np.float64))),
            )
        }
        super().__init__(functions, {name: api.address_of(f) for name, f in self._gemms.items()})

    @property
    def arch(self) -> str:
        return knobs.CUDA_ARCH.get() or "sm_80"

    def load(self, program: CudaProgram) -> tuple[int, ...]:
        handles = []
        for kernel in load_kernels(program.sim_ir, program.kernels):
            handle = next(self._handles)
            self._kernels[handle] = kernel
            handles.append(handle)
        return tuple(handles)

    def products(self) -> int:
        return 1

    def memory(self) -> tuple[int, int]:
        return self.space.limit - self.space.used, self.space.limit

    def trim(self) -> None:
        """Nothing is held back."""

    def enter(self) -> None:
        """There is one context for all threads."""

    def describe_fault(self) -> str:
        fault = self.space.state.fault()
        if fault is None or self._faulty is None:
            return ""
        return fault.describe(self._faulty.image)

    # the functions of the driver API -------------------------------------------------------------------

    def _function(self, name: str, kinds: tuple[Any, ...]) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_int, *kinds)(self._guarded(getattr(self, f"_{name}")))

    def _guarded(self, run: Callable[..., int]) -> Callable[..., int]:
        """No exception may leave a C function; one here is a bug of the simulator."""

        def call(*args: Any) -> int:
            with self._lock:
                if self.lost is not None:
                    return api.LAUNCH_FAILED
                try:
                    return run(*args)
                except BaseException as error:
                    self._internal = error
                    return api.NOT_PERMITTED

        return call

    def _cuMemAllocAsync(self, pointer: int, size: int, stream: int) -> int:  # noqa: N802
        base = self.space.allocate(size)
        self.counters.allocations += 1
        if base is None:
            return api.INVALID_VALUE if size == 0 else api.OUT_OF_MEMORY
        ctypes.c_uint64.from_address(pointer).value = base
        return api.SUCCESS

    def _cuMemFreeAsync(self, address: int, stream: int) -> int:  # noqa: N802
        self.counters.frees += 1
        return api.SUCCESS if self.space.free(address) else api.INVALID_VALUE

    def _cuMemcpyDtoHAsync_v2(self, host: int, device: int, size: int, stream: int) -> int:  # noqa: N802
        self.counters.copies_out += 1
        self.counters.bytes_out += size
        return self._move(host, device, size, (device,))

    def _cuMemcpyHtoDAsync_v2(self, device: int, host: int, size: int, stream: int) -> int:  # noqa: N802
        self.counters.copies_in += 1
        self.counters.bytes_in += size
        return self._move(device, host, size, (device,))

    def _cuMemcpyDtoDAsync_v2(self, to: int, source: int, size: int, stream: int) -> int:  # noqa: N802
        self.counters.copies_within += 1
        return self._move(to, source, size, (to, source))

    def _move(self, to: int, source: int, size: int, on_device: tuple[int, ...]) -> int:
        if not all(self.space.covers(address, size) for address in on_device):
            return api.INVALID_VALUE
        if size:
            ctypes.memmove(to, source, size)
        return api.SUCCESS

    def _cuMemsetD8Async(self, address: int, value: int, size: int, stream: int) -> int:  # noqa: N802
        self.counters.fills += 1
        if not self.space.covers(address, size):
            return api.INVALID_VALUE
        ctypes.memset(address, value, size)
        return api.SUCCESS

    def _cuStreamSynchronize(self, stream: int) -> int:  # noqa: N802
        self.counters.synchronizations += 1
        return api.SUCCESS

    def _cuLaunchKernel(self, handle: int, *numbers: Any) -> int:  # noqa: N802
        grid, grid_y, grid_z, block, block_y, block_z, _shared, _stream, params, extra = numbers
        kernel = self._kernels.get(handle)
        if kernel is None or (grid_y, grid_z, block_y, block_z) != (1, 1, 1, 1) or extra or not params:
            return api.INVALID_VALUE
        self.counters.launches += 1
        status = kernel.launch(self.space.state, grid, block, params)
        if status in api.STICKY:
            self._faulty = kernel
        return status

    def _gemm(self, dtype: np.dtype[Any]) -> Callable[..., int]:
        """A product of cuBLAS: matrices lie in column order."""

        def run(*given: Any) -> int:
            _handle, turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc = given
            self.counters.products += 1
            first = self._matrix(a, (k, m) if turn_a else (m, k), lda, dtype)
            second = self._matrix(b, (n, k) if turn_b else (k, n), ldb, dtype)
            out = self._matrix(c, (m, n), ldc, dtype)
            if first is None or second is None or out is None:
                return 7  # CUBLAS_STATUS_INVALID_VALUE
            left, right = (first.T if turn_a else first), (second.T if turn_b else second)
            scale, keep = (
                np.ctypeslib.as_array((_CTYPES[dtype] * 1).from_address(p))[0] for p in (alpha, beta)
            )
            old = keep * out if keep else 0
            out[...] = scale * (left @ right) + old
            return api.SUCCESS

        return run

    def _matrix(
        self, address: int | None, shape: tuple[int, int], leading: int, dtype: np.dtype[Any]
    ) -> np.ndarray[Any, Any] | None:
        rows, columns = shape
        size = (leading * (columns - 1) + rows) * dtype.itemsize if rows and columns else 0
        if leading < max(1, rows) or not self.space.covers(address or 0, size):
            return None
        flat: Any = (ctypes.c_char * size).from_address(address or 0) if size else bytearray(dtype.itemsize)
        return np.ndarray(shape, dtype, flat, 0, (dtype.itemsize, leading * dtype.itemsize))


_CTYPES: dict[np.dtype[Any], Any] = {
    np.dtype(np.float32): ctypes.c_float,
    np.dtype(np.float64): ctypes.c_double,
}


def make() -> SimDriver:
    """A new simulated device."""
    return SimDriver()
