"""Methods of ufuncs that have no loop of their own: reduce, accumulate, reduceat, one slab after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse
from pydsl.library.functions.differences import normal_axis


def result_dtype(ufunc: Any, values: Any, dtype: Any) -> Any:
    """The dtype in which a ufunc goes on with its own results."""
    if dtype is not None:
        return np.dtype(dtype)
    if ufunc in (np.add, np.multiply):
        return np.sum(values.reshape(-1)[:0]).dtype
    return ufunc(values.reshape(-1)[:0], values.reshape(-1)[:0]).dtype


def _delivered(result: Any, out: Any) -> Any:
    if out is None:
        return result[()]
    target = out[0] if isinstance(out, tuple) else out
    target[...] = result
    return target


def reduce(
    ufunc: Any, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Any:
    """``ufunc.reduce``."""
    values = np.asarray(array)
    kept = values.shape
    if axis is None:
        if values.ndim > 1 and ufunc.identity is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis may be specified"
            )
        kept = (1,) * values.ndim
        moved = values.reshape(-1)
    elif isinstance(axis, tuple):
        refuse(f"`np.{ufunc.__name__}.reduce` over several axes", "one axis, or None")
    else:
        axis = normal_axis(axis, values.ndim)
        kept = (*values.shape[:axis], 1, *values.shape[axis + 1 :])
        moved = np.moveaxis(values, axis, 0)
    kind = result_dtype(ufunc, moved, dtype)
    n = moved.shape[0]
    result = np.empty(moved.shape[1:], kind)
    if n > 0:
        result[...] = moved[0]
        for k in range(1, n):
            result[...] = ufunc(result, moved[k])
    elif ufunc.identity is None:
        raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
    else:
        result[...] = ufunc.identity
    return _delivered(result.reshape(kept) if keepdims else result, out)


def accumulate(ufunc: Any, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """``ufunc.accumulate``."""
    values = np.asarray(array)
    if values.ndim == 0:
        raise TypeError("cannot accumulate on a scalar")
    axis = normal_axis(axis, values.ndim)
    moved = np.moveaxis(values, axis, 0)
    kind = result_dtype(ufunc, moved, dtype)
    n = moved.shape[0]
    result = np.empty_like(values, dtype=kind)
    target = np.moveaxis(result, axis, 0)
    if n > 0:
        target[0] = moved[0]
    for k in range(1, n):
        target[k] = ufunc(target[k - 1], moved[k])
    return _delivered(result, out)


def reduceat(ufunc: Any, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """``ufunc.reduceat``."""
    values = np.asarray(array)
    axis = normal_axis(axis, values.ndim)
    moved = np.moveaxis(values, axis, 0)
    starts = np.asarray(indices)
    kind = result_dtype(ufunc, moved, dtype)
    n, count = moved.shape[0], starts.shape[0]
    result = np.empty((*values.shape[:axis], count, *values.shape[axis + 1 :]), kind)
    target = np.moveaxis(result, axis, 0)
    for i in range(count):
        start = int(starts[i])
        if start < 0 or start >= n:
            raise IndexError(f"index {start} out-of-bounds in {ufunc.__name__}.reduceat [0, {n})")
        stop = int(starts[i + 1]) if i + 1 < count else n
        target[i] = moved[start]
        for k in range(start + 1, stop):
            target[i] = ufunc(target[i], moved[k])
    return _delivered(result, out)
