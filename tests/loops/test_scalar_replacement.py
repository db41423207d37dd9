"""Equal values are computed once; what may have changed in between is loaded again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl.loops.ir import (
    Alloc,
    Assign,
    Buffer,
    Const,
    Contract,
    Copy,
    Declare,
    If,
    Let,
    Load,
    Read,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    While,
)
from pydsl.loops.passes.scalar_replacement import scalar_replacement
from pydsl.loops.walk import loads, walk
from tests.loops.build import (
    BOOL,
    F32,
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
    run,
    store,
    sym,
    temp,
    var,
)

A, B = arg("a", 0), arg("b", 1)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(1.0, 33.0), np.full(32, 0.5)]


def check(make: Callable[[], list[Stmt]], *expected: tuple[Buffer, int]) -> list[Stmt]:
    """The pass keeps the meaning and leaves so many loads of each buffer."""
    after = scalar_replacement(make())
    run(make(), arrays()).same(run(after, arrays()))
    for buffer, count in expected:
        assert loads_of(after, buffer) == count
    return after


def loads_of(body: list[Stmt], buffer: Buffer) -> int:
    return sum(access.buffer is buffer for stmt in walk(body) for access in loads(stmt))


def test_what_was_stored_is_not_loaded() -> None:
    t = temp("t", 8)
    check(
        lambda: [store(t, 0, mul(load(A, 0), const(2.0))), store(B, 0, add(load(t, 0), load(A, 0)))],
        (t, 0),
        (A, 1),
    )


def test_equal_operations_are_computed_once() -> None:
    def body() -> list[Stmt]:
        return [
            store(B, 0, apply("sqrt", add(load(A, 0), load(A, 8)))),
            store(B, 8, apply("sqrt", add(load(A, 8), load(A, 0)))),
        ]

    after = check(body, (A, 2))
    assert sum(isinstance(s, Let) for s in after) == 1


def test_a_store_to_another_element_changes_nothing() -> None:
    check(lambda: [store(B, 0, load(A, 0)), store(A, 8, const(9.0)), store(B, 8, load(A, 0))], (A, 1))


@pytest.mark.parametrize(("offset", "dtype"), [(0, F32), (4, F32), (-4, F64)])
def test_an_overlapping_store_does(offset: int, dtype: np.dtype[Any]) -> None:
    base = 16

    def body() -> list[Stmt]:
        return [
            store(B, 0, load(A, base)),
            Store(A, sym(base + offset), Const(7.0, dtype)),
            store(B, 8, load(A, base)),
        ]

    check(body, (A, 2))


def test_a_store_somewhere_does() -> None:
    def body() -> list[Stmt]:
        i = var("i")
        inner = [store(B, 0, load(A, 8)), store(A, 8 * sym(i), const(9.0)), store(B, 8, load(A, 8))]
        return [loop(i, 3, *inner)]

    check(body, (A, 2))


def test_other_dtypes_at_one_place() -> None:
    def body() -> list[Stmt]:
        return [store(A, 0, const(3.0)), Store(B, sym(0), Load(A, sym(0), F32)), store(B, 8, load(A, 0))]

    check(body, (A, 1))


def test_values_are_followed_into_loops() -> None:
    t = temp("t", 4)

    def body() -> list[Stmt]:
        i, j = var("i"), var("j")
        row = [store(t, 8 * sym(i), load(A, 8 * sym(i)))]
        inner = loop(j, 3, store(B, 64 * sym(i) + 8 * sym(j), load(t, 8 * sym(i))))
        return [loop(i, 4, *row, inner)]

    check(body, (t, 0))


def test_sums_are_followed_into_loops() -> None:
    t = temp("t", 4)

    def body() -> list[Stmt]:
        i, j, k, total = var("i"), var("j"), var("k"), var("s", F64)
        return [
            loop(
                i,
                4,
                Declare(total, const(0.0)),
                loop(k, 3, bump(total, load(A, 8 * sym(k)))),
                store(t, 8 * sym(i), Read(total)),
                loop(j, 3, store(B, 8 * sym(j), load(t, 8 * sym(i)))),
            )
        ]

    check(body, (t, 0))


def test_a_loop_that_writes_is_respected_inside_and_after() -> None:
    def body() -> list[Stmt]:
        i = var("i")
        inner = [store(B, 8 * sym(i), load(A, 0)), store(A, 0, add(load(A, 0), const(1.0)))]
        return [store(B, 64, load(A, 0)), loop(i, 3, *inner), store(B, 72, load(A, 0))]

    check(body, (A, 3))


def test_a_loop_that_does_not_run_leaves_nothing_behind() -> None:
    def body() -> list[Stmt]:
        i = var("i")
        return [loop(i, 0, store(A, 0, const(5.0)), store(B, 0, load(A, 8))), store(B, 8, load(A, 0))]

    check(body, (A, 2))


def test_one_loop_variable_in_two_loops() -> None:
    def body() -> list[Stmt]:
        i = var("i")
        first = loop(i, 3, store(B, 8 * sym(i), load(A, 8 * sym(i))))
        second = loop(i, 5, store(B, 64 + 8 * sym(i), load(A, 8 * sym(i))))
        return [first, second]

    check(body, (A, 2))


def test_branches() -> None:
    def body() -> list[Stmt]:
        less = apply("less", load(A, 0), const(3.0), dtype=BOOL)
        then: list[Stmt] = [store(A, 8, load(A, 0)), store(B, 0, load(A, 8))]
        return [If(less, then, [store(B, 8, load(A, 0))]), store(B, 16, load(A, 8)), store(B, 24, load(A, 0))]

    check(body, (A, 3))


def test_while_loops() -> None:
    def body() -> list[Stmt]:
        count = var("c", I64)
        header: list[Stmt] = [
            Assign(count, add(Read(count), Const(1, I64))),
            store(A, 0, add(load(A, 0), const(1.0))),
        ]
        small = apply("less", add(load(A, 0), load(A, 8)), const(8.0), dtype=BOOL)
        inner: list[Stmt] = [store(B, 0, load(A, 0)), store(B, 8, load(A, 8))]
        return [
            Declare(count, Const(0, I64)),
            store(B, 16, load(A, 0)),
            While(header, small, inner),
            store(B, 24, load(A, 0)),
            StoreSlot(5, Read(count)),
        ]

    check(body)


def test_accumulators_are_read_when_they_are_needed() -> None:
    t = temp("t", 4)

    def body() -> list[Stmt]:
        total = var("s", F64)
        return [
            Declare(total, load(A, 0)),
            store(t, 0, Read(total)),
            Assign(total, add(Read(total), const(1.0))),
            store(B, 0, load(t, 0)),
            store(B, 8, Read(total)),
        ]

    check(body, (t, 0))


def test_an_accumulator_keeps_no_old_value_in_a_loop() -> None:
    def body() -> list[Stmt]:
        i, total = var("i"), var("s", F64)
        inner = [
            store(B, 8 * sym(i), mul(Read(total), const(2.0))),
            Assign(total, mul(Read(total), const(2.0))),
            store(B, 64 + 8 * sym(i), mul(Read(total), const(2.0))),
        ]
        return [Declare(total, const(1.0)), loop(i, 3, *inner), store(B, 8 * 30, Read(total))]

    check(body)


def test_mutable_index_variables() -> None:
    """Not made by the lowering, but legal: an address that changes with an assignment."""

    def body() -> list[Stmt]:
        at = var("at", I64)
        return [
            Declare(at, Const(0, I64)),
            store(B, 0, load(A, 8 * sym(at))),
            Assign(at, Const(3, I64)),
            store(B, 8, load(A, 8 * sym(at))),
            store(B, 16, apply("cast", index(2 * sym(at)), dtype=F64)),
        ]

    check(body, (A, 2))


def test_equal_indices_are_one() -> None:
    ix = arg("ix", 1, I64)

    def body() -> list[Stmt]:
        p, q = var("p"), var("q")
        return [
            Let(p, Load(ix, sym(0), I64)),
            store(A, 8, load(A, 8 * sym(p))),
            Let(q, Load(ix, sym(0), I64)),
            store(A, 8 * sym(q) + 24, const(2.0)),
            store(A, 16, add(load(A, 8 * sym(p) + 24), load(A, 8 * sym(q) + 24))),
        ]

    data = [np.arange(16.0), np.array([5, 1])]
    after = scalar_replacement(body())
    run(body(), data).same(run(after, data))
    assert loads_of(after, A) == 1 and loads_of(after, ix) == 1


def pointers() -> tuple[Buffer, Buffer, Buffer, list[Stmt]]:
    h, g = (Buffer(name, Space.HEAP, F64, sym(64)) for name in "hg")
    p = Buffer("p", Space.POINTER, F64, targets=[h, g])
    start: list[Stmt] = [Alloc(h, sym(64)), Alloc(g, sym(64)), SetPointer(p, h)]
    start += [store(b, 8 * k, const(k + 10.0 * n)) for n, b in enumerate((h, g)) for k in range(3)]
    return h, g, p, start


def test_stores_through_pointers() -> None:
    def body() -> list[Stmt]:
        h, _, p, start = pointers()
        return [
            *start,
            store(B, 0, add(load(h, 0), const(1.0))),
            store(p, 0, const(5.0)),
            store(B, 8, add(load(h, 0), const(1.0))),
        ]

    check(body)


def test_stores_to_what_a_pointer_sees() -> None:
    def body() -> list[Stmt]:
        h, _, p, start = pointers()
        return [
            *start,
            store(B, 0, add(load(p, 0), const(1.0))),
            store(h, 0, const(5.0)),
            store(B, 8, add(load(p, 0), const(1.0))),
        ]

    check(body)


def test_pointers_that_move() -> None:
    def body() -> list[Stmt]:
        h, g, p, start = pointers()
        i = var("i")
        return [
            *start,
            store(B, 0, load(p, 8)),
            SetPointer(p, g),
            store(B, 8, load(p, 8)),
            loop(i, 2, store(B, 16 + 8 * sym(i), load(p, 8)), SetPointer(p, h)),
            store(B, 32, load(p, 8)),
        ]

    check(body)


def test_pointers_to_pointers() -> None:
    def body() -> list[Stmt]:
        h, _, p, start = pointers()
        q = Buffer("q", Space.POINTER, F64, targets=[p])
        return [
            *start,
            SetPointer(q, p),
            store(B, 0, load(h, 8)),
            store(q, 8, const(7.0)),
            store(B, 8, load(h, 8)),
        ]

    check(body)


def test_copies_and_contractions_write() -> None:
    def body() -> list[Stmt]:
        m, n, acc = var("m"), var("n"), var("acc", F64)
        done = [store(B, 16 * sym(m) + 8 * sym(n), add(Read(acc), load(A, 0)))]
        return [
            store(B, 128, load(A, 0)),
            store(B, 136, load(B, 0)),
            Copy(A, sym(0), A, sym(8), sym(16)),
            store(B, 144, load(A, 0)),
            Contract(F64, ((m, 2, 16),), (n, 2, 8), ((3, 8, 16),), A, sym(0), A, sym(64), acc, done),
            store(B, 152, load(B, 0)),
        ]

    check(body, (B, 2))


def test_constants_are_followed() -> None:
    x = var("x", F64)

    def body() -> list[Stmt]:
        return [
            Let(x, const(2.0)),
            store(B, 0, mul(Read(x), load(A, 0))),
            store(B, 8, mul(const(2.0), load(A, 0))),
        ]

    after = check(body, (A, 1))
    assert sum(isinstance(s, Let) for s in after) == 2


def test_signed_zeros_differ() -> None:
    def body() -> list[Stmt]:
        return [store(B, 0, apply("copysign", load(A, 0), const(x))) for x in (0.0, -0.0)]

    check(body, (A, 1))
    assert run(scalar_replacement(body()), arrays()).arrays[1][0] == -1.0
