"""A batch of Kalman filters: hundreds of targets, tracked in the plane from noisy positions, all at once."""

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


def inverse_2x2(m: Floats) -> Floats:
    """The inverses of matrices `(B, 2, 2)`."""
    det = m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] * m[:, 1, 0]
    out = np.empty_like(m)
    out[:, 0, 0] = m[:, 1, 1] / det
    out[:, 0, 1] = -m[:, 0, 1] / det
    out[:, 1, 0] = -m[:, 1, 0] / det
    out[:, 1, 1] = m[:, 0, 0] / det
    return out


@jit
def track(measured: Floats, dt: float, process: float, noise: float) -> tuple[Floats, Floats]:
    """Filters `(T, B, 2)` measured positions; a position that was not measured is nan.

    The state is position and velocity. Returns the states `(T, B, 4)` and the last covariances `(B, 4, 4)`.
    """
    steps, batch = measured.shape[:2]
    move = np.eye(4)
    move[0, 2] = dt
    move[1, 3] = dt
    q = process * np.diag(np.array([dt**3 / 3, dt**3 / 3, dt, dt]))
    q[0, 2] = q[2, 0] = q[1, 3] = q[3, 1] = process * dt**2 / 2
    state = np.zeros((batch, 4))
    state[:, :2] = np.where(np.isnan(measured[0]), 0.0, measured[0])
    cov = np.zeros((batch, 4, 4))
    cov[:] = np.eye(4) * 10.0
    out = np.empty((steps, batch, 4))
    for t in range(steps):
        state = state @ move.T
        cov = move @ cov @ move.T + q
        seen = ~np.isnan(measured[t, :, 0])
        residual = np.where(seen[:, None], measured[t] - state[:, :2], 0.0)
        gain = cov[:, :, :2] @ inverse_2x2(cov[:, :2, :2] + noise * np.eye(2))
        gain *= seen[:, None, None]
        state += (gain @ residual[:, :, None])[:, :, 0]
        cov -= gain @ cov[:, :2, :]
        out[t] = state
    return out, cov


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    steps, batch = {"small": (7, 5), "full": (200, 500)}[size]
    rng = np.random.default_rng(7)
    velocity = rng.standard_normal((1, batch, 2)) + np.cumsum(
        rng.standard_normal((steps, batch, 2)) * 0.1, axis=0
    )
    position = rng.standard_normal((1, batch, 2)) * 5 + np.cumsum(velocity * 0.1, axis=0)
    measured = position + rng.standard_normal(position.shape) * 0.5
    measured[rng.random((steps, batch)) < 0.1] = np.nan
    return measured, 0.1, 0.1, 0.25


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    states, cov, measured = arrays
    jump = np.nanstd(np.diff(measured, axis=0)) / np.std(np.diff(states[..., :2], axis=0))
    sigma = np.sqrt(cov[:, 0, 0].mean())
    return f"{states.shape[1]} targets; paths {jump:.1f} times smoother than measured, positions known to {sigma:.2f}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    states, _, measured = arrays
    figure, axes = picture()
    for k in range(min(5, states.shape[1])):
        axes.plot(*measured[:, k].T, ".", color=f"C{k}", markersize=2, alpha=0.5)
        axes.plot(*states[:, k, :2].T, color=f"C{k}")
    axes.set_title("Five of the tracks, measured and filtered")
    figure.savefig(path, dpi=120)


EXAMPLE = Example("kalman", track, arguments, describe, draw, rtol=1e-11)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
