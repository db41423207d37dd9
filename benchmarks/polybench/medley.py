"""Dynamic programming and a recursive filter."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.polybench.program import Args, Array, Program, ramp, sizes


def deriche(alpha: float, image: Array) -> Array:
    """Deriche's recursive smoothing of a picture, along rows and then along columns, each in both directions."""
    width, height = image.shape
    decay = math.exp(-alpha)
    k = (1 - decay) * (1 - decay) / (1 + 2 * alpha * decay - math.exp(2 * alpha))
    a1 = k
    a2 = k * decay * (alpha - 1)
    a3 = k * decay * (alpha + 1)
    a4 = -k * math.exp(-2 * alpha)
    b1 = math.pow(2, -alpha)
    b2 = -math.exp(-2 * alpha)

    y1 = np.empty_like(image)
    y1[:, 0] = a1 * image[:, 0]
    y1[:, 1] = a1 * image[:, 1] + a2 * image[:, 0] + b1 * y1[:, 0]
    for j in range(2, height):
        y1[:, j] = a1 * image[:, j] + a2 * image[:, j - 1] + b1 * y1[:, j - 1] + b2 * y1[:, j - 2]
    y2 = np.empty_like(image)
    y2[:, -1] = 0
    y2[:, -2] = a3 * image[:, -1]
    for j in range(height - 3, -1, -1):
        y2[:, j] = a3 * image[:, j + 1] + a4 * image[:, j + 2] + b1 * y2[:, j + 1] + b2 * y2[:, j + 2]
    out = y1 + y2

    y1[0] = a1 * out[0]
    y1[1] = a1 * out[1] + a2 * out[0] + b1 * y1[0]
    for i in range(2, width):
        y1[i] = a1 * out[i] + a2 * out[i - 1] + b1 * y1[i - 1] + b2 * y1[i - 2]
    y2[-1] = 0
    y2[-2] = a3 * out[-1]
    for i in range(width - 3, -1, -1):
        y2[i] = a3 * out[i + 1] + a4 * out[i + 2] + b1 * y2[i + 1] + b2 * y2[i + 2]
    return y1 + y2


def init_deriche(w: int, h: int) -> Args:
    return 0.25, ramp(w, h).astype(np.float32)


def floyd_warshall(paths: Array) -> None:
    """The shortest paths between all pairs of nodes, in place."""
    for k in range(paths.shape[0]):
        np.minimum(paths, paths[:, k, None] + paths[k], out=paths)


def init_floyd_warshall(n: int) -> Args:
    i, j = np.indices((n, n))
    paths = (i * j % 7 + 1).astype(np.int32)
    paths[((i + j) % 13 == 0) | ((i + j) % 7 == 0) | ((i + j) % 11 == 0)] = 999
    return (paths,)


def nussinov(seq: Array) -> Array:
    """The largest number of pairs in the folding of an RNA sequence: bases 0 to 3 pair when they add up to 3."""
    n = seq.shape[0]
    table = np.zeros((n, n), dtype=np.int32)
    for i in range(n - 2, -1, -1):
        for j in range(i + 1, n):
            best = max(table[i, j - 1], table[i + 1, j])
            pair = table[i + 1, j - 1]
            if i < j - 1 and seq[i] + seq[j] == 3:
                pair += 1
            best = max(best, pair)
            if j > i + 1:
                best = max(best, np.max(table[i, i + 1 : j] + table[i + 2 : j + 1, j]))
            table[i, j] = best
    return table


def init_nussinov(n: int) -> Args:
    return ((np.arange(n) * 7 // 3 + np.arange(n) ** 2 // 5) % 4,)


PROGRAMS = (
    Program("deriche", deriche, init_deriche, sizes(w=(13, 192, 720), h=(11, 128, 480))),
    Program("floyd-warshall", floyd_warshall, init_floyd_warshall, sizes(n=(17, 180, 500))),
    Program("nussinov", nussinov, init_nussinov, sizes(n=(17, 180, 500))),
)
