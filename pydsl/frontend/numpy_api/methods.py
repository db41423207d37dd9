"""Methods of arrays and NumPy scalars that are not also functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.indexing import compress, put
from pydsl.frontend.numpy_api.registry import array_method
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.memory import VIEW
from pydsl.ir.types import BOOL, FLOAT, INDEX, ScalarType, TensorType
from pydsl.library.functions import joins

_WEAK: dict[str, ScalarType] = {"b": BOOL, "i": INDEX, "u": INDEX, "f": FLOAT}


@array_method("astype")
def astype(
    b: Builder,
    a: Value,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Value:
    """``ndarray.astype``."""
    return b.astype(a, dtype, order, casting, copy)


@array_method("copy")
def copy(b: Builder, a: Value, order: str = "C") -> Value:
    """``ndarray.copy``."""
    return b.copy(a, order) if a.is_tensor else a


@array_method("fill")
def fill(b: Builder, a: Value, value: Operand) -> None:
    """``ndarray.fill``."""
    b.store(a, value)


@array_method("item")
def item(b: Builder, a: Value, *args: Operand) -> Operand:
    """``ndarray.item``: a Python scalar."""
    if a.is_tensor:
        if len(args) == 1 and isinstance(args[0], tuple):
            args = args[0]
        a = b.load(_element(b, a, args))
    kind = a.scalar.dtype.kind
    if kind == "c":
        return b.convert_scalar(a, dtypes.scalar_type(dtypes.COMPLEX128, True))
    return b.convert_scalar(a, _WEAK[kind])


def _element(b: Builder, a: Value, args: tuple[Operand, ...]) -> Value:
    if not args:
        message = "can only convert an array of size 1 to a Python scalar"
        b.check(b.compare_index("eq", b.size(a), rules.ONE), ValueError, message)
        return b.only_element(a)
    if len(args) == 1 and a.tensor.rank != 1:
        flat = b.reshape_view(a, (b.size(a),), False)
        if flat is None:
            raise Unsupported("item() with a flat position in an array that is not contiguous", "a[i, j]")
        a = flat
    entries = []
    for axis, (arg, dim) in enumerate(zip(args, a.tensor.shape, strict=True)):
        position = b.as_affine(arg)
        negative = b.decide("lt", position, rules.ZERO)
        if negative is None:
            raise Unsupported("item() with a position whose sign is not known", "a[i]")
        position = position + dim if negative else position
        message = f"index {arg if not isinstance(arg, Value) else 'n'} is out of bounds for axis {axis} with size {dim}"
        b.check(b.compare_index("ge", position, rules.ZERO), IndexError, message)
        b.check(b.compare_index("lt", position, dim), IndexError, message)
        entries.append(position)
    return b.basic_index(a, entries)


@array_method("view")
def view(b: Builder, a: Value, dtype: Any = None, type: Any = None) -> Value:
    """``ndarray.view``: another dtype of the same size, or of another along a contiguous last axis."""
    if dtype is None or dtype is np.ndarray:
        return a
    target = dtypes.as_dtype(dtype)
    old = a.tensor
    shape, strides = list(old.shape), list(old.strides)
    if target.itemsize != old.itemsize:
        if not shape:
            raise NumpyError(
                ValueError, "Changing the dtype of a 0d array is only supported if the itemsize is unchanged"
            )
        if strides[-1] != Affine.of(old.itemsize):
            contiguous = b.either(
                b.compare_index("eq", shape[-1], rules.ONE), b.compare_index("eq", b.size(a), rules.ZERO)
            )
            message = "To change to a dtype of a different size, the last axis must be contiguous"
            b.check(contiguous, ValueError, message)
        nbytes = shape[-1] * old.itemsize
        message = (
            "When changing to a larger dtype, its size must be a divisor of the total size in bytes of the last axis "
            "of the array."
        )
        rest = b.mod_index(nbytes, Affine.of(target.itemsize))
        b.check(b.compare_index("eq", rest, rules.ZERO), ValueError, message)
        shape[-1] = b.floordiv_index(nbytes, Affine.of(target.itemsize))
        strides[-1] = Affine.of(target.itemsize)
    type_ = TensorType(target, tuple(shape), tuple(strides), old.offset, old.storage)
    return a if type_ == old else b.value(VIEW, (a,), type_, how="view")


@array_method("is_integer")
def is_integer(b: Builder, a: Value) -> Operand:
    """``float.is_integer``."""
    if a.scalar.dtype.kind in "biu":
        return True
    return b.scalar_op("equal", (b.scalar_op("rint", (a,), a.scalar), a), BOOL)


@array_method("tolist")
def tolist(b: Builder, a: Value) -> Operand:
    """``tolist`` of a small array of known shape: nested lists of Python scalars."""
    if not a.is_tensor:
        return item(b, a)
    shape = a.tensor.static_shape()
    if shape is None or int(np.prod(shape)) > _SMALL:
        raise Unsupported("tolist() of an array that is not small", "the array itself")
    if not shape:
        return item(b, a)
    return [tolist(b, b.basic_index(a, [Affine.of(k)])) for k in range(shape[0])]


_SMALL = 64


@array_method("choose")
def choose_method(b: Builder, a: Value, choices: Any, out: Operand = None, mode: str = "raise") -> Operand:
    """``ndarray.choose``."""
    return b.call_library(joins.choose, a, choices, out, mode)


@array_method("compress")
def compress_method(
    b: Builder, a: Value, condition: Operand, axis: Operand = None, out: Operand = None
) -> Operand:
    """``ndarray.compress``."""
    return compress(b, condition, a, axis, out)


@array_method("put")
def put_method(b: Builder, a: Value, indices: Operand, values: Operand, mode: str = "raise") -> None:
    """``ndarray.put``."""
    put(b, a, indices, values, mode)


def _refuse(name: str, hint: str) -> None:
    @array_method(name)
    def handler(b: Builder, a: Value, *args: Any, **kwargs: Any) -> Operand:
        raise Unsupported(f"the method {name}() of arrays", hint)


for _name, _hint in (
    ("tofile", "write the result outside of the compiled function"),
    ("tobytes", "return the array"),
    ("dump", "return the array"),
    ("dumps", "return the array"),
    ("setflags", "np.broadcast_to, or a copy"),
    ("byteswap", "native byte order"),
    ("resize", "np.concatenate or np.pad"),
):
    _refuse(_name, _hint)
