"""Which loops are independent, which dependence orders the others, and what the automatic schedule makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.analysis.dependence import Dependence
from pydsl.loops.ir import (
    Alloc,
    Apply,
    Assign,
    Break,
    Buffer,
    Contract,
    Copy,
    Declare,
    Fail,
    For,
    If,
    Let,
    Load,
    LoopKind,
    Product,
    Read,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
)
from pydsl.loops.schedule.auto import PARALLEL_NS, schedule
from pydsl.loops.schedule.dependences import carried, carried_scalars, independent, only_scalar_work
from tests.loops.build import (
    BOOL,
    F64,
    I64,
    add,
    apply,
    arg,
    bump,
    const,
    index,
    load,
    loop,
    mul,
    store,
    sym,
    temp,
    var,
)

A, B, IX = arg("a", 0), arg("b", 1), arg("ix", 2, I64, readonly=True)
ONE = const(1.0)


def distance(body: For) -> tuple[str, tuple[int, ...] | None]:
    edge = next(carried(body))
    assert isinstance(edge.distance, Dependence)
    return edge.kind, edge.distance.vector


# --- one loop -------------------------------------------------------------------------------------------------------


def test_elements_of_their_own() -> None:
    i = var("i")
    assert independent(loop(i, 8, store(A, 8 * sym(i), add(load(A, 8 * sym(i)), load(B, 16 * sym(i))))))


def test_distances_have_a_kind() -> None:
    i = var("i")
    at = 8 * sym(i)
    assert distance(loop(i, 8, store(A, at + 16, load(A, at)))) == ("RAW", (-2,))
    assert distance(loop(i, 8, store(A, at, load(A, at + 8)))) == ("WAR", (1,))
    assert distance(loop(i, 8, store(A, at, ONE), store(A, at + 8, ONE))) == ("WAW", (-1,))
    assert distance(loop(i, 8, store(A, at, ONE), store(B, at, load(A, at - 8)))) == ("RAW", (1,))


def test_one_place_for_all() -> None:
    i = var("i")
    assert not independent(loop(i, 8, store(A, 0, ONE)))
    assert independent(loop(i, 1, store(A, 0, ONE)))
    assert independent(loop(i, 8, store(B, 8 * sym(i), load(A, 0))))


def test_interleaved_and_overlapping_elements() -> None:
    i = var("i")
    assert independent(loop(i, 8, store(A, 16 * sym(i), load(A, 16 * sym(i) + 8))))
    assert not independent(loop(i, 8, store(A, 4 * sym(i), ONE)))


def test_far_away_is_independent() -> None:
    i, n = var("i"), var("n", I64, 0, None)
    assert independent(loop(i, 8, store(A, 8 * sym(i), load(A, 8 * sym(i) + 64))))
    assert not independent(loop(i, 9, store(A, 8 * sym(i), load(A, 8 * sym(i) + 64))))
    assert not independent(loop(i, n, store(A, 8 * sym(i), load(A, 8 * sym(i) + 64))))
    assert independent(loop(i, n, store(A, 8 * sym(i), load(A, 8 * sym(i) + 8 * sym(n)))))


def test_symbolic_rows() -> None:
    i, j, n = var("i"), var("j"), var("n", I64, 0, None)
    at = sym(Product.of(i, 8 * sym(n))) + 8 * sym(j)
    assert independent(loop(i, 100, loop(j, n, store(A, at, mul(load(A, at), ONE)))))
    assert not independent(loop(i, 100, loop(j, sym(n) + 1, store(A, at, ONE))))


def test_strides_that_change_are_unknown() -> None:
    i, m = var("i"), var("m", I64, 0, None)
    row = sym(Product.of(i, 8 * sym(m)))
    assert not independent(loop(i, 8, Let(m, Load(IX, 8 * sym(i), I64)), store(A, row, ONE)))


def test_index_copies_are_followed() -> None:
    i, k = var("i"), var("k")
    assert independent(loop(i, 8, Let(k, index(2 * sym(i))), store(A, 8 * sym(k), load(A, 16 * sym(i)))))
    assert not independent(
        loop(i, 8, Let(k, index(2 * sym(i))), store(A, 8 * sym(k), load(A, 16 * sym(i) + 16)))
    )


def test_loaded_indices() -> None:
    i, at = var("i"), var("at")
    take = Let(at, Load(IX, 8 * sym(i), I64))
    assert independent(loop(i, 8, take, store(B, 8 * sym(i), load(A, 8 * sym(at)))))
    assert not independent(loop(i, 8, take, store(B, 8 * sym(at), ONE)))
    assert not independent(loop(i, 8, take, store(B, 8 * sym(i), load(B, 8 * sym(at)))))
    # the other column is never touched
    assert independent(loop(i, 8, take, store(B, 16 * sym(i), load(B, 16 * sym(at) + 8))))


def test_loaded_indices_with_bounds() -> None:
    i, at = var("i"), var("at", I64, 0, 7)
    take = Let(at, Load(IX, 8 * sym(i), I64))
    assert independent(loop(i, 8, take, store(B, 8 * sym(i) + 64, load(B, 8 * sym(at)))))


def test_inner_loops() -> None:
    i, j = var("i"), var("j")
    inner = loop(j, 4, store(A, 32 * sym(i) + 8 * sym(j), load(A, 32 * sym(i) + 8 * sym(j))))
    assert independent(loop(i, 8, inner)) and independent(inner)
    over = loop(j, 5, store(A, 32 * sym(i) + 8 * sym(j), ONE))
    assert not independent(loop(i, 8, over)) and independent(over)


def test_bounds_that_vary() -> None:
    i, j, n = var("i"), var("j"), var("n", I64, 0, 4)
    at = 32 * sym(i) + 8 * sym(j)
    triangle = loop(j, sym(i) + 1, store(A, at, ONE))
    assert independent(loop(i, 4, triangle)) and not independent(loop(i, 8, triangle))
    counted = loop(i, 8, Let(n, Load(IX, 8 * sym(i), I64)), loop(j, n, store(A, at, ONE)))
    assert independent(counted)
    n.bounds = (0, 5)
    assert not independent(counted)


def test_pointers() -> None:
    i = var("i")
    at = 8 * sym(i)
    h, g = (Buffer(name, Space.HEAP, F64, sym(64)) for name in "hg")
    p = Buffer("p", Space.POINTER, F64, targets=[h])
    q = Buffer("q", Space.POINTER, F64, targets=[h, g])
    assert independent(loop(i, 8, store(p, at, load(p, at))))
    assert independent(loop(i, 8, store(p, at, load(g, at))))
    assert independent(loop(i, 8, store(A, at, add(load(p, at), load(q, at)))))
    for body in (store(p, at, load(q, at)), store(h, at, load(p, at)), store(q, at, load(g, at))):
        assert not independent(loop(i, 8, body))


def test_calls_and_allocations_are_opaque() -> None:
    i, h = var("i"), Buffer("h", Space.HEAP, F64, sym(64))
    p = Buffer("p", Space.POINTER, F64, targets=[h])
    for stmt in (Copy(A, sym(0), B, 8 * sym(i), sym(8)), Alloc(h, sym(64)), SetPointer(p, h)):
        assert not independent(loop(i, 8, stmt))


def test_contractions() -> None:
    i, m, n, acc = var("i"), var("m"), var("n"), var("acc", F64)

    def contract(rows: int) -> For:
        place = 512 * sym(i) + 64 * sym(m) + 8 * sym(n)
        done: list[Stmt] = [store(B, place, Read(acc))]
        return loop(
            i,
            4,
            Contract(F64, ((m, rows, 64),), (n, 8, 8), ((3, 8, 64),), A, 512 * sym(i), A, sym(0), acc, done),
        )

    assert independent(contract(8)) and not independent(contract(9))


# --- scalars and jumps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "dtype", "flags", "expected"),
    [
        ("add", F64, {}, False),
        ("add", F64, {"reassoc": True}, True),
        ("add", I64, {}, True),
        ("subtract", I64, {}, False),
        ("maximum", F64, {}, True),
        ("logical_and", BOOL, {}, True),
    ],
)
def test_reductions(step: str, dtype: np.dtype[Any], flags: dict[str, bool], expected: bool) -> None:
    i, total = var("i"), var("s", dtype)
    value = Load(A, 8 * sym(i), dtype)
    for args in ((Read(total), value), (value, Read(total))):
        body = loop(i, 8, Assign(total, Apply(step, args, dtype, **flags)))
        assert independent(body) == expected
        assert carried_scalars(body) == ([] if expected else [total])
        assert not only_scalar_work(body)


def test_reductions_that_are_looked_at() -> None:
    i, total = var("i"), var("s", I64)
    step = bump(total, Load(IX, 8 * sym(i), I64))
    assert not independent(loop(i, 8, step, Store(B, 8 * sym(i), Read(total))))
    assert not independent(loop(i, 8, step, Assign(total, apply("maximum", Read(total), Read(total)))))


def test_variables_of_their_own() -> None:
    i, j, total, x = var("i"), var("j"), var("s", F64), var("x", F64)
    inner = loop(j, 4, bump(total, load(A, 32 * sym(i) + 8 * sym(j))))
    outer = loop(i, 8, Declare(total, const(0.0)), inner, Let(x, Read(total)), store(B, 8 * sym(i), Read(x)))
    assert independent(outer) and only_scalar_work(outer)
    assert not independent(inner)


def test_jumps() -> None:
    i, j = var("i"), var("j")
    less = apply("less", load(A, 8 * sym(i)), ONE, dtype=BOOL)
    assert not independent(loop(i, 8, If(less, [Break()])))
    assert not independent(loop(i, 8, If(less, [Fail(0)])))
    assert not independent(loop(i, 8, StoreSlot(5, ONE)))
    inner = loop(i, 8, loop(j, 4, If(less, [Break()]), store(B, 32 * sym(i) + 8 * sym(j), ONE)))
    assert independent(inner) and only_scalar_work(inner)


# --- the automatic schedule -------------------------------------------------------------------------------------------


def long_nest(extent: int = 4096) -> For:
    i, j = var("i"), var("j")
    at = 8 * 4096 * sym(i) + 8 * sym(j)
    return loop(i, extent, loop(j, 4096, store(B, at, apply("exp", load(A, at)))))


def test_long_independent_loops_run_on_threads_and_inner_ones_as_vectors() -> None:
    body = long_nest()
    report = schedule([body], 4)
    (inner,) = body.body
    assert isinstance(inner, For)
    assert (body.kind, inner.kind) == (LoopKind.PARALLEL, LoopKind.VECTOR)
    assert report.parallel == ["i in [0, 4096)"]


def test_one_thread_and_short_loops() -> None:
    body = long_nest()
    schedule([body], 1)
    assert body.kind is LoopKind.SERIAL
    short = long_nest(1)
    schedule([short], 4)
    assert short.kind is LoopKind.SERIAL
    assert PARALLEL_NS > 0


def test_reasons() -> None:
    i, total, j = var("i"), var("s", F64), var("j")
    at = 8 * sym(i)
    recurrence = loop(i, 10**6, store(A, at + 8, apply("exp", load(A, at))))
    summing = loop(j, 10**6, bump(total, apply("exp", load(A, 8 * sym(j)))))
    report = schedule([recurrence, Declare(total, ONE), summing], 4)
    assert not report.parallel and len(report.serial) == 2
    assert "depend on each other" in report.serial[0]


def test_rows_of_a_long_product_run_on_threads() -> None:
    i, j, acc = var("i"), var("j"), var("acc", F64)
    epilogue: list[Stmt] = [store(B, 8 * 512 * sym(i) + 8 * sym(j), Read(acc))]
    dims = ((i, 512, 4096),), (j, 512, 8), ((512, 8, 4096),)
    product = Contract(F64, *dims, A, sym(i) * 0, arg("c", 2), sym(i) * 0, acc, epilogue)
    assert schedule([product], 2).parallel == ["rows of the product in [0, 512)"]
    assert product.parallel
    schedule([product], 1)
    assert not product.parallel


def test_temporaries_shared_by_iterations_are_seen() -> None:
    i, j, t = var("i"), var("j"), temp("t", 4)
    inner = loop(j, 4, store(t, 8 * sym(j), load(A, 32 * sym(i) + 8 * sym(j))))
    outer = loop(i, 8, inner, store(B, 8 * sym(i), load(t, 0)))
    assert not independent(outer)
    assert independent(inner)
