"""Intervals of expressions, to prove index checks away.

An interval is an inclusive pair of bounds, either end None where nothing is known; None as a whole where the value may
be NaN or nothing is known at all. Only what NumPy's index arithmetic is made of is understood; everything else is
unknown.

Before::

    check less(cast(minimum(multiply(i, 2.5), 511.0)), 512)      with i in [0, 200)

After: nothing, the check always holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pydsl.fusion.access import points
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind, rewrite
from pydsl.loops.ir import Apply, Buffer, Const, Expr, Index, Load, Read, Var

Interval = tuple[float | int | None, float | int | None]
BOOL = np.dtype(np.bool_)
#: integers up to here are exact in float64, so that interval arithmetic may use either
_EXACT = 1 << 53


class Intervals:
    """Intervals over one straight line.

    Parameters
    ----------
    known: intervals of buffers that one statement fills completely.
    """

    def __init__(self, statements: Sequence[Statement], local: set[Buffer]) -> None:
        self.known: dict[Buffer, Interval] = {}
        writers: dict[Buffer, list[Statement]] = {}
        for statement in statements:
            if statement.buffer in local:
                writers.setdefault(statement.buffer, []).append(statement)
        for buffer, (first, *more) in writers.items():
            if more or first.value is None or first.dtype is None or not _fills(first, buffer):
                continue
            found = self.of(first.value, first.ranges())
            if found is not None:
                self.known[buffer] = found

    def of(self, expr: Expr, ranges: Mapping[Any, Interval]) -> Interval | None:
        """The interval of an expression's value; ``ranges`` has those of the index variables."""
        return self._of(expr, ranges, {})

    def _of(
        self, expr: Expr, ranges: Mapping[Any, Interval], memo: dict[int, Interval | None]
    ) -> Interval | None:
        match expr:
            case Const():
                return _constant(expr.value)
            case Index():
                symbols = {
                    s: ranges.get(s, s.bounds if isinstance(s, Var) else (None, None))
                    for s in expr.expr.symbols()
                }
                return expr.expr.bounds(symbols)  # type: ignore[arg-type]
            case Read():
                return expr.var.bounds if expr.dtype.kind in "iu" else None
            case Load() | IndexedLoad():
                return self.known.get(expr.buffer)
            case Apply():
                if id(expr) not in memo:
                    memo[id(expr)] = self._applied(expr, ranges, memo)
                return memo[id(expr)]
        return None

    def _applied(
        self, expr: Apply, ranges: Mapping[Any, Interval], memo: dict[int, Interval | None]
    ) -> Interval | None:
        rule = _RULES.get(expr.name)
        if rule is None:
            return None
        parts = [self._of(arg, ranges, memo) for arg in expr.args]
        if any(p is None for p in parts):
            return None
        return _representable(rule(expr, *parts), expr.dtype)

    def truth(self, expr: Expr, ranges: Mapping[Any, Interval]) -> bool | None:
        """Whether a condition is certainly true, certainly false, or not known."""
        if isinstance(expr, Const):
            return bool(expr.value)
        if not isinstance(expr, Apply):
            return None
        if expr.name == "logical_and":
            parts = [self.truth(a, ranges) for a in expr.args]
            return False if False in parts else True if None not in parts else None
        if expr.name == "logical_not":
            inside = self.truth(expr.args[0], ranges)
            return None if inside is None else not inside
        if expr.name not in _COMPARISONS:
            return None
        a, b = (self.of(arg, ranges) for arg in expr.args)
        if a is None or b is None:
            return None
        less, strict = _COMPARISONS[expr.name]
        low, high = (a, b) if less else (b, a)
        if low[1] is not None and high[0] is not None and (low[1] < high[0] if strict else low[1] <= high[0]):
            return True
        if low[0] is not None and high[1] is not None and (low[0] >= high[1] if strict else low[0] > high[1]):
            return False
        return None


def simplify(statements: Sequence[Statement], local: set[Buffer]) -> list[Statement]:
    """Folds conditions that intervals decide; checks that always hold are dropped."""
    intervals = Intervals(statements, local)
    kept: list[Statement] = []
    for statement in statements:
        ranges = statement.ranges()
        if statement.kind is StatementKind.CHECK and statement.value is not None:
            if intervals.truth(statement.value, ranges) is True:
                continue
        elif any(isinstance(load, IndexedLoad) for load in statement.loads()) or statement.terms:
            memo: dict[int, Expr] = {}

            def fold(
                node: Expr, ranges: Mapping[Any, Interval] = ranges, memo: dict[int, Expr] = memo
            ) -> Expr | None:
                if isinstance(node, Apply) and node.name == "select":
                    decided = intervals.truth(node.args[0], ranges)
                    if decided is not None:
                        return rewrite(node.args[1] if decided else node.args[2], fold, memo)
                return None

            statement.map_expressions(lambda expr, fold=fold, memo=memo: rewrite(expr, fold, memo))  # type: ignore[misc]
        kept.append(statement)
    return kept


