"""Conversions between all pairs of dtypes, against `ndarray.astype`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pydsl.loops.interpreter import interpret
from pydsl.loops.ir import Apply, LoopKind
from tests.backend.harness import Native, elementwise, regions, slots_of
from tests.backend.values import random, same_bits, special

_DTYPES = [np.dtype(c) for c in "?bBhHiIlLefdFD"]
_EDGES = [
    255.5,
    256.0,
    65535.9,
    65536.0,
    2.0**31 - 0.5,
    2.0**31,
    -(2.0**31) - 0.5,
    -(2.0**31) - 1,
    2.0**32,
    2.0**32 - 1,
]
_EDGES += [
    2.0**63,
    -(2.0**63),
    2.0**64,
    1e20,
    -1e20,
    300.0,
    -1.5,
    65504.0,
    65519.99,
    65520.0,
    6e-8,
    3e-8,
    1 + 2.0**-11,
]


def values_of(dtype: np.dtype) -> np.ndarray:
    rng = np.random.default_rng(2)
    xs = [special(dtype), random(dtype, 500, rng)]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            xs += [
                np.array(_EDGES).astype(dtype),
                (rng.standard_normal(2000) * 2.0 ** rng.integers(-30, 20, 2000)).astype(dtype),
            ]
    return np.concatenate(xs)


@pytest.mark.parametrize("kind", [LoopKind.SERIAL, LoopKind.VECTOR])
@pytest.mark.parametrize("source", _DTYPES, ids=str)
def test_astype(source: np.dtype, kind: LoopKind) -> None:
    x = values_of(source)
    calls = [([source], out, lambda v, out=out: Apply("cast", (v,), out)) for out in _DTYPES]
    results = [np.empty(len(x), out) for out in _DTYPES]
    slots = slots_of(*(v for y in results for v in (x, y)), *(len(x) for _ in results), size=99)
    assert Native(elementwise(calls, kind)).run(slots) == 0
    for y in results:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = x.astype(y.dtype)
        if not same_bits(y, wanted):
            bad = np.nonzero(~((y == wanted) | ((y != y) & (wanted != wanted))))[0]
            pytest.fail(f"{source} to {y.dtype}: {[(x[i], y[i], wanted[i]) for i in bad[:5]]}")


def test_float64_to_float16_is_rounded_once() -> None:
    """Through float32 these would be rounded twice, to the wrong side of a tie."""
    x = np.array(
        [
            1 + 2.0**-11 + 2.0**-40,
            1 + 2.0**-11 - 2.0**-40,
            2.0**-25 + 2.0**-60,
            65520 - 1e-9,
            -1 - 2.0**-11 - 2.0**-40,
        ]
    )
    y = np.empty(len(x), np.float16)
    made = elementwise([([np.float64], np.float16, lambda v: Apply("cast", (v,), np.dtype(np.float16)))])
    assert Native(made).run(slots_of(x, y, len(x))) == 0
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y, x.astype(np.float16))


def test_interpreted() -> None:
    for source in _DTYPES:
        x = np.ascontiguousarray(values_of(source)[:60])
        for out in _DTYPES:
            y = np.empty(len(x), out)
            made = elementwise([([source], out, lambda v, out=out: Apply("cast", (v,), out))])
            interpret(made, slots_of(x, y, len(x)), regions(x, y))
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert same_bits(y, np.array([v.astype(out) for v in x], out))
