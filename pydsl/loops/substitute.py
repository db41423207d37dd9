"""Copies of statements with index variables replaced.

Before, with ``i`` replaced by ``4*o + 1``::

    let x: float64 = @a[8*i]: float64
    @b[8*i] = x

After, with a variable ``x`` of its own::

    let x_1: float64 = @a[32*o + 8]: float64
    @b[32*o + 8] = x_1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Assign,
    Break,
    CallPython,
    Continue,
    Contract,
    Copy,
    Declare,
    Expr,
    Fail,
    For,
    Gemm,
    If,
    Index,
    Let,
    Load,
    Operand,
    Read,
    Release,
    Return,
    SetPointer,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
    substitute_index,
)
from pydsl.loops.walk import map_expr


def substituted(body: Sequence[Stmt], mapping: Mapping[Any, Affine]) -> list[Stmt]:
    """A copy of a statement list with index variables replaced; variables declared inside become fresh ones."""
    return _Copying(mapping).body(body)


class _Copying:
    def __init__(self, mapping: Mapping[Any, Affine]) -> None:
        self.mapping = mapping
        self.index: dict[Any, Affine] = dict(mapping)
        self.renamed: dict[Var, Var] = {}

    def body(self, body: Sequence[Stmt]) -> list[Stmt]:
        return [_COPIES[type(stmt)](self, stmt) for stmt in body]

    def fresh(self, var: Var) -> Var:
        new = Var(var.name, var.dtype, var.bounds)
        self.renamed[var] = new
        self.index[var] = Affine.of(new)
        return new

    def affine(self, expr: Affine) -> Affine:
        return substitute_index(expr, self.index)

    def expr(self, expr: Expr) -> Expr:
        return map_expr(expr, self._leaf)

    def _leaf(self, expr: Expr) -> Expr | None:
        match expr:
            case Load():
                return Load(expr.buffer, self.affine(expr.offset), expr.dtype)
            case Index():
                return Index(self.affine(expr.expr))
            case Read():
                if expr.var in self.renamed:
                    return Read(self.renamed[expr.var])
                return Index(self.mapping[expr.var]) if expr.var in self.mapping else expr
        return None

    # --- statements -----------------------------------------------------------------------------------------

    def loop(self, stmt: For) -> Stmt:
        start, stop = self.affine(stmt.start), self.affine(stmt.stop)
        var = self.fresh(stmt.var)
        return replace(stmt, var=var, start=start, stop=stop, body=self.body(stmt.body))

    def while_(self, stmt: While) -> Stmt:
        header = self.body(stmt.header)
        return While(header, self.expr(stmt.condition), self.body(stmt.body), stmt.loc)

    def branch(self, stmt: If) -> Stmt:
        return If(self.expr(stmt.condition), self.body(stmt.then), self.body(stmt.orelse))

    def declare(self, stmt: Let | Declare) -> Stmt:
        value = self.expr(stmt.value)
        return type(stmt)(self.fresh(stmt.var), value)

    def assign(self, stmt: Assign) -> Stmt:
        return Assign(self.renamed.get(stmt.var, stmt.var), self.expr(stmt.value))

    def store(self, stmt: Store) -> Stmt:
        return Store(stmt.buffer, self.affine(stmt.offset), self.expr(stmt.value))

    def store_slot(self, stmt: StoreSlot) -> Stmt:
        return StoreSlot(stmt.slot, self.expr(stmt.value))

    def fail(self, stmt: Fail) -> Stmt:
        return Fail(stmt.error, tuple([self.expr(part) for part in stmt.payload]))

    def alloc(self, stmt: Alloc | AllocResult) -> Stmt:
        return replace(stmt, nbytes=self.affine(stmt.nbytes))

    def copy(self, stmt: Copy) -> Stmt:
        places: dict[str, Any] = {
            name: self.affine(getattr(stmt, name)) for name in ("dst_offset", "src_offset", "nbytes")
        }
        return replace(stmt, **places)

    def gemm(self, stmt: Gemm) -> Stmt:
        names = ("m", "n", "k", "a_offset", "lda", "b_offset", "ldb", "c_offset", "ldc")
        parts: dict[str, Any] = {name: self.affine(getattr(stmt, name)) for name in names}
        return replace(stmt, **parts)

    def call(self, stmt: CallPython) -> Stmt:
        operands = tuple([self.operand(operand) for operand in stmt.operands])
        return replace(stmt, operands=operands)

    def operand(self, operand: Operand) -> Operand:
        shape, strides = (tuple(map(self.affine, part)) for part in (operand.shape, operand.strides))
        return Operand(operand.buffer, self.affine(operand.offset), operand.dtype, shape, strides)

    def contract(self, stmt: Contract) -> Stmt:
        a_offset, b_offset = self.affine(stmt.a_offset), self.affine(stmt.b_offset)
        m = tuple([(self.fresh(var), extent, stride) for var, extent, stride in stmt.m])
        n = (self.fresh(stmt.n[0]), *stmt.n[1:])
        acc = self.fresh(stmt.acc)
        epilogue = self.body(stmt.epilogue)
        return replace(stmt, m=m, n=n, a_offset=a_offset, b_offset=b_offset, acc=acc, epilogue=epilogue)

    def same(self, stmt: Stmt) -> Stmt:
        return stmt


_COPIES: dict[type[Stmt], Callable[[_Copying, Any], Stmt]] = {
    For: _Copying.loop,
    While: _Copying.while_,
    If: _Copying.branch,
    Let: _Copying.declare,
    Declare: _Copying.declare,
    Assign: _Copying.assign,
    Store: _Copying.store,
    StoreSlot: _Copying.store_slot,
    Fail: _Copying.fail,
    Alloc: _Copying.alloc,
    AllocResult: _Copying.alloc,
    Copy: _Copying.copy,
    Gemm: _Copying.gemm,
    CallPython: _Copying.call,
    Contract: _Copying.contract,
    SetPointer: _Copying.same,
    Release: _Copying.same,
    Return: _Copying.same,
    Break: _Copying.same,
    Continue: _Copying.same,
}
