"""Values as unsigned keys of the same order, and back.

Integers: the sign bit inverted. Floats: their bits, all of them inverted below zero, the sign bit above; NaN becomes
the largest key. Keys have an even number of bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend.builder import Builder
from pydsl.frontend.dtypes import DType
from pydsl.ir.core import Value
from pydsl.ir.ops.memory import VIEW
from pydsl.ir.types import TensorType

UNSIGNED: dict[int, DType] = {2: np.dtype(np.uint16), 4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}
SIGNED: dict[int, DType] = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def reinterpreted(b: Builder, value: Value, dtype: DType) -> Value:
    """The same memory as elements of another dtype of the same size."""
    old = value.tensor
    if old.dtype == dtype:
        return value
    return b.value(
        VIEW, (value,), TensorType(dtype, old.shape, old.strides, old.offset, old.storage), how="view"
    )


def _sign(dtype: DType) -> Any:
    return dtype.type(1 << (8 * dtype.itemsize - 1))


def to_keys(b: Builder, value: Value, equal_zeros: bool) -> Value:
    """A new C-ordered tensor of keys.

    equal_zeros: give -0.0 the key of 0.0 (they compare equal), which :func:`from_keys` cannot undo.
    """
    dtype = value.tensor.dtype
    if dtype.kind in "bu":
        target = UNSIGNED[max(dtype.itemsize, 2)]
        return b.cast(value, target, "C") if target != dtype else b.copy(value)
    if dtype.kind == "i":
        wide = b.cast(value, SIGNED[max(dtype.itemsize, 2)])
        unsigned = UNSIGNED[wide.tensor.itemsize]
        return _c_ordered(b, b.ufunc(np.bitwise_xor, (reinterpreted(b, wide, unsigned), _sign(unsigned))))
    if equal_zeros:
        value = b.ufunc(np.add, (value, dtype.type(0)))
    value = b.choose(b.ufunc(np.isnan, (value,)), dtype.type(np.nan), value)
    unsigned, signed = UNSIGNED[dtype.itemsize], SIGNED[dtype.itemsize]
    below_zero = b.ufunc(np.right_shift, (reinterpreted(b, value, signed), 8 * dtype.itemsize - 1))
    flips = b.ufunc(np.bitwise_or, (b.cast(below_zero, unsigned), _sign(unsigned)))
    return _c_ordered(b, b.ufunc(np.bitwise_xor, (reinterpreted(b, value, unsigned), flips)))


def _c_ordered(b: Builder, keys: Value) -> Value:
    return keys if b.is_contiguous(keys) else b.copy(keys)


def from_keys(b: Builder, keys: Value, target: Value) -> None:
    """Store the values of keys into a tensor of their shape and of the dtype they were made of."""
    dtype = target.tensor.dtype
    unsigned = keys.tensor.dtype
    if dtype.kind in "bu":
        b.store(target, keys)
        return
    if dtype.kind == "i":
        bits = b.ufunc(np.bitwise_xor, (keys, _sign(unsigned)))
        b.store(target, reinterpreted(b, bits, SIGNED[unsigned.itemsize]))
        return
    above_zero = b.ufunc(np.right_shift, (keys, 8 * unsigned.itemsize - 1))
    flips = b.ufunc(np.bitwise_or, (b.ufunc(np.subtract, (above_zero, unsigned.type(1))), _sign(unsigned)))
    b.store(reinterpreted(b, target, unsigned), b.ufunc(np.bitwise_xor, (keys, flips)))
