"""The real driver: libcuda and cuBLAS of the packages of the `cuda` extra, one device, its primary context.

The functions are called through their C signatures, as emitted code calls them; the packages say where the libraries
are.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import threading
from typing import Any

from pydsl import knobs
from pydsl.errors import CudaError, CudaUnavailableError, DriverTooOldError
from pydsl.jit.cuda import api
from pydsl.jit.cuda.driver import STREAM, Driver
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.lazy import load

_MAJOR, _MINOR, _POOLS, _PAGEABLE = 75, 76, 115, 88
_RELEASE_THRESHOLD = 4
_ERROR_LOG, _ERROR_LOG_SIZE = 5, 6
_LOG_BYTES = 16384
_NO_TIMING = 2
_INSTALL = 'pip install "pydsl-jit[cuda]"'


def make() -> RealDriver:
    """The driver of device 0.

    Raises
    ------
    CudaUnavailableError: a package, the driver or the device is missing.
    """
    return RealDriver(_library("cuda"))


def _library(name: str) -> Any:
    """A library of NVIDIA's, found as cuda-python finds it."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.pathfinder") is None:
        raise CudaUnavailableError("the CUDA packages are not installed", _INSTALL)
    from cuda.pathfinder import load_nvidia_dynamic_lib  # noqa: PLC0415 - an optional package

    try:
        if name == "cuda":
            with contextlib.suppress(OSError):
                return ctypes.CDLL("libcuda.so.1")
        return ctypes.CDLL(load_nvidia_dynamic_lib(name).abs_path)
    except (RuntimeError, OSError) as error:  # DynamicLibNotFoundError is a RuntimeError
        if name == "cuda":
            raise CudaUnavailableError(
                "there is no NVIDIA driver (libcuda.so.1)",
                "install the driver, or run on a machine with a GPU",
            ) from error
        raise CudaUnavailableError(f"the library {name} was not found", _INSTALL) from error


