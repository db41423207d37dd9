"""The whole decorator where the layout of objects is not recognised: everything works, through Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import dataclasses
import sys

import numpy as np

from pydsl.jit.runtime import layout

expected = layout._expected()
layout._expected = lambda: dataclasses.replace(expected, {wrong})
assert layout.native_layout() is None

from tests.runtime import test_decorator as tests

function, compiler = tests.counted()
for n in (3, 4, 3, 5, 4, 3):
    tests.check(function, n)
assert len(compiler.requests) == 3
tests.test_works_as_a_method()
tests.test_pickled_and_copied_by_reference()
tests.test_looks_like_the_function()
tests.test_is_garbage_collected()

tests.test_static_values_are_promoted_on_demand()
tests.test_threads_call_and_specialise_at_once()
"""


@pytest.mark.parametrize(
    "wrong", ["array_nd=expected.array_flags", "tuple_items=expected.header", "scalar_value=8"]
)
def test_everything_works_without_a_layout(wrong: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(wrong=wrong)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
