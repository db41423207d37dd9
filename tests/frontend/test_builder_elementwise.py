"""Ufuncs, operators, out=, where= and in-place updates against NumPy, through the interpreter."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from pydsl.frontend import numpy_api
from pydsl.ir.ops.elementwise import UFUNCS
from tests.frontend.building import DTYPES, broadcastable, check, layouts, run, same, values

#: not bit-identical to NumPy by promise, or computed by another routine in NumPy's array loops
LOOSE = set(
    """exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh
    arctanh logaddexp logaddexp2 power float_power cbrt hypot""".split()
)
OPERATORS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "floordiv": operator.floordiv, "mod": operator.mod, "pow": operator.pow, "lshift": operator.lshift,
    "rshift": operator.rshift, "and": operator.and_, "or": operator.or_, "xor": operator.xor, "lt": operator.lt,
    "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
INPLACE = {
    "add": operator.iadd, "sub": operator.isub, "mul": operator.imul, "truediv": operator.itruediv,
    "floordiv": operator.ifloordiv, "mod": operator.imod, "and": operator.iand, "or": operator.ior,
    "xor": operator.ixor,
}  # fmt: skip


def text(*args):
    return str([(a.dtype.name, a.shape, a.strides) if isinstance(a, np.ndarray) else repr(a) for a in args])


def array(rng, shape, dtypes=DTYPES):
    return layouts(rng, values(rng, shape, dtypes[rng.integers(len(dtypes))]))


def number(rng):
    return [int(rng.integers(-5, 300)), float(rng.integers(-8, 9) / 4), bool(rng.integers(2)), 2, 0.5, -1][
        rng.integers(6)
    ]


def scalar(rng):
    return DTYPES[rng.integers(len(DTYPES))].type(rng.integers(0, 5))


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_every_ufunc_on_every_dtype(name):
    """Result dtype, layout, values, and NumPy's error where there is no loop."""
    ufunc = UFUNCS[name].ufunc
    rng = np.random.default_rng(len(name))
    second = DTYPES if ufunc.nin == 2 else [None]
    for first in DTYPES:
        for other in second:
            args = [values(rng, (3, 4), first)] + ([values(rng, (4,), other)] if other is not None else [])
            args = [layouts(rng, a) for a in args]
            check(
                numpy_api.lookup(ufunc), ufunc, *args, where=f"{name} {text(*args)}", exact=name not in LOOSE
            )


@pytest.mark.parametrize("seed", range(4))
def test_operators_on_arrays_and_scalars(seed):
    rng = np.random.default_rng(seed)
    for _ in range(400):
        name = list(OPERATORS)[rng.integers(len(OPERATORS))]
        op = OPERATORS[name]
        s1, s2 = broadcastable(rng, 2)
        a = array(rng, s1)
        b = [array(rng, s2), array(rng, s2), number(rng), scalar(rng)][rng.integers(4)]
        static = not isinstance(b, np.ndarray) and bool(rng.integers(2))
        if not static and name == "pow" and not isinstance(b, np.ndarray):
            continue  # which loop computes a power depends on the exponent's value
        left = bool(rng.integers(2))
        where = f"{name} {text(a, b)} static={static} left={left}"
        if static:
            mine = (lambda B, x: B.binary(name, x, b)) if left else (lambda B, x: B.binary(name, b, x))
            check(
                mine,
                (lambda x: op(x, b)) if left else (lambda x: op(b, x)),
                a,
                where=where,
                exact=name != "pow",
            )
        else:
            pair = (a, b) if left else (b, a)
            check(lambda B, x, y: B.binary(name, x, y), op, *pair, where=where, exact=name != "pow")


