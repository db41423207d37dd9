"""The guards of a CUDA program, checked from Python in a few microseconds.

Arrays of fixed shape are compared field by field with numbers prepared once; every other guard is checked as
`runtime/portable.py` does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.jit.cuda.buffers import extent
from pydsl.jit.runtime import portable
from pydsl.jit.runtime.abi import ArrayGuard, Disjoint, Guard, IntGuard, OverlapGuard, Specialization


@dataclass(frozen=True, slots=True)
class _Array:
    """An array argument of fixed shape. `strides` is None where they do not matter."""

    position: int
    guard: ArrayGuard
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    strides: tuple[int | None, ...] | None
    slot: int


class Guards:
    """The guards of one specialization."""

    def __init__(self, spec: Specialization) -> None:
        self._names = spec.name_guards
        self._arrays: list[_Array] = []
        self._others: list[tuple[int, Guard]] = []
        self._numbers: list[tuple[int, int]] = []
        passed = len(spec.guards) - len(spec.implicit)
        for position, guard in enumerate(spec.guards):
            if isinstance(guard, ArrayGuard) and None not in (*guard.shape, *guard.strides):
                strides = None if guard.is_empty else guard.strides
                self._arrays.append(_Array(position, guard, guard.dtype, guard.shape, strides, guard.slot))
            elif position >= passed and isinstance(guard, IntGuard):
                self._numbers.append((guard.slot, spec.implicit[position - passed]))  # type: ignore[arg-type]
            else:
                self._others.append((position, guard))
        self._overlaps = [_overlap(guard, self._arrays) for guard in spec.overlaps]

    def hold(self, objects: tuple[Any, ...], run: portable._Run) -> bool:
        """Whether all guards hold for the objects; fills the slots."""
        try:
            portable._check_names(self._names)
            if not self._arrays_hold(objects, run):
                return False
            if self._others:
                check = portable._Guards(run).check
                for position, guard in self._others:
                    check(guard, objects[position], (position,))
            for slot, number in self._numbers:
                run.slots[slot] = number
            return all(self._apart(overlap, run) for overlap in self._overlaps)
        except portable._GuardError:
            return False

    def _arrays_hold(self, objects: tuple[Any, ...], run: portable._Run) -> bool:
        slots = run.slots
        for wanted in self._arrays:
            obj = objects[wanted.position]
            if type(obj) is not np.ndarray or obj.shape != wanted.shape or obj.dtype != wanted.dtype:
                return False
            if wanted.strides is not None and obj.strides != wanted.strides:
                return False
            guard = wanted.guard
            interface = obj.__array_interface__["data"]
            if (guard.needs_writeable and interface[1]) or (guard.read_only and not interface[1]):
                return False
            if guard.aligned and not obj.flags.aligned:
                return False
            slots[wanted.slot] = interface[0]
            run.objects[wanted.position,] = obj
            run.arrays[wanted.slot] = (guard, obj)
        return True

    @staticmethod
    def _apart(overlap: tuple[OverlapGuard, tuple[int, int, int, int] | None], run: portable._Run) -> bool:
        guard, spans = overlap
        if spans is None:
            portable._check_overlap(guard, run)
            return True
        first, second = run.slots[guard.first], run.slots[guard.second]
        low1, high1, low2, high2 = spans
        return bool(first + high1 <= second + low2 or second + high2 <= first + low1)


def _overlap(
    guard: OverlapGuard, arrays: list[_Array]
) -> tuple[OverlapGuard, tuple[int, int, int, int] | None]:
    """The guard with the bytes that both arrays span, where their shapes are fixed."""
    by_slot = {array.slot: array for array in arrays}
    pair = [by_slot.get(guard.first), by_slot.get(guard.second)]
    if not isinstance(guard, Disjoint) or any(a is None or a.strides is None for a in pair):
        return guard, None
    spans: list[int] = []
    for array in pair:
        assert array is not None
        spans += extent(array.shape, array.strides, array.dtype.itemsize)  # type: ignore[arg-type]
    return guard, (spans[0], spans[1], spans[2], spans[3])
