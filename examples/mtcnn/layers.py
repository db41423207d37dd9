"""Layers of the networks: helpers that are inlined into the functions that call them.

Feature maps are `(N, H, W, C)` f32, convolution weights are `(kh, kw, C_in, C_out)` f32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]


def conv2d(x: Array, weights: Array, bias: Array) -> Array:
    """Convolution without padding: every window times the weights, a contraction over window and channels."""
    windows = sliding_window_view(x, weights.shape[:2], axis=(1, 2))
    return np.tensordot(windows, weights, axes=((4, 5, 3), (0, 1, 2))) + bias


def prelu(x: Array, slope: Array) -> Array:
    """Negative values are scaled, with one slope for each channel."""
    return np.where(x > 0, x, slope * x)


def max_pool(x: Array, size: int, out_h: int, out_w: int) -> Array:
    """Largest value of each `size` by `size` window, windows 2 apart.

    Windows may reach over the lower and the right edge: only what lies inside counts.
    """
    out = x[:, : 2 * out_h : 2, : 2 * out_w : 2].copy()
    for dy in range(size):
        for dx in range(size):
            shifted = x[:, dy : dy + 2 * out_h : 2, dx : dx + 2 * out_w : 2][:, :out_h, :out_w]
            part = out[:, : shifted.shape[1], : shifted.shape[2]]
            np.maximum(part, shifted, out=part)
    return out


def pool_covering(x: Array, size: int) -> Array:
    """Max-pooling that covers the whole map ("same" padding)."""
    return max_pool(x, size, (x.shape[1] + 1) // 2, (x.shape[2] + 1) // 2)


def pool_inside(x: Array, size: int) -> Array:
    """Max-pooling of the windows that lie entirely inside ("valid" padding)."""
    return max_pool(x, size, (x.shape[1] - size) // 2 + 1, (x.shape[2] - size) // 2 + 1)


def dense(x: Array, weights: Array, bias: Array) -> Array:
    """A fully connected layer over the last axis."""
    return x @ weights + bias


def softmax(x: Array) -> Array:
    """Probabilities along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def flatten(x: Array) -> Array:
    """One row for each map, in the order in which the dense weights were trained: columns, rows, channels."""
    n, height, width, channels = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, height * width * channels)