@pytest.mark.parametrize("seed", range(3))
def test_out_and_where(seed):
    rng = np.random.default_rng(seed)
    ufuncs = [
        np.add,
        np.subtract,
        np.multiply,
        np.divide,
        np.maximum,
        np.less,
        np.logical_and,
        np.floor_divide,
    ]
    kinds = [np.dtype(c) for c in "?hiqfd"]
    for _ in range(250):
        ufunc = ufuncs[rng.integers(len(ufuncs))]
        s1, s2, s3 = broadcastable(rng, 3)
        full = np.broadcast_shapes(s1, s2)
        a, b = array(rng, s1, kinds), array(rng, s2, kinds)
        out = array(rng, full if rng.random() < 0.8 else s3, kinds)
        if rng.random() < 0.6:
            check(
                lambda B, x, y, o: B.ufunc(ufunc, (x, y), out=o),
                lambda x, y, o: ufunc(x, y, out=o),
                a, b, out, where=f"{ufunc.__name__} {text(a, b, out)}", messages=False,
            )  # fmt: skip
            continue
        mask = layouts(rng, values(rng, full, "?"))
        check(
            lambda B, x, y, o, m: B.ufunc(ufunc, (x, y), out=o, where=m),
            lambda x, y, o, m: ufunc(x, y, out=o, where=m),
            a, b, out, mask, where=f"{ufunc.__name__} where {text(a, b, out, mask)}", messages=False,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_inplace(seed):
    rng = np.random.default_rng(seed)
    for _ in range(250):
        name = list(INPLACE)[rng.integers(len(INPLACE))]
        s1, s2 = broadcastable(rng, 2)
        a = array(rng, s1)
        b = [array(rng, s2), number(rng), scalar(rng)][rng.integers(3)]
        where = f"{name}= {text(a, b)}"
        check(lambda B, x, y: B.inplace(name, x, y), INPLACE[name], a, b, where=where, messages=False)


def test_inplace_result_is_the_destination():
    x = np.arange(4.0)
    out = run(lambda B, a: B.inplace("add", a, 1), x)
    assert np.shares_memory(out, x)


def test_weak_and_strong_scalars():
    f4 = np.ones(3, np.float32)
    cases = [
        (f4, 2.0, "float32"),
        (f4, np.float64(2), "float64"),
        (f4, np.sqrt(2.0), "float64"),
        (f4, 3, "float32"),
    ]
    cases += [
        (np.ones(3, np.uint8), 3, "uint8"),
        (np.ones(3, np.int8), 2.0, "float64"),
        (np.ones(2, bool), 3, "int64"),
    ]
    for array_, other, dtype in cases:
        for op in ("add", "mul"):
            assert run(lambda B, x: B.binary(op, x, other), array_).dtype == dtype
            assert run(lambda B, x, y: B.binary(op, x, y), array_, other).dtype == dtype


def test_a_python_integer_must_fit():
    x = np.ones(3, np.uint8)
    check(lambda B, a: B.binary("add", a, 300), lambda a: a + 300, x)
    check(lambda B, a, n: B.binary("add", a, n), lambda a, n: a + n, x, 300)
    check(lambda B, a, n: B.binary("add", a, n), lambda a, n: a + n, x, 200)


@pytest.mark.parametrize("value", [300, -1, 255, 0])
def test_comparing_with_a_python_integer_that_may_not_fit(value):
    x = np.array([0, 1, 255], np.uint8)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        check(lambda B, a: B.binary(name, a, value), lambda a: OPERATORS[name](a, value), x)
        check(lambda B, a: B.binary(name, value, a), lambda a: OPERATORS[name](value, a), x)
        check(lambda B, a, n: B.binary(name, a, n), OPERATORS[name], x, value)


def test_int64_against_uint64_is_exact():
    a = np.array([-1, 0, 2**63 - 1, 5], np.int64)
    b = np.array([2**64 - 1, 0, 2**63 - 1, 6], np.uint64)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        check(lambda B, x, y: B.binary(name, x, y), OPERATORS[name], a, b)
        check(lambda B, x, y: B.binary(name, x, y), OPERATORS[name], b, a)


@pytest.mark.parametrize("exponent", [2, 2.0, 0.5, -1, -1.0, 0, 1, 3, np.float32(2), np.int64(2), True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "c16", "?"])
def test_powers(exponent, dtype):
    x = np.array([0, 1, 2, 3]).astype(dtype)
    if x.dtype.kind == "f":
        x = np.append(x, np.array([-0.0, np.inf, -np.inf, np.nan, -2.5], dtype))
    check(lambda B, a: B.binary("pow", a, exponent), lambda a: a**exponent, x, exact=False)


def test_where_and_choose():
    c, x = np.array([True, False, True]), np.ones(3, np.float32)
    same(run(lambda B, c: B.select(c, 0.25, 0.0), c), np.where(c, 0.25, 0.0), "where of Python scalars")
    same(
        run(lambda B, c, x: B.select(c, x, 0.0), c, x),
        np.where(c, x, 0.0),
        "where of float32 and a weak scalar",
    )
    same(run(lambda B, a: B.select(a, 1, 2), 3.0), np.where(3.0, 1, 2), "where of scalars is a 0-d array")


def test_scalars_stay_scalars():
    assert type(run(lambda B, a, b: B.ufunc(np.add, (a, b)), np.float32(1), 2)) is np.float32
    assert type(run(lambda B, a: B.ufunc(np.sqrt, (a,)), np.array(4.0))) is np.float64
    assert type(run(lambda B, a, b: B.ufunc(np.add, (a, b)), 1, 2)) is np.int64


def test_divmod_and_modf():
    a = np.array([7.5, -7.5, np.inf, -np.inf, np.nan, -0.0, 0.25])
    check(numpy_api.lookup(np.divmod), np.divmod, a, np.full(7, 2.0))
    check(numpy_api.lookup(np.modf), np.modf, a)
