"""Making arrays: zeros, full, arange, linspace, eye, array and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.dtypes import DType
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.empty, makes_array=True)
def empty(b: Builder, shape: Operand, dtype: Any = None, order: str = "C") -> Value:
    """``np.empty``."""
    return b.empty(shape, float if dtype is None else dtype, order)


@handles(np.zeros, makes_array=True)
def zeros(b: Builder, shape: Operand, dtype: Any = None, order: str = "C") -> Value:
    """``np.zeros``."""
    return filled(b, empty(b, shape, dtype, order), 0)


@handles(np.ones, makes_array=True)
def ones(b: Builder, shape: Operand, dtype: Any = None, order: str = "C") -> Value:
    """``np.ones``."""
    return filled(b, empty(b, shape, dtype, order), 1)


@handles(np.full, makes_array=True)
def full(b: Builder, shape: Operand, fill_value: Operand, dtype: Any = None, order: str = "C") -> Value:
    """``np.full``."""
    value = b.as_tensor(fill_value) if isinstance(fill_value, (list, tuple)) else fill_value
    target = dtypes.dtype_of(value) if dtype is None else dtype
    return filled(b, b.empty(shape, target, order), value)


def filled(b: Builder, tensor: Value, value: Operand) -> Value:
    """The tensor after ``tensor[...] = value``."""
    b.store(tensor, value)
    return tensor


# --- like another array -------------------------------------------------------------------------------------


@handles(np.empty_like)
def empty_like(
    b: Builder,
    prototype: Operand,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Operand = None,
) -> Value:
    """``np.empty_like``."""
    like = b.reducible(prototype)
    target = like.tensor.dtype if dtype is None else dtypes.as_dtype(dtype)
    dims = like.tensor.shape if shape is None else b.as_shape(shape)
    letter = "C" if order in "KA" and len(dims) != like.tensor.rank else order
    return b.allocate(dims, target, b.named_order(letter, dims, like))


@handles(np.zeros_like)
def zeros_like(b: Builder, a: Operand, *args: Any, **kwargs: Any) -> Value:
    """``np.zeros_like``."""
    return filled(b, empty_like(b, a, *args, **kwargs), 0)


@handles(np.ones_like)
def ones_like(b: Builder, a: Operand, *args: Any, **kwargs: Any) -> Value:
    """``np.ones_like``."""
    return filled(b, empty_like(b, a, *args, **kwargs), 1)


@handles(np.full_like)
def full_like(b: Builder, a: Operand, fill_value: Operand, *args: Any, **kwargs: Any) -> Value:
    """``np.full_like``."""
    return filled(b, empty_like(b, a, *args, **kwargs), fill_value)


# --- from values --------------------------------------------------------------------------------------------


@handles(np.array, makes_array=True)
def array(
    b: Builder,
    object: Operand,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
) -> Value:
    """``np.array``."""
    target = None if dtype is None else dtypes.as_dtype(dtype)
    if copy:
        result = _copied(b, object, target, order)
    else:
        result = asarray(b, object, dtype, order)
        if copy is False and result is not object:
            raise NumpyError(
                ValueError,
                "Unable to avoid copy while creating an array as requested.\n"
                "If using `np.array(obj, copy=False)` replace it with `np.asarray(obj)` to allow a copy when needed "
                "(no behavior change in NumPy 1.x).",
            )
    missing = ndmin - result.tensor.rank
    return b.expand_dims(result, tuple(range(missing))) if missing > 0 else result


def _copied(b: Builder, value: Operand, dtype: DType | None, order: str) -> Value:
    if isinstance(value, np.ndarray):
        value = b.as_value(value)
    if isinstance(value, Value) and value.is_tensor:
        return b.astype(value, value.tensor.dtype if dtype is None else dtype, order)
    made = b.new_array(value, dtype)
    return made if b.has_order(made, order) else b.copy(made, order)


@handles(np.asarray, np.asanyarray, makes_array=True)
def asarray(
    b: Builder, a: Operand, dtype: Any = None, order: str | None = None, copy: bool | None = None
) -> Value:
    """``np.asarray``: the array itself where it fits."""
    target = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(a, np.ndarray):
        a = b.as_value(a)
    if copy or not (isinstance(a, Value) and a.is_tensor):
        return _copied(b, a, target, order or "K")
    return b.astype(a, a.tensor.dtype if target is None else target, order or "K", copy=False)


@handles(np.ascontiguousarray, makes_array=True)
def ascontiguousarray(b: Builder, a: Operand, dtype: Any = None) -> Value:
    """``np.ascontiguousarray``: at least one axis."""
    result = asarray(b, a, dtype, "C")
    return result if result.tensor.rank else b.reshape(result, (1,))


@handles(np.asfortranarray, makes_array=True)
def asfortranarray(b: Builder, a: Operand, dtype: Any = None) -> Value:
    """``np.asfortranarray``."""
    result = asarray(b, a, dtype, "F")
    return result if result.tensor.rank else b.reshape(result, (1,))


@handles(np.copy, makes_array=True)
def copy(b: Builder, a: Operand, order: str = "K", subok: bool = False) -> Value:
    """``np.copy``."""
    return _copied(b, a, None, order)


# --- ranges -------------------------------------------------------------------------------------------------


@handles(np.arange, makes_array=True)
def arange(
    b: Builder, start: Operand, stop: Operand = None, step: Operand = None, dtype: Any = None
) -> Value:
    """``np.arange``: ``start + i * delta``, where delta is the difference of the first two elements."""
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    parts = [b.as_operand(part) for part in (start, stop, step)]
    found = dtypes.result_type(dtypes.INT64, *[dtypes.dtype_of(part) for part in parts])
    target = found if dtype is None else dtypes.as_dtype(dtype)
    if found.kind == "c" or target.kind == "b":
        raise Unsupported(f"np.arange of dtype {target if found.kind != 'c' else found}")
    length = _integer_length(b, *parts) if found.kind in "iu" else _float_length(b, *parts)
    counter = b.iota(length)
    start, step = parts[0], parts[2]
    if target.kind in "iu":
        return _progression(b, counter, _whole(b, start), _whole(b, step), target)
    return _float_progression(b, counter, start, step, target)


def _integer_length(b: Builder, start: Operand, stop: Operand, step: Operand) -> Affine:
    first, last, stride = b.as_affine(start), b.as_affine(stop), b.as_affine(step)
    b.check(b.compare_index("ne", stride, rules.ZERO), ZeroDivisionError, "division by zero")
    return b.max_index(-b.floordiv_index(first - last, stride), rules.ZERO)


def _float_length(b: Builder, start: Operand, stop: Operand, step: Operand) -> Affine:
    if not any(isinstance(part, Value) for part in (start, stop, step)):
        try:
            count = (float(stop) - float(start)) / float(step)
        except ZeroDivisionError as error:
            raise NumpyError(ZeroDivisionError, str(error)) from error
        if not np.isfinite(count):
            raise NumpyError(ValueError, "arange: cannot compute length")
        return Affine.of(max(int(np.ceil(count)), 0))
    first, last, stride = (b.to_python(part, float) for part in (start, stop, step))
    count = b.binary("truediv", b.binary("sub", last, first), stride)
    whole = b.to_python(b.ufunc(np.ceil, (count,)), int)
    return b.max_index(b.as_affine(whole), rules.ZERO)


def _whole(b: Builder, value: Operand) -> Affine:
    return b.as_affine(b.to_python(value, int))


def _progression(b: Builder, counter: Value, start: Affine, step: Affine, dtype: DType) -> Value:
    """``start + i * step`` in integers."""
    result = counter
    if step != rules.ONE:
        result = b.ufunc(np.multiply, (result, b.scalar_from_affine(step)))
    if start != rules.ZERO:
        result = b.ufunc(np.add, (result, b.scalar_from_affine(start)))
    return b.cast(result, dtype)


def _float_progression(b: Builder, counter: Value, start: Operand, step: Operand, dtype: DType) -> Value:
    """``start + i * delta`` in floats: delta is the rounded second element minus the first."""
    work = dtypes.FLOAT32 if dtype == np.float16 else dtype
    result = b.cast(counter, work)
    if not isinstance(start, Value) and not isinstance(step, Value):
        first = dtype.type(start)
        delta = work.type(dtype.type(start + step)) - work.type(first)
        if delta != 1:
            result = b.ufunc(np.multiply, (result, work.type(delta)))
        if first != 0 or np.signbit(first):
            result = b.ufunc(np.add, (result, work.type(first)))
        return b.cast(result, dtype)
    scalar = dtypes.scalar_type(dtype)
    first_value = b.convert_scalar(start, scalar)
    second = b.convert_scalar(b.binary("add", start, step), scalar)
    delta_value = b.ufunc(np.subtract, (second, first_value))
    scaled = b.ufunc(np.multiply, (result, delta_value), dtype=work)
    return b.cast(b.ufunc(np.add, (scaled, first_value), dtype=work), dtype)


@handles(np.linspace, makes_array=True)
def linspace(
    b: Builder,
    start: Operand,
    stop: Operand,
    num: Operand = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``np.linspace``, step by step as NumPy computes it."""
    count = b.as_affine(num)
    b.check(
        b.compare_index("ge", count, rules.ZERO),
        ValueError,
        f"Number of samples, {num}, must be non-negative.",
    )
    first, last = b.as_operand(start), b.as_operand(stop)
    work = dtypes.result_type(dtypes.promoted(first), dtypes.promoted(last))
    work = work if work.kind in "fc" else dtypes.FLOAT64
    target = work if dtype is None else dtypes.as_dtype(dtype)
    delta = b.ufunc(np.subtract, (last, first), dtype=work)
    rank = delta.tensor.rank if isinstance(delta, Value) and delta.is_tensor else 0
    counter = b.reshape(b.cast(b.iota(count), work), (-1, *[1] * rank) if rank else (-1,))
    divisor = count - 1 if endpoint else count
    step: Operand = np.nan
    if b.decide("gt", divisor, rules.ZERO) is not False:
        step = b.ufunc(np.divide, (delta, b.scalar_from_affine(divisor)))
        if not isinstance(step, Value) and step == 0:
            scaled = b.ufunc(
                np.multiply, (b.ufunc(np.divide, (counter, b.scalar_from_affine(divisor))), delta)
            )
        else:
            scaled = b.ufunc(np.multiply, (counter, step))
    else:
        scaled = b.ufunc(np.multiply, (counter, delta))
    result = b.ufunc(np.add, (scaled, first), dtype=work)
    if endpoint and b.decide("gt", count, rules.ONE) is not False:
        if b.decide("gt", count, rules.ONE) is None:
            raise Unsupported("np.linspace with a number of samples that is not known", "num as a constant")
        b.store(b.basic_index(result, [count - 1]), last)
    if axis != 0:
        order = list(range(1, rank + 1))
        order.insert(b.normalize_axis(axis, rank + 1), 0)
        result = b.transpose(result, order)
    if target.kind in "iu":
        result = b.ufunc(np.floor, (result,))
    result = b.cast(result, target)
    return (result, step) if retstep else result


