"""What runs CUDA programs: the protocol of the two drivers, what they share, and which one is in force.

A driver is a set of C functions with the signatures of the CUDA driver API (`api.py`). Emitted host code reaches them
through a runtime table of the driver's own; Python calls the same functions. Everything is done on one stream, the
legacy default stream, which other libraries' default work is ordered with.
"""

from __future__ import annotations

import ctypes
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from pydsl import knobs
from pydsl.errors import CudaError, DeviceMemoryError, LostContextError
from pydsl.jit.cuda import api
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.lazy import load
from pydsl.jit.runtime import table

STREAM = 0
"""The legacy default stream."""

_FAILED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Failures(threading.local):
    """What emitted code of this thread reported last: `CUresult` and place, None after a call without a failure."""

    last: tuple[int, int] | None = None


class Driver(ABC):
    """A CUDA driver, real or simulated.

    Parameters
    ----------
    functions: the functions of `api.SIGNATURES`, as ctypes has them.
    products: addresses of cuBLAS functions, by name.
    """

    is_simulated: bool = False
    name: str = "cuda"

    def __init__(self, functions: Mapping[str, Any], products: Mapping[str, int]) -> None:
        self._functions = functions
        self.lost: str | None = None
        self.failures = Failures()
        self._allocate = functions["cuMemAllocAsync"]
        self._free = functions["cuMemFreeAsync"]
        self._failed = _FAILED(self._note_failure)
        entries = {name: api.address_of(functions[name]) for name in api.SIGNATURES}
        entries |= dict(products) | {"cuda_failed": api.address_of(self._failed)}
        self.table = _table_with(entries)

    def _note_failure(self, rt: int, slots: int, status: int, place: int) -> None:
        self.failures.last = (status, place)

    # of each driver -----------------------------------------------------------------------------------

    @abstractmethod
    def load(self, program: CudaProgram) -> tuple[int, ...]:
        """The `CUfunction` handles of the program's kernels. Loaded kernels stay loaded.

        Raises
        ------
        DriverTooOldError: the driver does not know the PTX version.
        CudaError: the driver refused the PTX for another reason, with its log.
        """

    @abstractmethod
    def products(self) -> int:
        """The handle for cuBLAS, made with the first call."""

    @abstractmethod
    def memory(self) -> tuple[int, int]:
        """Free and total bytes of the device."""

    @abstractmethod
    def trim(self) -> None:
        """Give the memory back that the pool holds and no array uses."""

    @abstractmethod
    def enter(self) -> None:
        """Make the context current in this thread."""

    @abstractmethod
    def describe_fault(self) -> str:
        """What is known about the last illegal access."""

    @property
    @abstractmethod
    def arch(self) -> str:
        """The architecture that kernels are made for, such as "sm_90"."""

    def wait_for(self, stream: int) -> None:  # noqa: B027 - nothing to do where all work is done at once
        """Work from now on waits for what is in another library's stream."""

    def let_wait(self, stream: int) -> None:  # noqa: B027 - nothing to do where all work is done at once
        """Another library's stream waits for the work so far."""

    # shared -------------------------------------------------------------------------------------------

    def provide(self, name: str, address: int) -> None:
        """Fill an entry of the driver's runtime table."""
        self.table[table.index(name)] = address

    def require(self, what: str) -> None:
        """Raise if the context was lost; make it current.

        Raises
        ------
        LostContextError: an earlier illegal access destroyed it.
        """
        if self.lost is not None:
            raise LostContextError(what, self.lost)
        self.enter()

    def check(self, status: int, what: str, nbytes: int = 0) -> None:
        """Raise what a `CUresult` means."""
        if status != api.SUCCESS:
            raise self.error(status, what, nbytes)

    def error(self, status: int, what: str, nbytes: int = 0) -> Exception:
        """The exception for a `CUresult`; a lost context is remembered."""
        if status == api.OUT_OF_MEMORY:
            self.trim()
            return DeviceMemoryError(what, nbytes, *self.memory())
        name = api.status_name(status)
        if status in api.STICKY:
            if self.lost is not None:
                return LostContextError(what, self.lost)
            self.lost = name
        return CudaError(what, name, self.describe_fault() if status in api.STICKY else "")

    def allocate(self, nbytes: int, what: str = "an array") -> int:
        """The address of new device memory, in stream order.

        Raises
        ------
        DeviceMemoryError: there is not enough, also after the pool was trimmed.
        """
        pointer = ctypes.c_uint64()
        status = self._allocate(ctypes.byref(pointer), nbytes, STREAM)
        if status == api.OUT_OF_MEMORY:
            self.synchronize()
            self.trim()
            status = self._allocate(ctypes.byref(pointer), nbytes, STREAM)
        self.check(status, what, nbytes)
        return pointer.value

    def free(self, address: int) -> None:
        """Free memory when the work that has been submitted is done."""
        if self.lost is None:
            self.enter()
            self._free(address, STREAM)

    def copy_in(self, device: int, host: int, nbytes: int) -> None:
        """Copy from pageable host memory, which may be changed as soon as this returns."""
        self.check(
            self._functions["cuMemcpyHtoDAsync_v2"](device, host, nbytes, STREAM), "a copy to the device"
        )

    def copy_out(self, host: int, device: int, nbytes: int) -> None:
        """Copy to host memory, and wait until it is there."""
        status = self._functions["cuMemcpyDtoHAsync_v2"](host, device, nbytes, STREAM)
        self.check(status, "a copy from the device")
        self.synchronize()

    def synchronize(self) -> None:
        """Wait for all work that has been submitted."""
        self.check(self._functions["cuStreamSynchronize"](STREAM), "waiting for the device")


def _table_with(entries: Mapping[str, int]) -> Any:
    """A copy of the process's runtime table with a driver's entries."""
    words = (ctypes.c_uint64 * table.CAPACITY).from_address(table.runtime_table().address)
    copy = (ctypes.c_uint64 * table.CAPACITY)(*words)
    for name, address in entries.items():
        copy[table.index(name)] = address
    return copy


_drivers: dict[str, Driver] = {}
_lock = threading.Lock()


def current(simulated: bool | None = None) -> Driver:
    """The driver in force: the simulator with `PYDSL_CUDA_SIM=1`, else the real one.

    Raises
    ------
    CudaUnavailableError: there is no CUDA package, driver or device.
    """
    if simulated is None:
        simulated = knobs.state().simulated
    name = "sim" if simulated else "real"
    found = _drivers.get(name)
    if found is None:
        with _lock:
            if name not in _drivers:
                _drivers[name] = load(f"cuda.{name}").make()
            found = _drivers[name]
    return found


def several_drivers() -> bool:
    """Whether arrays of two drivers may exist."""
    return len(_drivers) > 1


def forget(name: str) -> None:
    """Start anew with the next use (a test that lost the simulated context)."""
    _drivers.pop(name, None)
