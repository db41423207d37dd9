"""The programs that are measured against the copy bandwidth of a device: plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl import jit

Array = Any


@dataclass(frozen=True)
class Program:
    """One program.

    Parameters
    ----------
    kind: "chain", "stencil" or "reduction", for the goal that it is held to.
    function: plain NumPy.
    portable: the same with the array library as the first argument; None where the other libraries' arrays cannot be
        written.
    n_inputs: number of array arguments of side by side elements.
    outputs: arrays of that size that it writes.
    """

    name: str
    kind: str
    function: Callable[..., Any]
    portable: Callable[..., Any] | None
    n_inputs: int
    outputs: int = 1
    dtypes: tuple[str, ...] = ("float32", "float64")

    def arrays(self, dtype: np.dtype[Any], side: int) -> list[np.ndarray[Any, Any]]:
        """Arguments."""
        rng = np.random.default_rng(len(self.name))
        return [rng.random((side, side)).astype(dtype) + dtype.type(0.5) for _ in range(self.n_inputs)]

    def nbytes(self, arrays: list[np.ndarray[Any, Any]]) -> int:
        """Bytes that have to be read and written at least."""
        return sum(a.nbytes for a in arrays) + self.outputs * arrays[0].nbytes


def chain(x: Array, y: Array, z: Array) -> Array:
    t = x * y + z
    u = t * t - x
    return (u + y) * 0.5 + t * z


def affine(x: Array, y: Array) -> Array:
    return 2.0 * x + y


def rational(x: Array) -> Array:
    return x * (1.0 + x * (0.5 + x * 0.25)) / (1.0 + x * x)


def stencil5(u: Array) -> Array:
    out = np.zeros_like(u)
    out[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return out


def stencil9(u: Array) -> Array:
    out = np.zeros_like(u)
    out[1:-1, 1:-1] = 0.5 * u[1:-1, 1:-1] + 0.0625 * (
        u[:-2, :-2]
        + u[:-2, 1:-1]
        + u[:-2, 2:]
        + u[1:-1, :-2]
        + u[1:-1, 2:]
        + u[2:, :-2]
        + u[2:, 1:-1]
        + u[2:, 2:]
    )
    return out


def total(x: Array) -> Array:
    return np.asarray(x.sum())


def rows(x: Array) -> Array:
    return x.sum(axis=1)


def columns(x: Array) -> Array:
    return x.sum(axis=0)


def row_maxima(x: Array) -> Array:
    return (x * 2.0 + 1.0).max(axis=1)


def _stencil5_portable(xp: Any, u: Array) -> Array:
    out = xp.zeros_like(u)
    inner = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    if hasattr(out, "at"):
        return out.at[1:-1, 1:-1].set(inner)
    out[1:-1, 1:-1] = inner
    return out


PROGRAMS = (
    Program("affine", "chain", affine, lambda xp, x, y: affine(x, y), 2),
    Program("chain", "chain", chain, lambda xp, x, y, z: chain(x, y, z), 3),
    Program("rational", "chain", rational, lambda xp, x: rational(x), 1),
    Program("stencil5", "stencil", stencil5, _stencil5_portable, 1),
    Program("stencil9", "stencil", stencil9, None, 1),
    Program("total", "reduction", total, lambda xp, x: x.sum(), 1, 0),
    Program("rows", "reduction", rows, lambda xp, x: x.sum(axis=1), 1, 0),
    Program("columns", "reduction", columns, lambda xp, x: x.sum(axis=0), 1, 0),
    Program("row_maxima", "reduction", row_maxima, lambda xp, x: xp.amax(x * 2.0 + 1.0, axis=1), 1, 0),
)


@jit
def small(x: Array, y: Array, z: Array) -> Array:
    return x * y + z
