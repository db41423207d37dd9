"""Copies between host and device, when the program asks for them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import UnsupportedDtypeError
from pydsl.jit.binding import supported_dtype
from pydsl.jit.cuda.buffers import address_of, check_driver, extent, new_array
from pydsl.jit.cuda.driver import current

Array: TypeAlias = "np.ndarray[Any, Any]"


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C") -> Array:
    """A shadow of new device memory."""
    _require_dtype(dtype)
    driver = current()
    driver.require("a new array")
    made = new_array(driver, dtype, shape[::-1] if order == "F" else shape)
    return made.T if order == "F" else made


def to_device(data: Array) -> Array:
    """A shadow of new device memory with the elements of a host array, in the same order of axes."""
    _require_dtype(data.dtype)
    driver = current()
    driver.require("a copy to the device")
    dense = data if _is_dense(data) else np.array(data, order="K", copy=True)
    made = new_array(driver, data.dtype, dense.shape, dense.strides if dense.size else None)
    if dense.size:
        driver.copy_in(address_of(made), address_of(dense), dense.nbytes)
    return made


def to_host(array: Array) -> Array:
    """The elements of a shadow, in the same order of axes; waits for the device."""
    driver = current()
    if not array.size:
        return np.empty(array.shape, array.dtype)
    driver.require("a copy from the device")
    check_driver(array, driver, "a copy from the device")
    made = np.empty_like(array, order="K", subok=False)
    low, high = extent(array.shape, array.strides, array.itemsize)
    if made.strides == array.strides and low == 0:
        driver.copy_out(address_of(made), address_of(array), made.nbytes)
        return made
    span = np.empty(high - low, np.uint8)
    driver.copy_out(address_of(span), address_of(array) + low, span.nbytes)
    made[...] = np.ndarray(array.shape, array.dtype, span, -low, array.strides)
    return made


def is_sparse(array: Array) -> bool:
    """Whether a view spans much more memory than it has elements."""
    if not array.size:
        return False
    low, high = extent(array.shape, array.strides, array.itemsize)
    return high - low > 2 * array.nbytes


def _is_dense(array: Array) -> bool:
    like = np.empty_like(array, order="K", subok=False) if array.nbytes < 4096 else None
    if like is not None:
        return like.strides == array.strides
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)


def _require_dtype(dtype: np.dtype[Any]) -> None:
    if supported_dtype(dtype) is None:
        raise UnsupportedDtypeError("an array for the device", dtype)
