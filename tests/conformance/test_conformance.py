"""A part of the conformance run, the same every time; ``python -m tests.conformance`` is the whole."""

from __future__ import annotations

import pytest

from tests.conformance.catalogue import calls
from tests.conformance.check import check
from tests.conformance.selection import sample

PARTS = 4
"""The tests together take every call once, in one dtype and layout."""


@pytest.mark.parametrize("part", range(PARTS))
def test_sample(part: int) -> None:
    wrong = []
    for group in sample(calls(), part, PARTS).values():
        for outcome in check(group):
            case = outcome.case
            if outcome.state == "wrong":
                wrong.append(f"{case.call} [{case.dtype}, {case.layout}]: {outcome.text}")
    assert not wrong, "\n".join(wrong)
