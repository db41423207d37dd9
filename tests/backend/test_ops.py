"""Every elementwise operation, on every dtype that NumPy has a loop for, against NumPy: native code and interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.ir.ops.elementwise import UFUNCS
from pydsl.jit.llvm.table import STRUCTURAL, TABLES, supports
from pydsl.loops.interpreter import apply, interpret
from pydsl.loops.ir import Apply, LoopKind
from tests.backend.harness import Native, elementwise, regions, slots_of
from tests.backend.values import operands, same_bits, ulps

_DTYPES = set("?bBhHiIlLefdFD")

# NumPy's own result of these is not the last word: both are within 4 ULP of the exact one. Powers and inverse
# functions of complex numbers lose digits in both; NumPy's code depends on the processor.
_EXACT_ON_FLOATS = frozenset(
    """add subtract multiply divide negative positive absolute fabs sign rint floor ceil trunc square conjugate maximum
    minimum fmax fmin equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
    logical_not isnan isinf isfinite signbit copysign deg2rad rad2deg heaviside floor_divide remainder fmod sqrt
    reciprocal nextafter spacing ldexp""".split()
)
_EXACT_ON_COMPLEX = _EXACT_ON_FLOATS - {
    *("absolute", "sign", "sqrt", "multiply", "square", "reciprocal", "divide"),
}


def signatures(name: str) -> list[tuple[list[np.dtype[Any]], np.dtype[Any]]]:
    """The loops of a ufunc on numbers, once each."""
    found = {}
    for types in getattr(UFUNCS[name].ufunc, "types"):
        ins, out = types.split("->")
        if set(ins + out) <= _DTYPES:
            found[ins, out] = ([np.dtype(c) for c in ins], np.dtype(out))
    return list(found.values())


def inputs(name: str, dtypes: list[np.dtype[Any]], rng: np.random.Generator) -> list[np.ndarray]:
    xs = operands(dtypes, rng)
    if name == "power" and dtypes[1].kind == "i":  # a negative exponent is an error, which is checked before
        xs[1] = np.where(xs[1] < 0, xs[1] & 31, xs[1])
    return xs


def tolerance(name: str, dtype: np.dtype[Any]) -> float:
    """In ULP of NumPy's result."""
    if dtype.kind == "f":
        return 0 if name in _EXACT_ON_FLOATS else 4.5
    if dtype.kind == "c":
        return 0 if name in _EXACT_ON_COMPLEX else 4
    return 0


def check(
    name: str, dtype: np.dtype[Any], result: np.ndarray, wanted: np.ndarray, xs: list[np.ndarray]
) -> None:
    allowed = tolerance(name, dtype)
    if allowed == 0 and same_bits(result, wanted):
        return
    distance = ulps(result, wanted)
    if (
        dtype.kind == "c" and allowed
    ):  # which part becomes NaN, and signs beside it, differ between versions of NumPy
        unknown = np.logical_or.reduce([np.isnan(x) for x in xs])
        assert np.array_equal(np.isnan(result)[unknown], np.isnan(wanted)[unknown])
        distance[unknown] = 0
    worst = int(np.argmax(distance))
    assert distance[worst] <= allowed and (allowed or same_bits(result, wanted)), (
        f"{name} of {[x[worst] for x in xs]}: {result[worst]!r}, NumPy {wanted[worst]!r}, {distance[worst]:.3g} ULP"
    )


@pytest.mark.parametrize("kind", [LoopKind.SERIAL, LoopKind.VECTOR])
@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_native(name: str, kind: LoopKind) -> None:
    rng = np.random.default_rng(0)
    ufunc: Any = UFUNCS[name].ufunc
    loops = signatures(name)
    calls = [(ins, out, lambda *xs, out=out: Apply(name, xs, out)) for ins, out in loops]
    arguments = [inputs(name, ins, rng) for ins, _ in loops]
    results = [np.empty(len(xs[0]), out) for xs, (_, out) in zip(arguments, loops)]
    values = [v for xs, y in zip(arguments, results) for v in (*xs, y)]
    slots = slots_of(*values, *(len(y) for y in results))
    assert Native(elementwise(calls, kind)).run(slots) == 0
    for xs, y, (ins, out) in zip(arguments, results, loops):
        with np.errstate(all="ignore"):
            check(name, ins[0], y, ufunc(*xs, signature=(*ins, out)), xs)


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_interpreted(name: str) -> None:
    rng = np.random.default_rng(1)
    ufunc: Any = UFUNCS[name].ufunc
    for ins, out in signatures(name):
        chosen = rng.integers(0, 1000, 40)
        xs = [np.ascontiguousarray(x[chosen]) for x in inputs(name, ins, rng)]
        y = np.empty(len(xs[0]), out)
        made = elementwise([(ins, out, lambda *a, out=out: Apply(name, a, out))])
        interpret(made, slots_of(*xs, y, len(y)), regions(*xs, y))
        with np.errstate(all="ignore"):
            wanted = np.array([ufunc(*x, signature=(*ins, out)) for x in zip(*xs)], out)
        if ins[0].kind != "c":  # NumPy's own complex product depends on how it is called
            assert same_bits(y, wanted)
        else:
            check(name, ins[0], y, wanted, xs)


def test_every_loop_of_numpy_has_an_emitter() -> None:
    missing = [
        (name, *map(str, ins))
        for name in UFUNCS
        for ins, _ in signatures(name)
        if not supports(name, tuple(ins))
    ]
    assert not missing


def test_no_emitter_is_unknown_to_the_records() -> None:
    for table in TABLES.values():
        assert set(table) <= set(UFUNCS) - STRUCTURAL


def test_constant_operands() -> None:
    """Literals take other paths: divisors, shifts, exponents."""
    x = np.arange(-40, 40, dtype=np.int32)
    cases = [
        (name, value)
        for name, values in {
            "floor_divide": (1, 2, 3, 8, -1, -3, -8, 0),
            "remainder": (1, 2, 3, 8, -1, -3, -8, 0),
            "fmod": (1, 3, -3, 0),
            "left_shift": (0, 5, 31, 32, 40),
            "right_shift": (0, 5, 31, 32, 40),
            "power": (0, 1, 2, 7, 33),
        }.items()
        for value in values
    ]
    i4 = np.dtype(np.int32)
    from tests.backend.harness import const, op

    calls = [
        ([i4], i4, lambda v, name=name, value=value: op(name, v, const(value, i4))) for name, value in cases
    ]
    results = [np.empty_like(x) for _ in cases]
    values = [v for y in results for v in (x, y)]
    for kind in (LoopKind.SERIAL, LoopKind.VECTOR):
        assert (
            Native(elementwise(calls, kind)).run(slots_of(*values, *(len(x) for _ in cases), size=200)) == 0
        )
        for (name, value), y in zip(cases, results):
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(
                    y, getattr(np, name)(x, np.int32(value)), err_msg=f"{name} {value}"
                )


def test_structural_operations() -> None:
    assert apply("select", [np.True_, 1, 2], np.dtype(np.int64)) == 1
    for dtype in map(np.dtype, "?bdD"):
        a, b = (np.array(v).astype(dtype) for v in ([1, 2, 3, 0], [5, 6, 0, 8]))
        c = np.array([True, False, False, True])
        y = np.empty(4, dtype)
        made = elementwise(
            [([np.bool_, dtype, dtype], dtype, lambda p, u, v: Apply("select", (p, u, v), dtype))]
        )
        assert Native(made).run(slots_of(c, a, b, y, 4)) == 0
        np.testing.assert_array_equal(y, np.where(c, a, b))
