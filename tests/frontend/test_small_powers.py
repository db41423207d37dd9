"""Third and fourth powers are products: within 4 ULP of NumPy's, special numbers included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit


@jit
def powers(a: Any) -> Any:
    return a**3, a**4, a**3.0, np.power(a, 4)


@jit
def in_place(a: Any) -> Any:
    a **= 3
    return a


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_small_powers(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(5000) * 10.0 ** rng.uniform(-40, 40, 5000)
    with np.errstate(all="ignore"):
        x = np.concatenate([x, [np.inf, -np.inf, np.nan, 0.0, -0.0]]).astype(dtype)
        wanted = powers.__wrapped__(x)
        for got, want in zip(powers(x), wanted, strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_array_max_ulp(got, want, 4)
        np.testing.assert_array_max_ulp(in_place(x.copy()), wanted[0], 4)


def test_what_is_one_kernel_stays_one() -> None:
    def gelu(a: Any) -> Any:
        return 0.5 * a * (1 + np.tanh(0.7978845608 * (a + 0.044715 * a**3)))

    x = np.ones(1000, np.float32)
    assert len(jit(gelu).report(x).lowered.segments[0].kernels) == 1
