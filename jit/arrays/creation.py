"""Functions that make arrays. Each takes `device="cpu"` or `"cuda"`; those that copy from elsewhere say what moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.jit.arrays import operations, transfer
from pydsl.jit.arrays.array import ndarray
from pydsl.jit.arrays.devices import device_name
from pydsl.jit.arrays.eager import create, run
from pydsl.jit.exchange import CPU, adopt, import_dlpack


def empty(shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None) -> ndarray:
    """A new array whose elements have any values."""
    where = device_name(device)
    if where == CPU:
        return ndarray(np.empty(shape, dtype, order), CPU)  # type: ignore[call-overload]
    sizes = tuple(int(n) for n in shape) if np.iterable(shape) else (int(shape),)
    return ndarray(transfer.empty_on_device(sizes, np.dtype(dtype), order), where)


def zeros(shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None) -> ndarray:
    """A new array of zeros."""
    return _filled(empty(shape, dtype, order, device=device), 0)


def ones(shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None) -> ndarray:
    """A new array of ones."""
    return _filled(empty(shape, dtype, order, device=device), 1)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None) -> ndarray:
    """A new array of one value (or of values that broadcast to the shape)."""
    if dtype is None:
        found = adopt(fill_value)
        dtype = found[0].dtype if found else np.asarray(fill_value).dtype
    return _filled(empty(shape, dtype, order, device=device), fill_value)


def _filled(array: ndarray, value: Any) -> ndarray:
    if type(value) in (int, float, bool, complex) and array._device == CPU:
        array._data.fill(value)
    else:
        run(operations.assign, "full", array, value)
    return array


def _like(
    prototype: Any, dtype: Any, order: str, shape: Any, device: Any
) -> tuple[tuple[int, ...], np.dtype[Any], str, str]:
    """Shape, dtype, order and device of an array like another."""
    found = adopt(prototype)
    data, where = found or (np.asarray(prototype), CPU)
    if order == "A":
        order = "F" if data.flags.fnc else "C"
    sizes = data.shape if shape is None else (tuple(shape) if np.iterable(shape) else (shape,))
    if order == "K":
        order = "F" if data.flags.fnc and len(sizes) == data.ndim else "C"
    return (
        tuple(int(n) for n in sizes),
        data.dtype if dtype is None else np.dtype(dtype),
        order,
        where if device is None else device_name(device),
    )


def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", shape: Any = None, *, device: Any = None
) -> ndarray:
    """A new array with the shape, dtype and device of another."""
    sizes, dtype, order, where = _like(prototype, dtype, order, shape, device)
    return empty(sizes, dtype, order, device=where)


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", shape: Any = None, *, device: Any = None
) -> ndarray:
    """Zeros with the shape, dtype and device of another array."""
    return _filled(empty_like(a, dtype, order, shape, device=device), 0)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", shape: Any = None, *, device: Any = None
) -> ndarray:
    """Ones with the shape, dtype and device of another array."""
    return _filled(empty_like(a, dtype, order, shape, device=device), 1)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", shape: Any = None, *, device: Any = None
) -> ndarray:
    """One value, with the shape, dtype and device of another array."""
    return _filled(empty_like(a, dtype, order, shape, device=device), fill_value)


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None
) -> ndarray:
    """An array over the memory of `a` where that is possible: arrays of NumPy and of other libraries stay where they
    are and are shared. With another device, dtype or order it is a copy; sequences and numbers are copied.

    Parameters
    ----------
    a: an array of any library that speaks DLPack or an array interface, a number, or nested sequences of numbers.
    device: where the result is to be; where `a` is, if not given.
    copy: True always copies, False raises `ValueError` instead of copying.
    """
    found = adopt(a)
    data, where = found or (_host_array(a, dtype), CPU)
    array = a if isinstance(a, ndarray) else ndarray(data, where)
    wanted = where if device is None else device_name(device)
    changes = dtype is not None and np.dtype(dtype) != array.dtype
    relaid = order in ("C", "F") and not array.flags["C" if order == "C" else "F"]
    if copy is False and (changes or relaid or wanted != where or (found is None and data is not a)):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    if changes:
        array = array.astype(dtype, order=order or "K")
    elif relaid or (copy and wanted == where):
        array = array.copy(order=order or "K")
    return array.to_device(wanted)


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    ndmin: int = 0,
    device: Any = None,
) -> ndarray:
    """A new array with the elements of `object` (shared with it, if possible, where `copy` is not true)."""
    made = asarray(object, dtype, None if order == "K" else order, device=device, copy=copy)
    return made if made.ndim >= ndmin else made.reshape((1,) * (ndmin - made.ndim) + made.shape)


def _host_array(value: Any, dtype: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, list | tuple):
        # arrays of this module inside of a sequence
        value = [_plain(item) for item in value]
    return np.asarray(value, dtype)


def _plain(item: Any) -> Any:
    if isinstance(item, ndarray):
        return item.to_numpy()
    return [_plain(inner) for inner in item] if isinstance(item, list | tuple) else item


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> ndarray:
    """An array over the memory of an object that speaks DLPack."""
    made = ndarray(*import_dlpack(x))
    if device is not None and device_name(device) != made.device:
        if copy is False:
            raise ValueError("from_dlpack: another device needs a copy")
        return made.to_device(device)
    return made.copy() if copy else made


def creator(function: Callable[..., Any]) -> Callable[..., ndarray]:
    """NumPy's function of numbers alone (`arange`, `eye`, ...) with the keyword `device`."""

    def make(*args: Any, device: Any = None, **kwargs: Any) -> ndarray:
        where = device_name(device)
        if where == CPU:
            return ndarray(function(*args, **kwargs), CPU)
        made: ndarray = create(function, args, kwargs, where)
        return made

    make.__name__ = make.__qualname__ = function.__name__
    make.__doc__ = f"`np.{function.__name__}`, with the keyword `device`."
    return make


arange = creator(np.arange)
linspace = creator(np.linspace)
eye = creator(np.eye)
identity = creator(np.identity)
tri = creator(np.tri)
