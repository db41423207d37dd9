"""Differences along an axis, and their relatives: gradient, trapezoid, ediff1d, unwrap."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import stands_for

NO_BOOL = (
    "numpy boolean subtract, the `-` operator, is not supported, use the bitwise_xor, the `^` operator, "
    "or the logical_xor function instead."
)


def along(ndim: Any, axis: Any, index: Any) -> Any:
    """The index of one axis, everything of the others."""
    return (slice(None),) * axis + (index,) + (slice(None),) * (ndim - axis - 1)


def normal_axis(axis: Any, ndim: Any) -> Any:
    """An axis from the front."""
    if axis < -ndim or axis >= ndim:
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return axis % ndim


@stands_for(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """``np.gradient``."""
    values = np.asanyarray(f)
    ndim = values.ndim
    if axis is None:
        axes = tuple(range(ndim))
    elif isinstance(axis, tuple):
        axes = tuple([normal_axis(a, ndim) for a in axis])
    else:
        axes = (normal_axis(axis, ndim),)
    count = len(varargs)
    if count == 0:
        steps = (1.0,) * len(axes)
    elif count == 1 and np.ndim(varargs[0]) == 0:
        steps = varargs * len(axes)
    elif count == len(axes):
        steps = varargs
    else:
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if values.dtype.kind == "b":
        raise TypeError(NO_BOOL)
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    results = [
        gradient_along(values, a, gradient_step(values, a, step), edge_order)
        for a, step in zip(axes, steps)  # noqa: B905
    ]
    if len(axes) == 1:
        return results[0]
    return tuple(results)


def gradient_step(values: Any, axis: Any, step: Any) -> Any:
    """A number, or the differences of the coordinates of an axis."""
    if np.ndim(step) == 0:
        return step
    places = np.asanyarray(step)
    if places.ndim != 1:
        raise ValueError("distances must be either scalars or 1d")
    if len(places) != values.shape[axis]:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    if places.dtype.kind in "biu":
        places = places.astype(np.float64)
    return np.diff(places)


def gradient_along(values: Any, axis: Any, step: Any, edge_order: Any) -> Any:
    """The derivative along one axis."""
    ndim = values.ndim
    if values.shape[axis] < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    out = np.empty_like(values)
    below = values[along(ndim, axis, slice(None, -2))]
    here = values[along(ndim, axis, slice(1, -1))]
    above = values[along(ndim, axis, slice(2, None))]
    inner = along(ndim, axis, slice(1, -1))
    first, last = along(ndim, axis, 0), along(ndim, axis, -1)
    uniform = np.ndim(step) == 0
    if uniform:
        out[inner] = (above - below) / (2.0 * step)
        before = after = step
    else:
        before, after = step[0], step[-1]
        shape = (1,) * axis + (-1,) + (1,) * (ndim - axis - 1)
        left, right = step[:-1].reshape(shape), step[1:].reshape(shape)
        a = -right / (left * (left + right))
        b = (right - left) / (left * right)
        c = left / (right * (left + right))
        out[inner] = a * below + b * here + c * above
    one, two = values[along(ndim, axis, 1)], values[along(ndim, axis, -2)]
    if edge_order == 1:
        out[first] = (one - values[first]) / before
        out[last] = (values[last] - two) / after
        return out
    if uniform:
        a0, b0, c0 = -1.5 / step, 2.0 / step, -0.5 / step
        a1, b1, c1 = 0.5 / step, -2.0 / step, 1.5 / step
    else:
        d1, d2 = step[0], step[1]
        a0 = -(2.0 * d1 + d2) / (d1 * (d1 + d2))
        b0 = (d1 + d2) / (d1 * d2)
        c0 = -d1 / (d2 * (d1 + d2))
        e1, e2 = step[-2], step[-1]
        a1 = e2 / (e1 * (e1 + e2))
        b1 = -(e2 + e1) / (e1 * e2)
        c1 = (2.0 * e2 + e1) / (e2 * (e1 + e2))
    third, fourth = values[along(ndim, axis, 2)], values[along(ndim, axis, -3)]
    out[first] = a0 * values[first] + b0 * one + c0 * third
    out[last] = a1 * fourth + b1 * two + c1 * values[last]
    return out


@stands_for(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """``np.trapezoid``."""
    values = np.asanyarray(y)
    ndim = values.ndim
    axis = normal_axis(axis, ndim)
    if x is None:
        width = dx
    else:
        places = np.asanyarray(x)
        if places.ndim == 1:
            shape = (1,) * axis + (-1,) + (1,) * (ndim - axis - 1)
            width = np.diff(places).reshape(shape)
        else:
            width = np.diff(places, axis=axis)
    above = values[along(ndim, axis, slice(1, None))]
    below = values[along(ndim, axis, slice(None, -1))]
    return (width * (above + below) / 2.0).sum(axis)


@stands_for(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``np.ediff1d``."""
    values = np.asanyarray(ary).ravel()
    middle = values[1:] - values[:-1]
    if to_begin is None and to_end is None:
        return middle
    for given, name in ((to_begin, "to_begin"), (to_end, "to_end")):
        if given is not None and not np.can_cast(
            np.asanyarray(given).dtype, values.dtype, casting="same_kind"
        ):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
    parts = []
    if to_begin is not None:
        parts.append(np.asanyarray(to_begin).ravel().astype(values.dtype))
    parts.append(middle)
    if to_end is not None:
        parts.append(np.asanyarray(to_end).ravel().astype(values.dtype))
    return np.concatenate(parts)


