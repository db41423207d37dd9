"""Dead code: stores to temporaries that nothing reads, variables that nothing uses, loops and branches left empty.

Before::

    for i in [0, n)
      let v: float64 = multiply(@a[8*i]: float64, 2.0: float64)
      @t[8*i] = v
      @b[8*i] = v

After::

    for i in [0, n)
      let v: float64 = multiply(@a[8*i]: float64, 2.0: float64)
      @b[8*i] = v
"""

from __future__ import annotations

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Alloc,
    Assign,
    Buffer,
    CallPython,
    Contract,
    Copy,
    Declare,
    Expr,
    For,
    Gemm,
    If,
    Let,
    Load,
    Product,
    Read,
    Release,
    SetPointer,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.walk import affines, blocks, buffers, expressions, subexpressions


def remove_unread(body: list[Stmt], temporaries: set[Buffer]) -> list[Stmt]:
    """Removes what has no effect that can be seen, in place; returns the list.

    Parameters
    ----------
    temporaries: buffers that nothing outside of these statements reads.
    """
    marking = _Marking(temporaries)
    while marking.block(body):
        pass
    _sweep(body, marking.live)
    return body


class _Marking:
    """Finds the live statements: those with an effect that can be seen, and those that another live one needs."""

    def __init__(self, temporaries: set[Buffer]) -> None:
        self.temporaries = temporaries
        self.live: set[int] = set()
        self.vars: set[Var] = set()
        self.read: set[Buffer] = set()

    def block(self, body: list[Stmt]) -> bool:
        """One walk from the end to the beginning, so that users mostly come first; whether it found any."""
        found = False
        for stmt in reversed(body):
            for inner in reversed(blocks(stmt)):
                found |= self.block(inner)
            if id(stmt) not in self.live and self._needed(stmt):
                self.live.add(id(stmt))
                self._use(stmt)
                found = True
        return found

    def _needed(self, stmt: Stmt) -> bool:
        match stmt:
            case Store() | Alloc() | Release():
                return self._wanted(stmt.buffer)
            case Let() | Declare() | Assign():
                return stmt.var in self.vars
            case Gemm():
                return self._wanted(stmt.c)
            case Copy():
                return self._wanted(stmt.dst)
            case For() | If() | Contract():
                return any(id(inner) in self.live for block in blocks(stmt) for inner in block)
        return True

    def _wanted(self, buffer: Buffer) -> bool:
        return buffer not in self.temporaries or buffer in self.read

    def _use(self, stmt: Stmt) -> None:
        for expr in expressions(stmt):
            self._use_expr(expr)
        for index in affines(stmt):
            self._use_index(index)
        match stmt:
            case Gemm():
                self.read.update((stmt.a, stmt.b))
                if stmt.beta:
                    self.read.add(stmt.c)
            case Copy():
                self.read.add(stmt.src)
            case Contract():
                self.read.update((stmt.a, stmt.b))
            case SetPointer() | CallPython():
                self.read.update(buffers(stmt))
            case _:
                pass

    def _use_expr(self, top: Expr) -> None:
        for expr in subexpressions(top):
            if isinstance(expr, Read):
                self.vars.add(expr.var)
            elif isinstance(expr, Load):
                self.read.add(expr.buffer)

    def _use_index(self, index: Affine) -> None:
        for symbol, _ in index.terms:
            if isinstance(symbol, Product):
                self.vars.add(symbol)
                self._use_index(Affine.of(symbol.factor))
                self._use_index(symbol.stride)
            elif isinstance(symbol, Var):
                self.vars.add(symbol)


def _sweep(body: list[Stmt], live: set[int]) -> None:
    body[:] = [stmt for stmt in body if id(stmt) in live]
    for stmt in body:
        for inner in blocks(stmt):
            _sweep(inner, live)
