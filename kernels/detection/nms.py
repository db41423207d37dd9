"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def batched_nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float = 0.5,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class.

    `boxes` is `(N, 4)` f32, `scores` is `(N,)` f32, `labels` is `(N,)` int64. Boxes of different classes are
    moved apart by a class offset, so that one pass serves all classes. Returns the indices of the kept boxes,
    `(K,)` int64, best first; of equal scores the lower index comes first.
    """
    n = boxes.shape[0]
    keep = np.empty(n, dtype=np.int64)
    if n == 0:
        return keep
    offsets = labels.astype(boxes.dtype) * (boxes.max() + 1)
    shifted = boxes + offsets[:, None]
    x1 = shifted[:, 0]
    y1 = shifted[:, 1]
    x2 = shifted[:, 2]
    y2 = shifted[:, 3]
    areas = (x2 - x1) * (y2 - y1)
    order = np.argsort(-scores, kind="stable")
    count = 0
    while order.size > 0:
        best = order[0]
        rest = order[1:]
        keep[count] = best
        count += 1
        inter_w = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        inter_h = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        inter = np.maximum(inter_w, 0) * np.maximum(inter_h, 0)
        overlap = inter / (areas[best] + areas[rest] - inter)
        order = rest[overlap <= iou_threshold]
    return keep[:count]


def overlaps_in_class(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of all pairs within each class: `(C, K, 4)` to `(C, K, K)`."""
    top_left = np.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    bottom_right = np.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    size = np.clip(bottom_right - top_left, 0, None)
    inter = size[..., 0] * size[..., 1]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return inter / (areas[:, :, None] + areas[:, None, :] - inter)


@jit
def fast_nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    coeffs: NDArray[np.float32],
    score_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    top_k: int = 200,
    max_per_image: int = 100,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Suppression without a loop: a box goes if a better one of its class overlaps it, kept or not.

    `boxes` is `(N, 4)` f32, `scores` is `(N, C)` f32, `coeffs` is `(N, P)` f32, the mask coefficients that
    go with the boxes. The best `top_k` boxes of every class take part. Returns the boxes `(K, 4)` f32, their
    scores `(K,)` f32, classes `(K,)` int64 and coefficients `(K, P)` f32, best first.
    """
    by_class = scores.T
    order = np.argsort(-by_class, axis=1, kind="stable")[:, :top_k]
    by_class = np.take_along_axis(by_class, order, axis=1)
    candidates = boxes[order]
    iou = np.triu(overlaps_in_class(candidates), k=1)
    keep = (iou.max(axis=1, initial=0) <= iou_threshold) & (by_class > score_threshold)
    classes = np.broadcast_to(np.arange(scores.shape[1])[:, None], keep.shape)[keep]
    kept_scores = by_class[keep]
    kept_boxes = candidates[keep]
    kept_coeffs = coeffs[order][keep]
    best = np.argsort(-kept_scores, kind="stable")[:max_per_image]
    return kept_boxes[best], kept_scores[best], classes[best], kept_coeffs[best]
