"""A Python index expression on a tensor, brought into a normal form.

Integers and slices become in-bounds basic entries (with run-time checks where bounds do not prove it), the Ellipsis is
expanded, masks and integer arrays are set apart with the axes they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pydsl.frontend.builder import IndexEntry, SliceEntry
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.origins import roots
from pydsl.frontend.values import Operand
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.control import CHECK_BOUNDS

_ZERO = Affine.of(0)
_ONE = Affine.of(1)
_INVALID = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean"
    " arrays are valid indices"
)


@dataclass(frozen=True)
class Advanced:
    """A mask or an integer array, and its first axis in the view that the basic entries make.

    shown: its first axis in the tensor.
    depth: number of axes that it indexes.
    """

    index: Operand
    axis: int
    shown: int
    depth: int
    is_mask: bool


@dataclass
class IndexPlan:
    """A normalised index.

    entries: basic entries for all axes; axes that are indexed by arrays are taken whole.
    position: where the axes of index arrays go in the result.
    is_element: integers for every axis and nothing else: a scalar.
    is_whole: the entries change nothing.
    copies: NumPy gives a copy (a 0-d integer array stands among the integers).
    """

    entries: list[IndexEntry] = field(default_factory=list)
    advanced: list[Advanced] = field(default_factory=list)
    position: int = 0
    is_element: bool = False
    is_whole: bool = True
    copies: bool = False


def plan_index(ev: Evaluator, tensor: Value, index: Operand) -> IndexPlan:
    """Normalise an index of a tensor.

    Raises
    ------
    NumpyError: IndexError or TypeError, as NumPy.
    """
    parts = list(index) if type(index) is tuple else [index]
    plan = IndexPlan()
    parts = [_part(ev, part, plan) for part in parts]
    rank = tensor.tensor.rank
    used = sum(_depth(part) for part in parts)
    ellipses = sum(part is Ellipsis for part in parts)
    if ellipses > 1:
        raise NumpyError(IndexError, "an index can only have a single ellipsis ('...')")
    if used > rank:
        raise NumpyError(
            IndexError,
            f"too many indices for array: array is {rank}-dimensional, but {used} were indexed",
        )
    plan.is_element = used == rank and all(_is_integer(part) for part in parts)
    _Layout(ev, tensor, plan, any(_is_array(part) for part in parts)).run(parts, rank - used)
    return plan


def _part(ev: Evaluator, part: Operand, plan: IndexPlan) -> Operand:
    """One part of an index: None, Ellipsis, slice, int, integer scalar, tensor or list."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (bool, np.bool_)):
        raise Unsupported("a bool as an index", "`if`, or a mask array")
    if isinstance(part, (int, np.integer)):
        return int(part)
    if isinstance(part, np.ndarray):
        part = ev.adopt(part)
    if isinstance(part, Value):
        return _value_part(ev, part, plan)
    if isinstance(part, range):
        return list(part)
    if isinstance(part, (list, tuple)):
        return ev.builder.as_value(part) if _holds_bools(part) else list(part)
    raise NumpyError(IndexError, _INVALID)


def _value_part(ev: Evaluator, part: Value, plan: IndexPlan) -> Value:
    kind = part.type.dtype.kind
    if part.is_tensor and part.tensor.rank:
        if kind not in "iub":
            raise NumpyError(IndexError, "arrays used as indices must be of integer (or boolean) type")
        return part
    if kind == "b":
        raise Unsupported("a bool scalar as an index", "`if`, or a mask array")
    if kind not in "iu":
        raise NumpyError(IndexError, _INVALID)
    if part.is_tensor:
        plan.copies = True
        return ev.builder.load(part)
    return part


def _holds_bools(items: Sequence[Any]) -> bool:
    return bool(items) and all(
        _holds_bools(item) if isinstance(item, (list, tuple)) else isinstance(item, (bool, np.bool_))
        for item in items
    )


def _is_array(part: Operand) -> bool:
    return isinstance(part, list) or (isinstance(part, Value) and part.is_tensor)


def _is_integer(part: Operand) -> bool:
    return isinstance(part, int) or (isinstance(part, Value) and not part.is_tensor)


def _is_mask(part: Operand) -> bool:
    return isinstance(part, Value) and part.is_tensor and part.tensor.dtype.kind == "b"


def _depth(part: Operand) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.tensor.rank if _is_mask(part) else 1


