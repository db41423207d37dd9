"""Short constant loops are unrolled inside longer ones, and copies of statements have variables of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Assign,
    Break,
    Const,
    Declare,
    If,
    Let,
    Product,
    Read,
    Stmt,
    Store,
    Var,
    substitute_index,
)
from pydsl.loops.passes.products import bind_products
from pydsl.loops.passes.unroll import unroll_short, unrolled
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import walk
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
    loops_of,
    mul,
    run,
    store,
    sym,
    var,
)

A, B = arg("a", 0), arg("b", 1)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(200.0), np.zeros(200)]


def columns(rows: int, columns: int) -> list[Stmt]:
    i, j, x, total = var("i"), var("j"), var("x", F64), var("s", F64)
    at = 8 * columns * sym(i) + 8 * sym(j)
    inner = loop(
        j, columns, Let(x, load(A, at)), bump(total, Read(x)), store(B, at, mul(Read(x), Read(total)))
    )
    return [loop(i, rows, Declare(total, const(0.0)), inner)]


def test_columns_unroll_inside_rows() -> None:
    body = unroll_short(columns(40, 4))
    assert [x.stop.value for x in loops_of(body)] == [40]
    run(columns(40, 4), arrays()).same(run(body, arrays()))


def test_copies_declare_their_own_variables() -> None:
    body = unroll_short(columns(40, 4))
    declared = [s.var for s in walk(body) if isinstance(s, (Let, Declare))]
    assert len(declared) == len(set(declared)) == 5


def test_what_stays() -> None:
    assert len(loops_of(unroll_short(columns(9, 20)))) == 2  # long
    assert len(loops_of(unroll_short(columns(6, 5)))) == 2  # the loop around is not longer
    user = columns(40, 4)
    loops_of(user)[1].label = "user"
    assert len(loops_of(unroll_short(user))) == 2
    i, j = var("i"), var("j")
    body: list[Stmt] = [loop(i, 40, loop(j, 3, If(Const(True, BOOL), [Break()])))]
    assert len(loops_of(unroll_short(body))) == 2


def test_a_loop_around_a_long_loop_stays() -> None:
    """Twelve copies of a loop of 64 only cost compile time: the loop around would not be vectorised."""
    t, i, j = var("t"), var("i"), var("j")
    at = 8 * sym(i) + 16 * sym(j)
    body: list[Stmt] = [loop(t, 128, loop(i, 2, loop(j, 64, store(B, at, load(A, at)))))]
    assert len(loops_of(unroll_short(body))) == 3


def test_no_iterations() -> None:
    body = unroll_short(columns(40, 0))
    run(columns(40, 0), arrays()).same(run(body, arrays()))


def test_loops_with_another_start() -> None:
    def body() -> list[Stmt]:
        i, j = var("i"), var("j")
        return [loop(i, 30, loop(j, 5, store(B, 24 * sym(i) + 8 * sym(j), load(A, 8 * sym(j))), start=2))]

    assert len(loops_of(unroll_short(body()))) == 1
    run(body(), arrays()).same(run(unroll_short(body()), arrays()))


def test_inner_loops_are_copied_with_variables_of_their_own() -> None:
    def inner() -> list[Stmt]:
        j, k = var("j"), var("k")
        at = 160 * sym(j) + 8 * sym(k)
        return [loop(j, 3, loop(k, 20, store(B, at, add(load(A, at), index_value(j, k)))))]

    body = unrolled(loops_of(inner())[0])
    made = loops_of(body)
    assert len(made) == 3 and len({x.var for x in made}) == 3
    run(inner(), arrays()).same(run(body, arrays()))


def index_value(j: Var, k: Var) -> Any:
    return apply("cast", apply("add", Read(j), index(2 * sym(k))), dtype=F64)


def test_variables_of_another_scope_stay() -> None:
    total, x = var("s", F64), var("x", F64)
    copy = substituted([Let(x, Read(total)), Assign(total, Read(x))], {})
    first, second = copy
    assert isinstance(first, Let) and isinstance(second, Assign)
    assert first.var is not x and second.var is total
    assert isinstance(first.value, Read) and first.value.var is total
    assert isinstance(second.value, Read) and second.value.var is first.var


def test_index_variables_declared_inside_are_followed() -> None:
    i, k = var("i"), var("k")
    body: list[Stmt] = [Let(k, index(2 * sym(i))), Store(B, 8 * sym(k), const(1.0))]
    copy = substituted(body, {i: sym(7)})
    assert isinstance(copy[0], Let) and isinstance(copy[1], Store)
    assert copy[1].offset == 8 * sym(copy[0].var)
    run([loop(i, 3, *body)], arrays()).same(run(unrolled(loop(i, 3, *body)), arrays()))


def test_products_follow_their_factor_and_their_stride() -> None:
    i, j, n, m = (var(name) for name in "ijnm")
    expr = 3 * Affine.of(Product.of(i, 8 * sym(n))) + sym(j)
    assert substitute_index(expr, {i: sym(2)}) == 48 * sym(n) + sym(j)
    assert substitute_index(expr, {n: sym(5)}) == 120 * sym(i) + sym(j)
    moved = substitute_index(expr, {i: sym(j) + 1})
    assert moved == 3 * sym(Product.of(j, 8 * sym(n))) + 24 * sym(n) + sym(j)
    renamed = substitute_index(expr, {n: sym(m)})
    assert renamed == 3 * sym(Product.of(i, 8 * sym(m))) + sym(j)
    nested = sym(Product.of(Product.of(i, sym(n)), sym(m)))
    assert substitute_index(nested, {i: sym(j)}) == sym(Product.of(Product.of(j, sym(n)), sym(m)))


def test_unrolling_with_symbolic_strides() -> None:
    n = var("n", I64, 0, 10)

    def body() -> list[Stmt]:
        i, j = var("i"), var("j")
        at = sym(Product.of(j, 8 * sym(n))) + 8 * sym(i)
        return [loop(i, n, loop(j, 4, store(B, at, load(A, at))))]

    plain, short = bind_products(body(), [n]), bind_products(unroll_short(body()), [n])
    assert len(loops_of(short)) == 1
    for value in (0, 1, 10):
        run(plain, arrays(), [(n, value)]).same(run(short, arrays(), [(n, value)]))
