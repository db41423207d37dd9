"""The process-wide runtime table: every address that compiled code needs from this process, by index.

Compiled code holds no address of the running process, so that it can be kept on disk. It gets the pointer to
this table as its first argument and loads what it needs from a fixed index:

    %p = getelementptr ptr, ptr %rt, i64 <index("malloc")>
    %malloc = load ptr, ptr %p

`ENTRIES` is the only definition of the indices; adding a name at the end keeps compiled code valid, any other
change must raise `VERSION`. Entries of the C API and of this runtime are filled when the table is first used;
a backend fills its own (`parallel_for`, `cblas_dgemm`, ...) with `provide` before it runs code that loads them.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np

VERSION = 2
CAPACITY = 256

_PYTHON_OBJECTS: dict[str, Any] = {
    "None": None,
    "True": True,
    "False": False,
    "float": float,
    "int": int,
    "complex": complex,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "slice": slice,
    "str": str,
    "ndarray": np.ndarray,
    "bool_": np.bool_,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "complex64": np.complex64,
    "complex128": np.complex128,
}

_PYTHON_FUNCTIONS: tuple[str, ...] = (
    "Py_IncRef",
    "Py_DecRef",
    "PyErr_SetObject",
    "PyErr_Clear",
    "PyErr_Occurred",
    "PyErr_NoMemory",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    "PyLong_AsLongLongAndOverflow",
    "PyLong_FromLongLong",
    "PyLong_FromUnsignedLongLong",
    "PyFloat_FromDouble",
    "PyBool_FromLong",
    "PyComplex_FromDoubles",
    "PyTuple_New",
    "PyTuple_SetItem",
    "PyTuple_GetItem",
    "PyTuple_Size",
    "PyList_New",
    "PyList_SetItem",
    "PyDict_New",
    "PyDict_SetItem",
    "PyDict_GetItemWithError",
    "PyDict_Size",
    "PyObject_GetAttr",
    "PyObject_RichCompareBool",
    "PyObject_VectorcallDict",
    "PyObject_VectorcallMethod",
    "PyUnicode_Compare",
    "PyContextVar_Get",
)

_NUMPY_FUNCTIONS: dict[str, int] = {
    "PyArray_Scalar": 60,
    "PyArray_Resize": 80,
    "PyArray_UpdateFlags": 92,
    "PyArray_NewFromDescr": 94,
    "PyArray_SetBaseObject": 282,
}

_LIBC_FUNCTIONS: tuple[str, ...] = (
    "malloc",
    "calloc",
    "realloc",
    "free",
    "aligned_alloc",
    "memcpy",
    "memset",
    "memmove",
)

_RUNTIME_FUNCTIONS: tuple[str, ...] = ("alloc", "finish", "raise", "same_dtype")
"""Defined in `support.py`: `alloc` is called by kernels (see `abi.ResultStorage`), the rest by entries."""

_BACKEND_FUNCTIONS: tuple[str, ...] = (
    "parallel_for",
    "arena_0",
    "arena_1",
    "madvise",
    "cblas_sgemm",
    "cblas_dgemm",
    "cblas_cgemm",
    "cblas_zgemm",
    "cblas_sgemv",
    "cblas_dgemv",
    "cblas_sdot",
    "cblas_ddot",
    "cblas_cgemv",
    "cblas_zgemv",
)

_CUDA_FUNCTIONS: tuple[str, ...] = (
    "cuLaunchKernel",
    "cuMemAllocAsync",
    "cuMemFreeAsync",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuStreamSynchronize",
    "cublasSgemm_v2",
    "cublasDgemm_v2",
    "cuda_failed",
)
"""The driver API, in tables of CUDA contexts only (see `jit/cuda/program.py`)."""

_CALL_FUNCTIONS: tuple[str, ...] = ("call_python",)
"""Defined in `support.py`: called by kernels (see `abi.PythonCall`)."""

ENTRIES: tuple[str, ...] = (
    *_PYTHON_OBJECTS,
    *_PYTHON_FUNCTIONS,
    *_NUMPY_FUNCTIONS,
    *_LIBC_FUNCTIONS,
    *_RUNTIME_FUNCTIONS,
    *_BACKEND_FUNCTIONS,
    *_CUDA_FUNCTIONS,
    *_CALL_FUNCTIONS,
)
_INDEX = {name: position for position, name in enumerate(ENTRIES)}


def index(name: str) -> int:
    """The place of an entry in the table."""
    return _INDEX[name]


class RuntimeTable:
    """One table: an array of pointers at a fixed address, and what must stay alive for it."""

    def __init__(self) -> None:
        self._words = (ctypes.c_uint64 * CAPACITY)()
        self._keep: list[Any] = []
        self._lock = threading.Lock()
        self.address = ctypes.addressof(self._words)
        for name, obj in _PYTHON_OBJECTS.items():
            self.provide(name, id(obj), obj)
        for name in _PYTHON_FUNCTIONS:
            self.provide(name, _address_of(getattr(ctypes.pythonapi, name)))
        libc = ctypes.CDLL(None)
        for name in _LIBC_FUNCTIONS:
            self.provide(name, _address_of(getattr(libc, name)))
        numpy_api = _numpy_api()
        for name, position in _NUMPY_FUNCTIONS.items():
            self.provide(name, ctypes.c_uint64.from_address(numpy_api + 8 * position).value)

    def provide(self, name: str, address: int, keep: Any = None) -> None:
        """Put an address into the table; `keep` is kept alive with it."""
        with self._lock:
            self._words[_INDEX[name]] = address
            if keep is not None:
                self._keep.append(keep)

    def get(self, name: str) -> int:
        """The address stored under `name`, 0 if nobody provided it."""
        return int(self._words[_INDEX[name]])


def _address_of(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _numpy_api() -> int:
    core = getattr(np, "_core", None) or np.core
    capsule = core._multiarray_umath._ARRAY_API
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    get_pointer = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
    address = get_pointer(capsule, None)
    assert address is not None
    return int(address)


_CREATION = threading.Lock()
_tables: list[RuntimeTable] = []


def runtime_table() -> RuntimeTable:
    """The table of this process."""
    if not _tables:
        with _CREATION:
            if not _tables:
                _tables.append(RuntimeTable())
    return _tables[0]


def provide(name: str, address: int, keep: Any = None) -> None:
    """Fill a backend's entry of the process's table; call it before running code that loads the entry."""
    runtime_table().provide(name, address, keep)
