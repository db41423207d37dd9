"""Decoders of whole detection heads: feature maps of several levels in, boxes and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


def sigmoid_inplace(x: NDArray[np.float32]) -> None:
    """Replaces `x` by `1 / (1 + exp(-x))`; `x` may be a view."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


@jit
def yolov3_decode(
    preds: Sequence[NDArray[np.float32]], anchors: Sequence[NDArray[np.float32]], strides: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decodes the three maps of a YOLOv3 head.

    For every level: a map `(A * (5 + K), H, W)` f32 of raw outputs (for each of A anchors: x, y, w, h,
    objectness and K classes), the anchors' sizes `(A, 2)` f32 in pixels and the stride of the map. Returns
    boxes `(N, 4)` f32 and scores `(N, K)` f32 (objectness times class probability) with `N = sum(H * W * A)`.
    """
    boxes = []
    scores = []
    for pred, anchor, stride in zip(preds, anchors, strides):
        num_anchors = anchor.shape[0]
        num_attrs = pred.shape[0] // num_anchors
        height, width = pred.shape[1:]
        x = pred.reshape(num_anchors, num_attrs, height, width).transpose(2, 3, 0, 1).copy()
        xy = x[..., :2]
        wh = x[..., 2:4]
        sigmoid_inplace(xy)
        sigmoid_inplace(x[..., 4:])
        xy[..., 0] += np.arange(width, dtype=np.float32)[None, :, None]
        xy[..., 1] += np.arange(height, dtype=np.float32)[:, None, None]
        xy *= stride
        np.exp(wh, out=wh)
        wh *= anchor
        xy -= wh / 2
        wh += xy
        x[..., 5:] *= x[..., 4:5]
        flat = x.reshape(height * width * num_anchors, num_attrs)
        boxes.append(flat[:, :4])
        scores.append(flat[:, 5:])
    return np.concatenate(boxes), np.concatenate(scores)


@jit
def fcos_decode(
    cls_probs: Sequence[NDArray[np.float32]],
    distances: Sequence[NDArray[np.float32]],
    centerness: Sequence[NDArray[np.float32]],
    strides: Sequence[int],
    max_h: float,
    max_w: float,
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.int64]]:
    """Decodes the levels of an FCOS head, which predicts boxes from points instead of anchors.

    For every level: class probabilities `(K, H, W)` f32, distances `(4, H, W)` f32 from the point to the
    left, top, right and bottom side in strides, centerness `(1, H, W)` f32. Returns boxes `(N, 4)` f32
    clipped to the picture, the best score of each point `(N,)` f32, which is `max_k sqrt(p_k * centerness)`,
    and its class `(N,)` int64.
    """
    boxes = []
    scores = []
    labels = []
    for cls_prob, distance, center, stride in zip(cls_probs, distances, centerness, strides):
        num_classes, height, width = cls_prob.shape
        num_points = height * width
        points = np.empty((num_points, 2), dtype=np.float32)
        points[:, 0] = np.tile(np.arange(width, dtype=np.float32), height)
        points[:, 1] = np.repeat(np.arange(height, dtype=np.float32), width)
        points += 0.5
        points *= stride

        reach = distance.reshape(4, num_points).T * stride
        level = np.empty((num_points, 4), dtype=np.float32)
        level[:, 0] = points[:, 0] - reach[:, 0]
        level[:, 1] = points[:, 1] - reach[:, 1]
        level[:, 2] = points[:, 0] + reach[:, 2]
        level[:, 3] = points[:, 1] + reach[:, 3]
        np.clip(level[:, 0::2], 0, max_w, out=level[:, 0::2])
        np.clip(level[:, 1::2], 0, max_h, out=level[:, 1::2])

        quality = np.sqrt(cls_prob.reshape(num_classes, num_points) * center.reshape(1, num_points))
        boxes.append(level)
        scores.append(quality.max(axis=0))
        labels.append(quality.argmax(axis=0))
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(labels)
