"""Operations on boxes: mirroring predictions back after a test-time flip, and pairwise overlaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def bbox_flip_tta(
    boxes: NDArray[np.float32], width: float, crop_x: float, pad_y: float
) -> NDArray[np.float32]:
    """Brings boxes found in a mirrored, padded crop back to the picture, in place.

    `boxes` is `(N, 4 * C)` f32, is written, and is returned. The left and the right sides change places (both
    are columns of the same array: the right-hand side is complete before anything is stored), then the crop's
    position is added and the rows of padding above the crop are taken off.
    """
    boxes[:, 0::4], boxes[:, 2::4] = width - boxes[:, 2::4], width - boxes[:, 0::4]
    boxes[:, 0::4] += crop_x
    boxes[:, 2::4] += crop_x
    boxes[:, 1::4] -= pad_y
    boxes[:, 3::4] -= pad_y
    return boxes


def box_area(boxes: NDArray[np.float32]) -> NDArray[Any]:
    """Areas `(N,)` of boxes `(N, 4)`."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


@jit
def bbox_overlaps(
    boxes1: NDArray[np.float32], boxes2: NDArray[np.float32], mode: str = "iou", eps: float = 1e-6
) -> NDArray[Any]:
    """Overlap of every box of one set with every box of another.

    `boxes1` is `(N, 4)` f32, `boxes2` is `(M, 4)` f32; returns `(N, M)` f32. `mode` is `"iou"` (intersection
    over union), `"iof"` (intersection over the area of the first box) or `"giou"` (generalised IoU, in (-1,
    1]).
    """
    if mode not in ("iou", "iof", "giou"):
        raise ValueError(f"mode must be 'iou', 'iof' or 'giou', not {mode!r}")
    area1 = box_area(boxes1)
    area2 = box_area(boxes2)
    top_left = np.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    bottom_right = np.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    size = np.maximum(bottom_right - top_left, 0)
    inter = size[..., 0] * size[..., 1]
    if mode == "iof":
        return inter / np.maximum(area1[:, None], eps)
    union = np.maximum(area1[:, None] + area2[None, :] - inter, eps)
    overlap = inter / union
    if mode == "giou":
        outer_top_left = np.minimum(boxes1[:, None, :2], boxes2[None, :, :2])
        outer_bottom_right = np.maximum(boxes1[:, None, 2:], boxes2[None, :, 2:])
        outer_size = np.maximum(outer_bottom_right - outer_top_left, 0)
        outer = np.maximum(outer_size[..., 0] * outer_size[..., 1], eps)
        overlap = overlap - (outer - union) / outer
    return overlap
