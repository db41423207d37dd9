"""Products and norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.einsum_terms import chain_path, subscripts_of
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.delegated import attempt, fixed, refuse
from pydsl.frontend.numpy_api.registry import handles, lookup
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value


@handles(np.dot, method="dot")
def dot(b: Builder, a: Operand, other: Operand, out: Operand = None) -> Operand:
    """``np.dot``."""
    return b.dot(a, other, out)


@handles(np.vdot)
def vdot(b: Builder, a: Operand, other: Operand) -> Operand:
    """``np.vdot``."""
    try:
        return b.vdot(a, other)
    except NumpyError:
        refuse(np.vdot, (b.reducible(a), b.reducible(other)), {})
        raise


@handles(np.inner)
def inner(b: Builder, a: Operand, other: Operand) -> Operand:
    """``np.inner``."""
    return b.inner(a, other)


@handles(np.outer)
def outer(b: Builder, a: Operand, other: Operand, out: Operand = None) -> Operand:
    """``np.outer``."""
    return b.outer(a, other, out)


@handles(np.tensordot, np.linalg.tensordot)
def tensordot(b: Builder, a: Operand, other: Operand, axes: Operand = 2) -> Value:
    """``np.tensordot``: an array, also of rank 0."""
    try:
        return b.tensordot(a, other, axes)
    except NumpyError:
        refuse(np.tensordot, (b.reducible(a), b.reducible(other), axes), {})
        raise


@handles(np.einsum)
def einsum(
    b: Builder,
    *operands: Operand,
    out: Operand = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = False,
) -> Operand:
    """``np.einsum``."""
    text, arrays = (operands[0], operands[1:]) if isinstance(operands[0], str) else subscripts_of(operands)
    values = [b.reducible(array) for array in arrays]
    options = {key: value for key, value in (("dtype", dtype), ("casting", casting)) if value is not None}
    if dtype is not None:
        for value in values:
            if not dtypes.can_cast(value.tensor.dtype, dtypes.as_dtype(dtype), casting):
                refuse(np.einsum, (text, *values), options)
    chosen = fixed(optimize, "optimize=")
    layout = _planned_layout(text, values, chosen) if chosen and len(values) > 1 and out is None else None
    try:
        result = b.einsum(text, *values, out=out, dtype=dtype, layout=layout)
    except NumpyError:
        if isinstance(out, Value):
            shape = out.tensor.static_shape()
            options["out"] = None if shape is None else np.zeros(shape, out.tensor.dtype)
        refuse(np.einsum, (text, *values), options)
        raise
    views = len(values) == 1 and isinstance(result, Value) and result.is_tensor
    if (
        order in ("K", "k")
        or out is not None
        or views
        or not isinstance(result, Value)
        or not result.is_tensor
    ):
        return result
    return result if b.has_order(result, order) else b.copy(result, order)


#: the layout of the result of a planned contraction is asked of NumPy for operands of at most so many elements
_ASKED = 1 << 18


def _planned_layout(text: str, values: Sequence[Value], optimize: Any) -> list[int] | None:
    """With ``optimize`` the layout of the result depends on the path that NumPy takes."""
    samples = []
    for value in values:
        shape = value.tensor.static_shape()
        if shape is None or not value.tensor.is_static:
            return None
        walk = rules.keep_order(value.tensor.shape, value.tensor.strides)
        packed = np.zeros([shape[k] for k in walk], value.tensor.dtype)
        samples.append(packed.transpose(np.argsort(walk)) if walk else packed)
    if sum(sample.size for sample in samples) > _ASKED:
        return None
    answer: Any = attempt(np.einsum, text, *samples, optimize=optimize)
    return sorted(range(np.ndim(answer)), key=lambda k: (-answer.strides[k], k)) if np.ndim(answer) else None


@handles(np.vecdot)
def vecdot(b: Builder, x1: Operand, x2: Operand, axis: int = -1) -> Operand:
    """``np.vecdot``."""
    x, y = b.reducible(x1), b.reducible(x2)
    if not x.tensor.rank or not y.tensor.rank:
        refuse(np.vecdot, (x, y), {})
    x, y = (_moved(b, v, fixed(axis, "an axis")) for v in (x, y))
    if x.tensor.dtype.kind == "c":
        x = b.ufunc(np.conjugate, (x,))
    try:
        return b.einsum("...i,...i->...", x, y)
    except NumpyError:
        refuse(np.vecdot, (x, y), {})
        raise


@handles(np.linalg.vecdot)
def linalg_vecdot(b: Builder, x1: Operand, x2: Operand, /, *, axis: int = -1) -> Operand:
    """``np.linalg.vecdot``."""
    return vecdot(b, x1, x2, axis)


@handles(np.matvec)
def matvec(b: Builder, x1: Operand, x2: Operand) -> Operand:
    """``np.matvec``."""
    return b.einsum("...ij,...j->...i", x1, x2)


@handles(np.vecmat)
def vecmat(b: Builder, x1: Operand, x2: Operand) -> Operand:
    """``np.vecmat``: the vectors are conjugated."""
    x = b.reducible(x1)
    return b.einsum("...i,...ij->...j", b.ufunc(np.conjugate, (x,)) if x.tensor.dtype.kind == "c" else x, x2)


def _moved(b: Builder, value: Value, axis: int, to: int = -1) -> Value:
    """A view with one axis at another place."""
    rank = value.tensor.rank
    place, target = b.normalize_axis(axis, rank), b.normalize_axis(to, rank)
    order = [k for k in range(rank) if k != place]
    order.insert(target, place)
    return b.transpose(value, order)


@handles(np.kron)
def kron(b: Builder, a: Operand, other: Operand) -> Operand:
    """``np.kron``: a broadcast product, reshaped."""
    x, y = b.reducible(a), b.reducible(other)
    rank = max(x.tensor.rank, y.tensor.rank)
    if not rank:
        return b.ufunc(np.multiply, (x, y))
    x, y = (
        b.expand_dims(v, tuple(range(rank - v.tensor.rank))) if v.tensor.rank < rank else v for v in (x, y)
    )
    left = b.expand_dims(x, tuple(range(1, 2 * rank, 2)))
    right = b.expand_dims(y, tuple(range(0, 2 * rank, 2)))
    product = b.reducible(b.ufunc(np.multiply, (left, right)))
    shape = [b.mul_index(m, n) for m, n in zip(x.tensor.shape, y.tensor.shape, strict=True)]
    return b.reshape(product, tuple(shape))


@handles(np.cross)
def cross(
    b: Builder,
    a: Operand,
    other: Operand,
    axisa: Operand = -1,
    axisb: Operand = -1,
    axisc: Operand = -1,
    axis: Operand = None,
) -> Operand:
    """``np.cross`` of vectors with 3 or 2 elements."""
    x, y = b.reducible(a), b.reducible(other)
    places = [fixed(k, "an axis") for k in ((axisa, axisb, axisc) if axis is None else (axis, axis, axis))]
    if not x.tensor.rank or not y.tensor.rank:
        refuse(np.cross, (x, y, *places), {})
    x, y = _moved(b, x, places[0]), _moved(b, y, places[1])
    lengths = [v.tensor.shape[-1] for v in (x, y)]
    if not all(n.is_const for n in lengths):
        raise Unsupported("np.cross of vectors whose length is known at run time only")
    if not all(n.const in (2, 3) for n in lengths):
        refuse(np.cross, (x, y), {})
    shape = b.broadcast_shape([x.tensor.shape[:-1], y.tensor.shape[:-1]])
    parts = [[_component(b, v, k) for k in range(n.const)] for v, n in zip((x, y), lengths, strict=True)]
    dtype = dtypes.result_type(x.tensor.dtype, y.tensor.dtype)
    if len(parts[0]) == len(parts[1]) == 2:
        plane = b.allocate(shape, dtype)
        b.store(plane, _minor(b, parts[0], parts[1], 0, 1))
        return plane
    result = b.allocate((*shape, Affine.of(3)), dtype)
    for k in range(3):
        b.store(_component(b, result, k), _minor(b, parts[0], parts[1], (k + 1) % 3, (k + 2) % 3))
    return _moved(b, result, -1, places[2])


def _component(b: Builder, value: Value, k: int) -> Value:
    return b.basic_index(_moved(b, value, -1, 0), [Affine.of(k)])


def _minor(b: Builder, x: Sequence[Value], y: Sequence[Value], i: int, j: int) -> Operand:
    """``x[i] * y[j] - x[j] * y[i]``, where a vector of two has no third element."""
    first = b.ufunc(np.multiply, (x[i], y[j])) if i < len(x) and j < len(y) else None
    second = b.ufunc(np.multiply, (x[j], y[i])) if j < len(x) and i < len(y) else None
    if first is None:
        return b.ufunc(np.negative, (second,))
    return first if second is None else b.ufunc(np.subtract, (first, second))


@handles(np.linalg.cross)
def linalg_cross(b: Builder, x1: Operand, x2: Operand, /, *, axis: int = -1) -> Operand:
    """``np.linalg.cross`` of vectors with 3 elements."""
    x, y = b.reducible(x1), b.reducible(x2)
    if any(
        v.tensor.rank and v.tensor.shape[b.normalize_axis(axis, v.tensor.rank)] != Affine.of(3)
        for v in (x, y)
    ):
        refuse(np.linalg.cross, (x, y), {"axis": axis})
    return cross(b, x, y, axis=axis)


@handles(np.linalg.outer)
def linalg_outer(b: Builder, x1: Operand, x2: Operand, /) -> Operand:
    """``np.linalg.outer`` of two vectors."""
    x, y = b.reducible(x1), b.reducible(x2)
    if x.tensor.rank != 1 or y.tensor.rank != 1:
        refuse(np.linalg.outer, (x, y), {})
    return b.outer(x, y)


@handles(np.linalg.matmul)
def linalg_matmul(b: Builder, x1: Operand, x2: Operand, /) -> Operand:
    """``np.linalg.matmul``."""
    return b.matmul(x1, x2)


@handles(np.linalg.matrix_transpose)
def matrix_transpose(b: Builder, x: Operand, /) -> Value:
    """``np.linalg.matrix_transpose``: a view."""
    value = b.reducible(x)
    if value.tensor.rank < 2:
        refuse(np.linalg.matrix_transpose, (value,), {})
    return _moved(b, value, -1, -2)


def _last_planes(b: Builder, function: Any, x: Operand, *rest: Operand, **options: Operand) -> Operand:
    """A function of planes, on the last two axes."""
    value = b.reducible(x)
    handler = lookup(function)
    if value.tensor.rank < 2 or handler is None:
        refuse(function, (value,), {})
    assert handler is not None
    return handler(b, value, *rest, -2, -1, **options)


@handles(np.linalg.diagonal)
def linalg_diagonal(b: Builder, x: Operand, /, *, offset: Operand = 0) -> Operand:
    """``np.linalg.diagonal``: of the last two axes, a read-only view."""
    return _last_planes(b, np.diagonal, x, offset)


@handles(np.linalg.trace)
def linalg_trace(b: Builder, x: Operand, /, *, offset: Operand = 0, dtype: Any = None) -> Operand:
    """``np.linalg.trace``: of the last two axes."""
    return _last_planes(b, np.trace, x, offset, dtype=dtype)


@handles(np.linalg.multi_dot)
def multi_dot(b: Builder, arrays: Any, *, out: Operand = None) -> Operand:
    """``np.linalg.multi_dot``: products in the cheapest order."""
    values = [b.reducible(array) for array in arrays]
    inner = values[1:-1]
    if (
        len(values) < 2
        or any(v.tensor.rank != 2 for v in inner)
        or any(v.tensor.rank not in (1, 2) for v in values)
    ):
        refuse(np.linalg.multi_dot, (values,), {})
    if len(values) == 2:
        return b.dot(values[0], values[1], out)
    flat = [values[0].tensor.rank == 1, values[-1].tensor.rank == 1]
    if flat[0]:
        values[0] = b.expand_dims(values[0], 0)
    if flat[1]:
        values[-1] = b.expand_dims(values[-1], 1)
    terms = [(k, k + 1) for k in range(len(values))]
    sizes = {k: _known(v.tensor.shape[0]) for k, v in enumerate(values)}
    sizes[len(values)] = _known(values[-1].tensor.shape[1])
    for first, second in chain_path(terms, sizes):
        product = b.dot(values[first], values[second], None if len(values) > 2 or any(flat) else out)
        values[first : second + 1] = [product]
    result = values[0]
    if not any(flat):
        return result
    if all(flat):
        return b.finish(b.only_element(result), out)
    return b.finish(b.ravel(result), out)


def _known(dim: Affine) -> int:
    return dim.const if dim.is_const else 100


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
    dtype = dtypes.result_type(value.tensor.dtype, dtypes.INT64)
    result = b.allocate((length, columns), dtype)
    turned = b.transpose(result if increasing else b.flip(result, 1))
    for k in range(columns.const):
        row = b.basic_index(turned, [Affine.of(k)])
        previous = None if k == 0 else b.basic_index(turned, [Affine.of(k - 1)])
        b.store(row, 1 if previous is None else b.ufunc(np.multiply, (previous, value)))
    return result
