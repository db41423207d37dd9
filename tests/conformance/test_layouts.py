"""Layouts of results of inputs with repeated axes, and 0-d inputs: calls that the sample takes in other layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from tests.conformance.check import Case, check

REPEATED = (
    "np.imag(a)",
    "np.modf(a)",
    "np.frexp(a)",
    "np.round(a)",
    "np.round(a, 1)",
    "a.round()",
    "np.nan_to_num(a)",
    "np.cumsum(a, axis=1)",
    "np.cumprod(a, axis=0)",
    "np.add.accumulate(a)",
    "np.nancumsum(a, axis=0)",
    "np.nancumprod(a, axis=1)",
    "np.nancumprod(a.T, axis=1)",
    "np.cumsum(np.broadcast_to(a[:, :, None], (3, 4, 2)), axis=1)",
    "np.nancumprod(np.broadcast_to(a[:, :, None], (3, 4, 2)), axis=2)",
    "np.imag(np.broadcast_to(a[:, :, None], (3, 4, 2)))",
)
ZERO_D = (
    "np.argmax(a, axis=1)",
    "np.argmax(a, axis=1, keepdims=True)",
    "np.argmax(a, axis=-1, keepdims=True)",
    "np.argmin(a, axis=-2)",
    "np.cumsum(a, axis=1)",
    "np.cumsum(a, axis=0)",
    "np.nancumsum(a, axis=-2)",
    "np.nancumprod(a, axis=1)",
    "np.nancumprod(a, axis=-1)",
    "np.nancumprod(a)",
    "np.correlate(v, w, 'full')",
    "np.correlate(v, np.arange(3))",
    "np.correlate(np.arange(3), v)",
    "np.convolve(v, w)",
    "np.apply_over_axes(np.sum, a, [0])",
    "np.apply_over_axes(np.sum, a, [0, -1])",
    "np.apply_over_axes(np.sum, a, [])",
    "np.apply_over_axes(np.cumsum, a, [0])",
    "np.modf(a)",
    "np.frexp(a)",
    "np.round(a)",
    "np.imag(a)",
)
COMPLEX = (
    "np.quantile(a, 0.3)",
    "np.quantile(a, 0.3, axis=0)",
    "np.quantile(a, [0.3])",
    "np.percentile(a, 30)",
    "np.nanquantile(a, 0.3)",
    "np.nanpercentile(a, 30, axis=0)",
)
OTHER_LAYOUTS = (
    "np.imag(a)",
    "np.imag(a.T)",
    "np.round(a)",
    "np.nan_to_num(a)",
    "np.cumsum(a, axis=1)",
    "np.modf(a)",
)


def wrong(calls: tuple[str, ...], dtype: str, layout: str) -> list[str]:
    cases = [Case("", call, dtype, layout) for call in calls]
    return [f"{o.case.call}: {o.state} {o.text}" for o in check(cases) if o.state != "ok"]


@pytest.mark.parametrize("dtype", ["?", "i1", "i4", "u8", "f4", "f8", "c16"])
def test_repeated_axes(dtype: str) -> None:
    assert not wrong(REPEATED, dtype, "broadcast")


@pytest.mark.parametrize("dtype", ["?", "i4", "u2", "f4", "c8"])
def test_0d(dtype: str) -> None:
    assert not wrong(ZERO_D, dtype, "0-d")


@pytest.mark.parametrize("dtype", ["?", "i2", "f8", "c16"])
@pytest.mark.parametrize("layout", ["F", "strided", "reversed", "empty"])
def test_other_layouts(dtype: str, layout: str) -> None:
    assert not wrong(OTHER_LAYOUTS, dtype, layout)


@pytest.mark.parametrize("layout", ["C", "0-d", "empty"])
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_quantiles_of_complex(dtype: str, layout: str) -> None:
    assert not wrong(COMPLEX, dtype, layout)


def _running(a: Any) -> Any:
    return np.cumsum(a, axis=0), np.cumprod(a, axis=2), np.nancumsum(a, axis=1), np.nan_to_num(a)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("dtype", ["i4", "i8", "f8"])
def test_strides_of_transposed(order: tuple[int, ...], dtype: str) -> None:
    base = np.arange(24).reshape(2, 3, 4).astype(dtype)
    spread = np.broadcast_to(base[:, :1], (2, 3, 4))
    for array in (base.transpose(order), base[:, ::-1].transpose(order), spread.transpose(order)):
        for expected, found in zip(_running(array), jit(_running)(array), strict=True):
            np.testing.assert_array_equal(expected, found)
            assert expected.strides == found.strides and expected.dtype == found.dtype
