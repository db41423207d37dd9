"""Ufuncs and the elementwise functions made of them: where, clip, round, isclose, nan_to_num."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.dtypes import DType
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.numpy_api.indexing import nonzero
from pydsl.frontend.numpy_api.manipulation import part
from pydsl.frontend.numpy_api.registry import Handler, array_method, handles
from pydsl.ir.core import Value
from pydsl.ir.ops.elementwise import UFUNCS
from pydsl.library.functions import differences, numbers

_CLIP: np.ufunc = np._core.umath.clip  # type: ignore[attr-defined]
_WITHOUT_RECORD = (np.degrees, np.radians, np.divmod, np.modf, np.matmul)


def ufunc_handler(ufunc: np.ufunc) -> Handler:
    """The handler of calls of a ufunc."""

    def handler(
        b: Builder,
        *args: Operand,
        out: Operand = None,
        where: Operand = True,
        dtype: Any = None,
        casting: str = "same_kind",
        order: str = "K",
        subok: bool = True,
    ) -> Any:
        if len(args) > ufunc.nin:
            out = args[ufunc.nin :] if out is None else out
        result = b.ufunc(ufunc, args[: ufunc.nin], out=out, where=where, dtype=dtype, casting=casting)
        return result if order == "K" or out is not None else _laid_out(b, result, order, args[: ufunc.nin])

    handler.__name__ = ufunc.__name__
    handler.__doc__ = f"``np.{ufunc.__name__}``."
    return handler


def _laid_out(b: Builder, result: Operand, order: str, operands: tuple[Operand, ...]) -> Operand:
    """A result in the order that was asked for."""
    if not (isinstance(result, Value) and result.is_tensor):
        return result
    if order == "A":
        tensors = [v for v in operands if isinstance(v, Value) and v.is_tensor]
        order = "F" if all(b.is_f_contiguous(v) and not b.is_contiguous(v) for v in tensors) else "C"
    return result if b.has_order(result, order) else b.copy(result, order)


def _register_all() -> None:
    for record in UFUNCS.values():
        assert record.ufunc is not None
        handles(record.ufunc)(ufunc_handler(record.ufunc))
    for ufunc in _WITHOUT_RECORD:
        handles(ufunc)(ufunc_handler(ufunc))


_register_all()


@array_method("conj", "conjugate")
def conjugate(b: Builder, x: Value, out: Operand = None) -> Operand:
    """``ndarray.conj``: the array itself where it is real."""
    if x.type.dtype.kind != "c" and out is None:
        return x
    turned = b.ufunc(np.conjugate, (x,), out=out)
    return b.to_python(turned, complex) if not x.is_tensor and x.scalar.weak else turned


# --- selection ----------------------------------------------------------------------------------------------


@handles(np.where, makes_array=True)
def where(b: Builder, condition: Operand, *branches: Operand) -> Any:
    """``np.where``: a selection, or the positions of the true elements."""
    if not branches:
        return nonzero(b, condition)
    if len(branches) != 2:
        raise NumpyError(ValueError, "either both or neither of x and y should be given")
    return b.select(condition, *branches)


@handles(np.clip)
def clip(
    b: Builder,
    a: Operand,
    a_min: Operand = None,
    a_max: Operand = None,
    out: Operand = None,
    *,
    min: Operand = None,
    max: Operand = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Operand:
    """``np.clip``: minimum of maximum, in the dtype of NumPy's own clip."""
    low = a_min if min is None else min
    high = a_max if max is None else max
    value = b.as_operand(a)
    own = dtypes.dtype_of(value)
    if own.kind in "iu":
        first, last = dtypes.integer_range(own)
        low = None if type(low) is int and low <= first else low
        high = None if type(high) is int and high >= last else high
    options = {"out": out, "dtype": dtype, "casting": casting}
    if low is None and high is None:
        return b.ufunc(np.positive, (value,), **options)
    if low is None or high is None:
        bound, ufunc = (high, np.minimum) if low is None else (low, np.maximum)
        return b.ufunc(ufunc, (value, bound), **options)
    return _clip_both(b, value, b.as_operand(low), b.as_operand(high), out, dtype, casting)


def _clip_both(
    b: Builder, value: Operand, low: Operand, high: Operand, out: Operand, dtype: Any, casting: str
) -> Operand:
    if isinstance(out, tuple):
        (out,) = out
    out_dtype = out.tensor.dtype if isinstance(out, Value) and out.is_tensor else None
    target = None if dtype is None else dtypes.as_dtype(dtype)
    inputs = tuple([dtypes.promoted(v) for v in (value, low, high)])
    loop = dtypes.resolve(_CLIP, inputs, out_dtype, target, casting)[-1]
    if loop.kind != "f" or not (_is_number(low) and _is_number(high)):
        raised = b.ufunc(np.maximum, (value, low), dtype=loop)
        return b.ufunc(np.minimum, (raised, high), out=out, dtype=loop)
    # between numbers NumPy compares: zeros keep their sign, NaN passes
    raised = b.choose(b.ufunc(np.less, (value, low)), low, value, loop)
    result = b.choose(b.ufunc(np.greater, (raised, high)), high, raised, loop)
    if out is None:
        return result
    b.check_writeable(out, "output array")
    return b.into(out, result)


