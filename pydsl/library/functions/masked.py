"""Means and variances of the elements where a mask holds."""

from __future__ import annotations

from typing import Any

import numpy as np


def _kind(values: Any, dtype: Any) -> Any:
    if dtype is not None:
        return np.dtype(dtype)
    return np.dtype(np.float64) if values.dtype.kind in "biu" else values.dtype


def _delivered(result: Any, out: Any) -> Any:
    if out is None:
        return result
    out[...] = result
    return out


def _mean(values: Any, axis: Any, kind: Any, keepdims: Any, where: Any) -> Any:
    mask = np.broadcast_to(np.asarray(where), values.shape)
    count = np.sum(mask, axis=axis, keepdims=keepdims)
    total = np.sum(values, axis=axis, dtype=kind, keepdims=keepdims, where=mask)
    return (total / count).astype(kind)


def mean_where(values: Any, axis: Any, dtype: Any, out: Any, keepdims: Any, where: Any) -> Any:
    """``np.mean`` with where."""
    return _delivered(_mean(values, axis, _kind(values, dtype), keepdims, where), out)


def _variance(values: Any, axis: Any, kind: Any, ddof: Any, keepdims: Any, where: Any) -> Any:
    mask = np.broadcast_to(np.asarray(where), values.shape)
    rest = values - _mean(values, axis, kind, True, where)
    squares = (rest * np.conj(rest)).real if rest.dtype.kind == "c" else rest * rest
    total = np.sum(squares, axis=axis, keepdims=keepdims, where=mask)
    free = np.maximum(np.sum(mask, axis=axis, keepdims=keepdims) - ddof, 0)
    return (total / free).astype(total.dtype)


def var_where(values: Any, axis: Any, dtype: Any, out: Any, ddof: Any, keepdims: Any, where: Any) -> Any:
    """``np.var`` with where."""
    return _delivered(_variance(values, axis, _kind(values, dtype), ddof, keepdims, where), out)


def std_where(values: Any, axis: Any, dtype: Any, out: Any, ddof: Any, keepdims: Any, where: Any) -> Any:
    """``np.std`` with where."""
    return _delivered(np.sqrt(_variance(values, axis, _kind(values, dtype), ddof, keepdims, where)), out)
