"""Products and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.dot, method="dot")
def dot(b: Builder, a: Operand, other: Operand, out: Operand = None) -> Operand:
    """``np.dot``."""
    return b.dot(a, other, out)


@handles(np.vdot)
def vdot(b: Builder, a: Operand, other: Operand) -> Operand:
    """``np.vdot``."""
    return b.vdot(a, other)


@handles(np.inner)
def inner(b: Builder, a: Operand, other: Operand) -> Operand:
    """``np.inner``."""
    return b.inner(a, other)


@handles(np.outer)
def outer(b: Builder, a: Operand, other: Operand, out: Operand = None) -> Operand:
    """``np.outer``."""
    return b.outer(a, other, out)


@handles(np.tensordot)
def tensordot(b: Builder, a: Operand, other: Operand, axes: Operand = 2) -> Operand:
    """``np.tensordot``."""
    result = b.tensordot(a, other, axes)
    return result if result.tensor.rank else b.finish(result, None)


@handles(np.einsum)
def einsum(
    b: Builder,
    subscripts: Operand,
    *operands: Operand,
    out: Operand = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = False,
) -> Operand:
    """``np.einsum``."""
    return b.einsum(subscripts, *operands, out=out, dtype=dtype)


@handles(np.vecdot)
def vecdot(b: Builder, x1: Operand, x2: Operand, axis: int = -1) -> Operand:
    """``np.vecdot`` along the last axis."""
    if axis != -1:
        raise Unsupported("np.vecdot along another axis than the last", "np.moveaxis")
    x = b.reducible(x1)
    if x.tensor.dtype.kind == "c":
        x = b.ufunc(np.conjugate, (x,))
    return b.einsum("...i,...i->...", x, x2)


@handles(np.kron)
def kron(b: Builder, a: Operand, other: Operand) -> Value:
    """``np.kron``: a broadcast product, reshaped."""
    x, y = b.reducible(a), b.reducible(other)
    rank = max(x.tensor.rank, y.tensor.rank)
    x, y = (
        b.expand_dims(v, tuple(range(rank - v.tensor.rank))) if v.tensor.rank < rank else v for v in (x, y)
    )
    left = b.expand_dims(x, tuple(range(1, 2 * rank, 2)))
    right = b.expand_dims(y, tuple(range(0, 2 * rank, 2)))
    product = b.reducible(b.ufunc(np.multiply, (left, right)))
    shape = [b.mul_index(m, n) for m, n in zip(x.tensor.shape, y.tensor.shape, strict=True)]
    return b.reshape(product, tuple(shape))


@handles(np.cross)
def cross(b: Builder, a: Operand, other: Operand, axis: int = -1) -> Value:
    """``np.cross`` of 3-vectors along the last axis."""
    x, y = b.reducible(a), b.reducible(other)
    if axis != -1 or any(v.tensor.shape[-1:] != (Affine.of(3),) for v in (x, y)):
        raise Unsupported("np.cross of anything but 3-vectors along the last axis")
    dtype = dtypes.result_type(x.tensor.dtype, y.tensor.dtype)
    shape = b.broadcast_shape([x.tensor.shape, y.tensor.shape])
    result = b.allocate(shape, dtype)
    last = len(shape) - 1

    def component(value: Value, k: int) -> Value:
        return b.basic_index(b.transpose(value, _last_first(value)), [Affine.of(k)])

    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        first = b.ufunc(np.multiply, (component(x, i), component(y, j)))
        second = b.ufunc(np.multiply, (component(x, j), component(y, i)))
        target = b.transpose(result, [last, *range(last)])
        b.store(b.basic_index(target, [Affine.of(k)]), b.ufunc(np.subtract, (first, second)))
    return result


def _last_first(value: Value) -> list[int]:
    last = value.tensor.rank - 1
    return [last, *range(last)]


@handles(np.linalg.multi_dot)
def multi_dot(b: Builder, arrays: Any, *, out: Operand = None) -> Operand:
    """``np.linalg.multi_dot``, from the left."""
    if len(arrays) < 2:
        raise NumpyError(ValueError, "Expecting at least two arrays.")
    result = arrays[0]
    for other in arrays[1:-1]:
        result = b.dot(result, other)
    return b.dot(result, arrays[-1], out)


@handles(np.vander)
def vander(b: Builder, x: Operand, N: Operand = None, increasing: bool = False) -> Value:  # noqa: N803
    """``np.vander``: powers by repeated products."""
    value = b.reducible(x)
    if value.tensor.rank != 1:
        raise NumpyError(ValueError, "x must be a one-dimensional array or sequence.")
    length = value.tensor.shape[0]
    columns = b.as_affine(N) if N is not None else length
    if not columns.is_const:
        raise Unsupported("np.vander with a number of columns that is not known at compile time")
    dtype = dtypes.result_type(value.tensor.dtype, int)
    result = b.allocate((length, columns), dtype)
    turned = b.transpose(result if increasing else b.flip(result, 1))
    for k in range(columns.const):
        row = b.basic_index(turned, [Affine.of(k)])
        previous = None if k == 0 else b.basic_index(turned, [Affine.of(k - 1)])
        b.store(row, 1 if previous is None else b.ufunc(np.multiply, (previous, value)))
    return result
