"""``np.linalg.norm`` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.numpy_api.delegated import call_numpy, fixed, refuse
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.linalg.norm)
def norm(b: Builder, x: Operand, ord: Any = None, axis: Operand = None, keepdims: bool = False) -> Operand:
    """``np.linalg.norm``."""
    value = b.reducible(x)
    ord, keepdims = fixed(ord, "the order of a norm"), bool(fixed(keepdims, "keepdims="))
    axis = fixed(axis, "an axis")
    dtype = value.tensor.dtype
    if dtype.kind in "biu":
        value = b.cast(value, dtypes.FLOAT64)
    if axis is None and ord is None:
        return _euclidean_flat(b, value, keepdims)
    if axis is None and value.tensor.rank not in (1, 2):
        refuse(np.linalg.norm, (value, ord, axis, keepdims), {})
    given = (
        axis
        if isinstance(axis, (tuple, list))
        else tuple(range(value.tensor.rank))
        if axis is None
        else (axis,)
    )
    axes = tuple([b.normalize_axis(a, value.tensor.rank) for a in given])
    if len(axes) not in (1, 2) or len(set(axes)) != len(axes):
        refuse(np.linalg.norm, (value, ord, axis, keepdims), {})
    if len(axes) == 2:
        return _of_matrices(b, value, ord, axes, keepdims)
    return _of_vectors(b, value, ord, axes, keepdims)


def _of_matrices(b: Builder, value: Value, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Operand:
    if ord in (None, "fro", "f"):
        return _euclidean(b, value, tuple(sorted(axes)), keepdims)
    rows, columns = axes
    if isinstance(ord, (int, float)) and abs(ord) in (1, np.inf):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = b.reduce("sum", b.ufunc(np.absolute, (value,)), inner, True)
        result = b.reduce("max" if ord > 0 else "min", sums, outer, True)
        return result if keepdims else _finished(b, b.squeeze(result, axes))
    shape = value.tensor.shape
    left = [Affine.of(1) if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes]
    return call_numpy(b, np.linalg.norm, (value, ord, axes, keepdims), {}, [tuple(left)])


def _finished(b: Builder, result: Value) -> Operand:
    return result if result.tensor.rank else b.finish(result, None)


def _of_vectors(b: Builder, value: Value, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Operand:
    if ord in (None, 2):
        return _euclidean(b, value, axes, keepdims)
    size = b.ufunc(np.absolute, (value,))
    if ord == np.inf:
        return b.reduce("max", size, axes[0], keepdims)
    if ord == -np.inf:
        return b.reduce("min", size, axes[0], keepdims)
    if ord == 1:
        return b.reduce("sum", size, axes[0], keepdims)
    if ord == 0:
        nonzero = b.ufunc(np.not_equal, (value, 0))
        return b.reduce("sum", b.cast(nonzero, np.dtype(size.type.dtype)), axes[0], keepdims)
    shape = value.tensor.shape
    left = [Affine.of(1) if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes]
    return call_numpy(b, np.linalg.norm, (value, ord, axes[0], keepdims), {}, [tuple(left)])


def _euclidean_flat(b: Builder, value: Value, keepdims: bool) -> Operand:
    """All elements: a dot product of the flat array with itself, as NumPy computes it."""
    flat = b.ravel(value, "K")
    parts = (
        [b.complex_part(flat, imag) for imag in (False, True)] if flat.tensor.dtype.kind == "c" else [flat]
    )
    squares = [b.dot(part, part) for part in parts]
    total = squares[0] if len(squares) == 1 else b.ufunc(np.add, squares)
    result = b.ufunc(np.sqrt, (total,))
    return b.reshape(b.scalar_tensor(result), (1,) * value.tensor.rank) if keepdims else result


def _euclidean(b: Builder, value: Value, axes: tuple[int, ...], keepdims: bool) -> Operand:
    if value.tensor.dtype.kind == "c":
        parts = [b.complex_part(value, imag) for imag in (False, True)]
        squares = b.ufunc(np.add, [b.ufunc(np.multiply, (part, part)) for part in parts])
    else:
        squares = b.ufunc(np.multiply, (value, value))
    return b.ufunc(np.sqrt, (b.reduce("sum", squares, axes, keepdims),))


@handles(np.linalg.vector_norm)
def vector_norm(
    b: Builder, x: Operand, /, *, axis: Operand = None, keepdims: bool = False, ord: Any = 2
) -> Operand:
    """``np.linalg.vector_norm``."""
    value = b.reducible(x)
    chosen = fixed(axis, "an axis")
    axes = b.normalize_axes(chosen, value.tensor.rank)
    shape = value.tensor.shape
    left = [Affine.of(1) if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes]
    options = {"axis": chosen, "keepdims": keepdims, "ord": fixed(ord, "the order of a norm")}
    return call_numpy(b, np.linalg.vector_norm, (value,), options, [tuple(left)])


@handles(np.linalg.matrix_norm)
def matrix_norm(b: Builder, x: Operand, /, *, keepdims: bool = False, ord: Any = "fro") -> Operand:
    """``np.linalg.matrix_norm``."""
    value = b.reducible(x)
    if value.tensor.rank < 2:
        refuse(np.linalg.matrix_norm, (value,), {})
    return norm(b, value, ord, (-2, -1), keepdims)
