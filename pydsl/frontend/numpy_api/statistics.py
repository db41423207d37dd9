"""Histograms, quantiles, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.numpy_api.creation import linspace
from pydsl.frontend.numpy_api.registry import handles
from pydsl.frontend.numpy_api.sorting import searchsorted, sort
from pydsl.frontend.numpy_api.ufuncs import diff
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.library import statistics
from pydsl.library.functions import differences, quantiles


@handles(np.histogram)
def histogram(
    b: Builder,
    a: Operand,
    bins: Operand = 10,
    range: Operand = None,
    density: Any = None,
    weights: Operand = None,
) -> tuple[Value, Value]:
    """``np.histogram``: counts by number of bins, or between given edges."""
    if density or weights is not None:
        return b.call_library(quantiles.weighted_histogram, a, bins, range, density, weights)
    value = b.ravel(b.reducible(a))
    if isinstance(bins, str):
        raise Unsupported("np.histogram with a rule for the number of bins", "a number")
    if isinstance(bins, (list, tuple, np.ndarray)) or (isinstance(bins, Value) and bins.is_tensor):
        return _between_edges(b, value, b.reducible(bins))
    return _uniform(b, value, bins, range)


def _between_edges(b: Builder, value: Value, edges: Value) -> tuple[Value, Value]:
    if edges.tensor.rank != 1:
        raise NumpyError(ValueError, "`bins` must be 1d, when an array")
    ordered = sort(b, value)
    length = edges.tensor.shape[0]
    below = b.reducible(searchsorted(b, ordered, b.take_slice(edges, 0, rules.ZERO, length - 1)))
    last = b.reducible(searchsorted(b, ordered, b.take_slice(edges, 0, length - 1, rules.ONE), "right"))
    positions = b.allocate((length,), dtypes.INT64)
    b.store(b.take_slice(positions, 0, rules.ZERO, length - 1), below)
    b.store(b.take_slice(positions, 0, length - 1, rules.ONE), last)
    return b.reducible(diff(b, positions)), edges


def _uniform(b: Builder, value: Value, bins: Operand, limits: Operand) -> tuple[Value, Value]:
    count = b.as_affine(bins)
    b.check(b.compare_index("ge", count, rules.ONE), ValueError, "`bins` must be positive, when an integer")
    if limits is None:
        if b.decide("gt", value.tensor.shape[0], rules.ZERO) is not True:
            raise Unsupported("np.histogram without range of an array that may be empty", "range=(low, high)")
        first, last = b.reduce("min", value), b.reduce("max", value)
    else:
        first, last = limits
    if not isinstance(first, Value) and not isinstance(last, Value):
        if first > last:
            raise NumpyError(ValueError, "max must be larger than min in range parameter.")
        if first == last:
            first, last = first - 0.5, last + 0.5
    else:
        same = b.binary("eq", first, last)
        wider = (b.binary("sub", first, 0.5), b.binary("add", last, 0.5))
        first, last = (b.choose(same, w, v) for w, v in zip(wider, (first, last), strict=True))
    found = dtypes.result_type(dtypes.promoted(first), dtypes.promoted(last), value.tensor.dtype)
    kind = found if found.kind == "f" else dtypes.FLOAT64
    edges = linspace(b, first, last, b.scalar_from_affine(count + 1), dtype=kind)
    counts = b.allocate((count,), dtypes.INT64)
    b.store(counts, 0)
    numbers = b.cast(value, kind) if value.tensor.dtype.kind in "biu" else value
    b.call_library(statistics.count_uniform, numbers, edges, counts)
    return counts, edges


@handles(np.interp)
def interp(
    b: Builder,
    x: Operand,
    xp: Operand,
    fp: Operand,
    left: Operand = None,
    right: Operand = None,
    period: Any = None,
) -> Operand:
    """``np.interp``: linear between increasing points."""
    if period is not None:
        return b.call_library(quantiles.periodic_interp, x, xp, fp, period)
    points, heights = (b.cast(b.reducible(v), dtypes.FLOAT64) for v in (xp, fp))
    if points.tensor.rank != 1 or heights.tensor.rank != 1:
        raise NumpyError(ValueError, "object too deep for desired array")
    message = "fp and xp are not of the same length."
    b.check(b.compare_index("eq", points.tensor.shape[0], heights.tensor.shape[0]), ValueError, message)
    some = b.compare_index("gt", points.tensor.shape[0], rules.ZERO)
    b.check(some, ValueError, "array of sample points is empty")
    wanted = b.cast(b.reducible(x), dtypes.FLOAT64)
    result = b.allocate(wanted.tensor.shape, dtypes.FLOAT64)
    flat = b.reshape_view(result, (b.size(result),), False)
    last = points.tensor.shape[0] - 1
    ends = [
        b.load(b.basic_index(heights, [position])) if given is None else b.for_loop(given, dtypes.FLOAT64)
        for given, position in ((left, rules.ZERO), (right, last))
    ]
    b.call_library(statistics.interpolate, b.ravel(wanted), points, heights, *ends, flat)
    return b.finish(result, None)


@handles(np.quantile)
def quantile(
    b: Builder,
    a: Operand,
    q: Operand,
    axis: Operand = None,
    out: Operand = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Operand:
    """``np.quantile`` by linear interpolation, of one number or a list of numbers ``q``."""
    kind = b.reducible(a).tensor.dtype.kind
    if kind in "bc":
        raise NumpyError(
            TypeError, differences.NO_BOOL if kind == "b" else "a must be an array of real numbers"
        )
    if method != "linear":
        raise Unsupported(f"np.quantile with method={method!r}", "the method 'linear'")
    if out is not None or keepdims or isinstance(axis, (tuple, list)):
        return b.call_library(quantiles.shaped_quantile, b.reducible(a), q, axis, out, keepdims)
    for fraction in q if isinstance(q, (list, tuple)) else (q,):
        if isinstance(fraction, Value):
            raise NeedStatic(fraction, "a fraction must be known at compile time")
    value = b.reducible(a)
    flat, along = (b.ravel(value), 0) if axis is None else (value, b.normalize_axis(axis, value.tensor.rank))
    if flat.tensor.dtype.kind in "biu":
        flat = b.cast(flat, dtypes.FLOAT64)
    ordered = sort(b, flat, along)
    ordered = b.transpose(ordered, [along, *(k for k in range(ordered.tensor.rank) if k != along)])
    length = ordered.tensor.shape[0]
    if not length.is_const or not length.const:
        raise Unsupported("np.quantile along an axis of unknown or no length")
    scalar = np.ndim(q) == 0
    fractions = np.asarray(q, flat.tensor.dtype if scalar else np.float64)  # a number is weak, a list is not
    if fractions.size and not (fractions.min() >= 0 and fractions.max() <= 1):
        raise NumpyError(ValueError, "Quantiles must be in the range [0, 1]")
    rows = [_quantile_row(b, ordered, length.const, fraction) for fraction in fractions.ravel()]
    if not fractions.ndim:
        return rows[0]
    shape = [Affine.of(n) for n in fractions.shape]
    rest = ordered.tensor.shape[1:]
    result = b.allocate([Affine.of(len(rows)), *rest], dtypes.dtype_of(rows[0]))
    for position, row in enumerate(rows):
        b.store(b.basic_index(result, [Affine.of(position)]), row)
    return b.reshape(result, (*shape, *rest))


def _quantile_row(b: Builder, ordered: Value, length: int, fraction: Any) -> Operand:
    """NumPy's lerp between two neighbours of the sorted rows; NaN wins."""
    virtual = (length - 1) * fraction
    below = min(int(np.floor(virtual)), length - 1)
    above = min(below + 1, length - 1)
    weight = fraction.dtype.type(virtual - below)
    low, high, last = (
        b.as_operand(b.basic_index(ordered, [Affine.of(k)])) for k in (below, above, length - 1)
    )
    span = b.ufunc(np.subtract, (high, low))
    if weight >= 0.5:
        result = b.ufunc(np.subtract, (high, b.ufunc(np.multiply, (span, 1 - weight))))
    else:
        result = b.ufunc(np.add, (low, b.ufunc(np.multiply, (span, weight))))
    return b.choose(b.ufunc(np.isnan, (last,)), last, result)


