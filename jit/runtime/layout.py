"""Where CPython and NumPy keep the fields that native entries read, checked against live objects once.

`native_layout()` answers the offsets, or None when the interpreter's objects do not look as expected: then
nothing native is built and calls go through `portable.py`. Only reads memory of objects made here.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNED = 0x100
WRITEABLE = 0x400
TYPE_HAS_VECTORCALL = 1 << 11
TYPE_IS_METHOD_DESCRIPTOR = 1 << 17


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte offsets of object fields. `dict_version` is None where dicts carry no usable version number."""

    header: int
    type: int
    array_data: int
    array_nd: int
    array_dims: int
    array_strides: int
    array_descr: int
    array_flags: int
    dtype_byteorder: int
    dtype_number: int
    scalar_value: int
    sequence_size: int
    tuple_items: int
    list_items: int
    slice_fields: int
    cell_value: int
    type_flags: int
    dict_version: int | None
    free_threaded: bool


def _expected() -> Layout:
    head = object.__basicsize__
    return Layout(
        header=head,
        type=head - 8,
        array_data=head,
        array_nd=head + 8,
        array_dims=head + 16,
        array_strides=head + 24,
        array_descr=head + 40,
        array_flags=head + 48,
        dtype_byteorder=head + 10,
        dtype_number=head + 12,
        scalar_value=head,
        sequence_size=head,
        tuple_items=tuple.__basicsize__,
        list_items=head + 8,
        slice_fields=head,
        cell_value=head,
        type_flags=head + 152,
        dict_version=head + 8,
        free_threaded=not getattr(sys, "_is_gil_enabled", lambda: True)(),
    )


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def _pointer(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


def _int32(address: int) -> int:
    return ctypes.c_int32.from_address(address).value


def _array_checks(at: Layout) -> Iterator[bool]:
    base = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    for array in (base, base.T[1:, ::-2], base[1, 2, 3:4].reshape(()), np.zeros((0, 7), np.complex128)):
        where = id(array)
        dims, strides = _pointer(where + at.array_dims), _pointer(where + at.array_strides)
        yield _pointer(where + at.type) == id(np.ndarray)
        yield _pointer(where + at.array_data) == array.__array_interface__["data"][0]
        yield _int32(where + at.array_nd) == array.ndim
        yield [_word(dims + 8 * axis) for axis in range(array.ndim)] == list(array.shape)
        yield [_word(strides + 8 * axis) for axis in range(array.ndim)] == list(array.strides)
        yield _pointer(where + at.array_descr) == id(array.dtype)
        yield _int32(where + at.array_flags) == array.flags.num
    for spelled in ("f8", "i4", "?", ">f8"):
        dtype = np.dtype(spelled)
        yield _int32(id(dtype) + at.dtype_number) == dtype.num
        yield ctypes.c_char.from_address(id(dtype) + at.dtype_byteorder).value == dtype.byteorder.encode()
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    yield not _int32(id(frozen) + at.array_flags) & WRITEABLE
    yield bool(_int32(id(base) + at.array_flags) & WRITEABLE)
    yield bool(_int32(id(base) + at.array_flags) & ALIGNED)


def _scalar_checks(at: Layout) -> Iterator[bool]:
    def raw(obj: object, ctype: Any) -> Any:
        return ctype.from_address(id(obj) + at.scalar_value).value

    yield raw(1234.5, ctypes.c_double) == 1234.5
    z = complex(2.5, -7.0)
    yield _pointer(id(z) + at.scalar_value) == np.float64(2.5).view(np.uint64)
    yield ctypes.c_double.from_address(id(z) + at.scalar_value + 8).value == -7.0
    samples: list[tuple[Any, Any]] = [
        (np.int8(-5), ctypes.c_int8),
        (np.uint16(65000), ctypes.c_uint16),
        (np.int32(-70000), ctypes.c_int32),
        (np.uint64(2**63 + 9), ctypes.c_uint64),
        (np.float32(0.5), ctypes.c_float),
        (np.float64(-8.25), ctypes.c_double),
        (np.bool_(True), ctypes.c_int8),
        (np.complex64(3 + 4j), ctypes.c_float),
        (np.complex128(3 + 4j), ctypes.c_double),
    ]
    for value, ctype in samples:
        yield raw(value, ctype) == value.real
    yield ctypes.c_float.from_address(id(samples[7][0]) + at.scalar_value + 4).value == 4.0


def _container_checks(at: Layout) -> Iterator[bool]:
    items = (object(), object(), object())
    yield _word(id(items) + at.sequence_size) == 3
    yield all(_pointer(id(items) + at.tuple_items + 8 * i) == id(item) for i, item in enumerate(items))
    listed = list(items)
    yield _word(id(listed) + at.sequence_size) == 3
    stored = _pointer(id(listed) + at.list_items)
    yield all(_pointer(stored + 8 * i) == id(item) for i, item in enumerate(items))
    cut = slice(*items)
    yield all(_pointer(id(cut) + at.slice_fields + 8 * i) == id(item) for i, item in enumerate(items))
    marker = object()

    def holds_marker() -> object:
        return marker

    assert holds_marker.__closure__ is not None
    yield _pointer(id(holds_marker.__closure__[0]) + at.cell_value) == id(marker)

    class Heap:
        __slots__ = ()

    for cls in (Heap, np.ndarray, type(lambda: None), int):
        yield _word(id(cls) + at.type_flags) == cls.__flags__


def _dict_version_works(offset: int) -> bool:
    """A dict's version number must change with every change of the dict, and only then."""
    if sys.version_info >= (3, 14):
        return False
    namespace: dict[str, object] = {"a": 1, "b": 2}
    seen = [_word(id(namespace) + offset)]

    def changes(action: Callable[[], object]) -> bool:
        action()
        seen.append(_word(id(namespace) + offset))
        return seen[-1] not in seen[:-1]

    replaced = changes(lambda: namespace.__setitem__("a", 5))
    added = changes(lambda: namespace.__setitem__("c", 5))
    removed = changes(lambda: namespace.__delitem__("b"))
    through_exec = changes(lambda: exec("a = 7", namespace))
    cleared = changes(namespace.clear)
    seen.append(_word(id(namespace) + offset))
    namespace.get("a")
    return (
        replaced
        and added
        and removed
        and through_exec
        and cleared
        and _word(id(namespace) + offset) == seen[-1]
    )


@functools.cache
def native_layout() -> Layout | None:
    """The verified layout, or None where native entries must not be used."""
    if (
        sys.implementation.name != "cpython"
        or ctypes.sizeof(ctypes.c_void_p) != 8
        or sys.byteorder != "little"
    ):
        return None
    at = _expected()
    if not all(all(checks(at)) for checks in (_array_checks, _scalar_checks, _container_checks)):
        return None
    if at.free_threaded or not _dict_version_works(at.header + 8):
        fields = {name: getattr(at, name) for name in Layout.__dataclass_fields__}
        return Layout(**(fields | {"dict_version": None}))
    return at
