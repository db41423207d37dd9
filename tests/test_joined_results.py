"""A reference that control flow joins is returned as what it is: a view of that argument, or new memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.generator.compare import Run, compare
from tests.generator.executors import EXECUTORS
from tests.generator.program import Arguments


def one_of_two(x: Any, y: Any) -> Any:
    if x[0] > y[0]:
        z = x[1:]
    else:
        z = y[:-1]
    return z


def argument_or_new(x: Any, y: Any) -> Any:
    if x[0] > y[0]:
        x = x * 2
    return x, y


def swapped_in_a_loop(x: Any, y: Any) -> Any:
    a, b = x, y
    t = np.zeros(4)
    for i in range(20):
        if x[0] > i:
            a, b = b, a
        elif y[0] > i:
            b = t
    b[1] = 7
    return a, b[::-1], t


def views_of_one(x: Any, y: Any) -> Any:
    z = x
    for i in range(10):
        if y[1] > i:
            z = x[::-1]
    return z, x


def new_in_a_branch(x: Any, y: Any) -> Any:
    if x[0] > y[0]:
        t = x + y
        return t[1:], t
    return np.stack([x, y]).T


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize("turns", [0, 12])
def test_a_loop_without_turns_returns_the_argument(turns: int, name: str) -> None:
    def function(x: Any, turns: int) -> Any:
        for _ in range(turns):
            x = x + 1
            x /= 2
        return x

    call = EXECUTORS[name](function)
    runs = []
    for run in (function, call):
        x = np.arange(6.0).reshape(2, 3).T
        runs.append(Run(Arguments([x.base], [x]), run(x, turns)))
    assert compare(*runs, exact=True, identity=False) is None


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize(
    "function", [one_of_two, argument_or_new, swapped_in_a_loop, views_of_one, new_in_a_branch]
)
def test_results_are_what_they_are_in_python(function: Any, name: str) -> None:
    call = EXECUTORS[name](function)
    for first in ([1.0, 2, 3, 4], [0.5, 0, 0, 0], [18.0, 1, 1, 1]):
        runs = []
        for run in (function, call):
            buffers = [np.array(first), np.array([0.75, 5, 6, 7])]
            runs.append(Run(Arguments(buffers, buffers), run(*buffers)))
        assert compare(*runs, exact=True, identity=False) is None


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_view_is_as_writeable_as_the_argument_it_was_made_of(name: str) -> None:
    def function(x: Any, y: Any) -> Any:
        return y[1:], x[1:], x

    call = EXECUTORS[name](function)
    runs = []
    for run in (function, call):
        base = np.arange(4.0)
        fixed = base[:]
        fixed.flags.writeable = False
        runs.append(Run(Arguments([base], [fixed, base]), run(fixed, base)))
    assert compare(*runs, exact=True) is None
