"""Binds product symbols: ``i*n`` in an address becomes a variable that is computed where ``i`` is bound."""

from __future__ import annotations

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, Declare, For, Index, Let, Product, Stmt, Var, While
from pydsl.loops.walk import affines, blocks, walk

INT64 = np.dtype(np.int64)


def bind_products(body: list[Stmt], scalars: list[Var]) -> list[Stmt]:
    """Inserts the bindings; ``scalars`` are the variables bound on entry."""
    needed: dict[Var, set[Product]] = {}
    for stmt in walk(body):
        for expr in affines(stmt):
            _collect(expr, needed)
    if not needed:
        return body
    out = [let for var in scalars for let in _bindings(var, needed)]
    out.extend(_bound(body, needed))
    return out


def _collect(expr: Affine, needed: dict[Var, set[Product]]) -> None:
    for symbol in expr.symbols():
        if isinstance(symbol, Product):
            needed.setdefault(symbol.factor, set()).add(symbol)
            _collect(symbol.stride, needed)


def _bindings(var: Var, needed: dict[Var, set[Product]]) -> list[Stmt]:
    out: list[Stmt] = []
    for product in sorted(needed.get(var, ()), key=lambda p: p.id):
        value = Apply("multiply", (Index(Affine.of(var)), Index(product.stride)), INT64)
        out.append(Let(product, value))
        out.extend(_bindings(product, needed))
    return out


def _bound(body: list[Stmt], needed: dict[Var, set[Product]]) -> list[Stmt]:
    out: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, For):
            stmt.body[:] = [*_bindings(stmt.var, needed), *_bound(stmt.body, needed)]
        elif isinstance(stmt, While):
            stmt.header[:] = _bound(stmt.header, needed)
            stmt.body[:] = _bound(stmt.body, needed)
        else:
            for inner in blocks(stmt):
                inner[:] = _bound(inner, needed)
        out.append(stmt)
        if isinstance(stmt, (Let, Declare)):
            out.extend(_bindings(stmt.var, needed))
    return out
