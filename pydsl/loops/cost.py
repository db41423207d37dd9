"""A rough cost model of loop IR: nanoseconds on one core. It decides about threads and the GIL, nothing else."""

from __future__ import annotations

from math import prod

from pydsl.ir import ops as _ops  # fills the table of records
from pydsl.ir.record import RECORDS, Cost
from pydsl.loops.ir import Apply, CallPython, Contract, Copy, Expr, For, Gemm, Load, Stmt, Store, While
from pydsl.loops.walk import blocks, expressions

_ = _ops

#: a symbolic extent counts as this many iterations
DEFAULT_TRIPS = 128
#: for operands of eight bytes; vectors hold more of the shorter ones
_NS = {Cost.FREE: 0.0, Cost.CHEAP: 0.03, Cost.DIVIDE: 0.2, Cost.HEAVY: 0.8}
#: integers are not divided in vectors
_INTEGER_DIVIDE_NS = 1.0
_NS_PER_BYTE = 0.0115
_FLOPS_PER_NS = 20.0
_COPIED_PER_NS = 10.0
_PYTHON_NS = 3000.0


def estimate(body: list[Stmt]) -> float:
    """Estimated run time of a statement list in nanoseconds."""
    return sum(_stmt(s) for s in body)


def _stmt(stmt: Stmt) -> float:
    own = sum(_expr(e) for e in expressions(stmt))
    match stmt:
        case For():
            extent = stmt.stop - stmt.start
            trips = extent.value if extent.is_const else DEFAULT_TRIPS
            return max(0, trips) * estimate(stmt.body)
        case While():
            return DEFAULT_TRIPS * (own + estimate(stmt.header) + estimate(stmt.body))
        case Store():
            return own + _NS_PER_BYTE * stmt.value.dtype.itemsize
        case Contract():
            points = stmt.n[1] * prod(extent for _, extent, _ in stmt.m)
            work = points * prod(extent for extent, _, _ in stmt.k)
            return work / _FLOPS_PER_NS + points * estimate(stmt.epilogue)
        case Gemm():
            m, n, k = (e.value if e.is_const else DEFAULT_TRIPS for e in (stmt.m, stmt.n, stmt.k))
            moved = (m * k + k * n + m * n) * stmt.dtype.itemsize
            return max(m * n * k / _FLOPS_PER_NS, moved * _NS_PER_BYTE)
        case Copy():
            return (stmt.nbytes.value if stmt.nbytes.is_const else 8 * DEFAULT_TRIPS) / _COPIED_PER_NS
        case CallPython():
            return _PYTHON_NS
        case _:
            return own + sum(estimate(b) for b in blocks(stmt))


def _expr(expr: Expr) -> float:
    if isinstance(expr, Apply):
        return _operation(expr) + sum(_expr(a) for a in expr.args)
    if isinstance(expr, Load):
        return _NS_PER_BYTE * expr.dtype.itemsize
    return 0.0


def _operation(expr: Apply) -> float:
    record = RECORDS.get(expr.name)
    cost = record.cost if record is not None else Cost.CHEAP
    widest = max((a.dtype for a in (expr, *expr.args)), key=lambda dtype: dtype.itemsize)
    if cost is Cost.DIVIDE and widest.kind in "iu":
        return _INTEGER_DIVIDE_NS
    return _NS[cost] * widest.itemsize / 8
