"""DLPack capsules: the exchange of memory between array libraries, written down in ctypes.

`export` makes a capsule of a NumPy array or a shadow, `import_from` an array or a shadow of somebody's capsule. Both
forms of the protocol are spoken: the versioned one where the other side asks for it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pydsl.jit.shadows import shadow

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
HOST_KINDS, CUDA_KINDS = frozenset((CPU, CUDA_HOST)), frozenset((CUDA, CUDA_MANAGED))

_KINDS = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
_KIND_OF = {code: kind for kind, code in _KINDS.items()}
_READ_ONLY = 1


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _DELETER))


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


_NAMES = {
    _Managed: (b"dltensor", b"used_dltensor"),
    _Versioned: (b"dltensor_versioned", b"used_dltensor_versioned"),
}

_CAPSULE_DESTRUCTOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", ctypes.pythonapi)
)
# the same functions for a capsule that is being destroyed: ctypes must not touch its reference count
_is_valid_dying = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)

_exported: dict[int, Any] = {}
"""What consumers hold: the structure with its numbers and the array, by the structure's address."""
_capsules: dict[int, int] = {}
"""Address of the structure of a capsule that nobody has consumed yet, by the capsule's address."""


def _release(address: int) -> None:
    _exported.pop(address, None)


def _destroy(capsule: int) -> None:
    """A capsule that was never consumed gives its structure back."""
    address = _capsules.pop(capsule, None)
    if address is not None and any(_is_valid_dying(capsule, name) for name, _ in _NAMES.values()):
        _exported.pop(address, None)


_deleter = _DELETER(_release)
_destructor = _CAPSULE_DESTRUCTOR(_destroy)


def export(
    array: np.ndarray[Any, Any], device: tuple[int, int], max_version: tuple[int, int] | None = None
) -> Any:
    """A capsule over the memory of an array, which lives as long as a consumer holds it.

    Raises
    ------
    BufferError: DLPack cannot describe the array: its strides are no whole elements, or it is read-only and
        the consumer does not know about that.
    """
    versioned = max_version is not None and max_version[0] >= 1
    if not versioned and not array.flags.writeable:
        raise BufferError("a read-only array needs DLPack 1.0: pass max_version=(1, 0), or a copy")
    if array.dtype.kind not in _KINDS or any(stride % array.itemsize for stride in array.strides):
        raise BufferError(f"DLPack has no description of a {array.dtype} array with strides {array.strides}")
    rank = array.ndim
    numbers = (ctypes.c_int64 * (2 * rank))(
        *array.shape, *(stride // array.itemsize for stride in array.strides)
    )
    pointer = ctypes.POINTER(ctypes.c_int64)
    step = ctypes.sizeof(ctypes.c_int64)
    base = ctypes.addressof(numbers)
    tensor = _Tensor(
        array.__array_interface__["data"][0],
        *device,
        rank,
        _KINDS[array.dtype.kind],
        8 * array.itemsize,
        1,
        ctypes.cast(base, pointer),
        ctypes.cast(base + step * rank, pointer),
        0,
    )
    managed: Any
    if versioned:
        managed = _Versioned(1, 0, None, _deleter, 0 if array.flags.writeable else _READ_ONLY, tensor)
    else:
        managed = _Managed(tensor, None, _deleter)
    address = ctypes.addressof(managed)
    _exported[address] = (managed, numbers, array)
    name = _NAMES[type(managed)][0]
    capsule = _new_capsule(address, name, ctypes.cast(_destructor, ctypes.c_void_p))
    _capsules[id(capsule)] = address
    return capsule


class _Imported:
    """Holds somebody's memory and gives it back."""

    def __init__(self, managed: Any) -> None:
        self._managed = managed

    def __del__(self) -> None:
        deleter = self._managed.deleter
        if deleter:
            deleter(ctypes.addressof(self._managed))


def import_from(value: Any, keywords: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The memory behind an object with `__dlpack__`: an array on the host, a shadow on a device."""
    try:
        capsule = value.__dlpack__(max_version=(1, 0), **keywords)
    except TypeError:  # an exporter from before version 1.0
        capsule = value.__dlpack__(**keywords)
    kind = next((k for k, (name, _) in _NAMES.items() if _is_valid(capsule, name)), None)
    if kind is None:
        raise BufferError("`__dlpack__` gave no DLPack capsule, or one that is used already")
    name, used = _NAMES[kind]
    managed = kind.from_address(_pointer(capsule, name))
    if kind is _Versioned and managed.major != 1:
        raise BufferError(f"DLPack version {managed.major}.{managed.minor} is not known")
    _set_name(capsule, used)
    owner = _Imported(managed)
    tensor = managed.tensor
    if tensor.code not in _KIND_OF or tensor.lanes != 1 or tensor.bits % 8:
        raise BufferError(f"a DLPack element of kind {tensor.code}, {tensor.bits} bits, {tensor.lanes} lanes")
    dtype = np.dtype(f"{_KIND_OF[tensor.code]}{tensor.bits // 8}")
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = tuple(dtype.itemsize * s for s in tensor.strides[: tensor.ndim]) if tensor.strides else None
    read_only = kind is _Versioned and bool(managed.flags & _READ_ONLY)
    address = (tensor.data or 0) + tensor.byte_offset
    return shadow(address, dtype, shape, strides, owner, read_only=read_only)
