"""Shallow water in a basin: a drop falls in, the wave runs and comes back from the walls.

Heights live in the cells and velocities on the walls between them. What flows through a wall is taken from the cell
that it comes from.
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
def flow(h: Field, u: Field, v: Field, steps: int, dt: float, dx: float, gravity: float) -> Field:
    """Runs the water in place.

    `h` is `(N, M)`, `u` is `(N + 1, M)` and `v` is `(N, M + 1)`; the outermost velocities stay zero. Returns the
    volume of water after each step.
    """
    volume = np.empty(steps)
    flux_u = np.zeros_like(u)
    flux_v = np.zeros_like(v)
    for t in range(steps):
        u[1:-1] -= gravity * dt / dx * (h[1:] - h[:-1])
        v[:, 1:-1] -= gravity * dt / dx * (h[:, 1:] - h[:, :-1])
        flux_u[1:-1] = u[1:-1] * np.where(u[1:-1] > 0, h[:-1], h[1:])
        flux_v[:, 1:-1] = v[:, 1:-1] * np.where(v[:, 1:-1] > 0, h[:, :-1], h[:, 1:])
        h -= dt / dx * (flux_u[1:] - flux_u[:-1] + flux_v[:, 1:] - flux_v[:, :-1])
        volume[t] = h.sum() * dx * dx
    return volume


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    side, steps = {"small": (17, 11), "full": (256, 600)}[size]
    x = (np.arange(side) + 0.5) / side
    h = 1 + 0.4 * np.exp(-((x[:, None] - 0.35) ** 2 + (x - 0.6) ** 2) / 0.005)
    dx = 1.0 / side
    return h, np.zeros((side + 1, side)), np.zeros((side, side + 1)), steps, 0.2 * dx, dx, 1.0


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    volume, h = arrays[:2]
    return f"heights {h.min():.3f} to {h.max():.3f}; volume kept to {abs(volume[-1] / volume[0] - 1):.0e}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    save_image(arrays[1], path, "Shallow water: height of the surface", "Blues_r")


EXAMPLE = Example("shallow_water", flow, arguments, describe, draw, rtol=1e-13)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
