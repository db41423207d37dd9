"""Contractions that read each element of an operand many times.

Register tiles and library products are made for operands that lie in memory. An operand that is a computation would
have to be computed in the innermost loop of plain loops, many times slower than storing it first.
"""

from __future__ import annotations

from pydsl.fusion.access import points
from pydsl.fusion.statement import Statement, StatementKind, variables
from pydsl.loops.ir import Apply

#: rows and columns from which an element is used often
FEW = 4
#: products (m*n*k) from which tiles and the library are faster than plain loops
LITTLE_WORK = 1 << 12


def reuses_operands(statement: Statement) -> bool:
    """Whether a statement multiplies rows by columns, and more than a handful of them."""
    value = statement.value
    if statement.kind is not StatementKind.CONTRACT or not isinstance(value, Apply) or len(value.args) != 2:
        return False
    first, second = (variables(arg) for arg in value.args)
    dims = list(zip(statement.vars, statement.extents, strict=True))
    rows = points([e for v, e in dims if v in first and v not in second])
    columns = points([e for v, e in dims if v in second and v not in first])
    work = points((*statement.extents, *statement.reduce_extents))
    return min(rows, columns) >= FEW and work >= LITTLE_WORK
