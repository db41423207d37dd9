"""argmax and argmin: the first extreme element; the first NaN wins over everything.

Before::

    @i[0] = argmax over r in [0, n) of @x[4*r]

After::

    for block: extreme of 256 elements, as vectors; the first block with the best one is remembered
    for lane in that block: the least index at which the best one is found

The value is computed a second time in one block, so this is for values that are the same bits whenever they are
computed; others are compared one by one.
"""

from __future__ import annotations

import numpy as np

from pydsl.fusion.state import INT64
from pydsl.fusion.statement import IndexedLoad, Statement, substitute
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Assign,
    Const,
    Declare,
    DType,
    Expr,
    For,
    Index,
    Let,
    Read,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.walk import subexpressions
from pydsl.lowering.reductions import plain

BOOL = np.dtype(np.bool_)
UINT8 = np.dtype(np.uint8)
INT32 = np.dtype(np.int32)
#: elements of a block
BLOCK = 256
#: as many are compared one by one
FEW = 4
_EXACT = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "sqrt", "absolute", "negative", "square", "copy", "cast"),
        *(
            "greater",
            "less",
            "greater_equal",
            "less_equal",
            "equal",
            "not_equal",
            "select",
            "maximum",
            "minimum",
        ),
        *("bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_not"),
    )
)


def lower_argument(statement: Statement) -> list[Stmt]:
    """The index of the extreme element, at one point of the result."""
    assert statement.value is not None
    (extent,) = statement.reduce_extents
    dtype = statement.value.dtype
    few = extent.is_const and extent.value <= FEW
    if few or dtype.kind not in "fiub" or (dtype.itemsize == 2 and dtype.kind == "f"):
        return _one_by_one(statement)
    return _by_blocks(statement) if _exact(statement.value) else _one_by_one(statement)


def _exact(expr: Expr) -> bool:
    nodes = list(subexpressions(expr))
    if any(isinstance(node, Apply) and (node.name not in _EXACT or node.contract) for node in nodes):
        return False
    return all(_exact(index) for node in nodes if isinstance(node, IndexedLoad) for index, _ in node.terms)


