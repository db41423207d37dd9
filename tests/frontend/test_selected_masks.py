"""One mask that picks from several arrays is searched once, and again as soon as it may have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import jit


def picks(x: Any, y: Any, m: Any) -> Any:
    return x[m], y[m], (x * 2)[m]


def written_between(x: Any, y: Any, m: Any) -> Any:
    a = x[m]
    m[1] = not m[1]
    return a, y[m]


def written_through_a_view(x: Any, y: Any, m: Any) -> Any:
    tail = m[2:]
    a = x[m]
    tail[::2] = ~tail[::2]
    return a, y[m], tail


def written_in_a_loop(x: Any, y: Any, m: Any) -> Any:
    total = 0.0
    a = x[m]
    for i in range(m.shape[0]):
        total += x[m].sum() + y[m].sum()
        m[i] = not m[i]
    return a, total, y[m]


def written_in_a_branch(x: Any, y: Any, m: Any) -> Any:
    a = x[m]
    if a.size > 3:
        m[:] = ~m
    return a, y[m]


def positions_written(x: Any, y: Any, m: Any) -> Any:
    p = np.flatnonzero(m)
    q = np.nonzero(m)[0]
    p[:] = 0
    a = x[m]
    q += 1
    return p, q, a, y[m], np.flatnonzero(m)


def stores(x: Any, y: Any, m: Any) -> Any:
    x[m] = y[m]
    y[m] = x[~m].sum() + y[m]
    return x, y


PROGRAMS = (
    picks,
    written_between,
    written_through_a_view,
    written_in_a_loop,
    written_in_a_branch,
    positions_written,
    stores,
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_equals_numpy(program: Callable[..., Any]) -> None:
    compiled = jit(program)
    rng = np.random.default_rng(0)
    for density in (0.1, 0.5, 0.9, 1.0, 0.0):
        args = rng.random(37), rng.random(37), rng.random(37) < density
        mine, its = [x.copy() for x in args], [x.copy() for x in args]
        for got, want in zip((*compiled(*mine), *mine), (*program(*its), *its), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-14)


def test_searched_once() -> None:
    args = np.zeros(9), np.zeros(9), np.zeros(9, np.bool_)
    loops = jit(picks).inspect("loops", *args)
    once = first_pick.inspect("loops", *args)
    assert loops.count("while\n") == once.count("while\n") > 0


@jit
def find(mask: Any) -> Any:
    return np.flatnonzero(mask)


@jit
def first_pick(x: Any, y: Any, m: Any) -> Any:
    return x[m]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 23, 64, 100])
def test_runs_of_true_elements(length: int) -> None:
    rng = np.random.default_rng(length)
    for run in (1, 5, 8, 13, 40):
        mask = np.repeat(rng.random(length // run + 1) < 0.6, run)[:length]
        np.testing.assert_array_equal(find(mask), np.flatnonzero(mask))
