"""Local alignment of two sequences by Smith and Waterman: scalar loops, and a walk back through the table."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, picture, show

Codes = NDArray[np.int64]
BASES = "ACGT"


@jit
def align(a: Codes, b: Codes, match: int, mismatch: int, gap: int) -> tuple[Codes, Codes, Codes]:
    """The table of scores `(N + 1, M + 1)`, and the best alignment: two rows of positions, -1 where there is a gap."""
    n, m = a.shape[0], b.shape[0]
    score = np.zeros((n + 1, m + 1), dtype=np.int64)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            step = match if a[i - 1] == b[j - 1] else mismatch
            score[i, j] = max(0, score[i - 1, j - 1] + step, score[i - 1, j] + gap, score[i, j - 1] + gap)

    best = int(score.argmax())
    i, j = best // (m + 1), best % (m + 1)
    path_a = np.full(n + m, -1)
    path_b = np.full(n + m, -1)
    length = 0
    while score[i, j] > 0:
        step = match if a[i - 1] == b[j - 1] else mismatch
        if score[i, j] == score[i - 1, j - 1] + step:
            i -= 1
            j -= 1
            path_a[length] = i
            path_b[length] = j
        elif score[i, j] == score[i - 1, j] + gap:
            i -= 1
            path_a[length] = i
        else:
            j -= 1
            path_b[length] = j
        length += 1
    return score, path_a[:length][::-1], path_b[:length][::-1]


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    n = {"small": 25, "full": 800}[size]
    rng = np.random.default_rng(5)
    a = rng.integers(0, 4, n)
    b = np.delete(a[n // 4 :], rng.integers(0, n // 2, n // 20))
    b = np.where(rng.random(b.size) < 0.1, rng.integers(0, 4, b.size), b)
    return a, np.concatenate([rng.integers(0, 4, n // 5), b]), 2, -1, -2


def row(path: Codes, sequence: Codes) -> str:
    """One row of an alignment in letters."""
    return "".join("-" if k < 0 else BASES[sequence[k]] for k in path)


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    score, path_a, path_b, a, b = arrays
    head = f"score {score.max()}, {path_a.size} columns; the first of them:"
    return "\n".join([head, row(path_a[:60], a), row(path_b[:60], b)])


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    score, path_a, path_b = arrays[:3]
    figure, axes = picture()
    axes.imshow(score, cmap="viridis")
    both = (path_a >= 0) & (path_b >= 0)
    axes.plot(path_b[both] + 1, path_a[both] + 1, "r.", markersize=1)
    axes.set_title("Smith-Waterman: scores, and the best alignment")
    figure.savefig(path, dpi=120)


EXAMPLE = Example("smith_waterman", align, arguments, describe, draw)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
