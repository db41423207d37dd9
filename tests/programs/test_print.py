"""`print` in compiled code shows what it shows in plain Python, in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit


def scalars(x, n):
    print("start", n, x.shape)
    total = 0.0
    for i in range(n):
        total += x[i]
        if i % 3 == 0:
            print(f"step {i}: {total:.3f}", i, x[i], sep=" | ")
    print(total, end="!\n")
    return total


def arrays(x, n):
    y = x * 2
    print(y)
    y[0] = 5
    print("after", y[:3], (n, y[1]))
    kept = []
    for v in x:
        if v > 0.5:
            kept.append(v)
    print(kept, len(kept))


@pytest.mark.parametrize("function", [scalars, arrays])
def test_prints_the_same(function: Any, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(3).random(10)
    function(x, 10)
    want = capsys.readouterr().out
    compiled = jit(function)
    for _ in range(2):
        compiled(x, 10)
        assert capsys.readouterr().out == want
