"""Errors of kernels: class, text, position, traceback; and nothing left behind."""

from __future__ import annotations

import gc
import inspect
import sys
import traceback

import numpy as np
import pytest

from pydsl.errors import SourceLocation
from pydsl.jit.runtime import abi
from tests.runtime.tools import F8, array_guard, both, spec

FAILING = """
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {
  %which = load i64, ptr %slots
  %first = getelementptr i64, ptr %slots, i64 4
  store i64 -12, ptr %first
  %second = getelementptr i64, ptr %slots, i64 5
  store double 2.5, ptr %second
  %status = sub i64 -1, %which
  ret i64 %status
}
"""

GATHER = "out = table[index]"; LINE = inspect.currentframe().f_lineno  # fmt: skip  # noqa: E702
HERE = SourceLocation(__file__, LINE, 16, LINE, 28, "gather")
ERRORS = (
    abi.ErrorEntry(IndexError, "index {0} is out of bounds", HERE),
    abi.ErrorEntry(ValueError, "got {1} and {0}", None, ("i64", "f64")),
    abi.ErrorEntry(ZeroDivisionError, "division by zero", HERE),
    abi.ErrorEntry(KeyError, "no key", HERE),
    abi.ErrorEntry(AssertionError, "", HERE),
    abi.ErrorEntry(np.linalg.LinAlgError, "Singular matrix", HERE),
)


def failing() -> abi.Specialization:
    store = abi.ResultStorage(F8, (100,), (8,), "entry", 8)
    result = abi.ArrayResult(0, F8, (100,), (8,))
    return spec(
        abi.IntGuard(0),
        array_guard(1, 3),
        results=result,
        storages=(store,),
        errors=ERRORS,
        payload_slot=4,
        payload_count=2,
    )


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_class_and_text(number: int) -> None:
    entry = ERRORS[number]
    for way in both(failing(), FAILING).ways():
        with pytest.raises(entry.exception) as caught:
            way.call((number, np.zeros(3)), {})
        assert entry.message.format(-12, 2.5) in str(caught.value)
        if entry.location is not None:
            assert "test_errors.py" in str(caught.value) and "^^^^^^^^^^^^" in str(caught.value)


def test_traceback_ends_in_the_users_line() -> None:
    one = both(failing(), FAILING).native
    with pytest.raises(IndexError) as caught:
        one.call((0, np.zeros(3)), {})
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "gather"
    assert (frames[-1].filename, frames[-1].lineno) == (__file__, LINE)
    assert not any("errors.py" in frame.filename and "runtime/errors" in frame.filename for frame in frames)


def test_nothing_leaks() -> None:
    array = np.zeros(3)
    one = both(failing(), FAILING).native

    def fail() -> None:
        try:
            one.call((0, array), {})
        except IndexError:
            pass

    for _ in range(100):
        fail()
    gc.collect()
    before = sys.getrefcount(array), len(gc.get_objects())
    for _ in range(3000):
        fail()
    gc.collect()
    assert sys.getrefcount(array) == before[0]
    assert len(gc.get_objects()) - before[1] < 50
