"""Builtins and scalar types called on dynamic values: int, float, abs, min, max, round, len, np.float32."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles, lookup
from pydsl.frontend.scalars import OPERATOR_UFUNCS
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.library import rounding

_NUMPY_SCALARS = (
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64, np.complex64, np.complex128,
)  # fmt: skip


def single(b: Builder, value: Operand) -> Operand:
    """A scalar, or the only element of an array (NumPy allows the conversion of 0-d arrays only)."""
    if isinstance(value, Value) and value.is_tensor:
        if value.tensor.rank:
            raise NumpyError(TypeError, "only 0-dimensional arrays can be converted to Python scalars")
        return b.load(value)
    return value


@handles(int)
def int_(b: Builder, x: Operand = 0) -> Operand:
    """``int(x)``."""
    return b.to_python(single(b, x), int)


@handles(float)
def float_(b: Builder, x: Operand = 0.0) -> Operand:
    """``float(x)``."""
    return b.to_python(single(b, x), float)


@handles(bool)
def bool_(b: Builder, x: Operand = False) -> Operand:
    """``bool(x)``."""
    truth = b.truth(x)
    return b.to_python(truth, bool) if isinstance(truth, Value) else truth


@handles(complex)
def complex_(b: Builder, real: Operand = 0, imag: Operand = None) -> Operand:
    """``complex(x)`` and ``complex(re, im)``."""
    first = b.to_python(single(b, real), complex)
    if imag is None:
        return first
    turned = b.binary("mul", b.to_python(single(b, imag), complex), 1j)
    return b.binary("add", first, turned)


@handles(abs)
def abs_(b: Builder, x: Operand) -> Operand:
    """``abs(x)``."""
    return b.unary("abs", x)


@handles(round)
def round_(b: Builder, number: Operand, ndigits: Operand = None) -> Operand:
    """``round(x)``: to even; an int for scalars."""
    if isinstance(number, Value) and number.is_tensor:
        if ndigits is None and not number.tensor.rank:
            return b.to_python(b.ufunc(np.rint, (number,)), int)
        raise Unsupported("round() of an array", "np.round")
    if dtypes.dtype_of(number).kind in "biu":
        return b.to_python(number, int) if b.is_python_scalar(number) else number
    if ndigits is None:
        return b.to_python(b.ufunc(np.rint, (number,)), int)
    if not isinstance(ndigits, int) or not -_MOST_DIGITS <= ndigits <= _MOST_DIGITS:
        raise Unsupported("round() to this number of digits", "a constant number of digits, at most 22")
    if not b.is_python_scalar(number):
        handler = lookup(np.round)
        assert handler is not None
        return handler(b, number, ndigits)
    power = 10.0 ** abs(ndigits)
    function = rounding.to_digits
    if ndigits < 0:
        function = rounding.to_powers
        small = b.unary("not", b.binary("ge", b.unary("abs", number), 2.0**53))
        b.check_supported(
            small,
            "round() of a float beyond 2**53 to a power of ten; write instead: round(int(x), digits)",
        )
    return b.to_python(b.call_library(function, number, power), float)


_MOST_DIGITS = 22  # powers of ten up to here are exact


@handles(len)
def len_(b: Builder, obj: Operand) -> Operand:
    """``len(x)`` of a tensor."""
    if not isinstance(obj, Value):
        return len(obj)
    if not obj.is_tensor or not obj.tensor.rank:
        what = (
            "len() of unsized object"
            if obj.is_tensor
            else f"object of type '{obj.scalar.dtype.name}' has no len()"
        )
        raise NumpyError(TypeError, what)
    return b.scalar_from_affine(obj.tensor.shape[0])


@handles(divmod)
def divmod_(b: Builder, x: Operand, y: Operand) -> tuple[Operand, Operand]:
    """``divmod(x, y)``."""
    return b.binary("floordiv", x, y), b.binary("mod", x, y)


@handles(pow)
def pow_(b: Builder, base: Operand, exp: Operand, mod: Operand = None) -> Operand:
    """``pow(x, y)``."""
    if mod is not None:
        raise Unsupported("pow() with three arguments")
    return b.binary("pow", base, exp)


# --- minimum and maximum ------------------------------------------------------------------------------------


@handles(min)
def min_(b: Builder, *args: Operand, **kwargs: Any) -> Operand:
    """``min(a, b, ...)``: the first smallest."""
    return _extreme(b, "min", args, kwargs)


@handles(max)
def max_(b: Builder, *args: Operand, **kwargs: Any) -> Operand:
    """``max(a, b, ...)``: the first largest."""
    return _extreme(b, "max", args, kwargs)


def _extreme(b: Builder, name: str, args: Sequence[Operand], kwargs: dict[str, Any]) -> Operand:
    if kwargs.get("key") is not None:
        raise Unsupported(f"{name}() with key=", f"x[np.arg{name}(keys)]")
    items = list(args)
    if len(items) == 1:
        if isinstance(items[0], Value):
            return _extreme_of_array(b, name, items[0])
        items = list(items[0])
        if not items:
            if "default" in kwargs:
                return kwargs["default"]
            raise NumpyError(ValueError, f"{name}() iterable argument is empty")
    best = _scalar(b, name, items[0])
    for item in items[1:]:
        best = _better(b, name, best, _scalar(b, name, item))
    return best


def _extreme_of_array(b: Builder, name: str, array: Value) -> Operand:
    """``min(x)`` of a 1-d array compares element by element: equal to ``x.min()`` but for NaN."""
    if not array.is_tensor or array.tensor.rank != 1 or array.tensor.dtype.kind not in "biu":
        raise Unsupported(f"{name}() of an array", f"np.{name}")
    return b.reduce(name, array)


def _scalar(b: Builder, name: str, item: Operand) -> Operand:
    if isinstance(item, Value) and item.is_tensor:
        if item.tensor.rank:
            raise Unsupported(f"{name}() of arrays", f"np.{name}imum for elementwise comparison")
        return b.load(item)
    return item


def _better(b: Builder, name: str, best: Operand, item: Operand) -> Operand:
    if not isinstance(best, Value) and not isinstance(item, Value):
        return min(best, item) if name == "min" else max(best, item)
    if b.is_python_scalar(best) and b.is_python_scalar(item):
        if all(dtypes.dtype_of(v).kind in "ib" for v in (best, item)):
            choose = b.min_index if name == "min" else b.max_index
            return b.scalar_from_affine(choose(b.as_affine(best), b.as_affine(item)))
    wins = b.binary("lt" if name == "min" else "gt", item, best)
    return b.select_scalar(wins, item, best)


@handles(sum)
def sum_(b: Builder, iterable: Operand, start: Operand = 0) -> Operand:
    """``sum`` of a list, or of the rows of an array of known length."""
    if isinstance(iterable, Value):
        if not iterable.is_tensor or not iterable.tensor.rank:
            raise NumpyError(TypeError, "iteration over a 0-d array")
        length = iterable.tensor.shape[0]
        if not length.is_const or length.const > _UNROLLED:
            raise Unsupported("sum() of an array", "np.sum")
        rows = [b.basic_index(iterable, [Affine.of(k)]) for k in range(length.const)]
        iterable = [row if row.tensor.rank else b.load(row) for row in rows]
    total = start
    for item in iterable:
        total = b.binary("add", total, item) if _dynamic(total, item) else total + item
    return total


def _dynamic(*values: Operand) -> bool:
    return any(isinstance(value, Value) for value in values)


_UNROLLED = 16


# --- the operator module ------------------------------------------------------------------------------------


def _register_operators() -> None:
    for name in (*OPERATOR_UFUNCS, "matmul"):
        function = getattr(operator, {"and": "and_", "or": "or_"}.get(name, name))

        def handler(b: Builder, x: Operand, y: Operand, *, _name: str = name) -> Operand:
            return b.binary(_name, x, y)

        handles(function)(handler)
    for name in ("neg", "pos", "invert"):

        def unary(b: Builder, x: Operand, *, _name: str = name) -> Operand:
            return b.unary(_name, x)

        handles(getattr(operator, name))(unary)


_register_operators()


# --- NumPy scalar types -------------------------------------------------------------------------------------


def _register_scalar_types() -> None:
    for scalar in _NUMPY_SCALARS:
        dtype = np.dtype(scalar)

        def handler(b: Builder, value: Operand = 0, *, _dtype: Any = dtype) -> Operand:
            return numpy_scalar(b, value, _dtype)

        handles(scalar)(handler)


def numpy_scalar(b: Builder, value: Operand, dtype: dtypes.DType) -> Operand:
    """``np.float32(x)``: a NumPy scalar for a scalar, an array for an array."""
    if isinstance(value, (list, tuple)):
        return b.new_array(value, dtype)
    if isinstance(value, Value) and value.is_tensor and value.tensor.rank:
        return b.astype(value, dtype)
    scalar = b.load(value) if isinstance(value, Value) and value.is_tensor else value
    if b.is_python_scalar(scalar) and isinstance(scalar, Value):
        if dtype.kind in "iu" and scalar.scalar.dtype.kind == "i":
            b.check_integer_fits(scalar, dtype)
        elif dtype.kind in "iu" and scalar.scalar.dtype.kind == "f":
            scalar = b.to_python(scalar, int)
    return b.convert_scalar(scalar, dtypes.scalar_type(dtype))


_register_scalar_types()

__all__ = ["numpy_scalar", "single"]
