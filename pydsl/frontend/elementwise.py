"""Ufunc calls: NumPy's type resolution, broadcasting, result layout, ``out=`` and ``where=``.

The operands of an elementwise operation have the dtypes of the loop and one shape; conversions and broadcasts are
explicit. Scalars stay scalars: an operation on scalars and 0-d tensors gives a scalar, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType, Promoted
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.scalars import OPERATOR_UFUNCS
from pydsl.frontend.writes import Writes
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.elementwise import COPY, SELECT, UFUNCS
from pydsl.ir.record import OpRecord
from pydsl.ir.types import BOOL

_SPELLED: dict[str, str] = {"degrees": "rad2deg", "radians": "deg2rad"}
_COMPARISONS = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"))
_MIRRORED = {
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}

#: What an arithmetic loop on bools computes.
_BOOL_LOOPS = {
    "add": "logical_or", "multiply": "logical_and", "maximum": "logical_or", "minimum": "logical_and",
    "fmax": "logical_or", "fmin": "logical_and", "invert": "logical_not",
}  # fmt: skip
_IDENTITY_ON_INTEGERS = frozenset(("floor", "ceil", "trunc", "positive"))
_CONSTANT_ON_INTEGERS = {"isnan": False, "isinf": False, "isfinite": True}

#: Powers that NumPy computes by another loop, for floating-point and complex arrays and a scalar exponent.
_POWERS: dict[float, str] = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}


class Elementwise(Writes):
    """Elementwise operations."""

    def ufunc(
        self,
        ufunc: np.ufunc,
        operands: Sequence[Operand],
        out: Operand = None,
        where: Operand = True,
        dtype: Any = None,
        casting: str = "same_kind",
    ) -> Any:
        """A ufunc call with NumPy's type resolution, broadcasting and result layout.

        A scalar for scalars and 0-d tensors, a new tensor otherwise; ``out`` where that is given; a tuple for ufuncs
        with several outputs.
        """
        if ufunc.nout > 1:
            raise Unsupported(f"np.{ufunc.__name__} as a ufunc with several outputs")
        name = _SPELLED.get(ufunc.__name__, ufunc.__name__)
        if name not in UFUNCS or len(operands) != ufunc.nin:
            if len(operands) != ufunc.nin:
                message = f"{ufunc.__name__}() takes from {ufunc.nin} to {ufunc.nargs} positional arguments"
                raise NumpyError(TypeError, f"{message} but {len(operands)} were given")
            raise Unsupported(f"np.{ufunc.__name__}")
        if isinstance(out, tuple):
            (out,) = out
        values = [self.as_operand(operand) for operand in operands]
        target = None if dtype is None else dtypes.as_dtype(dtype)
        inputs = tuple([dtypes.promoted(value) for value in values])
        if out is None and where is True:
            return self._compute(ufunc, name, values, inputs, target, casting, None)
        return self._into(ufunc, name, values, inputs, out, where, target, casting)

    def as_operand(self, operand: Operand) -> Operand:
        """A static scalar as it is; anything else as a value, 0-d tensors loaded."""
        if isinstance(operand, Value):
            return operand if not operand.is_tensor or operand.tensor.rank else self.load(operand)
        if isinstance(operand, np.ndarray):
            return operand[()] if not operand.ndim else self.as_value(operand)
        if dtypes.is_static_scalar(operand):
            return operand
        if isinstance(operand, (list, tuple)):
            return self.as_operand(self.as_tensor(operand))
        if isinstance(operand, Affine):
            return self.scalar_from_affine(operand)
        raise Unsupported(
            f"a value of type {type(operand).__name__} in array arithmetic", "numbers and arrays of numbers"
        )

    # --- computing ------------------------------------------------------------------------------------------

    def _compute(
        self,
        ufunc: np.ufunc,
        name: str,
        values: list[Operand],
        inputs: tuple[Promoted, ...],
        target: DType | None,
        casting: str,
        out: Value | None,
    ) -> Any:
        """The result of a ufunc as a scalar or a new tensor (laid out to suit ``out``)."""
        out_dtype = None if out is None else out.tensor.dtype
        loop = dtypes.resolve(ufunc, inputs, out_dtype, target, casting)
        shapes = [v.tensor.shape for v in values if isinstance(v, Value) and v.is_tensor]
        if name in _COMPARISONS:
            decided = self._compare_out_of_range(name, values, inputs, loop)
            if decided is not None:
                return self.filled(values, decided)
            if loop[0] != loop[1]:
                return self._compare_mixed_signs(name, values)
            if loop[0] == dtypes.UINT64 and int in inputs and all(isinstance(v, Value) for v in values):
                strong = dtypes.scalar_type(dtypes.INT64)
                sides = zip(values, inputs, strict=True)
                return self._compare_mixed_signs(
                    name, [self.convert_scalar(v, strong) if kind is int else v for v, kind in sides]
                )
            loop = self._widened(inputs, loop)
        return self._loop(name, values, loop, shapes, out)

    def _loop(
        self,
        name: str,
        values: Sequence[Operand],
        loop: tuple[DType, ...],
        shapes: Sequence[tuple[Affine, ...]],
        out: Value | None = None,
    ) -> Any:
        """The loop of a ufunc: conversions, broadcasts, one operation."""
        ready = [self.for_loop(value, dtype) for value, dtype in zip(values, loop, strict=False)]
        record, ready = self._chosen(name, values, ready, loop, bool(shapes))
        if record is None:
            return self.filled(values, _CONSTANT_ON_INTEGERS[name])
        if not shapes:
            if record is COPY:
                return ready[0]
            return self.value(record, ready, dtypes.scalar_type(loop[-1]))
        return self.elementwise(record, ready, loop[-1], shapes, values, out)

    def elementwise(
        self,
        record: OpRecord,
        ready: Sequence[Value],
        dtype: DType,
        shapes: Sequence[tuple[Affine, ...]],
        layout: Sequence[Operand] = (),
        out: Value | None = None,
    ) -> Value:
        """One operation on operands of its dtypes, tensors broadcast to their common shape.

        layout: the operands whose strides decide the layout (before conversion); ``out`` joins them.
        """
        message = None if out is None else rules.mismatch_text([*shapes, out.tensor.shape])
        shape = self.broadcast_shape(shapes, message)
        spread = [self.broadcast_to(v, shape) if v.is_tensor else v for v in ready]
        sources = [v.tensor for v in layout or ready if isinstance(v, Value) and v.is_tensor]
        if out is not None and out.tensor.rank == len(shape):
            sources.append(out.tensor)
        order = rules.result_axis_order(shape, [(s.shape, s.strides) for s in sources])
        return self.value(record, spread, self.tensor_type(dtype, shape, order))

    def for_loop(self, value: Operand, dtype: DType) -> Value:
        """An operand in the dtype of the loop; a Python integer must fit."""
        if isinstance(value, Value):
            if value.type.dtype == dtype and value.is_tensor:
                return value
            if (
                not value.is_tensor
                and value.scalar.weak
                and value.scalar.dtype.kind == "i"
                and dtype.kind in "iu"
            ):
                self.check_integer_fits(value, dtype)
            return self.cast(value, dtype)
        if isinstance(value, np.generic):
            with np.errstate(all="ignore"):
                value = value.astype(dtype)
        return self.constant(value, dtypes.scalar_type(dtype))

    def _chosen(
        self, name: str, values: Sequence[Operand], ready: list[Value], loop: tuple[DType, ...], tensors: bool
    ) -> tuple[OpRecord | None, list[Value]]:
        """The record for a loop: special loops for bools, integers and scalar exponents. None: a constant result."""
        kind = loop[0].kind
        if kind == "b":
            if name == "absolute":
                return COPY, ready
            name = _BOOL_LOOPS.get(name, name)
        if kind in "biu":
            if name in _CONSTANT_ON_INTEGERS:
                return None, ready
            if name in _IDENTITY_ON_INTEGERS or (name == "absolute" and kind == "u"):
                return COPY, ready
        if name == "conjugate" and kind != "c":
            return COPY, ready
        if name == "power":
            return self._power(values[1], ready, kind, tensors)
        return UFUNCS[name], ready

    def _power(
        self, exponent: Operand, ready: list[Value], kind: str, tensors: bool
    ) -> tuple[OpRecord, list[Value]]:
        if not isinstance(exponent, Value):
            if kind in "fc" and tensors and ready[0].is_tensor:
                special = _POWERS.get(exponent)
                if special is not None:
                    return UFUNCS[special], ready[:1]
                if kind == "f" and exponent in (3, 4) and ready[0].type.dtype.itemsize >= 4:
                    # at most 1.5 ULP from the rounded result
                    square = self.value(
                        UFUNCS["square"],
                        (ready[0],),
                        self.tensor_type(ready[0].type.dtype, ready[0].tensor.shape),
                    )
                    return (
                        (UFUNCS["multiply"], [square, ready[0]])
                        if exponent == 3
                        else (UFUNCS["square"], [square])
                    )
            if kind in "iu" and exponent == 2:
                return UFUNCS["square"], ready[:1]
            if kind == "i" and exponent < 0:
                raise NumpyError(ValueError, _NEGATIVE_POWER)
        elif kind == "i":
            self._check_exponent(exponent, ready[1])
        return UFUNCS["power"], ready

    def _check_exponent(self, exponent: Value, ready: Value) -> None:
        if exponent.type.dtype.kind != "i":
            return
        if exponent.is_tensor:
            negative = self.value(
                UFUNCS["less"],
                (ready, self.constant(0, dtypes.scalar_type(ready.type.dtype))),
                self.tensor_type(dtypes.BOOL_DTYPE, ready.tensor.shape),
            )
            condition = self.negate(self.any_of(negative))
        elif exponent.scalar.dtype == dtypes.INT64:
            condition = self.compare_index("ge", self.as_affine(exponent), rules.ZERO)
        else:
            zero = self.constant(0, exponent.scalar)
            condition = self.scalar_op("greater_equal", (exponent, zero), BOOL)
        self.check(condition, ValueError, _NEGATIVE_POWER)

    def any_of(self, mask: Value) -> Value:
        """Whether any element of a bool tensor is true. Overridden where reductions are known."""
        raise Unsupported("a check of all elements")

    # --- comparisons with integers --------------------------------------------------------------------------

    def _compare_out_of_range(
        self, name: str, values: Sequence[Operand], inputs: tuple[Promoted, ...], loop: tuple[DType, ...]
    ) -> bool | None:
        """The result of comparing with a Python integer that the dtype cannot hold, else None."""
        for position in (0, 1):
            value = values[position]
            if inputs[position] is not int or isinstance(value, Value) or loop[position].kind not in "biu":
                continue
            low, high = dtypes.integer_range(loop[position])
            if low <= value <= high:
                continue
            direction = name if position == 1 else _MIRRORED.get(name, name)
            above = value > high  # array `direction` value
            return {"equal": False, "not_equal": True}.get(direction, above == direction.startswith("less"))
        return None

    @staticmethod
    def _widened(inputs: tuple[Promoted, ...], loop: tuple[DType, ...]) -> tuple[DType, ...]:
        """Comparing with a Python integer known at run time only: in 64 bits, where it always fits."""
        if int in inputs and loop[0].kind in "iu" and loop[0] != dtypes.UINT64:
            return (dtypes.INT64, dtypes.INT64, loop[-1])
        return loop

    def _compare_mixed_signs(self, name: str, operands: Sequence[Operand]) -> Value:
        """int64 against uint64: exact, not through float64."""
        values = operands
        if dtypes.dtype_of(values[0]).kind == "u":
            name, values = _MIRRORED.get(name, name), (values[1], values[0])
        self.broadcast_shape(
            [v.tensor.shape for v in operands if isinstance(v, Value) and v.is_tensor] or [()]
        )
        signed, unsigned = values
        same = (dtypes.UINT64, dtypes.UINT64, dtypes.BOOL_DTYPE)
        shapes = [v.tensor.shape for v in values if isinstance(v, Value) and v.is_tensor]
        compared = self._loop(name, (self.for_loop(signed, dtypes.UINT64), unsigned), same, shapes)
        negative = self.ufunc(np.less, (signed, np.int64(0)))
        if name in ("less", "less_equal", "not_equal"):
            return self.ufunc(np.logical_or, (negative, compared))
        return self.ufunc(np.logical_and, (self.ufunc(np.logical_not, (negative,)), compared))

    def filled(self, operands: Sequence[Operand], value: Any) -> Any:
        """The answer of a ufunc that is everywhere ``value`` (a scalar, where the operands are)."""
        tensors = [v.tensor for v in operands if isinstance(v, Value) and v.is_tensor]
        if not tensors:
            return np.bool_(value)
        shape = self.broadcast_shape([t.shape for t in tensors])
        order = rules.result_axis_order(shape, [(t.shape, t.strides) for t in tensors])
        result = self.allocate(shape, dtypes.BOOL_DTYPE, order)
        self.store(result, value)
        return result

    # --- out and where --------------------------------------------------------------------------------------

    def _into(
        self,
        ufunc: np.ufunc,
        name: str,
        values: list[Operand],
        inputs: tuple[Promoted, ...],
        out: Operand,
        where: Operand,
        target: DType | None,
        casting: str,
    ) -> Value:
        """The ``out=`` and ``where=`` forms."""
        mask = where if where is True else self.as_operand(where)
        if out is None:
            out = self._fresh_out(ufunc, values, inputs, mask, target, casting)
        elif not isinstance(out, Value) or not out.is_tensor:
            raise NumpyError(TypeError, "return arrays must be of ArrayType")
        self.check_writeable(out, "output array")
        result = self.as_value(self._compute(ufunc, name, values, inputs, target, casting, out))
        return self.into(out, result, mask)

    def into(self, out: Value, result: Value, mask: Operand = True) -> Value:
        """Write a computed result into ``out=`` (where the mask holds); ``out``."""
        shape = out.tensor.shape
        shapes = [shape, *([result.tensor.shape] if result.is_tensor else [])]
        if isinstance(mask, Value) and mask.is_tensor:
            shapes.append(mask.tensor.shape)
        common = self._out_shape(shape, shapes)
        ready = self._spread(self.cast(result, out.tensor.dtype), common)
        if mask is True:
            self.store_where(out, True, ready)
        else:
            test = self.to_mask(mask)
            test = test if test.is_tensor else self.scalar_tensor(test)
            self.store_where(out, self.broadcast_to(test, common), ready)
        return out

    def _out_shape(
        self, shape: tuple[Affine, ...], shapes: Sequence[tuple[Affine, ...]]
    ) -> tuple[Affine, ...]:
        common = self.broadcast_shape(shapes)
        message = (
            f"non-broadcastable output operand with shape {rules.shape_text(shape)} "
            f"doesn't match the broadcast shape {rules.shape_text(common)}"
        )
        if len(common) != len(shape):
            raise NumpyError(ValueError, message)
        for mine, dim in zip(shape, common, strict=True):
            if mine != dim:
                self.require_equal(dim, mine, message)
        return shape

    def _spread(self, value: Value, shape: tuple[Affine, ...]) -> Value:
        return self.broadcast_to(value, shape) if value.is_tensor else value

    def _fresh_out(
        self,
        ufunc: np.ufunc,
        values: Sequence[Operand],
        inputs: tuple[Promoted, ...],
        mask: Operand,
        target: DType | None,
        casting: str,
    ) -> Value:
        """``where=`` without ``out=``: memory that stays uninitialised where the mask is false."""
        loop = dtypes.resolve(ufunc, inputs, None, target, casting)
        tensors = [v.tensor for v in (*values, mask) if isinstance(v, Value) and v.is_tensor]
        shape = self.broadcast_shape([t.shape for t in tensors]) if tensors else ()
        order = rules.result_axis_order(shape, [(t.shape, t.strides) for t in tensors])
        return self.allocate(shape, loop[-1], order)

    def to_mask(self, mask: Operand) -> Value:
        """A bool tensor or scalar; other dtypes are refused as NumPy does."""
        value = self.as_value(mask)
        if value.type.dtype != dtypes.BOOL_DTYPE:
            message = f"Cannot cast array data from {value.type.dtype!r} to dtype('bool') according to the rule 'safe'"
            raise NumpyError(TypeError, message)
        return value

    # --- in place, and selection ----------------------------------------------------------------------------

    def inplace_ufunc(self, ufunc: np.ufunc, dst: Value, value: Operand) -> Value:
        """``dst op= value`` of a tensor."""
        return self.ufunc(ufunc, (dst, value), out=dst)

    def inplace_masked(self, op: str | np.ufunc, dst: Value, mask: Value, value: Operand) -> bool:
        """``dst[mask] op= value`` without gathering, where ``value`` does not run along the selection.

        Returns False (and does nothing) where it does; the caller then loads, computes and stores.
        """
        ufunc = OPERATOR_UFUNCS[op] if isinstance(op, str) else op
        operand = self.as_operand(value)
        trailing = dst.tensor.rank - mask.tensor.rank
        if isinstance(operand, Value) and operand.is_tensor and operand.tensor.rank > trailing:
            return False
        if ufunc is np.power and dst.tensor.dtype.kind in "iu":
            return False
        self.check_writeable(dst)
        spread = self.spread_mask(mask, dst.tensor.shape)
        inputs = (dst.tensor.dtype, dtypes.promoted(operand))
        result = self._compute(ufunc, ufunc.__name__, [dst, operand], inputs, None, "same_kind", dst)
        self.store_where(dst, spread, self._spread(self.cast(result, dst.tensor.dtype), dst.tensor.shape))
        return True

    def select(self, condition: Operand, a: Operand, b: Operand) -> Value:
        """``np.where(condition, a, b)``: always an array, 0-d where all are scalars."""
        chosen = self.choose(condition, a, b)
        return chosen if chosen.is_tensor else self.scalar_tensor(chosen)

    def choose(self, condition: Operand, a: Operand, b: Operand, dtype: DType | None = None) -> Value:
        """Elementwise choice; scalars give a scalar. ``dtype``: instead of the common one."""
        test, *sides = [self.as_operand(v) for v in (condition, a, b)]
        target = dtypes.result_type(*map(dtypes.promoted, sides)) if dtype is None else dtype
        shapes = [v.tensor.shape for v in (test, *sides) if isinstance(v, Value) and v.is_tensor]
        ready = [self.for_loop(v, target) for v in sides]
        if not isinstance(test, Value):
            chosen = ready[0] if test else ready[1]
            if not shapes:
                return chosen
            result = self.allocate(self.broadcast_shape(shapes), target)
            self.store(result, chosen)
            return result
        if test.type.dtype.kind != "b":
            test = self.ufunc(np.not_equal, (test, test.type.dtype.type(0)))
        if not shapes:
            return self.value(SELECT, (test, *ready), dtypes.scalar_type(target))
        return self.elementwise(SELECT, (test, *ready), target, shapes, (test, *sides))


_NEGATIVE_POWER = "Integers to negative integer powers are not allowed."
