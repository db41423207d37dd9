"""Putting arrays together and taking them apart: concatenate, stack, tile, repeat, split.

A joined array is allocated once and each part is stored into a view of it, so that fusion sees where everything goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand, SliceEntry
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.library import spreading


def listed(b: Builder, arrays: Operand) -> list[Value]:
    """A sequence of array-likes as tensors; a tensor stands for its rows."""
    if isinstance(arrays, np.ndarray):
        arrays = b.as_value(arrays)
    if isinstance(arrays, Value):
        if not arrays.is_tensor or not arrays.tensor.rank:
            raise NumpyError(ValueError, "zero-dimensional arrays cannot be concatenated")
        length = arrays.tensor.shape[0]
        if not length.is_const:
            raise Unsupported("joining the rows of an array whose length is not known", "reshape")
        return [b.basic_index(arrays, [Affine.of(k)]) for k in range(length.const)]
    if not isinstance(arrays, (list, tuple)):
        raise NumpyError(TypeError, "The first input argument needs to be a sequence")
    return [b.reducible(item) for item in arrays]


@handles(np.concatenate, np.concat, makes_array=True)
def concatenate(
    b: Builder,
    arrays: Operand,
    axis: Operand = 0,
    out: Operand = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Value:
    """``np.concatenate``."""
    tensors = listed(b, arrays)
    if not tensors:
        raise NumpyError(ValueError, "need at least one array to concatenate")
    if axis is None:
        tensors, axis = [b.ravel(tensor) for tensor in tensors], 0
    rank = tensors[0].tensor.rank
    if not rank:
        raise NumpyError(ValueError, "zero-dimensional arrays cannot be concatenated")
    along = b.normalize_axis(axis, rank)
    shape = _joined_shape(b, tensors, along)
    target = (
        dtypes.result_type(*[t.tensor.dtype for t in tensors]) if dtype is None else dtypes.as_dtype(dtype)
    )
    if out is None:
        order = rules.joined_axis_order([(t.tensor.shape, t.tensor.strides) for t in tensors])
        out = b.allocate(shape, target, order)
    else:
        for mine, wanted in zip(out.tensor.shape, shape, strict=True):
            b.require_equal(mine, wanted, "Output array is the wrong shape")
    start = rules.ZERO
    for tensor in tensors:
        length = tensor.tensor.shape[along]
        if not rules.is_zero(length):
            b.store(b.take_slice(out, along, start, length), tensor, casting)
        start = start + length
    return out


def _joined_shape(b: Builder, tensors: Sequence[Value], axis: int) -> list[Affine]:
    first = list(tensors[0].tensor.shape)
    total = first[axis]
    for position, tensor in enumerate(tensors[1:], 1):
        shape = tensor.tensor.shape
        if len(shape) != len(first):
            raise NumpyError(
                ValueError,
                "all the input arrays must have same number of dimensions, but the array at index 0 has "
                f"{len(first)} dimension(s) and the array at index {position} has {len(shape)} dimension(s)",
            )
        for k, (mine, wanted) in enumerate(zip(first, shape, strict=True)):
            if k == axis or mine == wanted:
                continue
            message = (
                "all the input array dimensions except for the concatenation axis must match exactly, but along "
                f"dimension {k}, the array at index 0 has size {mine if mine.is_const else 'n'} and the array at index "
                f"{position} has size {wanted if wanted.is_const else 'm'}"
            )
            b.require_equal(mine, wanted, message)
        total = total + shape[axis]
    first[axis] = total
    return first


@handles(np.stack, makes_array=True)
def stack(
    b: Builder,
    arrays: Operand,
    axis: Operand = 0,
    out: Operand = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Value:
    """``np.stack``."""
    tensors = listed(b, arrays)
    if not tensors:
        raise NumpyError(ValueError, "need at least one array to stack")
    along = b.normalize_axis(axis, tensors[0].tensor.rank + 1)
    for tensor in tensors[1:]:
        if tensor.tensor.rank != tensors[0].tensor.rank:
            raise NumpyError(ValueError, "all input arrays must have the same shape")
        for mine, wanted in zip(tensors[0].tensor.shape, tensor.tensor.shape, strict=True):
            b.require_equal(mine, wanted, "all input arrays must have the same shape")
    return concatenate(b, [b.expand_dims(t, along) for t in tensors], along, out, dtype, casting)


@handles(np.vstack, makes_array=True)
def vstack(b: Builder, tup: Operand, *, dtype: Any = None, casting: str = "same_kind") -> Value:
    """``np.vstack``."""
    return concatenate(b, [atleast_2d(b, t) for t in listed(b, tup)], 0, None, dtype, casting)


@handles(np.hstack, makes_array=True)
def hstack(b: Builder, tup: Operand, *, dtype: Any = None, casting: str = "same_kind") -> Value:
    """``np.hstack``."""
    tensors = [atleast_1d(b, t) for t in listed(b, tup)]
    axis = 0 if tensors and tensors[0].tensor.rank == 1 else 1
    return concatenate(b, tensors, axis, None, dtype, casting)


@handles(np.dstack, makes_array=True)
def dstack(b: Builder, tup: Operand) -> Value:
    """``np.dstack``."""
    return concatenate(b, [atleast_3d(b, t) for t in listed(b, tup)], 2)


@handles(np.column_stack, makes_array=True)
def column_stack(b: Builder, tup: Operand) -> Value:
    """``np.column_stack``."""
    columns = [b.transpose(atleast_2d(b, t)) if t.tensor.rank < 2 else t for t in listed(b, tup)]
    return concatenate(b, columns, 1)


@handles(np.append, makes_array=True)
def append(b: Builder, arr: Operand, values: Operand, axis: Operand = None) -> Value:
    """``np.append``."""
    a, v = b.reducible(arr), b.reducible(values)
    if axis is None:
        return concatenate(b, [b.ravel(a), b.ravel(v)], 0)
    return concatenate(b, [a, v], axis)


@handles(np.atleast_1d, makes_array=True)
def atleast_1d(b: Builder, *arys: Operand) -> Any:
    """``np.atleast_1d``."""
    return _each(b, arys, lambda t: b.reshape(t, (1,)) if not t.tensor.rank else t)


@handles(np.atleast_2d, makes_array=True)
def atleast_2d(b: Builder, *arys: Operand) -> Any:
    """``np.atleast_2d``."""
    return _each(
        b, arys, lambda t: b.expand_dims(t, tuple(range(2 - t.tensor.rank))) if t.tensor.rank < 2 else t
    )


@handles(np.atleast_3d, makes_array=True)
def atleast_3d(b: Builder, *arys: Operand) -> Any:
    """``np.atleast_3d``."""
    new_axes: dict[int, tuple[int, ...]] = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}
    return _each(b, arys, lambda t: b.expand_dims(t, new_axes[t.tensor.rank]) if t.tensor.rank < 3 else t)


def _each(b: Builder, arrays: Sequence[Operand], change: Any) -> Any:
    results = [change(b.reducible(array)) for array in arrays]
    return results[0] if len(results) == 1 else tuple(results)


# --- repetition ---------------------------------------------------------------------------------------------


@handles(np.tile, makes_array=True)
def tile(b: Builder, A: Operand, reps: Operand) -> Value:  # noqa: N803
    """``np.tile``: one store of a broadcast view."""
    value = b.reducible(A)
    reps = b.as_integers(reps)
    counts = [b.as_affine(r) for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    rank = max(len(counts), value.tensor.rank)
    if all(map(rules.is_one, counts)):
        copied = b.copy(value, "K")
        missing = rank - value.tensor.rank
        return b.expand_dims(copied, tuple(range(missing))) if missing else copied
    counts = [rules.ONE] * (rank - len(counts)) + counts
    dims = (rules.ONE,) * (rank - value.tensor.rank) + value.tensor.shape
    counts = [b.max_index(count, rules.ZERO) for count in counts]
    result = b.allocate([b.mul_index(c, d) for c, d in zip(counts, dims, strict=True)], value.tensor.dtype)
    pairs = [part for c, d in zip(counts, dims, strict=True) for part in (c, d)]
    target = split_axes(b, result, pairs)
    entries: list[Any] = [None, None] * (rank - value.tensor.rank)
    for dim in value.tensor.shape:
        entries += [None, SliceEntry(rules.ZERO, 1, dim)]
    b.store(target, b.basic_index(value, entries))
    return result


def split_axes(b: Builder, tensor: Value, pairs: Sequence[Affine]) -> Value:
    """A view of a C-contiguous tensor with each axis split in two."""
    strides = rules.ordered_strides(tuple(pairs), tensor.tensor.itemsize, range(len(pairs)), b.mul_index)
    return b.view(tensor, pairs, strides, tensor.tensor.offset, "reshape")


@handles(np.repeat, method="repeat", makes_array=True)
def repeat(b: Builder, a: Operand, repeats: Operand, axis: Operand = None) -> Value:
    """``np.repeat``: one store of a broadcast view; different counts become a gather."""
    value = b.reducible(a)
    if axis is None or (not value.tensor.rank and axis in (0, -1)):
        value, axis = b.ravel(value), 0
    along = b.normalize_axis(axis, value.tensor.rank)
    shape = value.tensor.shape
    if isinstance(repeats, np.ndarray):
        repeats = b.as_value(repeats)
    if isinstance(repeats, (tuple, list)) and len(repeats) == 1:
        repeats = repeats[0]
    if isinstance(repeats, (tuple, list)) or (
        isinstance(repeats, Value) and repeats.is_tensor and repeats.tensor.rank
    ):
        return _repeat_each(b, value, repeats, along)
    count = b.as_affine(repeats)
    message = "repeats may not contain negative values."
    b.check(b.compare_index("ge", count, rules.ZERO), ValueError, message)
    dims = [*shape[:along], b.mul_index(shape[along], count), *shape[along + 1 :]]
    result = b.allocate(dims, value.tensor.dtype)
    strides = list(result.tensor.strides)
    split = [*shape[: along + 1], count, *shape[along + 1 :]]
    inner = strides[along]
    strides[along : along + 1] = [b.mul_index(count, inner), inner]
    target = b.view(result, split, strides, result.tensor.offset, "reshape")
    b.store(target, b.expand_dims(value, along + 1))
    return result


def _repeat_each(b: Builder, value: Value, repeats: Operand, axis: int) -> Value:
    length = value.tensor.shape[axis]
    if isinstance(repeats, (tuple, list)) and not any(isinstance(r, Value) for r in repeats):
        if length.is_const and length.const != len(repeats):
            message = f"operands could not be broadcast together with shape ({length},) ({len(repeats)},)"
            raise NumpyError(ValueError, message)
        index = b.constant_array(np.repeat(np.arange(len(repeats)), repeats))
    else:
        counts = b.cast(b.reducible(repeats), dtypes.INT64)
        b.require_equal(counts.tensor.shape[0], length, "operands could not be broadcast together with shape")
        index = b.call_library(spreading.repeated_positions, counts)
    return b.gather(value, [b.mark_in_range(index, length)], (axis,), axis, order="C")


# --- splitting ----------------------------------------------------------------------------------------------


@handles(np.split)
def split(b: Builder, ary: Operand, indices_or_sections: Operand, axis: int = 0) -> list[Value]:
    """``np.split``: views."""
    value = b.reducible(ary)
    indices_or_sections = b.as_integers(indices_or_sections)
    if not isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        length = value.tensor.shape[_split_axis(value, axis)]
        rest = b.mod_index(length, b.as_affine(indices_or_sections))
        message = "array split does not result in an equal division"
        b.check(b.compare_index("eq", rest, rules.ZERO), ValueError, message)
    return array_split(b, value, indices_or_sections, axis)


@handles(np.array_split)
def array_split(b: Builder, ary: Operand, indices_or_sections: Operand, axis: int = 0) -> list[Value]:
    """``np.array_split``: views."""
    value = b.reducible(ary)
    along = _split_axis(value, axis)
    length = value.tensor.shape[along]
    indices_or_sections = b.as_integers(indices_or_sections)
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        cuts = [_clipped(b, b.as_affine(cut), length) for cut in indices_or_sections]
    else:
        if isinstance(indices_or_sections, Value):
            raise NeedStatic(indices_or_sections, "the number of parts must be known at compile time")
        sections = int(indices_or_sections)
        if sections <= 0:
            raise NumpyError(ValueError, "number sections must be larger than 0.")
        each = b.floordiv_index(length, Affine.of(sections))
        extra = b.mod_index(length, Affine.of(sections))
        cuts = [each * k + b.min_index(extra, Affine.of(k)) for k in range(1, sections)]
    edges = [rules.ZERO, *cuts, length]
    parts = []
    for start, stop in pairwise(edges):
        parts.append(b.take_slice(value, along, start, b.max_index(stop - start, rules.ZERO)))
    return parts


def _split_axis(value: Value, axis: int) -> int:
    rank = value.tensor.rank
    if not -rank <= axis < rank:
        raise NumpyError(IndexError, "tuple index out of range")
    return axis % rank


def _clipped(b: Builder, cut: Affine, length: Affine) -> Affine:
    """A slice bound as Python clips it."""
    cut = b.max_index(b.wrapped_index(cut, length), rules.ZERO)
    return b.min_index(cut, length)


@handles(np.vsplit)
def vsplit(b: Builder, ary: Operand, indices_or_sections: Operand) -> list[Value]:
    """``np.vsplit``."""
    return split(b, ary, indices_or_sections, 0)


@handles(np.hsplit)
def hsplit(b: Builder, ary: Operand, indices_or_sections: Operand) -> list[Value]:
    """``np.hsplit``."""
    value = b.reducible(ary)
    return split(b, value, indices_or_sections, 1 if value.tensor.rank > 1 else 0)
