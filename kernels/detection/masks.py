"""Instance masks: made of prototypes, cropped to boxes, turned into boxes."""

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


@jit
def crop_mask(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], padding: float = 1
) -> NDArray[np.float32]:
    """Sets every mask to zero outside of its box.

    `masks` is `(H, W, N)` f32; `boxes` is `(N, 4)` f32 in fractions of the picture, corners in any order. A
    box grows by `padding` pixels on each side, as far as the picture goes. Returns `(H, W, N)` f32.
    """
    height, width = masks.shape[:2]
    corners = boxes.copy()
    corners[:, 0::2] *= width
    corners[:, 1::2] *= height
    x1 = np.minimum(corners[:, 0], corners[:, 2]) - padding
    x2 = np.maximum(corners[:, 0], corners[:, 2]) + padding
    y1 = np.minimum(corners[:, 1], corners[:, 3]) - padding
    y2 = np.maximum(corners[:, 1], corners[:, 3]) + padding
    np.maximum(x1, 0, out=x1)
    np.minimum(x2, width, out=x2)
    np.maximum(y1, 0, out=y1)
    np.minimum(y2, height, out=y2)
    cols = np.arange(width, dtype=np.float32)[None, :, None]
    rows = np.arange(height, dtype=np.float32)[:, None, None]
    inside = (cols >= x1) & (cols < x2) & (rows >= y1) & (rows < y2)
    return masks * inside.astype(masks.dtype)


@jit
def masks_to_boxes(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The smallest box around every mask.

    `masks` is `(K, H, W)` bool. Returns `(K, 4)` f32 in pixels; the right and the bottom side lie behind the
    last pixel. A mask without pixels has a box of zeros.
    """
    num_masks = masks.shape[0]
    boxes = np.zeros((num_masks, 4), dtype=np.float32)
    for i in range(num_masks):
        xs = np.flatnonzero(masks[i].any(axis=0))
        ys = np.flatnonzero(masks[i].any(axis=1))
        if xs.size > 0:
            boxes[i] = np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], dtype=np.float32)
    return boxes
