"""What nobody sees is removed; what somebody may see stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.loops.ir import (
    Alloc,
    Assign,
    Break,
    Buffer,
    Const,
    Contract,
    Copy,
    Declare,
    Fail,
    Gemm,
    If,
    Let,
    Product,
    Read,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    While,
)
from pydsl.loops.passes.dead_code import remove_unread
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
    run,
    store,
    sym,
    temp,
    var,
)

A, B = arg("a", 0), arg("b", 1)
ARRAYS: list[np.ndarray[Any, Any]] = [np.arange(1.0, 17.0), np.zeros(16)]


def test_a_chain_of_temporaries_vanishes() -> None:
    t, u = temp("t", 4), temp("u", 4)
    i, x, y = var("i"), var("x", F64), var("y", F64)
    at = 8 * sym(i)
    body: list[Stmt] = [
        loop(i, 4, Let(x, load(A, at)), store(t, at, Read(x)), Let(y, load(t, at)), store(u, at, Read(y))),
        store(B, 0, const(1.0)),
    ]
    kept = body[1]
    assert remove_unread(body, {t, u}) == [kept]


def test_a_temporary_that_is_read_stays() -> None:
    t = temp("t", 4)
    body: list[Stmt] = [store(t, 0, load(A, 0)), store(B, 0, load(t, 0))]
    assert len(remove_unread(body, {t})) == 2


def test_other_buffers_stay() -> None:
    assert len(remove_unread([store(B, 0, const(1.0))], {temp("t", 1)})) == 1


def test_accumulators_that_nobody_reads_vanish_with_their_loop() -> None:
    i, total = var("i"), var("s", F64)
    body: list[Stmt] = [Declare(total, const(0.0)), loop(i, 4, bump(total, load(A, 8 * sym(i)))), Return(0)]
    assert len(remove_unread(body, set())) == 1


def test_accumulators_that_are_read_stay() -> None:
    i, total = var("i"), var("s", F64)
    body: list[Stmt] = [
        Declare(total, const(0.0)),
        loop(i, 4, bump(total, load(A, 8 * sym(i)))),
        StoreSlot(5, Read(total)),
    ]
    before = run(list(body), ARRAYS)
    after = remove_unread(body, set())
    assert len(after) == 3
    before.same(run(after, ARRAYS))


def test_variables_of_addresses_and_bounds_stay() -> None:
    i, k, n, m = var("i"), var("k"), var("n"), var("m")
    product = Product.of(k, 8 * sym(m))
    body: list[Stmt] = [
        Let(n, index(3)),
        Let(k, index(1)),
        Let(m, index(1)),
        loop(i, n, store(B, sym(product) + 8 * sym(i), const(1.0))),
    ]
    assert len(remove_unread(body, set())) == 4


def test_empty_branches_vanish_and_failures_stay() -> None:
    t = temp("t", 4)
    less = apply("less", load(A, 0), const(1.0), dtype=BOOL)
    body: list[Stmt] = [If(less, [store(t, 0, const(1.0))], []), If(less, [Fail(0)])]
    last = body[1]
    assert remove_unread(body, {t}) == [last]


def test_breaks_and_while_loops_stay() -> None:
    i, total = var("i"), var("s", F64)
    less = apply("less", load(A, 0), const(1.0), dtype=BOOL)
    body: list[Stmt] = [
        loop(i, 4, If(less, [Break()]), store(B, 8 * sym(i), const(1.0))),
        Declare(total, const(0.0)),
        While([bump(total, const(1.0))], apply("less", Read(total), const(3.0), dtype=BOOL), []),
    ]
    before = run(list(body), ARRAYS)
    after = remove_unread(body, set())
    assert len(after) == 3
    before.same(run(after, ARRAYS))


def test_library_calls_copies_and_allocations_of_temporaries() -> None:
    t = temp("t", 4)
    h = Buffer("h", Space.HEAP, F64, sym(32))
    two = sym(2)
    body: list[Stmt] = [
        Alloc(h, sym(32)),
        Copy(h, sym(0), A, sym(0), sym(32)),
        Gemm(F64, two, two, two, A, sym(0), two, False, A, sym(0), two, False, t, sym(0), two),
        store(B, 0, const(1.0)),
    ]
    kept = body[3]
    assert remove_unread(body, {t, h}) == [kept]


def test_what_a_contraction_or_a_pointer_uses_stays() -> None:
    t, u = temp("t", 4), temp("u", 4)
    h = Buffer("h", Space.HEAP, F64, sym(32))
    p = Buffer("p", Space.POINTER, F64, targets=[h])
    m, n, acc = var("m"), var("n"), var("acc", F64)
    done: list[Stmt] = [store(B, 16 * sym(m) + 8 * sym(n), Read(acc)), store(u, 0, Read(acc))]
    body: list[Stmt] = [
        store(t, 0, const(1.0)),
        Contract(F64, ((m, 2, 0),), (n, 2, 0), ((1, 0, 0),), t, sym(0), A, sym(0), acc, done),
        Alloc(h, sym(32)),
        store(h, 0, const(1.0)),
        SetPointer(p, h),
        store(B, 64, load(p, 0)),
    ]
    assert len(remove_unread(body, {t, u, h})) == 6
    assert len(done) == 1


def test_shadowed_names_do_not_matter() -> None:
    first, second = var("x", F64), var("x", F64)
    body: list[Stmt] = [Let(first, const(1.0)), Let(second, const(2.0)), store(B, 0, Read(second))]
    kept = body[1:]
    assert remove_unread(body, set()) == kept


def test_a_mutable_variable_that_is_only_declared() -> None:
    c = var("c", I64)
    body: list[Stmt] = [
        Declare(c, Const(0, I64)),
        Assign(c, Const(1, I64)),
        Store(B, sym(0), add(load(A, 0), load(A, 8))),
    ]
    assert len(remove_unread(body, set())) == 1