def _is_number(bound: Operand) -> bool:
    """Whether a bound is a scalar that cannot be NaN."""
    if isinstance(bound, Value):
        return not bound.is_tensor and bound.scalar.dtype.kind in "iu"
    return not np.isnan(bound)


@array_method("clip")
def clip_method(
    b: Builder, a: Value, min: Operand = None, max: Operand = None, out: Operand = None, **kwargs: Any
) -> Operand:
    """``ndarray.clip``."""
    return clip(b, a, min, max, out, **kwargs)


# --- rounding -----------------------------------------------------------------------------------------------


@handles(np.round, np.around, method="round")
def round_(b: Builder, a: Operand, decimals: Operand = 0, out: Operand = None) -> Operand:
    """``np.round``: to even; with decimals by scaling, as NumPy does."""
    value = b.as_operand(a)
    kind = dtypes.dtype_of(value).kind
    if isinstance(decimals, Value):
        raise NeedStatic(decimals, "a number of decimals must be known at compile time")
    places = int(decimals)
    if kind == "b" and places:
        name = "multiply" if places > 0 else "divide"
        message = f"Cannot cast ufunc '{name}' output from dtype('float64') to dtype('bool')"
        message += " with casting rule 'same_kind'"
        raise NumpyError(TypeError, message)
    if kind in "biu":
        if places < 0:
            rounded = b.call_library(numbers.round_integers, b.reducible(value), places)
            return rounded if out is None else b.write_out(out, rounded)
        if kind == "b" and out is None:  # NumPy gives float16
            return b.ufunc(np.positive, (value,), dtype=np.float16)
        rounded = b.ufunc(np.positive, (value,), out=out)
    else:
        rounded = _rounded(b, value, places, out)
    if kind != "f" and out is None and isinstance(value, Value) and value.is_tensor:
        return b.kept_layout(rounded, value)  # NumPy copies integers, and rounds both parts of a copy
    return rounded


def _rounded(b: Builder, value: Operand, places: int, out: Operand) -> Any:
    if places == 0:
        return b.ufunc(np.rint, (value,), out=out)
    up, down = (np.multiply, np.divide) if places > 0 else (np.divide, np.multiply)
    scale = float(10 ** abs(places))
    return b.ufunc(down, (b.ufunc(np.rint, (b.ufunc(up, (value, scale)),)), scale), out=out)


@handles(np.fix)
def fix(b: Builder, x: Operand, out: Operand = None) -> Operand:
    """``np.fix``: towards zero."""
    return b.ufunc(np.trunc, (x,), out=out)


# --- tests --------------------------------------------------------------------------------------------------


@handles(np.isclose)
def isclose(
    b: Builder,
    a: Operand,
    b_: Operand = None,
    rtol: Operand = 1e-5,
    atol: Operand = 1e-8,
    equal_nan: bool = False,
    **names: Operand,
) -> Operand:
    """``np.isclose``."""
    x, y = b.as_operand(a), b.as_operand(names.get("b", b_))
    if dtypes.dtype_of(y).kind in "biu":
        y = (
            b.astype(y, np.result_type(dtypes.dtype_of(y), np.float64))
            if not _is_weak(b, y)
            else b.to_python(y, float)
        )
    limit = b.ufunc(np.add, (atol, b.ufunc(np.multiply, (rtol, b.ufunc(np.absolute, (y,))))))
    near = b.ufunc(np.less_equal, (b.ufunc(np.absolute, (b.ufunc(np.subtract, (x, y)),)), limit))
    near = b.ufunc(np.logical_and, (near, b.ufunc(np.isfinite, (y,))))
    result = b.ufunc(np.logical_or, (near, b.ufunc(np.equal, (x, y))))
    if equal_nan:
        both = b.ufunc(np.logical_and, (b.ufunc(np.isnan, (x,)), b.ufunc(np.isnan, (y,))))
        result = b.ufunc(np.logical_or, (result, both))
    return result


def _is_weak(b: Builder, value: Operand) -> bool:
    return b.is_python_scalar(value)


@handles(np.allclose)
def allclose(b: Builder, a: Operand, *args: Operand, **kwargs: Any) -> Operand:
    """``np.allclose``: a Python bool."""
    return b.to_python(b.reduce("all", isclose(b, a, *args, **kwargs)), bool)


@handles(np.array_equal)
def array_equal(b: Builder, a1: Operand, a2: Operand, equal_nan: bool = False) -> Operand:
    """``np.array_equal``: a Python bool."""
    x, y = b.reducible(a1), b.reducible(a2)
    if x.tensor.rank != y.tensor.rank:
        return False
    same: Any = True
    for mine, other in zip(x.tensor.shape, y.tensor.shape, strict=True):
        same = b.both(same, b.compare_index("eq", mine, other))
    if same is not True:
        if same is False:
            return False
        raise Unsupported("np.array_equal of arrays whose shapes are not known to be equal")
    equal = b.ufunc(np.equal, (x, y))
    if equal_nan:
        both = b.ufunc(np.logical_and, (b.ufunc(np.isnan, (x,)), b.ufunc(np.isnan, (y,))))
        equal = b.ufunc(np.logical_or, (equal, both))
    return b.to_python(b.reduce("all", equal), bool)


