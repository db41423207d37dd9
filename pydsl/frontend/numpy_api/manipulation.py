"""Views and copies of other shapes: reshape, transpose, broadcast, flip, roll."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError
from pydsl.frontend.numpy_api.registry import array_method, handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.reshape)
def reshape(
    b: Builder,
    a: Operand,
    shape: Operand = None,
    order: str = "C",
    *,
    newshape: Operand = None,
    copy: Any = None,
) -> Value:
    """``np.reshape``."""
    value = b.reducible(a)
    result = b.reshape(value, newshape if shape is None else shape, order)
    if copy is False and result.tensor.storage is not value.tensor.storage:
        raise NumpyError(ValueError, "Unable to avoid creating a copy while reshaping.")
    return b.copy(result, order) if copy and result.tensor.storage is value.tensor.storage else result


@array_method("reshape")
def reshape_method(b: Builder, a: Value, *shape: Operand, order: str = "C", copy: Any = None) -> Value:
    """``ndarray.reshape``: the shape as a tuple or as several integers."""
    return reshape(b, a, shape[0] if len(shape) == 1 else shape, order, copy=copy)


@handles(np.ravel, method="ravel")
def ravel(b: Builder, a: Operand, order: str = "C") -> Value:
    """``np.ravel``."""
    return b.ravel(b.reducible(a), order)


@array_method("flatten")
def flatten(b: Builder, a: Value, order: str = "C") -> Value:
    """``ndarray.flatten``: always a copy."""
    source = b.reducible(a)
    flat = b.ravel(source, order)
    return b.copy(flat) if flat.tensor.storage is source.tensor.storage else flat


@handles(np.transpose, np.permute_dims)
def transpose(b: Builder, a: Operand, axes: Sequence[int] | None = None) -> Value:
    """``np.transpose``."""
    return b.transpose(b.reducible(a), axes)


@array_method("transpose")
def transpose_method(b: Builder, a: Value, *axes: Any) -> Value:
    """``ndarray.transpose``."""
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        return transpose(b, a, axes[0])
    return transpose(b, a, axes or None)


@handles(np.matrix_transpose)
def matrix_transpose(b: Builder, x: Operand) -> Value:
    """``np.matrix_transpose``."""
    value = b.reducible(x)
    if value.tensor.rank < 2:
        message = f"Input array must be at least 2-dimensional, but it is {value.tensor.rank}"
        raise NumpyError(ValueError, message)
    return swapaxes(b, value, -1, -2)


@handles(np.swapaxes, method="swapaxes")
def swapaxes(b: Builder, a: Operand, axis1: int, axis2: int) -> Value:
    """``np.swapaxes``."""
    value = b.reducible(a)
    order = list(range(value.tensor.rank))
    i, j = b.normalize_axis(axis1, len(order), "axis1"), b.normalize_axis(axis2, len(order), "axis2")
    order[i], order[j] = order[j], order[i]
    return b.transpose(value, order)


@handles(np.moveaxis)
def moveaxis(b: Builder, a: Operand, source: Operand, destination: Operand) -> Value:
    """``np.moveaxis``."""
    value = b.reducible(a)
    rank = value.tensor.rank
    sides = []
    for name, axes in (("source", source), ("destination", destination)):
        listed = axes if isinstance(axes, (tuple, list)) else (axes,)
        normal = [b.normalize_axis(axis, rank, name) for axis in listed]
        if len(set(normal)) != len(normal):
            raise NumpyError(ValueError, f"repeated axis in `{name}` argument")
        sides.append(normal)
    if len(sides[0]) != len(sides[1]):
        message = "`source` and `destination` arguments must have the same number of elements"
        raise NumpyError(ValueError, message)
    order = [axis for axis in range(rank) if axis not in sides[0]]
    for target, axis in sorted(zip(sides[1], sides[0], strict=True)):
        order.insert(target, axis)
    return b.transpose(value, order)


@handles(np.rollaxis)
def rollaxis(b: Builder, a: Operand, axis: int, start: int = 0) -> Value:
    """``np.rollaxis``."""
    value = b.reducible(a)
    rank = value.tensor.rank
    moved = b.normalize_axis(axis, rank)
    target = start + rank if start < 0 else start
    if not 0 <= target <= rank:
        raise NumpyError(
            np.exceptions.AxisError,
            f"'start' arg requires {-rank} <= start < {rank + 1}, but {start} was passed in",
        )
    return moveaxis(b, value, moved, target - 1 if moved < target else target)


@handles(np.expand_dims)
def expand_dims(b: Builder, a: Operand, axis: Operand) -> Value:
    """``np.expand_dims``."""
    return b.expand_dims(b.reducible(a), axis)


@handles(np.squeeze, method="squeeze")
def squeeze(b: Builder, a: Operand, axis: Operand = None) -> Value:
    """``np.squeeze``."""
    return b.squeeze(b.reducible(a), axis)


@handles(np.broadcast_to, makes_array=True)
def broadcast_to(b: Builder, array: Operand, shape: Operand, subok: bool = False) -> Value:
    """``np.broadcast_to``: a read-only view."""
    value = b.reducible(array)
    return b.mark_read_only(value, b.broadcast_to(value, b.as_shape(shape)))


@handles(np.broadcast_arrays)
def broadcast_arrays(b: Builder, *args: Operand, subok: bool = False) -> tuple[Value, ...]:
    """``np.broadcast_arrays``: views."""
    values = [b.reducible(arg) for arg in args]
    message = "shape mismatch: objects cannot be broadcast to a single shape"
    shape = b.broadcast_shape([value.tensor.shape for value in values], message)
    return tuple([b.broadcast_to(value, shape) for value in values])


@handles(np.broadcast_shapes)
def broadcast_shapes(b: Builder, *shapes: Operand) -> tuple[Operand, ...]:
    """``np.broadcast_shapes``."""
    message = "shape mismatch: objects cannot be broadcast to a single shape"
    dims = b.broadcast_shape([b.as_shape(shape) for shape in shapes], message) if shapes else ()
    return tuple([b.scalar_from_affine(dim) for dim in dims])


@handles(np.flip)
def flip(b: Builder, m: Operand, axis: Operand = None) -> Operand:
    """``np.flip``; of a 0-d array, its element."""
    value = b.reducible(m)
    flipped = b.flip(value, axis)
    return flipped if value.tensor.rank else b.load(flipped)


@handles(np.flipud)
def flipud(b: Builder, m: Operand) -> Value:
    """``np.flipud``."""
    value = b.reducible(m)
    if value.tensor.rank < 1:
        raise NumpyError(ValueError, "Input must be >= 1-d.")
    return b.flip(value, 0)


@handles(np.fliplr)
def fliplr(b: Builder, m: Operand) -> Value:
    """``np.fliplr``."""
    value = b.reducible(m)
    if value.tensor.rank < 2:
        raise NumpyError(ValueError, "Input must be >= 2-d.")
    return b.flip(value, 1)


@handles(np.rot90)
def rot90(b: Builder, m: Operand, k: int = 1, axes: Sequence[int] = (0, 1)) -> Value:
    """``np.rot90``."""
    value = b.reducible(m)
    rank = value.tensor.rank
    if len(axes) != 2:
        raise NumpyError(ValueError, "len(axes) must be 2.")
    first, second = (b.normalize_axis(axis, rank) for axis in axes)
    if first == second:
        raise NumpyError(ValueError, "Axes must be different.")
    turns = int(k) % 4
    if turns == 0:
        return value
    if turns == 2:
        return b.flip(b.flip(value, first), second)
    if turns == 1:
        return swapaxes(b, b.flip(value, second), first, second)
    return b.flip(swapaxes(b, value, first, second), second)


@handles(np.roll, makes_array=True)
def roll(b: Builder, a: Operand, shift: Operand, axis: Operand = None) -> Value:
    """``np.roll``: two stores for each axis that is rolled."""
    value, shift = b.reducible(a), b.as_integers(shift)
    if axis is None:
        if isinstance(shift, (tuple, list)):
            shift = b.scalar_from_affine(sum(map(b.as_affine, shift), rules.ZERO))
        flat = roll(b, b.ravel(value), shift, 0)
        return b.reshape(flat, tuple([b.scalar_from_affine(dim) for dim in value.tensor.shape]))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,)
    count = max(len(axes), len(shifts))
    axes, shifts = (tuple(part) * (count if len(part) == 1 else 1) for part in (axes, shifts))
    if len(axes) != len(shifts):
        raise NumpyError(ValueError, "shape mismatch: objects cannot be broadcast to a single shape")
    totals: dict[int, Affine] = {}
    for one, amount in zip(axes, shifts, strict=True):
        along = b.normalize_axis(one, value.tensor.rank)
        totals[along] = totals.get(along, rules.ZERO) + b.as_affine(amount)
    result = value
    for along, amount in totals.items():
        result = _roll_axis(b, result, amount, along)
    return b.copy(result, "K") if result is value else result


def _roll_axis(b: Builder, value: Value, shift: Affine, axis: int) -> Value:
    length = value.tensor.shape[axis]
    if rules.is_zero(length):
        return value
    result = b.allocate(value.tensor.shape, value.tensor.dtype, b.named_order("K", value.tensor.shape, value))
    # an empty axis stays empty: the divisor only has to be non-zero there
    start = b.mod_index(shift, b.max_index(length, rules.ONE))
    rest = length - start
    if rules.is_zero(start):
        b.store(result, value)
        return result
    rest = b.max_index(rest, rules.ZERO)
    start = length - rest
    b.store(b.take_slice(result, axis, start, rest), b.take_slice(value, axis, rules.ZERO, rest))
    b.store(b.take_slice(result, axis, rules.ZERO, start), b.take_slice(value, axis, rest, start))
    return result


@handles(np.diagonal, method="diagonal")
def diagonal(b: Builder, a: Operand, offset: Operand = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """``np.diagonal``: a read-only view."""
    return b.diagonal(b.reducible(a), offset, axis1, axis2)


@handles(np.real)
def real(b: Builder, val: Operand) -> Operand:
    """``np.real``."""
    return part(b, val, False)


@handles(np.imag)
def imag(b: Builder, val: Operand) -> Operand:
    """``np.imag``."""
    return part(b, val, True)


def part(b: Builder, value: Operand, imaginary: bool) -> Operand:
    """The real or imaginary part: a view of complex tensors, the value itself (or zeros) of real ones."""
    operand = b.as_tensor(value) if isinstance(value, (list, tuple)) else b.as_value(value)
    if not operand.is_tensor:
        if operand.scalar.dtype.kind != "c":
            return operand.scalar.dtype.type(0) if imaginary else operand
        taken = b.load(b.complex_part(b.scalar_tensor(operand), imaginary))
        return b.to_python(taken, float) if operand.scalar.weak else taken
    if operand.tensor.dtype.kind == "c":
        return b.complex_part(operand, imaginary)
    if not imaginary:
        return operand
    shape = operand.tensor.shape
    zeros = b.allocate(shape, operand.tensor.dtype, b.named_order("A", shape, operand))
    b.store(zeros, 0)
    return b.mark_read_only(zeros, zeros)
