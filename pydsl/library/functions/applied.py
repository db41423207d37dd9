"""Functions that call a function: apply_along_axis, apply_over_axes, piecewise, vectorize."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse, stands_for
from pydsl.library.functions.differences import normal_axis


@stands_for(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.apply_along_axis``: the first row tells shape and dtype."""
    values = np.asanyarray(arr)
    axis = normal_axis(axis, values.ndim)
    moved = np.moveaxis(values, axis, -1)
    outer = moved.shape[:-1]
    rows = moved.reshape((-1, moved.shape[-1]))
    count = rows.shape[0]
    if count == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    first = np.asanyarray(func1d(rows[0], *args, **kwargs))
    results = np.empty((count, *first.shape), first.dtype)
    results[0] = first
    for i in range(1, count):
        results[i] = func1d(rows[i], *args, **kwargs)
    whole = results.reshape((*outer, *first.shape))
    if first.ndim == 0:
        return whole if len(outer) > 0 else whole[()]
    lead, rank = len(outer), first.ndim
    order = (*range(axis), *range(lead, lead + rank), *range(axis, lead))
    return whole.transpose(order)


@stands_for(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """``np.apply_over_axes``."""
    result = np.asarray(a)
    ndim = result.ndim
    for axis in (axes,) if np.ndim(axes) == 0 else axes:
        place = ndim + axis if axis < 0 else axis
        found = func(result, place)
        if ndim > 0:
            found = np.asarray(found)
        if np.ndim(found) != ndim:
            found = np.expand_dims(found, place)
        if np.ndim(found) != ndim:
            raise ValueError("function is not returning an array of the correct shape")
        result = found
    return result


@stands_for(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``: every function on the elements of its condition."""
    values = np.asanyarray(x)
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    if len(conditions) > 0 and isinstance(conditions[0], (bool, np.bool_)) and values.ndim > 0:
        conditions = [np.array(conditions)]
    masks = [np.asarray(c, dtype=bool) for c in conditions]
    count = len(funclist)
    if count == len(masks) + 1:
        rest = masks[0]
        for mask in masks[1:]:
            rest = rest | mask
        masks = [*masks, ~rest]
    elif count != len(masks):
        raise ValueError(
            f"with {len(masks)} condition(s), either {len(masks)} or {len(masks) + 1} functions are expected"
        )
    result = np.zeros_like(values)
    for mask, function in zip(masks, funclist):  # noqa: B905
        if callable(function):
            chosen = values[mask]
            if chosen.size > 0:
                result[mask] = function(chosen, *args, **kw)
        else:
            result[mask] = function
    return result


def vectorized(function: Any, otypes: Any, excluded: Any, signature: Any, args: Any, kwargs: Any) -> Any:
    """A call of ``np.vectorize(function)``: one call for each element, the first of which tells the dtypes."""
    if excluded or signature is not None or len(kwargs) > 0:
        refuse("np.vectorize with excluded, signature or keyword arguments", "a loop")
    arrays = np.broadcast_arrays(*[np.asarray(arg) for arg in args])
    shape = arrays[0].shape
    flat = [array.reshape(-1) for array in arrays]
    count = flat[0].shape[0]
    if otypes is None and count == 0:
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    if otypes is None:
        first = function(*[array[0] for array in flat])
        several = isinstance(first, tuple)
        dtypes = [np.asarray(part).dtype for part in (first if several else (first,))]
    else:
        dtypes = [np.dtype(letter) for letter in otypes]
        several = len(dtypes) > 1
    results = [np.empty(count, dtype) for dtype in dtypes]
    for i in range(count):
        found = function(*[array[i].item() for array in flat])
        parts = found if several else (found,)
        for k in range(len(results)):
            results[k][i] = parts[k]
    whole = [result.reshape(shape) for result in results]
    return tuple(whole) if several else whole[0]
