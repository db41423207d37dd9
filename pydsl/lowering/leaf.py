"""Statements to loop IR: the body of the innermost loops, the reductions inside them, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.fusion.nests import Nest
from pydsl.fusion.state import INT64, LoweringState
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind, rewrite
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Assign,
    Const,
    Declare,
    Expr,
    Fail,
    For,
    If,
    Let,
    Load,
    LoopKind,
    Read,
    Stmt,
    Store,
    Var,
)
from pydsl.lowering.arguments import lower_argument
from pydsl.lowering.contractions import lower_contraction
from pydsl.lowering.reductions import lower_reduction
from pydsl.lowering.strips import lower_strips

BOOL = np.dtype(np.bool_)


def lower_item(item: Nest | Statement, state: LoweringState) -> list[Stmt]:
    """One nest, or one statement outside of loops."""
    if isinstance(item, Nest):
        contraction = _contraction_nest(item)
        if contraction is not None:
            statement, loops, epilogue = contraction
            after = [s for e in epilogue for s in lower_statement(e, state)]
            return lower_contraction(statement, loops, after, threads=state.threads)
        body: list[Stmt] = []
        for inner in item.body:
            body.extend(lower_item(inner, state))
        return [For(item.var, Affine.of(0), item.extent, body, label="reduce" if item.reduction else "")]
    return lower_statement(item, state)


def _contraction_nest(item: Nest) -> tuple[Statement, list[tuple[Var, Affine]], list[Statement]] | None:
    """A perfect nest around a contraction and its epilogue, if that is what this is."""
    loops: list[tuple[Var, Affine]] = []
    node: Nest | Statement = item
    while isinstance(node, Nest):
        loops.append((node.var, node.extent))
        if len(node.body) > 1 or isinstance(node.body[0], Statement):
            break
        node = node.body[0]
    assert isinstance(node, Nest)
    first, *rest = node.body
    if not isinstance(first, Statement) or first.kind is not StatementKind.CONTRACT:
        return None
    epilogue = [s for s in rest if isinstance(s, Statement) and s.kind is StatementKind.MAP]
    if len(epilogue) != len(rest):
        return None
    return first, loops, epilogue


def lower_statement(statement: Statement, state: LoweringState) -> list[Stmt]:
    """A statement at a point of its space (its explicit loops are around it already)."""
    match statement.kind:
        case StatementKind.SCALAR:
            assert statement.scalar is not None and statement.value is not None
            before, value = plain(statement.value)
            return [*before, Let(statement.scalar, value)]
        case StatementKind.CHECK:
            return _check(statement, state)
        case StatementKind.MAP | StatementKind.SCATTER:
            return _write(statement)
        case StatementKind.REDUCE if statement.lane is not None and state.threads:
            extent = dict(zip(statement.vars, statement.extents, strict=True))[statement.lane]
            return surround([(statement.lane, extent)], lower_statement(replace(statement, lane=None), state))
        case StatementKind.REDUCE if statement.lane is not None:
            return lower_strips(statement)
        case StatementKind.REDUCE if statement.reduction in ("argmax", "argmin"):
            return lower_argument(statement)
        case StatementKind.REDUCE:
            return lower_reduction(statement, threads=state.threads)
        case StatementKind.CONTRACT:
            return lower_contraction(statement, [], [], threads=state.threads)
    raise InternalCompilerError(f"no lowering for statement {statement!r}")


def plain(expr: Expr) -> tuple[list[Stmt], Expr]:
    """An expression without indexed loads: their indices are bound to variables before."""
    before: list[Stmt] = []

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, IndexedLoad):
            return None
        return Load(node.buffer, node.offset + _terms(node.terms, before), node.dtype)

    return before, rewrite(expr, leaf)


def _terms(terms: Sequence[tuple[Expr, int]], before: list[Stmt]) -> Affine:
    offset = Affine.of(0)
    for index, stride in terms:
        more, value = plain(index)
        before.extend(more)
        var = Var("at", INT64)
        before.append(Let(var, value))
        offset = offset + Affine.of(var) * stride
    return offset


def _write(statement: Statement) -> list[Stmt]:
    assert statement.value is not None and statement.buffer is not None
    out: list[Stmt] = []
    offset = statement.address + _terms(statement.terms, out)
    before, value = plain(statement.value)
    store = Store(statement.buffer, offset, value)
    if statement.predicate is None:
        return [*out, *before, store]
    first, condition = plain(statement.predicate)
    return [*out, *first, If(condition, [*before, store])]


def _check(statement: Statement, state: LoweringState) -> list[Stmt]:
    assert statement.value is not None and statement.error is not None
    before, condition = plain(statement.value)
    payload: list[Expr] = []
    late: list[Stmt] = []
    for expr in statement.payload:
        more, value = plain(expr)
        late.extend(more)
        payload.append(value)
    fail: list[Stmt] = [*late, Fail(state.errors.index(statement.error), tuple(payload))]
    refuse = [*before, If(Apply("logical_not", (condition,), BOOL), fail)]
    if not statement.vars:
        return refuse
    # first all of it, vectorised; the search for the offender only runs when there is one
    ok = Var("ok", BOOL)
    fresh = [Apply("logical_and", (Read(ok), condition), BOOL)]
    test: list[Stmt] = [*before, Assign(ok, fresh[0])]
    search: list[Stmt] = refuse
    for var, extent in zip(reversed(statement.vars), reversed(statement.extents), strict=True):
        test = [For(var, Affine.of(0), extent, test)]
        search = [For(var, Affine.of(0), extent, search)]
    return [
        Declare(ok, Const(True, BOOL)),
        *test,
        If(Apply("logical_not", (Read(ok),), BOOL), search),
    ]


def surround(
    loops: Sequence[tuple[Var, Affine]], body: list[Stmt], kind: LoopKind = LoopKind.SERIAL
) -> list[Stmt]:
    """Loops around a body, outermost first."""
    for var, extent in reversed(loops):
        body = [For(var, Affine.of(0), extent, body, kind)]
    return body
