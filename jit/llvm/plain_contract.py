"""A contraction as plain loops in the loop IR: for integers and bools, dot products, and what is too large to pack."""

from __future__ import annotations

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Assign,
    Const,
    Contract,
    Declare,
    DType,
    Expr,
    For,
    Let,
    Load,
    LoopKind,
    Read,
    Stmt,
    Var,
)

_INT64: DType = np.dtype(np.int64)
_FLOAT16: DType = np.dtype(np.float16)
_FLOAT32: DType = np.dtype(np.float32)


def plain_loops(stmt: Contract) -> list[Stmt]:
    """m and n outside, the sum inside. float16 is summed in float32, as NumPy does."""
    wide = _FLOAT32 if stmt.dtype == _FLOAT16 else stmt.dtype
    total = Var(stmt.acc.name, wide)
    counters = [(Var("k", _INT64), *dim) for dim in stmt.k]
    a_offset, b_offset = stmt.a_offset, stmt.b_offset
    for var, _, stride in stmt.m:
        a_offset = a_offset + Affine.of(var) * stride
    b_offset = b_offset + Affine.of(stmt.n[0]) * stmt.n[2]
    for var, _, a_stride, b_stride in counters:
        a_offset = a_offset + Affine.of(var) * a_stride
        b_offset = b_offset + Affine.of(var) * b_stride
    x = _widened(Load(stmt.a, a_offset, stmt.dtype), wide)
    y = _widened(Load(stmt.b, b_offset, stmt.dtype), wide)
    product = Apply("multiply", (x, y), wide, contract=True)
    body: list[Stmt] = [
        Assign(total, Apply("add", (Read(total), product), wide, reassoc=True, contract=True))
    ]
    kind = LoopKind.VECTOR
    for var, extent, _, _ in reversed(counters):
        body = [For(var, Affine.of(0), Affine.of(extent), body, kind)]
        kind = LoopKind.SERIAL
    result: Expr = Read(total)
    if wide != stmt.dtype:
        result = Apply("cast", (result,), stmt.dtype)
    body = [Declare(total, Const(0, wide)), *body, Let(stmt.acc, result), *stmt.epilogue]
    for var, extent, _ in (stmt.n, *reversed(stmt.m)):
        body = [For(var, Affine.of(0), Affine.of(extent), body)]
    return body


def _widened(expr: Expr, dtype: DType) -> Expr:
    return expr if expr.dtype == dtype else Apply("cast", (expr,), dtype)
