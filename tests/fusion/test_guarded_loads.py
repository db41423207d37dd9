"""A load that may lie outside of its memory stays behind the check that would have refused it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pydsl import jit
from tests.fusion.test_kernel_counts import f32


def written_then_picked(x: Any, i: int) -> Any:
    x += 1
    return x[i]


def test_no_load_at_a_run_time_index_before_its_check() -> None:
    lines = jit(written_then_picked).inspect("loops", f32(10), 3).splitlines()
    (check,) = (n for n, line in enumerate(lines) if "fail 0" in line)
    (picked,) = (n for n, line in enumerate(lines) if re.search(r"= @x\[4\*s_1\]: float32", line))
    assert check < picked


@pytest.mark.parametrize("index", [10**10, -(10**10), 10, -11])
def test_a_far_index_is_an_error(index: int) -> None:
    x = np.zeros(10)
    with pytest.raises(IndexError, match=r"return x\[i\]"):
        jit(written_then_picked)(x, index)
    assert (x == 1).all()
