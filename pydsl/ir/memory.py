"""Real memory behind the storages of the tensor IR, for the reference interpreter.

A :class:`Memory` is a range of bytes at a known place relative to the start of its storage. Tensor references become
strided NumPy arrays over it, so writes through a reference reach every other reference and the caller's arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl.errors import InternalCompilerError
from pydsl.ir.types import DType

Array = NDArray[Any]

#: the byte that fills memory nobody has written yet: NaN in every float format, -1 in every signed integer.
POISON = 0xFF


class OutOfStorageError(InternalCompilerError):
    """A tensor reference reaches outside its storage."""


class Memory:
    """Bytes of one storage.

    Parameters
    ----------
    data: the bytes.
    start: offset, relative to the storage, of the first of them.
    writeable: False for read-only arguments and constants.
    name: for error messages.
    owners: arrays to keep alive.
    """

    __slots__ = ("data", "name", "owners", "start", "writeable")

    def __init__(
        self, data: Array, start: int, writeable: bool, name: str, owners: Sequence[Array] = ()
    ) -> None:
        self.data = data
        self.start = start
        self.writeable = writeable
        self.name = name
        self.owners = tuple(owners)

    @staticmethod
    def allocate(nbytes: int, name: str) -> Memory:
        """New memory, filled with :data:`POISON`."""
        return Memory(np.full(nbytes, POISON, np.uint8), 0, True, name)

    @staticmethod
    def of_arrays(arrays: Sequence[Array], base: int, writeable: bool, name: str) -> Memory:
        """The memory from the lowest to the highest byte of some arrays; offset 0 is the address ``base``."""
        bounds = [np.lib.array_utils.byte_bounds(array) for array in arrays if array.size]
        if not bounds:
            return Memory(np.empty(0, np.uint8), 0, writeable, name, arrays)
        first = min(low for low, _ in bounds)
        size = max(high for _, high in bounds) - first
        block = memoryview((ctypes.c_ubyte * size).from_address(first)).cast("B")
        data = np.frombuffer(block, np.uint8)
        return Memory(data, first - base, writeable, name, arrays)

    def view(self, dtype: DType, shape: Sequence[int], strides: Sequence[int], offset: int) -> Array:
        """The array that a tensor reference stands for.

        Raises
        ------
        OutOfStorageError: some element lies outside the memory.
        """
        position = offset - self.start
        if 0 in shape:
            array: Array = np.ndarray(shape, dtype, self.data, 0, strides)
        else:
            low = position + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0)
            high = position + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0)
            if low < 0 or high + dtype.itemsize > self.data.size:
                raise OutOfStorageError(
                    f"bytes {low + self.start} to {high + dtype.itemsize + self.start} are outside @{self.name},"
                    f" which has bytes {self.start} to {self.start + self.data.size}"
                )
            array = np.ndarray(shape, dtype, self.data, position, strides)
        if not self.writeable:
            array.flags.writeable = False
        return array
