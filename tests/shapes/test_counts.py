"""How often functions are compiled, how many kernels code for several sizes has, and what compiling may cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.kernels.detection.boxes import bbox_overlaps
from pydsl.kernels.detection.coders import delta2bbox, offset2bbox, tblr2bbox
from pydsl.loops.ir import Contract, For, Gemm
from pydsl.loops.walk import walk

RNG = np.random.default_rng(3)


def f32(*shape: int) -> Any:
    return RNG.random(shape, dtype=np.float32) + np.float32(0.5)


@pytest.mark.parametrize(
    ("kernel", "make", "nests"),
    [
        pytest.param(offset2bbox, lambda n: (f32(n, 4), f32(n, 324)), 1, id="P3"),
        pytest.param(tblr2bbox, lambda n: (f32(n, 4), f32(n, 4), 800.0, 1333.0), 1, id="P4"),
        pytest.param(
            delta2bbox, lambda n: (f32(n, 4), f32(n, 320), f32(4), f32(4), 800.0, 1333.0), 1, id="P6"
        ),
        pytest.param(bbox_overlaps, lambda n: (f32(n, 4), f32(32, 4)), 2, id="P8"),
    ],
)
def test_code_for_several_sizes_is_fused(kernel: Any, make: Any, nests: int) -> None:
    function = jit(kernel.__wrapped__)
    for n in (50, 60, 77):
        function(*make(n))
    assert len(function.signatures) == 2
    body = function.report(*make(77)).loops.body
    assert sum(isinstance(s, (For, Contract, Gemm)) for s in body) == nests


def test_a_hundred_counts_compile_three_times() -> None:
    @jit
    def scaled(boxes: Any, factor: float) -> Any:
        boxes[:, :2] -= boxes[:, 2:] / 2
        return boxes * factor

    for n in RNG.permutation(100):
        x = f32(int(n), 4)
        want = scaled.__wrapped__(x.copy(), 2.0)
        np.testing.assert_array_equal(scaled(x, 2.0), want)
    assert len(scaled.signatures) <= 3
    text = str(scaled.explain(f32(70, 4), 2.0))
    assert "float32[n, 4]" in text and "one version for many sizes: n is known at run time only" in text


def test_a_version_for_one_size_wins() -> None:
    @jit
    def doubled(x: Any) -> Any:
        return x * 2

    for n in (10, 20, 30):
        doubled(f32(n))
    assert doubled.report(f32(10)).function.symbols == []
    assert len(doubled.report(f32(20)).function.symbols) == 1


def test_long_loops_are_not_unrolled() -> None:
    @jit
    def grid(x: Any) -> Any:
        for i in range(128):
            for j in range(128):
                x[i, j] = x[i, j] * 2 + i - j
        return x

    x = RNG.random((128, 128))
    np.testing.assert_array_equal(grid(x.copy()), grid.__wrapped__(x.copy()))
    report = grid.report(x)
    assert sum(1 for _ in report.function.walk()) < 60
    assert sum(1 for _ in walk(report.loops.body)) < 60
