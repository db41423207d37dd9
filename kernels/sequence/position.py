"""Codes that tell a network where something is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def sine_pos_embed(
    mask: NDArray[np.bool_],
    num_feats: int = 128,
    temperature: float = 10000,
    scale: float = 6.283185307179586,
    eps: float = 1e-6,
) -> NDArray[Any]:
    """Sine and cosine codes of rows and columns, as detection transformers use them.

    `mask` is `(B, H, W)` bool, true where a picture of the batch is padding. Positions count the pixels that
    are not, and are brought to `(0, scale]`. Returns `(B, 2 * num_feats, H, W)` f32, the codes of the rows
    first; the memory is laid out with the codes innermost.
    """
    valid = ~mask
    y = valid.cumsum(axis=1, dtype=np.float32)
    x = valid.cumsum(axis=2, dtype=np.float32)
    y = y / (y[:, -1:, :] + eps) * scale
    x = x / (x[:, :, -1:] + eps) * scale
    power = 2 * (np.arange(num_feats) // 2) / num_feats
    wave = (temperature**power).astype(np.float32)
    pos_x = x[..., None] / wave
    pos_y = y[..., None] / wave
    code = np.empty((*mask.shape, 2 * num_feats), dtype=np.float32)
    code[..., 0:num_feats:2] = np.sin(pos_y[..., 0::2])
    code[..., 1:num_feats:2] = np.cos(pos_y[..., 1::2])
    code[..., num_feats::2] = np.sin(pos_x[..., 0::2])
    code[..., num_feats + 1 :: 2] = np.cos(pos_x[..., 1::2])
    return code.transpose(0, 3, 1, 2)
