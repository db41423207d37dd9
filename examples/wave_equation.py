"""The wave equation with absorbing edges: waves that leave the picture do not come back.

Mur's first-order condition moves what reaches an edge outwards at the speed of the wave.
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

Field = NDArray[np.float64]


@jit
def propagate(speed: Field, steps: int, courant: float, source_y: int, source_x: int) -> tuple[Field, Field]:
    """Sends a pulse from one point through a medium; returns the field and its energy after each step.

    `speed` is `(N, M)`: the speed of the wave, relative to the fastest. The last states take turns in three arrays.
    """
    before = np.zeros_like(speed)
    now = np.zeros_like(speed)
    after = np.zeros_like(speed)
    energy = np.zeros(steps)
    factor = (courant * speed) ** 2
    edge = (courant * speed - 1) / (courant * speed + 1)
    for t in range(steps):
        middle = now[1:-1, 1:-1]
        bend = now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:] - 4 * middle
        after[1:-1, 1:-1] = 2 * middle - before[1:-1, 1:-1] + factor[1:-1, 1:-1] * bend
        age = ((t - 40) / 12) ** 2
        after[source_y, source_x] += (1 - 2 * age) * np.exp(-age)
        after[0, :] = now[1, :] + edge[0, :] * (after[1, :] - now[0, :])
        after[-1, :] = now[-2, :] + edge[-1, :] * (after[-2, :] - now[-1, :])
        after[:, 0] = now[:, 1] + edge[:, 0] * (after[:, 1] - now[:, 0])
        after[:, -1] = now[:, -2] + edge[:, -1] * (after[:, -2] - now[:, -1])
        energy[t] = np.sum((after - now) ** 2)
        before, now, after = now, after, before
    return now, energy


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    side, steps = {"small": (19, 40), "full": (300, 340)}[size]
    speed = np.ones((side, side))
    y, x = np.indices(speed.shape) / side
    speed[(y - 0.6) ** 2 + (x - 0.62) ** 2 < 0.03] = 0.5
    return speed, steps, 0.6, side // 4, side // 4


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    energy = arrays[1]
    return f"energy: at most {energy.max():.2f}, and {energy[-1]:.2f} of it left at the end"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    field = arrays[0]
    limit = np.abs(field).max() / 2
    save_image(field, path, "A wave, a slow lens, and open edges", "RdBu", vmin=-limit, vmax=limit)


EXAMPLE = Example("wave_equation", propagate, arguments, describe, draw, rtol=1e-12)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