@handles(np.percentile)
def percentile(b: Builder, a: Operand, q: Operand, *args: Any, **kwargs: Any) -> Operand:
    """``np.percentile``."""
    if isinstance(q, Value):
        raise NeedStatic(q, "a percentage must be known at compile time")
    dtype = b.reducible(a).tensor.dtype
    hundred = dtype.type(100) if dtype.kind == "f" else 100
    return quantile(
        b,
        a,
        np.true_divide(q, hundred) if np.ndim(q) == 0 else np.true_divide(q, 100).tolist(),
        *args,
        **kwargs,
    )


@handles(np.unravel_index)
def unravel_index(b: Builder, indices: Operand, shape: Operand, order: str = "C") -> tuple[Operand, ...]:
    """``np.unravel_index``."""
    dims = b.as_shape(shape)
    if order == "F":
        return unravel_index(b, indices, tuple(reversed(dims)))[::-1]
    size = b.scalar_from_affine(b.product_index(dims))
    value = b.as_operand(indices)
    rest = b.astype(value, np.int64)
    for bound, op in ((0, "ge"), (size, "lt")):
        inside = b.reduce("all", b.binary(op, rest, bound))
        shown = tuple([b.scalar_from_affine(d) for d in dims])
        b.check(
            inside,
            ValueError,
            f"index is out of bounds for array with size {size if isinstance(size, int) else shown}",
        )
    parts: list[Operand] = []
    for dim in reversed(dims[1:]):
        length = b.scalar_from_affine(dim)
        parts.append(b.binary("mod", rest, length))
        rest = b.binary("floordiv", rest, length)
    return (rest, *reversed(parts))


@handles(np.ravel_multi_index)
def ravel_multi_index(
    b: Builder, multi_index: Operand, dims: Operand, mode: str = "raise", order: str = "C"
) -> Operand:
    """``np.ravel_multi_index`` of indices that are in bounds."""
    multi_index, shape = tuple(multi_index), b.as_shape(dims)
    modes = (mode,) * len(shape) if isinstance(mode, str) else tuple(mode)
    if order == "F":
        multi_index, shape, modes = multi_index[::-1], shape[::-1], modes[::-1]
    total: Operand = None
    for index, dim, how in zip(multi_index, shape, modes, strict=True):
        length = b.scalar_from_affine(dim)
        if how == "wrap":
            index = b.binary("mod", b.as_operand(index), length)
        elif how == "clip":
            low = b.ufunc(np.maximum, (index, 0))
            index = b.ufunc(np.minimum, (low, b.scalar_from_affine(dim - 1)))
        for op, bound in (("ge", 0), ("lt", length)):
            inside = b.reduce("all", b.binary(op, index, bound))
            b.check(inside, ValueError, "invalid entry in coordinates array")
        total = index if total is None else b.binary("add", b.binary("mul", total, length), index)
    return total
