"""What a contraction multiplies: its dimensions by the operands they occur in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydsl.fusion.statement import Statement
from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, For, Load, Stmt, Var

Dim = tuple[Var, Affine]


@dataclass
class Product:
    """The dimensions of a contraction: of the first operand only (m), the second only (n), both and the result
    (batch), both and summed (k)."""

    batch: list[Dim]
    m: list[Dim]
    n: list[Dim]
    k: list[Dim]
    a: Load
    b: Load


def classify(statement: Statement, loops: list[Dim]) -> Product | None:
    """The product that a contraction computes under the given loops, if its value is one of two loads."""
    value = statement.value
    if not isinstance(value, Apply) or value.name != "multiply":
        return None
    a, b = value.args
    if not isinstance(a, Load) or not isinstance(b, Load):
        return None
    k = [
        (v, e)
        for v, e in zip(statement.reduce_vars, statement.reduce_extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    if any(not isinstance(s, Var) for e in (a.offset, b.offset) for s in e.symbols()):
        return None
    batch: list[Dim] = []
    m: list[Dim] = []
    n: list[Dim] = []
    for var, extent in loops:
        in_a, in_b = a.offset.coeff(var) != 0, b.offset.coeff(var) != 0
        (batch if in_a == in_b else m if in_a else n).append((var, extent))
    if (
        n
        and b.offset.coeff(n[-1][0]) != b.dtype.itemsize
        and m
        and a.offset.coeff(m[-1][0]) == a.dtype.itemsize
    ):
        a, b, m, n = b, a, n, m
    k.sort(key=lambda d: -abs(a.offset.coeff(d[0])))
    return Product(batch, m, n, k, a, b)


def constant(dims: Sequence[Dim]) -> bool:
    """Whether all extents are known."""
    return all(extent.is_const for _, extent in dims)


def size(dims: Sequence[Dim]) -> int:
    """The number of points; all extents are known."""
    total = 1
    for _, extent in dims:
        total *= extent.value
    return total


def around(loops: Sequence[Dim], body: list[Stmt]) -> list[Stmt]:
    """Loops around statements."""
    for var, extent in reversed(loops):
        body = [For(var, Affine.of(0), extent, body)]
    return body
