"""Scalar replacement: equal expressions are computed once, and what was stored or loaded before is not loaded again.

Before::

    @t[8*i] = multiply(@a[8*i]: float64, 2.0: float64)
    for j in [0, n): @b[8*j] = multiply(@t[8*i]: float64, @c[8*j]: float64)

After::

    let v: float64 = multiply(@a[8*i]: float64, 2.0: float64)
    @t[8*i] = v
    for j in [0, n): @b[8*j] = multiply(v, @c[8*j]: float64)

When two values are equal is decided by :mod:`pydsl.loops.passes.numbering`; stores that nothing reads any more are
removed by :mod:`pydsl.loops.passes.dead_code`.
"""

from __future__ import annotations

from pydsl.loops.ir import (
    Apply,
    Assign,
    Const,
    Contract,
    Declare,
    Expr,
    Fail,
    For,
    If,
    Let,
    Load,
    Read,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.passes.numbering import Numbering, Record


def scalar_replacement(body: list[Stmt]) -> list[Stmt]:
    """The statements with repeated values in variables; inner statement lists are changed in place."""
    return _Rewriting(Numbering(body)).block(body)


class _Rewriting:
    """A second walk in the order of the numbering, with the variables that hold values at the current point."""

    def __init__(self, numbering: Numbering) -> None:
        self.numbering = numbering
        self.records = iter(numbering.records)
        self.holders: dict[int, Expr] = {}
        self.out: list[Stmt] = []

    def block(self, body: list[Stmt]) -> list[Stmt]:
        """Rewrites a statement list; what it holds is forgotten after it."""
        before, around = self.holders, self.out
        self.holders, self.out = before.copy(), []
        self._statements(body)
        done, self.out = self.out, around
        self.holders = before
        return done

    def _statements(self, body: list[Stmt]) -> None:
        for stmt in body:
            match stmt:
                case Let():
                    self.out.append(self._let(stmt))
                case Declare():
                    self.out.append(Declare(stmt.var, self._top(stmt.value)))
                case Assign():
                    self.out.append(Assign(stmt.var, self._top(stmt.value)))
                case Store():
                    self.out.append(Store(stmt.buffer, stmt.offset, self._stored(stmt.value)))
                case StoreSlot():
                    self.out.append(StoreSlot(stmt.slot, self._top(stmt.value)))
                case Fail():
                    self.out.append(Fail(stmt.error, tuple([self._top(part) for part in stmt.payload])))
                case _:
                    self._compound(stmt)

    def _compound(self, stmt: Stmt) -> None:
        match stmt:
            case For():
                stmt.body[:] = self.block(stmt.body)
            case If():
                stmt.condition = self._top(stmt.condition)
                stmt.then[:] = self.block(stmt.then)
                stmt.orelse[:] = self.block(stmt.orelse)
            case While():
                self._while(stmt)
            case Contract():
                stmt.epilogue[:] = self.block(stmt.epilogue)
            case _:
                pass
        self.out.append(stmt)

    def _while(self, stmt: While) -> None:
        before, around = self.holders, self.out
        self.holders, self.out = before.copy(), []
        self._statements(stmt.header)
        stmt.condition = self._top(stmt.condition)
        stmt.header[:] = self.out
        stmt.body[:] = self.block(stmt.body)  # sees what the header holds
        self.holders, self.out = before, around

    # --- expressions ----------------------------------------------------------------------------------------

    def _let(self, stmt: Let) -> Let:
        record = next(self.records)
        number = record[id(stmt.value)]
        if not isinstance(stmt.value, (Load, Apply)) or self._held(number) is not None:
            return Let(stmt.var, self._value(stmt.value, record))
        value = self._rebuilt(stmt.value, record)
        self.holders[number] = Read(stmt.var)
        return Let(stmt.var, value)

    def _top(self, expr: Expr) -> Expr:
        return self._value(expr, next(self.records))

    def _stored(self, expr: Expr) -> Expr:
        """The value of a store; what is loaded back later gets a variable."""
        record = next(self.records)
        number = record[id(expr)]
        value = self._value(expr, record)
        changes = isinstance(value, Read) and value.var in self.numbering.mutable
        return self._hold(number, value) if changes and self.numbering.demand[number] else value

    def _value(self, expr: Expr, record: Record) -> Expr:
        number = record[id(expr)]
        if isinstance(expr, Read):
            leaf = self.numbering.leaves.get(number)
            return leaf if isinstance(leaf, Const) else self.holders.get(number, expr)
        if not isinstance(expr, (Load, Apply)):
            return expr
        held = self._held(number)
        if held is not None:
            return held
        value = self._rebuilt(expr, record)
        return self._hold(number, value) if self.numbering.demand[number] > 1 else value

    def _held(self, number: int) -> Expr | None:
        return self.holders.get(number) or self.numbering.leaves.get(number)

    def _hold(self, number: int, value: Expr) -> Expr:
        var = Var("v", value.dtype)
        self.out.append(Let(var, value))
        self.holders[number] = Read(var)
        return self.holders[number]

    def _rebuilt(self, expr: Expr, record: Record) -> Expr:
        if not isinstance(expr, Apply):
            return expr
        args = tuple([self._value(arg, record) for arg in expr.args])
        if all(new is old for new, old in zip(args, expr.args, strict=True)):
            return expr
        return Apply(expr.name, args, expr.dtype, expr.reassoc, expr.contract)
