"""What a PolyBench program is: a function, how its arguments are made, and at which sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.kernels.tolerance import EXACT, Tolerance

Array = NDArray[Any]
Args = tuple[Any, ...]
SIZES = ("small", "medium")


@dataclass(frozen=True)
class Program:
    """One program. `initialise(**dims)` makes its arguments, always the same ones.

    `dims` gives the dimensions at the sizes `"test"`, `"small"` and `"medium"`. `tolerance` is for results and written
    arguments: bit for bit where nothing is summed in another order.
    """

    name: str
    function: Callable[..., Any]
    initialise: Callable[..., Args]
    dims: Mapping[str, Mapping[str, int]]
    tolerance: Tolerance = EXACT

    def make(self, size: str) -> Args:
        """The arguments at one size."""
        return self.initialise(**self.dims[size])


def sizes(**dims: tuple[int, int, int]) -> dict[str, dict[str, int]]:
    """Dimensions by size, from one triple for each dimension."""
    return {size: {name: d[k] for name, d in dims.items()} for k, size in enumerate(("test", *SIZES))}


def ramp(*shape: int, step: int = 1, offset: int = 0) -> Array:
    """Values in [0, 1): products of indices modulo a length, so that rows and columns all differ."""
    index = np.indices(shape, dtype=np.int64)
    modulus = max(shape) + 7
    total = sum((k + step) * axis for k, axis in enumerate(index)) + index.prod(axis=0) + offset
    return (total % modulus) / modulus


def positive_definite(n: int) -> Array:
    """A symmetric matrix whose eigenvalues are at least one."""
    lower = np.tril(ramp(n, n) - 0.5)
    return lower @ lower.T / n + np.eye(n)
