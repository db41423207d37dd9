"""Scalar types and constants of the loop IR as LLVM IR text.

A bool is `i1` in an expression and `i8` in memory. A complex number is never an LLVM value: it is a pair of values
(see `Value`), and in memory two floats.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np

DType: TypeAlias = "np.dtype[Any]"
Value: TypeAlias = "str | tuple[str, str]"
"""An emitted scalar: the name or literal of an LLVM value; for a complex number real and imaginary part."""

BOOL: DType = np.dtype(np.bool_)
INT32: DType = np.dtype(np.int32)
INT64: DType = np.dtype(np.int64)
FLOAT16: DType = np.dtype(np.float16)
FLOAT32: DType = np.dtype(np.float32)
FLOAT64: DType = np.dtype(np.float64)
COMPLEX64: DType = np.dtype(np.complex64)
COMPLEX128: DType = np.dtype(np.complex128)

_FLOATS = {2: "half", 4: "float", 8: "double"}
_KINDS = frozenset("biufc")


class UnsupportedScalarError(TypeError):
    """A dtype or an operation on dtypes that no backend has. The middle end must not let it through."""


def is_complex(dtype: DType) -> bool:
    """Whether values of the dtype are pairs."""
    return dtype.kind == "c"


def part_dtype(dtype: DType) -> DType:
    """The dtype of the real part of a complex dtype; other dtypes are their own part."""
    if dtype.kind != "c":
        return dtype
    return FLOAT32 if dtype.itemsize == 8 else FLOAT64


def llvm_type(dtype: DType) -> str:
    """The LLVM type of a value, or of one part of a complex value."""
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return "i1"
    if kind in "iu":
        return f"i{8 * size}"
    if kind == "f" and size in _FLOATS:
        return _FLOATS[size]
    if kind == "c" and size in (8, 16):
        return _FLOATS[size // 2]
    raise UnsupportedScalarError(f"dtype {dtype} has no LLVM type")


def memory_type(dtype: DType) -> str:
    """The LLVM type of an element in memory, or of one part of a complex element."""
    return "i8" if dtype.kind == "b" else llvm_type(dtype)


def bits_type(dtype: DType) -> str:
    """The integer type as wide as a float dtype."""
    return f"i{8 * dtype.itemsize}"


def float_literal(value: float, dtype: DType) -> str:
    """A literal of a float dtype, exact: the value is rounded to the dtype first."""
    if dtype.itemsize == 2:
        with np.errstate(over="ignore"):
            return "0xH" + struct.pack(">e", np.float16(value)).hex().upper()
    if dtype.itemsize == 4:
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(np.float32(value))
    return "0x" + struct.pack(">d", value).hex().upper()


def int_literal(value: int, bits: int) -> str:
    """A literal of an integer type, wrapped into its signed range."""
    value &= (1 << bits) - 1
    return str(value - (1 << bits) if value >> (bits - 1) else value)


def literal(value: Any, dtype: DType) -> Value:
    """A constant of a dtype."""
    kind = dtype.kind
    if kind == "b":
        return "true" if value else "false"
    if kind in "iu":
        return int_literal(int(value), 8 * dtype.itemsize)
    if kind == "f":
        return float_literal(float(value), dtype)
    part = part_dtype(dtype)
    number = complex(value)
    return float_literal(number.real, part), float_literal(number.imag, part)


def kind_of(dtype: DType) -> str:
    """One of b i u f c.

    Raises
    ------
    UnsupportedScalarError: any other kind of dtype.
    """
    if dtype.kind not in _KINDS:
        raise UnsupportedScalarError(f"dtype {dtype} is not a number")
    return dtype.kind


def is_literal(value: str) -> bool:
    """Whether an emitted value is a constant."""
    return not value.startswith("%")


def parts(value: Value) -> tuple[str, str]:
    """Both parts of a complex value."""
    assert isinstance(value, tuple)
    return value


def single(value: Value) -> str:
    """A value that is not complex."""
    assert isinstance(value, str)
    return value
