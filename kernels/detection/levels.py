"""Which level of a feature pyramid a region of interest belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def map_roi_levels(
    rois: NDArray[np.float32], num_levels: int = 4, finest_scale: float = 56
) -> NDArray[np.int64]:
    """Assigns regions to levels by their size, as feature pyramid networks do.

    `rois` is `(N, 5)` f32: the picture's index in the batch and a box. A region whose side (the root of its
    area) is below twice `finest_scale` belongs to level 0, below four times to level 1, and so on. Returns
    `(N,)` int64 in `[0, num_levels)`.
    """
    scale = np.sqrt((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]))
    levels = np.floor(np.log2(scale / finest_scale + 1e-6))
    return np.clip(levels, 0, num_levels - 1).astype(np.int64)