class RealDriver(Driver):
    """Device 0 of a machine with an NVIDIA driver.

    Parameters
    ----------
    library: the loaded driver library.
    """

    def __init__(self, library: Any) -> None:
        self._c = api.prototypes(library)
        self._device = self._open()
        self._context = self._pointer("cuDevicePrimaryCtxRetain", self._device)
        self._set_current = self._c["cuCtxSetCurrent"]
        self._set_current(self._context)
        self._arch = f"sm_{self._attribute(_MAJOR)}{self._attribute(_MINOR)}"
        self._pool = self._open_pool()
        self._reads_host_memory = bool(self._attribute(_PAGEABLE))
        self._modules: list[int] = []
        self._products = 0
        self._cublas: Any = None
        self._lock = threading.Lock()
        super().__init__(self._c, {})

    def _open(self) -> int:
        status = self._c["cuInit"](0)
        count = ctypes.c_int()
        if status == api.SUCCESS:
            status = self._c["cuDeviceGetCount"](ctypes.byref(count))
        if status != api.SUCCESS or count.value == 0:
            reason = api.status_name(status or api.NO_DEVICE)
            raise CudaUnavailableError(
                f"the NVIDIA driver has no device to offer ({reason})", "see what nvidia-smi says"
            )
        device = ctypes.c_int()
        self._must("cuDeviceGet", ctypes.byref(device), 0)
        return device.value

    def _must(self, name: str, *args: Any) -> None:
        status = self._c[name](*args)
        if status != api.SUCCESS:
            raise CudaError(name, api.status_name(status))

    def _pointer(self, name: str, *args: Any) -> int:
        """The pointer that a function writes to its first parameter."""
        found = ctypes.c_void_p()
        self._must(name, ctypes.byref(found), *args)
        return found.value or 0

    def _attribute(self, number: int) -> int:
        found = ctypes.c_int()
        self._must("cuDeviceGetAttribute", ctypes.byref(found), number, self._device)
        return found.value

    def _open_pool(self) -> int:
        """The device's pool, told to keep what is freed until `trim`."""
        if not self._attribute(_POOLS):
            raise CudaUnavailableError(
                "the device has no memory pools", "a driver and device of CUDA 11.2 or later"
            )
        pool = self._pointer("cuDeviceGetDefaultMemPool", self._device)
        everything = ctypes.c_uint64(2**64 - 1)
        self._must("cuMemPoolSetAttribute", pool, _RELEASE_THRESHOLD, ctypes.byref(everything))
        return pool

    @property
    def arch(self) -> str:
        return knobs.CUDA_ARCH.get() or self._arch

    @property
    def device_name(self) -> str:
        """The name of the device."""
        text = ctypes.create_string_buffer(256)
        self._must("cuDeviceGetName", text, 256, self._device)
        return text.value.decode()

    def enter(self) -> None:
        self._set_current(self._context)

    def memory(self) -> tuple[int, int]:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        if self._c["cuMemGetInfo_v2"](ctypes.byref(free), ctypes.byref(total)) != api.SUCCESS:
            return 0, 0
        return free.value, total.value

    def trim(self) -> None:
        self._c["cuMemPoolTrimTo"](self._pool, 0)

    def copy_in(self, device: int, host: int, nbytes: int) -> None:
        super().copy_in(device, host, nbytes)
        if self._reads_host_memory:  # then the copy may still be reading when the call returns
            self.synchronize()

    def describe_fault(self) -> str:
        return (
            "  The device reports errors late: the access may be of work that was submitted earlier; "
            "CUDA_LAUNCH_BLOCKING=1, or PYDSL_CUDA_SIM=1, finds the place"
        )

    # kernels ------------------------------------------------------------------------------------------

    def load(self, program: CudaProgram) -> tuple[int, ...]:
        if not program.kernels:
            return ()
        self.enter()
        module = self._load_module(load("cuda.ptx").ptx(program.device_ir, self.arch), program.spec.name)
        self._modules.append(module)
        return tuple(self._pointer("cuModuleGetFunction", module, k.name.encode()) for k in program.kernels)

    def _load_module(self, text: str, name: str) -> int:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        options = (ctypes.c_int * 2)(_ERROR_LOG, _ERROR_LOG_SIZE)
        values = (ctypes.c_void_p * 2)(ctypes.addressof(log), _LOG_BYTES)
        module = ctypes.c_void_p()
        status = self._c["cuModuleLoadDataEx"](
            ctypes.byref(module), text.encode() + b"\0", 2, options, values
        )
        what = f"loading the kernels of `{name}` for {self.arch}"
        if status == api.UNSUPPORTED_PTX:
            version = ctypes.c_int()
            self._c["cuDriverGetVersion"](ctypes.byref(version))
            known = f"  it is a driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}"
            raise DriverTooOldError(what, api.status_name(status), known)
        if status != api.SUCCESS:
            raise CudaError(what, api.status_name(status), log.value.decode(errors="replace").rstrip())
        return module.value or 0

    def products(self) -> int:
        with self._lock:
            if not self._products:
                self._open_cublas()
            return self._products

    def _open_cublas(self) -> None:
        library = _library("cublas")
        for name, parameters in (
            ("cublasCreate_v2", [ctypes.c_void_p]),
            ("cublasSetStream_v2", [ctypes.c_void_p, ctypes.c_void_p]),
            ("cublasSgemm_v2", list(api.GEMM)),
            ("cublasDgemm_v2", list(api.GEMM)),
        ):
            function = getattr(library, name)
            function.argtypes, function.restype = parameters, ctypes.c_int
        handle = ctypes.c_void_p()
        for status in (
            library.cublasCreate_v2(ctypes.byref(handle)),
            library.cublasSetStream_v2(handle, STREAM),
        ):
            if status:
                raise CudaError("starting cuBLAS", f"cublasStatus {status}")
        for name in ("cublasSgemm_v2", "cublasDgemm_v2"):
            self.provide(name, api.address_of(getattr(library, name)))
        self._cublas = library
        self._products = handle.value or 0

    # other libraries' streams -------------------------------------------------------------------------

    def wait_for(self, stream: int) -> None:
        self._order(stream, STREAM)

    def let_wait(self, stream: int) -> None:
        self._order(STREAM, stream)

    def _order(self, first: int, second: int) -> None:
        """What is in the second stream from now on waits for what is in the first."""
        self.require("waiting for a stream")
        event = ctypes.c_void_p()
        self._must("cuEventCreate", ctypes.byref(event), _NO_TIMING)
        try:
            self._must("cuEventRecord", event, first)
            self._must("cuStreamWaitEvent", second, event, 0)
        finally:
            self._c["cuEventDestroy_v2"](event)
