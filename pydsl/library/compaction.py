"""Compaction: positions of the true elements of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked


@unchecked
def true_positions(mask: Any) -> Any:
    """Positions of the true elements of a 1-d bool array: count, then fill without a branch on the mask."""
    count = np.count_nonzero(mask)
    positions = np.empty(count, np.int64)
    filled = 0
    i = 0
    while filled < count:
        positions[filled] = i
        filled += int(mask[i])
        i += 1
    return positions
