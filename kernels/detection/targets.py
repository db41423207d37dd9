"""Training targets: what every prediction of a detection head should have been."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

FAR = 1e8
"""An area larger than that of any box: marks points that are not to find a box."""


@jit
def bbox_target_expand(
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    labels: NDArray[np.int64],
    out_targets: NDArray[np.float32],
    out_weights: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Spreads box targets over one group of four columns for each class, in place.

    `targets` and `weights` are `(N, 4)` f32, `labels` is `(N,)` int64 with 0 for the background. The row of
    a sample of class `k` is written to the columns `4 * k` to `4 * k + 3` of `out_targets` and `out_weights`,
    both `(N, 4 * C)` f32; background samples leave their rows alone. Returns the two outputs. A label of
    `C` or more raises `ValueError`, as its columns are not there.
    """
    for i in range(labels.shape[0]):
        label = labels[i]
        if label > 0:
            start = 4 * label
            end = start + 4
            out_targets[i, start:end] = targets[i]
            out_weights[i, start:end] = weights[i]
    return out_targets, out_weights


@jit
def fcos_targets(
    points: NDArray[np.float32],
    gt_boxes: NDArray[np.float32],
    gt_labels: NDArray[np.int64],
    ranges: NDArray[np.float32],
    background: int = 80,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[Any]]:
    """For every point of a feature pyramid the object that it should find.

    `points` is `(P, 2)` f32, `gt_boxes` is `(M, 4)` f32, `gt_labels` is `(M,)` int64, and `ranges` is
    `(P, 2)` f32: the smallest and the largest distance to a side that the point's level is responsible for.
    A point takes the smallest box that it lies in and whose farthest side is in its range. Returns labels
    `(P,)` int64, which are `background` where there is no such box, distances to the left, top, right and
    bottom side `(P, 4)` f32, and centerness `(P,)` f32, zero for the background.
    """
    num_points = points.shape[0]
    labels = np.full(num_points, background, dtype=np.int64)
    targets = np.zeros((num_points, 4), dtype=np.float32)
    centerness = np.zeros(num_points, dtype=np.float32)
    if gt_boxes.shape[0] == 0:
        return labels, targets, centerness
    areas = (gt_boxes[:, 2] - gt_boxes[:, 0]) * (gt_boxes[:, 3] - gt_boxes[:, 1])
    areas = np.repeat(areas[None, :], num_points, axis=0)
    xs = points[:, 0, None]
    ys = points[:, 1, None]
    sides = np.stack(
        (xs - gt_boxes[:, 0], ys - gt_boxes[:, 1], gt_boxes[:, 2] - xs, gt_boxes[:, 3] - ys), axis=-1
    )
    inside = sides.min(axis=-1) > 0
    farthest = sides.max(axis=-1)
    in_range = (farthest >= ranges[:, :1]) & (farthest <= ranges[:, 1:])
    areas[~inside] = FAR
    areas[~in_range] = FAR
    best = areas.argmin(axis=1)
    rows = np.arange(num_points)
    found = areas[rows, best] < FAR
    labels[found] = gt_labels[best[found]]
    targets[...] = sides[rows, best]
    positive = targets[found]
    left_right = positive[:, 0::2]
    top_bottom = positive[:, 1::2]
    ratio = left_right.min(axis=1) / left_right.max(axis=1)
    ratio *= top_bottom.min(axis=1) / top_bottom.max(axis=1)
    centerness[found] = np.sqrt(ratio)
    return labels, targets, centerness
