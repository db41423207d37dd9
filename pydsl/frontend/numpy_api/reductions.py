"""Reductions: sum, mean, max, argmax, any and their relatives, as functions and as methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import array_method, handles
from pydsl.frontend.reductions import UFUNC_KINDS
from pydsl.ir.core import Value
from pydsl.library import scans
from pydsl.library.functions import differences, masked


def _static(flag: Operand, name: str) -> bool:
    if isinstance(flag, Value):
        raise NeedStatic(flag, f"{name} must be known at compile time")
    return bool(flag)


@handles(np.sum, method="sum")
def sum_(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
    initial: Operand = None,
    where: Operand = True,
) -> Operand:
    """``np.sum``."""
    return b.reduce("sum", a, axis, _static(keepdims, "keepdims"), dtype, out, initial, where)


@handles(np.prod, method="prod")
def prod(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
    initial: Operand = None,
    where: Operand = True,
) -> Operand:
    """``np.prod``."""
    return b.reduce("prod", a, axis, _static(keepdims, "keepdims"), dtype, out, initial, where)


@handles(np.max, np.amax, method="max")
def max_(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    out: Operand = None,
    keepdims: Operand = False,
    initial: Operand = None,
    where: Operand = True,
) -> Operand:
    """``np.max``."""
    return b.reduce("max", a, axis, _static(keepdims, "keepdims"), None, out, initial, where)


@handles(np.min, np.amin, method="min")
def min_(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    out: Operand = None,
    keepdims: Operand = False,
    initial: Operand = None,
    where: Operand = True,
) -> Operand:
    """``np.min``."""
    return b.reduce("min", a, axis, _static(keepdims, "keepdims"), None, out, initial, where)


@handles(np.any, method="any")
def any_(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    out: Operand = None,
    keepdims: Operand = False,
    *,
    where: Operand = True,
) -> Operand:
    """``np.any``."""
    return b.reduce("any", a, axis, _static(keepdims, "keepdims"), None, out, None, where)


@handles(np.all, method="all")
def all_(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    out: Operand = None,
    keepdims: Operand = False,
    *,
    where: Operand = True,
) -> Operand:
    """``np.all``."""
    return b.reduce("all", a, axis, _static(keepdims, "keepdims"), None, out, None, where)


@handles(np.argmax, method="argmax")
def argmax(
    b: Builder, a: Operand, axis: Operand = None, out: Operand = None, *, keepdims: Operand = False
) -> Operand:
    """``np.argmax``."""
    return b.arg_reduce("argmax", a, axis, out, _static(keepdims, "keepdims"))


@handles(np.argmin, method="argmin")
def argmin(
    b: Builder, a: Operand, axis: Operand = None, out: Operand = None, *, keepdims: Operand = False
) -> Operand:
    """``np.argmin``."""
    return b.arg_reduce("argmin", a, axis, out, _static(keepdims, "keepdims"))


@handles(np.count_nonzero)
def count_nonzero(b: Builder, a: Operand, axis: Operand = None, *, keepdims: Operand = False) -> Operand:
    """``np.count_nonzero``."""
    return b.count_nonzero(a, axis, _static(keepdims, "keepdims"))


@handles(np.mean, method="mean")
def mean(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
    *,
    where: Operand = True,
) -> Operand:
    """``np.mean``."""
    if where is not True:
        return b.call_library(masked.mean_where, b.reducible(a), axis, dtype, out, keepdims, where)
    return b.mean(a, axis, dtype, out, _static(keepdims, "keepdims"))


@handles(np.var, method="var")
def var(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    ddof: Operand = 0,
    keepdims: Operand = False,
    *,
    where: Operand = True,
    correction: Operand = None,
) -> Operand:
    """``np.var``."""
    freedom = ddof if correction is None else correction
    if where is not True:
        value = b.reducible(a)
        return b.call_library(masked.var_where, value, axis, dtype, out, freedom, keepdims, where)
    return b.variance(a, axis, dtype, out, freedom, _static(keepdims, "keepdims"))


@handles(np.std, method="std")
def std(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    ddof: Operand = 0,
    keepdims: Operand = False,
    *,
    where: Operand = True,
    correction: Operand = None,
) -> Operand:
    """``np.std``."""
    freedom = ddof if correction is None else correction
    if where is not True:
        value = b.reducible(a)
        return b.call_library(masked.std_where, value, axis, dtype, out, freedom, keepdims, where)
    return b.variance(a, axis, dtype, out, freedom, _static(keepdims, "keepdims"), root=True)


@handles(np.ptp)
def ptp(
    b: Builder, a: Operand, axis: Operand = None, out: Operand = None, keepdims: Operand = False
) -> Operand:
    """``np.ptp``: maximum minus minimum."""
    keep = _static(keepdims, "keepdims")
    value = b.reducible(a)
    return b.ufunc(
        np.subtract, (b.reduce("max", value, axis, keep), b.reduce("min", value, axis, keep)), out=out
    )


@handles(np.average)
def average(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    weights: Operand = None,
    returned: bool = False,
    *,
    keepdims: Operand = False,
) -> Operand:
    """``np.average``."""
    value = b.reducible(a)
    if returned:
        mean = average(b, value, axis, weights, keepdims=keepdims)
        return b.call_library(differences.with_weights, value, mean, axis, weights)
    keep = _static(keepdims, "keepdims")
    if axis is not None:
        b.normalize_axes(axis, value.tensor.rank, "axis")
    if weights is None:
        return b.mean(value, axis, keepdims=keep)
    scale = b.reducible(weights)
    if scale.tensor.rank == 1 and value.tensor.rank > 1 and axis is not None:
        along = b.normalize_axis(axis, value.tensor.rank, "axis")
        others = tuple([k for k in range(value.tensor.rank) if k != along])
        scale = b.expand_dims(scale, others)
    kinds = [v.tensor.dtype for v in (value, scale)]
    target = dtypes.result_type(*kinds, *([dtypes.FLOAT64] if kinds[0].kind in "biu" else []))
    weighted = b.ufunc(np.multiply, (value, scale), dtype=target)
    spread = b.broadcast_to(scale, value.tensor.shape)
    total = b.reduce("sum", spread, axis, keep, target)
    return b.ufunc(np.divide, (b.reduce("sum", weighted, axis, keep, target), total))


# --- ignoring NaN -------------------------------------------------------------------------------------------


def _without_nan(b: Builder, a: Operand, neutral: float) -> Value:
    value = b.reducible(a)
    if value.tensor.dtype.kind not in "fc":
        return value
    return b.reducible(b.select(b.ufunc(np.isnan, (value,)), value.tensor.dtype.type(neutral), value))


@handles(np.nansum)
def nansum(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
) -> Operand:
    """``np.nansum``."""
    return b.reduce("sum", _without_nan(b, a, 0), axis, _static(keepdims, "keepdims"), dtype, out)


@handles(np.nanprod)
def nanprod(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
) -> Operand:
    """``np.nanprod``."""
    return b.reduce("prod", _without_nan(b, a, 1), axis, _static(keepdims, "keepdims"), dtype, out)


@handles(np.nanmax)
def nanmax(
    b: Builder, a: Operand, axis: Operand = None, out: Operand = None, keepdims: Operand = False
) -> Operand:
    """``np.nanmax``."""
    return b.reduce("fmax", a, axis, _static(keepdims, "keepdims"), None, out)


@handles(np.nanmin)
def nanmin(
    b: Builder, a: Operand, axis: Operand = None, out: Operand = None, keepdims: Operand = False
) -> Operand:
    """``np.nanmin``."""
    return b.reduce("fmin", a, axis, _static(keepdims, "keepdims"), None, out)


@handles(np.nanmean)
def nanmean(b: Builder, a: Operand, axis: Operand = None, *, keepdims: Operand = False) -> Operand:
    """``np.nanmean``."""
    value = b.reducible(a)
    keep = _static(keepdims, "keepdims")
    if value.tensor.dtype.kind not in "fc":
        return b.mean(value, axis, keepdims=keep)
    total = b.reduce("sum", _without_nan(b, value, 0), axis, keep)
    present = b.ufunc(np.logical_not, (b.ufunc(np.isnan, (value,)),))
    count = b.reduce("sum", present, axis, keep)
    return b.ufunc(np.divide, (total, count), dtype=value.tensor.dtype, casting="unsafe")


# --- cumulative ---------------------------------------------------------------------------------------------


@handles(np.cumsum, method="cumsum")
def cumsum(b: Builder, a: Operand, axis: Operand = None, dtype: Any = None, out: Operand = None) -> Operand:
    """``np.cumsum``."""
    return _scan(b, np.add, "sum", a, axis, dtype, out)


@handles(np.cumprod, method="cumprod")
def cumprod(b: Builder, a: Operand, axis: Operand = None, dtype: Any = None, out: Operand = None) -> Operand:
    """``np.cumprod``."""
    return _scan(b, np.multiply, "prod", a, axis, dtype, out)


@handles(np.nancumsum)
def nancumsum(
    b: Builder, a: Operand, axis: Operand = None, dtype: Any = None, out: Operand = None
) -> Operand:
    """``np.nancumsum``."""
    return _scan(b, np.add, "sum", _copy_without_nan(b, a, 0), axis, dtype, out)


@handles(np.nancumprod)
def nancumprod(
    b: Builder, a: Operand, axis: Operand = None, dtype: Any = None, out: Operand = None
) -> Operand:
    """``np.nancumprod``."""
    return _scan(b, np.multiply, "prod", _copy_without_nan(b, a, 1), axis, dtype, out)


def _copy_without_nan(b: Builder, a: Operand, neutral: float) -> Value:
    """A copy laid out like the array, with another value for NaN; integers as they are."""
    value = b.reducible(a)
    return b.kept_layout(_without_nan(b, value, neutral), value)


def _scan(
    b: Builder, ufunc: np.ufunc, kind: str, a: Operand, axis: Operand, dtype: Any, out: Operand
) -> Operand:
    value = b.reducible(a)
    if axis is None or not value.tensor.rank:
        value, axis = b.ravel(value), 0 if axis is None else axis
    along = b.normalize_axis(axis, value.tensor.rank)
    target = b.result_dtype(kind, value.tensor.dtype, None if dtype is None else dtypes.as_dtype(dtype))
    result = scanned(b, ufunc, b.cast(value, target), along, _walk(value))
    return result if out is None else b.write_out(out, result)


def _walk(value: Value) -> tuple[int, ...]:
    """The axes as a ufunc walks them, and lays out its result, from slowest to fastest."""
    return rules.result_axis_order(value.tensor.shape, [(value.tensor.shape, value.tensor.strides)])


def scanned(b: Builder, ufunc: np.ufunc, value: Value, axis: int, order: tuple[int, ...]) -> Value:
    """A new tensor with the running totals along an axis, its axes in ``order`` from slowest to fastest.

    The axes before and after it are folded.
    """
    ascending = tuple(range(len(order)))
    if order != ascending:
        result = scanned(b, ufunc, b.transpose(value, order), order.index(axis), ascending)
        return b.transpose(result, [order.index(k) for k in ascending])
    shape = value.tensor.shape
    result = b.allocate(shape, value.tensor.dtype)
    outer, inner = b.product_index(shape[:axis]), b.product_index(shape[axis + 1 :])
    last = rules.is_one(inner)
    folded = (outer, shape[axis]) if last else (outer, shape[axis], inner)
    source = b.reshape(value, folded)
    target = b.reshape_view(result, folded, False)
    b.call_library(scans.scan_rows if last else scans.scan_slabs, ufunc, source, target)
    return result


# --- methods of ufuncs --------------------------------------------------------------------------------------


def ufunc_reduce(
    b: Builder,
    ufunc: np.ufunc,
    array: Operand,
    axis: Operand = 0,
    dtype: Any = None,
    out: Operand = None,
    keepdims: Operand = False,
    initial: Operand = None,
    where: Operand = True,
) -> Operand:
    """``ufunc.reduce``."""
    kind = UFUNC_KINDS.get(ufunc)
    if kind is None:
        raise Unsupported(f"np.{ufunc.__name__}.reduce")
    return b.reduce(kind, array, axis, _static(keepdims, "keepdims"), dtype, out, initial, where)


def ufunc_accumulate(
    b: Builder, ufunc: np.ufunc, array: Operand, axis: int = 0, dtype: Any = None, out: Operand = None
) -> Operand:
    """``ufunc.accumulate``."""
    value = b.reducible(array)
    if not value.tensor.rank:
        raise NumpyError(TypeError, "cannot accumulate on a scalar")
    if ufunc is np.add:
        return cumsum(b, value, axis, dtype, out)
    if ufunc is np.multiply:
        return cumprod(b, value, axis, dtype, out)
    dtype_in = value.tensor.dtype
    loop = dtypes.resolve(
        ufunc, (dtype_in, dtype_in), None, None if dtype is None else dtypes.as_dtype(dtype)
    )
    if ufunc.nin != 2 or loop[0] != loop[-1]:
        raise Unsupported(f"np.{ufunc.__name__}.accumulate of {dtype_in}")
    along = b.normalize_axis(axis, value.tensor.rank)
    result = scanned(b, ufunc, b.cast(value, loop[-1]), along, _walk(value))
    return result if out is None else b.write_out(out, result)


def ufunc_outer(b: Builder, ufunc: np.ufunc, a: Operand, c: Operand, **kwargs: Any) -> Operand:
    """``ufunc.outer``."""
    x, y = b.reducible(a), b.reducible(c)
    left = b.expand_dims(x, tuple(range(x.tensor.rank, x.tensor.rank + y.tensor.rank)))
    return b.ufunc(ufunc, (left, y), **kwargs)


def ufunc_at(b: Builder, ufunc: np.ufunc, a: Value, indices: Operand, value: Operand = None) -> None:
    """``ufunc.at`` with integer arrays (a tuple of them for several axes)."""
    if value is None:
        raise Unsupported(f"np.{ufunc.__name__}.at without values")
    listed = indices if isinstance(indices, tuple) else (indices,)
    b.scatter(a, value, listed, tuple(range(len(listed))), 0, accumulate=ufunc)


UFUNC_METHODS = {
    "reduce": ufunc_reduce, "accumulate": ufunc_accumulate, "outer": ufunc_outer, "at": ufunc_at,
}  # fmt: skip
"""Handlers ``(builder, ufunc, *args)`` of the methods of ufuncs."""


@array_method("trace")
def trace_method(
    b: Builder,
    a: Value,
    offset: Operand = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: Operand = None,
) -> Operand:
    """``ndarray.trace``."""
    return trace(b, a, offset, axis1, axis2, dtype, out)


@handles(np.trace)
def trace(
    b: Builder,
    a: Operand,
    offset: Operand = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: Operand = None,
) -> Operand:
    """``np.trace``."""
    return b.reduce("sum", b.diagonal(b.reducible(a), offset, axis1, axis2), -1, False, dtype, out)
