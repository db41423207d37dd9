"""The Mandelbrot set with arrays that shrink: points that have escaped are not computed any further."""

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
def escape_times(xs: NDArray[np.float64], ys: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """After how many steps each point of a grid leaves the circle of radius two; `limit` where it does not."""
    c = (xs[None, :] + 1j * ys[:, None]).ravel()
    times = np.full(c.shape[0], limit, dtype=np.int64)
    place = np.arange(c.shape[0])
    z = np.zeros_like(c)
    for t in range(limit):
        z = z * z + c
        inside = z.real * z.real + z.imag * z.imag <= 4
        times[place[~inside]] = t
        z = z[inside]
        c = c[inside]
        place = place[inside]
        if place.size == 0:
            break
    return times.reshape(ys.shape[0], xs.shape[0])


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    width, height, limit = {"small": (21, 17, 15), "full": (600, 400, 100)}[size]
    return np.linspace(-2.1, 0.7, width), np.linspace(-1.1, 1.1, height), limit


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    times = arrays[0]
    return f"{100 * (times == times.max()).mean():.1f} % of the points stay"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    save_image(np.log(1 + arrays[0]), path, "The Mandelbrot set", "twilight_shifted")


EXAMPLE = Example("mandelbrot", escape_times, arguments, describe, draw)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
