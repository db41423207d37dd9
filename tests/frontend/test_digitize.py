"""Bins that decrease are refused, never answered wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit


@jit
def digitize(x: Any, bins: Any) -> Any:
    return np.digitize(x, bins)


@pytest.mark.parametrize("bins", [[0.0, 0.5, 0.5, 1.0], [0.5], []])
def test_increasing_bins(bins: list[float]) -> None:
    x, edges = np.linspace(-1, 2, 13), np.array(bins)
    np.testing.assert_array_equal(digitize(x, edges), np.digitize(x, edges))


def test_decreasing_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="monotonically increasing"):
        digitize(np.linspace(-1, 2, 13), np.array([1.0, 0.5, 0.0]))