@stands_for(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: Any = -1, *, period: Any = 6.283185307179586) -> Any:
    """``np.unwrap``."""
    values = np.asarray(p)
    ndim = values.ndim
    axis = normal_axis(axis, ndim)
    steps = np.diff(values, axis=axis)
    if discont is None:
        discont = period / 2
    dtype = np.result_type(steps, period)
    if np.issubdtype(dtype, np.integer):
        high = period // 2
        ambiguous = period % 2 == 0
    else:
        high = period / 2
        ambiguous = True
    low = -high
    wrapped = np.mod(steps - low, period) + low
    if ambiguous:
        wrapped = np.where((wrapped == low) & (steps > 0), high, wrapped)
    correction = np.where(np.abs(steps) < discont, 0, wrapped - steps)
    up = np.array(values, copy=True, dtype=dtype)
    rest = along(ndim, axis, slice(1, None))
    up[rest] = values[rest] + correction.cumsum(axis)
    return up


@stands_for(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Any:
    """``np.cumulative_sum``."""
    return _cumulative(np.cumsum, 0, x, axis, dtype, out, include_initial)


@stands_for(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Any:
    """``np.cumulative_prod``."""
    return _cumulative(np.cumprod, 1, x, axis, dtype, out, include_initial)


def _cumulative(scan: Any, start: Any, x: Any, axis: Any, dtype: Any, out: Any, initial: Any) -> Any:
    values = np.atleast_1d(np.asanyarray(x))
    ndim = values.ndim
    if axis is None:
        if ndim >= 2:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    if not initial:
        return scan(values, axis=axis, dtype=dtype, out=out)
    axis = normal_axis(axis, ndim)
    running = scan(values, axis=axis, dtype=dtype)
    edge = (*running.shape[:axis], 1, *running.shape[axis + 1 :])
    first = np.full_like(running, start, shape=edge)
    result = np.concatenate([first, running], axis=axis)
    if out is None:
        return result
    out[...] = result
    return out


def extended(a: Any, axis: Any, prepend: Any, append: Any) -> Any:
    """An array with something put before and behind, as ``np.diff`` does it."""
    values = np.asanyarray(a)
    axis = normal_axis(axis, values.ndim)
    edge = (*values.shape[:axis], 1, *values.shape[axis + 1 :])
    parts = []
    if prepend is not None:
        first = np.asanyarray(prepend)
        parts.append(np.broadcast_to(first, edge) if first.ndim == 0 else first)
    parts.append(values)
    if append is not None:
        last = np.asanyarray(append)
        parts.append(np.broadcast_to(last, edge) if last.ndim == 0 else last)
    return np.concatenate(parts, axis)


def with_weights(values: Any, mean: Any, axis: Any, weights: Any) -> Any:
    """``np.average`` with returned=True: the mean, and what the weights add up to."""
    if weights is None:
        count = values.size / np.size(mean)
        total = np.asarray(mean).dtype.type(count)
    else:
        scale = np.asarray(weights)
        if scale.ndim == 1 and values.ndim > 1:
            axis = normal_axis(axis, values.ndim)
            scale = scale.reshape((1,) * axis + (-1,) + (1,) * (values.ndim - axis - 1))
        kind = np.asarray(mean).dtype
        total = np.broadcast_to(scale, values.shape).sum(axis=axis, dtype=kind)
    whole = np.zeros_like(np.asarray(mean)) + total
    return mean, whole[()]
