"""Functions that the self-hosted library composes: like NumPy, by name of the call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.errors import UnsupportedError

V = np.array([1.0, 2, 4, 7, 11])


def insertions(a: Any) -> Any:
    return np.insert(a, 2, 5), np.insert(a, [1, 3], [9.0, 8.0]), np.resize(a, (3, 4))


def methods_of_ufuncs(a: Any) -> Any:
    return (
        np.subtract.reduce(a),
        np.maximum.accumulate(a[::-1]),
        np.add.reduceat(a, [0, 2, 3]),
        np.add.reduce(a, where=a > 2),
        np.logical_xor.reduce(a > 3),
    )


def blocks(a: Any) -> Any:
    return np.block([[a[None, :2], a[None, 2:]], [np.ones((1, 5))]]), np.r_[a, 1, 0:3], np.c_[a, a]


def vectorized(a: Any) -> Any:
    return np.vectorize(lambda x, y: x + y if x > y else x - y)(a, 4.0)


def applied(a: Any) -> Any:
    return (
        np.piecewise(a, [a < 3, a >= 3], [lambda x: -x, lambda x: x * 2]),
        np.apply_along_axis(lambda r: r[:2] * 2, 1, a.reshape(1, 5)),
    )


def described(a: Any) -> Any:
    return np.cov(a, a * 2), np.corrcoef(a, a[::-1]), np.histogram2d(a, a[::-1], 3)[0], np.nanmedian(a)


def changed(a: Any) -> Any:
    return (
        np.gradient(a),
        np.trapezoid(a, a * 2),
        np.diff(a, prepend=0),
        np.unwrap(a * 2),
        np.convolve(a, a[:2]),
    )


@pytest.mark.parametrize(
    "function", [insertions, methods_of_ufuncs, blocks, vectorized, applied, described, changed]
)
def test_like_numpy(function: Any) -> None:
    expected, found = function(V), jit(function)(V)
    if not isinstance(expected, tuple):
        expected, found = (expected,), (found,)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-13)
        assert np.shape(one) == np.shape(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


def test_errors_and_limits_show_the_line_of_the_caller() -> None:
    @jit
    def wrong(a: Any) -> Any:
        return np.gradient(a, 1.0, 2.0)

    with pytest.raises(TypeError, match="invalid number of arguments") as raised:
        wrong(V)
    assert "test_composed.py" in str(raised.value)

    @jit
    def limited(a: Any) -> Any:
        return np.nanquantile(a, 0.5, method="lower")

    with pytest.raises(UnsupportedError, match="another method than linear") as refused:
        limited(V)
    assert "test_composed.py" in str(refused.value)


def test_an_unsigned_integer_beyond_64_bits() -> None:
    @jit
    def whole(a: Any) -> Any:
        return int(a[0])

    assert whole(np.array([7], np.uint64)) == 7
    with pytest.raises(OverflowError):
        whole(np.array([2**63], np.uint64))


def test_an_infinite_half() -> None:
    @jit
    def whole(a: Any) -> Any:
        return int(a[0])

    assert whole(np.array([-7.5], np.float16)) == -7
    for wrong, error in ((np.inf, OverflowError), (-np.inf, OverflowError), (np.nan, ValueError)):
        with pytest.raises(error):
            whole(np.array([wrong], np.float16))
