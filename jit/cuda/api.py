"""The part of the CUDA driver API that is used, as C signatures: for the real library and for the simulated one."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

SUCCESS, INVALID_VALUE, OUT_OF_MEMORY = 0, 1, 2
NO_DEVICE, INVALID_PTX, UNSUPPORTED_PTX = 100, 218, 222
ILLEGAL_ADDRESS, LAUNCH_FAILED = 700, 719
NOT_PERMITTED = 999

NAMES: Mapping[int, str] = {
    1: "CUDA_ERROR_INVALID_VALUE",
    2: "CUDA_ERROR_OUT_OF_MEMORY",
    3: "CUDA_ERROR_NOT_INITIALIZED",
    4: "CUDA_ERROR_DEINITIALIZED",
    34: "CUDA_ERROR_STUB_LIBRARY",
    35: "CUDA_ERROR_INSUFFICIENT_DRIVER",
    100: "CUDA_ERROR_NO_DEVICE",
    101: "CUDA_ERROR_INVALID_DEVICE",
    201: "CUDA_ERROR_INVALID_CONTEXT",
    209: "CUDA_ERROR_NO_BINARY_FOR_GPU",
    214: "CUDA_ERROR_ECC_UNCORRECTABLE",
    218: "CUDA_ERROR_INVALID_PTX",
    222: "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
    500: "CUDA_ERROR_NOT_FOUND",
    700: "CUDA_ERROR_ILLEGAL_ADDRESS",
    701: "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
    702: "CUDA_ERROR_LAUNCH_TIMEOUT",
    709: "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    710: "CUDA_ERROR_ASSERT",
    714: "CUDA_ERROR_HARDWARE_STACK_ERROR",
    715: "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    716: "CUDA_ERROR_MISALIGNED_ADDRESS",
    717: "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    718: "CUDA_ERROR_INVALID_PC",
    719: "CUDA_ERROR_LAUNCH_FAILED",
    800: "CUDA_ERROR_NOT_PERMITTED",
    801: "CUDA_ERROR_NOT_SUPPORTED",
    803: "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
    999: "CUDA_ERROR_UNKNOWN",
}

STICKY = frozenset((4, 201, 214, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719))
"""After one of these the context cannot be used any more."""


def status_name(status: int) -> str:
    """A `CUresult` in words."""
    return NAMES.get(status, f"CUresult {status}")


_int, _uint, _ptr, _size = ctypes.c_int, ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t
_device_pointer = ctypes.c_uint64

SIGNATURES: Mapping[str, tuple[Any, ...]] = {
    "cuLaunchKernel": (_ptr, _uint, _uint, _uint, _uint, _uint, _uint, _uint, _ptr, _ptr, _ptr),
    "cuMemAllocAsync": (_ptr, _size, _ptr),
    "cuMemFreeAsync": (_device_pointer, _ptr),
    "cuMemcpyDtoHAsync_v2": (_ptr, _device_pointer, _size, _ptr),
    "cuMemcpyHtoDAsync_v2": (_device_pointer, _ptr, _size, _ptr),
    "cuMemcpyDtoDAsync_v2": (_device_pointer, _device_pointer, _size, _ptr),
    "cuMemsetD8Async": (_device_pointer, ctypes.c_uint8, _size, _ptr),
    "cuStreamSynchronize": (_ptr,),
}
"""Parameters of the calls that emitted code makes, too; all answer a `CUresult`."""

LIBRARY: Mapping[str, tuple[Any, ...]] = {
    **SIGNATURES,
    "cuInit": (_uint,),
    "cuDriverGetVersion": (_ptr,),
    "cuDeviceGetCount": (_ptr,),
    "cuDeviceGet": (_ptr, _int),
    "cuDeviceGetName": (_ptr, _int, _int),
    "cuDeviceGetAttribute": (_ptr, _int, _int),
    "cuDevicePrimaryCtxRetain": (_ptr, _int),
    "cuCtxSetCurrent": (_ptr,),
    "cuDeviceGetDefaultMemPool": (_ptr, _int),
    "cuMemPoolSetAttribute": (_ptr, _int, _ptr),
    "cuMemPoolTrimTo": (_ptr, _size),
    "cuMemGetInfo_v2": (_ptr, _ptr),
    "cuModuleLoadDataEx": (_ptr, _ptr, _uint, _ptr, _ptr),
    "cuModuleGetFunction": (_ptr, _ptr, ctypes.c_char_p),
    "cuModuleUnload": (_ptr,),
    "cuEventCreate": (_ptr, _uint),
    "cuEventRecord": (_ptr, _ptr),
    "cuEventDestroy_v2": (_ptr,),
    "cuStreamWaitEvent": (_ptr, _ptr, _uint),
}
"""Everything that is taken from the library of the real driver."""

GEMM = (_ptr, _int, _int, _int, _int, _int, _ptr, _ptr, _int, _ptr, _int, _ptr, _ptr, _int)
"""Parameters of `cublasSgemm_v2` and `cublasDgemm_v2`."""


def prototypes(library: Any) -> dict[str, Any]:
    """The functions of a loaded driver library, ready to be called."""
    functions = {}
    for name, parameters in LIBRARY.items():
        function = getattr(library, name)
        function.argtypes, function.restype = parameters, _int
        functions[name] = function
    return functions


def address_of(function: Any) -> int:
    """The machine address of a ctypes function."""
    address = ctypes.cast(function, _ptr).value
    assert address is not None
    return address
