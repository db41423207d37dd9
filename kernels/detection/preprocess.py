"""Preparation of a picture for a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def preprocess(
    image: NDArray[np.uint8],
    mean: NDArray[np.float32],
    inv_std: NDArray[np.float32],
    divisor: int = 32,
    pad_value: int = 0,
) -> NDArray[np.float32]:
    """Pads a picture, swaps its channels, puts them first and normalises them.

    `image` is `(H, W, 3)` uint8, BGR; `mean` and `inv_std` are `(3,)` f32, RGB. Height and width grow to the
    next multiple of `divisor`. Returns `(3, H', W')` f32, RGB, laid out in memory as NumPy's `astype` leaves
    it: with the channels innermost.
    """
    height, width = image.shape[:2]
    padded_h = (height + divisor - 1) // divisor * divisor
    padded_w = (width + divisor - 1) // divisor * divisor
    canvas = np.full((padded_h, padded_w, 3), pad_value, dtype=np.uint8)
    canvas[:height, :width] = image
    out = canvas[..., ::-1].transpose(2, 0, 1).astype(np.float32)
    out -= mean[:, None, None]
    out *= inv_std[:, None, None]
    return out
