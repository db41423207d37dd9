"""Precision of math functions: at most 4 ULP from the exact value, scalar and vectorised, on every kind of argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.jit.cpu.compile import assembly
from pydsl.jit.cpu.libmvec import vector_math
from pydsl.jit.cpu.target import host_target
from pydsl.jit.llvm.kernel import emit_kernel
from pydsl.loops.ir import Apply, LoopKind
from tests.backend.harness import F4, F8, Native, elementwise, slots_of
from tests.backend.values import special, ulps

_ONE = """exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh
    arctanh""".split()
_TWO = ["power", "arctan2", "hypot"]

needs_wide_reference = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double is no more precise than double"
)


def arguments(dtype: np.dtype[Any], rng: np.random.Generator) -> np.ndarray:
    """Small, large, huge, denormal, near the zeros and poles of the functions."""
    n = 4000
    low, high = (-149, 127.9) if dtype == F4 else (-1070, 1023.9)
    pieces = [
        rng.standard_normal(n),
        rng.uniform(-1, 1, n),
        rng.uniform(-100, 100, n),
        rng.uniform(-750, 750, n),
        1 + rng.standard_normal(n) * 1e-3,
        rng.standard_normal(n) * 1e4,
        np.exp2(rng.uniform(low, high, n)) * rng.choice([-1, 1], n),
        np.arange(1, 500) * np.pi / 4,
    ]
    return np.concatenate([special(dtype), *(p.astype(dtype) for p in pieces)])


@needs_wide_reference
@pytest.mark.parametrize("kind", [LoopKind.SERIAL, LoopKind.VECTOR])
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("name", [*_ONE, *_TWO])
def test_precision(name: str, dtype: np.dtype[Any], kind: LoopKind) -> None:
    rng = np.random.default_rng(5)
    xs = [arguments(dtype, rng)]
    if name in _TWO:
        xs.append(rng.permutation(xs[0]))
        if name == "power":
            xs[1] = np.clip(xs[1], -30, 30)
    y = np.empty_like(xs[0])
    made = elementwise([([dtype] * len(xs), dtype, lambda *a: Apply(name, a, dtype))], kind)
    assert Native(made).run(slots_of(*xs, y, len(y))) == 0
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(*(x.astype(np.longdouble) for x in xs))
        wanted = exact.astype(dtype)
        unit = np.spacing(np.where(np.isfinite(wanted), np.abs(wanted), np.finfo(dtype).max))
        distance = np.abs(y - exact) / unit
    distance = np.where((y == wanted) | (np.isnan(y) & np.isnan(wanted)), 0, distance)
    worst = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
    assert distance[worst] <= 4, f"{[x[worst] for x in xs]}: {y[worst]}, exactly {exact[worst]}"
    zeros = (y == 0) & (wanted == 0)
    assert np.array_equal(np.signbit(y[zeros]), np.signbit(wanted[zeros]))


@pytest.mark.skipif(not vector_math(128), reason="no vector math library")
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("name", ["sin", "tanh", "power"])
def test_loops_call_vector_functions(name: str, dtype: np.dtype[Any]) -> None:
    xs = 2 if name == "power" else 1
    made = elementwise([([dtype] * xs, dtype, lambda *a: Apply(name, a, dtype))])
    assert "_ZGV" in assembly(emit_kernel(made, host_target()))


@pytest.mark.skipif(not host_target().fma, reason="written out only with fused multiply-adds")
@pytest.mark.parametrize(
    ("name", "dtype"), [("exp", F4), ("exp", F8), ("exp2", F4), ("exp2", F8), ("log", F4)]
)
def test_written_out_functions(name: str, dtype: np.dtype[Any]) -> None:
    """No call; and an element gets the same value in a vector and in the remainder of a loop."""
    calls = [([dtype], dtype, lambda v: Apply(name, (v,), dtype))]
    assert "call" not in assembly(emit_kernel(elementwise(calls), host_target()))
    x = arguments(dtype, np.random.default_rng(6))
    one_by_one, together = np.empty_like(x), np.empty_like(x)
    Native(elementwise(calls)).run(slots_of(x, together, len(x)))
    single = Native(elementwise(calls))
    for i in range(0, len(x), 97):
        single.run(slots_of(x[i:], one_by_one[i:], 1))
        assert one_by_one[i : i + 1].tobytes() == together[i : i + 1].tobytes()


def test_vector_functions_are_those_of_the_width() -> None:
    for bits, letters in ((128, "b"), (256, "bd"), (512, "bde")):
        for function in vector_math(bits).values():
            assert {symbol[4] for _, symbol in function.variants} == set(letters)


def test_the_distance_of_values() -> None:
    a = np.array([1.0, np.nan, np.inf, 0.0])
    assert ulps(a, a).tolist() == [0, 0, 0, 0]
    assert ulps(np.array([1.0]), np.array([1.0 + 2**-52])).tolist() == [1]
    assert ulps(np.array([np.nan]), np.array([1.0])).tolist() == [np.inf]
