"""``docs/numpy.md`` is what the front end's tables say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pydsl.report.numpy_page import page, state_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "numpy.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if f"NumPy {np.__version__}" not in text:
        pytest.skip("the page was made with another NumPy")
    assert text == page(), "run: python -m pydsl.report.numpy_page > docs/numpy.md"


def test_states() -> None:
    assert state_of(np.sum) == ("yes", "")
    assert state_of(np.hanning)[0] == "yes"
    assert state_of(np.load)[0] == "refused"
    state, words = state_of(np.shares_memory)
    assert state == "refused" and "shares_memory" in words
    state, words = state_of(np.nanquantile)
    assert state == "limits" and "another method than linear" in words
