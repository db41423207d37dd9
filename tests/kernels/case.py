"""What a ViewBench case is, and arguments that many cases need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.kernels.memory import LAYOUTS, lay_out
from tests.kernels.tolerance import EXACT, Tolerance

Args = tuple[Any, ...]
Builder = Callable[..., Args]

SIZES = ("small", "batch1", "batch4")
"""The sizes that are reported. Every case has them and `"empty"`; some have more."""


@dataclass(frozen=True)
class Case:
    """One ViewBench function. `build(rng, **dims)` makes contiguous arguments, `dims` names the sizes.

    `tolerances` belongs to the returned arrays, in order. `writes` says that the function writes arguments;
    these are compared bit for bit unless `written` allows more. `overlaps` are makers of arguments that are
    views of the same memory; `bad` are calls that must raise.
    """

    name: str
    title: str
    function: Callable[..., Any]
    build: Builder
    dims: Mapping[str, Mapping[str, Any]]
    tolerances: tuple[Tolerance, ...] = (EXACT,)
    layouts: tuple[str, ...] = LAYOUTS
    writes: bool = False
    written: Tolerance = EXACT
    overlaps: Mapping[str, Callable[[np.random.Generator], Args]] = field(default_factory=dict)
    bad: Mapping[str, tuple[type[Exception], Callable[[np.random.Generator], Args]]] = field(
        default_factory=dict
    )

    def make(self, size: str, layout: str, rng: np.random.Generator) -> Args:
        """Arguments of one size, all arrays in one layout."""
        return relayout(self.build(rng, **self.dims[size]), layout)


def relayout(value: Any, layout: str) -> Any:
    if isinstance(value, np.ndarray):
        return lay_out(value, layout)
    if isinstance(value, tuple):
        return tuple(relayout(v, layout) for v in value)
    return value


def f32(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.random(shape, dtype=np.float32)


def random_boxes(
    rng: np.random.Generator, n: int, height: float = 800, width: float = 1333, side: float = 200
) -> np.ndarray:
    corner = rng.random((n, 2)) * (width, height)
    size = rng.random((n, 2)) * side + 1
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def shared_rows(rng: np.random.Generator, n: int = 17, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of n rows that share all but one row."""
    buffer = f32(rng, n + 1, columns)
    return buffer[:-1], buffer[1:]


def same_array(rng: np.random.Generator) -> Args:
    x = f32(rng, 13, 4)
    return x, x


def reversed_rows(rng: np.random.Generator) -> Args:
    x = f32(rng, 13, 4)
    return x, x[::-1]
