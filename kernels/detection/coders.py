"""Box coders: network outputs relative to a prior box, turned into boxes in pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

MAX_RATIO = abs(math.log(16 / 1000))
"""The largest |log| of a width or height ratio that `delta2bbox` lets through."""


@jit
def offset2bbox(anchors: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Applies centre offsets and log sizes to anchors, for one or for many classes.

    `anchors` is `(N, 4)` f32, `offsets` is `(N, 4 * C)` f32 with columns `dx, dy, dw, dh` for each class.
    Returns `(N, 4 * C)` f32. Sizes grow by at most 62.5 times; that bound is a float64 scalar, so the sizes
    are computed in float64 and rounded when they are stored.
    """
    widths = anchors[:, 2] - anchors[:, 0]
    heights = anchors[:, 3] - anchors[:, 1]
    ctr_x = anchors[:, 0] + 0.5 * widths
    ctr_y = anchors[:, 1] + 0.5 * heights

    dx = offsets[:, 0::4]
    dy = offsets[:, 1::4]
    dw = np.minimum(offsets[:, 2::4], np.log(62.5))
    dh = np.minimum(offsets[:, 3::4], np.log(62.5))

    pred_x = dx * widths[:, None] + ctr_x[:, None]
    pred_y = dy * heights[:, None] + ctr_y[:, None]
    pred_w = np.exp(dw) * widths[:, None]
    pred_h = np.exp(dh) * heights[:, None]

    boxes = np.zeros_like(offsets)
    boxes[:, 0::4] = pred_x - 0.5 * pred_w
    boxes[:, 1::4] = pred_y - 0.5 * pred_h
    boxes[:, 2::4] = pred_x + 0.5 * pred_w
    boxes[:, 3::4] = pred_y + 0.5 * pred_h
    return boxes


@jit
def tblr2bbox(
    priors: NDArray[np.float32],
    tblr: NDArray[np.float32],
    max_h: float,
    max_w: float,
    normalizer: float = 4.0,
) -> NDArray[np.float32]:
    """Turns distances to the top, bottom, left and right side into boxes, clipped to the picture.

    `priors` is `(N, 4)` f32; `tblr` is `(N, 4)` f32, distances from the prior's centre as fractions of its
    height (top, bottom) and width (left, right), divided by `normalizer`. Returns `(N, 4)` f32.
    """
    loc = tblr * normalizer
    centers = (priors[:, 0:2] + priors[:, 2:4]) / 2
    size = priors[:, 2:4] - priors[:, 0:2]
    w = size[:, 0:1]
    h = size[:, 1:2]
    loc[:, :2] *= h
    loc[:, 2:] *= w
    top = loc[:, 0:1]
    bottom = loc[:, 1:2]
    left = loc[:, 2:3]
    right = loc[:, 3:4]
    x1 = centers[:, 0:1] - left
    x2 = centers[:, 0:1] + right
    y1 = centers[:, 1:2] - top
    y2 = centers[:, 1:2] + bottom
    boxes = np.concatenate((x1, y1, x2, y2), axis=1)
    xs = boxes[:, 0::2]
    ys = boxes[:, 1::2]
    np.clip(xs, 0, max_w, out=xs)
    np.clip(ys, 0, max_h, out=ys)
    return boxes


@jit
def delta2bbox(
    rois: NDArray[np.float32],
    deltas: NDArray[np.float32],
    means: NDArray[np.float32],
    stds: NDArray[np.float32],
    max_h: float,
    max_w: float,
    max_ratio: float = MAX_RATIO,
) -> NDArray[np.float32]:
    """Refines regions of interest, one refinement for each class, clipped to the picture.

    `rois` is `(N, 4)` f32; `deltas` is `(N, 4 * C)` f32, `dx, dy, dw, dh` for each class, normalised with
    `means` and `stds`, both `(4,)` f32. Returns `(N, 4 * C)` f32.
    """
    n = deltas.shape[0]
    num_classes = deltas.shape[1] // 4
    denorm = deltas.reshape(n, num_classes, 4) * stds + means
    dxy = denorm[..., :2]
    dwh = denorm[..., 2:]
    centers = ((rois[:, :2] + rois[:, 2:]) * 0.5)[:, None, :]
    sizes = (rois[:, 2:] - rois[:, :2])[:, None, :]

    new_centers = centers + sizes * dxy
    new_sizes = sizes * np.exp(np.clip(dwh, -max_ratio, max_ratio))

    boxes = np.empty((n, num_classes, 4), dtype=np.float32)
    boxes[..., :2] = new_centers - new_sizes * 0.5
    boxes[..., 2:] = new_centers + new_sizes * 0.5
    np.clip(boxes[..., 0::2], 0, max_w, out=boxes[..., 0::2])
    np.clip(boxes[..., 1::2], 0, max_h, out=boxes[..., 1::2])
    return boxes.reshape(n, num_classes * 4)
