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
