"""Compaction: positions of the true elements of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked


@unchecked
def true_positions(mask: Any) -> Any:
    """Positions of the true elements of a 1-d bool array: count, then fill without a branch on the single element.

    A false element writes its position too, where the next true one will overwrite it; so eight elements are taken at
    a time while there is room for eight; these are passed over where all are false, and written as they are where all
    are true.
    """
    count = np.count_nonzero(mask)
    positions = np.empty(count, np.int64)
    filled = 0
    i = 0
    while filled + 8 <= count:
        low = mask[i] | mask[i + 1] | mask[i + 2] | mask[i + 3]
        high = mask[i + 4] | mask[i + 5] | mask[i + 6] | mask[i + 7]
        if (
            mask[i]
            & mask[i + 1]
            & mask[i + 2]
            & mask[i + 3]
            & mask[i + 4]
            & mask[i + 5]
            & mask[i + 6]
            & mask[i + 7]
        ):
            for k in range(8):
                positions[filled + k] = i + k
            filled += 8
        elif low | high:
            for k in range(8):
                positions[filled] = i + k
                filled += int(mask[i + k])
        i += 8
    while filled < count:
        positions[filled] = i
        filled += int(mask[i])
        i += 1
    return positions
