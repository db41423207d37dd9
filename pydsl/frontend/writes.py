"""Writes: assignment with NumPy's conversion and broadcasting, and its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.views import SliceEntry, Views
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.memory import MASKED_STORE, STORE
from pydsl.ir.types import FLOAT


class Writes(Views):
    """Storing into tensors."""

    def check_writeable(self, dst: Value, what: str = "assignment destination") -> None:
        """NumPy's refusal to write into read-only memory."""
        if self.is_read_only(dst):
            raise NumpyError(ValueError, f"{what} is read-only")

    def store(self, dst: Value, value: Operand, casting: str = "unsafe") -> None:
        """``dst[...] = value``."""
        self.check_writeable(dst)
        ready = self.for_store(dst, value, dst.tensor.shape, casting)
        self.emit(STORE, (dst, ready))

    def kept_layout(self, result: Value, like: Value) -> Value:
        """A new elementwise result of one tensor, laid out as a copy of that tensor would be.

        A ufunc lays out its result otherwise only where an axis of the tensor is repeated.
        """
        if result is like or result.tensor.rank < 2:
            return result
        type_ = like.tensor
        order = self.named_order("K", type_.shape, like)
        if order == rules.result_axis_order(type_.shape, [(type_.shape, type_.strides)]):
            return result
        kept = self.allocate(type_.shape, result.tensor.dtype, order)
        self.store(kept, result)
        return kept

    def store_result(self, dst: Value, value: Value) -> None:
        """Write a result of the right shape into an ``out=`` operand (read-only is checked by the caller)."""
        self.emit(STORE, (dst, self.for_store(dst, value, dst.tensor.shape, "unsafe")))

    def for_store(
        self, dst: Value, value: Operand, shape: Sequence[Affine], casting: str = "unsafe"
    ) -> Value:
        """A value converted to the dtype of ``dst`` and broadcast to ``shape`` (scalars stay scalars)."""
        dtype = dst.tensor.dtype
        if not isinstance(value, Value) and dtypes.is_static_scalar(value):
            return self.constant(
                value if isinstance(value, np.generic) else self._assignable(value, dtype),
                dtypes.scalar_type(dtype),
            )
        operand = self.as_tensor(value) if isinstance(value, (list, tuple)) else self.as_value(value)
        if not operand.is_tensor:
            operand = self._assignable_scalar(operand, dtype)
        if not dtypes.can_cast(operand.type.dtype, dtype, casting):
            raise dtypes.cast_refusal(operand.type.dtype, dtype, casting)
        if not operand.is_tensor:
            return self.cast(operand, dtype)
        return self._fitted(self.cast(operand, dtype), tuple(shape))

    def as_tensor(self, value: Operand, dtype: DType | None = None) -> Value:
        """An array-like (nested lists and tuples included) as a tensor. Overridden where arrays are created."""
        raise Unsupported("a list where an array is expected", "wrap it in np.array")

    def _assignable(self, value: Any, dtype: DType) -> Any:
        return dtypes.convert_static(value, dtype)

    def _assignable_scalar(self, value: Value, dtype: DType) -> Value:
        """What Python scalars (not NumPy's) refuse: integers out of range, NaN to an integer."""
        if not value.scalar.weak or dtype.kind not in "iu" or value.scalar.dtype.kind not in "if":
            return value
        if value.scalar == FLOAT:
            value = self.as_value(self.to_python(value, int))
        self.check_integer_fits(value, dtype)
        return value

    def check_integer_fits(self, value: Operand, dtype: DType) -> None:
        """NumPy's OverflowError for a Python integer that the dtype does not hold."""
        expr = self.as_affine(value)
        low, high = dtypes.integer_range(dtype)
        message = f"Python integer {expr.const if expr.is_const else '{0}'} out of bounds for {dtype.name}"
        values = () if expr.is_const else (self.index_value(expr),)
        for op, limit in (("ge", low), ("le", high)):
            if abs(limit) < 2**63 - 1 or expr.is_const:
                self.check(self.compare_index(op, expr, Affine.of(limit)), OverflowError, message, *values)

    def _fitted(self, value: Value, shape: tuple[Affine, ...]) -> Value:
        """The value broadcast to the destination; leading axes of length 1 are dropped, as NumPy does."""
        while value.tensor.rank > len(shape) and rules.is_one(value.tensor.shape[0]):
            value = self.basic_index(value, [rules.ZERO])
        if value.tensor.shape == shape:
            return value
        given = rules.shape_text(value.tensor.shape)
        message = f"could not broadcast input array from shape {given} into shape {rules.shape_text(shape)}"
        return self.broadcast_to(value, shape, message)

    # --- masks ----------------------------------------------------------------------------------------------

    def spread_mask(self, mask: Value, shape: Sequence[Affine]) -> Value:
        """A mask over the leading axes as one of the full shape."""
        given = mask.tensor
        for axis, dim in enumerate(given.shape):
            text = [str(d) if d.is_const else "n" for d in (shape[axis], dim)]
            message = (
                "boolean index did not match indexed array along axis "
                f"{axis}; size of axis is {text[0]} but size of corresponding boolean axis is {text[1]}"
            )
            self.check(self.compare_index("eq", shape[axis], dim), IndexError, message)
        trailing = len(shape) - given.rank
        whole = [SliceEntry(rules.ZERO, 1, dim) for dim in shape[: given.rank]]
        full = self.basic_index(
            self.view(mask, shape[: given.rank], given.strides, given.offset, "index"),
            [*whole, *[None] * trailing],
        )
        return self.broadcast_to(full, shape)

    def store_where(self, dst: Value, mask: Operand, value: Value) -> None:
        """Write ``value`` (scalar or tensor of the shape of ``dst``) where ``mask`` (same shape, or a scalar) holds."""
        if not isinstance(mask, Value):
            if mask:
                self.emit(STORE, (dst, value))
            return
        self.emit(MASKED_STORE, (dst, mask, value))
