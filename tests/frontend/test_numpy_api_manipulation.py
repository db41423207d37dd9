"""Views, copies of other shapes, joining, splitting, padding: against NumPy on random layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.frontend import numpy_api
from tests.frontend.building import check, check_call, layouts, random_array, run, values

SEEDS = range(8)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Casting complex values")

KINDS = [np.dtype(c) for c in ("f8", "f4", "i8", "u1", "?", "c8", "i4")]


class Case:
    """A random array and random arguments."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.a = random_array(rng, KINDS)
        self.rank = self.a.ndim
        self.axis = int(rng.integers(-self.rank - 1, self.rank + 1))

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def like(self) -> np.ndarray:
        kind = KINDS[self.rng.integers(len(KINDS))]
        return layouts(self.rng, values(self.rng, self.a.shape, kind))

    def new_shape(self) -> tuple[int, ...]:
        """A shape of the same size, or (sometimes) not."""
        size = self.a.size
        divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
        first = divisors[self.rng.integers(len(divisors))]
        rest = size // first
        shapes = [
            (first, rest),
            (first, -1),
            (-1,),
            (size,),
            (-1, first),
            (1, *self.a.shape, 1),
            (rest, 1, first),
        ]
        shapes += [(first + 1, -1), (7,), (-1, -1)] if self.rng.random() < 0.3 else []
        return shapes[self.rng.integers(len(shapes))]


def cases(seed: int, count: int = 40) -> Any:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield Case(rng)


def call(fn: Any, *args: Any, rest: Any = (), **how: Any) -> None:
    check_call(fn, numpy_api.lookup(fn), args, rest, **how)


@pytest.mark.parametrize("seed", SEEDS)
def test_reshape_and_ravel(seed):
    for case in cases(seed):
        call(np.reshape, case.a, rest={"shape": case.new_shape(), "order": "CFA"[case.integer(0, 3)]})
        call(np.ravel, case.a, rest=("CFA"[case.integer(0, 3)],))
        flatten = numpy_api.method(None, "flatten")
        check_call(np.ndarray.flatten, flatten, [case.a], ("CF"[case.integer(0, 2)],))


@pytest.mark.parametrize("seed", SEEDS)
def test_axes(seed):
    for case in cases(seed):
        call(np.transpose, case.a)
        call(np.transpose, case.a, rest=(tuple(int(k) for k in case.rng.permutation(case.rank)),))
        call(np.swapaxes, case.a, rest=(case.axis, 0))
        call(np.moveaxis, case.a, rest=(case.axis, -1))
        call(np.rollaxis, case.a, rest=(case.axis, 0))
        call(np.expand_dims, case.a, rest=(case.axis,))
        call(np.squeeze, case.a)
        call(np.squeeze, case.a, rest=(case.axis,))
        call(np.flip, case.a, rest=([None, case.axis][case.integer(0, 2)],))
        call(np.diagonal, case.a, rest=(case.integer(-2, 3),))
        if case.rank > 1:
            call(np.rot90, case.a, rest=(case.integer(-1, 5),))


@pytest.mark.parametrize("seed", SEEDS)
def test_repetition(seed):
    for case in cases(seed, 25):
        call(np.roll, case.a, rest=(case.integer(-6, 7), [None, case.axis][case.integer(0, 2)]))
        wider = (*(int(n) for n in case.rng.integers(1, 4, case.integer(0, 2))), *case.a.shape)
        call(np.broadcast_to, case.a, rest=([wider, (3,)][case.rng.random() < 0.2],))
        call(
            np.tile,
            case.a,
            rest=([2, tuple(int(n) for n in case.rng.integers(0, 4, 2))][case.integer(0, 2)],),
        )
        call(np.repeat, case.a, rest=(case.integer(0, 4), [None, case.axis][case.integer(0, 2)]))


@pytest.mark.parametrize("seed", SEEDS)
def test_joining(seed):
    for case in cases(seed, 25):
        others = [case.like(), case.like()]

        def join(fn, *more, **names):
            check(
                lambda B, *v: numpy_api.lookup(fn)(B, v, *more, **names), lambda *v: fn(v, *more, **names),
                case.a, *others, where=f"{fn.__name__} {case.a.shape} {more} {names}",
            )  # fmt: skip

        join(np.stack, axis=case.axis)
        join(np.concatenate, axis=case.axis)
        join(np.concatenate, axis=None)
        for fn in (np.vstack, np.hstack, np.dstack, np.column_stack):
            join(fn)
        call(np.append, case.a, others[0], rest=([None, case.axis][case.integer(0, 2)],))
        call(np.atleast_2d, case.a)
        call(np.atleast_3d, case.a)


def test_joining_different_lengths_and_mistakes():
    a, b, c = np.ones((2, 3)), np.zeros((4, 3), np.float32), np.ones((2, 4))
    for arrays, axis in (((a, b), 0), ((a, b), 1), ((a, c), 1), ((a, a[0]), 0), ((a, b, a), 0)):
        check(
            lambda B, *v: numpy_api.lookup(np.concatenate)(B, v, axis),
            lambda *v: np.concatenate(v, axis),
            *arrays,
        )
    check(lambda B, x, y: numpy_api.lookup(np.stack)(B, [x, y]), lambda x, y: np.stack([x, y]), a, b)
    check(lambda B, x: numpy_api.lookup(np.concatenate)(B, []), lambda x: np.concatenate([]), a)


