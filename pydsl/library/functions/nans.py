"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse, stands_for
from pydsl.library.functions.differences import NO_BOOL, normal_axis


def _replaced(values: Any, fill: Any) -> Any:
    if values.dtype.kind in "biu":
        return values
    return np.where(np.isnan(values), values.dtype.type(fill), values)


def _arg(found: Any, values: Any, fill: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    array = np.asanyarray(values)
    if array.dtype.kind == "f" and np.isnan(array).all(axis=axis).any():
        raise ValueError("All-NaN slice encountered")
    return found(_replaced(array, fill), axis=axis, out=out, keepdims=keepdims)


@stands_for(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.nanargmin``."""
    return _arg(np.argmin, a, np.inf, axis, out, keepdims)


@stands_for(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.nanargmax``."""
    return _arg(np.argmax, a, -np.inf, axis, out, keepdims)


@stands_for(np.nanvar)
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False
) -> Any:
    """``np.nanvar``."""
    values = np.asanyarray(a)
    if values.dtype.kind in "biu":
        return np.var(values, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)
    result = _nanvar(values, axis, dtype, ddof, keepdims)
    if out is None:
        return result
    out[...] = result
    return out


def _nanvar(values: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any) -> Any:
    lost = np.isnan(values)
    known = np.where(lost, values.dtype.type(0), values)
    count = (~lost).sum(axis=axis, keepdims=True)
    kind = known.dtype if dtype is None else np.dtype(dtype)
    mean = known.sum(axis=axis, dtype=kind, keepdims=True) / count
    mean = mean.astype(kind)
    rest = np.where(lost, kind.type(0), known - mean)
    squares = (rest * rest.conj()).real if kind.kind == "c" else rest * rest
    total = squares.sum(axis=axis, keepdims=True)
    free = count - ddof
    result = (total / free).astype(total.dtype)
    result = np.where(free <= 0, total.dtype.type(np.nan), result)
    if keepdims:
        return result
    if axis is None:
        return result.reshape(-1)[0]
    return np.squeeze(result, axis=axis)[()]


@stands_for(np.nanstd)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False
) -> Any:
    """``np.nanstd``."""
    values = np.asanyarray(a)
    if values.dtype.kind in "biu":
        return np.std(values, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)
    result = np.sqrt(_nanvar(values, axis, dtype, ddof, keepdims))
    if out is None:
        return result
    out[...] = result
    return out


@stands_for(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False, keepdims: Any = False
) -> Any:
    """``np.nanmedian``."""
    values = np.asanyarray(a)
    if values.dtype.kind in "biu":
        return np.median(values, axis=axis, out=out, keepdims=keepdims)
    return _nan_quantiles(values, [0.5], axis, out, keepdims, True)


@stands_for(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: Any = False,
    method: Any = "linear",
    keepdims: Any = False,
) -> Any:
    """``np.nanquantile``, by linear interpolation."""
    if method != "linear":
        refuse("np.nanquantile with another method than linear")
    values = np.asanyarray(a)
    if values.dtype.kind == "b":
        raise TypeError(NO_BOOL)
    if values.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if values.dtype.kind in "iu":
        values = values.astype(np.float64)
    if np.ndim(q) == 0:
        return _nan_quantiles(values, [q], axis, out, keepdims, False)
    if out is not None:
        refuse("np.nanquantile of several fractions with out=")
    return np.stack([_nan_quantiles(values, [fraction], axis, None, keepdims, False) for fraction in q])


@stands_for(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: Any = False,
    method: Any = "linear",
    keepdims: Any = False,
) -> Any:
    """``np.nanpercentile``, by linear interpolation."""
    fractions = np.true_divide(q, 100) if np.ndim(q) == 0 else [np.true_divide(p, 100) for p in q]
    return np.nanquantile(a, fractions, axis, out, overwrite_input, method, keepdims)


def _nan_quantiles(values: Any, fractions: Any, axis: Any, out: Any, keepdims: Any, middle: Any) -> Any:
    """One quantile of every row without its NaN; ``middle``: the mean of the two in the middle."""
    if axis is None:
        rows = values.reshape(1, -1)
        shape: Any = ()
        kept = (1,) * values.ndim
    else:
        axis = normal_axis(axis, values.ndim)
        moved = np.moveaxis(values, axis, -1)
        shape = moved.shape[:-1]
        kept = (*values.shape[:axis], 1, *values.shape[axis + 1 :])
        rows = moved.reshape(-1, moved.shape[-1])
    ordered = np.sort(rows, axis=-1)
    counts = (~np.isnan(rows)).sum(axis=-1)
    result = np.empty(rows.shape[0], values.dtype)
    for i in range(rows.shape[0]):
        n = counts[i]
        if n == 0:
            result[i] = np.nan
        elif middle:
            low, high = ordered[i, (n - 1) // 2], ordered[i, n // 2]
            result[i] = low if n % 2 == 1 else (low + high) / 2
        else:
            virtual = (n - 1) * fractions[0]
            below = int(np.floor(virtual))
            above = min(below + 1, n - 1)
            weight = virtual - below
            low, high = ordered[i, below], ordered[i, above]
            if weight >= 0.5:
                result[i] = high - (high - low) * (1 - weight)
            else:
                result[i] = low + (high - low) * weight
    if out is not None:
        out[...] = result.reshape(kept if keepdims else shape)
        return out
    if keepdims:
        return result.reshape(kept)
    if axis is None or len(shape) == 0:
        return result[0]
    return result.reshape(shape)
