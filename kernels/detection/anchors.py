"""Anchor boxes: those of one cell, those of a feature pyramid, and which of them are inside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def valid_flags(feat_h: int, feat_w: int, valid_h: int, valid_w: int, num_anchors: int) -> NDArray[np.bool_]:
    """Marks the anchors whose cell lies in the part of the feature map that the unpadded picture covers.

    A batch is padded to its largest picture, so only the first `valid_h` rows and `valid_w` columns of the
    `(feat_h, feat_w)` map belong to the picture. Returns `(feat_h * feat_w * num_anchors,)` bool, row-major
    over cells, all anchors of a cell next to each other.
    """
    valid_x = np.zeros(feat_w, dtype=np.bool_)
    valid_y = np.zeros(feat_h, dtype=np.bool_)
    valid_x[:valid_w] = True
    valid_y[:valid_h] = True
    cells = np.tile(valid_x, feat_h) & np.repeat(valid_y, feat_w)
    return np.broadcast_to(cells[:, None], (feat_h * feat_w, num_anchors)).reshape(-1)


@jit
def gen_base_anchors(
    base_size: float, ratios: NDArray[np.float32], scales: NDArray[np.float32], center_offset: float = 0.5
) -> NDArray[Any]:
    """The anchors of one cell, for every aspect ratio (height / width) and every scale.

    `ratios` is `(R,)` f32, `scales` is `(S,)` f32; returns `(R * S, 4)` f32, rounded to whole pixels, ratios
    outermost. An anchor of ratio 1 and scale 1 has the side `base_size`; all of them have the same centre.
    """
    center = center_offset * base_size
    h_ratios = np.sqrt(ratios)
    w_ratios = 1 / h_ratios
    ws = (base_size * w_ratios[:, None] * scales[None, :]).ravel()
    hs = (base_size * h_ratios[:, None] * scales[None, :]).ravel()
    anchors = np.stack([center - 0.5 * ws, center - 0.5 * hs, center + 0.5 * ws, center + 0.5 * hs], axis=-1)
    return np.round(anchors)


@jit
def grid_priors(
    base_anchors: Sequence[NDArray[np.float32]],
    feat_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
) -> NDArray[np.float32]:
    """All anchors of a feature pyramid.

    For every level: base anchors `(A, 4)` f32, the map's size `(height, width)` and its stride in pixels.
    Every cell of a map gets a copy of the level's base anchors, moved to the cell. Returns `(sum(height *
    width * A), 4)` f32, level by level, row-major over cells.
    """
    levels = []
    for anchors, (height, width), stride in zip(base_anchors, feat_sizes, strides):
        shift_x = np.arange(width, dtype=np.float32) * stride
        shift_y = np.arange(height, dtype=np.float32) * stride
        grid = np.empty((height, width, anchors.shape[0], 4), dtype=np.float32)
        grid[..., 0::2] = anchors[:, 0::2] + shift_x[None, :, None, None]
        grid[..., 1::2] = anchors[:, 1::2] + shift_y[:, None, None, None]
        levels.append(grid.reshape(-1, 4))
    return np.concatenate(levels)
