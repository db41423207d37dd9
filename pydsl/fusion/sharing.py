"""Equal expressions as one object.

Forwarding brings the same value into a statement along several ways, as copies. Made one object, what is shared stays
small, however often it is used; everything that walks expressions visits a shared operation once.
"""

from __future__ import annotations

from collections.abc import Hashable

from pydsl.fusion.statement import IndexedLoad
from pydsl.loops.ir import Apply, Const, Expr, Index, Load, Read


class Sharing:
    """The expressions seen so far, each once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Expr] = {}
        self._one: dict[int, Expr] = {}
        self._alive: list[Expr] = []

    def __call__(self, expr: Expr) -> Expr:
        """The object that stands for an expression; equal ones give the same."""
        one = self._one.get(id(expr))
        if one is None:
            one = self._shared(expr)
            self._one[id(expr)] = self._one[id(one)] = one
            self._alive.append(expr)  # with the table, so that its id stays its own
        return one

    def _shared(self, expr: Expr) -> Expr:
        match expr:
            case Apply():
                args = tuple([self(arg) for arg in expr.args])
                key: Hashable = (expr.name, *map(id, args), expr.dtype, expr.reassoc, expr.contract)
                if not all(a is b for a, b in zip(args, expr.args, strict=True)):
                    expr = Apply(expr.name, args, expr.dtype, expr.reassoc, expr.contract)
            case IndexedLoad():
                terms = tuple([(self(index), stride) for index, stride in expr.terms])
                key = (expr.buffer, expr.offset, tuple([(id(i), s) for i, s in terms]), expr.dtype)
                if not all(a is b for (a, _), (b, _) in zip(terms, expr.terms, strict=True)):
                    expr = IndexedLoad(expr.buffer, expr.offset, terms, expr.dtype)
            case Load():
                key = (expr.buffer, expr.offset, expr.dtype)
            case Index():
                key = expr.expr
            case Read():
                key = expr.var
            case Const():
                key = (repr(expr.value), expr.dtype)
            case _:
                return expr
        return self._known.setdefault(key, expr)
