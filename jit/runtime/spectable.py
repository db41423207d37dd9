"""The per-specialization table: pointers to the Python objects and numbers that a native entry compares with.

An entry holds no address itself, so that it can be kept on disk; it loads from this table by position. The first
words are fixed (`RT`, `N_SLOTS`, `RAISER`, `KERNEL`, `CALLER`, then four words for each result storage: dtype,
number of axes, item size, data slot), the rest is given out in the order in which the entry writer asks, which
depends on nothing but the specialization: writing the entry again gives the same positions.
"""

from __future__ import annotations

import ctypes
from typing import Any

from pydsl.jit.runtime import table
from pydsl.jit.runtime.abi import Specialization

RT = 0
N_SLOTS = 1
RAISER = 2
KERNEL = 3
CALLER = 4
STORAGES = 5
STORAGE_WORDS = 4


class SpecTable:
    """Collects words while the entry is written; `freeze` fixes them in memory. Keeps its objects alive."""

    def __init__(self, spec: Specialization, raiser: Any, kernel: int, caller: Any = None) -> None:
        self._values: list[int] = [
            table.runtime_table().address,
            spec.n_slots,
            id(raiser),
            kernel,
            id(caller),
        ]
        self._keep: list[Any] = [raiser, caller]
        self._positions: dict[int, int] = {}
        self._memory: Any = None
        for storage in spec.storages:
            self._keep.append(storage.dtype)
            self._values += [id(storage.dtype), len(storage.shape), storage.dtype.itemsize, storage.data_slot]

    def object(self, obj: Any) -> int:
        """The position of a pointer to `obj`, which stays alive with the table."""
        position = self._positions.get(id(obj))
        if position is None:
            position = self.word(id(obj))
            self._positions[id(obj)] = position
            self._keep.append(obj)
        return position

    def word(self, value: int) -> int:
        """The position of a new word that the entry may change."""
        self._values.append(value)
        return len(self._values) - 1

    def freeze(self) -> int:
        """The table's address, valid as long as this object."""
        if self._memory is None:
            self._memory = (ctypes.c_uint64 * len(self._values))(*self._values)
        return ctypes.addressof(self._memory)
