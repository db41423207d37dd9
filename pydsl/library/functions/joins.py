"""Putting together and taking apart: insert, resize, trim_zeros, block, unstack and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse, stands_for
from pydsl.library.functions.differences import along, normal_axis


@stands_for(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """``np.insert``."""
    source = np.asarray(arr)
    if axis is None:
        source, axis = source.ravel(), 0
    ndim = source.ndim
    axis = normal_axis(axis, ndim)
    length = source.shape[axis]
    if isinstance(obj, slice):
        places = np.arange(*obj.indices(length))
    else:
        places = np.asarray(obj)
        if places.dtype == np.bool_:
            places = np.flatnonzero(places)
    if places.ndim > 1:
        raise ValueError("index array argument obj to insert must be one dimensional or scalar")
    if places.ndim == 0:
        return _insert_one(source, places, values, axis)
    where = places.astype(np.int64)
    count = where.shape[0]
    for i in range(count):
        if where[i] < -length or where[i] > length:
            raise IndexError(f"index {where[i]} is out of bounds for axis {axis} with size {length}")
        if where[i] < 0:
            where[i] += length
    where[np.argsort(where, kind="stable")] += np.arange(count)
    shape = (*source.shape[:axis], length + count, *source.shape[axis + 1 :])
    result = np.empty(shape, source.dtype, "F" if np.isfortran(source) else "C")
    kept = np.ones(length + count, dtype=np.bool_)
    kept[where] = False
    result[along(ndim, axis, where)] = np.asarray(values).astype(source.dtype)
    result[along(ndim, axis, np.flatnonzero(kept))] = source
    return result


def _insert_one(source: Any, place: Any, values: Any, axis: Any) -> Any:
    ndim, length = source.ndim, source.shape[axis]
    index = int(place)
    if index < -length or index > length:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")
    if index < 0:
        index += length
    new = np.array(values, copy=None, ndmin=ndim, dtype=source.dtype)
    if np.ndim(place) == 0:
        new = np.moveaxis(new, 0, axis)
    count = new.shape[axis]
    shape = (*source.shape[:axis], length + count, *source.shape[axis + 1 :])
    result = np.empty(shape, source.dtype, "F" if np.isfortran(source) else "C")
    result[along(ndim, axis, slice(None, index))] = source[along(ndim, axis, slice(None, index))]
    result[along(ndim, axis, slice(index, index + count))] = new
    result[along(ndim, axis, slice(index + count, None))] = source[along(ndim, axis, slice(index, None))]
    return result


@stands_for(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """``np.resize``: the elements over and over."""
    shape = (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    values = np.asarray(a).ravel()
    count = 1
    for dim in shape:
        count *= dim
        if dim < 0:
            raise ValueError("all elements of `new_shape` must be non-negative")
    result = np.zeros(count, values.dtype)
    n = values.shape[0]
    if n > 0:
        for i in range(count):
            result[i] = values[i % n]
    return result.reshape(shape)


@stands_for(np.trim_zeros)
def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """``np.trim_zeros`` of a vector: a view."""
    values = np.asarray(filt)
    if values.ndim != 1:
        refuse("np.trim_zeros of an array that is not a vector")
    if trim.lower() not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    first, last = 0, values.shape[0]
    if "f" in trim.lower():
        while first < last and values[first] == 0:
            first += 1
    if "b" in trim.lower():
        while last > first and values[last - 1] == 0:
            last -= 1
    return values[first:last]


def joined_row(items: Any, row: Any) -> Any:
    """``np.r_[items]`` (row), or ``np.c_[items]``: slices become ranges, numbers vectors."""
    parts = []
    part: Any
    for item in items:
        if isinstance(item, str):
            refuse("np.r_ and np.c_ with a directive in text", "np.concatenate")
        elif isinstance(item, slice):
            step = 1 if item.step is None else item.step
            start = 0 if item.start is None else item.start
            if isinstance(step, complex):
                part = np.linspace(start, item.stop, int(abs(step)))
            else:
                part = np.arange(start, item.stop, step)
        else:
            part = np.atleast_1d(item)
        if not row and part.ndim < 2:
            part = part[:, None]
        parts.append(part)
    return np.concatenate(parts, axis=0 if row else -1)


@stands_for(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """``np.dsplit``."""
    if np.ndim(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return np.split(ary, indices_or_sections, 2)


@stands_for(np.unstack)
def unstack(x: Any, /, *, axis: Any = 0) -> Any:
    """``np.unstack``: views, one for each position of an axis whose length is known."""
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    moved = np.moveaxis(x, axis, 0)
    return tuple([moved[k] for k in range(moved.shape[0])])


@stands_for(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """``np.array_equiv`` of arrays that broadcast."""
    return bool((np.asarray(a1) == np.asarray(a2)).all())


@stands_for(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Any:
    """``np.astype``."""
    return x.astype(dtype, copy=copy)


@stands_for(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """``np.asarray_chkfinite``."""
    values = np.asarray(a, dtype=dtype)
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        raise ValueError("array must not contain infs or NaNs")
    return values


@stands_for(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> Any:
    """``np.choose``: by position in a list of arrays."""
    index = np.asarray(a)
    n = len(choices)
    dtype = np.result_type(*[np.asarray(c).dtype for c in choices])
    if mode == "wrap":
        index = index % n
    elif mode == "clip":
        index = np.minimum(np.maximum(index, 0), n - 1)
    elif (index < 0).any() or (index >= n).any():
        raise ValueError("invalid entry in choice array")
    result = np.asarray(choices[n - 1]).astype(dtype)
    for k in range(n - 2, -1, -1):
        result = np.where(index == k, np.asarray(choices[k]).astype(dtype), result)
    if n == 1:
        result = np.where(index == 0, result, result)
    if out is None:
        return result[()]
    out[...] = result
    return out
