"""Conway's Game of Life on a torus: a soup of cells, and how it settles.

The neighbours are counted with `np.roll`; compiled, nothing is rolled: the sums read the cells where they lie.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, save_image, show


@jit
def generations(cells: NDArray[np.uint8], steps: int) -> NDArray[np.int64]:
    """Runs the game in place; returns how many cells were alive after each step."""
    alive = np.zeros(steps, dtype=np.int64)
    for t in range(steps):
        neighbours = np.zeros_like(cells)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if dy != 0 or dx != 0:
                    neighbours += np.roll(cells, (dy, dx), axis=(0, 1))
        cells[...] = (neighbours == 3) | ((neighbours == 2) & (cells == 1))
        alive[t] = np.count_nonzero(cells)
    return alive


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    side, steps = {"small": (23, 9), "full": (512, 200)}[size]
    return (np.random.default_rng(1).random((side, side)) < 0.35).astype(np.uint8), steps


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    alive, cells = arrays
    return f"{alive[0]} cells alive after one step, {alive[-1]} of {cells.size} after {alive.size}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    alive, cells = arrays
    save_image(cells, path, f"Game of Life, generation {alive.size}", "binary")


EXAMPLE = Example("game_of_life", generations, arguments, describe, draw)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
