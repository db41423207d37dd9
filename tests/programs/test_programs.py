"""Every program: plain Python and compiled code agree."""

from __future__ import annotations

import pytest

from tests.programs import classes, dynamic, graphs, images, lists, science
from tests.programs.case import Program, check

PROGRAMS = [p for module in (classes, dynamic, graphs, images, lists, science) for p in module.program]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.function.__name__)
def test_compiled_equals_plain(program: Program) -> None:
    check(program)
