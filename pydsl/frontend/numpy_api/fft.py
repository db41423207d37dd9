"""``np.fft``: the transforms by NumPy's own functions, the bookkeeping around them as views and copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.delegated import attempt, call_numpy, fixed, refuse, tensor
from pydsl.frontend.numpy_api.registry import handles, lookup
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

# --- along one axis ---------------------------------------------------------------------------------------------------

_HALVED, _DOUBLED, _SAME = "halved", "doubled", "same"
_LINES: dict[Callable[..., Any], str] = {
    np.fft.fft: _SAME,
    np.fft.ifft: _SAME,
    np.fft.rfft: _HALVED,
    np.fft.irfft: _DOUBLED,
    np.fft.hfft: _DOUBLED,
    np.fft.ihfft: _HALVED,
}


def _line(function: Callable[..., Any], kind: str) -> None:
    def handler(
        b: Builder,
        a: Operand,
        n: Operand = None,
        axis: Operand = -1,
        norm: Operand = None,
        out: Operand = None,
    ) -> Any:
        x = tensor(b, a)
        if out is not None:
            raise Unsupported(f"np.fft.{function.__name__} with out=", "an assignment to the array")
        place, scale = fixed(axis, "the axis of a transform"), fixed(norm, "norm=")
        length = _length(b, n)
        if not x.tensor.rank or (length is not None and length.is_const and length.const < 1):
            refuse(function, (x, n, place), {"norm": scale})
        place = _axis(function, x, place)
        shape = list(x.tensor.shape)
        points = shape[place] if length is None else length
        if length is None and shape[place].is_const and kind != _SAME and _points(points, kind).const < 1:
            refuse(function, (x, n, axis), {"norm": scale})
        if length is not None and kind == _DOUBLED:
            shape[place] = points
        else:
            shape[place] = _points_in(b, points, kind)
        # the stand-in is as long as the axis, or n points
        size = _index(n) if length is not None and length.is_const else n
        # hfft transforms the conjugate, a new array; only its layout matters here
        source = b.reducible(b.ufunc(np.conjugate, (x,))) if function is np.fft.hfft else x
        order = {0: rules.keep_order(source.tensor.shape, source.tensor.strides)}
        return call_numpy(b, function, (x, size, place), {"norm": scale}, [shape], order, _ones)

    handler.__doc__ = f"``np.fft.{function.__name__}``."
    handles(function, makes_array=True)(handler)


def _length(b: Builder, n: Operand) -> Affine | None:
    return None if n is None else b.as_affine(n)


def _index(n: Operand) -> Any:
    return n if isinstance(n, Value) else int(n.__index__())


def _points(points: Affine, kind: str) -> Affine:
    if kind == _DOUBLED:
        return (points - 1) * 2
    return Affine.of(points.const // 2 + 1) if kind == _HALVED else points


def _points_in(b: Builder, points: Affine, kind: str) -> Affine:
    """Length of the result for so many points."""
    if kind == _HALVED:
        return b.floordiv_index(points, Affine.of(2)) + 1
    return (points - 1) * 2 if kind == _DOUBLED else points


def _axis(function: Callable[..., Any], x: Value, axis: Any) -> int:
    rank = x.tensor.rank
    if not isinstance(axis, (int, np.integer)) or not -rank <= axis < rank:
        refuse(function, (x, None, axis), {})
        raise Unsupported(f"np.fft.{function.__name__} along axis {axis!r}")
    return int(axis) % rank


def _ones(value: Value) -> Any:
    """Long enough for every kind of transform."""
    return np.ones((2,) * value.tensor.rank, value.tensor.dtype)


for _function, _kind in _LINES.items():
    _line(_function, _kind)


# --- along several axes -----------------------------------------------------------------------------------------------

_PLANES: dict[Callable[..., Any], str] = {
    np.fft.fft2: _SAME,
    np.fft.ifft2: _SAME,
    np.fft.rfft2: _HALVED,
    np.fft.irfft2: _DOUBLED,
    np.fft.fftn: _SAME,
    np.fft.ifftn: _SAME,
    np.fft.rfftn: _HALVED,
    np.fft.irfftn: _DOUBLED,
}
_TWO = (np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2)


def _plane(function: Callable[..., Any], kind: str) -> None:
    default = (-2, -1) if function in _TWO else None

    def handler(
        b: Builder,
        a: Operand,
        s: Operand = None,
        axes: Operand = default,
        norm: Operand = None,
        out: Operand = None,
    ) -> Any:
        x = tensor(b, a)
        if out is not None:
            raise Unsupported(f"np.fft.{function.__name__} with out=", "an assignment to the array")
        places, scale = fixed(axes, "the axes of a transform"), fixed(norm, "norm=")
        sizes = None if s is None else tuple(fixed(s, "the shape of a transform"))
        if sizes is not None and places is None:
            places = tuple(range(-len(sizes), 0))
        rank = x.tensor.rank
        chosen = tuple(range(rank)) if places is None else tuple(places)
        fits = all(isinstance(k, (int, np.integer)) and -rank <= k < rank for k in chosen)
        fits = fits and bool(chosen or kind == _SAME) and (sizes is None or len(sizes) == len(chosen))
        if not fits:
            refuse(function, (x, sizes, places), {"norm": scale})
            raise Unsupported(f"np.fft.{function.__name__} with axes={axes!r} and s={s!r}")
        shape = _several(b, function, x, sizes, [int(k) % rank for k in chosen], kind)
        if shape is None:
            refuse(function, (x, sizes, places), {"norm": scale})
            raise Unsupported(f"np.fft.{function.__name__} with s={s!r}")
        order = {0: _order(x, [int(k) % rank for k in chosen])}
        return call_numpy(b, function, (x, sizes, places), {"norm": scale}, [shape], order, _ones)

    handler.__doc__ = f"``np.fft.{function.__name__}``."
    handles(function, makes_array=True)(handler)


def _several(
    b: Builder,
    function: Callable[..., Any],
    x: Value,
    sizes: Sequence[Any] | None,
    axes: Sequence[int],
    kind: str,
) -> list[Affine] | None:
    """The shape of the result; None where a length is not positive."""
    shape = list(x.tensor.shape)
    for k, axis in enumerate(axes):
        last = k == len(axes) - 1
        given = None if sizes is None or sizes[k] == -1 or sizes[k] is None else Affine.of(int(sizes[k]))
        points = shape[axis] if given is None else given
        if points.is_const and points.const < 1:
            return None
        if last and kind == _DOUBLED:
            shape[axis] = given if given is not None else (points - 1) * 2
            if shape[axis].is_const and shape[axis].const < 1:
                return None
        else:
            shape[axis] = _points_in(b, points, kind if last and kind == _HALVED else _SAME)
    return shape


def _order(x: Value, axes: Sequence[int]) -> tuple[int, ...]:
    return rules.keep_order(x.tensor.shape, x.tensor.strides) if axes else tuple(range(x.tensor.rank))


for _function, _kind in _PLANES.items():
    _plane(_function, _kind)


# --- frequencies and shifts -------------------------------------------------------------------------------------------


@handles(np.fft.fftfreq, makes_array=True)
def fftfreq(b: Builder, n: Operand, d: Operand = 1.0, device: Any = None) -> Any:
    """``np.fft.fftfreq``."""
    count = fixed(n, "the number of points")
    return _frequencies(b, np.fft.fftfreq, count, d)


@handles(np.fft.rfftfreq, makes_array=True)
def rfftfreq(b: Builder, n: Operand, d: Operand = 1.0, device: Any = None) -> Any:
    """``np.fft.rfftfreq``."""
    count = fixed(n, "the number of points")
    return _frequencies(b, np.fft.rfftfreq, count, d)


def _frequencies(b: Builder, function: Callable[..., Any], n: Any, d: Operand) -> Any:
    if not isinstance(d, Value):
        return b.copy(b.constant_array(attempt(function, n, d)))
    # NumPy's order of operations: integers times one factor
    integers = (
        attempt(function, n, 1.0 / n) if isinstance(n, (int, np.integer)) and n else attempt(function, n)
    )
    whole = np.rint(integers).astype(np.int64)
    divisor = b.binary("mul", n, d)
    return b.binary("mul", b.constant_array(whole), b.binary("truediv", 1.0, divisor))


@handles(np.fft.fftshift)
def fftshift(b: Builder, x: Operand, axes: Operand = None) -> Any:
    """``np.fft.fftshift``."""
    return _shift(b, x, axes, 1)


@handles(np.fft.ifftshift)
def ifftshift(b: Builder, x: Operand, axes: Operand = None) -> Any:
    """``np.fft.ifftshift``."""
    return _shift(b, x, axes, -1)


def _shift(b: Builder, x: Operand, axes: Operand, sign: int) -> Any:
    value = tensor(b, x)
    chosen = fixed(axes, "the axes of a shift")
    rank = value.tensor.rank
    given = range(rank) if chosen is None else chosen if isinstance(chosen, (tuple, list)) else (chosen,)
    places = [b.normalize_axis(axis, rank) for axis in given]
    halves = [b.floordiv_index(value.tensor.shape[axis], Affine.of(2)) for axis in places]
    if sign < 0:
        halves = [half * -1 for half in halves]
    roll = lookup(np.roll)
    if roll is None:
        raise NumpyError(NotImplementedError, "np.roll")
    shifts = tuple([half.const if half.is_const else b.index_value(half) for half in halves])
    return roll(b, value, shifts, tuple(places))
