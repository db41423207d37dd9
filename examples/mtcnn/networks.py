"""The three networks. Weights are tuples of f32 arrays in the order of the layers."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from examples.mtcnn.layers import conv2d, dense, flatten, pool_covering, pool_inside, prelu, softmax
from pydsl import jit

Array = NDArray[Any]
Weights = tuple[Array, ...]


@jit
def pnet(image: Array, weights: Weights) -> tuple[Array, Array]:
    """The proposal network, run on a whole picture `(H, W, 3)`.

    Every 12 by 12 window, 2 apart, is judged: returns the probability of a face `(h, w)` and the offsets of
    its four sides `(h, w, 4)` in window sizes.
    """
    w1, b1, a1, w2, b2, a2, w3, b3, a3, w_box, b_box, w_face, b_face = weights
    x = prelu(conv2d(image[None], w1, b1), a1)
    x = pool_covering(x, 2)
    x = prelu(conv2d(x, w2, b2), a2)
    x = prelu(conv2d(x, w3, b3), a3)[0]
    offsets = dense(x, w_box[0, 0], b_box)
    prob = softmax(dense(x, w_face[0, 0], b_face))[..., 1]
    return prob, offsets


@jit
def rnet(crops: Array, weights: Weights) -> tuple[Array, Array]:
    """The refinement network on crops `(N, 24, 24, 3)`: probabilities `(N,)` and offsets `(N, 4)`."""
    w1, b1, a1, w2, b2, a2, w3, b3, a3, w4, b4, a4, w_box, b_box, w_face, b_face = weights
    x = pool_covering(prelu(conv2d(crops, w1, b1), a1), 3)
    x = pool_inside(prelu(conv2d(x, w2, b2), a2), 3)
    x = prelu(conv2d(x, w3, b3), a3)
    x = prelu(dense(flatten(x), w4, b4), a4)
    return softmax(dense(x, w_face, b_face))[:, 1], dense(x, w_box, b_box)


@jit
def onet(crops: Array, weights: Weights) -> tuple[Array, Array, Array]:
    """The output network on crops `(N, 48, 48, 3)`: probabilities `(N,)`, offsets `(N, 4)`, landmarks `(N,
    10)`.
    """
    w1, b1, a1, w2, b2, a2, w3, b3, a3, w4, b4, a4, w5, b5, a5 = weights[:15]
    w_box, b_box, w_mark, b_mark, w_face, b_face = weights[15:]
    x = pool_covering(prelu(conv2d(crops, w1, b1), a1), 3)
    x = pool_inside(prelu(conv2d(x, w2, b2), a2), 3)
    x = pool_covering(prelu(conv2d(x, w3, b3), a3), 2)
    x = prelu(conv2d(x, w4, b4), a4)
    x = prelu(dense(flatten(x), w5, b5), a5)
    return softmax(dense(x, w_face, b_face))[:, 1], dense(x, w_box, b_box), dense(x, w_mark, b_mark)
