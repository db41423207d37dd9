"""Set operations with all their returns."""

from __future__ import annotations

from typing import Any

import numpy as np


def intersection_with_places(ar1: Any, ar2: Any, assume_unique: Any) -> Any:
    """``np.intersect1d`` with return_indices."""
    first, second = np.asarray(ar1), np.asarray(ar2)
    if assume_unique:
        first, second = first.ravel(), second.ravel()
        one, two = np.arange(first.shape[0]), np.arange(second.shape[0])
    else:
        first, one = np.unique(first, return_index=True)
        second, two = np.unique(second, return_index=True)
    both = np.concatenate((first, second))
    order = np.argsort(both, kind="stable")
    both = both[order]
    twice = both[1:] == both[:-1]
    left = order[:-1][twice]
    right = order[1:][twice] - first.shape[0]
    return both[:-1][twice], one[left], two[right]
