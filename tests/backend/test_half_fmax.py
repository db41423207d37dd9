"""Reductions of float16 by fmax and fmin: LLVM's vectoriser failed on their loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl import jit


@jit
def extremes(a: Any) -> Any:
    return np.nanmax(a), np.nanmin(a), np.nanmax(a, axis=0), np.nanmin(a, axis=1)


def test_extremes() -> None:
    a = np.array([[1.5, np.nan, -2, 3], [0.5, 4, -1, np.nan], [2, 1, 0, -5]], np.float16)
    for found, expected in zip(extremes(a), extremes.__wrapped__(a), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert np.asarray(found).dtype == np.float16
