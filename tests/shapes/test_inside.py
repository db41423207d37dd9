"""Sizes that only the run knows, inside of one call: results, written arguments and exceptions are NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.generator.executors import EXECUTORS
from tests.shapes.check import assert_same, outcome
from tests.shapes.inside import PROGRAMS


@pytest.mark.parametrize("name", ["ir", "native"])
@pytest.mark.parametrize(("function", "args"), [pytest.param(*p, id=p[0].__name__) for p in PROGRAMS])
def test_equals_numpy(function: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
    want, want_args = outcome(function, args)
    got, got_args = outcome(EXECUTORS[name](function), args)
    assert_same(got, want, function.__name__)
    assert_same(list(got_args), list(want_args), f"{function.__name__}, arguments")
