"""Index grids and diagonals: indices, fromfunction, diag_indices, tril_indices, fill_diagonal, diagflat."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import stands_for


@stands_for(np.indices)
def indices(dimensions: Any, dtype: Any = int, sparse: Any = False) -> Any:
    """``np.indices``."""
    count = len(dimensions)
    grids = [
        np.arange(dimensions[k], dtype=dtype).reshape((1,) * k + (-1,) + (1,) * (count - k - 1))
        for k in range(count)
    ]
    if sparse:
        return tuple(grids)
    result = np.empty((count, *dimensions), dtype)
    for k in range(count):
        result[k] = grids[k]
    return result


@stands_for(np.fromfunction)
def fromfunction(function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any) -> Any:
    """``np.fromfunction``: the function is called once, with the grids."""
    grids = np.indices(shape, dtype=dtype)
    return function(*[grids[k] for k in range(len(shape))], **kwargs)


@stands_for(np.diag_indices)
def diag_indices(n: Any, ndim: Any = 2) -> Any:
    """``np.diag_indices``."""
    return (np.arange(n),) * ndim


@stands_for(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """``np.diag_indices_from``."""
    if not arr.ndim >= 2:
        raise ValueError("input array must be at least 2-d")
    for k in range(1, arr.ndim):
        if arr.shape[k] != arr.shape[0]:
            raise ValueError("All dimensions of input must be of equal length")
    return np.diag_indices(arr.shape[0], arr.ndim)


@stands_for(np.tril_indices)
def tril_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """``np.tril_indices``."""
    return np.nonzero(np.tri(n, m, k=k, dtype=bool))


@stands_for(np.triu_indices)
def triu_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """``np.triu_indices``."""
    return np.nonzero(~np.tri(n, m, k=k - 1, dtype=bool))


@stands_for(np.tril_indices_from)
def tril_indices_from(arr: Any, k: Any = 0) -> Any:
    """``np.tril_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return np.tril_indices(arr.shape[-2], k=k, m=arr.shape[-1])


@stands_for(np.triu_indices_from)
def triu_indices_from(arr: Any, k: Any = 0) -> Any:
    """``np.triu_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return np.triu_indices(arr.shape[-2], k=k, m=arr.shape[-1])


@stands_for(np.mask_indices)
def mask_indices(n: Any, mask_func: Any, k: Any = 0) -> Any:
    """``np.mask_indices``."""
    return np.nonzero(mask_func(np.ones((n, n), int), k) != 0)


@stands_for(np.diagflat)
def diagflat(v: Any, k: Any = 0) -> Any:
    """``np.diagflat``."""
    values = np.asarray(v).ravel()
    n = values.shape[0] + abs(k)
    result = np.zeros((n, n), values.dtype)
    for i in range(values.shape[0]):
        result[i + max(-k, 0), i + max(k, 0)] = values[i]
    return result


@stands_for(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: Any = False) -> None:
    """``np.fill_diagonal``: in place; one value, or values that are repeated."""
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2:
        for k in range(1, a.ndim):
            if a.shape[k] != a.shape[0]:
                raise ValueError("All dimensions of input must be of equal length")
        count = a.shape[0]
        period = count
    else:
        count = min(a.shape[0], a.shape[1])
        period = a.shape[1] + 1
        if wrap and a.shape[0] > a.shape[1]:
            count = (a.shape[0] * a.shape[1] + a.shape[1]) // (a.shape[1] + 1)
    values = np.asarray(val).ravel()
    for i in range(count):
        value = values[i % values.shape[0]]
        if a.ndim == 2:
            row = (i * period) // a.shape[1]
            a[row, (i * period) % a.shape[1]] = value
        else:
            a[(i,) * a.ndim] = value
