"""Index arithmetic: integer scalars kept affine as long as they are, symbols for the rest, bounds throughout.

Two computations of the same quantity must end in the same :class:`Affine`, because equality of index expressions is
how equal dims, contiguity and overlaps are recognised. So products are expanded into monomials, and each monomial,
quotient, minimum and maximum is computed once per scope.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.emitter import Bounds, Emitter, Operand
from pydsl.frontend.failures import NumpyError
from pydsl.ir.affine import Affine
from pydsl.ir.core import Op, Value
from pydsl.ir.ops.control import CONSTANT, INDEX
from pydsl.ir.ops.elementwise import CAST, SELECT, UFUNCS
from pydsl.ir.types import BOOL, ScalarType
from pydsl.ir.types import INDEX as INDEX_TYPE

_OPEN: Bounds = (None, None)
_ZERO = Affine.of(0)
_ONE = Affine.of(1)

_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip


class IndexMath(Emitter):
    """Integer scalars and index expressions."""

    # --- between values and expressions ---------------------------------------------------------------------

    def as_affine(self, value: Operand) -> Affine:
        """An integer operand as an index expression; follows integer arithmetic back.

        Raises
        ------
        NumpyError: TypeError, for what is not an integer.
        """
        if type(value) is Affine:
            return value
        if type(value) is int:
            return Affine.of(value)
        if not isinstance(value, Value):
            if isinstance(value, (int, np.integer)):
                return Affine.of(int(value))
            raise NumpyError(
                TypeError, f"'{type(value).__name__}' object cannot be interpreted as an integer"
            )
        if value.is_tensor:
            tensor = value.tensor
            if tensor.rank or tensor.dtype.kind not in "iu":
                raise NumpyError(TypeError, "only integer scalar arrays can be converted to a scalar index")
            value = self.load(value)
        type_ = value.scalar
        if type_.dtype.kind not in "iub":
            name = "float" if type_.weak else f"numpy.{type_.dtype.name}"
            raise NumpyError(TypeError, f"'{name}' object cannot be interpreted as an integer")
        key = (Affine, value)
        known = self.recall(key)
        return known if known is not None else self.remember(key, self._traced(value))

    def _traced(self, value: Value) -> Affine:
        """The expression of an integer scalar: its definition read back as far as that is affine."""
        op = value.owner
        if isinstance(op, Op):
            if op.record is INDEX:
                return op.attrs["expr"]
            if op.record is CONSTANT:
                return Affine.of(int(op.attrs["value"]))
            if value.scalar.dtype == dtypes.INT64:
                traced = self._traced_arithmetic(op)
                if traced is not None:
                    return traced
        if value.scalar.dtype == dtypes.INT64:
            return Affine.of(value)
        return Affine.of(self.convert_integer(value))

    def _traced_arithmetic(self, op: Op) -> Affine | None:
        name = op.name
        if name == "cast" and op.operands[0].scalar.dtype.kind in "iub":
            source = op.operands[0]
            return self.as_affine(source) if source.scalar.dtype == dtypes.INT64 else None
        if name in ("add", "subtract", "multiply"):
            a, b = (self.as_affine(operand) for operand in op.operands)
            return a + b if name == "add" else a - b if name == "subtract" else a.mul(b)
        if name == "negative":
            return -self.as_affine(op.operands[0])
        return None

    def convert_integer(self, value: Value) -> Value:
        """A bool or integer scalar as an int64 (Python) scalar."""
        key = (INDEX_TYPE, value)
        found = self.recall(key)
        if found is None:
            low, high = value.bounds
            if value.scalar.dtype.kind in "iub" and value.scalar.dtype.itemsize < 8:
                first, last = dtypes.integer_range(value.scalar.dtype)
                low, high = first if low is None else low, last if high is None else high
            found = self.remember(key, self.value(CAST, (value,), INDEX_TYPE, (low, high)))
        return found

    def scalar_from_affine(self, expr: Affine | int) -> int | Value:
        """An index expression as a Python int operand: a static int, or an ``index`` op with its bounds."""
        if type(expr) is int:
            return expr
        assert isinstance(expr, Affine)
        if expr.is_const:
            return expr.const
        if not expr.const and len(expr.terms) == 1 and expr.terms[0][1] == 1:
            symbol = expr.terms[0][0]
            assert isinstance(symbol, Value)
            if symbol.type == INDEX_TYPE:
                return symbol
        key = (INDEX, expr)
        found = self.recall(key)
        if found is None:
            found = self.remember(key, self.value(INDEX, (), INDEX_TYPE, self.index_bounds(expr), expr=expr))
        return found

    def index_value(self, expr: Affine | int) -> Value:
        """An index expression as an int64 scalar value, constants included."""
        scalar = self.scalar_from_affine(expr)
        return self.constant(scalar) if isinstance(scalar, int) else scalar

    # --- bounds and decisions -------------------------------------------------------------------------------

    def index_bounds(self, expr: Affine) -> Bounds:
        """Inclusive bounds from the bounds of the symbols."""
        if expr.is_const:
            return expr.const, expr.const
        return expr.bounds({symbol: getattr(symbol, "bounds", _OPEN) for symbol, _ in expr.terms})

    def decide(self, op: str, a: Affine, b: Affine) -> bool | None:
        """Whether ``a op b`` holds (op: lt le gt ge eq ne), where bounds decide it; else None."""
        difference = a - b
        if op in ("eq", "ne") and ("ne", difference) in self.assumed:
            return op == "ne"
        low, high = self.index_bounds(difference)
        if op in ("eq", "ne"):
            return self._decide_equal(difference, low, high, op == "eq")
        if op in ("gt", "le"):  # a > b: b < a
            low, high = (None if high is None else -high), (None if low is None else -low)
        strict = op in ("lt", "gt")  # a < b; the others are its negation with the sides exchanged
        if not strict:  # a >= b  <=>  not (a < b); le was flipped into ge
            decided = _below_zero(low, high)
            return None if decided is None else not decided
        return _below_zero(low, high)

    @staticmethod
    def _decide_equal(difference: Affine, low: int | None, high: int | None, want: bool) -> bool | None:
        if difference.is_const:
            return (difference.const == 0) is want
        if (low is not None and low > 0) or (high is not None and high < 0):
            return not want
        if difference.const % difference.content():
            return not want
        return None

    def compare_index(self, op: str, a: Affine, b: Affine) -> bool | Value:
        """``a op b``: a static bool where decided, else a bool scalar."""
        decided = self.decide(op, a, b)
        if decided is not None:
            return decided
        key = (op, a, b)
        found = self.recall(key)
        if found is None:
            operands = (self.index_value(a), self.index_value(b))
            found = self.remember(key, self.value(UFUNCS[_COMPARISONS[op]], operands, BOOL))
        return found

    # --- what is not affine ---------------------------------------------------------------------------------

    def mul_index(self, a: Affine, b: Affine) -> Affine:
        """The product; where it is not affine, monomials become symbols (the same one for the same factors)."""
        product = a.mul(b)
        if product is not None:
            return product
        total = _ZERO
        for left, c in (*a.terms, (None, a.const)):
            for right, d in (*b.terms, (None, b.const)):
                if not c or not d:
                    continue
                if left is None or right is None:
                    symbol = right if left is None else left
                    total = total + (
                        Affine.of(c * d) if symbol is None else Affine.linear(0, ((symbol, c * d),))
                    )
                else:
                    total = total + Affine.linear(0, ((self._monomial(left, right), c * d),))
        return total

    def _monomial(self, left: Any, right: Any) -> Value:
        factors = tuple(sorted((*self._factors(left), *self._factors(right)), key=lambda v: v.id))
        key = ("monomial", factors)
        found = self.recall(key)
        if found is None:
            a, b = left.bounds, right.bounds
            bounds = (None, None)
            if a[0] is not None and b[0] is not None and a[0] >= 0 and b[0] >= 0:
                bounds = (a[0] * b[0], None if a[1] is None or b[1] is None else a[1] * b[1])
            operands = (self.index_value(Affine.of(left)), self.index_value(Affine.of(right)))
            found = self.remember(key, self.value(UFUNCS["multiply"], operands, INDEX_TYPE, bounds))
            self._memo[("factors", found)] = (self.block, factors)
            self._memo[(Affine, found)] = (self.block, Affine.of(found))
        return found

    def name_product(self, symbol: Value, factors: Sequence[Value]) -> None:
        """Make known that a symbol is the product of others."""
        flat = [f for factor in factors for f in self._factors(factor)]
        ordered = tuple(sorted(flat, key=lambda v: v.id))
        self.remember(("monomial", ordered), symbol)
        self.remember(("factors", symbol), ordered)
        self.remember((Affine, symbol), Affine.of(symbol))

    def assume_not_one(self, expr: Affine) -> bool:
        """Take an expression for different from 1: possible where the guards of the call can check it."""
        if expr.is_const:
            return expr.const != 1
        if not self.generic or not all(map(self._is_size, expr.symbols())):
            return False
        self.assumed["ne", expr - 1] = None
        return True

    def _is_size(self, symbol: Any) -> bool:
        """Whether a symbol is a number that guards can look at."""
        return symbol in self.function.symbols or symbol in self.sizes

    def is_positive(self, count: Affine) -> bool:
        """Whether a number of turns is certainly more than 0; in code for several sizes that may be assumed."""
        decided = self.decide("gt", count, _ZERO)
        return self._assume_rows(_ONE, count) is True if decided is None else decided

    def _assume_rows(self, a: Affine, b: Affine) -> bool | None:
        """Whether ``a <= b`` if dimensions that may be 0 are at least 2, where that decides it: it is assumed then.

        Slices like ``x[1:]`` have affine lengths so; arrays without elements have code of their own.
        """
        small = [s for s in (a - b).symbols() if self._is_size(s) and getattr(s, "bounds", _OPEN)[0] == 0]
        if not self.generic or not small:
            return None
        for symbol in small:
            symbol.bounds = (2, symbol.bounds[1])  # type: ignore[attr-defined]
        decided = self.decide("le", a, b)
        if decided is None and self.decide("ge", a, b):
            decided = False
        for symbol in small:
            if decided is None:
                symbol.bounds = (0, symbol.bounds[1])  # type: ignore[attr-defined]
            else:
                self.assumed["ge", Affine.of(symbol) - 2] = None
        return decided

    def _factors(self, symbol: Value) -> tuple[Value, ...]:
        known = self._memo.get(("factors", symbol))
        return known[1] if known is not None else (symbol,)

    def product_index(self, dims: Any) -> Affine:
        """The product of index expressions, multiplied from the last one."""
        total = _ONE
        for dim in reversed(tuple(dims)):
            total = self.mul_index(dim, total)
        return total

    def floordiv_index(self, a: Affine, b: Affine) -> Affine:
        """``a // b`` for ``b != 0``; a symbol where it is not affine."""
        if b.is_const:
            divisor = b.const
            if a.is_const:
                return Affine.of(a.const // divisor)
            whole, rest = self._divided(a, divisor)
            if rest is None:
                return whole
            low, high = self.index_bounds(a)
            bounds: Bounds = _OPEN
            if divisor > 0:
                bounds = (None if low is None else low // divisor, None if high is None else high // divisor)
            return whole + self._index_op("floor_divide", rest, b, bounds if whole == 0 else _OPEN)
        if a == b:
            return _ONE
        quotient = self._monomial_quotient(a, b)
        if quotient is not None:
            return quotient
        low, high = self.index_bounds(a)
        positive = (self.index_bounds(b)[0] or 0) > 0 and low is not None and low >= 0
        return self._index_op("floor_divide", a, b, (0, high) if positive else _OPEN)

    def _divided(self, a: Affine, divisor: int) -> tuple[Affine, Affine | None]:
        """``a // divisor`` as a whole part and the rest still to be divided (None: nothing)."""
        exact = [(symbol, coeff // divisor) for symbol, coeff in a.terms if coeff % divisor == 0]
        rest = Affine.linear(a.const, [term for term in a.terms if term[1] % divisor])
        whole = Affine.linear(0, exact)
        low, high = self.index_bounds(rest)
        if low is not None and high is not None and low // divisor == high // divisor:
            return whole + low // divisor, None
        return whole, rest

    def _monomial_quotient(self, a: Affine, b: Affine) -> Affine | None:
        """``a // b`` where both are single monomials and the factors of ``b`` (known not to be 0) divide ``a``."""
        if a.const or b.const or len(a.terms) != 1 or len(b.terms) != 1:
            return None
        (left, c), (right, d) = a.terms[0], b.terms[0]
        remaining = list(self._factors(left))  # type: ignore[arg-type]
        for factor in self._factors(right):  # type: ignore[arg-type]
            if factor not in remaining:
                return None
            remaining.remove(factor)
        if c % d:
            return None
        return self.product_index(map(Affine.of, remaining)) * (c // d)

    def mod_index(self, a: Affine, b: Affine) -> Affine:
        """``a % b`` for ``b != 0``."""
        if b.is_const:
            divisor = b.const
            rest = Affine.linear(a.const % divisor, [(s, c) for s, c in a.terms if c % divisor])
            low, high = self.index_bounds(rest)
            if rest.is_const:
                return Affine.of(rest.const % divisor)
            if low is not None and high is not None and low // divisor == high // divisor:
                return rest - (low // divisor) * divisor
            return self._index_op("remainder", rest, b, (0, divisor - 1) if divisor > 0 else (divisor + 1, 0))
        if self._monomial_quotient(a, b) is not None or a == b:
            return _ZERO
        low, high = self.index_bounds(b)
        positive = low is not None and low > 0
        return self._index_op(
            "remainder", a, b, (0, None if high is None else high - 1) if positive else _OPEN
        )

    def min_index(self, a: Affine, b: Affine) -> Affine:
        """The smaller; one of the two where bounds decide."""
        if self.decide("le", a, b):
            return a
        if self.decide("ge", a, b):
            return b
        assumed = self._assume_rows(a, b)
        if assumed is not None:
            return a if assumed else b
        (al, ah), (bl, bh) = self.index_bounds(a), self.index_bounds(b)
        low = None if al is None or bl is None else min(al, bl)
        high = ah if bh is None else bh if ah is None else min(ah, bh)
        return self._index_op("minimum", a, b, (low, high))

    def max_index(self, a: Affine, b: Affine) -> Affine:
        """The larger; one of the two where bounds decide."""
        if self.decide("ge", a, b):
            return a
        if self.decide("le", a, b):
            return b
        assumed = self._assume_rows(a, b)
        if assumed is not None:
            return b if assumed else a
        (al, ah), (bl, bh) = self.index_bounds(a), self.index_bounds(b)
        low = al if bl is None else bl if al is None else max(al, bl)
        high = None if ah is None or bh is None else max(ah, bh)
        return self._index_op("maximum", a, b, (low, high))

    def select_index(self, condition: bool | Value, a: Affine, b: Affine) -> Affine:
        """``a if condition else b``."""
        if not isinstance(condition, Value):
            return a if condition else b
        if a == b:
            return a
        (al, ah), (bl, bh) = self.index_bounds(a), self.index_bounds(b)
        low = None if al is None or bl is None else min(al, bl)
        high = None if ah is None or bh is None else max(ah, bh)
        key = ("select", condition, a, b)
        found = self.recall(key)
        if found is None:
            operands = (condition, self.index_value(a), self.index_value(b))
            found = self.remember(key, self.value(SELECT, operands, INDEX_TYPE, (low, high)))
        return Affine.of(found)

    def wrapped_index(self, position: Affine, length: Affine) -> Affine:
        """A position that counts from the end where it is negative."""
        return self.select_index(self.compare_index("lt", position, _ZERO), position + length, position)

    def _index_op(self, name: str, a: Affine, b: Affine, bounds: Bounds) -> Affine:
        """An integer operation that is not affine, as a symbol."""
        key: Hashable = (name, a, b)
        found = self.recall(key)
        if found is None:
            operands = (self.index_value(a), self.index_value(b))
            found = self.remember(key, self.value(UFUNCS[name], operands, INDEX_TYPE, bounds))
        return Affine.of(found)

    def convert_scalar(self, value: Operand, type: ScalarType) -> Value:
        """A scalar converted to a scalar type (unsafe casting)."""
        if not isinstance(value, Value):
            return self.constant(value, type)
        if value.type == type:
            return value
        key = (CAST, type, value)
        found = self.recall(key)
        if found is None:
            bounds = value.bounds if value.type.dtype.kind in "iub" and type.dtype == dtypes.INT64 else _OPEN
            found = self.remember(key, self.value(CAST, (value,), type, bounds))
        return found


def _below_zero(low: int | None, high: int | None) -> bool | None:
    if high is not None and high < 0:
        return True
    if low is not None and low >= 0:
        return False
    return None