@pytest.mark.parametrize("seed", SEEDS)
def test_splitting(seed):
    for case in cases(seed, 25):
        for fn, parts in ((np.split, 2), (np.array_split, 3), (np.split, [1, 3])):
            call(fn, case.a, rest=(parts, case.axis))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_pad(mode):
    rng = np.random.default_rng(3)
    for _ in range(30):
        rank = int(rng.integers(1, 4))
        a = layouts(rng, values(rng, tuple(rng.integers(3, 5, rank)), KINDS[rng.integers(len(KINDS))]))
        width = [1, (1, 2), ((1, 0),) * rank, ((0, 2),), 0][rng.integers(5)]
        call(np.pad, a, rest={"pad_width": width, "mode": mode})
    call(np.pad, np.ones((2, 2)), rest={"pad_width": 1, "constant_values": 3.5})
    call(np.pad, np.ones((2, 2)), rest={"pad_width": 1, "constant_values": ((1, 2), (3, 4))})


@pytest.mark.parametrize("seed", SEEDS)
def test_windows(seed):
    for case in cases(seed, 20):
        window = tuple(case.integer(1, n + 2) for n in case.a.shape)
        call(np.lib.stride_tricks.sliding_window_view, case.a, rest=(window,))


@pytest.mark.parametrize("seed", SEEDS)
def test_triangles_and_grids(seed):
    for case in cases(seed, 20):
        if case.rank >= 2:
            call(np.tril, case.a, rest=(case.integer(-2, 3),))
            call(np.triu, case.a, rest=(case.integer(-2, 3),))
        if case.rank in (1, 2):
            call(np.diag, case.a, rest=(case.integer(-2, 3),))
        x, y = random_array(case.rng, KINDS, 1), random_array(case.rng, KINDS, 1)
        names = {"indexing": ["xy", "ij"][case.integer(0, 2)], "sparse": bool(case.integer(0, 2))}
        check(
            lambda B, x, y: numpy_api.lookup(np.meshgrid)(B, x, y, **names),
            lambda x, y: tuple(np.meshgrid(x, y, **names)),
            x, y, where=str(names),
        )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_selection_and_rounding(seed):
    limits = [
        (1, 3),
        (0.5, None),
        (None, 2),
        (-1, 300),
        (None, None),
        (np.float32(1), 2),
        (0, np.nan),
        (3, 1),
    ]
    for case in cases(seed, 25):
        other = layouts(case.rng, values(case.rng, case.a.shape[1:], KINDS[case.integer(0, 7)]))
        condition = layouts(case.rng, values(case.rng, case.a.shape, "?"))
        call(np.where, condition, case.a, other)
        call(np.where, condition, case.a, rest=(0.5,))
        call(np.where, condition, rest=(1, 0.0))
        if case.a.dtype.kind != "b":
            call(np.clip, case.a, rest=limits[case.integer(0, len(limits))], exact=case.a.dtype.kind != "c")
        call(np.clip, case.a, other, rest=(2,))
        decimals = case.integer(-1, 3) if case.a.dtype.kind == "f" else 0
        call(np.round, case.a, rest=(decimals,), layout=decimals == 0)


def test_clip_into_a_view():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    clip = numpy_api.lookup(np.clip)
    check(lambda B, a: clip(B, a, 2, 7, out=a), lambda a: np.clip(a, 2, 7, out=a), x[:, ::2])
    check(
        lambda B, a: clip(B, a, 2.5, 7, out=a),
        lambda a: np.clip(a, 2.5, 7, out=a),
        x.astype("i4"),
        messages=False,
    )
    z = np.array([-0.0, 0.0, np.nan, 5, -3], np.float32)
    check(lambda B, a: clip(B, a, 0, 2), lambda a: np.clip(a, 0, 2), z)


@pytest.mark.parametrize("seed", SEEDS)
def test_copies(seed):
    for case in cases(seed, 25):
        call(np.copy, case.a)
        call(np.array, case.a, rest={"dtype": [None, "f4"][case.integer(0, 2)]})
        call(np.ascontiguousarray, case.a)
        call(np.asfortranarray, case.a)
        call(np.asarray, case.a, rest={"dtype": "f8"})
        call(np.ones_like, case.a)
        call(np.full_like, case.a, rest={"fill_value": 1, "dtype": [None, "f4"][case.integer(0, 2)]})
        astype = numpy_api.method(None, "astype")
        target = KINDS[case.integer(0, 5)]
        if not (case.a.dtype.kind in "fc" and target.kind in "ui"):
            check_call(np.ndarray.astype, astype, [case.a], (target,))


def test_real_and_imag_are_views():
    z = np.array([1 + 2j, 3 - 4j])
    for name in ("real", "imag"):
        check(lambda B, a: numpy_api.attribute(B, a, name), lambda a: getattr(a, name), z[::-1])
        part = run(lambda B, a: numpy_api.attribute(B, a, name), z)
        assert np.shares_memory(part, z)


def test_attributes():
    x = np.ones((2, 3, 4), np.float32).transpose(1, 0, 2)
    for name in ("shape", "ndim", "size", "itemsize", "nbytes", "strides", "T"):
        check(lambda B, a: numpy_api.attribute(B, a, name), lambda a: getattr(a, name), x)
