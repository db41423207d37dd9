"""The functions of :mod:`math` on scalars known at run time: Python floats in and out, with Python's errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.core import Value
from pydsl.ir.types import BOOL, FLOAT

#: function -> (ufunc, arguments outside its domain or None, arguments where it overflows or None)
_FUNCTIONS: dict[
    Callable[..., float], tuple[np.ufunc, tuple[float, ...] | None, tuple[float, ...] | None]
] = {
    math.sqrt: (np.sqrt, (-1.0,), None),
    math.exp: (np.exp, None, (1000.0,)),
    math.expm1: (np.expm1, None, (1000.0,)),
    math.log2: (np.log2, (-1.0,), None),
    math.log10: (np.log10, (-1.0,), None),
    math.log1p: (np.log1p, (-2.0,), None),
    math.sin: (np.sin, (math.inf,), None),
    math.cos: (np.cos, (math.inf,), None),
    math.tan: (np.tan, (math.inf,), None),
    math.asin: (np.arcsin, (2.0,), None),
    math.acos: (np.arccos, (2.0,), None),
    math.atan: (np.arctan, None, None),
    math.atan2: (np.arctan2, None, None),
    math.sinh: (np.sinh, None, (1000.0,)),
    math.cosh: (np.cosh, None, (1000.0,)),
    math.tanh: (np.tanh, None, None),
    math.asinh: (np.arcsinh, None, None),
    math.acosh: (np.arccosh, (0.0,), None),
    math.atanh: (np.arctanh, (2.0,), None),
    math.hypot: (np.hypot, None, None),
    math.fabs: (np.absolute, None, None),
    math.copysign: (np.copysign, None, None),
    math.degrees: (np.rad2deg, None, None),
    math.radians: (np.deg2rad, None, None),
    math.fmod: (np.fmod, (1.0, 0.0), None),
    math.pow: (np.power, (-1.0, 0.5), (10.0, 1000.0)),
}
_TESTS: dict[Callable[..., bool], np.ufunc] = {
    math.isnan: np.isnan, math.isinf: np.isinf, math.isfinite: np.isfinite,
}  # fmt: skip
_ROUNDINGS: dict[Callable[..., int], np.ufunc] = {
    math.floor: np.floor, math.ceil: np.ceil, math.trunc: np.trunc,
}  # fmt: skip


def _floats(b: Builder, args: tuple[Operand, ...]) -> list[Value]:
    for arg in args:
        if isinstance(arg, Value) and arg.is_tensor and arg.tensor.rank:
            raise NumpyError(TypeError, "only 0-dimensional arrays can be converted to Python scalars")
    return [b.convert_scalar(b.to_python(arg, float), FLOAT) for arg in args]


def _compute(b: Builder, ufunc: np.ufunc, values: list[Value]) -> Value:
    result: Value = b.scalar_op(ufunc.__name__, tuple(values), FLOAT)
    return result


def _message(function: Callable[..., Any], args: tuple[float, ...]) -> str:
    """What this Python says for these arguments."""
    try:
        function(*args)
    except (ValueError, OverflowError) as error:
        return str(error)
    return "math domain error"


def _any(b: Builder, conditions: list[Value]) -> Value:
    result = conditions[0]
    for condition in conditions[1:]:
        result = b.scalar_op("logical_or", (result, condition), BOOL)
    return result


def _checked(
    b: Builder,
    function: Callable[..., Any],
    outside: tuple[float, ...] | None,
    overflow: tuple[float, ...] | None,
    values: list[Value],
    result: Value,
) -> Value:
    """Python's two errors: NaN out of numbers, infinity out of finite numbers."""
    if outside is not None:
        nan_in = [b.scalar_op("isnan", (v,), BOOL) for v in values]
        fine = b.scalar_op("equal", (result, result), BOOL)
        b.check(_any(b, [fine, *nan_in]), ValueError, _message(function, outside))
        if function in _POLES:
            infinite_in = [b.scalar_op("isinf", (v,), BOOL) for v in values]
            finite = b.scalar_op("logical_not", (b.scalar_op("isinf", (result,), BOOL),), BOOL)
            b.check(_any(b, [finite, *infinite_in]), ValueError, _message(function, _POLES[function]))
    if overflow is not None:
        finite = b.scalar_op("logical_not", (b.scalar_op("isinf", (result,), BOOL),), BOOL)
        infinite = [b.scalar_op("isinf", (v,), BOOL) for v in values]
        b.check(_any(b, [finite, *infinite]), OverflowError, _message(function, overflow))
    return result


_POLES: dict[Callable[..., Any], tuple[float, ...]] = {
    math.log: (0.0,), math.log2: (0.0,), math.log10: (0.0,), math.log1p: (-1.0,), math.atanh: (1.0,),
}  # fmt: skip


def _register(
    function: Callable[..., float],
    ufunc: np.ufunc,
    outside: tuple[float, ...] | None,
    overflow: tuple[float, ...] | None,
) -> None:
    @handles(function)
    def handler(b: Builder, *args: Operand) -> Value:
        values = _floats(b, args)
        return _checked(b, function, outside, overflow, values, _compute(b, ufunc, values))


def _register_test(function: Callable[..., bool], ufunc: np.ufunc) -> None:
    @handles(function)
    def handler(b: Builder, x: Operand) -> Value:
        result: Value = b.scalar_op(ufunc.__name__, tuple(_floats(b, (x,))), BOOL)
        return result


def _register_rounding(function: Callable[..., int], ufunc: np.ufunc) -> None:
    @handles(function)
    def handler(b: Builder, x: Operand) -> Operand:
        if isinstance(x, Value) and x.type.dtype.kind in "biu":
            return b.to_python(x, int)
        return b.to_python(_compute(b, ufunc, _floats(b, (x,))), int)


def _register_all() -> None:
    for function, (ufunc, outside, overflow) in _FUNCTIONS.items():
        _register(function, ufunc, outside, overflow)
    for test, ufunc in _TESTS.items():
        _register_test(test, ufunc)
    for rounding, ufunc in _ROUNDINGS.items():
        _register_rounding(rounding, ufunc)


_register_all()


@handles(math.log)
def log(b: Builder, x: Operand, base: Operand = None) -> Operand:
    """``math.log`` with an optional base."""
    values = _floats(b, (x,))
    result = _checked(b, math.log, (-1.0,), None, values, _compute(b, np.log, values))
    return result if base is None else b.binary("truediv", result, log(b, base))
