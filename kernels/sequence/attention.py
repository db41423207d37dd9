"""Attention over what was said before, kept in a cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


@jit
def attn_kv_decode(
    x: NDArray[np.float32],
    keys: NDArray[np.float32],
    values: NDArray[np.float32],
    w_q: NDArray[np.float32],
    w_k: NDArray[np.float32],
    w_v: NDArray[np.float32],
    w_o: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Autoregressive decoding with one attention layer: every step attends to all steps up to itself.

    `x` is `(heads, 1, D)` f32, the first input; `keys` and `values` are `(heads, T, D)` f32, the cache, which
    is written step by step; the weights are `(heads, D, D)` f32. The output of a step, added to its input and
    brought to unit variance, is the input of the next. Returns `(heads, 1, D)` f32, what comes after T steps.
    """
    dim = x.shape[-1]
    for t in range(keys.shape[1]):
        query = x @ w_q
        keys[:, t] = (x @ w_k)[:, 0]
        values[:, t] = (x @ w_v)[:, 0]
        seen = keys[:, : t + 1]
        weights = query @ seen.transpose(0, 2, 1)
        weights *= dim**-0.5
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        x = x + weights @ values[:, : t + 1] @ w_o
        x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True))
    return x
