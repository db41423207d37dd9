"""One function, many sizes: what is compiled for several sizes computes what NumPy computes, and is compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.shapes.across import PROGRAMS
from tests.shapes.check import check_calls


@pytest.mark.parametrize(
    ("function", "calls", "most"), [pytest.param(*p, id=p[0].__name__) for p in PROGRAMS]
)
def test_many_sizes(
    function: Callable[..., Any], calls: Callable[[], list[tuple[Any, ...]]], most: int
) -> None:
    check_calls(function, calls(), most)
