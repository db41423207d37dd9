"""Views: another reference on the same memory, exactly where NumPy makes one, and the copies where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.origins import roots
from pydsl.frontend.tensors import Tensors
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.memory import VIEW
from pydsl.ir.types import BOOL, TensorType

ZERO = rules.ZERO
ONE = rules.ONE


@dataclass(frozen=True)
class SliceEntry:
    """A normalised slice of one axis: ``length`` elements from ``start`` with ``step`` (clipped already)."""

    start: Affine
    step: int | Affine
    length: Affine


IndexEntry = Affine | int | SliceEntry | None
"""One entry of a basic index: an integer (already in [0, n)), a slice, or None (a new axis)."""


class Views(Tensors):
    """Making references."""

    def basic_index(self, tensor: Value, entries: Sequence[IndexEntry]) -> Value:
        """A basic index: a view (0-d where all entries are integers; :meth:`load` gives the scalar).

        Axes beyond the entries are taken whole. Integers and slices are normalised and in bounds already.
        """
        old = tensor.tensor
        shape: list[Affine] = []
        strides: list[Affine] = []
        offset = old.offset
        axis = 0
        for entry in entries:
            if entry is None:
                shape.append(ONE)
                strides.append(ZERO)
                continue
            stride = old.strides[axis]
            if isinstance(entry, SliceEntry):
                if not (rules.is_zero(entry.start) or rules.is_zero(entry.length)):
                    offset = offset + self.mul_index(entry.start, stride)
                shape.append(entry.length)
                strides.append(
                    stride * entry.step if isinstance(entry.step, int) else self.mul_index(stride, entry.step)
                )
            else:
                offset = offset + self.mul_index(Affine.of(entry), stride)
            axis += 1
        shape.extend(old.shape[axis:])
        strides.extend(old.strides[axis:])
        return self._derive(tensor, shape, strides, offset, "index")

    def _derive(
        self, tensor: Value, shape: Sequence[Affine], strides: Sequence[Affine], offset: Affine, how: str
    ) -> Value:
        """A view that is read-only where its base is, and whose elements are within the range of the base's."""
        result = self.view(tensor, shape, strides, offset, how)
        if result is tensor:
            return result
        if self.recall(("read-only", tensor)):
            self.remember(("read-only", result), True)
        limit = self.recall_elements("in range", tensor)
        if limit is not None:
            self.remember_elements("in range", result, limit)
        return result

    # --- axes -----------------------------------------------------------------------------------------------

    def normalize_axis(self, axis: Operand, rank: int, name: str = "") -> int:
        """A static axis in ``[0, rank)``; NumPy's AxisError otherwise."""
        if isinstance(axis, Value):
            raise NeedStatic(axis, "an axis must be known at compile time")
        try:
            axis = int(axis.__index__())
        except AttributeError:
            message = f"'{type(axis).__name__}' object cannot be interpreted as an integer"
            raise NumpyError(TypeError, message) from None
        if not -rank <= axis < rank:
            prefix = f"{name}: " if name else ""
            raise NumpyError(
                np.exceptions.AxisError, f"{prefix}axis {axis} is out of bounds for array of dimension {rank}"
            )
        return axis % rank

    def normalize_axes(self, axis: Operand, rank: int, name: str = "") -> tuple[int, ...]:
        """Static axes as a sorted tuple; None means all of them."""
        if axis is None:
            return tuple(range(rank))
        axes = axis if isinstance(axis, (tuple, list)) else (axis,)
        normal = [self.normalize_axis(a, rank, name) for a in axes]
        if len(set(normal)) != len(normal):
            raise NumpyError(
                ValueError, f"repeated axis in `{name}` argument" if name else "duplicate value in 'axis'"
            )
        return tuple(sorted(normal))

    def transpose(self, tensor: Value, axes: Sequence[int] | None = None) -> Value:
        """``transpose``; None reverses the axes."""
        old = tensor.tensor
        if axes is None:
            order = tuple(range(old.rank - 1, -1, -1))
        else:
            if len(axes) != old.rank:
                raise NumpyError(ValueError, "axes don't match array")
            order = tuple([self.normalize_axis(axis, old.rank) for axis in axes])
            if len(set(order)) != old.rank:
                raise NumpyError(ValueError, "repeated axis in transpose")
        shape = [old.shape[axis] for axis in order]
        return self._derive(tensor, shape, [old.strides[axis] for axis in order], old.offset, "transpose")

    def expand_dims(self, tensor: Value, axis: Operand) -> Value:
        """``np.expand_dims``."""
        axes = axis if isinstance(axis, (tuple, list)) else (axis,)
        rank = tensor.tensor.rank + len(axes)
        new = self.normalize_axes(tuple(axes), rank)
        whole = iter(tensor.tensor.shape)
        entries = [None if k in new else SliceEntry(ZERO, 1, next(whole)) for k in range(rank)]
        return self.basic_index(tensor, entries)

    def squeeze(self, tensor: Value, axis: Operand = None) -> Value:
        """``np.squeeze``."""
        shape = tensor.tensor.shape
        if not shape and axis in (None, 0, -1):
            return tensor
        if axis is None:
            axes = tuple([k for k, dim in enumerate(shape) if rules.is_one(dim)])
            for dim in shape:
                self._keep_when_squeezed(dim)
        else:
            axes = self.normalize_axes(axis, len(shape))
        message = "cannot select an axis to squeeze out which has size not equal to one"
        for k in axes:
            self.check(self.compare_index("eq", shape[k], ONE), ValueError, message)
        entries = [ZERO if k in axes else SliceEntry(ZERO, 1, dim) for k, dim in enumerate(shape)]
        return self.basic_index(tensor, entries)

    def _keep_when_squeezed(self, dim: Affine) -> None:
        """The number of dimensions is fixed: one that only the run knows is kept, and must not be 1 then."""
        if rules.is_one(dim) or self.assume_not_one(dim):
            return
        message = (
            "squeeze of a dimension that turned out to be 1 in this run; name the axis: squeeze(axis=...)"
        )
        self.check_supported(self.compare_index("ne", dim, ONE), message)

    def flip(self, tensor: Value, axis: Operand = None) -> Value:
        """``np.flip``."""
        shape = tensor.tensor.shape
        axes = self.normalize_axes(axis, len(shape))
        entries = [
            SliceEntry(dim - 1, -1, dim) if k in axes else SliceEntry(ZERO, 1, dim)
            for k, dim in enumerate(shape)
        ]
        return self.basic_index(tensor, entries)

    def take_slice(self, tensor: Value, axis: int, start: Affine, length: Affine, step: int = 1) -> Value:
        """A slice of one axis (bounds normalised already)."""
        entries: list[IndexEntry] = [SliceEntry(ZERO, 1, dim) for dim in tensor.tensor.shape[:axis]]
        return self.basic_index(tensor, [*entries, SliceEntry(start, step, length)])

    def diagonal(self, tensor: Value, offset: Operand = 0, axis1: int = 0, axis2: int = 1) -> Value:
        """``np.diagonal``: a read-only view."""
        old = tensor.tensor
        if old.rank < 2:
            raise NumpyError(ValueError, "diag requires an array of at least two dimensions")
        a, b = self.normalize_axis(axis1, old.rank), self.normalize_axis(axis2, old.rank)
        if a == b:
            raise NumpyError(ValueError, "axis1 and axis2 cannot be the same")
        shift = self.as_affine(offset)
        rows, columns, start = old.shape[a], old.shape[b], old.offset
        if not shift.is_const:
            raise Unsupported("np.diagonal with an offset that is not known at compile time")
        if shift.const >= 0:
            columns, start = columns - shift, start + self.mul_index(shift, old.strides[b])
        else:
            rows, start = rows + shift, start - self.mul_index(shift, old.strides[a])
        length = self.max_index(self.min_index(rows, columns), ZERO)
        others = [k for k in range(old.rank) if k not in (a, b)]
        shape = [*(old.shape[k] for k in others), length]
        strides = [*(old.strides[k] for k in others), old.strides[a] + old.strides[b]]
        start = old.offset if rules.is_zero(length) else start
        return self.mark_read_only(tensor, self.view(tensor, shape, strides, start, "diagonal"))

    def mark_read_only(self, base: Value, result: Value) -> Value:
        """Note that NumPy refuses writes through this view."""
        if result is base:
            result = self.value(VIEW, (base,), base.type, how="read_only")
        return self.remember(("read-only", result), True) and result

    def complex_part(self, tensor: Value, imag: bool) -> Value:
        """``.real`` / ``.imag`` of a complex tensor: a view of every other float."""
        old = tensor.tensor
        dtype = dtypes.FLOAT32 if old.itemsize == 8 else dtypes.FLOAT64
        offset = old.offset + (dtype.itemsize if imag else 0)
        type_ = TensorType(dtype, old.shape, old.strides, offset, old.storage)
        return self.value(VIEW, (tensor,), type_, how="imag" if imag else "real")

    # --- reshape --------------------------------------------------------------------------------------------

    def reshape(self, tensor: Value, shape: Operand, order: str = "C") -> Value:
        """``reshape``: a view where NumPy makes one, else a copy."""
        new_shape = self._new_shape(tensor, shape)
        letter = (order or "C").upper()[:1]
        fortran = letter == "F" or (
            letter == "A" and self.is_f_contiguous(tensor) and not self.is_contiguous(tensor)
        )
        view = self.reshape_view(tensor, new_shape, fortran)
        if view is not None:
            return view
        copied = self.copy(tensor, "F" if fortran else "C")
        result = self.reshape_view(copied, new_shape, fortran)
        if result is None:
            raise Unsupported("a reshape between shapes that are not known at compile time")
        return result

    def _new_shape(self, tensor: Value, shape: Operand) -> tuple[Affine, ...]:
        """The requested shape with -1 resolved; sizes must agree."""
        dims = [self.as_affine(dim) for dim in (shape if isinstance(shape, (tuple, list)) else (shape,))]
        size = self.size(tensor)
        unknown = [k for k, dim in enumerate(dims) if self.decide("lt", dim, ZERO)]
        if len(unknown) > 1:
            raise NumpyError(ValueError, "can only specify one unknown dimension")
        known = self.product_index([dim for k, dim in enumerate(dims) if k not in unknown])
        text = ",".join(str(d) if d.is_const else "n" for d in dims) + ("," if len(dims) == 1 else "")
        total = str(size) if size.is_const else "{0}"
        message = f"cannot reshape array of size {total} into shape ({text.replace('-1', 'newaxis')})"
        values = () if size.is_const else (self.index_value(size),)
        if unknown:
            self.check(self.compare_index("ne", known, ZERO), ValueError, message, *values)
            rest = self.mod_index(size, known)
            self.check(self.compare_index("eq", rest, ZERO), ValueError, message, *values)
            dims[unknown[0]] = self.floordiv_index(size, known)
        else:
            self.check(self.compare_index("eq", size, known), ValueError, message, *values)
            if size != known:  # equal from here on: a single symbolic dim may be named by the other side
                dims = self._unified(dims, size)
        return tuple(dims)

    @staticmethod
    def _unified(dims: list[Affine], size: Affine) -> list[Affine]:
        return [size] if len(dims) == 1 else dims

    def reshape_view(self, tensor: Value, shape: tuple[Affine, ...], fortran: bool) -> Value | None:
        """A view of the new shape (of the same size), or None where there is none."""
        old = tensor.tensor
        if shape == old.shape:
            return tensor
        order = range(len(shape) - 1, -1, -1) if fortran else range(len(shape))
        packed = self.is_f_contiguous(tensor) if fortran else self.is_contiguous(tensor)
        strides: Sequence[Affine] | None
        if packed or any(rules.is_zero(dim) for dim in shape):
            strides = rules.ordered_strides(shape, old.itemsize, order, self.mul_index)
        else:
            strides = rules.reshaped_strides(
                old.shape, old.strides, shape, old.itemsize, fortran, self.mul_index
            )
        return None if strides is None else self._derive(tensor, shape, strides, old.offset, "reshape")

    def ravel(self, tensor: Value, order: str = "C") -> Value:
        """``ravel``: a contiguous 1-d view where the array is contiguous, else a copy."""
        letter = (order or "C").upper()[:1]
        if letter == "A":
            letter = "F" if self.is_f_contiguous(tensor) and not self.is_contiguous(tensor) else "C"
        if letter == "K":
            letter = "F" if self.is_f_contiguous(tensor) and not self.is_contiguous(tensor) else "C"
        size = (self.size(tensor),)
        if self.has_order(tensor, letter):
            view = self.reshape_view(tensor, size, letter == "F")
            if view is not None:
                return view
        return self.reshape(self.copy(tensor, letter), size, letter)

    # --- broadcasting ---------------------------------------------------------------------------------------

    def broadcast_shape(
        self, shapes: Sequence[Sequence[Affine]], message: str | None = None
    ) -> tuple[Affine, ...]:
        """The common shape; dims that are not known to be equal are checked at run time.

        message: instead of NumPy's.
        """
        first = tuple(shapes[0])
        if all(tuple(shape) == first for shape in shapes[1:]):
            return first
        rank = max(map(len, shapes))
        result: list[Affine] = []
        for axis in range(-rank, 0):
            dim = ONE
            for shape in shapes:
                if -axis <= len(shape):
                    dim = self._common_dim(dim, shape[axis], shapes, message)
            result.append(dim)
        return tuple(result)

    def _common_dim(
        self, a: Affine, b: Affine, shapes: Sequence[Sequence[Affine]], message: str | None
    ) -> Affine:
        if a == b or rules.is_one(b):
            return a
        if rules.is_one(a):
            return b
        self._settle(a)
        self._settle(b)
        equal = self.compare_index("eq", a, b)
        self._check_fits(equal, (a, b), message or rules.mismatch_text(shapes))
        if equal is True:
            return a if a.is_const else b
        if a.is_const:  # and not 1: the other one is that, or stretched to it
            return a
        if b.is_const:
            return b
        return self._stretched(a, b)

    def _stretched(self, a: Affine, b: Affine) -> Affine:
        """The common length of two lengths that are equal, or of which one is 1."""
        if self.decide("ne", a, ONE):
            return a
        if self.decide("ne", b, ONE):
            return b
        key = ("stretched", frozenset((a, b)))
        found = self.recall(key)
        if found is None:
            found = self.select_index(self.compare_index("eq", a, ONE), b, a)
            self.remember(key, found)
            for side in (a, b):
                self.remember(("fits", side, found), True)
        return found

    def require_equal(self, a: Affine, b: Affine, message: str) -> None:
        """Two dims must be equal."""
        self.check(self.compare_index("eq", a, b), ValueError, message)

    def _check_fits(self, equal: bool | Value, sides: Sequence[Affine], message: str) -> None:
        """Two dims must be equal, or one of these must be 1."""
        fine: bool | Value = equal
        for side in sides:
            if not isinstance(fine, Value) and fine:
                return
            one = self.compare_index("eq", side, ONE)
            if not isinstance(one, Value):
                fine = one or fine
            elif isinstance(fine, Value):
                fine = self.scalar_op("logical_or", (fine, one), BOOL)
            else:
                fine = one
        self.check(fine, ValueError, message)

    def _repeated_stride(self, dim: Affine, stride: Affine, wanted: Affine, message: str) -> Affine:
        """The stride of an axis that is ``wanted`` long, or 1 and repeated, which only the run can tell."""
        self._settle(dim)
        if not self.recall(("fits", dim, wanted)):
            equal = self.compare_index("eq", dim, wanted)
            self._check_fits(equal, (dim,), message)
            if equal is True:
                return stride
        if self.decide("ne", dim, ONE):
            return stride
        return self.mul_index(self._is_long(dim), stride)

    def _is_long(self, dim: Affine) -> Affine:
        """1 for a length other than 1, else 0."""
        key = ("long", dim)
        found = self.recall(key)
        if found is None:
            longer = self.compare_index("ne", dim, ONE)
            assert isinstance(longer, Value)
            found = self.remember(key, Affine.of(self.convert_integer(longer)))
        return found

    def _settle(self, dim: Affine) -> None:
        """In code for several sizes, a dimension is taken for different from 1 if the guards of the call can check
        that; one that is computed from sizes and may be 1 is left, at first, to other code."""
        if dim.is_const or not self.generic or self.decide("ne", dim, ONE) is not None:
            return
        if not self.assume_not_one(dim) and self.strict:
            found = roots(dim, self.function)
            if not found.data and not found.loop_variables:
                raise Unsupported("a dimension that is 1 for some of the sizes")

    def broadcast_to(self, tensor: Value, shape: Sequence[Affine], message: str | None = None) -> Value:
        """A view of the given shape with stride 0 where a dimension is repeated; ``message`` replaces NumPy's."""
        old = tensor.tensor
        target = tuple(shape)
        if old.shape == target:
            return tensor
        extra = len(target) - old.rank
        own = message
        if message is None:
            message = (
                "operands could not be broadcast together with remapped shapes [original->remapped]: "
                f"{rules.shape_text(old.shape)}  and requested shape {rules.shape_text(target)}"
            )
        if extra < 0:
            raise NumpyError(
                ValueError, own or "input operand has more dimensions than allowed by the axis remapping"
            )
        strides = [ZERO] * extra
        for dim, stride, wanted in zip(old.shape, old.strides, target[extra:], strict=True):
            if dim == wanted:
                strides.append(stride)
            elif rules.is_one(dim):
                strides.append(ZERO)
            else:
                strides.append(self._repeated_stride(dim, stride, wanted, message))
        return self._derive(tensor, target, strides, old.offset, "broadcast")
