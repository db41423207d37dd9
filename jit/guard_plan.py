"""From a signature to guards: which slot each dynamic leaf gets, and what a call must look like to match.

The pipeline asks for a plan when it knows which array leaves are written, and builds its `Specialization` from it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.jit.binding import extent_of, overlaps_of, supported_dtype
from pydsl.jit.runtime.abi import (
    ArgPath,
    ArrayGuard,
    AttributesGuard,
    BoolGuard,
    ComplexGuard,
    DictGuard,
    Disjoint,
    EqualGuard,
    FloatGuard,
    Guard,
    IdentityGuard,
    IntGuard,
    ListGuard,
    NoneGuard,
    NumpyScalarGuard,
    ObjectGuard,
    OverlapGuard,
    SameOffset,
    TupleGuard,
)
from pydsl.jit.signature import (
    Argument,
    ArrayLeaf,
    AttributesNode,
    CompileRequest,
    DictNode,
    LeafPath,
    ListNode,
    Node,
    NumberLeaf,
    NumpyScalarLeaf,
    ObjectLeaf,
    StaticLeaf,
    TupleNode,
)
from pydsl.jit.symbol_plan import products_of


@dataclass(frozen=True)
class Captured:
    """An array that is not passed but found in a global or a closure: it becomes one more argument of the kernel.
    The name that holds it needs its own name guard."""

    path: LeafPath
    array: np.ndarray[Any, Any]


@dataclass(frozen=True)
class GuardPlan:
    """Guards and slots for a request. `slots` has the first slot of each dynamic leaf, `paths` the argument path of
    each leaf, `implicit` the objects of the guards after those of the passed arguments."""

    guards: tuple[Guard, ...]
    implicit: tuple[object, ...]
    overlaps: tuple[OverlapGuard, ...]
    slots: dict[LeafPath, int]
    paths: dict[LeafPath, ArgPath]
    n_slots: int


def plan_guards(
    request: CompileRequest, written: Collection[LeafPath], captured: tuple[Captured, ...] = ()
) -> GuardPlan:
    """Plan the guards of a request whose kernel writes the array leaves `written`."""
    signature = request.signature
    arguments = [*signature.arguments, *(Argument(c.path, _array_leaf(c.array)) for c in captured)]
    planner = _Planner(frozenset(written))
    guards = tuple(
        planner.guard(argument.node, argument.path, (position,))
        for position, argument in enumerate(arguments)
    )
    passed = len(signature.passed)
    implicit = (*request.objects[passed:], *(c.array for c in captured))
    return GuardPlan(
        guards,
        implicit,
        _overlap_guards(request, planner, captured),
        planner.slots,
        planner.paths,
        planner.next_slot,
    )


class _Planner:
    """Gives out slots in leaf order."""

    def __init__(self, written: frozenset[LeafPath]) -> None:
        self.written = written
        self.slots: dict[LeafPath, int] = {}
        self.paths: dict[LeafPath, ArgPath] = {}
        self.arrays: dict[LeafPath, ArrayLeaf] = {}
        self.next_slot = 0

    def guard(self, node: Node, path: LeafPath, arg: ArgPath) -> Guard:
        self.paths[path] = arg
        match node:
            case TupleNode(items, cls):
                return TupleGuard(self._items(items, path, arg), cls)
            case ListNode(items):
                return ListGuard(self._items(items, path, arg))
            case DictNode(items):
                return DictGuard(self._pairs(items, path, arg))
            case AttributesNode(cls, items):
                return AttributesGuard(cls, self._pairs(items, path, arg))
            case StaticLeaf(value, by_identity):
                return _static_guard(value, by_identity)
            case _:
                return self._dynamic(node, path)

    def _items(self, items: tuple[Node, ...], path: LeafPath, arg: ArgPath) -> tuple[Guard, ...]:
        return tuple(self.guard(item, (*path, step), (*arg, step)) for step, item in enumerate(items))

    def _pairs(
        self, items: tuple[tuple[str, Node], ...], path: LeafPath, arg: ArgPath
    ) -> tuple[tuple[str, Guard], ...]:
        return tuple((key, self.guard(item, (*path, key), (*arg, key))) for key, item in items)

    def _dynamic(self, leaf: ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf, path: LeafPath) -> Guard:
        slot = self.slots[path] = self.next_slot
        guard: Guard
        if isinstance(leaf, ArrayLeaf):
            self.arrays[path] = leaf
            written = path in self.written
            guard = ArrayGuard(
                leaf.dtype,
                _known(leaf.shape),
                _known(leaf.strides),
                written,
                leaf.aligned,
                slot,
                not leaf.writeable,
                products_of(leaf),
            )
        elif isinstance(leaf, ObjectLeaf):
            guard = ObjectGuard(leaf.cls, slot)
        elif isinstance(leaf, NumpyScalarLeaf):
            guard = NumpyScalarGuard(leaf.dtype, slot)
        elif leaf.cls is int:
            guard = IntGuard(slot)
        else:
            guard = FloatGuard(slot) if leaf.cls is float else ComplexGuard(slot)
        self.next_slot += guard.n_slots
        return guard


def _known(numbers: Sequence[object]) -> tuple[int | None, ...]:
    return tuple(number if isinstance(number, int) else None for number in numbers)


def _static_guard(value: Any, by_identity: bool) -> Guard:
    if value is None:
        return NoneGuard()
    if isinstance(value, bool):
        return BoolGuard(value)
    return IdentityGuard(value) if by_identity else EqualGuard(value)


def _array_leaf(array: np.ndarray[Any, Any]) -> ArrayLeaf:
    dtype = supported_dtype(array.dtype)
    assert dtype is not None, "the front end captures arrays of supported dtypes only"
    return ArrayLeaf(dtype, array.shape, array.strides, array.flags.writeable, array.flags.aligned)


def _overlap_guards(
    request: CompileRequest, planner: _Planner, captured: tuple[Captured, ...]
) -> tuple[OverlapGuard, ...]:
    """One guard for every pair of arrays with elements that overlap (the kernel reaches both through one pointer;
    captured arrays have pointers of their own), or of which at least one is written."""
    own = {c.path for c in captured}
    overlaps = request.signature.overlaps
    if captured:
        overlaps = _overlaps_with_captured(request, planner, captured)
    deltas = {(overlap.first, overlap.second): overlap.delta for overlap in overlaps}
    paths = [path for path, leaf in planner.arrays.items() if 0 not in leaf.shape]
    guards: list[OverlapGuard] = []
    for position, first in enumerate(paths):
        for second in paths[position + 1 :]:
            slots = planner.slots[first], planner.slots[second]
            written = first in planner.written or second in planner.written
            if (first, second) in deltas and (written or not own & {first, second}):
                guards.append(SameOffset(*slots, deltas[first, second]))
            elif written:
                guards.append(Disjoint(*slots))
    return tuple(guards)


def _overlaps_with_captured(
    request: CompileRequest, planner: _Planner, captured: tuple[Captured, ...]
) -> tuple[Any, ...]:
    objects = (*request.objects, *(c.array for c in captured))
    extents = []
    for path in planner.arrays:
        position, *steps = planner.paths[path]
        found: Any = objects[int(position)]
        for step in steps:
            found = (
                getattr(found, step) if isinstance(step, str) and not isinstance(found, dict) else found[step]
            )
        if found.size:
            extents.append(extent_of(found, path))
    return overlaps_of(extents)
