"""Instance masks as linear combinations of prototypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


def scale_and_clip(column: NDArray[np.float32], size: int) -> None:
    """Turns fractions of `size` into pixels within `[0, size]`, in place; `column` may be a strided view."""
    column *= size
    np.clip(column, 0, size, out=column)


@jit
def yolact_masks(
    loc: NDArray[np.float32],
    priors: NDArray[np.float32],
    protos: NDArray[np.float32],
    coeffs: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Decodes all boxes, and the masks of the leading detections, cropped to their boxes.

    `loc` and `priors` are `(N, 4)` f32, priors as centre and size in fractions of the picture; `protos` is
    `(H, W, P)` f32; `coeffs` is `(K, P)` f32 and belongs to the first K rows, `K <= N`. Returns boxes `(N,
    4)` f32 in pixels of the prototypes and masks `(H, W, K)` f32 in [0, 1], zero outside the box.
    """
    height, width = protos.shape[:2]
    boxes = np.empty_like(loc)
    boxes[:, :2] = priors[:, :2] + loc[:, :2] * 0.1 * priors[:, 2:]
    boxes[:, 2:] = priors[:, 2:] * np.exp(loc[:, 2:] * 0.2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    boxes[:, 2:] += boxes[:, :2]
    scale_and_clip(boxes[:, 0], width)
    scale_and_clip(boxes[:, 1], height)
    scale_and_clip(boxes[:, 2], width)
    scale_and_clip(boxes[:, 3], height)

    masks = protos @ coeffs.T
    masks = 1 / (1 + np.exp(-masks))
    x1, y1, x2, y2 = boxes[: coeffs.shape[0]].T
    cols = np.arange(width, dtype=np.float32)[None, :, None]
    rows = np.arange(height, dtype=np.float32)[:, None, None]
    masks *= (cols >= x1) & (cols < x2) & (rows >= y1) & (rows < y2)
    return boxes, masks