# --- matrices -----------------------------------------------------------------------------------------------


@handles(np.eye, makes_array=True)
def eye(
    b: Builder,
    N: Operand,  # noqa: N803
    M: Operand = None,  # noqa: N803
    k: Operand = 0,
    dtype: Any = float,
    order: str = "C",
) -> Value:
    """``np.eye``: zeros, and ones on a diagonal."""
    result = zeros(b, (N, N if M is None else M), dtype, order)
    b.store(writeable_diagonal(b, result, k), 1)
    return result


@handles(np.identity, makes_array=True)
def identity(b: Builder, n: Operand, dtype: Any = None) -> Value:
    """``np.identity``."""
    return eye(b, n, dtype=float if dtype is None else dtype)


def writeable_diagonal(b: Builder, matrix: Value, k: Operand) -> Value:
    """The diagonal of a matrix that we own, to write."""
    view = b.diagonal(matrix, k).tensor
    return b.view(matrix, view.shape, view.strides, view.offset, "diagonal")


@handles(np.diag)
def diag(b: Builder, v: Operand, k: Operand = 0) -> Value:
    """``np.diag``: a diagonal matrix of a vector, the diagonal (a view) of a matrix."""
    value = b.reducible(v)
    if value.tensor.rank == 2:
        return b.diagonal(value, k)
    if value.tensor.rank != 1:
        raise NumpyError(ValueError, "Input must be 1- or 2-d.")
    shift = b.as_affine(k)
    size = b.scalar_from_affine(value.tensor.shape[0] + b.max_index(shift, -shift))
    result = zeros(b, (size, size), value.tensor.dtype)
    b.store(writeable_diagonal(b, result, k), value)
    return result


