"""Covariance, histograms of several variables, polynomials, sets with all their returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse, stands_for, unchecked


@stands_for(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """``np.cov``."""
    first = np.asarray(m)
    if first.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(first.dtype, np.float64)
        if y is not None:
            dtype = np.result_type(dtype, np.asarray(y).dtype)
    rows = np.array(first, ndmin=2, dtype=dtype)
    if not rowvar and first.ndim != 1:
        rows = rows.T
    if y is not None:
        other = np.array(y, ndmin=2, dtype=dtype)
        if not rowvar and other.shape[0] != 1:
            other = other.T
        rows = np.concatenate((rows, other), axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights = None
    if fweights is not None:
        weights = np.asarray(fweights, dtype=float)
    if aweights is not None:
        given = np.asarray(aweights, dtype=float)
        weights = given if weights is None else weights * given
    if weights is None:
        mean = rows.mean(axis=1)
        factor = rows.shape[1] - ddof
    else:
        total = weights.sum()
        mean = (rows * weights).sum(axis=1) / total
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * (weights * np.asarray(aweights, dtype=float)).sum() / total
    factor = max(factor, 0)
    rest = rows - mean[:, None]
    right = rest.T if weights is None else (rest * weights).T
    result = np.dot(rest, np.conj(right))
    result = result * np.true_divide(1, factor)
    return result.reshape(()) if result.shape == (1, 1) else result


@stands_for(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    """``np.corrcoef``."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    deviation = np.sqrt(np.diag(c).real)
    c = c / deviation[:, None]
    c = c / deviation[None, :]
    if c.dtype.kind == "c":
        return np.clip(c.real, -1, 1) + 1j * np.clip(c.imag, -1, 1)
    return np.clip(c, -1, 1)


# --- histograms -----------------------------------------------------------------------------------------------------


@unchecked
def count_cells(places: Any, weights: Any, counts: Any) -> None:
    """``counts[place] += weight`` for every place that is not negative."""
    for i in range(places.shape[0]):
        if places[i] >= 0:
            counts[places[i]] += weights[i]


def edges_of(values: Any, bins: Any, limits: Any) -> Any:
    """Bin edges: given, or so many between the limits."""
    if np.ndim(bins) == 0:
        if limits is None:
            if values.shape[0] == 0:
                low, high = 0.0, 1.0
            else:
                low, high = values.min(), values.max()
        else:
            low, high = limits
        if low == high:
            low, high = low - 0.5, high + 0.5
        return np.linspace(low, high, bins + 1)
    return np.asarray(bins)


