"""Sorting: stable merge sorts of values and of positions, binary search, and what is made of them.

Rows are sorted bottom-up: short runs by insertion, then merges between two buffers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked

RUN = 8


@unchecked
def before(a: Any, b: Any) -> Any:
    """Whether ``a`` sorts before ``b``: NaN behind every number, as in NumPy (never for integers, at no cost)."""
    return (a < b) | (np.isnan(b) & ~np.isnan(a))


@unchecked
def sort_row(values: Any, buffer: Any) -> None:
    """Sort a 1-d array in place; ``buffer`` is of the same length."""
    n = values.shape[0]
    for i in range(1, n):
        key = values[i]
        first = i - i % RUN
        j = i
        while j > first and before(key, values[j - 1]):
            values[j] = values[j - 1]
            j -= 1
        values[j] = key
    width = RUN
    while width < n:
        first = 0
        while first < n:
            middle = min(first + width, n)
            last = min(first + 2 * width, n)
            i = first
            j = middle
            k = first
            while i < middle and j < last:
                if before(values[j], values[i]):
                    buffer[k] = values[j]
                    j += 1
                else:
                    buffer[k] = values[i]
                    i += 1
                k += 1
            while i < middle:
                buffer[k] = values[i]
                i += 1
                k += 1
            while j < last:
                buffer[k] = values[j]
                j += 1
                k += 1
            first = last
        values[:] = buffer
        width *= 2


@unchecked
def sort_rows(values: Any) -> None:
    """Sort each row of a 2-d array in place."""
    buffer = np.empty(values.shape[1], values.dtype)
    for row in range(values.shape[0]):
        sort_row(values[row], buffer)


@unchecked
def argsort_row(values: Any, order: Any, buffer: Any) -> None:
    """Fill ``order`` with the positions that sort a 1-d array, equal elements in their order."""
    n = values.shape[0]
    for i in range(n):
        key = values[i]
        first = i - i % RUN
        j = i
        while j > first and before(key, values[order[j - 1]]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
    width = RUN
    while width < n:
        first = 0
        while first < n:
            middle = min(first + width, n)
            last = min(first + 2 * width, n)
            i = first
            j = middle
            k = first
            while i < middle and j < last:
                left = order[i]
                right = order[j]
                if before(values[right], values[left]):
                    buffer[k] = right
                    j += 1
                else:
                    buffer[k] = left
                    i += 1
                k += 1
            while i < middle:
                buffer[k] = order[i]
                i += 1
                k += 1
            while j < last:
                buffer[k] = order[j]
                j += 1
                k += 1
            first = last
        order[:] = buffer
        width *= 2


@unchecked
def argsort_rows(values: Any, order: Any) -> None:
    """Fill each row of ``order`` with the positions that sort the row of ``values``."""
    buffer = np.empty(values.shape[1], np.int64)
    for row in range(values.shape[0]):
        argsort_row(values[row], order[row], buffer)


@unchecked
def search_left(sorted_values: Any, wanted: Any, positions: Any) -> None:
    """For each wanted value the first position at which it could be inserted."""
    for k in range(wanted.shape[0]):
        key = wanted[k]
        low = 0
        high = sorted_values.shape[0]
        while low < high:
            middle = (low + high) // 2
            if before(sorted_values[middle], key):
                low = middle + 1
            else:
                high = middle
        positions[k] = low


@unchecked
def search_right(sorted_values: Any, wanted: Any, positions: Any) -> None:
    """For each wanted value the last position at which it could be inserted."""
    for k in range(wanted.shape[0]):
        key = wanted[k]
        low = 0
        high = sorted_values.shape[0]
        while low < high:
            middle = (low + high) // 2
            if before(key, sorted_values[middle]):
                high = middle
            else:
                low = middle + 1
        positions[k] = low


@unchecked
def run_starts(sorted_values: Any) -> Any:
    """Bool mask of the first element of each run of equal elements (all NaN are one run)."""
    n = sorted_values.shape[0]
    first = np.empty(n, np.bool_)
    if n > 0:
        first[0] = True
        for i in range(1, n):
            first[i] = before(sorted_values[i - 1], sorted_values[i])
    return first


@unchecked
def count_values(values: Any, counts: Any) -> None:
    """``counts[v] += 1`` for every value."""
    for i in range(values.shape[0]):
        counts[values[i]] += 1


@unchecked
def add_weights(values: Any, weights: Any, totals: Any) -> None:
    """``totals[v] += weight`` for every value."""
    for i in range(values.shape[0]):
        totals[values[i]] += weights[i]
