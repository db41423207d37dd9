"""What counts as equal: bit for bit, or within a number of units in the last place (ULP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Tolerance:
    """`ulps` units in the last place, of the element itself or, if `scaled`, of the largest magnitude in the
    array.

    `scaled` is for values that come from a transcendental function through a sum, where cancellation makes
    the ULP of the small result meaningless. Zero ULPs means the same bits, except that any NaN equals any
    NaN.
    """

    ulps: float = 0.0
    scaled: bool = False

    def check(self, got: np.ndarray, want: np.ndarray, what: str) -> None:
        assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, NumPy gives {want.dtype}"
        assert got.shape == want.shape, f"{what}: shape {got.shape}, NumPy gives {want.shape}"
        worst, where = worst_ulps(got, want, self.scaled)
        assert worst <= self.ulps, (
            f"{what}: off by {worst:g} ULP at {where}: {got[where]!r}, NumPy gives {want[where]!r}"
        )


EXACT = Tolerance()
TRANSCENDENTAL = Tolerance(ulps=4)
SCALED_TRANSCENDENTAL = Tolerance(ulps=4, scaled=True)


def worst_ulps(got: np.ndarray, want: np.ndarray, scaled: bool) -> tuple[float, tuple[int, ...]]:
    """The largest distance in ULPs and its index; infinite where only one side is NaN or infinite."""
    if want.size == 0:
        return 0.0, ()
    if want.dtype.kind != "f":
        different = got != want
        if not different.any():
            return 0.0, ()
        return np.inf, unravel(int(different.argmax()), want.shape)
    bits = np.dtype(f"u{want.dtype.itemsize}")
    same = (np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(want).view(bits)).reshape(want.shape)
    same |= np.isnan(got) & np.isnan(want)
    if same.all():
        return 0.0, ()
    finite = np.isfinite(got) & np.isfinite(want)
    magnitude = np.abs(want)
    if scaled:
        magnitude = np.full_like(magnitude, magnitude[finite].max(initial=0))
    with np.errstate(all="ignore"):
        ulp = np.spacing(np.where(np.isfinite(magnitude), magnitude, 1)).astype(np.float64)
        distance = np.abs(got.astype(np.float64) - want.astype(np.float64)) / ulp
    signed_zero = finite & (distance == 0)  # +0 and -0: equal, but not the same bits
    distance = np.where(same, 0.0, np.where(finite, distance, np.inf))
    distance = np.where(signed_zero & ~same, 0.5, distance)
    at = unravel(int(distance.argmax()), want.shape)
    return float(distance[at]), at


def unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(index, shape))


def matmul_bound(terms: int) -> Tolerance:
    """For values that depend on a sum of `terms` products, added in any order."""
    return Tolerance(ulps=terms + 4.0, scaled=True)


def describe(value: Any) -> str:
    """A short picture of an argument for messages."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} strides {list(value.strides)}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(describe(v) for v in value) + ")"
    return repr(value)