def _fills(statement: Statement, buffer: Buffer) -> bool:
    if (
        statement.kind is not StatementKind.MAP
        or statement.predicate is not None
        or statement.terms
        or statement.dtype is None
    ):
        return False
    if buffer.nbytes is None or not buffer.nbytes.is_const or not all(e.is_const for e in statement.extents):
        return False
    return points(statement.extents) * statement.dtype.itemsize == buffer.nbytes.value


def _constant(value: Any) -> Interval | None:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, complex) or (isinstance(value, float) and math.isnan(value)):
        return None
    return (value, value)


def _representable(interval: Interval | None, dtype: np.dtype[Any]) -> Interval | None:
    """Nothing is known once an integer result might wrap, or a float one is infinite or inexact at its bounds."""
    if interval is None:
        return None
    low, high = interval
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if low is None or high is None or low < info.min or high > info.max:
            return None
    elif dtype.kind == "f":
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            return None
        if dtype.itemsize < 8:
            # rounding is monotonic: the rounded bounds are bounds of the rounded value
            with np.errstate(all="ignore"):
                low, high = float(dtype.type(low)), float(dtype.type(high))
            return (low, high) if math.isfinite(low) and math.isfinite(high) else None
    return low, high


def _add(expr: Apply, a: Interval, b: Interval) -> Interval:
    return _sum(a[0], b[0]), _sum(a[1], b[1])


def _sum(x: float | None, y: float | None) -> float | None:
    return None if x is None or y is None else x + y


def _subtract(expr: Apply, a: Interval, b: Interval) -> Interval:
    return _sum(a[0], None if b[1] is None else -b[1]), _sum(a[1], None if b[0] is None else -b[0])


def _multiply(expr: Apply, a: Interval, b: Interval) -> Interval | None:
    if None in a or None in b:
        return None
    corners = [x * y for x in a for y in b]  # type: ignore[operator]
    return min(corners), max(corners)


def _minimum(expr: Apply, a: Interval, b: Interval) -> Interval:
    high = [x for x in (a[1], b[1]) if x is not None]
    return (None if None in (a[0], b[0]) else min(a[0], b[0])), (min(high) if high else None)  # type: ignore[type-var]


def _maximum(expr: Apply, a: Interval, b: Interval) -> Interval:
    low = [x for x in (a[0], b[0]) if x is not None]
    return (max(low) if low else None), (None if None in (a[1], b[1]) else max(a[1], b[1]))  # type: ignore[type-var]


def _floor(expr: Apply, a: Interval) -> Interval | None:
    return None if a[0] is None or a[1] is None else (math.floor(a[0]), math.floor(a[1]))


def _ceil(expr: Apply, a: Interval) -> Interval | None:
    return None if a[0] is None or a[1] is None else (math.ceil(a[0]), math.ceil(a[1]))


def _cast(expr: Apply, a: Interval) -> Interval | None:
    source = expr.args[0].dtype
    if a[0] is None or a[1] is None:
        return None
    if expr.dtype.kind in "iu" and source.kind == "f":
        return math.trunc(a[0]), math.trunc(a[1])
    if expr.dtype.kind == "f":
        if expr.dtype.itemsize == 8 and max(abs(a[0]), abs(a[1])) <= _EXACT:
            return a
        with np.errstate(all="ignore"):
            return float(expr.dtype.type(a[0])), float(expr.dtype.type(a[1]))
    return a if expr.dtype.kind in "iu" and source.kind in "iub" else None


#: how the bounds of a result follow from those of the operands (see `_representable` for rounding and wrapping)
_RULES: dict[str, Any] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "minimum": _minimum,
    "maximum": _maximum,
    "floor": _floor,
    "ceil": _ceil,
    "cast": _cast,
}
_COMPARISONS = {
    "less": (True, True),
    "less_equal": (True, False),
    "greater": (False, True),
    "greater_equal": (False, False),
}
