"""The rarer forms of quantiles, histograms and interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse
from pydsl.library.functions.differences import normal_axis
from pydsl.library.functions.statistics import count_cells, edges_of


def shaped_quantile(values: Any, q: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    """``np.quantile`` with several axes, keepdims or out."""
    ndim = values.ndim
    if axis is None:
        axes = tuple(range(ndim))
    elif isinstance(axis, (tuple, list)):
        axes = tuple([normal_axis(a, ndim) for a in axis])
    else:
        axes = (normal_axis(axis, ndim),)
    rest = [k for k in range(ndim) if k not in axes]
    moved = np.transpose(values, (*rest, *axes))
    shape = tuple([values.shape[k] for k in rest])
    count = 1
    for k in axes:
        count *= values.shape[k]
    found = np.quantile(moved.reshape((*shape, count)), q, axis=-1)
    if keepdims:
        kept = tuple([1 if k in axes else values.shape[k] for k in range(ndim)])
        lead = () if np.ndim(q) == 0 else np.shape(q)
        found = np.asarray(found).reshape((*lead, *kept))
    if out is None:
        return found
    out[...] = found
    return out


def weighted_histogram(a: Any, bins: Any, limits: Any, density: Any, weights: Any) -> Any:
    """``np.histogram`` with weights or density."""
    if isinstance(bins, str):
        refuse("np.histogram with a rule for the number of bins", "a number")
    if weights is None:
        counts, edges = np.histogram(a, bins, limits)
    else:
        values = np.asarray(a).ravel()
        amounts = np.asarray(weights).ravel()
        if np.shape(a) != np.shape(weights):
            raise ValueError("weights should have the same shape as a.")
        edges = edges_of(values, bins, limits)
        last = edges.shape[0] - 1
        place = np.searchsorted(edges, values, side="right") - 1
        place = np.where(values == edges[-1], last - 1, place)
        place = np.where((place >= 0) & (place < last), place, -1)
        kind = amounts.dtype if amounts.dtype.kind in "iufc" else np.dtype(np.float64)
        counts = np.zeros(last, kind)
        count_cells(place, amounts, counts)
    if density:
        return counts / np.diff(edges).astype(float) / counts.sum(), edges
    return counts, edges


def periodic_interp(x: Any, xp: Any, fp: Any, period: Any) -> Any:
    """``np.interp`` of a periodic function."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    length = abs(period)
    wanted = np.asarray(x, dtype=np.float64) % length
    places = np.asarray(xp, dtype=np.float64) % length
    order = np.argsort(places)
    places = places[order]
    heights = np.asarray(fp, dtype=np.float64)[order]
    places = np.concatenate((places[-1:] - length, places, places[0:1] + length))
    heights = np.concatenate((heights[-1:], heights, heights[0:1]))
    return np.interp(wanted, places, heights)
