"""Edges of a picture: Sobel's gradient, and Canny's thin lines made of it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, picture, show

Image = NDArray[np.float32]


def blur(image: Image, taps: Image) -> Image:
    """Smooths rows and columns with the same odd number of taps; the edges are repeated."""
    reach = taps.shape[0] // 2
    height, width = image.shape
    padded = np.pad(image, reach, mode="edge")
    rows = np.zeros((height + 2 * reach, width), dtype=np.float32)
    for k in range(taps.shape[0]):
        rows += taps[k] * padded[:, k : k + width]
    out = np.zeros_like(image)
    for k in range(taps.shape[0]):
        out += taps[k] * rows[k : k + height]
    return out


def sobel(image: Image) -> tuple[Image, Image]:
    """The gradient along x and along y; the outermost pixels have none."""
    gx = np.zeros_like(image)
    gy = np.zeros_like(image)
    across = image[:, 2:] - image[:, :-2]
    gx[1:-1, 1:-1] = across[:-2] + 2 * across[1:-1] + across[2:]
    down = image[2:] - image[:-2]
    gy[1:-1, 1:-1] = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return gx, gy


def thin(strength: Image, gx: Image, gy: Image) -> Image:
    """Keeps the pixels that are stronger than both neighbours in the direction of the gradient."""
    middle = strength[1:-1, 1:-1]
    ax, ay = np.abs(gx[1:-1, 1:-1]), np.abs(gy[1:-1, 1:-1])
    falling = gx[1:-1, 1:-1] * gy[1:-1, 1:-1] > 0
    flat = ay < 0.4142 * ax
    steep = ax < 0.4142 * ay
    first = np.where(
        flat,
        strength[1:-1, :-2],
        np.where(steep, strength[:-2, 1:-1], np.where(falling, strength[:-2, :-2], strength[:-2, 2:])),
    )
    second = np.where(
        flat,
        strength[1:-1, 2:],
        np.where(steep, strength[2:, 1:-1], np.where(falling, strength[2:, 2:], strength[2:, :-2])),
    )
    out = np.zeros_like(strength)
    out[1:-1, 1:-1] = np.where((middle >= first) & (middle > second), middle, 0)
    return out


def follow(strong: NDArray[np.bool_], weak: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Adds weak pixels that touch an edge, until there are no more of them."""
    edges = strong.copy()
    count = np.count_nonzero(edges)
    growing = True
    while growing:
        near = edges.copy()
        near[1:] |= edges[:-1]
        near[:-1] |= edges[1:]
        wide = near.copy()
        wide[:, 1:] |= near[:, :-1]
        wide[:, :-1] |= near[:, 1:]
        edges |= wide & weak
        growing = np.count_nonzero(edges) > count
        count = np.count_nonzero(edges)
    return edges


@jit
def canny(image: Image, taps: Image, low: float, high: float) -> tuple[Image, NDArray[np.bool_]]:
    """The strength of the gradient and the edges: lines that are above `high` somewhere, and above `low` everywhere."""
    gx, gy = sobel(blur(image, taps))
    strength = np.hypot(gx, gy)
    ridge = thin(strength, gx, gy)
    return strength, follow(ridge > high, ridge > low)


def photograph() -> Any:
    """The astronaut that comes with scikit-image, or shapes where that is not installed."""
    if find_spec("skimage") is not None:
        from skimage import data  # noqa: PLC0415

        return data.astronaut() @ np.array([0.299, 0.587, 0.114]) / 255
    y, x = np.indices((512, 512)) / 512
    return 0.5 + 0.3 * np.sin(12 * x * y) + 0.3 * ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.05)


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    taps = np.array([1, 4, 6, 4, 1], dtype=np.float32) / np.float32(16)
    image = photograph().astype(np.float32)
    if size == "small":
        image = image[80:150:2, 170:250:2].copy()
    return image, taps, 0.15, 0.4


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    strength, edges = arrays[:2]
    return f"gradient up to {strength.max():.2f}; {np.count_nonzero(edges)} of {edges.size} pixels are edges"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    strength, edges = arrays[:2]
    figure, axes = picture(11, 5.5)
    axes.imshow(np.concatenate([strength / strength.max(), edges], axis=1), cmap="gray")
    axes.set_title("Sobel's gradient, and Canny's edges")
    axes.set_axis_off()
    figure.savefig(path, dpi=120)


EXAMPLE = Example("edges", canny, arguments, describe, draw, rtol=3e-7)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
