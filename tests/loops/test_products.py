"""Products of variables in addresses are bound as soon as, and only where, all of their parts are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import Contract, If, Index, Let, Load, Product, Read, Stmt, Store, While
from pydsl.loops.passes.products import bind_products
from pydsl.loops.walk import walk
from tests.loops.build import (
    BOOL,
    F64,
    I64,
    add,
    apply,
    arg,
    const,
    index,
    load,
    loop,
    loops_of,
    run,
    store,
    sym,
    var,
)

A, B = arg("a", 0), arg("b", 1)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(64.0), np.zeros(64)]


def bound(body: list[Stmt]) -> list[Product]:
    return [s.var for s in walk(body) if isinstance(s, Let) and isinstance(s.var, Product)]


def test_bound_where_the_loop_begins() -> None:
    i, j, n = var("i"), var("j"), var("n")
    row = Product.of(i, 8 * sym(n))
    at = sym(row) + 8 * sym(j)
    body = bind_products([loop(i, n, loop(j, n, store(B, at, load(A, at))))], [n])
    outer, _ = loops_of(body)
    assert isinstance(outer.body[0], Let) and outer.body[0].var is row
    assert bound(body) == [row]
    result = run(body, arrays(), [(n, 5)])
    np.testing.assert_array_equal(result.arrays[1][:25], np.arange(25.0))


def test_nothing_to_bind() -> None:
    body: list[Stmt] = [store(B, 0, const(1.0))]
    assert bind_products(body, []) is body


def test_bound_after_the_later_of_its_parts() -> None:
    """The stride becomes known inside of the loop whose variable is the factor."""
    i, m = var("i"), var("m")
    product = Product.of(i, 8 * sym(m))
    body = [loop(i, 3, Let(m, index(sym(i) + 2)), store(B, sym(product), const(1.0)))]
    body = bind_products(body, [])
    inner = loops_of(body)[0].body
    assert isinstance(inner[0], Let) and inner[0].var is m
    assert isinstance(inner[1], Let) and inner[1].var is product
    result = run(body, arrays())
    np.testing.assert_array_equal(np.flatnonzero(result.arrays[1]), [0, 3, 8])


def test_bound_from_scalars_and_from_other_products() -> None:
    i, n, m = var("i"), var("n"), var("m")
    plane = Product.of(n, 8 * sym(m))
    nested = Product.of(i, Affine.of(plane))
    body = bind_products([loop(i, 2, store(B, sym(nested), const(1.0)))], [n, m])
    assert bound(body) == [plane, nested]
    result = run(body, arrays(), [(n, 3), (m, 4)])
    np.testing.assert_array_equal(np.flatnonzero(result.arrays[1]), [0, 12])


def test_bound_in_every_scope_that_needs_it() -> None:
    i, n = var("i"), var("n")
    product = Product.of(i, 8 * sym(n))
    body: list[Stmt] = [
        loop(i, 2, store(B, sym(product), const(1.0))),
        loop(i, 3, store(B, sym(product) + 8, const(2.0))),
    ]
    body = bind_products(body, [n])
    assert bound(body) == [product, product]
    result = run(body, arrays(), [(n, 4)])
    np.testing.assert_array_equal(np.flatnonzero(result.arrays[1]), [0, 1, 4, 5, 9])


def test_bound_in_branches_separately() -> None:
    k, n = var("k"), var("n")
    product = Product.of(k, 8 * sym(n))
    less = apply("less", load(A, 0), const(1.0), dtype=BOOL)
    branch: list[Stmt] = [Let(k, index(2)), store(B, sym(product), const(1.0))]
    other: list[Stmt] = [Let(k, index(3)), store(B, sym(product), const(1.0))]
    body = bind_products([If(less, branch, other)], [n])
    assert bound(body) == [product, product]
    assert np.flatnonzero(run(body, arrays(), [(n, 3)]).arrays[1]) == [6]


def test_bound_in_the_epilogue_of_a_contraction() -> None:
    m, n, s, acc = var("m"), var("n"), var("s"), var("acc", F64)
    at = sym(Product.of(m, 8 * sym(s))) + 8 * sym(n)
    contract = Contract(
        F64, ((m, 2, 16),), (n, 2, 8), ((2, 8, 16),), A, sym(0), A, sym(0), acc, [store(B, at, Read(acc))]
    )
    body = bind_products([contract], [s])
    result = run(body, arrays(), [(s, 5)])
    expected = np.arange(4.0).reshape(2, 2) @ np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(result.arrays[1][[0, 1, 5, 6]], expected.ravel())


def test_bound_in_the_header_of_a_while_loop() -> None:
    k, n = var("k"), var("n")
    product = Product.of(k, 8 * sym(n))
    read = Load(A, sym(product), F64)
    header: list[Stmt] = [Let(k, Load(arg("ix", 2, I64), sym(0), I64))]
    loop_ = While(
        header,
        apply("less", add(read, load(B, 0)), const(9.0), dtype=BOOL),
        [Store(B, sym(0), add(load(B, 0), Load(A, sym(product), F64)))],
    )
    body = bind_products([loop_], [n])
    assert bound(body) == [product]
    data = [*arrays(), np.array([2])]
    assert run(body, data, [(n, 2)]).arrays[1][0] == 8.0


def test_the_value_is_the_product() -> None:
    i, n = var("i"), var("n")
    product = Product.of(i, 8 * sym(n) + 16)
    body = bind_products([loop(i, 2, store(B, sym(product), const(1.0)))], [n])
    let = loops_of(body)[0].body[0]
    assert isinstance(let, Let) and let.value.dtype == I64
    assert [a.expr for a in let.value.args if isinstance(a, Index)] == [sym(i), 8 * sym(n) + 16]  # type: ignore[attr-defined]
