"""How many loop nests functions compile to, and which temporaries are left: pinned, as fusion is what users pay for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.kernels.detection.boxes import bbox_flip_tta
from pydsl.kernels.detection.coders import delta2bbox, offset2bbox, tblr2bbox
from pydsl.loops.ir import Alloc, Contract, For, Gemm, Space, Store
from pydsl.loops.walk import walk

RNG = np.random.default_rng(3)


def f32(*shape: int) -> Any:
    return RNG.random(shape, dtype=np.float32) + np.float32(0.5)


def nests(fn: Any, *args: Any) -> int:
    """Loop nests (and library calls) that the call runs, one after the other."""
    return sum(isinstance(s, (For, Contract, Gemm)) for s in fn.report(*args).loops.body)


def temporaries(fn: Any, *args: Any) -> int:
    """Pieces of memory that are neither arguments nor results."""
    body = fn.report(*args).loops.body
    stored = {s.buffer for s in walk(body) if isinstance(s, Store)}
    heap = {s.buffer for s in walk(body) if isinstance(s, Alloc)}
    return len({b for b in stored if b.space in (Space.ARENA, Space.LOCAL)} | heap)


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        pytest.param(offset2bbox, (f32(1000, 4), f32(1000, 324)), id="P3"),
        pytest.param(tblr2bbox, (f32(4000, 4), f32(4000, 4), 800.0, 1333.0), id="P4"),
        pytest.param(delta2bbox, (f32(1000, 4), f32(1000, 320), f32(4), f32(4), 800.0, 1333.0), id="P6"),
        pytest.param(bbox_flip_tta, (f32(1000, 320), 1333.0, 8.0, 4.0), id="P7"),
    ],
)
def test_viewbench_functions_are_one_nest(fn: Any, args: tuple[Any, ...]) -> None:
    assert nests(fn, *args) == 1
    assert temporaries(fn, *args) == 0


def test_statements_fuse_across_assignments() -> None:
    @jit
    def f(x: Any) -> Any:
        a = x * 2
        c = a + 1
        return c * x

    assert nests(f, f32(1000)) == 1
    assert temporaries(f, f32(1000)) == 0


def test_an_expensive_broadcast_operand_is_not_recomputed() -> None:
    @jit
    def f(x: Any, y: Any) -> Any:
        return np.sin(x**2)[None] + np.cos(y**2)[:, None]

    x, y = f32(300), f32(200)
    body = f.report(x, y).loops.body
    heavy = [s for s in walk(body) if isinstance(s, For) and s.stop.is_const and s.stop.value == 300]
    assert heavy, "sin must run in a loop over x alone"
    np.testing.assert_allclose(f(x, y), f.__wrapped__(x, y), rtol=1e-6, atol=1e-6)


def test_a_matrix_plus_its_transpose_needs_one_temporary() -> None:
    @jit
    def f(x: Any) -> None:
        x += x.T

    x = f32(50, 50)
    assert temporaries(f, x) == 1


def test_a_shift_needs_none() -> None:
    @jit
    def f(x: Any) -> None:
        x[1:] = x[:-1]

    assert temporaries(f, f32(1000)) == 0
    assert nests(f, f32(1000)) == 1


def test_epilogue_of_a_product_is_fused() -> None:
    @jit
    def f(a: Any, b: Any, bias: Any) -> Any:
        y = a @ b + bias
        return np.maximum(y, 0)

    args = f32(40, 24), f32(24, 32), f32(32)
    assert nests(f, *args) == 1
    assert temporaries(f, *args) == 0
