"""Library products on threads: panels of rows, or of columns, each a product of its own.

Before::

    gemm m 600 n 500 k 400 @a[0] @b[0] @c[0]

After::

    for panel in [0, 4) parallel:
        let rows = minimum(160, 600 - 160*panel)
        gemm m rows n 500 k 400 @a[160*lda*panel] @b[0] @c[160*ldc*panel]
"""

from __future__ import annotations

from dataclasses import replace

from pydsl.ir.affine import Affine
from pydsl.loops.ir import INT64, Apply, Const, Expr, For, Gemm, Index, Let, LoopKind, Stmt, Var

#: panels for each thread: the last one to finish is waited for
PER_THREAD = 2
#: rows of a panel: the library is good at multiples of it, and what it copies for each panel must pay
LEAST_ROWS = 64
LEAST_VECTOR_ROWS = 256
#: rows of a panel where the size is known at run time only
UNKNOWN_ROWS = 128


def panels(stmt: Gemm, threads: int) -> list[Stmt] | None:
    """The product as a parallel loop over panels; None where there would be only one.

    The iterations are independent: the result shares no memory with the operands.
    """
    by_rows = _size(stmt.m, 0) >= _size(stmt.n, 0) or (not stmt.m.is_const and not stmt.n.is_const)
    whole = stmt.m if by_rows else stmt.n
    least = LEAST_VECTOR_ROWS if _is_one(stmt.n) or _is_one(stmt.m) else LEAST_ROWS
    height = _height(whole, least, threads)
    before: list[Stmt] = []
    if whole.is_const:
        count = Affine.of(-(-whole.value // height))
        if count.value < 2:
            return None
    else:
        number = Var("panels", INT64, (0, None))
        before.append(Let(number, _op("floor_divide", Index(whole + (height - 1)), height)))
        count = Affine.of(number)
    panel = Var("panel", INT64, (0, count.value - 1 if count.is_const else None))
    first = Affine.of(panel) * height
    inside: list[Stmt] = []
    if whole.is_const and whole.value % height == 0:
        rows = Affine.of(height)
    else:
        left = Var("rows", INT64, (1, height))
        inside.append(Let(left, _op("minimum", Index(whole - first), height)))
        rows = Affine.of(left)
    part = _part(stmt, first, rows, by_rows, inside)
    loop = For(panel, Affine.of(0), count, [*inside, part], LoopKind.PARALLEL, independent=True)
    return [*before, loop]


def _part(stmt: Gemm, first: Affine, rows: Affine, by_rows: bool, before: list[Stmt]) -> Gemm:
    """The product for `rows` rows, or columns, from the given one on."""
    itemsize = stmt.dtype.itemsize
    one = Affine.of(1)

    def moved(offset: Affine, lead: Affine) -> Affine:
        step = lead * itemsize
        if step.is_const:
            return offset + first * step.value
        distance = Var("distance", INT64)
        before.append(Let(distance, Apply("multiply", (Index(first), Index(step)), INT64)))
        return offset + Affine.of(distance)

    if by_rows:
        a_offset = moved(stmt.a_offset, one if stmt.trans_a else stmt.lda)
        return replace(stmt, m=rows, a_offset=a_offset, c_offset=moved(stmt.c_offset, stmt.ldc))
    b_offset = moved(stmt.b_offset, stmt.ldb if stmt.trans_b else one)
    return replace(stmt, n=rows, b_offset=b_offset, c_offset=moved(stmt.c_offset, one))


def _height(whole: Affine, least: int, threads: int) -> int:
    if not whole.is_const:
        return UNKNOWN_ROWS
    even = -(-whole.value // (PER_THREAD * threads))
    return max(least, -(-even // 16) * 16)


def _size(extent: Affine, unknown: int) -> int:
    return extent.value if extent.is_const else unknown


def _is_one(extent: Affine) -> bool:
    return extent.is_const and extent.value == 1


def _op(name: str, value: Expr, number: int) -> Expr:
    return Apply(name, (value, Const(number, INT64)), INT64)
