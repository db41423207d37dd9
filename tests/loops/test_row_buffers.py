"""Row buffers: which temporaries shrink to what one iteration uses, and which must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import Schedule, jit, knobs
from pydsl.loops.ir import Buffer, For, LoopKind, Space, Stmt
from pydsl.loops.passes.row_buffers import ROW_BYTES, shrink_to_rows
from tests.loops.build import add, arg, const, load, loop, store, sym, temp, var

X, Y = arg("x", 0), arg("y", 1)


def rows(t: Buffer, back: int = 0, columns: int = 8) -> list[Stmt]:
    """A temporary written along each row, and read along it `back` rows before."""
    i, j, k = var("i"), var("j"), var("k")
    at = 8 * columns * sym(i)
    return [
        loop(
            i,
            6,
            loop(j, columns, store(t, at + 8 * sym(j), add(load(X, at + 8 * sym(j)), const(1.0)))),
            loop(k, columns, store(Y, at + 8 * sym(k), load(t, at + 8 * sym(k) - 8 * columns * back))),
        )
    ]


def test_one_row_is_left() -> None:
    t = temp("t", 48)
    shrink_to_rows(rows(t), {t})
    assert (t.space, t.nbytes, t.scratch) == (Space.LOCAL, 64, True)


def test_rows_of_other_iterations_keep_the_whole() -> None:
    t = temp("t", 48)
    shrink_to_rows(rows(t, back=1), {t})
    assert t.space is Space.ARENA


def test_what_is_used_outside_or_is_too_long_keeps_the_whole() -> None:
    t = temp("t", 48)
    body = rows(t)
    shrink_to_rows([*body, store(Y, 0, load(t, 0))], {t})
    assert t.space is Space.ARENA
    shrink_to_rows(body, set())
    assert t.space is Space.ARENA
    long = temp("t", 6 * ROW_BYTES)
    shrink_to_rows(rows(long, columns=ROW_BYTES // 4), {long})
    assert long.space is Space.ARENA


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Any, gain: Any) -> Any:
    d = np.tanh(x) - np.tanh(x).mean(axis=-1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5) * gain


def log_softmax(x: Any) -> Any:
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def whole(x: Any) -> Any:
    e = np.exp(x)
    return e / e.max()


@pytest.mark.parametrize("shape", [(64, 33), (3, 4, 50), (2, 3, 4, 17), (1, 9), (0, 5), (5000, 40)])
@pytest.mark.parametrize("threads", [1, 3])
def test_row_functions(shape: tuple[int, ...], threads: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    with knobs.scope(num_threads=threads):
        for function, args in (
            (softmax, (x,)),
            (log_softmax, (x,)),
            (layer_norm, (x, x[..., ::-1])),
            (softmax, (x.swapaxes(0, -1) if x.size else x,)),
            (whole, (x,)) if x.size else (softmax, (x,)),
        ):
            np.testing.assert_allclose(jit(function)(*args), function(*args), rtol=1e-12, atol=1e-13)


def test_no_temporary_larger_than_a_row() -> None:
    x = np.ones((300, 64), np.float32)
    for function, args in ((softmax, (x,)), (layer_norm, (x, x)), (log_softmax, (x.reshape(3, 100, 64),))):
        loops = jit(function).report(*args).loops
        assert loops.arena == 0
        assert all(
            b.nbytes is not None and b.nbytes.value <= 256 for b in loops.buffers if b.space is Space.LOCAL
        )
        assert sum(isinstance(s, For) for s in loops.body) == 1


def test_a_maximum_of_the_whole_keeps_what_it_is_taken_of() -> None:
    x = np.ones((300, 64), np.float32)
    maximum = [s for s in jit(whole).report(x).loops.body if isinstance(s, For)]
    assert len(maximum) == 3 and not any(isinstance(s, For) for nest in maximum for s in nest.body)


def test_rows_on_threads_have_buffers_of_their_own() -> None:
    x = np.random.default_rng(1).standard_normal((4000, 64)).astype(np.float32)
    with knobs.scope(num_threads=4):
        compiled = jit(softmax)
        (nest,) = [s for s in compiled.report(x).loops.body if isinstance(s, For)]
        assert nest.kind is LoopKind.PARALLEL
        for _ in range(20):
            np.testing.assert_allclose(compiled(x), softmax(x), rtol=3e-6, atol=1e-8)


def test_rows_may_be_put_on_threads_by_the_user() -> None:
    x = np.random.default_rng(2).standard_normal((40, 64)).astype(np.float32)
    compiled = jit(softmax, schedule=Schedule().parallel("i0"))
    (nest,) = [s for s in compiled.report(x).loops.body if isinstance(s, For)]
    assert nest.kind is LoopKind.PARALLEL
    np.testing.assert_allclose(compiled(x), softmax(x), rtol=3e-6, atol=1e-8)
