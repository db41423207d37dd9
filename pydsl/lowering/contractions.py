"""Contractions: register tiles, library GEMM, or a reduction, whichever the shapes ask for.

- a vector times a matrix whose rows lie in order: register tiles of one row, the library when it is large; what else
  has a vector on one side (no m or no n dimension): a reduction of products;
- everything static and the right operand of moderate size: register-tiled code that reads the left operand through
  its strides, so a convolution over sliding windows needs no copy of the windows; the epilogue runs on the tile in
  registers;
- large matrices: the library's GEMM, the epilogue as loops after it; operands that it cannot take are copied first;
- the rest: loops in the order m, k, n.
"""

from __future__ import annotations

import numpy as np

from pydsl.fusion.state import INT64
from pydsl.fusion.statement import Statement
from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, Const, Contract, Expr, Load, Read, Stmt, Store, Var
from pydsl.lowering.library import copied_product, device_product, library_product
from pydsl.lowering.products import Dim, Product, around, classify, constant, size
from pydsl.lowering.reductions import lower_products, lower_reduction

#: bytes of the right operand that the register-tiled code keeps packed
PACKED_BYTES = 1 << 20


def lower_contraction(
    statement: Statement, loops: list[Dim], epilogue: list[Stmt], *, threads: bool = False
) -> list[Stmt]:
    """``dst = sum of products`` with the explicit ``loops`` around it, each element followed by ``epilogue``.

    Parameters
    ----------
    loops: the loops of the result's dimensions, outermost first; the epilogue refers to their variables.
    threads: for a GPU: always one accumulator for each element.
    """
    if threads:
        product = classify(statement, loops) if loops else None
        made = None if product is None else device_product(statement, product, epilogue)
        if made is not None:
            return made
        total = lower_products(statement) if loops else lower_reduction(statement, threads=True)
        return around(loops, [*total, *epilogue])
    product = classify(statement, loops)
    if product is not None:
        for strategy in (library_product, _tiled, copied_product):
            made = strategy(statement, product, epilogue)
            if made is not None:
                return made
    return _reduction(statement, loops, epilogue)


def _tiled(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    if statement.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        return None
    product = _one_row(product)
    if not product.n or not product.m or not product.k or not constant(product.m + product.n + product.k):
        return None
    n = product.n[-1]
    outer = product.batch + product.n[:-1]
    itemsize = product.b.dtype.itemsize
    if size(product.k) * n[1].value * itemsize > PACKED_BYTES or size(product.k) == 0:
        return None
    assert statement.buffer is not None and statement.dtype is not None
    acc = Var("acc", statement.dtype)
    contract = Contract(
        statement.dtype,
        tuple((v, e.value, product.a.offset.coeff(v)) for v, e in product.m),
        (n[0], n[1].value, product.b.offset.coeff(n[0])),
        tuple((e.value, product.a.offset.coeff(v), product.b.offset.coeff(v)) for v, e in product.k),
        product.a.buffer,
        product.a.offset.without([v for v, _ in (*product.m, *product.k)]),
        product.b.buffer,
        product.b.offset.without([v for v, _ in (n, *product.k)]),
        acc,
        [Store(statement.buffer, statement.address, Read(acc)), *epilogue],
    )
    return around(outer, [contract])


def _one_row(product: Product) -> Product:
    """A vector times a matrix whose rows lie in order, either way around, as the product of a matrix of one row."""
    if product.m and not product.n:
        product = Product(product.batch, [], product.m, product.k, product.b, product.a)
    if product.m or not product.n or product.b.offset.coeff(product.n[-1][0]) != product.b.dtype.itemsize:
        return product
    one = Var("one", INT64), Affine.of(1)
    return Product(product.batch, [one], product.n, product.k, product.a, product.b)


def _reduction(statement: Statement, loops: list[Dim], epilogue: list[Stmt]) -> list[Stmt]:
    assert statement.dtype is not None and statement.value is not None and statement.buffer is not None
    strides = [abs(load.offset.coeff(loops[-1][0])) for load in statement.loads()] if loops else []
    itemsize = statement.dtype.itemsize
    inner_is_contiguous = bool(loops) and all(s in (0, itemsize) for s in strides) and any(strides)
    reduced = [
        (v, e)
        for v, e in zip(statement.reduce_vars, statement.reduce_extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    strided = any(abs(load.offset.coeff(v)) > itemsize for load in statement.loads() for v, _ in reduced)
    if inner_is_contiguous and strided:
        # k outside of the contiguous result dimension: rows are added to the result
        load = Load(statement.buffer, statement.address, statement.dtype)
        more: Expr = Apply("add", (load, statement.value), statement.dtype, contract=True)
        clear = around(loops[-1:], [Store(statement.buffer, statement.address, Const(0, statement.dtype))])
        add = around([*reduced, loops[-1]], [Store(statement.buffer, statement.address, more)])
        finish = around(loops[-1:], epilogue) if epilogue else []
        return around(loops[:-1], [*clear, *add, *finish])
    return around(loops, [*lower_reduction(statement), *epilogue])
