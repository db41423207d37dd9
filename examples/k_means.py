"""k-means clustering: Lloyd's algorithm on points in the plane."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, picture, show

Points = NDArray[np.float64]


@jit
def cluster(points: Points, centres: Points, tolerance: float, limit: int) -> tuple[NDArray[np.int64], int]:
    """Moves the centres, in place, until none of them moves by more than `tolerance`.

    `points` is `(N, D)`, `centres` is `(K, D)`. Returns which centre is the nearest of each point, and the number of
    rounds.
    """
    labels = np.zeros(points.shape[0], dtype=np.int64)
    rounds = 0
    moved = np.inf
    while moved > tolerance and rounds < limit:
        distance = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=-1)
        labels = distance.argmin(axis=1)
        before = centres.copy()
        for k in range(centres.shape[0]):
            members = points[labels == k]
            if members.shape[0] > 0:
                centres[k] = members.mean(axis=0)
        moved = np.sqrt(((centres - before) ** 2).sum(axis=1)).max()
        rounds += 1
    return labels, rounds


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    n, k = {"small": (60, 3), "full": (20000, 8)}[size]
    rng = np.random.default_rng(4)
    middle = rng.random((k, 2)) * 10
    points = middle[rng.integers(0, k, n)] + rng.standard_normal((n, 2)) * 0.6
    return points, points[:k].copy(), 1e-6, 200


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    labels, rounds = arrays[:2]
    return f"{int(rounds)} rounds; sizes of the clusters: {', '.join(str(n) for n in np.bincount(labels))}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    labels, _, points, centres = arrays
    figure, axes = picture()
    axes.scatter(*points.T, c=labels, s=2, cmap="tab10")
    axes.scatter(*centres.T, c="black", marker="x", s=80)
    axes.set_title("k-means")
    figure.savefig(path, dpi=120)


EXAMPLE = Example("k_means", cluster, arguments, describe, draw, rtol=1e-12)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
