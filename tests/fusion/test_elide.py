"""Copies of whole temporaries are elided: what is left, what is refused, and that results stay those of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.fusion.elide import elide_copies
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.ir.affine import Affine
from pydsl.loops.ir import INT64, Apply, Buffer, Const, ErrorRecord, Expr, Load, Space, Var
from tests.fusion.test_kernel_counts import f32, nests, temporaries

F32 = np.dtype(np.float32)
N = 8
NBYTES = 4 * N


# --- functions --------------------------------------------------------------------------------------------------------


def halves(x: Any) -> Any:
    """Written in parts, changed in place, put into a result."""
    low, high = np.empty_like(x), np.empty_like(x)
    for part, factor in ((low, 2), (high, 3)):
        part[:, 0::2] = np.sin(x[:, 1::2])
        part[:, 1::2] = x[:, 0::2] * factor
        part[:, 1:] += 1
    return np.concatenate([low, high])


def reduced_and_stacked(x: Any) -> Any:
    return np.stack([np.sqrt(x).max(axis=1), np.sqrt(x).sum(axis=1)])


def stored(out: Any, x: Any) -> None:
    t = np.empty((x.shape[0], 2), dtype=np.float32)
    t[:, 0] = x[:, 1]
    t[:, 1] = x[:, 0] + 1
    out[1:-1] = t


def read_afterwards(x: Any) -> Any:
    t = np.empty((x.shape[0], 2), dtype=np.float32)
    t[:, 0] = np.exp(x[:, 1])
    t[:, 1] = x[:, 0]
    out = np.zeros((2 * x.shape[0], 2), dtype=np.float32)
    out[: x.shape[0]] = t
    return out, t.sum(axis=0), t[::-1].copy()


def reused(x: Any) -> Any:
    t = np.empty((x.shape[0], 2), dtype=np.float32)
    t[:, 0] = x[:, 1]
    t[:, 1] = x[:, 0]
    out = np.empty((2, x.shape[0], 2), dtype=np.float32)
    out[0] = t
    t[:, 1] += 5
    out[1] = t
    return out


def overlapped(x: Any) -> Any:
    out = np.zeros((x.shape[0] + 1, 2), dtype=np.float32)
    out[0::2] = 3
    out[1::2] = 1
    t = np.empty((x.shape[0], 2), dtype=np.float32)
    t[:, 0] = out[:0:-1, 1] * 2
    t[:, 1] = x[:, 0]
    out[1:] = t
    return out


LAYOUTS = {
    "contiguous": lambda x: x,
    "reversed": lambda x: x[::-1, ::-1],
    "strided": lambda x: np.repeat(x, 3, axis=0)[::3],
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fn", [halves, reduced_and_stacked, read_afterwards, reused, overlapped])
def test_results_are_those_of_numpy(fn: Any, layout: str) -> None:
    x = LAYOUTS[layout](f32(33, 6))
    want, got = fn(x), jit(fn)(x)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stores_into_arguments(layout: str, rows: int) -> None:
    x = LAYOUTS[layout](f32(rows, 2))
    want = f32(rows + 2, 4)[:, ::-2]
    got = want.copy()
    stored(want, x)
    jit(stored)(got, x)
    np.testing.assert_array_equal(got, want)


def test_stores_into_what_is_read() -> None:
    memory = f32(12, 2)
    copy = memory.copy()
    stored(memory[1:], memory[:9])
    jit(stored)(copy[1:], copy[:9])
    np.testing.assert_array_equal(copy, memory)


def test_parts_of_a_result_are_computed_in_place() -> None:
    assert temporaries(jit(halves), f32(300, 6)) == 0
    assert temporaries(jit(stored), f32(302, 2), f32(300, 2)) == 0
    assert temporaries(jit(overlapped), f32(300, 2)) == 1
    assert temporaries(jit(reused), f32(300, 2)) == 0


def test_reductions_go_straight_into_a_stack() -> None:
    fn = jit(reduced_and_stacked)
    assert temporaries(fn, f32(50, 300)) == 0
    assert nests(fn, f32(50, 300)) <= 2


# --- conditions, one by one -------------------------------------------------------------------------------------------


def buffer(name: str, space: Space = Space.ARENA, nbytes: int = NBYTES, **more: Any) -> Buffer:
    return Buffer(name, space, F32, Affine.of(nbytes), **more)


def write(
    dst: Buffer, value: Any, offset: int = 0, stride: int = 4, count: int = N, **more: Any
) -> Statement:
    """``dst[offset + stride*i] = value(i)``."""
    var = Var("i", INT64, (0, count - 1))
    at = Affine.of(var)
    return Statement(
        StatementKind.MAP,
        (var,),
        (Affine.of(count),),
        buffer=dst,
        address=at * stride + offset,
        dtype=F32,
        value=value(at),
        **more,
    )


def load(src: Buffer, offset: int = 0, stride: int = 4, dtype: Any = F32) -> Any:
    return lambda at: Load(src, at * stride + offset, dtype)


def one(at: Affine) -> Expr:
    return Const(1.0, F32)


def check() -> Statement:
    return Statement(
        StatementKind.CHECK, value=Const(False, np.dtype(bool)), error=ErrorRecord(ValueError, "no", None)
    )


T, OUT, OTHER = buffer("t"), buffer("out", nbytes=4 * NBYTES), buffer("other", nbytes=4 * NBYTES)
ARGUMENT = buffer("argument", Space.ARG, nbytes=4 * NBYTES)
FRESH = buffer("fresh", Space.ARG, nbytes=4 * NBYTES, fresh=True)


def run(*statements: Statement, local: tuple[Buffer, ...] = (T,)) -> list[Statement]:
    return elide_copies(statements, set(local))


def test_a_whole_copy_goes() -> None:
    first, second = (
        write(T, one, stride=8, count=N // 2),
        write(T, load(OTHER), offset=4, stride=8, count=N // 2),
    )
    copy, later = write(OUT, load(T), offset=64), write(OTHER, load(T))
    kept = run(first, second, copy, later)
    assert kept == [first, second, later]
    assert [s.buffer for s in kept] == [OUT, OUT, OTHER]
    assert [s.address.const for s in kept] == [64, 68, 0]
    assert isinstance(later.value, Load)
    assert (later.value.buffer, later.value.offset.const) == (OUT, 64)


def test_a_chain_of_copies_goes() -> None:
    middle = buffer("middle")
    kept = run(write(T, one), write(middle, load(T)), write(OUT, load(middle), offset=32), local=(T, middle))
    assert [s.buffer for s in kept] == [OUT]


def test_a_check_between_does_not_matter_for_new_memory() -> None:
    assert len(run(write(T, one), check(), write(FRESH, load(T)))) == 2
    assert len(run(check(), write(T, one), write(ARGUMENT, load(T)))) == 2


POINTER = buffer("pointer", Space.POINTER)
RESULT = buffer("result", Space.RESULT)
UNSIZED = Buffer("unsized", Space.HEAP, F32)
WIDE = np.dtype(np.float64)

REFUSED = {
    "not local": lambda: ([write(T, one), write(OUT, load(T))], ()),
    "part of the temporary": lambda: ([write(T, one), write(OUT, load(T), count=N - 1)], (T,)),
    "gaps": lambda: ([write(T, one), write(OUT, load(T, stride=8), stride=8, count=N // 2)], (T,)),
    "other strides": lambda: ([write(T, one), write(OUT, load(T), stride=8)], (T,)),
    "backwards": lambda: ([write(T, one), write(OUT, load(T, offset=NBYTES - 4, stride=-4))], (T,)),
    "a broadcast": lambda: ([write(T, one), write(OUT, load(T, stride=0))], (T,)),
    "a computed value": lambda: (
        [write(T, one), write(OUT, lambda at: Apply("negative", (load(T)(at),), F32))],
        (T,),
    ),
    "a mask": lambda: ([write(T, one), write(OUT, load(T), predicate=Const(True, np.dtype(bool)))], (T,)),
    "the destination is read before": lambda: (
        [write(T, one), write(OTHER, load(OUT)), write(OUT, load(T))],
        (T,),
    ),
    "the destination is read by the writer": lambda: ([write(T, load(OUT)), write(OUT, load(T))], (T,)),
    "the destination is written before": lambda: (
        [write(T, one), write(OUT, one, offset=28), write(OUT, load(T))],
        (T,),
    ),
    "written after the copy": lambda: ([write(T, one), write(OUT, load(T)), write(T, one, count=2)], (T,)),
    "the copy is written while the temporary is read": lambda: (
        [write(T, one), write(OUT, load(T)), write(OUT, one, count=1), write(OTHER, load(T), count=2)],
        (T,),
    ),
    "a check before memory that the caller sees": lambda: (
        [write(T, one), check(), write(ARGUMENT, load(T))],
        (T,),
    ),
    "a pointer as destination": lambda: ([write(T, one), write(POINTER, load(T))], (T,)),
    "memory made in the kernel": lambda: ([write(T, one), write(RESULT, load(T))], (T,)),
    "memory of unknown size": lambda: ([write(T, one), write(UNSIZED, load(T))], (T,)),
    "wider elements before": lambda: (
        [write(OTHER, load(T, stride=8, dtype=WIDE), count=N // 2), write(OUT, load(T))],
        (T,),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    statements, local = REFUSED[name]()
    before = [(s.buffer, s.address, s.value) for s in statements]
    kept = run(*statements, local=local)
    assert [(s.buffer, s.address, s.value) for s in kept] == before


def test_the_rest_of_the_destination_may_be_used() -> None:
    kept = run(
        write(T, load(OUT, offset=32)),
        write(OUT, one, offset=32),
        write(OUT, load(T)),
        write(OUT, load(T), offset=64),
    )
    assert [s.buffer for s in kept] == [OUT, OUT, OUT]