class _Layout:
    """Assigns the parts of an index to axes."""

    def __init__(self, ev: Evaluator, tensor: Value, plan: IndexPlan, has_arrays: bool) -> None:
        self.ev = ev
        self.tensor = tensor
        self.plan = plan
        self.has_arrays = has_arrays
        self.axis = 0  # of the tensor
        self.out = 0  # of the view
        self.basic = 0  # axes of the result that come from slices and new axes
        self.state = 0  # 0: no array yet, 1: in the group of arrays, 2: behind it, 3: a second group

    def run(self, parts: Sequence[Operand], missing: int) -> None:
        if not any(part is Ellipsis for part in parts):
            parts = [*parts, Ellipsis]
        for part in parts:
            if part is Ellipsis:
                for _ in range(missing):
                    self.whole()
                self.separate()
            elif part is None:
                self.separate()
                self.plan.entries.append(None)
                self.plan.is_whole = False
                self.out += 1
                self.basic += 1
            elif isinstance(part, slice):
                self.slice(part)
            elif _is_array(part):
                self.array(part)
            else:
                self.integer(part)
        if self.state == 3:
            self.plan.position = 0

    def separate(self) -> None:
        if self.state == 1:
            self.state = 2

    def join(self) -> None:
        """An integer or array: together with arrays, both count as index arrays."""
        if not self.has_arrays:
            return
        if self.state == 0:
            self.plan.position = self.basic
            self.state = 1
        elif self.state == 2:
            self.state = 3

    def size(self) -> Affine:
        return self.tensor.tensor.shape[self.axis]

    def whole(self) -> None:
        self.separate()
        self.plan.entries.append(SliceEntry(_ZERO, 1, self.size()))
        self.axis += 1
        self.out += 1
        self.basic += 1

    def slice(self, part: slice) -> None:
        self.separate()
        size = self.size()
        entry = slice_entry(self.ev, part, size)
        if entry.step != 1 or entry.length != size or entry.start != _ZERO:
            self.plan.is_whole = False
        self.plan.entries.append(entry)
        self.axis += 1
        self.out += 1
        self.basic += 1

    def integer(self, part: Operand) -> None:
        self.join()
        self.plan.entries.append(integer_entry(self.ev, part, self.size(), self.axis))
        self.plan.is_whole = False
        self.axis += 1

    def array(self, part: Operand) -> None:
        self.join()
        mask = _is_mask(part)
        depth = _depth(part)
        self.plan.advanced.append(Advanced(part, self.out, self.axis, depth, mask))
        for k in range(depth):
            if mask:
                self.check_mask(part.tensor.shape[k])
            self.plan.entries.append(SliceEntry(_ZERO, 1, self.size()))
            self.axis += 1
            self.out += 1

    def check_mask(self, dim: Affine) -> None:
        builder = self.ev.builder
        equal = builder.compare_index("eq", dim, self.size())
        message = (
            f"boolean index did not match indexed array along axis {self.axis}; size of axis is {{0}} but size of"
            " corresponding boolean axis is {1}"
        )
        if equal is False and dim.is_const and self.size().is_const:
            raise NumpyError(IndexError, message.format(self.size().const, dim.const))
        builder.check(equal, IndexError, message, builder.index_value(self.size()), builder.index_value(dim))


# --- integers -----------------------------------------------------------------------------------------------------


def integer_entry(ev: Evaluator, index: Operand, size: Affine, axis: int) -> Affine:
    """An integer index as an expression in [0, size), checked where that is not known."""
    builder = ev.builder
    position = builder.as_affine(index)
    if position.is_const and size.is_const:
        if not -size.const <= position.const < size.const:
            message = f"index {position.const} is out of bounds for axis {axis} with size {size.const}"
            raise NumpyError(IndexError, message)
        return position if position.const >= 0 else position + size
    if ev.frame.unchecked and not position.is_const:
        return position
    natural = known_le(ev, _ZERO, position)
    if natural and known_le(ev, position + 1, size):
        return position
    key = (CHECK_BOUNDS, position, size)
    if not builder.recall(key):
        builder.remember(key, True)
        builder.emit(CHECK_BOUNDS, (builder.index_value(position),), size=size, axis=axis)
    if natural:
        return position
    return _wrapped(ev, position, size)


def _wrapped(ev: Evaluator, position: Affine, size: Affine) -> Affine:
    """A negative position counted from the end."""
    builder = ev.builder
    negative = builder.compare_index("lt", position, _ZERO)
    if not isinstance(negative, Value):
        return position + size if negative else position
    key = ("wrapped", position, size)
    known = builder.recall(key)
    if known is not None:
        return known
    from_end, direct = builder.scalar_from_affine(position + size), builder.scalar_from_affine(position)
    chosen = builder.select_scalar(negative, from_end, direct)
    low = builder.index_bounds(position + size)[0]
    high = builder.index_bounds(size)[1]
    chosen.bounds = (None if low is None else min(low, 0), _highest(builder.index_bounds(position)[1], high))
    return builder.remember(key, Affine.of(chosen))


