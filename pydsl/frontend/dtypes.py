"""Dtypes: which ones the compiler has, and NumPy's own answer to what a ufunc computes in (cached).

Python scalars are *weak* in NumPy 2 (NEP 50): they take part in promotion as the kinds ``int``, ``float`` and
``complex``. A Python bool is as strong as a NumPy one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.ir.core import Value
from pydsl.ir.types import ScalarType, TensorType

DType = np.dtype[Any]
Promoted = DType | type
"""How an operand takes part in promotion: a dtype, or ``int``, ``float``, ``complex`` for a weak scalar."""

BOOL_DTYPE: DType = np.dtype(np.bool_)
INT64: DType = np.dtype(np.int64)
UINT64: DType = np.dtype(np.uint64)
FLOAT32: DType = np.dtype(np.float32)
FLOAT64: DType = np.dtype(np.float64)
COMPLEX128: DType = np.dtype(np.complex128)

_CANONICAL: dict[str, DType] = {
    np.dtype(name).str: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip

_WEAK: dict[str, Promoted] = {"b": BOOL_DTYPE, "i": int, "f": float, "c": complex}
_PYTHON_TYPES: dict[type, DType] = {bool: BOOL_DTYPE, int: INT64, float: FLOAT64, complex: COMPLEX128}


@lru_cache(maxsize=1024)
def as_dtype(spec: Any) -> DType:
    """The dtype that a specification (a dtype, a scalar type, a string) names.

    Raises
    ------
    Unsupported: a dtype that the compiler does not have.
    """
    try:
        dtype = np.dtype(spec)
    except TypeError as error:
        raise NumpyError(TypeError, str(error)) from error
    found = _CANONICAL.get(dtype.str)
    if found is None:
        raise Unsupported(
            f"an array of dtype {dtype}",
            "bool, an integer, float16/32/64 or complex64/128 dtype in native byte order",
        )
    return found


@lru_cache(maxsize=256)
def scalar_type(dtype: DType, weak: bool = False) -> ScalarType:
    """The scalar type of a dtype, one object each."""
    return ScalarType(dtype, weak)


def type_of_static(value: Any) -> ScalarType:
    """The scalar type of a static Python or NumPy scalar."""
    dtype = _PYTHON_TYPES.get(type(value))
    if dtype is not None:
        return scalar_type(dtype, True)
    if isinstance(value, np.generic):
        return scalar_type(as_dtype(value.dtype), False)
    if isinstance(value, (bool, int, float, complex)):  # subclasses: IntEnum and the like
        for python, dtype in _PYTHON_TYPES.items():
            if isinstance(value, python):
                return scalar_type(dtype, True)
    raise Unsupported(
        f"a value of type {type(value).__name__} in array arithmetic", "numbers and arrays of numbers"
    )


def is_static_scalar(value: Any) -> bool:
    """Whether a value is a Python or NumPy number."""
    return isinstance(value, (bool, int, float, complex, np.bool_, np.number))


def promoted(value: Any) -> Promoted:
    """How a scalar or tensor operand takes part in promotion."""
    if type(value) is Value:
        type_ = value.type
        if type(type_) is TensorType:
            return type_.dtype
    else:
        type_ = type_of_static(value)
    assert type(type_) is ScalarType
    return _WEAK[type_.dtype.kind] if type_.weak else type_.dtype


def dtype_of(value: Any) -> DType:
    """The dtype of a scalar or tensor operand; weak scalars have their default one."""
    return value.type.dtype if type(value) is Value else type_of_static(value).dtype


@lru_cache(maxsize=4096)
def resolve(
    ufunc: np.ufunc,
    inputs: tuple[Promoted, ...],
    out: DType | None = None,
    dtype: DType | None = None,
    casting: str = "same_kind",
) -> tuple[DType, ...]:
    """The dtypes of the loop that NumPy would run.

    Raises
    ------
    NumpyError: there is no such loop, or casting forbids it.
    """
    outputs: tuple[DType | None, ...] = (out,) + (None,) * (ufunc.nout - 1)
    # NumPy takes no None here, although its documentation says so
    wanted = {} if dtype is None else {"signature": (None,) * ufunc.nin + (dtype,) * ufunc.nout}
    try:
        found = ufunc.resolve_dtypes((*inputs, *outputs), casting=casting, **wanted)  # type: ignore[arg-type]
    except TypeError as error:
        raise NumpyError(TypeError, str(error)) from error
    return tuple([as_dtype(d) for d in found])


@lru_cache(maxsize=4096)
def result_type(*inputs: Promoted) -> DType:
    """``np.result_type`` with weak scalars."""
    arguments = [value if isinstance(value, np.dtype) else value(0) for value in inputs]
    try:
        return as_dtype(np.result_type(*arguments))
    except TypeError as error:
        raise NumpyError(TypeError, str(error)) from error


@lru_cache(maxsize=4096)
def can_cast(source: Promoted, target: DType, casting: str) -> bool:
    """``np.can_cast``; weak scalars stand for their default dtype, but may always change kind downwards."""
    if isinstance(source, np.dtype):
        return bool(np.can_cast(source, target, casting=casting))  # type: ignore[arg-type]
    return bool(
        np.can_cast(np.dtype(source), target, casting="same_kind" if casting != "unsafe" else "unsafe")
    )


@lru_cache(maxsize=4096)
def _converted(value: Any, kind: str, key: str, dtype: DType) -> Any:
    cell = np.zeros((), dtype)
    if isinstance(value, np.complexfloating) and dtype.kind != "c":
        value = value.real  # NumPy warns
    try:
        with np.errstate(all="ignore"):
            cell[()] = value
    except (TypeError, ValueError, OverflowError) as error:
        raise NumpyError(type(error), str(error)) from error
    return cell[()]


def convert_static(value: Any, dtype: DType) -> Any:
    """A static scalar as a NumPy scalar of a dtype, by NumPy's assignment rule (and its errors)."""
    return _converted(value, type(value).__name__, repr(value), dtype)  # the repr tells -0.0 from 0.0


def integer_range(dtype: DType) -> tuple[int, int]:
    """The smallest and largest value of an integer or bool dtype."""
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def cast_refusal(source: DType, target: DType, casting: str) -> NumpyError:
    """NumPy's error for a conversion that the casting rule forbids."""
    return NumpyError(
        TypeError, f"Cannot cast array data from {source!r} to {target!r} according to the rule '{casting}'"
    )
