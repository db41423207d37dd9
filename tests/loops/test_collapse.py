"""Perfectly nested loops over contiguous memory become one, and others stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.loops.ir import Assign, Declare, For, Let, LoopKind, Product, Read, Stmt, Store
from pydsl.loops.passes.collapse import collapse
from tests.loops.build import F64, add, apply, arg, const, index, load, loop, loops_of, run, store, sym, var

A, B = arg("a", 0), arg("b", 1)


def nest(outer: Any, inner: Any, scale_i: int, scale_j: int = 8, **more: Any) -> list[Stmt]:
    i, j = var("i"), var("j")
    at = scale_i * sym(i) + scale_j * sym(j)
    return [loop(i, outer, loop(j, inner, store(B, at, add(load(A, at), const(1.0))), **more))]


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(100.0), np.zeros(100)]


def test_contiguous_loops_become_one() -> None:
    body = collapse(nest(10, 4, 32))
    (only,) = loops_of(body)
    assert only.stop.value == 40
    run(nest(10, 4, 32), arrays()).same(run(body, arrays()))


def test_three_levels_become_one() -> None:
    i, j, k = var("i"), var("j"), var("k")

    def body() -> list[Stmt]:
        at = 96 * sym(i) + 24 * sym(j) + 8 * sym(k)
        return [loop(i, 5, loop(j, 4, loop(k, 3, store(B, at, load(A, at)))))]

    collapsed = collapse(body())
    assert [x.stop.value for x in loops_of(collapsed)] == [60]
    run(body(), arrays()).same(run(collapsed, arrays()))


def test_a_symbolic_outer_extent() -> None:
    n = var("n")
    body = collapse(nest(n, 4, 32))
    (only,) = loops_of(body)
    assert only.stop == 4 * sym(n)
    for value in (0, 1, 7):
        run(nest(n, 4, 32), arrays(), [(n, value)]).same(run(body, arrays(), [(n, value)]))


def test_no_iterations() -> None:
    for outer, inner in ((0, 4), (4, 0)):
        run(nest(outer, inner, 8 * inner), arrays()).same(
            run(collapse(nest(outer, inner, 8 * inner)), arrays())
        )


@pytest.mark.parametrize("more", [{"kind": LoopKind.VECTOR}, {"label": "user"}, {"start": 1}])
def test_loops_that_mean_something_stay(more: dict[str, Any]) -> None:
    assert len(loops_of(collapse(nest(10, 4, 32, **more)))) == 2


def test_rows_with_gaps_stay() -> None:
    assert len(loops_of(collapse(nest(10, 4, 40)))) == 2


def test_an_index_in_a_value_stays() -> None:
    i, j = var("i"), var("j")
    at = 32 * sym(i) + 8 * sym(j)
    value = apply("cast", Read(i), dtype=F64)
    assert len(loops_of(collapse([loop(i, 10, loop(j, 4, store(B, at, value)))]))) == 2
    value = apply("cast", index(sym(i) + sym(j)), dtype=F64)
    assert len(loops_of(collapse([loop(i, 10, loop(j, 4, store(B, at, value)))]))) == 2
    flat = apply("cast", index(4 * sym(i) + sym(j)), dtype=F64)
    assert len(loops_of(collapse([loop(i, 10, loop(j, 4, store(B, at, flat)))]))) == 1


def test_a_product_with_the_variable_stays() -> None:
    i, j, n = var("i"), var("j"), var("n")
    at = 32 * sym(i) + 8 * sym(j)
    there = sym(Product.of(i, sym(n))) + at
    assert len(loops_of(collapse([loop(i, 10, loop(j, 4, store(B, at, load(A, there))))]))) == 2


def test_accumulators_keep_their_order() -> None:
    def body() -> list[Stmt]:
        i, j, total, x = var("i"), var("j"), var("s", F64), var("x", F64)
        at = 32 * sym(i) + 8 * sym(j)
        step: list[Stmt] = [
            Let(x, load(A, at)),
            Assign(total, apply("subtract", Read(x), Read(total))),
            Store(B, at, Read(total)),
        ]
        return [Declare(total, const(0.5)), loop(i, 10, loop(j, 4, *step)), store(B, 8 * 99, Read(total))]

    collapsed = collapse(body())
    assert len(loops_of(collapsed)) == 1
    run(body(), arrays()).same(run(collapsed, arrays()))


def test_the_number_of_the_kernel_stays() -> None:
    body = nest(10, 4, 32)
    assert isinstance(body[0], For)
    body[0].kernel = 3
    assert loops_of(collapse(body))[0].kernel == 3
