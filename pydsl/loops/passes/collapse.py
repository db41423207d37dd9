"""Collapse: two perfectly nested loops become one where every address is contiguous across them.

Before::

    for i in 100: for j in 4: @a[16*i + 4*j] = @b[16*i + 4*j]

After::

    for ij in 400: @a[4*ij] = @b[4*ij]
"""

from __future__ import annotations

from pydsl.ir.affine import Affine
from pydsl.loops.ir import Assign, For, Let, LoopKind, Product, Read, Stmt, Store, Var
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import affines, blocks, expressions, subexpressions, walk


def collapse(body: list[Stmt]) -> list[Stmt]:
    """Collapses inside out, in place; returns the list."""
    for position, stmt in enumerate(body):
        for inner in blocks(stmt):
            collapse(inner)
        if isinstance(stmt, For):
            body[position] = collapsed(stmt)
    return body


def collapsed(outer: For) -> For:
    """A loop made one with those perfectly nested inside of it, as far as they fit; itself if there are none."""
    while len(outer.body) == 1 and isinstance(outer.body[0], For):
        inner = outer.body[0]
        if not _fits(outer, inner):
            break
        extent = inner.stop.value
        total = outer.stop * extent
        var = Var(
            outer.var.name + inner.var.name, outer.var.dtype, (0, total.value - 1 if total.is_const else None)
        )
        # i*extent + j is one variable: i becomes 0 and j the whole
        body = substituted(inner.body, {outer.var: Affine.of(0), inner.var: Affine.of(var)})
        outer = For(
            var,
            Affine.of(0),
            total,
            body,
            outer.kind,
            label=inner.label or outer.label,
            loc=outer.loc,
            kernel=outer.kernel,
        )
    return outer


def _fits(outer: For, inner: For) -> bool:
    zero = Affine.of(0)
    if outer.start != zero or inner.start != zero or not inner.stop.is_const:
        return False
    if (
        outer.kind is not LoopKind.SERIAL
        or inner.kind is not LoopKind.SERIAL
        or outer.label == "user"
        or inner.label == "user"
    ):
        return False
    extent = inner.stop.value
    for stmt in walk(inner.body):
        if not isinstance(stmt, (Store, Let, Assign)):
            return False
        for index in affines(stmt):
            if index.coeff(outer.var) != index.coeff(inner.var) * extent:
                return False
            if any(isinstance(s, Product) and s.factor in (outer.var, inner.var) for s in index.symbols()):
                return False
        for top in expressions(stmt):
            for expr in subexpressions(top):
                if isinstance(expr, Read) and expr.var in (outer.var, inner.var):
                    return False
    return True
