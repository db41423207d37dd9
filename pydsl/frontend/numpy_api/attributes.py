"""Attributes of arrays and scalars: shape, dtype, T, real and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.numpy_api.manipulation import matrix_transpose, part
from pydsl.frontend.numpy_api.registry import array_attribute, handles
from pydsl.ir.core import Value


@array_attribute("shape")
def shape(b: Builder, a: Value) -> tuple[Operand, ...]:
    """The dims, as Python ints."""
    return tuple([b.scalar_from_affine(dim) for dim in a.tensor.shape]) if a.is_tensor else ()


@array_attribute("ndim")
def ndim(b: Builder, a: Value) -> int:
    """Number of axes."""
    return a.tensor.rank if a.is_tensor else 0


@array_attribute("size")
def size(b: Builder, a: Value) -> Operand:
    """Number of elements."""
    return b.scalar_from_affine(b.size(a)) if a.is_tensor else 1


@array_attribute("dtype")
def dtype(b: Builder, a: Value) -> np.dtype[Any]:
    """The dtype."""
    return a.type.dtype


@array_attribute("itemsize")
def itemsize(b: Builder, a: Value) -> int:
    """Bytes of an element."""
    return a.type.dtype.itemsize


@array_attribute("nbytes")
def nbytes(b: Builder, a: Value) -> Operand:
    """Bytes of all elements."""
    count = b.size(a) if a.is_tensor else b.as_affine(1)
    return b.scalar_from_affine(count * a.type.dtype.itemsize)


@array_attribute("strides")
def strides(b: Builder, a: Value) -> tuple[Operand, ...]:
    """The strides in bytes."""
    return tuple([b.scalar_from_affine(s) for s in a.tensor.strides]) if a.is_tensor else ()


@handles(np.isfortran)
def isfortran(b: Builder, a: Value) -> bool:
    """``np.isfortran``: in Fortran order and not in C order."""
    return b.is_f_contiguous(a) and not b.is_contiguous(a)


@array_attribute("T")
def transposed(b: Builder, a: Value) -> Value:
    """The axes reversed."""
    return b.transpose(a) if a.is_tensor else a


@array_attribute("mT")
def matrix_transposed(b: Builder, a: Value) -> Value:
    """The last two axes exchanged."""
    return matrix_transpose(b, a)


@array_attribute("real")
def real(b: Builder, a: Value) -> Operand:
    """The real part: a view of complex arrays."""
    return part(b, a, False)


@array_attribute("imag")
def imag(b: Builder, a: Value) -> Operand:
    """The imaginary part."""
    return part(b, a, True)


@array_attribute("numerator")
def numerator(b: Builder, a: Value) -> Operand:
    """Of an integer: itself."""
    return a


@array_attribute("denominator")
def denominator(b: Builder, a: Value) -> int:
    """Of an integer: 1."""
    return 1


def _refuse(name: str, hint: str) -> None:
    @array_attribute(name)
    def getter(b: Builder, a: Value) -> Any:
        raise Unsupported(f"the attribute `{name}` of arrays", hint)


for _name, _hint in (
    ("flat", "ravel() or reshape(-1)"),
    ("flags", "the attributes of the arguments outside of the compiled function"),
    ("base", "nothing of the kind"),
    ("data", "the array itself"),
    ("ctypes", "the array itself"),
):
    _refuse(_name, _hint)


# --- the same as functions ----------------------------------------------------------------------------------


@handles(np.shape)
def shape_of(b: Builder, a: Operand) -> tuple[Operand, ...]:
    """``np.shape``."""
    return shape(b, b.as_tensor(a) if isinstance(a, (list, tuple)) else b.as_value(a))


@handles(np.ndim)
def ndim_of(b: Builder, a: Operand) -> int:
    """``np.ndim``."""
    return ndim(b, b.as_tensor(a) if isinstance(a, (list, tuple)) else b.as_value(a))


@handles(np.size)
def size_of(b: Builder, a: Operand, axis: Operand = None) -> Operand:
    """``np.size``."""
    value = b.reducible(a)
    if axis is None:
        return size(b, value)
    return b.scalar_from_affine(value.tensor.shape[b.normalize_axis(axis, value.tensor.rank)])


@handles(np.isscalar)
def isscalar(b: Builder, element: Operand) -> bool:
    """``np.isscalar``."""
    return not element.is_tensor if isinstance(element, Value) else np.isscalar(element)


@handles(np.iscomplexobj)
def iscomplexobj(b: Builder, x: Operand) -> bool:
    """``np.iscomplexobj``."""
    return b.as_value(x).type.dtype.kind == "c"


@handles(np.isrealobj)
def isrealobj(b: Builder, x: Operand) -> bool:
    """``np.isrealobj``."""
    return not iscomplexobj(b, x)


@handles(np.may_share_memory, np.shares_memory)
def may_share_memory(b: Builder, a: Value, other: Value) -> bool:
    """Refused: an answer at compile time would hold for this specialisation only."""
    raise Unsupported("np.shares_memory", "deciding it outside of the compiled function")
