"""Elements of an array: `x[...]` and `x[...] = value`; and the methods of ufuncs in terms of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.errors import DeviceError, UnsupportedError
from pydsl.jit.arrays import operations
from pydsl.jit.arrays.eager import run
from pydsl.jit.arrays.transfer import copy_to_device
from pydsl.jit.arrays.views import basic_index
from pydsl.jit.exchange import CPU, Shadowed, array_of


def load(array: Shadowed, index: Any) -> Any:
    """A view for a basic index, a copy of the elements for masks and integer arrays."""
    index = _with_host_numbers(index)
    basic = basic_index(index)
    if basic is not None:
        return array_of(array._data[basic], array._device)
    return run(operations.load, "ndarray.__getitem__", array, _with_arrays(index, array._device))


def store(array: Shadowed, index: Any, value: Any) -> None:
    """Writes elements."""
    value = _with_arrays(value, array._device) if isinstance(value, list) else value
    index = _with_host_numbers(index)
    basic = basic_index(index)
    if basic is not None:
        run(
            operations.assign,
            "ndarray.__setitem__",
            array._data[basic] if array._device == CPU else array_of(array._data[basic], array._device),
            value,
        )
        return
    run(operations.store, "ndarray.__setitem__", array, _with_arrays(index, array._device), value)


def _with_host_numbers(index: Any) -> Any:
    """Integer arrays without dimensions that are on the host count as integers, as NumPy has it."""
    items = index if isinstance(index, tuple) else (index,)
    made = []
    for item in items:
        data = item._data if isinstance(item, Shadowed) and item._device == CPU else item
        is_number = isinstance(data, np.ndarray) and data.ndim == 0 and data.dtype.kind in "iu"
        made.append(int(data) if is_number else item)
    return tuple(made) if isinstance(index, tuple) else made[0]


def _with_arrays(index: Any, device: str) -> Any:
    """Lists become arrays: on the host as they are, on a device as small copies of what the program spells out."""
    if isinstance(index, tuple):
        return tuple(_with_arrays(item, device) for item in index)
    if not isinstance(index, list):
        return index
    made = np.asarray(index)
    if device == CPU:
        return made

    return array_of(copy_to_device(made), device)


_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
_ACCUMULATIONS: dict[np.ufunc, Callable[..., Any]] = {np.add: np.cumsum, np.multiply: np.cumprod}


def ufunc_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The function, arguments and keywords that stand for `ufunc.method(*inputs, **kwargs)`.

    Raises
    ------
    UnsupportedError: for methods that no function stands for.
    """
    if method == "__call__":
        return ufunc, inputs, kwargs
    if method == "reduce" and ufunc in _REDUCTIONS:
        return _REDUCTIONS[ufunc], inputs, {"axis": 0, **kwargs}
    if method == "accumulate" and ufunc in _ACCUMULATIONS:
        return _ACCUMULATIONS[ufunc], inputs, {"axis": 0, **kwargs}
    if method == "outer" and len(inputs) == 2:
        first, second = inputs
        return ufunc, (_widened(first, np.ndim(second)), second), kwargs
    raise UnsupportedError.at(
        None, f"np.{ufunc.__name__}.{method} for arrays of pydsl.numpy", "np functions, or x.to_numpy()"
    )


def _widened(array: Any, rank: int) -> Any:
    if not isinstance(array, Shadowed | np.ndarray):
        if np.ndim(array):
            raise DeviceError("the outer product of a list", "an array")
        return array
    index: Any = (Ellipsis, *((None,) * rank))
    return array[index]  # type: ignore[index]