def _highest(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b - 1)


def known_le(ev: Evaluator, a: Affine, b: Affine) -> bool:
    """Whether a <= b is certain, from the bounds of the symbols and the ranges of loops with symbolic bounds."""
    if ev.builder.decide("le", a, b):
        return True
    difference = b - a
    for symbol, factor in difference.terms:
        known = ev.loop_ranges.get(symbol)
        if known is not None:
            end = known[0] if factor > 0 else known[1]
            least = difference.substitute({symbol: end})
            return bool(ev.builder.decide("ge", least, _ZERO)) or known_le_rest(ev, least, symbol)
    return False


def known_le_rest(ev: Evaluator, least: Affine, done: object) -> bool:
    """Go on with the next loop variable."""
    if any(s is not done and s in ev.loop_ranges for s in least.symbols()):
        return known_le(ev, _ZERO, least)
    return False


# --- slices -------------------------------------------------------------------------------------------------------


def slice_entry(ev: Evaluator, part: slice, size: Affine) -> SliceEntry:
    """A slice with its bounds clipped to the axis, as `slice.indices` does."""
    step = _step(ev, part.step)
    start, stop = _bound(ev, part.start), _bound(ev, part.stop)
    if (
        isinstance(step, int)
        and size.is_const
        and all(bound is None or bound.is_const for bound in (start, stop))
    ):
        given = [None if b is None else b.const for b in (start, stop)]
        taken = range(*slice(given[0], given[1], step).indices(size.const))
        return SliceEntry(Affine.of(taken.start), step, Affine.of(len(taken)))
    builder = ev.builder
    if not isinstance(step, int) or step > 0:
        first = _ZERO if start is None else _clipped(ev, start, _ZERO, size, size)
        last = size if stop is None else _clipped(ev, stop, _ZERO, size, size)
        span = last - first
    else:
        low, high = Affine.of(-1), size - 1
        first = high if start is None else _clipped(ev, start, low, high, size)
        last = low if stop is None else _clipped(ev, stop, low, high, size)
        span = first - last
    if not known_le(ev, _ZERO, span):
        span = builder.max_index(span, _ZERO)
    size_of_step = step if isinstance(step, Affine) else Affine.of(abs(step))
    if size_of_step != _ONE:
        span = builder.floordiv_index(span + size_of_step - 1, size_of_step)
    return SliceEntry(first, step, span)


def _step(ev: Evaluator, step: Operand) -> int | Affine:
    """The step; a positive one may be known at run time only."""
    if step is None:
        return 1
    if isinstance(step, Value):
        builder = ev.builder
        found = roots(step, builder.function)
        if found.leaves and not found.opaque and not found.loop_variables:
            raise NeedStatic(step, "the step of a slice must be known at compile time")
        value = builder.as_affine(step)
        nonzero = builder.compare_index("ne", value, _ZERO)
        builder.check(nonzero, ValueError, "slice step cannot be zero")
        builder.check_supported(
            builder.compare_index("gt", value, _ZERO),
            "a negative step of a slice that is known at run time only; write instead: "
            "x[::-1] first, then a positive step",
        )
        return value
    if not isinstance(step, (int, np.integer)):
        raise NumpyError(TypeError, "slice indices must be integers or None or have an __index__ method")
    if not step:
        raise NumpyError(ValueError, "slice step cannot be zero")
    return int(step)


def _bound(ev: Evaluator, bound: Operand) -> Affine | None:
    if bound is None:
        return None
    try:
        return ev.builder.as_affine(bound)
    except NumpyError:
        message = "slice indices must be integers or None or have an __index__ method"
        raise NumpyError(TypeError, message) from None


def _clipped(ev: Evaluator, bound: Affine, low: Affine, high: Affine, size: Affine) -> Affine:
    """A bound of a slice: counted from the end where negative, then clipped to [low, high]."""
    builder = ev.builder
    if known_le(ev, _ZERO, bound):
        return bound if known_le(ev, bound, high) else builder.min_index(bound, high)
    if known_le(ev, bound, Affine.of(-1)):
        from_end = bound + size
        return from_end if known_le(ev, low, from_end) else builder.max_index(from_end, low)
    inside = _wrapped(ev, bound, size)
    if not known_le(ev, low, inside):
        inside = builder.max_index(inside, low)
    return inside if known_le(ev, inside, high) else builder.min_index(inside, high)