@handles(np.tri, makes_array=True)
def tri(
    b: Builder,
    N: Operand,  # noqa: N803
    M: Operand = None,  # noqa: N803
    k: Operand = 0,
    dtype: Any = float,
) -> Value:
    """``np.tri``."""
    rows, columns = b.as_affine(N), b.as_affine(N if M is None else M)
    return b.cast(lower_mask(b, rows, columns, b.as_affine(k)), dtypes.as_dtype(dtype))


def lower_mask(b: Builder, rows: Affine, columns: Affine, k: Affine) -> Value:
    """The bool matrix ``column <= row + k``."""
    row = b.expand_dims(b.iota(rows), 1)
    column = b.expand_dims(_progression(b, b.iota(columns), -k, rules.ONE, dtypes.INT64), 0)
    return b.ufunc(np.greater_equal, (row, column))


def _last_two(value: Value) -> tuple[Affine, ...]:
    """Rows and columns of the mask; a vector is every row of a square."""
    if not value.tensor.rank:
        raise NumpyError(TypeError, "tri() missing 1 required positional argument: 'N'")
    return (value.tensor.shape * 2)[-2:] if value.tensor.rank == 1 else value.tensor.shape[-2:]


@handles(np.tril)
def tril(b: Builder, m: Operand, k: Operand = 0) -> Value:
    """``np.tril``."""
    value = b.reducible(m)
    rows, columns = _last_two(value)
    return b.select(lower_mask(b, rows, columns, b.as_affine(k)), value, value.tensor.dtype.type(0))


