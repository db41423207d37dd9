"""An ensemble of Lorenz systems by Runge and Kutta's method: points that start together, and part."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, picture, show

Floats = NDArray[np.float64]


def slope(state: Floats, sigma: float, rho: float, beta: float) -> Floats:
    """Lorenz's equations for states `(3, B)`."""
    x, y, z = state
    return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


@jit
def integrate(
    state: Floats, steps: int, dt: float, sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3
) -> tuple[Floats, Floats]:
    """Runs states `(3, B)` in place; returns the path of the first one `(steps, 3)` and the spread `(steps,)`."""
    path = np.empty((steps, 3))
    spread = np.empty(steps)
    for t in range(steps):
        k1 = slope(state, sigma, rho, beta)
        k2 = slope(state + dt / 2 * k1, sigma, rho, beta)
        k3 = slope(state + dt / 2 * k2, sigma, rho, beta)
        k4 = slope(state + dt * k3, sigma, rho, beta)
        state += dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path[t] = state[:, 0]
        spread[t] = state.std(axis=1).max()
    return path, spread


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    batch, steps = {"small": (9, 25), "full": (1000, 4000)}[size]
    state = np.ones((3, batch)) + 1e-6 * np.random.default_rng(8).standard_normal((3, batch))
    return state, steps, 0.01


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    spread = arrays[1]
    return f"the spread grows from {spread[0]:.0e} to {spread[-1]:.2g}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    way, _, state = arrays
    figure, axes = picture()
    axes.plot(way[:, 0], way[:, 2], linewidth=0.6)
    axes.plot(state[0], state[2], "r.", markersize=2)
    axes.set_title("Lorenz: the path of one, and where all of them are in the end")
    figure.savefig(path, dpi=120)


EXAMPLE = Example("lorenz", integrate, arguments, describe, draw, rtol=1e-12)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
