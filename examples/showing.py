"""Running an example: one function compiled and as plain NumPy, results compared, times printed, a picture drawn."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Args = tuple[Any, ...]
Arrays = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Example:
    """One program.

    `function` is jitted; `arguments(size)` makes its arguments at the sizes `"small"` (for tests) and `"full"`.
    `draw(arrays, path)` writes the picture and `describe(arrays)` says in words what came out; both get the arrays of
    `arrays_of`: what was returned, then the arguments as they are afterwards. `rtol` is the largest difference from
    plain NumPy, relative to the largest element; zero asks for the same bits.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[str], Args]
    describe: Callable[[Arrays], str]
    draw: Callable[[Arrays, Path], None] | None = None
    rtol: float = 0.0


def arrays_of(result: Any, args: Args) -> Arrays:
    """What a call left: the arrays it returned, and its array arguments."""
    results = result if isinstance(result, tuple) else () if result is None else (result,)
    return [np.asarray(x) for x in results] + [x for x in args if isinstance(x, np.ndarray)]


def copied(args: Args) -> Args:
    """Arguments that a call may write to."""
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in args)


def timed(function: Callable[..., Any], args: Args) -> tuple[float, Arrays]:
    """Seconds of one call on a copy of the arguments, and what it left."""
    own = copied(args)
    start = time.perf_counter()
    result = function(*own)
    return time.perf_counter() - start, arrays_of(result, own)


def difference(got: Arrays, want: Arrays) -> float:
    """The largest difference, relative to the largest element of each array; infinite if something else differs."""
    worst = 0.0
    for g, w in zip(got, want, strict=True):
        if g.dtype != w.dtype or g.shape != w.shape or not np.array_equal(np.isfinite(g), np.isfinite(w)):
            return np.inf
        finite = np.isfinite(w)
        if not np.array_equal(g[~finite], w[~finite], equal_nan=True):
            return np.inf
        distance = np.abs(g[finite].astype(np.float64) - w[finite].astype(np.float64)).max(initial=0)
        if distance:
            worst = max(worst, float(distance / np.abs(w[finite]).max()))
    return worst


def show(example: Example, arguments: Sequence[str] | None = None) -> int:
    """The command of an example: `python examples/NAME.py [--output FOLDER] [--size small] [--runs N]`.

    Returns 1 if the compiled function and plain NumPy disagree.
    """
    parser = argparse.ArgumentParser(description=example.name)
    parser.add_argument("--output", type=Path, default=Path(), help="where to write the picture")
    parser.add_argument("--size", default="full", choices=("small", "full"))
    parser.add_argument(
        "--runs", type=int, default=3, help="how often each way is timed; medians are printed"
    )
    options = parser.parse_args(arguments)

    args = example.arguments(options.size)
    plain = example.function.__wrapped__  # type: ignore[attr-defined]
    first, got = timed(example.function, args)
    runs = [(timed(plain, args)[0], timed(example.function, args)[0]) for _ in range(options.runs)]
    _, want = timed(plain, args)
    numpy_s, pydsl_s = (statistics.median(times) for times in zip(*runs, strict=True))

    print(example.describe(got))
    print(
        f"NumPy {1e3 * numpy_s:.2f} ms, pydsl {1e3 * pydsl_s:.2f} ms: {numpy_s / pydsl_s:.1f} times faster",
        end="",
    )
    print(f"; first call {1e3 * first:.0f} ms")
    apart = difference(got, want)
    print("same bits as plain NumPy" if apart == 0 else f"largest difference from plain NumPy: {apart:.1e}")
    if example.draw is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        picture = options.output / f"{example.name}.png"
        example.draw(got, picture)
        print(f"wrote {picture}")
    return 0 if apart <= example.rtol else 1


def picture(width: float = 6, height: float = 6) -> tuple[Any, Any]:
    """A figure that is written to a file, never to a window, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def save_image(
    image: np.ndarray[Any, Any], path: Path, title: str, colours: str = "viridis", **limits: float
) -> None:
    """Writes an array as a coloured picture."""
    figure, axes = picture()
    axes.imshow(image, cmap=colours, interpolation="nearest", **limits)
    axes.set_title(title)
    axes.set_axis_off()
    figure.savefig(path, dpi=120)
