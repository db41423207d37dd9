"""A matrix product as loops: what a library call does, for a machine without the library."""

from __future__ import annotations

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    INT64,
    Apply,
    Assign,
    Buffer,
    Const,
    Declare,
    Expr,
    For,
    Gemm,
    Load,
    Read,
    Store,
    Var,
    product_of,
)


def product_loops(stmt: Gemm) -> For:
    """``for i in m: for j in n: c[i, j] = sum over k of a[i, k] * b[k, j]``; all sizes are constant."""
    i, j, k = (
        Var(name, INT64, (0, extent.value - 1))
        for name, extent in (("i", stmt.m), ("j", stmt.n), ("k", stmt.k))
    )
    acc = Var("acc", stmt.dtype)
    a = _element(stmt.a, stmt.a_offset, stmt.lda, (k, i) if stmt.trans_a else (i, k), stmt)
    b = _element(stmt.b, stmt.b_offset, stmt.ldb, (j, k) if stmt.trans_b else (k, j), stmt)
    c = _element(stmt.c, stmt.c_offset, stmt.ldc, (i, j), stmt)
    product = Apply("multiply", (a, b), stmt.dtype, contract=True)
    step = Assign(acc, Apply("add", (Read(acc), product), stmt.dtype, contract=True))
    start: Expr = Const(0.0, stmt.dtype)
    if stmt.beta:
        start = Apply("multiply", (Const(stmt.beta, stmt.dtype), c), stmt.dtype)
    inner = [
        Declare(acc, start),
        For(k, Affine.of(0), stmt.k, [step], label="reduce"),
        Store(stmt.c, c.offset, Read(acc)),
    ]
    columns = For(j, Affine.of(0), stmt.n, inner, independent=True)
    return For(i, Affine.of(0), stmt.m, [columns], independent=True, kernel=stmt.kernel)


def _element(buffer: Buffer, offset: Affine, lead: Affine, at: tuple[Var, Var], stmt: Gemm) -> Load:
    row, column = at
    place = product_of(Affine.of(row), lead) + Affine.of(column)
    return Load(buffer, offset + place * stmt.dtype.itemsize, stmt.dtype)
