"""Every program: plain Python and compiled code agree."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl import UnsupportedError, jit
from tests.programs import classes, dynamic, graphs, images, lists, science
from tests.programs.case import Program, check

PROGRAMS = [p for module in (classes, dynamic, graphs, images, lists, science) for p in module.program]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.function.__name__)
def test_compiled_equals_plain(program: Program) -> None:
    check(program)


@pytest.mark.parametrize("program", [*classes.later, *images.later], ids=lambda p: p.function.__name__)
def test_refused_clearly(program: Program) -> None:
    with pytest.raises(UnsupportedError):
        jit(program.function)(*program.arguments[0](np.random.default_rng(7)))
