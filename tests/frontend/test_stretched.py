"""Lengths that only the run knows: a length of 1 is repeated, as NumPy does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import jit

X = np.arange(5.0) + 1


def added(x: Any, m: Any, k: Any) -> Any:
    return x[m] + x[k]


def mixed(x: Any, m: Any, k: Any) -> Any:
    a, b = x[m], x[k]
    c = np.where(a > b, a, b)
    return c, c * a - b, np.exp(a[:, None]) * b


def constant(x: Any, m: Any, k: Any) -> Any:
    return x[m] * np.arange(3.0)


def stored(x: Any, m: Any, k: Any) -> Any:
    out = np.zeros(x[k].shape[0])
    out[:] = x[m]
    return out


def into(x: Any, m: Any, k: Any) -> Any:
    out = np.zeros(3)
    np.add(x[m], x[k], out=out)
    return out


def reduced(x: Any, m: Any, k: Any) -> Any:
    return (x[m] * x[k]).sum(), np.maximum(x[m], x[k][::-1]).sum()


def mask(*positions: int) -> Any:
    result = np.zeros(5, bool)
    result[list(positions)] = True
    return result


@pytest.mark.parametrize("function", [added, mixed, constant, stored, into, reduced])
def test_lengths_of_one(function: Callable[..., Any]) -> None:
    compiled = jit(function)
    masks = [mask(), mask(3), mask(1, 2), mask(0, 2, 4)]
    for first in masks:
        for second in masks:
            try:
                expected = function(X, first, second)
            except ValueError:
                with pytest.raises(ValueError, match="broadcast"):
                    compiled(X, first, second)
                continue
            found = compiled(X, first, second)
            if not isinstance(expected, tuple):
                expected, found = (expected,), (found,)
            for one, other in zip(expected, found, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-15)
                assert np.shape(one) == np.shape(other)
