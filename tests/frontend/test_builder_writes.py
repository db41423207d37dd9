"""Stores: conversion, broadcasting, refusals; masks, gathers and scatters."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl.frontend.builder import SliceEntry
from pydsl.frontend.failures import NumpyError
from pydsl.ir.affine import Affine
from tests.frontend.building import DTYPES, broadcastable, check, layouts, run, same, values
from tests.frontend.test_builder_elementwise import array, number, scalar, text


def assign(x, value):
    x[...] = value


@pytest.mark.filterwarnings("ignore:Casting complex values")
@pytest.mark.parametrize("seed", range(3))
def test_stores(seed):
    rng = np.random.default_rng(seed)
    for _ in range(300):
        s1, s2 = broadcastable(rng, 2)
        if rng.random() < 0.1:
            s2 = (int(rng.integers(1, 5)),)
        a = array(rng, s1)
        value = [array(rng, s2), array(rng, s2), number(rng), scalar(rng)][rng.integers(4)]
        where = f"store {text(a, value)}"
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and a.dtype.kind == "u":
            continue  # what a negative float becomes is left to the machine
        if isinstance(value, np.ndarray) or rng.random() < 0.5:
            check(lambda B, x, y: B.store(x, y), assign, a, value, where=where)
        else:
            check(lambda B, x: B.store(x, value), lambda x: assign(x, value), a, where=f"{where} static")


@pytest.mark.parametrize("value", [300, -1, 2.5, float("nan"), float("inf"), True, 1j])
@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "?"])
def test_stores_of_python_scalars(value, dtype):
    check(
        lambda B, x: B.store(x, value),
        lambda x: assign(x, value),
        np.zeros(2, dtype),
        where=f"{value} {dtype}",
    )
    if not isinstance(value, complex):
        check(
            lambda B, x, v: B.store(x, v), assign, np.zeros(2, dtype), value, where=f"dynamic {value} {dtype}"
        )


def test_read_only():
    x = np.arange(3.0)
    x.flags.writeable = False
    check(lambda B, a: B.store(a, 1), lambda a: assign(a, 1), x)
    check(lambda B, a: B.ufunc(np.add, (a, 1), out=a), lambda a: np.add(a, 1, out=a), x)
    with pytest.raises(NumpyError):
        run(
            lambda B, a: B.store(B.mark_read_only(a, B.broadcast_to(a, (Affine.of(2), Affine.of(3)))), 0),
            np.ones(3),
        )


def test_overlapping_store_reads_first():
    x = np.arange(6.0)
    wanted = x.copy()
    wanted[1:] = wanted[:-1].copy()
    five = Affine.of(5)

    def shift(B, a):
        left = B.basic_index(a, [SliceEntry(Affine.of(0), 1, five)])
        B.store(B.basic_index(a, [SliceEntry(Affine.of(1), 1, five)]), left)

    run(shift, x)
    same(x, wanted, "x[1:] = x[:-1]")


@pytest.mark.parametrize("seed", range(3))
def test_masked_stores(seed):
    rng = np.random.default_rng(seed)

    def put(x, m, v):
        x[m] = v

    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4))))
        depth = int(rng.integers(1, len(shape) + 1))
        a = layouts(rng, values(rng, shape, "f8"))
        mask = layouts(rng, values(rng, shape[:depth], "?"))
        value = [2, 2.5, np.float32(1), array(rng, shape[depth:], [np.dtype("f4")])][rng.integers(4)]
        check(lambda B, x, m, v: B.masked_store(x, m, v), put, a, mask, value, where=text(a, mask, value))


def test_mask_of_the_wrong_length():
    check(
        lambda B, x, m: B.masked_store(x, m, 0),
        lambda x, m: x.__setitem__(m, 0),
        np.ones(3),
        np.ones(4, bool),
    )


@pytest.mark.parametrize("seed", range(3))
def test_inplace_masked(seed):
    rng = np.random.default_rng(seed)

    def update(x, m, v):
        x[m] += v

    for _ in range(40):
        shape = tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4))))
        a = layouts(rng, values(rng, shape, ["f8", "i4", "f4"][rng.integers(3)]))
        mask = layouts(rng, values(rng, shape[: int(rng.integers(1, len(shape) + 1))], "?"))
        value = [2, 2.5, np.float32(1)][rng.integers(3)]

        def mine(B, x, m, v):
            assert B.inplace_masked("add", x, m, v)

        check(mine, update, a, mask, value, where=text(a, mask, value), messages=False)


@pytest.mark.parametrize("seed", range(3))
def test_gather_and_scatter(seed):
    rng = np.random.default_rng(seed)
    for _ in range(80):
        shape = tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4))))
        a = layouts(rng, values(rng, shape, DTYPES[rng.integers(len(DTYPES))]))
        axis = int(rng.integers(len(shape)))
        index = rng.integers(-shape[axis], shape[axis], tuple(rng.integers(1, 4, int(rng.integers(1, 3)))))
        if rng.random() < 0.1:
            index = index + shape[axis]
        key = (slice(None),) * axis
        where = f"{text(a, index)} axis {axis}"
        check(
            lambda B, x, i: B.gather(x, [i], (axis,), axis), lambda x, i: x[(*key, i)], a, index, where=where
        )
        value = (
            np.float64(3)
            if rng.random() < 0.5
            else array(rng, a[(*key, index % shape[axis])].shape, [a.dtype])
        )
        check(
            lambda B, x, i, v: B.scatter(x, v, [i], (axis,), axis),
            lambda x, i, v: x.__setitem__((*key, i), v),
            a, index, value, where=f"scatter {where}",
        )  # fmt: skip


def test_scatter_accumulates():
    index = np.array([0, 2, 0, -1, 2])
    check(
        lambda B, x, i, v: B.scatter(x, v, [i], (0,), 0, accumulate=np.add),
        lambda x, i, v: np.add.at(x, i, v),
        np.zeros(3), index, np.arange(5.0),
    )  # fmt: skip


def test_static_indices_need_no_check():
    same(
        run(lambda B, x: B.gather(x, [[0, -1]], (0,), 0), np.arange(4.0)), np.array([0.0, 3.0]), "x[[0, -1]]"
    )
    check(lambda B, x: B.gather(x, [[4]], (0,), 0), lambda x: x[[4]], np.arange(4.0))
