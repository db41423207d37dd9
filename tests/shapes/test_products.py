"""Long products in register tiles keep code for exact sizes, of which there are not too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit


def windows(x: Any, w: Any) -> Any:
    """A convolution, as sums over windows."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
    return np.tensordot(seen, w, ((2, 3, 4), (2, 0, 1)))


@pytest.mark.parametrize(("side", "exact"), [(120, True), (8, False)])
def test_sizes_of_a_convolution(side: int, exact: bool) -> None:
    compiled = jit(windows)
    rng = np.random.default_rng(5)
    w = rng.standard_normal((3, 3, 4, 16)).astype(np.float32)
    for n in range(3):
        x = rng.standard_normal((side + n, side + 2 * n, 4)).astype(np.float32)
        np.testing.assert_allclose(compiled(x, w), windows(x, w), rtol=1e-4, atol=1e-4)
    assert len(compiled.signatures) == (3 if exact else 2)
