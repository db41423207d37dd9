"""Affine proofs about iteration distances, for symbolic ranges and strides.

Two are tried: the bounds of both addresses (Banerjee's test with index expressions, where equal symbols
cancel), and the hierarchy of the strides that both accesses have in common, which leaves a single distance.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydsl.analysis.distance_search import Box
from pydsl.analysis.hierarchy import at_least, larger, spread, symbolic_hierarchy
from pydsl.analysis.indexing import digits
from pydsl.analysis.interval import ANY
from pydsl.analysis.region import Ranges
from pydsl.analysis.strides import Bound, LoopRanges, Side, varies
from pydsl.ir.affine import Affine, Range, Symbol

Ends = tuple[Affine | None, Affine | None]
"""Inclusive first and last value as index expressions over symbols that are no loop variables."""
Move = tuple[Affine, Affine | None, Affine | None]
"""A stride and the ends of the variable that it belongs to."""
Distance = tuple[Affine | None, Affine | None, Affine | None]
"""Inclusive ends of a difference of two variables, and a bound of its size."""

_OPEN: Ends = (None, None)
_ZERO = Affine.of(0)


class DistanceProof:
    """``low <= src - dst <= high`` with symbolic strides or ranges."""

    __slots__ = ("common", "dst", "ends_dst", "ends_src", "high", "low", "rest", "src", "symbols")

    def __init__(
        self,
        src: Side,
        dst: Side,
        conflict: tuple[int, int],
        common: tuple[Symbol, ...],
        ranges: tuple[LoopRanges, LoopRanges],
        symbols: Ranges,
    ) -> None:
        self.src = src
        self.dst = dst
        self.low, self.high = conflict
        self.common = common
        self.symbols = symbols
        self.rest = src.rest - dst.rest
        loops = {*common, *ranges[0], *ranges[1]}
        self.ends_src = _ends(ranges[0], src.ranges, loops)
        self.ends_dst = _ends(ranges[1], dst.ranges, loops)

    def boxes(self) -> tuple[Box, ...] | None:
        """No box, or the one that is proven; None where nothing is."""
        if self._apart():
            return ()
        moving = []
        for loop in self.common:
            stride = self.src.stride(loop)
            if stride != self.dst.stride(loop):
                return None
            if stride != 0:
                moving.append((loop, stride))
        for paired in (True, False):
            found = self._only_distance(moving, paired)
            if found is not None:
                return (tuple([found.get(loop, ANY) for loop in self.common]),)
        return None

    def _apart(self) -> bool:
        """Whether the addresses never come close enough, by their bounds."""
        moves = self._alone(self.src, self.ends_src, 1) + self._alone(self.dst, self.ends_dst, -1)
        for loop in self.common:
            p, q = self.src.stride(loop), self.dst.stride(loop)
            if p == q:
                low, high, _ = self._distance(loop)
                moves.append((-p, low, high))
            else:
                moves.append((p, *self._ends_of(loop, self.ends_src, self.ends_dst)))
                moves.append((-q, *self._ends_of(loop, self.ends_dst, self.ends_src)))
        least, most = self._reach(moves)
        return (least is not None and at_least(least + self.rest, self.high + 1, self.symbols)) or (
            most is not None and at_least(-most - self.rest, 1 - self.low, self.symbols)
        )

    def _only_distance(
        self, moving: Sequence[tuple[Symbol, Affine]], paired: bool
    ) -> dict[Symbol, Range] | None:
        """The one distance of each moving common loop at which there may be a conflict.

        With ``sum(stride * d) = rest`` the addresses are equal; every other distance is further off than the
        loops of each access alone and the items reach. Loops alone of equal stride may be ``paired``: their
        distance is one more digit.
        """
        strides = [stride for _, stride in moving]
        distances = [self._distance(loop) for loop, _ in moving]
        alone_src = self._alone(self.src, self.ends_src, 1)
        alone_dst = self._alone(self.dst, self.ends_dst, -1)
        if paired:
            for move in alone_src.copy():
                twin = next((m for m in alone_dst if m[0] == -move[0]), None)
                if twin is not None:
                    alone_src.remove(move)
                    alone_dst.remove(twin)
                    strides.append(move[0])
                    distances.append(_distance((move[1], move[2]), (twin[1], twin[2]), self.symbols))
        least, most = self._reach(alone_src + alone_dst)
        if least is None or most is None:
            return None
        shift = digits(self.rest, strides)
        rest = _ZERO
        if shift is None or not all(digit.is_const for digit in shift):
            shift = [_ZERO] * len(strides)
            rest = self.rest
        spans = [self._off_by(*distance, digit) for distance, digit in zip(distances, shift, strict=True)]
        for unit in (rest + most + (1 - self.low), self.high + 1 - rest - least):
            if not symbolic_hierarchy(strides, spans, unit, self.symbols):
                return None
        return {loop: (digit.const, digit.const) for (loop, _), digit in zip(moving, shift, strict=False)}

    def _alone(self, side: Side, ends: dict[Symbol, Ends], sign: int) -> list[Move]:
        """The loops that one access is in alone."""
        loops = [loop for loop in {**side.coeffs, **side.products} if loop not in self.common]
        return [(side.stride(loop) * sign, *ends.get(loop, _OPEN)) for loop in loops]

    def _ends_of(self, loop: Symbol, first: dict[Symbol, Ends], second: dict[Symbol, Ends]) -> Ends:
        return first[loop] if loop in first else second.get(loop, _OPEN)

    def _distance(self, loop: Symbol) -> Distance:
        src = self._ends_of(loop, self.ends_src, self.ends_dst)
        dst = self._ends_of(loop, self.ends_dst, self.ends_src)
        return _distance(src, dst, self.symbols)

    def _off_by(
        self, low: Affine | None, high: Affine | None, span: Affine | None, digit: Affine
    ) -> Affine | None:
        """A bound for how far another distance is from this one."""
        off = None if low is None or high is None else spread(high - digit, digit - low, self.symbols)
        return span + abs(digit.const) if off is None and span is not None else off

    def _reach(self, moves: Sequence[Move]) -> Ends:
        """Bounds of the sum of strides times variables."""
        least: Affine | None = _ZERO
        most: Affine | None = _ZERO
        for stride, low, high in moves:
            if stride == 0:
                continue
            if at_least(-stride, 0, self.symbols):
                low, high = high, low
            elif not at_least(stride, 0, self.symbols):
                return _OPEN
            down = None if low is None else stride.mul(low)
            up = None if high is None else stride.mul(high)
            least = None if least is None or down is None else least + down
            most = None if most is None or up is None else most + up
        return least, most


def _distance(src: Ends, dst: Ends, symbols: Ranges) -> Distance:
    """The ends of the difference of two variables, each between its ends, and a bound of its size."""
    (a, b), (c, d) = src, dst
    low = None if c is None or b is None else c - b
    high = None if d is None or a is None else d - a
    return low, high, _span(src, dst, symbols)


def _span(src: Ends, dst: Ends, symbols: Ranges) -> Affine | None:
    (a, b), (c, d) = src, dst
    if a is None or b is None or c is None or d is None:
        return None
    forward, backward = d - a, b - c
    if forward == backward:
        return forward
    if a == c or b == d:  # neither is negative then
        return larger(forward, backward, symbols)
    if forward.is_const and backward.is_const:
        return Affine.of(max(forward.const, backward.const, 0))
    return None


def _ends(ranges: LoopRanges, intervals: dict[Symbol, Range], loops: set[Symbol]) -> dict[Symbol, Ends]:
    return {
        loop: (_end(first, intervals[loop][0], loops), _end(last, intervals[loop][1], loops))
        for loop, (first, last) in ranges.items()
    }


def _end(bound: Bound, integer: int | None, loops: set[Symbol]) -> Affine | None:
    if isinstance(bound, Affine) and not varies(bound, loops):
        return bound
    return None if integer is None else Affine.of(integer)
