"""Dependences between two accesses of loop nests: at which iteration distances do they touch the same bytes?

An access is a byte address, affine over loop variables and symbols, and an item size. Two accesses ``src``
(first in program order) and ``dst`` share some ``common`` loops; all other loops run independently for each.
The question is for which distances ``d = iteration(dst) - iteration(src)`` over the common loops the two
conflict. It is asked of the linear byte address, as a bounded Diophantine problem, so overlapping windows,
reshapes and odd strides need no special care: subscripts are never assumed to be separable.

The answer is a union of boxes of distances, found by :mod:`pydsl.analysis.distance`; what schedules and
fusion ask of it stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from pydsl.analysis.distance import distance_boxes
from pydsl.analysis.distance_search import Box
from pydsl.analysis.region import NO_RANGES, Ranges
from pydsl.analysis.strides import LoopRanges
from pydsl.ir.affine import Affine, Range, Symbol


class AccessLike(Protocol):
    """What is asked of an access; :class:`Access` or any record with these."""

    @property
    def address(self) -> Affine: ...

    @property
    def itemsize(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Access:
    """``itemsize`` bytes at ``address``, a form over loop variables and symbols."""

    address: Affine
    itemsize: int


@dataclass(frozen=True, slots=True)
class Dependence:
    """At which distances (iteration of dst minus iteration of src) two accesses may conflict.

    common: the common loops, outermost first.
    boxes: together they contain every distance at which the accesses conflict; none: they never do.
    exact: whether each box contains such a distance (the accesses have constant ranges and no test gave up).
    """

    common: tuple[Symbol, ...]
    boxes: tuple[Box, ...]
    exact: bool = True

    @property
    def is_none(self) -> bool:
        """Whether the accesses never touch the same bytes."""
        return not self.boxes

    @property
    def vector(self) -> tuple[int, ...] | None:
        """The distance vector, where there is exactly one."""
        if len(self.boxes) != 1:
            return None
        vector = []
        for low, high in self.boxes[0]:
            if low is None or low != high:
                return None
            vector.append(low)
        return tuple(vector)

    @property
    def only_same_iteration(self) -> bool:
        """Whether conflicts happen only where all common loop variables are equal."""
        return all(low == high == 0 for box in self.boxes for low, high in box)

    @property
    def lexicographically_nonnegative(self) -> bool:
        """Whether no iteration of dst conflicts with a later iteration of src.

        Two nests, src's first, may then be fused at the common loops.
        """
        return not any(_lexicographic(signs) < 0 for signs in self.directions())

    def carried_by(self) -> tuple[Symbol, ...]:
        """The common loops that carry it: conflicts exist whose first distance other than 0 is in that loop."""
        carrying = {
            k
            for box in self.boxes
            for k in range(len(box))
            if _has(box[k], -1, 1) and all(_has(r, 0) for r in box[:k])
        }
        return tuple([loop for k, loop in enumerate(self.common) if k in carrying])

    def directions(self) -> Iterator[tuple[int, ...]]:
        """The signs of the distance vectors (``-1, 0, 1`` for each common loop)."""
        for box in self.boxes:
            yield from product(*[[sign for sign in (-1, 0, 1) if _has(interval, sign)] for interval in box])

    def allows_parallel(self, loop: Symbol) -> bool:
        """Whether the iterations of one common loop may run at once, for fixed values of the loops around it."""
        return loop not in self.carried_by()

    def allows_order(self, order: Sequence[Symbol]) -> bool:
        """Whether the common loops may be nested in another order (interchange, and permutation in general)."""
        places = [self.common.index(loop) for loop in order]
        return all(
            _lexicographic(signs) == _lexicographic([signs[k] for k in places]) for signs in self.directions()
        )

    def allows_vector(self, loop: Symbol, width: int | None = None) -> bool:
        """Whether ``width`` consecutive iterations of a common loop may run in lockstep, src before dst in each.

        Lockstep means: the loops inside of it advance together for all lanes. Without a width: any width.
        """
        place = self.common.index(loop)
        for box in self.boxes:
            if not all(_has(interval, 0) for interval in box[:place]):
                continue  # other iterations of a loop around it
            low, high = box[place]
            inner = [_lexicographic(s) for s in Dependence((), (box[place + 1 :],)).directions()]
            if _has(box[place], 1) and min(inner) < 0 and (width is None or low is None or low < width):
                return False  # src comes first, and would no longer
            if _has(box[place], -1) and max(inner) >= 0 and (width is None or high is None or high > -width):
                return False  # dst comes first, and would no longer
        return True

    def __str__(self) -> str:
        return " | ".join("(" + ", ".join(map(_interval_text, box)) + ")" for box in self.boxes) or "none"


def distances(
    src: AccessLike,
    dst: AccessLike,
    common: Sequence[Symbol],
    ranges_src: LoopRanges,
    ranges_dst: LoopRanges,
    symbols: Ranges | None = None,
) -> Dependence:
    """The distances over the common loops at which two accesses of one storage may conflict.

    Parameters
    ----------
    common: the loop variables that both accesses are under, outermost first; the same symbols in both
    addresses.
    ranges_src, ranges_dst: the range of each loop variable of each access. Those that are not common are
        independent variables of that access. Every other symbol has one value for both (a loop further out, a
        dimension).
    symbols: bounds of these other symbols.
    """
    boxes, exact = distance_boxes(
        src.address,
        dst.address,
        (1 - src.itemsize, dst.itemsize - 1),
        tuple(common),
        ranges_src,
        ranges_dst,
        NO_RANGES if symbols is None else symbols,
    )
    return Dependence(tuple(common), boxes, exact)


def only_same_iteration(
    src: AccessLike,
    dst: AccessLike,
    common: Sequence[Symbol],
    ranges_src: LoopRanges,
    ranges_dst: LoopRanges,
    symbols: Ranges | None = None,
) -> bool:
    """Whether the accesses conflict only where all common loop variables are equal.

    Two nests may then be fused at these loops, and the pair hinders none of them from running in parallel.
    """
    return distances(src, dst, common, ranges_src, ranges_dst, symbols).only_same_iteration


def lexicographically_nonnegative(
    src: AccessLike,
    dst: AccessLike,
    common: Sequence[Symbol],
    ranges_src: LoopRanges,
    ranges_dst: LoopRanges,
    symbols: Ranges | None = None,
) -> bool:
    """Whether no iteration of ``dst`` conflicts with a later one of ``src``: fusing keeps src before dst."""
    return distances(src, dst, common, ranges_src, ranges_dst, symbols).lexicographically_nonnegative


# --- signs --------------------------------------------------------------------------------------------------


def _has(interval: Range, *signs: int) -> bool:
    """Whether an interval has a number of one of the signs."""
    low, high = interval
    for sign in signs:
        if sign > 0:
            inside = high is None or high > 0
        elif sign < 0:
            inside = low is None or low < 0
        else:
            inside = (low is None or low <= 0) and (high is None or high >= 0)
        if inside:
            return True
    return False


def _lexicographic(signs: Sequence[int]) -> int:
    return next((sign for sign in signs if sign), 0)


def _interval_text(interval: Range) -> str:
    low, high = interval
    if low is None and high is None:
        return "*"
    if low == high:
        return str(low)
    return f"{'' if low is None else low}..{'' if high is None else high}"
