"""Counting into bins, and linear interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked


@unchecked
def count_uniform(values: Any, edges: Any, counts: Any) -> None:
    """Count values into bins of equal width; the last bin has both of its edges."""
    bins = counts.shape[0]
    first = edges[0]
    last = edges[bins]
    for i in range(values.shape[0]):
        value = values[i]
        if value >= first and value <= last:
            k = min(int((value - first) / (last - first) * bins), bins - 1)
            if value < edges[k]:
                k -= 1
            elif value >= edges[k + 1] and k != bins - 1:
                k += 1
            counts[k] += 1


@unchecked
def interpolate(wanted: Any, points: Any, heights: Any, left: Any, right: Any, result: Any) -> None:
    """Piecewise linear interpolation between increasing points."""
    last = points.shape[0] - 1
    for i in range(wanted.shape[0]):
        x = wanted[i]
        low = 0
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            if points[middle] <= x:
                low = middle + 1
            else:
                high = middle
        j = low - 1
        if np.isnan(x):
            result[i] = x
        elif j < 0:
            result[i] = left
        elif j >= last:
            result[i] = heights[last] if x == points[last] else right
        else:
            slope = (heights[j + 1] - heights[j]) / (points[j + 1] - points[j])
            value = slope * (x - points[j]) + heights[j]
            if np.isnan(value):
                value = slope * (x - points[j + 1]) + heights[j + 1]
                if np.isnan(value) and heights[j] == heights[j + 1]:
                    value = heights[j]
            result[i] = value
