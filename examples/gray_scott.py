"""Gray and Scott's reaction-diffusion: two substances that eat each other make spots and stripes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, save_image, show

Field = NDArray[np.float32]


def wrap(field: Field) -> None:
    """Copies the inner edges of a padded field to the opposite outer ones."""
    field[0, :] = field[-2, :]
    field[-1, :] = field[1, :]
    field[:, 0] = field[:, -2]
    field[:, -1] = field[:, 1]


def laplacian(field: Field) -> Any:
    """The sum of the four neighbours, less four times the middle."""
    return field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:] - 4 * field[1:-1, 1:-1]


@jit
def react(u: Field, v: Field, steps: int, diff_u: float, diff_v: float, feed: float, kill: float) -> None:
    """Runs the reaction in place; `u` and `v` have a border of one cell on each side."""
    inner_u, inner_v = u[1:-1, 1:-1], v[1:-1, 1:-1]
    for _ in range(steps):
        reaction = inner_u * inner_v * inner_v
        change_u = diff_u * laplacian(u) - reaction + feed * (1 - inner_u)
        change_v = diff_v * laplacian(v) + reaction - (feed + kill) * inner_v
        inner_u += change_u
        inner_v += change_v
        wrap(u)
        wrap(v)


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    side, steps = {"small": (20, 12), "full": (256, 4000)}[size]
    rng = np.random.default_rng(2)
    u = np.ones((side + 2, side + 2), dtype=np.float32)
    v = np.zeros_like(u)
    for _ in range(max(1, side // 12)):
        y, x = rng.integers(1, side - 6, 2)
        u[y : y + 6, x : x + 6] = 0.5
        v[y : y + 6, x : x + 6] = 0.25
    u += rng.random(u.shape, dtype=np.float32) * np.float32(0.02)
    return u, v, steps, 0.16, 0.08, 0.035, 0.06


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    v = arrays[1]
    return f"the second substance covers {100 * (v > 0.1).mean():.0f} % of the plate"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    save_image(arrays[1][1:-1, 1:-1], path, "Gray-Scott: the second substance", "magma")


EXAMPLE = Example("gray_scott", react, arguments, describe, draw)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
