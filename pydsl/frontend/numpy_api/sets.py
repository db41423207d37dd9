"""Set operations on flattened arrays, all by sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.numpy_api.joining import concatenate
from pydsl.frontend.numpy_api.registry import handles
from pydsl.frontend.numpy_api.sorting import isin, sort, unique
from pydsl.ir.core import Value
from pydsl.library.functions import sets


@handles(np.union1d)
def union1d(b: Builder, ar1: Operand, ar2: Operand) -> Value:
    """``np.union1d``."""
    result: Value = unique(b, concatenate(b, [ar1, ar2], None))
    return result


@handles(np.intersect1d)
def intersect1d(
    b: Builder, ar1: Operand, ar2: Operand, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """``np.intersect1d``: what stands twice in the sorted sequence of both."""
    if return_indices:
        return b.call_library(sets.intersection_with_places, ar1, ar2, assume_unique)
    sides = [b.ravel(b.reducible(side)) if assume_unique else unique(b, side) for side in (ar1, ar2)]
    both = sort(b, concatenate(b, sides, 0))
    rest = b.max_index(both.tensor.shape[0] - 1, rules.ZERO)
    start = both.tensor.shape[0] - rest
    earlier = b.take_slice(both, 0, rules.ZERO, rest)
    twice = b.reducible(b.ufunc(np.equal, (earlier, b.take_slice(both, 0, start, rest))))
    return b.mask_load(earlier, twice)


@handles(np.setdiff1d)
def setdiff1d(b: Builder, ar1: Operand, ar2: Operand, assume_unique: bool = False) -> Value:
    """``np.setdiff1d``."""
    first = b.ravel(b.reducible(ar1)) if assume_unique else unique(b, ar1)
    return b.mask_load(first, b.reducible(isin(b, first, ar2, invert=True)))


@handles(np.setxor1d)
def setxor1d(b: Builder, ar1: Operand, ar2: Operand, assume_unique: bool = False) -> Value:
    """``np.setxor1d``: what is in one of the two only."""
    left, right = setdiff1d(b, ar1, ar2, assume_unique), setdiff1d(b, ar2, ar1, assume_unique)
    return sort(b, concatenate(b, [left, right], 0))
