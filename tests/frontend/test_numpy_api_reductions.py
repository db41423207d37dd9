"""Reductions and products against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl import jit
from pydsl.frontend import numpy_api
from tests.frontend.building import check, check_call, layouts, random_array, values

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Casting complex values")

KINDS = [np.dtype(c) for c in ("f8", "f4", "i8", "u1", "?", "c8", "i4", "f2", "u4")]
EXACT = (np.max, np.min, np.any, np.all)


def call(fn, *args, rest=(), **how):
    check_call(fn, numpy_api.lookup(fn), args, rest, **how)


def axes(rng, rank):
    choices = [
        None,
        int(rng.integers(-rank - 1, rank + 1)),
        tuple(int(k) for k in rng.permutation(rank)[:2]),
        (),
        (0, 0),
    ]
    return choices[rng.integers(len(choices))]


@pytest.mark.parametrize("fn", [np.sum, np.prod, np.max, np.min, np.any, np.all, np.mean, np.var, np.std])
def test_reductions(fn):
    rng = np.random.default_rng(1)
    for _ in range(120):
        a = random_array(rng, KINDS)
        rest = {"axis": axes(rng, a.ndim), "keepdims": bool(rng.integers(2))}
        call(fn, a, rest=rest, exact=fn in EXACT)


@pytest.mark.parametrize("fn", [np.max, np.min])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u1", "?"])
def test_initial_over_axes_that_may_be_empty(fn, dtype):
    rng = np.random.default_rng(4)
    for shape in ((3, 0), (0, 3), (0,), (2, 0, 4), (3, 4)):
        a = values(rng, shape, dtype)
        for axis in (None, 0, -1):
            for initial in (0, 1):
                call(fn, a, rest={"axis": axis, "initial": initial})
    call(fn, values(rng, (0, 3), "f8"), rest={"axis": 0, "initial": np.nan})


@pytest.mark.parametrize("fn", [np.max, np.min])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extremes_of_complex_infinities(fn, sign):
    """They are ordered by real part, then by imaginary part: infinity + 0j is not beyond all of them."""
    a = np.array([complex(sign * np.inf, -2), complex(sign * np.inf, 3), complex(sign * np.inf, 1)])
    np.testing.assert_array_equal(jit(lambda x: fn(x))(a[:1]), fn(a[:1]))
    np.testing.assert_array_equal(jit(lambda x: fn(x))(a), fn(a))
    np.testing.assert_array_equal(jit(lambda x: fn(x, axis=0))(a.reshape(3, 1)), fn(a.reshape(3, 1), axis=0))


@pytest.mark.parametrize("fn", [np.argmax, np.argmin])
def test_argmax(fn):
    rng = np.random.default_rng(2)
    for _ in range(100):
        a = random_array(rng, [k for k in KINDS if k.kind != "c"])
        axis = [None, int(rng.integers(-a.ndim - 1, a.ndim + 1))][rng.integers(2)]
        call(fn, a, rest={"axis": axis, "keepdims": bool(rng.integers(2))})


def test_options():
    rng = np.random.default_rng(3)
    for _ in range(60):
        a = random_array(rng, KINDS)
        axis = int(rng.integers(-a.ndim, a.ndim)) if a.ndim else None
        mask = layouts(rng, values(rng, a.shape, "?"))
        call(np.sum, a, rest={"axis": axis, "dtype": "f4", "initial": 3}, exact=False)
        call(np.mean, a, rest={"axis": axis, "dtype": "f8"}, exact=False)
        call(np.var, a, rest={"axis": axis, "ddof": 1}, exact=False)
        call(np.count_nonzero, a, rest={"axis": axis})
        call(np.ptp, a, rest={"axis": axis})
        check(
            lambda B, x, m: B.reduce("sum", x, axis, where=m),
            lambda x, m: np.sum(x, axis, where=m),
            a,
            mask,
            exact=False,
        )
        if a.ndim:
            shape = tuple(n for k, n in enumerate(a.shape) if k != axis % a.ndim)
            for dtype in ("f8", "c16"):
                out = layouts(rng, values(rng, shape, dtype))
                check(
                    lambda B, x, o: B.reduce("sum", x, axis, out=o), lambda x, o: np.sum(x, axis, out=o),
                    a.astype("f4") if a.dtype.kind == "c" else a, out, exact=False, messages=False,
                )  # fmt: skip


@pytest.mark.parametrize("fn", [np.nansum, np.nanmax, np.nanmin, np.nanmean])
def test_ignoring_nan(fn):
    rng = np.random.default_rng(4)
    for _ in range(30):
        a = layouts(rng, values(rng, (3, 4), ["f4", "f8"][rng.integers(2)]))
        call(fn, a, rest={"axis": [None, 0, 1][rng.integers(3)]}, exact=False, layout=False)


def test_accumulator_dtypes():
    for dtype, wanted in (
        ("?", "int64"),
        ("u1", "uint64"),
        ("i2", "int64"),
        ("f4", "float32"),
        ("f2", "float16"),
    ):
        call(np.sum, np.ones((2, 3), dtype), rest=(0,), exact=False)
        assert np.sum(np.ones((2, 3), dtype), 0).dtype == wanted


def test_empty():
    for shape, axis in (((0, 3), 0), ((0, 3), 1), ((3, 0), 0), ((0,), None)):
        for fn in (np.sum, np.max, np.mean, np.argmax, np.all):
            call(fn, np.zeros(shape), rest=(axis,))


# --- products -----------------------------------------------------------------------------------------------------


def finite(rng, shape, kinds=KINDS):
    numbers = np.nan_to_num(values(rng, shape, kinds[rng.integers(len(kinds))]), posinf=1, neginf=2)
    return layouts(rng, np.asarray(numbers))


def product_shapes(rng):
    ra, rb, k = int(rng.integers(0, 5)), int(rng.integers(0, 5)), int(rng.integers(1, 4))
    batch = lambda rank: [1 if rng.random() < 0.3 else 2 for _ in range(max(rank - 2, 0))]
    a = batch(ra) + ([int(rng.integers(1, 4))] if ra > 1 else []) + ([k] if ra else [])
    b = batch(rb) + ([k] if rb else []) + ([int(rng.integers(1, 4))] if rb > 1 else [])
    if rng.random() < 0.1 and b:
        b[-1] += 1
    return tuple(a), tuple(b)


@pytest.mark.parametrize("fn", [np.matmul, np.dot])
def test_matmul_and_dot(fn):
    rng = np.random.default_rng(5)
    for _ in range(150):
        a, b = product_shapes(rng)
        call(fn, finite(rng, a), finite(rng, b), exact=False, messages=False)


def test_other_products():
    rng = np.random.default_rng(6)
    pairs = [1, ([2], [0]), ([0, 1], [2, 1]), 0, ([1, 2], [1, 0])]
    for turn in range(40):
        x, y = finite(rng, (3, 2)), finite(rng, (4, 2))
        call(np.inner, x, y, exact=False)
        call(np.outer, x, y)
        call(np.vdot, x, x.copy(), exact=False)
        call(np.kron, x, y, layout=False)
        s, t = finite(rng, (2, 3, 2)), finite(rng, (2, 3, 2))
        call(np.tensordot, s, t, rest=(pairs[turn % 5],), exact=False)
        call(np.trace, x, exact=False)
        call(np.linalg.norm, x, exact=False)
        for order in (None, 1, 2, np.inf, 0):
            call(np.linalg.norm, x, rest={"ord": order, "axis": 1}, exact=False, layout=False)


@pytest.mark.parametrize(
    "subscripts",
    [
        "ijk,kjl->il",
        "ijk,kjl->kil",
        "ijk,kjl",
        "ijk,lmn->",
        "ijk,kji",
        "ijk,kml->jm",
        "ijk,kjl->ijkl",
        "i...k,ik->...",
    ],
)
def test_einsum_of_two(subscripts):
    rng = np.random.default_rng(7)
    for _ in range(8):
        x, y = finite(rng, (2, 3, 2)), finite(rng, (2, 3, 2))
        check(
            lambda B, a, b: B.einsum(subscripts, a, b), lambda a, b: np.einsum(subscripts, a, b),
            x, y, exact=False, where=subscripts,
        )  # fmt: skip


@pytest.mark.parametrize(
    "subscripts", ["ijk->", "ijk->ki", "ijk->kij", "ijk", "...k->...", "iji->j", "iji->ij", "iji"]
)
def test_einsum_of_one(subscripts):
    rng = np.random.default_rng(8)
    x = finite(rng, (2, 3, 2))
    check(
        lambda B, a: B.einsum(subscripts, a), lambda a: np.einsum(subscripts, a),
        x, exact=False, layout=False, where=subscripts,
    )  # fmt: skip


def test_einsum_of_three():
    rng = np.random.default_rng(9)
    m = [finite(rng, (3, 3), KINDS[:2]) for _ in range(3)]
    check(
        lambda B, *v: B.einsum("ij,jk,kl->il", *v),
        lambda *v: np.einsum("ij,jk,kl->il", *v),
        *m,
        exact=False,
        layout=False,
    )