def _by_blocks(statement: Statement) -> list[Stmt]:
    assert statement.value is not None and statement.buffer is not None
    (var,), (extent,) = statement.reduce_vars, statement.reduce_extents
    value = statement.value
    if value.dtype == BOOL:
        value = Apply("cast", (value,), UINT8)
    dtype = value.dtype
    best, start, at = Var("best", dtype), Var("block_at", INT64, (0, None)), Var("at", INT32)
    before, first = plain(substitute(value, {var: Affine.of(0)}))
    out: list[Stmt] = [*before, Declare(best, first), Declare(start, Const(0, INT64))]
    if extent.is_const:
        whole, rest = Affine.of(extent.value // BLOCK), Affine.of(extent.value % BLOCK)
    else:
        blocks = Var("blocks", INT64, (0, None))
        out.append(Let(blocks, Apply("floor_divide", (Index(extent), Const(BLOCK, INT64)), INT64)))
        whole = Affine.of(blocks)
        rest = extent - whole * BLOCK
    block = Var("block", INT64, (0, None))

    def compare(begin: Affine, length: Affine) -> list[Stmt]:
        return _block(statement.reduction, value, var, (begin, length), (best, start))

    if not (whole.is_const and whole.value == 0):
        body = compare(Affine.of(block) * BLOCK, Affine.of(BLOCK))
        out.append(For(block, Affine.of(0), whole, body, label="reduce"))
    if not (rest.is_const and rest.value == 0):
        out += compare(whole * BLOCK, rest)
    found, wanted = Var("found", INT64, (0, None)), Var("wanted", dtype)
    out += [Let(found, Read(start)), Let(wanted, Read(best)), Declare(at, Const(BLOCK, INT32))]
    left = Apply("minimum", (Const(BLOCK, INT64), Index(extent - Affine.of(found))), INT64)
    length = Var("length", INT64, (0, BLOCK))
    out.append(Let(length, left))
    out.append(_search(value, var, (found, length, wanted, at)))
    index = Apply("add", (Read(found), Apply("cast", (Read(at),), INT64)), INT64)
    out.append(Store(statement.buffer, statement.address, index))
    return out


def _block(
    reduction: str, value: Expr, var: Var, span: tuple[Affine, Affine], known: tuple[Var, Var]
) -> list[Stmt]:
    """The extreme of one block, and whether it is better than what is known."""
    begin, length = span
    best, start = known
    dtype = value.dtype
    lane, extreme, candidate = (
        Var("lane", INT64, (0, BLOCK - 1)),
        Var("extreme", dtype),
        Var("candidate", dtype),
    )
    flag = Var("better", BOOL)
    inside, element = plain(substitute(value, {var: begin + Affine.of(lane)}))
    more = Apply(
        "maximum" if reduction == "argmax" else "minimum", (Read(extreme), element), dtype, reassoc=True
    )
    begin_at = Index(begin)
    out: list[Stmt] = [
        Declare(extreme, _worst(reduction, dtype)),
        For(lane, Affine.of(0), length, [*inside, Assign(extreme, more)], label="reduce"),
        Let(candidate, Read(extreme)),
        Let(flag, beats(reduction, Read(candidate), Read(best))),
        Assign(best, Apply("select", (Read(flag), Read(candidate), Read(best)), dtype)),
        Assign(start, Apply("select", (Read(flag), begin_at, Read(start)), INT64)),
    ]
    return out


def _worst(reduction: str, dtype: DType) -> Const:
    low = reduction == "argmax"
    if dtype.kind == "f":
        return Const(float("-inf") if low else float("inf"), dtype)
    info = np.iinfo(dtype)
    return Const(int(info.min if low else info.max), dtype)


def _search(value: Expr, var: Var, names: tuple[Var, Var, Var, Var]) -> Stmt:
    """The least index in the block at which the best element is; there is no NaN unless that is the best one."""
    found, length, wanted, at = names
    lane = Var("lane", INT64, (0, BLOCK - 1))
    place = Affine.of(found) + Affine.of(lane)
    inside, element = plain(substitute(value, {var: place}))
    candidate, hit = Var("candidate", value.dtype), Var("hit", BOOL)
    same: Expr = Apply("equal", (Read(candidate), Read(wanted)), BOOL)
    if value.dtype.kind == "f":
        same = Apply("logical_or", (same, Apply("isnan", (Read(candidate),), BOOL)), BOOL)
    here = Apply("cast", (Index(Affine.of(lane)),), INT32)
    index = Apply("select", (Read(hit), here, Const(BLOCK, INT32)), INT32)
    body: list[Stmt] = [
        *inside,
        Let(candidate, element),
        Let(hit, same),
        Assign(at, Apply("minimum", (Read(at), index), INT32, reassoc=True)),
    ]
    return For(lane, Affine.of(0), Affine.of(length), body, label="reduce")


def beats(reduction: str, candidate: Expr, best: Expr) -> Expr:
    """Whether a later element replaces the best one so far in argmax or argmin."""
    better: Expr = Apply("greater" if reduction == "argmax" else "less", (candidate, best), BOOL)
    if candidate.dtype.kind != "f":
        return better
    number = Apply("logical_not", (Apply("isnan", (best,), BOOL),), BOOL)
    better = Apply("logical_or", (better, Apply("isnan", (candidate,), BOOL)), BOOL)
    return Apply("logical_and", (better, number), BOOL)


def _one_by_one(statement: Statement) -> list[Stmt]:
    """The best element and its place are carried along."""
    assert statement.value is not None and statement.buffer is not None
    (var,), (extent,) = statement.reduce_vars, statement.reduce_extents
    dtype = statement.value.dtype
    before, first = plain(substitute(statement.value, {var: Affine.of(0)}))
    best, at, candidate = Var("best", dtype), Var("best_at", INT64), Var("candidate", dtype)
    inside, value = plain(substitute(statement.value, {var: Affine.of(var) + 1}))
    better = beats(statement.reduction, Read(candidate), Read(best))
    flag = Var("better", BOOL)
    step: list[Stmt] = [
        *inside,
        Let(candidate, value),
        Let(flag, better),
        Assign(best, Apply("select", (Read(flag), Read(candidate), Read(best)), dtype)),
        Assign(at, Apply("select", (Read(flag), Index(Affine.of(var) + 1), Read(at)), INT64)),
    ]
    return [
        *before,
        Declare(best, first),
        Declare(at, Const(0, INT64)),
        For(var, Affine.of(0), extent - 1, step, label="reduce"),
        Store(statement.buffer, statement.address, Read(at)),
    ]