@handles(np.isneginf)
def isneginf(b: Builder, x: Operand, out: Operand = None) -> Operand:
    """``np.isneginf``."""
    return b.ufunc(np.logical_and, (b.ufunc(np.isinf, (x,)), b.ufunc(np.signbit, (x,))), out=out)


@handles(np.isposinf)
def isposinf(b: Builder, x: Operand, out: Operand = None) -> Operand:
    """``np.isposinf``."""
    positive = b.ufunc(np.logical_not, (b.ufunc(np.signbit, (x,)),))
    return b.ufunc(np.logical_and, (b.ufunc(np.isinf, (x,)), positive), out=out)


# --- made of ufuncs -----------------------------------------------------------------------------------------


@handles(np.nan_to_num)
def nan_to_num(
    b: Builder,
    x: Operand,
    copy: bool = True,
    nan: Operand = 0.0,
    posinf: Operand = None,
    neginf: Operand = None,
) -> Operand:
    """``np.nan_to_num``."""
    value = b.as_operand(x)
    dtype = dtypes.dtype_of(value)
    if dtype.kind == "c":
        return b.call_library(numbers.complex_nan_to_num, value, copy, nan, posinf, neginf)
    if dtype.kind != "f":
        return b.astype(value, dtype) if copy else value
    limits = np.finfo(dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    result = b.choose(b.ufunc(np.isnan, (value,)), _cast_scalar(nan, dtype), value)
    result = b.choose(isposinf(b, result), _cast_scalar(high, dtype), result)
    result = b.choose(isneginf(b, result), _cast_scalar(low, dtype), result)
    if not copy and isinstance(value, Value) and value.is_tensor:
        b.store(value, result)
        return value
    if isinstance(value, Value) and value.is_tensor:
        return b.kept_layout(result, value)
    return result


def _cast_scalar(value: Operand, dtype: DType) -> Operand:
    return value if isinstance(value, Value) else dtype.type(value)


@handles(np.angle)
def angle(b: Builder, z: Operand, deg: bool = False) -> Operand:
    """``np.angle``."""
    value = b.as_operand(z)
    sides = (
        (part(b, value, True), part(b, value, False)) if dtypes.dtype_of(value).kind == "c" else (0, value)
    )
    result = b.ufunc(np.arctan2, sides)
    return b.ufunc(np.multiply, (result, 180 / np.pi)) if deg else result


@handles(np.sinc)
def sinc(b: Builder, x: Operand) -> Operand:
    """``np.sinc``."""
    value = b.as_operand(x)
    if dtypes.dtype_of(value).kind in "biu":
        value = b.astype(value, np.float64)
    y = b.ufunc(np.multiply, (np.pi, value))
    tiny = b.choose(b.ufunc(np.equal, (y, 0)), dtypes.dtype_of(y).type(1.0e-20), y)
    return b.ufunc(np.divide, (b.ufunc(np.sin, (tiny,)), tiny))


@handles(np.diff)
def diff(
    b: Builder, a: Operand, n: int = 1, axis: int = -1, prepend: Operand = None, append: Operand = None
) -> Operand:
    """``np.diff``."""
    if prepend is not None or append is not None:
        a = b.call_library(differences.extended, a, axis, prepend, append)
    value = b.reducible(a)
    if not value.tensor.rank:
        raise NumpyError(ValueError, "diff requires input that is at least one dimensional")
    if n < 0:
        raise NumpyError(ValueError, f"order must be non-negative but got {n}")
    along = b.normalize_axis(axis, value.tensor.rank)
    for _ in range(n):
        rest = b.max_index(value.tensor.shape[along] - 1, b.as_affine(0))
        start = value.tensor.shape[along] - rest
        sides = (b.take_slice(value, along, start, rest), b.take_slice(value, along, b.as_affine(0), rest))
        ufunc = np.not_equal if value.tensor.dtype.kind == "b" else np.subtract
        value = b.ufunc(ufunc, sides)
    return value


@handles(np.result_type)
def result_type(b: Builder, *arrays_and_dtypes: Any) -> DType:
    """``np.result_type``."""
    parts = [v if isinstance(v, np.dtype) else _kind_of(v) for v in arrays_and_dtypes]
    return dtypes.result_type(*parts)


def _kind_of(value: Any) -> dtypes.Promoted:
    if isinstance(value, (type, str)):
        return dtypes.as_dtype(value)
    return dtypes.promoted(value)


@handles(np.can_cast)
def can_cast(b: Builder, from_: Any, to: Any, casting: str = "safe") -> bool:
    """``np.can_cast`` between dtypes."""
    source = dtypes.dtype_of(from_) if isinstance(from_, Value) else dtypes.as_dtype(from_)
    return dtypes.can_cast(source, dtypes.as_dtype(to), casting)
