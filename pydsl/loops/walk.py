"""Traversal and rewriting of loop IR."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Buffer,
    CallPython,
    Contract,
    Copy,
    Declare,
    Expr,
    Fail,
    Fetch,
    For,
    Gemm,
    If,
    Index,
    Let,
    Load,
    Release,
    SetPointer,
    Stmt,
    Store,
    StoreSlot,
    While,
)


def blocks(stmt: Stmt) -> list[list[Stmt]]:
    """The statement lists inside a statement."""
    match stmt:
        case For():
            return [stmt.body]
        case While():
            return [stmt.header, stmt.body]
        case If():
            return [stmt.then, stmt.orelse]
        case Contract():
            return [stmt.epilogue]
    return []


def walk(body: list[Stmt]) -> Iterator[Stmt]:
    """All statements, outer before inner, in order."""
    for stmt in body:
        yield stmt
        for inner in blocks(stmt):
            yield from walk(inner)


def expressions(stmt: Stmt) -> Iterator[Expr]:
    """The top expressions of one statement, inner statements excluded."""
    match stmt:
        case Let() | Declare() | Assign() | Store() | StoreSlot():
            yield stmt.value
        case If() | While():
            yield stmt.condition
        case Fail():
            yield from stmt.payload
        case _:
            return


def subexpressions(expr: Expr) -> Iterator[Expr]:
    """An expression and everything below it; operations that are shared come once."""
    if not isinstance(expr, Apply):
        yield expr
        return
    seen: set[int] = set()
    stack: list[Expr] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Apply):
            if id(node) in seen:
                continue
            seen.add(id(node))
            stack.extend(reversed(node.args))
        yield node


def loads(stmt: Stmt) -> Iterator[Load]:
    """Loads in the top expressions of one statement."""
    for top in expressions(stmt):
        for expr in subexpressions(top):
            if isinstance(expr, Load):
                yield expr


def buffers(stmt: Stmt) -> Iterator[Buffer]:
    """The buffers that one statement uses, inner statements excluded; may repeat."""
    for load in loads(stmt):
        yield load.buffer
    match stmt:
        case Store() | Alloc() | AllocResult() | Release() | Fetch():
            yield stmt.buffer
        case SetPointer():
            yield from (stmt.pointer, stmt.target)
        case Copy():
            yield from (stmt.dst, stmt.src)
        case Gemm():
            yield from (stmt.a, stmt.b, stmt.c)
        case Contract():
            yield from (stmt.a, stmt.b)
        case CallPython():
            yield from (operand.buffer for operand in stmt.operands)
            yield from stmt.reached
        case _:
            pass


def written_buffers(body: list[Stmt]) -> set[Buffer]:
    """Every buffer a statement list may write to."""
    found: set[Buffer] = set()
    for stmt in walk(body):
        match stmt:
            case Store():
                found.add(stmt.buffer)
            case Gemm():
                found.add(stmt.c)
            case Copy():
                found.add(stmt.dst)
            case CallPython():
                found.update(stmt.writes, stmt.reached)
            case _:
                pass
    return found


def affines(stmt: Stmt) -> Iterator[Affine]:
    """Every index expression of one statement, inner statements excluded."""
    match stmt:
        case For():
            yield stmt.start
            yield stmt.stop
        case Store() | Fetch():
            yield stmt.offset
        case Alloc() | AllocResult():
            yield stmt.nbytes
        case Copy():
            yield from (stmt.dst_offset, stmt.src_offset, stmt.nbytes)
        case Gemm():
            yield from (
                stmt.m,
                stmt.n,
                stmt.k,
                stmt.a_offset,
                stmt.lda,
                stmt.b_offset,
                stmt.ldb,
                stmt.c_offset,
                stmt.ldc,
            )
        case Contract():
            yield from (stmt.a_offset, stmt.b_offset)
        case CallPython():
            for operand in stmt.operands:
                yield from (operand.offset, *operand.shape, *operand.strides)
        case _:
            pass
    for top in expressions(stmt):
        for expr in subexpressions(top):
            if isinstance(expr, Load):
                yield expr.offset
            elif isinstance(expr, Index):
                yield expr.expr


def map_expr(expr: Expr, fn: Callable[[Expr], Expr | None], memo: dict[int, Expr] | None = None) -> Expr:
    """Rebuilds an expression; ``fn`` may replace any node (its result is not entered). What is shared stays shared."""
    replaced = fn(expr)
    if replaced is not None:
        return replaced
    if not isinstance(expr, Apply):
        return expr
    memo = {} if memo is None else memo
    known = memo.get(id(expr))
    if known is None:
        args = tuple([map_expr(a, fn, memo) for a in expr.args])
        changed = any(a is not b for a, b in zip(args, expr.args, strict=True))
        known = Apply(expr.name, args, expr.dtype, expr.reassoc, expr.contract) if changed else expr
        memo[id(expr)] = known
    return known


def map_expressions(stmt: Stmt, fn: Callable[[Expr], Expr | None]) -> None:
    """Rebuilds the top expressions of one statement in place, inner statements excluded."""
    memo: dict[int, Expr] = {}
    match stmt:
        case Let() | Declare() | Assign() | Store() | StoreSlot():
            stmt.value = map_expr(stmt.value, fn, memo)
        case If() | While():
            stmt.condition = map_expr(stmt.condition, fn, memo)
        case Fail():
            stmt.payload = tuple([map_expr(part, fn, memo) for part in stmt.payload])
        case _:
            pass
