"""Integer-array and boolean-mask indexing: gathers, scatters, masked stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.elementwise import Elementwise
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NumpyError
from pydsl.frontend.views import SliceEntry
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.control import CHECK_BOUNDS
from pydsl.ir.ops.memory import GATHER, MASKED_STORE, SCATTER
from pydsl.ir.types import Origin
from pydsl.library import compaction


class Indexing(Elementwise):
    """Data-dependent indexing."""

    # --- indices --------------------------------------------------------------------------------------------

    def mark_in_range(self, index: Value, size: Affine) -> Value:
        """Note that every element of an index tensor (or an integer scalar) lies in ``[0, size)``."""
        if index.is_tensor:
            self.remember_elements("in range", index, size)
        else:
            high = self.index_bounds(size)[1]
            index.bounds = (0, None if high is None else high - 1)
        return index

    def checked_index(self, index: Operand, size: Affine, axis: int) -> Value:
        """An index operand as an int64 tensor or scalar whose elements are in bounds (checked here)."""
        value = index if isinstance(index, Value) else self._static_index(index, size, axis)
        if value.type.dtype.kind not in "iu":
            raise NumpyError(IndexError, "arrays used as indices must be of integer (or boolean) type")
        if value.type.dtype == dtypes.UINT64 and value.is_tensor:
            value = self.cast(value, dtypes.INT64)  # as NumPy does first: large ones become negative
        if not value.is_tensor:
            self.emit(CHECK_BOUNDS, (value,), size=size, axis=axis)
        elif size not in (self.recall_elements("in range", value), self.recall_elements("checked", value)):
            self.emit(CHECK_BOUNDS, (value,), size=size, axis=axis)
            self.remember_elements("checked", value, size)
        return self.cast(value, dtypes.INT64)

    def _static_index(self, index: Operand, size: Affine, axis: int) -> Value:
        """An index known at compile time; lists that hold dynamic values become tensors."""
        if isinstance(index, (list, tuple)) and not _is_static(index):
            return self.as_tensor(index)
        array = np.asarray(index)
        if not array.size:
            array = array.astype(np.int64)
        if array.dtype.kind not in "iu":
            raise NumpyError(IndexError, "arrays used as indices must be of integer (or boolean) type")
        if isinstance(index, np.ndarray) or not size.is_const:
            return self.as_value(array) if array.ndim else self.constant(int(array))
        bad = array[(array < -size.const) | (array >= size.const)]
        if bad.size:
            text = f"index {bad.flat[0]} is out of bounds for axis {axis} with size {size.const}"
            raise NumpyError(IndexError, text)
        array = np.where(array < 0, array + size.const, array).astype(np.int64)
        value = self.constant_array(array) if array.ndim else self.constant(int(array))
        return self.mark_in_range(value, size) if array.ndim else value

    def _aligned(
        self, indices: Sequence[Operand], sizes: Sequence[Affine], axes: Sequence[int]
    ) -> list[Value]:
        """The indices, checked, as int64 tensors of one shape."""
        values = [
            self.checked_index(i, size, axis) for i, size, axis in zip(indices, sizes, axes, strict=True)
        ]
        shapes = [v.tensor.shape for v in values if v.is_tensor]
        if not shapes:
            return [self.scalar_tensor(v) for v in values]
        message = "shape mismatch: indexing arrays could not be broadcast together with shapes "
        message += " ".join(rules.shape_text(s) for s in shapes) + " "
        shape = self.broadcast_shape(shapes, message)
        return [self.broadcast_to(v if v.is_tensor else self.scalar_tensor(v), shape) for v in values]

    # --- loads and stores -----------------------------------------------------------------------------------

    def gather(
        self,
        src: Value,
        indices: Sequence[Operand],
        axes: Sequence[int],
        position: int,
        order: str = "K",
        shown_axes: Sequence[int] | None = None,
    ) -> Value:
        """Integer-array load. ``indices`` (tensors, scalars, lists) are broadcast, checked and converted to int64.

        position: where the broadcast index shape goes among the remaining axes of ``src``.
        shown_axes: what error messages call the axes.
        order: ``K`` lays the result out as indexing does (index axes slowest), ``C`` as ``take`` does.
        """
        old = src.tensor
        aligned = self._aligned(indices, [old.shape[axis] for axis in axes], shown_axes or axes)
        rest = [k for k in range(old.rank) if k not in axes]
        picked = aligned[0].tensor.shape
        shape = self._picked_shape(old.shape, rest, picked, position)
        layout: Sequence[int] | None = None
        if order == "K":
            walk = rules.keep_order(
                tuple([old.shape[k] for k in rest]), tuple([old.strides[k] for k in rest])
            )
            depth = len(picked)
            walked: Sequence[int] = range(depth)
            if not rest:
                walked = rules.result_axis_order(
                    picked, [(index.tensor.shape, index.tensor.strides) for index in aligned]
                )
            layout = [*(position + k for k in walked), *(k if k < position else k + depth for k in walk)]
        type_ = self.tensor_type(old.dtype, shape, layout)
        return self.value(GATHER, (src, *aligned), type_, axes=tuple(axes), position=position)

    @staticmethod
    def _picked_shape(
        shape: Sequence[Affine], rest: Sequence[int], picked: Sequence[Affine], position: int
    ) -> tuple[Affine, ...]:
        others = [shape[k] for k in rest]
        return (*others[:position], *picked, *others[position:])

    def scatter(
        self,
        dst: Value,
        value: Operand,
        indices: Sequence[Operand],
        axes: Sequence[int],
        position: int,
        accumulate: np.ufunc | None = None,
        shown_axes: Sequence[int] | None = None,
    ) -> None:
        """Integer-array store; ``accumulate`` as ``ufunc.at``."""
        if (
            accumulate is None or dst.tensor.storage.origin is Origin.CONST
        ):  # NumPy's ufunc.at writes anywhere
            self.check_writeable(dst)
        else:
            for root in dst.tensor.storage.roots():
                root.accumulated = True
        old = dst.tensor
        aligned = self._aligned(indices, [old.shape[axis] for axis in axes], shown_axes or axes)
        rest = [k for k in range(old.rank) if k not in axes]
        shape = self._picked_shape(old.shape, rest, aligned[0].tensor.shape, position)
        ready = self._index_value(dst, value, shape)
        self.emit(
            SCATTER,
            (dst, ready, *aligned),
            axes=tuple(axes),
            position=position,
            accumulate=accumulate and accumulate.__name__,
        )

    def _index_value(self, dst: Value, value: Operand, shape: tuple[Affine, ...]) -> Value:
        operand = self.as_tensor(value) if isinstance(value, (list, tuple)) else value
        if not (isinstance(operand, Value) and operand.is_tensor):
            return self.for_store(dst, operand, shape)
        given = operand.tensor.shape
        message = (
            f"shape mismatch: value array of shape {rules.shape_text(given)}  could not be broadcast to indexing "
            f"result of shape {rules.shape_text(shape)}"
        )
        ready = self.cast(operand, dst.tensor.dtype)
        extra = len(given) - len(shape)
        if extra > 0 and all(rules.is_one(dim) for dim in given[:extra]):
            ready = self.basic_index(ready, [rules.ZERO] * extra)
        return self.broadcast_to(ready, shape, message)

    # --- masks ----------------------------------------------------------------------------------------------

    def mask_to_index(self, mask: Value) -> tuple[Value, ...]:
        """The index tensors of the true elements (``np.nonzero``)."""
        shape = mask.tensor.shape
        flat = self.flat_positions(mask)
        if len(shape) == 1:
            return (flat,)
        coordinates: list[Value] = []
        rest = flat
        for axis in range(len(shape) - 1, 0, -1):
            dim = self.scalar_from_affine(shape[axis])
            size = dim if isinstance(dim, Value) else np.int64(dim)
            coordinates.append(self.mark_in_range(self.ufunc(np.remainder, (rest, size)), shape[axis]))
            rest = self.ufunc(np.floor_divide, (rest, size))
        coordinates.append(self.mark_in_range(rest, shape[0]))
        return tuple(reversed(coordinates))

    def flat_positions(self, mask: Value) -> Value:
        """Row-major positions of the true elements of a bool tensor."""
        size = self.size(mask)
        flat = self.call_library(compaction.true_positions, self.ravel(mask))
        return self.mark_in_range(flat, size)

    def _selected(self, mask: Value) -> Value:
        """As :meth:`flat_positions`, for reading only: one mask that picks from several arrays is searched once."""
        known = self.recall_elements("positions", mask)
        if known is not None and self.recall_elements("untouched", known):
            positions: Value = known
            return positions
        positions = self.flat_positions(mask)
        self.remember_elements("positions", mask, positions)
        self.remember_elements("untouched", positions, True)
        return positions

    def _flattened(self, tensor: Value, count: int) -> Value | None:
        """The leading ``count`` axes as one, where that is a view."""
        if count == 1:
            return tensor
        shape = tensor.tensor.shape
        return self.reshape_view(tensor, (self.product_index(shape[:count]), *shape[count:]), False)

    def _check_mask(self, shape: Sequence[Affine], mask: Value) -> None:
        self.spread_mask(mask, shape)

    def mask_load(self, tensor: Value, mask: Value) -> Value:
        """``tensor[mask]`` for a bool mask over the leading axes: a new tensor of data-dependent length."""
        depth = mask.tensor.rank
        self._check_mask(tensor.tensor.shape, mask)
        flat = self._flattened(tensor, depth) if depth else None
        if flat is not None:
            positions = self._selected(mask)
            self.mark_in_range(positions, flat.tensor.shape[0])
            return self.gather(flat, [positions], (0,), 0)
        return self.gather(tensor, self.mask_to_index(mask), tuple(range(depth)), 0)

    def masked_store(self, dst: Value, mask: Value, value: Operand) -> None:
        """``dst[mask] = value``; a value with an element per selected position is written through :meth:`scatter`.

        ``mask`` is a bool tensor over the leading axes of ``dst``.
        """
        self.check_writeable(dst)
        shape = dst.tensor.shape
        spread = self.spread_mask(mask, shape)
        if isinstance(value, (list, tuple)):
            value = self.as_tensor(value)
        trailing = shape[mask.tensor.rank :]
        if isinstance(value, Value) and value.is_tensor:
            given = value.tensor
            extra = given.rank - len(trailing)
            while extra > 0 and rules.is_one(given.shape[0]):
                value = self.basic_index(value, [rules.ZERO])
                given, extra = value.tensor, extra - 1
            if extra > 0:
                self._store_selected(dst, mask, value)
                return
            value = self.for_store(dst, value, trailing)
            self.emit(MASKED_STORE, (dst, spread, self.broadcast_to(value, shape)))
            return
        self.emit(MASKED_STORE, (dst, spread, self.for_store(dst, value, shape)))

    def _store_selected(self, dst: Value, mask: Value, value: Value) -> None:
        """``dst[mask] = value`` with an element of ``value`` for each true element of the mask."""
        depth = mask.tensor.rank
        indices: tuple[Value, ...]
        if depth == 1:
            indices = (self._selected(mask),)
        elif depth < dst.tensor.rank:
            indices = self.mask_to_index(mask)
        else:
            flat = self._flattened(dst, depth)
            indices = (self._selected(mask),) if flat is not None else self.mask_to_index(mask)
            dst = dst if flat is None else flat
        count, length = indices[0].tensor.shape[0], value.tensor.shape[0]
        equal = self.compare_index("eq", count, length)
        message = (
            "NumPy boolean array indexing assignment cannot assign {0} input values to the {1} output values where the "
            "mask is true"
        )
        if depth == dst.tensor.rank or len(indices) == 1:
            self.check(equal, ValueError, message, self.index_value(length), self.index_value(count))
        self.scatter(dst, value, indices, tuple(range(len(indices))), 0)

    def whole_entries(self, tensor: Value) -> list[SliceEntry]:
        """Entries of a basic index that take everything."""
        return [SliceEntry(rules.ZERO, 1, dim) for dim in tensor.tensor.shape]


def _is_static(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_static(item) for item in value)
    return not isinstance(value, Value)