@stands_for(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """``np.histogramdd``."""
    if isinstance(sample, (list, tuple)):
        columns = [np.asarray(column) for column in sample]
    else:
        columns = [sample[:, k] for k in _numbers(sample.shape[1])]
    count = len(columns)
    bins_of = [bins] * count if np.ndim(bins) == 0 and not isinstance(bins, (list, tuple)) else bins
    limits_of = [None] * count if range is None else range
    edges = [edges_of(columns[k], bins_of[k], limits_of[k]) for k in _numbers(count)]
    place = np.zeros(columns[0].shape[0], np.int64)
    for k in _numbers(count):
        last = edges[k].shape[0] - 1
        found = np.searchsorted(edges[k], columns[k], side="right") - 1
        found = np.where(columns[k] == edges[k][-1], last - 1, found)
        inside = (found >= 0) & (found < last) & (place >= 0)
        place = np.where(inside, place * last + found, -1)
    shape = tuple([e.shape[0] - 1 for e in edges])
    cells = 1
    for dim in shape:
        cells *= dim
    counts = np.zeros(cells, np.float64)
    amounts = np.ones(place.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    count_cells(place, amounts, counts)
    result = counts.reshape(shape)
    if density:
        total = result.sum()
        for k in _numbers(count):
            widths = np.diff(edges[k])
            result = result / widths.reshape((1,) * k + (-1,) + (1,) * (count - k - 1))
        result = result / total
    return result, [*edges]


def _numbers(n: Any) -> Any:
    """``range``, where an argument has that name."""
    return range(n)


@stands_for(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """``np.histogram2d``."""
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    given = bins
    if isinstance(bins, np.ndarray):
        given = [bins, bins]
    elif isinstance(bins, (list, tuple)) and len(bins) != 2:
        given = [np.asarray(bins), np.asarray(bins)]
    counts, edges = np.histogramdd([x, y], given, range, density, weights)
    return counts, edges[0], edges[1]


@stands_for(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """``np.histogram_bin_edges`` for a number of bins, or given edges."""
    if isinstance(bins, str):
        refuse("np.histogram_bin_edges with a rule for the number of bins", "a number")
    return edges_of(np.asarray(a).ravel(), bins, range)


# --- polynomials ----------------------------------------------------------------------------------------------------


@stands_for(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """``np.polyval``: by Horner's rule."""
    coefficients, places = np.asarray(p), np.asanyarray(x)
    result = np.zeros_like(places)
    for k in range(coefficients.shape[0]):
        result = result * places + coefficients[k]
    return result


@stands_for(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """``np.polyadd``."""
    return _padded_sum(np.atleast_1d(a1), np.atleast_1d(a2))


@stands_for(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """``np.polysub``."""
    first, second = np.atleast_1d(a1), np.atleast_1d(a2)
    n, m = first.shape[0], second.shape[0]
    if n == m:
        return first - second
    if n < m:
        return np.concatenate((np.zeros(m - n, first.dtype), first)) - second
    return first - np.concatenate((np.zeros(n - m, second.dtype), second))


def _padded_sum(first: Any, second: Any) -> Any:
    n, m = first.shape[0], second.shape[0]
    if n == m:
        return first + second
    if n < m:
        return np.concatenate((np.zeros(m - n, first.dtype), first)) + second
    return first + np.concatenate((np.zeros(n - m, second.dtype), second))


@stands_for(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """``np.polymul``."""
    return np.convolve(np.trim_zeros(np.atleast_1d(a1), "f"), np.trim_zeros(np.atleast_1d(a2), "f"))


@stands_for(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    """``np.polyder``."""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    result = np.asarray(p)
    for _ in range(m):
        n = result.shape[0] - 1
        result = result[:-1] * np.arange(n, 0, -1)
    return result


@stands_for(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    """``np.polyint``."""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    given = np.zeros(m) if k is None else np.atleast_1d(k)
    result = np.asarray(p)
    for i in range(m):
        constant = given[i] if given.shape[0] > 1 else given[0]
        n = result.shape[0]
        result = np.concatenate((np.true_divide(result, np.arange(n, 0, -1)), np.array([constant])))
    return result


@stands_for(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: Any = False, w: Any = None, cov: Any = False
) -> Any:
    """``np.polyfit``: the coefficients alone."""
    if full or cov:
        refuse("np.polyfit with full or cov", "the coefficients alone")
    order = int(deg) + 1
    places, heights = np.asarray(x) + 0.0, np.asarray(y) + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if places.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if places.shape[0] == 0:
        raise TypeError("expected non-empty vector for x")
    if heights.ndim < 1 or heights.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if places.shape[0] != heights.shape[0]:
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = places.shape[0] * np.finfo(places.dtype).eps
    left = np.vander(places, order)
    if w is not None:
        weights = np.asarray(w) + 0.0
        left = left * weights[:, None]
        heights = heights * (weights[:, None] if heights.ndim == 2 else weights)
    scale = np.sqrt((left * left).sum(axis=0))
    found = np.linalg.lstsq(left / scale, heights, rcond)[0]
    return (found.T / scale).T


# --- sets -----------------------------------------------------------------------------------------------------------


@stands_for(np.unique_counts)
def unique_counts(x: Any) -> Any:
    """``np.unique_counts``."""
    return UniqueCounts(*np.unique(x, return_counts=True))


@stands_for(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    """``np.unique_inverse``."""
    values, inverse = np.unique(x, return_inverse=True)
    return UniqueInverse(values, inverse.reshape(np.shape(x)))


@stands_for(np.unique_all)
def unique_all(x: Any) -> Any:
    """``np.unique_all``."""
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    return UniqueAll(values, first, inverse.reshape(np.shape(x)), counts)


UniqueCounts = type(np.unique_counts(np.zeros(1)))
UniqueInverse = type(np.unique_inverse(np.zeros(1)))
UniqueAll = type(np.unique_all(np.zeros(1)))
