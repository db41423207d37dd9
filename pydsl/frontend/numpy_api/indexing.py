"""Functions that index: take, nonzero, compress, put and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.joining import stack
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.nonzero, method="nonzero")
def nonzero(b: Builder, a: Operand) -> tuple[Value, ...]:
    """``np.nonzero``."""
    value = b.reducible(a)
    if not value.tensor.rank:
        message = "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead. "
        message += "If the context of this error is of the form `arr[nonzero(cond)]`, just use `arr[cond]`."
        raise NumpyError(ValueError, message)
    indices = b.mask_to_index(b.truth_tensor(value))
    return indices if len(indices) == 1 else as_columns(b, indices)


def as_columns(b: Builder, indices: tuple[Value, ...]) -> tuple[Value, ...]:
    """Index arrays as columns of one array, as NumPy returns them from several axes."""
    length = indices[0].tensor.shape[0]
    table = b.allocate((length, Affine.of(len(indices))), dtypes.INT64)
    columns = []
    for position, index in enumerate(indices):
        column = b.basic_index(b.transpose(table), [Affine.of(position)])
        b.store(column, index)
        columns.append(column)
    limits = [b.recall_elements("in range", index) for index in indices]
    for column, limit in zip(columns, limits, strict=True):
        if limit is not None:
            b.mark_in_range(column, limit)
    return tuple(columns)


@handles(np.flatnonzero)
def flatnonzero(b: Builder, a: Operand) -> Value:
    """``np.flatnonzero``."""
    return b.flat_positions(b.truth_tensor(b.reducible(a)))


@handles(np.argwhere)
def argwhere(b: Builder, a: Operand) -> Value:
    """``np.argwhere``: a row of coordinates for each true element."""
    indices = b.mask_to_index(b.truth_tensor(b.reducible(a)))
    return b.transpose(stack(b, list(indices), 0))


@handles(np.take, method="take")
def take(
    b: Builder, a: Operand, indices: Operand, axis: Operand = None, out: Operand = None, mode: str = "raise"
) -> Operand:
    """``np.take``."""
    value = b.reducible(a)
    if axis is None:
        value, axis = b.ravel(value), 0
    along = b.normalize_axis(axis, value.tensor.rank)
    length = value.tensor.shape[along]
    index = b.as_tensor(indices) if isinstance(indices, (list, tuple)) else b.as_value(indices)
    if index.type.dtype.kind == "b":
        index = b.cast(index, dtypes.INT64)
    if mode == "clip":
        index = b.as_value(
            b.ufunc(np.minimum, (b.ufunc(np.maximum, (index, 0)), b.scalar_from_affine(length - 1)))
        )
    elif mode == "wrap":
        index = b.as_value(b.ufunc(np.remainder, (index, b.scalar_from_affine(length))))
    if not index.is_tensor:
        index = b.scalar_tensor(index, dtypes.INT64)
    result = b.gather(value, [index], (along,), along, order="C")
    if out is not None:
        return b.write_out(out, result)
    return b.finish(result, None)


def along_axis_indices(
    b: Builder, value: Value, indices: Operand, axis: Operand
) -> tuple[Value, list[Operand]]:
    """The array (raveled for axis None) and an index for each axis, as ``take_along_axis`` makes them."""
    index = b.reducible(indices)
    if index.tensor.dtype.kind not in "iu":
        raise NumpyError(IndexError, "`indices` must be an integer array")
    if axis is None:
        if index.tensor.rank != 1:
            raise NumpyError(ValueError, "when axis=None, `indices` must have a single dimension.")
        return b.ravel(value), [index]
    rank = value.tensor.rank
    along = b.normalize_axis(axis, rank)
    if index.tensor.rank != rank:
        raise NumpyError(ValueError, "`indices` and `arr` must have the same number of dimensions")
    parts: list[Operand] = []
    for k in range(rank):
        if k == along:
            parts.append(index)
            continue
        dim = value.tensor.shape[k]
        counter = b.mark_in_range(b.iota(dim), dim)
        lanes = b.expand_dims(counter, tuple([j for j in range(rank) if j != k]))
        parts.append(b.mark_in_range(lanes, dim))
    return value, parts


@handles(np.take_along_axis)
def take_along_axis(b: Builder, arr: Operand, indices: Operand, axis: Operand = -1) -> Value:
    """``np.take_along_axis``."""
    value, parts = along_axis_indices(b, b.reducible(arr), indices, axis)
    return b.gather(value, parts, tuple(range(len(parts))), 0)


@handles(np.put_along_axis)
def put_along_axis(b: Builder, arr: Operand, indices: Operand, values: Operand, axis: Operand) -> None:
    """``np.put_along_axis``."""
    value, parts = along_axis_indices(b, b.reducible(arr), indices, axis)
    if axis is None and value.tensor.storage is not arr.tensor.storage:
        raise Unsupported("np.put_along_axis with axis=None of an array that is not contiguous")
    b.scatter(value, values, parts, tuple(range(len(parts))), 0)


@handles(np.put)
def put(b: Builder, a: Operand, ind: Operand, v: Operand, mode: str = "raise") -> None:
    """``np.put`` with one value, or as many as indices."""
    if mode != "raise":
        raise Unsupported(f"np.put with mode={mode!r}")
    flat = b.reshape_view(a, (b.size(a),), False)
    if flat is None:
        raise Unsupported("np.put into an array that is not contiguous", "indexing")
    b.scatter(flat, v, [b.ravel(b.reducible(ind))], (0,), 0)


@handles(np.compress)
def compress(b: Builder, condition: Operand, a: Operand, axis: Operand = None, out: Operand = None) -> Value:
    """``np.compress``."""
    value = b.reducible(a)
    if axis is None:
        value, axis = b.ravel(value), 0
    along = b.normalize_axis(axis, value.tensor.rank)
    positions = b.flat_positions(b.truth_tensor(b.reducible(condition)))
    result = b.gather(value, [positions], (along,), along, order="C")
    return result if out is None else b.write_out(out, result)


@handles(np.extract)
def extract(b: Builder, condition: Operand, arr: Operand) -> Value:
    """``np.extract``."""
    return compress(b, b.ravel(b.reducible(condition)), b.ravel(b.reducible(arr)))


@handles(np.place)
def place(b: Builder, arr: Value, mask: Operand, vals: Operand) -> None:
    """``np.place`` with a single value."""
    values = b.ravel(b.reducible(vals))
    if values.tensor.shape[0] != rules.ONE:
        raise Unsupported("np.place with several values", "arr[mask] = values")
    b.masked_store(arr, b.truth_tensor(b.reducible(mask)), values)


@handles(np.putmask)
def putmask(b: Builder, a: Value, mask: Operand, values: Operand) -> None:
    """``np.putmask`` with values of the shape of the array, or a single one."""
    test = b.truth_tensor(b.reducible(mask))
    value = b.for_store(a, values, a.tensor.shape)
    b.check_writeable(a)
    b.store_where(a, b.spread_mask(test, a.tensor.shape), value)


@handles(np.copyto)
def copyto(b: Builder, dst: Value, src: Operand, casting: str = "same_kind", where: Operand = True) -> None:
    """``np.copyto``."""
    if where is True:
        b.store(dst, src, casting)
        return
    b.check_writeable(dst)
    mask = b.broadcast_to(b.to_mask(b.reducible(where)), dst.tensor.shape)
    b.store_where(dst, mask, b.for_store(dst, src, dst.tensor.shape, casting))


@handles(np.ix_)
def ix_(b: Builder, *args: Operand) -> tuple[Value, ...]:
    """``np.ix_``."""
    results = []
    for position, arg in enumerate(args):
        value = b.reducible(arg)
        if value.tensor.rank != 1:
            raise NumpyError(ValueError, "Cross index must be 1 dimensional")
        if value.tensor.dtype.kind == "b":
            value = b.flat_positions(value)
        others = tuple([k for k in range(len(args)) if k != position])
        results.append(b.expand_dims(value, others) if others else value)
    return tuple(results)


@handles(np.select)
def select(b: Builder, condlist: Any, choicelist: Any, default: Operand = 0) -> Operand:
    """``np.select``: the first condition that holds chooses."""
    condlist, choicelist = _listed(b, condlist), _listed(b, choicelist)
    if len(condlist) != len(choicelist):
        raise NumpyError(ValueError, "list of cases must be same length as list of conditions")
    if not condlist:
        raise NumpyError(ValueError, "select with an empty condition list is not possible")
    values = [b.as_operand(value) for value in (*choicelist, default)]
    dtype = dtypes.result_type(*[dtypes.promoted(value) for value in values])
    *choices, result = [b.for_loop(value, dtype) for value in values]
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = b.select(condition, choice, result)
    return result if b.is_contiguous(result) else b.copy(result)


def _listed(b: Builder, values: Any) -> Any:
    """An argument that is a list of arrays: an array is one of its rows."""
    if not (isinstance(values, Value) and values.is_tensor):
        return values
    if not values.tensor.rank:
        raise NumpyError(TypeError, "len() of unsized object")
    length = values.tensor.shape[0]
    if not length.is_const or length.const > _LONGEST_LIST:
        raise Unsupported("np.select with an array of many or unknown rows as its list", "a list of arrays")
    return [b.basic_index(values, [Affine.of(k)]) for k in range(length.const)]


_LONGEST_LIST = 64


@handles(np.delete)
def delete(b: Builder, arr: Operand, obj: Operand, axis: Operand = None) -> Value:
    """``np.delete`` of one element, or of elements given by a bool mask."""
    value = b.reducible(arr)
    if axis is None:
        value, axis = b.ravel(value), 0
    along = b.normalize_axis(axis, value.tensor.rank)
    length = value.tensor.shape[along]
    if isinstance(obj, (list, tuple, slice)) and not any(isinstance(o, Value) for o in _parts(obj)):
        if not length.is_const:
            raise Unsupported("np.delete of several elements of an array of unknown length", "a bool mask")
        kept = np.delete(np.arange(length.const), obj)
        return b.gather(value, [kept.tolist()], (along,), along)
    if isinstance(obj, Value) and obj.is_tensor and obj.tensor.rank:
        keep = b.allocate((length,), dtypes.BOOL_DTYPE)
        b.store(keep, True)
        if obj.tensor.dtype.kind == "b":
            b.masked_store(keep, obj, False)
        else:
            b.scatter(keep, False, [obj], (0,), 0)
        return b.gather(value, [b.flat_positions(keep)], (along,), along)
    return _delete_one(b, value, obj, along)


def _parts(obj: Any) -> tuple[Any, ...]:
    return (obj.start, obj.stop, obj.step) if isinstance(obj, slice) else tuple(obj)


def _delete_one(b: Builder, value: Value, obj: Operand, axis: int) -> Value:
    length = value.tensor.shape[axis]
    position = b.as_affine(obj)
    text = "{0}" if not position.is_const else str(position)
    values = () if position.is_const else (b.index_value(position),)
    size = length if length.is_const else "n"
    message = f"index {text} is out of bounds for axis {axis} with size {size}"
    b.check(b.compare_index("ge", position, -length), IndexError, message, *values)
    b.check(b.compare_index("lt", position, length), IndexError, message, *values)
    negative = b.decide("lt", position, rules.ZERO)
    if negative is None:
        raise Unsupported("np.delete at a position whose sign is not known")
    position = position + length if negative else position
    shape = list(value.tensor.shape)
    shape[axis] = length - 1
    fortran = b.is_f_contiguous(value) and not b.is_contiguous(value)
    result = b.allocate(shape, value.tensor.dtype, range(len(shape) - 1, -1, -1) if fortran else None)
    rest = length - position - 1
    b.store(b.take_slice(result, axis, rules.ZERO, position), b.take_slice(value, axis, rules.ZERO, position))
    b.store(
        b.take_slice(result, axis, position, rest), b.take_slice(value, axis, position + Affine.of(1), rest)
    )
    return result
