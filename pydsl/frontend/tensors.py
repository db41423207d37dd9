"""New tensors: their types and layouts, allocation, copies and conversions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.scalars import Scalars
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.elementwise import CAST, COPY, IOTA
from pydsl.ir.ops.memory import ALLOC, STORE
from pydsl.ir.types import Origin, ScalarType, TensorType


class Tensors(Scalars):
    """Making tensors."""

    def tensor_type(
        self, dtype: DType, shape: Sequence[Affine], axis_order: Sequence[int] | None = None
    ) -> TensorType:
        """The type of a new tensor with its own storage.

        axis_order: axes from slowest to fastest (default: C order).
        """
        dims = tuple(shape)
        rank = len(dims)
        strides = [rules.ZERO] * rank
        step = Affine.of(dtype.itemsize)
        empty = False
        for axis in range(rank - 1, -1, -1) if axis_order is None else reversed(axis_order):
            strides[axis] = step
            dim = dims[axis]
            if not dim.is_const:
                step = self.mul_index(dim, step)
            elif dim.const > 1:
                step = step * dim.const
            elif not dim.const:
                empty = True  # NumPy gives the other axes the strides of a dim of 1
        storage = self.new_storage(dtype, rules.ZERO if empty else step)
        return TensorType(dtype, dims, tuple(strides), rules.ZERO, storage)

    def as_shape(self, shape: Operand) -> tuple[Affine, ...]:
        """A shape argument (an integer or a sequence of them) as index expressions; negative dims raise."""
        if isinstance(shape, (tuple, list)):
            dims = tuple([self.as_affine(dim) for dim in shape])
        elif isinstance(shape, Value) and shape.is_tensor and shape.tensor.rank:
            raise Unsupported("a shape given by an array", "use a tuple of integers")
        else:
            dims = (self.as_affine(shape),)
        for dim in dims:
            self.check(
                self.compare_index("ge", dim, rules.ZERO), ValueError, "negative dimensions are not allowed"
            )
        return dims

    def empty(self, shape: Operand, dtype: Any = float, order: str = "C") -> Value:
        """``np.empty``."""
        dims = self.as_shape(shape)
        return self.allocate(dims, dtypes.as_dtype(dtype), self.named_order(order, dims))

    def allocate(
        self, shape: Sequence[Affine], dtype: DType, axis_order: Sequence[int] | None = None
    ) -> Value:
        """Uninitialised memory for a tensor."""
        return self.value(ALLOC, (), self.tensor_type(dtype, shape, axis_order))

    def iota(self, length: Affine) -> Value:
        """The int64 tensor ``0, 1, ..., length - 1``."""
        return self.value(IOTA, (), self.tensor_type(dtypes.INT64, (length,)))

    def named_order(
        self, order: str | None, shape: Sequence[Affine], like: Value | None = None
    ) -> tuple[int, ...]:
        """Axes from slowest to fastest for a NumPy order letter (A and K look at ``like``)."""
        rank = len(shape)
        letter = (order or "K").upper()[:1]
        if letter not in "CFAK":
            raise NumpyError(ValueError, f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
        if letter == "K" and like is not None and like.tensor.rank == rank:
            if self.is_contiguous(like):
                return tuple(range(rank))
            return rules.keep_order(like.tensor.shape, like.tensor.strides)
        fortran = letter == "F"
        if letter == "A" and like is not None:
            fortran = self.is_f_contiguous(like) and not self.is_contiguous(like)
        return tuple(range(rank - 1, -1, -1)) if fortran else tuple(range(rank))

    def is_contiguous(self, tensor: Value) -> bool:
        type_ = tensor.tensor
        return rules.is_packed(type_.shape, type_.strides, type_.itemsize, self.mul_index)

    def is_f_contiguous(self, tensor: Value) -> bool:
        type_ = tensor.tensor
        return rules.is_packed(type_.shape[::-1], type_.strides[::-1], type_.itemsize, self.mul_index)

    def size(self, tensor: Value) -> Affine:
        """Number of elements."""
        return self.product_index(tensor.tensor.shape)

    # --- operands as values ---------------------------------------------------------------------------------

    def as_value(self, value: Operand) -> Value:
        """An operand as an IR value: scalars become constants, NumPy arrays references to them.

        Lists and tuples are made into tensors by :meth:`as_tensor` of a later layer.
        """
        if isinstance(value, Value):
            return value
        if isinstance(value, np.ndarray):
            return self.global_array(value)
        if isinstance(value, Affine):
            return self.index_value(value)
        return self.constant(value)

    def scalar_tensor(self, value: Operand, dtype: DType | None = None) -> Value:
        """A new 0-d tensor that holds a scalar."""
        type_ = dtypes.scalar_type(dtypes.dtype_of(value) if dtype is None else dtype)
        cell = self.allocate((), type_.dtype)
        self.emit(STORE, (cell, self.convert_scalar(value, type_)))
        return cell

    # --- copies and conversions -----------------------------------------------------------------------------

    def copy(self, tensor: Value, order: str = "C") -> Value:
        """``np.copy`` / ``ndarray.copy``: a new tensor with the values (order C, F, A or K)."""
        type_ = tensor.tensor
        axes = self.named_order(order, type_.shape, tensor)
        return self.value(COPY, (tensor,), self.tensor_type(type_.dtype, type_.shape, axes))

    def cast(self, value: Value, dtype: DType, order: str = "K") -> Value:
        """The same scalar or tensor in another dtype (itself where that is its dtype)."""
        type_ = value.type
        if type_.dtype == dtype:
            return value
        if isinstance(type_, ScalarType):
            return self.convert_scalar(value, dtypes.scalar_type(dtype))
        axes = self.named_order(order, type_.shape, value)
        return self.value(CAST, (value,), self.tensor_type(dtype, type_.shape, axes))

    def astype(
        self, value: Operand, dtype: Any, order: str = "K", casting: str = "unsafe", copy: bool = True
    ) -> Value:
        """``ndarray.astype``, also of scalars."""
        target = dtypes.as_dtype(dtype)
        operand = self.as_value(value)
        source = operand.type.dtype
        if not dtypes.can_cast(source, target, casting):
            raise dtypes.cast_refusal(source, target, casting)
        if not operand.is_tensor:
            return self.convert_scalar(operand, dtypes.scalar_type(target))
        if source != target:
            return self.cast(operand, target, order)
        if not copy and self.has_order(operand, order):
            return operand
        return self.copy(operand, order)

    def has_order(self, tensor: Value, order: str | None) -> bool:
        """Whether an array has a requested layout already."""
        letter = (order or "K").upper()[:1]
        if letter == "K":
            return True
        if letter == "C":
            return self.is_contiguous(tensor)
        if letter == "F":
            return self.is_f_contiguous(tensor)
        return self.is_contiguous(tensor) or self.is_f_contiguous(tensor)

    def is_read_only(self, tensor: Value) -> bool:
        """Whether NumPy would refuse to write: read-only memory, or a repeated (broadcast) view."""
        storage = tensor.tensor.storage
        self.asked_to_write.update(storage.roots())
        if storage.origin is Origin.PHI:
            return not all(root.writeable for root in storage.roots())
        return not storage.writeable or self.recall(("read-only", tensor)) is not None
