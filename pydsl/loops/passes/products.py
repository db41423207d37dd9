"""Binds product symbols: ``i*n`` in an address becomes a variable, computed as soon as both factors are known.

Before (``i_x`` is the symbol of the product ``i * 8*n``)::

    for i in [0, m): for j in [0, n): @a[i_x + 8*j] = 0.0

After::

    for i in [0, m):
      let i_x = multiply(index(i), index(8*n))
      for j in [0, n): @a[i_x + 8*j] = 0.0
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, Contract, Declare, For, If, Index, Let, Product, Stmt, Var, While
from pydsl.loops.walk import affines, blocks, walk

INT64 = np.dtype(np.int64)


def bind_products(body: list[Stmt], scalars: list[Var]) -> list[Stmt]:
    """Inserts the bindings, in place below the top level.

    Parameters
    ----------
    scalars: the variables that are bound on entry.
    """
    needed: dict[Product, frozenset[Var]] = {}
    for stmt in walk(body):
        for expr in affines(stmt):
            _collect(expr, needed)
    return _Binding(needed).function(body, scalars) if needed else body


def _collect(expr: Affine, needed: dict[Product, frozenset[Var]]) -> None:
    for symbol in expr.symbols():
        if isinstance(symbol, Product) and symbol not in needed:
            parts = {symbol.factor, *(s for s in symbol.stride.symbols() if isinstance(s, Var))}
            needed[symbol] = frozenset(parts)
            for part in parts:
                _collect(Affine.of(part), needed)


class _Binding:
    """A walk with the set of variables that are bound at the current point."""

    def __init__(self, needed: dict[Product, frozenset[Var]]) -> None:
        self.needed = needed
        self.users: dict[Var, list[Product]] = defaultdict(list)
        for product in sorted(needed, key=lambda p: p.id):
            for part in needed[product]:
                self.users[part].append(product)
        self.bound: set[Var] = set()

    def function(self, body: list[Stmt], scalars: list[Var]) -> list[Stmt]:
        return [*self.bind(scalars), *self.block(body)]

    def bind(self, variables: Iterable[Var]) -> list[Stmt]:
        """The bindings that become possible with some variables, which are bound from now on."""
        out: list[Stmt] = []
        for var in variables:
            self.bound.add(var)
            for product in self.users.get(var, ()):
                if product not in self.bound and self.needed[product] <= self.bound:
                    value = Apply(
                        "multiply", (Index(Affine.of(product.factor)), Index(product.stride)), INT64
                    )
                    out.append(Let(product, value))
                    out.extend(self.bind([product]))
        return out

    def block(self, body: list[Stmt]) -> list[Stmt]:
        """A statement list with bindings; what it binds stays bound until its owner restores the set."""
        out: list[Stmt] = []
        for stmt in body:
            if isinstance(stmt, (For, While, If, Contract)):
                self.compound(stmt)
            out.append(stmt)
            if isinstance(stmt, (Let, Declare)):
                out.extend(self.bind([stmt.var]))
        return out

    def compound(self, stmt: Stmt) -> None:
        before = set(self.bound)
        match stmt:
            case For():
                stmt.body[:] = [*self.bind([stmt.var]), *self.block(stmt.body)]
            case Contract():
                inside = [var for var, _, _ in (*stmt.m, stmt.n)]
                stmt.epilogue[:] = [*self.bind(inside), *self.block(stmt.epilogue)]
            case While():
                stmt.header[:] = self.block(stmt.header)  # the body sees what the header binds
                stmt.body[:] = self.block(stmt.body)
            case _:
                for inner in blocks(stmt):
                    inner[:] = self.block(inner)
                    self.bound = set(before)
        self.bound = before
