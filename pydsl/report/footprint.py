"""Which bytes accesses touch, exactly: byte masks of constant regions, for reports only.

A :class:`Footprint` is a set of bytes of one memory. Regions that are not constant, or memories that are too large for
a mask, make it *rough*: then sizes are those of the region alone, and unions are bounded by the size of the memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl.analysis.region import Region

#: bytes of a memory up to which masks are made
LIMIT = 1 << 24

Mask = NDArray[np.bool_]


def region_mask(region: Region, start: int, size: int) -> Mask | None:
    """The bytes ``start ... start + size`` of a memory that a region touches; None where it is not constant."""
    if not region.is_const or size > LIMIT:
        return None
    mask: Mask = np.zeros(size, np.bool_)
    layout = region.layout
    if layout.low == layout.high:
        return mask
    if layout.low < start or layout.high > start + size:
        return None
    if layout.dense:
        mask[layout.low - start : layout.high - start] = True
        return mask
    dims = [(n, s) for n, s in zip(layout.shape, layout.strides, strict=True) if s]
    shape = (*(n for n, _ in dims), region.itemsize)
    strides = (*(s for _, s in dims), 1)
    view: Any = np.ndarray(shape, np.bool_, mask.data, layout.offset - start, strides)
    view[...] = True
    return mask


def clipped_mask(region: Region, start: int, size: int) -> Mask | None:
    """:func:`region_mask` of a region that may reach beyond the window."""
    if not region.is_const or region.layout.low == region.layout.high:
        return region_mask(region, start, size)
    low, high = min(region.layout.low, start), max(region.layout.high, start + size)
    mask = region_mask(region, low, high - low)
    return None if mask is None else mask[start - low : start - low + size]


def region_bytes(region: Region) -> int | None:
    """The bytes of a region's elements, broadcast dimensions counted once; None where it is not constant."""
    if not region.is_const:
        return None
    total = region.itemsize
    for extent, stride in zip(region.layout.shape, region.layout.strides, strict=True):
        total *= extent if stride or extent == 0 else 1
    return total


class Footprint:
    """A set of bytes of one memory of ``size`` bytes that starts at byte ``start``.

    rough: whether the number is only an estimate (bounded by the memory's size).
    """

    def __init__(self, size: int | None, start: int = 0) -> None:
        self.size = size
        self.start = start
        self.rough = size is None or size > LIMIT
        self._mask: Mask | None = None if self.rough or size is None else np.zeros(size, np.bool_)
        self._seen: dict[object, int] = {}

    def add(self, region: Region | None, without: Footprint | None = None, limit: int | None = None) -> None:
        """Joins a region; bytes that are in ``without`` are left out. ``limit`` bounds what an access at loaded indices
        can touch."""
        if region is None:
            self._add_rough(("whole", limit), self.size if limit is None else limit)
            return
        if self._mask is not None and self.size is not None:
            mask = region_mask(region, self.start, self.size)
            if mask is not None:
                if without is not None and without._mask is not None:
                    mask &= ~without._mask
                self._mask |= mask
                return
        if without is None or region not in without._seen:
            self._add_rough(region, region_bytes(region))

    def _add_rough(self, key: object, nbytes: int | None) -> None:
        self.rough = True
        self._seen.setdefault(key, nbytes or 0)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        exact = int(np.count_nonzero(self._mask)) if self._mask is not None else 0
        total = exact + sum(self._seen.values())
        return total if self.size is None else min(total, self.size)
