"""Spreading: positions for repeating elements different numbers of times."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked


@unchecked
def repeated_positions(counts: Any) -> Any:
    """Position i, ``counts[i]`` times, for every i."""
    total = 0
    for i in range(counts.shape[0]):
        if counts[i] < 0:
            raise ValueError("repeats may not contain negative values.")
        total += int(counts[i])
    positions = np.empty(total, np.int64)
    filled = 0
    for i in range(counts.shape[0]):
        for _ in range(int(counts[i])):
            positions[filled] = i
            filled += 1
    return positions
