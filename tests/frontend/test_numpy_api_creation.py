"""Arrays made of nothing, of numbers, of nested lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.frontend import numpy_api
from tests.frontend.building import check

CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    *((np.zeros, args, {}) for args in [((2, 3),), (3,), ((),), ((-1,),), ((0, 2), "i4"), ((2, 3), float, "F")]),
    *((np.ones, args, {}) for args in [((2, 3), "u1"), (3, bool)]),
    *((np.full, (2, value), {}) for value in [1, 2.5, True, np.float32(3), [1, 2], 1j]),
    (np.full, ((2, 2), 7, "f4"), {}),
    *((np.eye, args, {"k": k}) for args in [(3,), (3, 5), (0,), (4, 2)] for k in (0, 1, -2)),
    *((np.tri, (3, 4, k), {}) for k in (0, 1, -2, 7)),
    (np.identity, (3,), {}),
    *(
        (np.arange, args, {})
        for args in [
            (5,), (2, 7), (2, 20, 3), (10, 0, -2), (5.0,), (0, 1, 0.1), (1, 2, 0.3), (0.5, -3, -0.7), (3, 1), (0,),
            (np.int32(4),), (np.float32(4),), (np.uint8(2), 6),
        ]
    ),
    *((np.arange, (0, 7, 2), {"dtype": d}) for d in ("f4", "u1", "f2", "f8", "i2")),
    *((np.arange, (0.1, 7, 0.3), {"dtype": d}) for d in ("f4", "f2", "f8")),
    *((np.linspace, (0, 1, n), {"endpoint": e}) for n in (5, 1, 0, 2, 7) for e in (True, False)),
    *((np.linspace, (2, 3, 11), {"dtype": d}) for d in (None, int, "f4")),
    (np.linspace, (np.float32(1), np.float32(2), 5), {}),
    (np.linspace, (1, 1, 3), {}),
    (np.linspace, (0, 1, -1), {}),
    (np.linspace, (0, 1, 4), {"retstep": True}),
    *((np.array, (value,), {}) for value in [[1, 2], [[1, 2], [3, 4.5]], [True, 2], 3.5, [], [[]], (1j, 2)]),
    (np.array, ([1, 2],), {"dtype": "f4"}),
    (np.array, ([[1, 2], [3]],), {}),
    (np.array, ([300],), {"dtype": "u1"}),
    (np.array, (1.5,), {"ndmin": 2}),
    (np.asarray, ([1, 2.5],), {}),
    (np.ascontiguousarray, (3,), {}),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(CALLS)))
def test_static_arguments(index):
    fn, args, names = CALLS[index]
    handler = numpy_api.lookup(fn)
    assert numpy_api.creates_array(fn)
    check(
        lambda B: handler(B, *args, **names), lambda: fn(*args, **names), where=f"{fn.__name__}{args}{names}"
    )


def test_nested_lists_with_values():
    array = numpy_api.lookup(np.array)
    row = np.array([1, 2, 3], np.float32)
    check(
        lambda B, a, b: array(B, [[a, 1], [b, 2.0]]),
        lambda a, b: np.array([[a, 1], [b, 2.0]]),
        3,
        np.float32(4),
    )
    check(lambda B, a: array(B, [a, a]), lambda a: np.array([a, a]), row[::-1])
    check(lambda B, a, b: array(B, [a, b]), lambda a, b: np.array([a, b]), row, row[:2])
    check(lambda B, a: array(B, a), np.array, 2.5)
    check(lambda B, a, b: array(B, [a, b], dtype="i4"), lambda a, b: np.array([a, b], dtype="i4"), 3.7, 2)


@pytest.mark.parametrize("start", [-2, 0, 3, 0.5, np.float32(0.25)])
@pytest.mark.parametrize("stop", [-1, 6, 7.25])
def test_ranges_with_values(start, stop):
    arange, linspace = numpy_api.lookup(np.arange), numpy_api.lookup(np.linspace)
    where = f"{start!r} {stop!r}"
    check(lambda B, a: arange(B, a), np.arange, stop, where=where)
    check(lambda B, a, b: arange(B, a, b, 2), lambda a, b: np.arange(a, b, 2), start, stop, where=where)
    check(lambda B, a, b: arange(B, a, b, 0.3), lambda a, b: np.arange(a, b, 0.3), start, stop, where=where)
    check(lambda B, a, b: linspace(B, a, b, 5), lambda a, b: np.linspace(a, b, 5), start, stop, where=where)


def test_linspace_of_arrays():
    rng = np.random.default_rng(0)
    for axis in (0, -1):
        check(
            lambda B, a, b: numpy_api.lookup(np.linspace)(B, a, b, 4, axis=axis),
            lambda a, b: np.linspace(a, b, 4, axis=axis),
            rng.random(3), rng.random(3), layout=False,
        )  # fmt: skip


def test_sizes_with_values():
    for n in (0, 3, -1):
        check(lambda B, m: numpy_api.lookup(np.zeros)(B, (m, 2)), lambda m: np.zeros((m, 2)), n)
        check(lambda B, m: numpy_api.lookup(np.eye)(B, m), lambda m: np.eye(m), n if n >= 0 else 2)


def test_every_handler_is_found_by_identity():
    from numpy import add as plus

    assert numpy_api.lookup(plus) is numpy_api.lookup(np.add)
    assert numpy_api.lookup(np.abs) is numpy_api.lookup(np.absolute)
    assert numpy_api.lookup(print) is None
