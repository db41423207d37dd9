"""Contractions: register tiles, library GEMM, or a reduction, whichever the shapes ask for.

- one side is a vector (no m or no n dimension): a reduction of products, vectorised along its contiguous dimension;
- everything static and the right operand of moderate size: register-tiled code that reads the left operand through
  its strides, so a convolution over sliding windows needs no copy of the windows; the epilogue runs on the tile in
  registers;
- large matrices with plain strides: the library's GEMM, the epilogue as loops after it;
- the rest: loops in the order m, k, n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pydsl.fusion.statement import Statement
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Const,
    Contract,
    Expr,
    For,
    Gemm,
    Load,
    Read,
    Stmt,
    Store,
    Var,
)
from pydsl.lowering.reductions import lower_reduction

Dim = tuple[Var, Affine]

#: products (m*n*k) from which the library is better than our own tiles, when its layout rules are met
LIBRARY_WORK = 1 << 21
#: bytes of the right operand up to which our own tiles are as fast as the library, however large the left one is:
#: packed it stays in the level-2 cache, and the epilogue runs on registers
CACHED_BYTES = 128 << 10
#: bytes of the right operand that the register-tiled code keeps packed
PACKED_BYTES = 1 << 20


@dataclass
class _Shape:
    """The dimensions of a contraction by the operands they occur in."""

    batch: list[Dim]
    m: list[Dim]
    n: list[Dim]
    k: list[Dim]
    a: Load
    b: Load


def lower_contraction(statement: Statement, loops: list[Dim], epilogue: list[Stmt]) -> list[Stmt]:
    """``dst = sum of products`` with the explicit ``loops`` around it, each element followed by ``epilogue``.

    Parameters
    ----------
    loops: the loops of the result's dimensions, outermost first; the epilogue refers to their variables.
    """
    shape = _classify(statement, loops)
    if shape is not None and statement.dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        gemm = _gemm(statement, shape, epilogue, loops)
        if gemm is not None:
            return gemm
        tiled = _tiled(statement, shape, epilogue)
        if tiled is not None:
            return tiled
    return _reduction(statement, loops, epilogue)


def _classify(statement: Statement, loops: list[Dim]) -> _Shape | None:
    value = statement.value
    if not isinstance(value, Apply) or value.name != "multiply":
        return None
    a, b = value.args
    if not isinstance(a, Load) or not isinstance(b, Load):
        return None
    k = [
        (v, e)
        for v, e in zip(statement.reduce_vars, statement.reduce_extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    if any(not isinstance(s, Var) for e in (a.offset, b.offset) for s in e.symbols()):
        return None
    batch: list[tuple[Var, Affine]] = []
    m: list[tuple[Var, Affine]] = []
    n: list[tuple[Var, Affine]] = []
    for var, extent in loops:
        in_a, in_b = a.offset.coeff(var) != 0, b.offset.coeff(var) != 0
        (batch if in_a == in_b else m if in_a else n).append((var, extent))
    if (
        n
        and b.offset.coeff(n[-1][0]) != b.dtype.itemsize
        and m
        and a.offset.coeff(m[-1][0]) == a.dtype.itemsize
    ):
        a, b, m, n = b, a, n, m
    k.sort(key=lambda d: -abs(a.offset.coeff(d[0])))
    return _Shape(batch, m, n, k, a, b)


def _constant(dims: list[Dim]) -> bool:
    return all(e.is_const for _, e in dims)


def _size(dims: list[Dim]) -> int:
    total = 1
    for _, extent in dims:
        total *= extent.value
    return total


def _around(loops: list[Dim], body: list[Stmt]) -> list[Stmt]:
    for var, extent in reversed(loops):
        body = [For(var, Affine.of(0), extent, body)]
    return body


def _tiled(statement: Statement, shape: _Shape, epilogue: list[Stmt]) -> list[Stmt] | None:
    if not shape.n or not shape.m or not shape.k or not _constant(shape.m + shape.n + shape.k):
        return None
    n = shape.n[-1]
    outer = shape.batch + shape.n[:-1]
    itemsize = shape.b.dtype.itemsize
    if _size(shape.k) * n[1].value * itemsize > PACKED_BYTES or _size(shape.k) == 0:
        return None
    assert statement.buffer is not None and statement.dtype is not None
    acc = Var("acc", statement.dtype)
    contract = Contract(
        statement.dtype,
        tuple((v, e.value, shape.a.offset.coeff(v)) for v, e in shape.m),
        (n[0], n[1].value, shape.b.offset.coeff(n[0])),
        tuple((e.value, shape.a.offset.coeff(v), shape.b.offset.coeff(v)) for v, e in shape.k),
        shape.a.buffer,
        shape.a.offset.without([v for v, _ in (*shape.m, *shape.k)]),
        shape.b.buffer,
        shape.b.offset.without([v for v, _ in (n, *shape.k)]),
        acc,
        [Store(statement.buffer, statement.address, Read(acc)), *epilogue],
    )
    return _around(outer, [contract])


def _gemm(statement: Statement, shape: _Shape, epilogue: list[Stmt], loops: list[Dim]) -> list[Stmt] | None:
    if len(shape.m) != 1 or len(shape.n) != 1 or len(shape.k) != 1:
        return None
    (m,), (n,), (k,) = shape.m, shape.n, shape.k
    if _constant([m, n, k]) and _size([m, n, k]) < LIBRARY_WORK:
        return None
    if _constant([m, n, k]) and _size([n, k]) * shape.b.dtype.itemsize <= CACHED_BYTES:
        return None
    assert statement.buffer is not None and statement.dtype is not None
    itemsize = statement.dtype.itemsize
    a = _matrix(shape.a.offset, m, k, itemsize)
    b = _matrix(shape.b.offset, k, n, itemsize)
    c = _matrix(statement.address, m, n, itemsize)
    if a is None or b is None or c is None:
        return None
    if c[1]:
        m, n, a, b = n, m, (b[0], not b[1]), (a[0], not a[1])
        shape = _Shape(shape.batch, [m], [n], [k], shape.b, shape.a)
        c = (c[0], False)
    call = Gemm(
        statement.dtype,
        m[1],
        n[1],
        k[1],
        shape.a.buffer,
        shape.a.offset.without([m[0], k[0]]),
        Affine.of(a[0]),
        a[1],
        shape.b.buffer,
        shape.b.offset.without([k[0], n[0]]),
        Affine.of(b[0]),
        b[1],
        statement.buffer,
        statement.address.without([m[0], n[0]]),
        Affine.of(c[0]),
    )
    after = _around([m, n], epilogue) if epilogue else []
    return _around(shape.batch, [call, *after])


def _matrix(address: Affine, row: Dim, column: Dim, itemsize: int) -> tuple[int, bool] | None:
    """Leading dimension in elements and whether the matrix is stored transposed; None if the library cannot take it.

    The library wants lines that do not overlap: windows that slide over one vector are none of its matrices.
    """
    down, right = address.coeff(row[0]), address.coeff(column[0])
    for lead, unit, length, transposed in ((down, right, column[1], False), (right, down, row[1], True)):
        if unit != itemsize or lead <= 0 or lead % itemsize:
            continue
        if length.is_const and lead // itemsize >= length.value:
            return lead // itemsize, transposed
    return None


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
        clear = _around(loops[-1:], [Store(statement.buffer, statement.address, Const(0, statement.dtype))])
        add = _around([*reduced, loops[-1]], [Store(statement.buffer, statement.address, more)])
        finish = _around(loops[-1:], epilogue) if epilogue else []
        return _around(loops[:-1], [*clear, *add, *finish])
    return _around(loops, [*lower_reduction(statement), *epilogue])
