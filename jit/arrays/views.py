"""What only looks at arrays: views, shapes, dtypes. NumPy does it, on shadows as on the arrays of the host, since no
element is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"

NOT_A_VIEW = object()
"""Answered where the function has to compute or copy."""

_WITHOUT_ELEMENTS: frozenset[Any] = frozenset(
    getattr(np, name)
    for name in [
        "transpose",
        "swapaxes",
        "moveaxis",
        "rollaxis",
        "expand_dims",
        "squeeze",
        "broadcast_to",
        "broadcast_arrays",
        "diagonal",
        "flip",
        "fliplr",
        "flipud",
        "rot90",
        "split",
        "array_split",
        "hsplit",
        "vsplit",
        "dsplit",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "matrix_transpose",
        "permute_dims",
        "shape",
        "ndim",
        "size",
        "result_type",
        "can_cast",
        "iscomplexobj",
        "isrealobj",
        "may_share_memory",
        "shares_memory",
    ]
    if hasattr(np, name)
) | {np.lib.stride_tricks.as_strided, np.lib.stride_tricks.sliding_window_view}

_HAS_COPY_KEYWORD = tuple(int(part) for part in np.__version__.split(".")[:2]) >= (2, 1)


def without_elements() -> frozenset[Any]:
    """Functions that never touch an element."""
    return _WITHOUT_ELEMENTS


def view(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call with NumPy arrays or shadows, or `NOT_A_VIEW`."""
    if function in _WITHOUT_ELEMENTS:
        return function(*args, **kwargs)
    special = _SPECIAL.get(function)
    if special is None or not args or not isinstance(args[0], np.ndarray):
        return NOT_A_VIEW
    return special(*args, **kwargs)


def _reshape(array: Array, shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    if order == "A":
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    if order == "F":
        wanted = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        turned = _reshape(array.T, wanted[::-1])
        return turned if turned is NOT_A_VIEW else turned.T
    if not _HAS_COPY_KEYWORD:
        return _in_new_shape(array, shape)
    try:
        return np.reshape(array, shape, copy=False)
    except ValueError as error:
        if "copy" in str(error):
            return NOT_A_VIEW
        raise


def _in_new_shape(array: Array, shape: Any) -> Any:
    made = array.view()
    try:
        made.shape = shape
    except AttributeError:
        return NOT_A_VIEW
    return made


def _ravel(array: Array, order: str = "C") -> Any:
    flags = array.flags
    if flags.c_contiguous and order in "CAK":
        return _reshape(array, -1)
    if flags.f_contiguous and order in "FAK":
        return _reshape(array.T, -1)
    return NOT_A_VIEW


def _real(array: Array) -> Any:
    return array.real


def _imag(array: Array) -> Any:
    return array.imag if array.dtype.kind == "c" else NOT_A_VIEW


def _diag(array: Array, k: int = 0) -> Any:
    return np.diagonal(array, k) if array.ndim == 2 else NOT_A_VIEW


def _contiguous(array: Array, dtype: Any = None, **others: Any) -> Any:
    same = dtype is None or np.dtype(dtype) == array.dtype
    return array if same and array.ndim and array.flags.c_contiguous and not others else NOT_A_VIEW


def _fortran(array: Array, dtype: Any = None, **others: Any) -> Any:
    same = dtype is None or np.dtype(dtype) == array.dtype
    return array if same and array.ndim and array.flags.f_contiguous and not others else NOT_A_VIEW


_SPECIAL: dict[Callable[..., Any], Callable[..., Any]] = {
    np.reshape: _reshape,
    np.ravel: _ravel,
    np.real: _real,
    np.imag: _imag,
    np.diag: _diag,
    np.ascontiguousarray: _contiguous,
    np.asfortranarray: _fortran,
}


def basic_index(index: Any) -> tuple[Any, ...] | None:
    """The index as a tuple whose result is a view, also where NumPy would read one element; None for an index with
    masks, integer arrays or lists."""
    items = index if isinstance(index, tuple) else (index,)
    for item in items:
        plain = item is None or item is Ellipsis or isinstance(item, slice | np.integer)
        if not plain and (not isinstance(item, int) or isinstance(item, bool)):
            return None
    return items if any(item is Ellipsis for item in items) else (*items, Ellipsis)
