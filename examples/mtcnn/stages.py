"""The steps between the networks: scaling, choosing, suppressing, correcting and cropping boxes.

Boxes are rows `(x1, y1, x2, y2, score)` f32 in pixels of the photograph; rows may have more columns behind
these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

Array = NDArray[Any]

STRIDE = 2
"""Distance of the windows that the proposal network judges, in pixels of the scaled picture."""
CELL = 12
"""Side of these windows."""


@jit
def normalise(image: Array) -> Array:
    """Maps `(H, W, 3)` uint8 to f32 in about [-1, 1]."""
    return (image.astype(np.float32) - 127.5) / 128


@jit
def pad_border(image: Array) -> Array:
    """Puts a border of zeros, one pixel wide, around a picture: what crops see outside of it."""
    height, width, channels = image.shape
    padded = np.zeros((height + 2, width + 2, channels), dtype=np.float32)
    padded[1:-1, 1:-1] = image
    return padded


def area_weights(n: int, size: int, tap: int) -> tuple[Array, Array]:
    """Which of `n` pixels is the `tap`-th that each of `size` larger pixels covers, and what part of it."""
    step = n / size
    start = np.arange(size) * step
    source = np.floor(start) + tap
    covered = np.minimum(start + step, source + 1) - np.maximum(start, source)
    index = np.minimum(source, n - 1).astype(np.int64)
    return index, (np.maximum(covered, 0) / step).astype(np.float32)


@jit
def shrink(image: Array, height: int, width: int) -> Array:
    """Makes a picture smaller; every new pixel is the mean of the area it covers. First the rows, then the
    columns.
    """
    old_h, old_w, channels = image.shape
    rows = np.zeros((height, old_w, channels), dtype=np.float32)
    for tap in range(int(np.ceil(old_h / height)) + 1):
        index, weight = area_weights(old_h, height, tap)
        rows += image[index] * weight[:, None, None]
    out = np.zeros((height, width, channels), dtype=np.float32)
    for tap in range(int(np.ceil(old_w / width)) + 1):
        index, weight = area_weights(old_w, width, tap)
        out += rows[:, index] * weight[:, None]
    return out


@jit
def candidates(prob: Array, offsets: Array, scale: float, threshold: float) -> Array:
    """The windows that may show a face, as boxes `(N, 5)` in the photograph, best first.

    `prob` is `(h, w)` and `offsets` is `(h, w, 4)`, both of one level of the pyramid, which is `scale` times
    as large as the photograph.
    """
    rows, cols = np.nonzero(prob > threshold)
    boxes = np.empty((rows.size, 5), dtype=np.float32)
    boxes[:, 0] = cols * STRIDE
    boxes[:, 1] = rows * STRIDE
    boxes[:, 2:4] = boxes[:, 0:2] + CELL
    boxes[:, :4] += offsets[rows, cols] * CELL
    boxes[:, :4] /= scale
    boxes[:, 4] = prob[rows, cols]
    return boxes[np.argsort(-boxes[:, 4], kind="stable")]


@jit
def suppress(boxes: Array, threshold: float, relative_to: str = "union") -> Array:
    """Greedy non-maximum suppression: rows `(N, C)` in, the kept rows `(K, C)` out, best first.

    Of two boxes that overlap by more than `threshold` the better one stays. The overlap is relative to the
    union of the two, or to the smaller one (`"smaller"`).
    """
    x1 = boxes[:, 0]
    y1 = boxes[:, 1]
    x2 = boxes[:, 2]
    y2 = boxes[:, 3]
    area = (x2 - x1) * (y2 - y1)
    order = np.argsort(-boxes[:, 4], kind="stable")
    keep = np.empty(order.size, dtype=np.int64)
    count = 0
    while order.size > 0:
        best = order[0]
        rest = order[1:]
        keep[count] = best
        count += 1
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        inter = np.maximum(width, 0) * np.maximum(height, 0)
        if relative_to == "union":
            overlap = inter / (area[best] + area[rest] - inter)
        else:
            overlap = inter / np.minimum(area[best], area[rest])
        order = rest[np.nonzero(overlap <= threshold)[0]]
    return boxes[keep[:count]]


@jit
def square(boxes: Array) -> Array:
    """Extends the shorter side of each box, so that it becomes a square about the same centre."""
    out = boxes.copy()
    size = out[:, 2:4] - out[:, 0:2]
    side = np.maximum(size[:, 0], size[:, 1])[:, None]
    out[:, 0:2] += (size - side) * 0.5
    out[:, 2:4] = out[:, 0:2] + side
    return out


def bilinear(padded: Array, ys: Array, xs: Array) -> Array:
    """Samples a picture on the grid `ys` by `xs`, in pixels of the padded picture, which lie inside of it."""
    top = np.floor(ys)
    left = np.floor(xs)
    down = (ys - top)[:, None, None]
    right = (xs - left)[:, None]
    y0 = top.astype(np.int64)
    x0 = left.astype(np.int64)
    y1 = np.minimum(y0 + 1, padded.shape[0] - 1)
    x1 = np.minimum(x0 + 1, padded.shape[1] - 1)
    upper = padded[y0[:, None], x0] * (1 - right) + padded[y0[:, None], x1] * right
    lower = padded[y1[:, None], x0] * (1 - right) + padded[y1[:, None], x1] * right
    return upper * (1 - down) + lower * down


@jit
def crop(padded: Array, boxes: Array, size: int) -> Array:
    """Cuts every box out of the picture and scales it to `(size, size)`; outside of the picture is zero.

    `padded` is the picture with its border of one pixel. Returns `(N, size, size, 3)` f32.
    """
    n = boxes.shape[0]
    max_y = padded.shape[0] - 1
    max_x = padded.shape[1] - 1
    out = np.empty((n, size, size, padded.shape[2]), dtype=np.float32)
    centers = (np.arange(size, dtype=np.float32) + 0.5) / size
    for i in range(n):
        x1, y1, x2, y2 = boxes[i, :4]
        xs = np.clip(x1 + centers * (x2 - x1) + 0.5, 0, max_x)
        ys = np.clip(y1 + centers * (y2 - y1) + 0.5, 0, max_y)
        out[i] = bilinear(padded, ys, xs)
    return out


def move_sides(boxes: Array, offsets: Array) -> None:
    """Moves the sides of boxes by offsets in box sizes, in place."""
    w = boxes[:, 2:3] - boxes[:, 0:1] + 1
    h = boxes[:, 3:4] - boxes[:, 1:2] + 1
    boxes[:, 0:4:2] += offsets[:, 0::2] * w
    boxes[:, 1:4:2] += offsets[:, 1::2] * h


@jit
def refine(boxes: Array, prob: Array, offsets: Array, threshold: float) -> Array:
    """Keeps the boxes that the refinement network believes in and corrects them: `(N, 5)` in, `(K, 5)` out."""
    chosen = prob > threshold
    out = boxes[chosen]
    move_sides(out[:, :4], offsets[chosen])
    out[:, 4] = prob[chosen]
    return out


@jit
def finish(boxes: Array, prob: Array, offsets: Array, landmarks: Array, threshold: float) -> Array:
    """Keeps and corrects the boxes that the output network believes in, and places the landmarks.

    Returns rows `(K, 15)`: box, score, then x and y of the two eyes, the nose and the two corners of the
    mouth.
    """
    chosen = prob > threshold
    kept = boxes[chosen]
    marks = landmarks[chosen]
    out = np.empty((kept.shape[0], 15), dtype=np.float32)
    w = kept[:, 2:3] - kept[:, 0:1] + 1
    h = kept[:, 3:4] - kept[:, 1:2] + 1
    out[:, 5::2] = marks[:, :5] * w + kept[:, 0:1] - 1
    out[:, 6::2] = marks[:, 5:] * h + kept[:, 1:2] - 1
    out[:, :4] = kept[:, :4]
    move_sides(out[:, :4], offsets[chosen])
    out[:, 4] = prob[chosen]
    return out


@jit
def join(levels: tuple[Array, ...]) -> Array:
    """All boxes of the levels of the pyramid, one below the other."""
    return np.concatenate(levels)