@handles(np.triu)
def triu(b: Builder, m: Operand, k: Operand = 0) -> Value:
    """``np.triu``."""
    value = b.reducible(m)
    rows, columns = _last_two(value)
    mask = lower_mask(b, rows, columns, b.as_affine(k) - 1)
    return b.select(mask, value.tensor.dtype.type(0), value)


@handles(np.meshgrid)
def meshgrid(
    b: Builder, *xi: Operand, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Value, ...]:
    """``np.meshgrid``."""
    if indexing not in ("xy", "ij"):
        raise NumpyError(ValueError, "Valid values for `indexing` are 'xy' and 'ij'.")
    rank = len(xi)
    grids = []
    for position, x in enumerate(xi):
        shape = [1] * rank
        shape[position] = -1
        grids.append(b.reshape(b.reducible(x), tuple(shape)))
    if indexing == "xy" and rank > 1:
        swapped = [1, 0, *range(2, rank)]
        reshaped = []
        for position, (x, grid) in enumerate(zip(xi, grids, strict=True)):
            shape = [1] * rank
            shape[swapped[position]] = -1
            reshaped.append(b.reshape(b.reducible(x), tuple(shape)) if position < 2 else grid)
        grids = reshaped
    if not sparse:
        common = b.broadcast_shape([grid.tensor.shape for grid in grids])
        grids = [b.broadcast_to(grid, common) for grid in grids]
    return tuple([b.copy(grid) for grid in grids] if copy else grids)
