"""Loops that read again what the same iteration wrote: LLVM must not gather those loads before the stores."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl import jit


def swapped_and_used(y: Any, z: Any) -> Any:
    z[:, :3], z[:, 3:] = z[:, 3:], z[:, :3].copy()
    return (z % y) * y - z


def test_halves_swapped_then_read() -> None:
    y = np.arange(1.0, 7.0).astype(np.float32)
    for dtype in (np.int64, np.float64, np.float32, np.int32):
        z = np.arange(1, 49).reshape(8, 6).astype(dtype)
        mine, theirs = z.copy(), z.copy()
        np.testing.assert_array_equal(jit(swapped_and_used)(y, mine), swapped_and_used(y, theirs))
        np.testing.assert_array_equal(mine, theirs)
