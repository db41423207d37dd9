"""Python's arithmetic on Python scalars of which at least one is known only at run time.

Integers are index expressions as far as they are affine (64 bits: they wrap where Python's would grow). What Python
raises (division by zero) becomes a run-time check.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.index_math import IndexMath
from pydsl.frontend.origins import roots
from pydsl.ir.core import Value
from pydsl.ir.ops.elementwise import SELECT, UFUNCS
from pydsl.ir.types import BOOL, FLOAT, INDEX, ScalarType

#: Python operator -> ufunc, for every operator that has one.
OPERATOR_UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "lshift": np.left_shift, "rshift": np.right_shift,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip

_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, {"and": "and_", "or": "or_"}.get(name, name)) for name in OPERATOR_UFUNCS
}
_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "** or pow()",
    "lshift": "<<", "rshift": ">>", "and": "&", "or": "|", "xor": "^",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip
_COMPARISONS = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))
_RANK = {"b": 0, "i": 1, "f": 2, "c": 3}
_KIND_TYPES = {0: BOOL, 1: INDEX, 2: FLOAT, 3: dtypes.scalar_type(dtypes.COMPLEX128, True)}
_PYTHON_TYPES = {bool: BOOL, int: INDEX, float: FLOAT, complex: _KIND_TYPES[3]}


def _zero_message(op: str, a: Any, b: Any) -> str:
    """What this Python says for a division by zero."""
    try:
        _PYTHON[op](a, b)
    except ZeroDivisionError as error:
        return str(error)
    return ""


_LARGEST = np.uint64(2**63 - 1)


class Scalars(IndexMath):
    """Python scalar arithmetic."""

    def is_python_scalar(self, value: Operand) -> bool:
        """Whether the operand is a Python (weak) scalar, static or not."""
        if isinstance(value, Value):
            return isinstance(value.type, ScalarType) and value.type.weak
        return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)

    def scalar_op(self, name: str, operands: tuple[Value, ...], type: ScalarType) -> Value:
        """An elementwise operation on scalars of its dtypes."""
        return self.value(UFUNCS[name], operands, type)

    def python_binary(self, op: str, a: Operand, b: Operand) -> Operand:
        """Python's arithmetic on two Python scalars (at least one dynamic).

        op: name in :mod:`operator` without underscores: add sub mul truediv floordiv mod pow lshift rshift and or xor
        lt le gt ge eq ne.
        """
        rank = max(_RANK[dtypes.dtype_of(a).kind], _RANK[dtypes.dtype_of(b).kind])
        if op in ("and", "or", "xor") and rank == 0:
            return self.scalar_op(
                f"bitwise_{op}", (self.convert_scalar(a, BOOL), self.convert_scalar(b, BOOL)), BOOL
            )
        if op in _COMPARISONS:
            return self._compare(op, a, b, rank)
        if op == "truediv":
            rank = max(rank, 2)
        if rank >= 2:
            return self._inexact(op, a, b, rank)
        return self._integer(op, a, b)

    def _compare(self, op: str, a: Operand, b: Operand, rank: int) -> Operand:
        if rank <= 1:
            return self.compare_index(op, self.as_affine(a), self.as_affine(b))
        if rank == 3 and op not in ("eq", "ne"):
            raise NumpyError(
                TypeError, f"'{_SYMBOLS[op]}' not supported between instances of 'complex' and 'complex'"
            )
        type_ = _KIND_TYPES[rank]
        operands = (self.convert_scalar(a, type_), self.convert_scalar(b, type_))
        return self.scalar_op(OPERATOR_UFUNCS[op].__name__, operands, BOOL)

    def _integer(self, op: str, a: Operand, b: Operand) -> Operand:
        if op == "pow":
            return self._integer_power(a, b)
        x, y = self.as_affine(a), self.as_affine(b)
        if op == "add":
            return self.scalar_from_affine(x + y)
        if op == "sub":
            return self.scalar_from_affine(x - y)
        if op == "mul":
            return self.scalar_from_affine(self.mul_index(x, y))
        if op in ("floordiv", "mod"):
            self.check(
                self.compare_index("ne", y, self.as_affine(0)), ZeroDivisionError, _zero_message(op, 1, 0)
            )
            divide = self.floordiv_index if op == "floordiv" else self.mod_index
            return self.scalar_from_affine(divide(x, y))
        if op in ("lshift", "rshift"):
            if y.is_const and y.const >= 0:
                factor = self.as_affine(1 << y.const)
                divide = self.mul_index if op == "lshift" else self.floordiv_index
                return self.scalar_from_affine(divide(x, factor))
            self.check(self.compare_index("ge", y, self.as_affine(0)), ValueError, "negative shift count")
        return self.scalar_op(OPERATOR_UFUNCS[op].__name__, (self.index_value(x), self.index_value(y)), INDEX)

    def _integer_power(self, a: Operand, b: Operand) -> Operand:
        exponent = self.as_affine(b)
        low, high = self.index_bounds(exponent)
        if exponent.is_const and 0 <= exponent.const <= 4:
            x = self.as_affine(a)
            return self.scalar_from_affine(self.product_index([x] * exponent.const))
        if low is not None and low >= 0:
            operands = (self.index_value(self.as_affine(a)), self.index_value(exponent))
            return self.scalar_op("power", operands, INDEX)
        if high is not None and high < 0:
            return self._inexact("pow", a, b, 2)
        found = roots(b, self.function) if isinstance(b, Value) else None
        if found is not None and found.leaves and not found.opaque and not found.loop_variables:
            raise NeedStatic(b, "the sign of an exponent must be known at compile time")
        raise Unsupported(
            "an integer to a power whose sign is not known: Python gives an int or a float",
            "use a float base, or abs() of the exponent",
        )

    def _inexact(self, op: str, a: Operand, b: Operand, rank: int) -> Operand:
        if op not in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow") or (
            rank == 3 and op in ("floordiv", "mod")
        ):
            names = [
                _KIND_TYPES[_RANK[dtypes.dtype_of(v).kind]].dtype.type(0).item().__class__.__name__
                for v in (a, b)
            ]
            raise NumpyError(
                TypeError, f"unsupported operand type(s) for {_SYMBOLS[op]}: '{names[0]}' and '{names[1]}'"
            )
        type_ = _KIND_TYPES[rank]
        x, y = self.convert_scalar(a, type_), self.convert_scalar(b, type_)
        if op in ("truediv", "floordiv", "mod"):
            integers = all(dtypes.dtype_of(v).kind in "ib" for v in (a, b))
            message = _zero_message(op, 1 if integers else 1.0, 0 if integers else 0.0)
            self._check_nonzero(b, y, message)
        if op == "pow":
            self._check_real_power(x, y, b, rank)
        return self.scalar_op(OPERATOR_UFUNCS[op].__name__, (x, y), type_)

    def _check_nonzero(self, operand: Operand, value: Value, message: str) -> None:
        if not isinstance(operand, Value):
            self.check(operand != 0, ZeroDivisionError, message)
        elif operand.scalar.dtype.kind in "ib":
            condition = self.compare_index("ne", self.as_affine(operand), self.as_affine(0))
            self.check(condition, ZeroDivisionError, message)
        else:
            zero = self.constant(0, value.scalar)
            self.check(self.scalar_op("not_equal", (value, zero), BOOL), ZeroDivisionError, message)

    def _check_real_power(self, base: Value, exponent: Value, operand: Operand, rank: int) -> None:
        """Python gives a complex number for a negative base and an exponent that is not whole."""
        if rank == 3:
            return
        if not isinstance(operand, Value) and float(operand).is_integer():
            if operand < 0:
                zero = self.constant(0.0)
                message = _zero_message("pow", 0.0, -1.0)
                self.check(self.scalar_op("not_equal", (base, zero), BOOL), ZeroDivisionError, message)
            return
        condition = self.scalar_op("greater_equal", (base, self.constant(0.0)), BOOL)
        self.check(
            condition, ValueError, "a negative number to a power that is not whole is complex: unsupported"
        )

    def python_unary(self, op: str, a: Operand) -> Operand:
        """neg, pos, invert, not, abs on a dynamic Python scalar."""
        assert isinstance(a, Value)
        kind = a.scalar.dtype.kind
        if op == "not":
            return self.negate(self.truth_of_scalar(a))
        if kind in "ib":
            x = self.as_affine(a)
            if op == "neg":
                return self.scalar_from_affine(-x)
            if op == "pos":
                return self.scalar_from_affine(x)
            if op == "invert":
                return self.scalar_from_affine(-x - 1)
            return self.scalar_from_affine(self.max_index(x, -x))
        if op == "invert":
            name = "float" if kind == "f" else "complex"
            raise NumpyError(TypeError, f"bad operand type for unary ~: '{name}'")
        if op == "pos":
            return a
        type_ = FLOAT if op == "abs" else a.scalar
        return self.scalar_op("negative" if op == "neg" else "absolute", (a,), type_)

    def negate(self, condition: bool | Value) -> bool | Value:
        """``not condition`` of a bool."""
        if not isinstance(condition, Value):
            return not condition
        return self.scalar_op("logical_not", (condition,), BOOL)

    def truth_of_scalar(self, value: Operand) -> bool | Value:
        """``bool(value)`` of a scalar."""
        if not isinstance(value, Value):
            return bool(value)
        type_ = value.scalar
        if type_.dtype.kind == "b":
            return value
        if type_.dtype == dtypes.INT64:
            return self.compare_index("ne", self.as_affine(value), self.as_affine(0))
        return self.scalar_op("not_equal", (value, self.constant(0, type_)), BOOL)

    def to_python(self, value: Operand, kind: type) -> Operand:
        """``int(x)``, ``float(x)``, ``bool(x)``, ``complex(x)`` of a scalar: a Python (weak) scalar."""
        if not isinstance(value, Value):
            return kind(value)
        if value.is_tensor:
            value = self.load(value)
        source = value.scalar.dtype
        if kind is bool:
            truth = self.truth_of_scalar(value)
            return truth if not isinstance(truth, Value) else self.convert_scalar(truth, BOOL)
        if source.kind == "c" and kind is not complex:
            if value.scalar.weak:
                raise NumpyError(
                    TypeError, f"{kind.__name__}() argument must be a string or a real number, not 'complex'"
                )
            # NumPy's complex scalars warn and give their real part
            source = np.dtype(np.float32 if source.itemsize == 8 else np.float64)
            value = self.convert_scalar(value, ScalarType(source))
        if kind is int:
            if source.kind == "f":
                return self._truncated(value)
            if value.type == INDEX:
                return value
            if source == np.dtype(np.uint64):
                fits = self.scalar_op("less_equal", (value, self.constant(_LARGEST, value.scalar)), BOOL)
                self.check(fits, OverflowError, "an integer above 2**63 - 1 does not fit into 64 bits")
            return self.scalar_from_affine(self.as_affine(value))
        return self.convert_scalar(value, _PYTHON_TYPES[kind])

    def _truncated(self, value: Value) -> Value:
        finite = self.scalar_op("equal", (value, value), BOOL)
        self.check(finite, ValueError, "cannot convert float NaN to integer")
        type_ = value.scalar
        limit = self.constant(float("inf") if type_.dtype.itemsize == 2 else float(2**63), type_)
        small = self.scalar_op("less", (self.scalar_op("absolute", (value,), type_), limit), BOOL)
        self.check(small, OverflowError, "cannot convert float infinity to integer")
        return self.convert_scalar(value, INDEX)

    def select_scalar(self, condition: Operand, a: Operand, b: Operand) -> Operand:
        """``a if condition else b`` of two scalars, both evaluated, in their common type."""
        if not isinstance(condition, Value):
            return a if condition else b
        type_ = self.common_scalar_type(a, b)
        return self.value(
            SELECT, (condition, self.convert_scalar(a, type_), self.convert_scalar(b, type_)), type_
        )

    def common_scalar_type(self, a: Operand, b: Operand) -> ScalarType:
        """The scalar type that holds both: Python's tower for Python scalars, NumPy's promotion otherwise."""
        if self.is_python_scalar(a) and self.is_python_scalar(b):
            return _KIND_TYPES[max(_RANK[dtypes.dtype_of(a).kind], _RANK[dtypes.dtype_of(b).kind])]
        dtype: DType = dtypes.result_type(dtypes.promoted(a), dtypes.promoted(b))
        return dtypes.scalar_type(dtype)
