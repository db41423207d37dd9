"""Generated programs: plain Python, the tensor IR interpreter, the loop IR interpreter and native code agree.

``python -m tests.generator`` runs any number of them.
"""

from __future__ import annotations

import pytest

from tests.generator.check import check_seed
from tests.generator.executors import EXECUTORS

STEP = 10
FOUND = (9000330, 9000909, 9001036, 20000305)
"""Seeds of programs on which a stage once disagreed with NumPy."""


@pytest.mark.parametrize("first", range(0, 300, STEP))
def test_programs_agree(first: int) -> None:
    failures = []
    for seed in range(first, first + STEP):
        failures += check_seed(seed, EXECUTORS, shrinking=False).failures
    assert not failures, "\n\n".join(failure.text() for failure in failures)


@pytest.mark.parametrize("seed", FOUND)
def test_programs_that_once_disagreed(seed: int) -> None:
    failures = check_seed(seed, EXECUTORS, shrinking=False).failures
    assert not failures, "\n\n".join(failure.text() for failure in failures)


@pytest.mark.parametrize("first", range(0, 60, STEP))
def test_programs_with_transcendentals_agree(first: int) -> None:
    failures = []
    for seed in range(first, first + STEP):
        failures += check_seed(seed, EXECUTORS, exact=False, shrinking=False).failures
    assert not failures, "\n\n".join(failure.text() for failure in failures)
