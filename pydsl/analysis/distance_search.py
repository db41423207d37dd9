"""The search for the iteration distances at which two accesses conflict, with integer strides.

The unknowns are, for each common loop, the distance ``d = j - i`` (or both iterations, where the accesses
move at different rates), the loops of each access alone, and the symbols. A conflict is a solution of ``low
<= src - dst <= high``.

As in the hierarchy of direction vectors (Burke and Cytron 1986; Goff, Kennedy and Tseng 1991) a box with
distances of both signs in a dimension is split into ``<``, ``=`` and ``>``, and each part is tested: by
bounds (Banerjee), by gcd and by search (:mod:`pydsl.analysis.diophantine`). A unique solution ends as a box
of one vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

from pydsl.analysis.diophantine import Term, solutions, solvable
from pydsl.analysis.interval import ANY, by_sign, divided, is_empty, meet, minus, plus, straddles, taken_over
from pydsl.analysis.region import Ranges
from pydsl.analysis.strides import Side
from pydsl.ir.affine import Range, Symbol

Box = tuple[Range, ...]
"""An inclusive interval of distances for each common loop."""
Answer = tuple[tuple[Box, ...], bool]
"""The boxes, and whether each contains a conflict."""
Variable = tuple[int, int | None, int | None]
"""Coefficient and inclusive bounds."""

#: boxes of one answer; fewer and coarser ones are as right
_MAX_BOXES = 81
#: length of an interval of distances whose ends are tried one by one
_TRIMMED = 8


class _Loop(NamedTuple):
    """A common loop: ``p * i - q * j`` with iterations ``i`` of src and ``j`` of dst."""

    p: int
    q: int
    src: Range
    dst: Range

    def distance(self) -> Range:
        return minus(self.dst, self.src)


class DistanceSearch:
    """``low <= sum(p * i - q * j) + sum(coeff * x) <= high``."""

    __slots__ = ("constant", "exact", "high", "loops", "low", "others", "uniform")

    def __init__(
        self, src: Side, dst: Side, conflict: tuple[int, int], common: tuple[Symbol, ...], symbols: Ranges
    ) -> None:
        self.loops: list[_Loop] = []
        self.uniform = True
        for loop in common:
            p, q = src.coeffs.get(loop, 0), dst.coeffs.get(loop, 0)
            own = src.ranges.get(loop)
            other = dst.ranges.get(loop)
            self.uniform = self.uniform and p == q
            self.loops.append(_Loop(p, q, own or other or ANY, other or own or ANY))
        self.others: list[Variable] = [
            (coeff, *src.ranges.get(v, ANY)) for v, coeff in src.coeffs.items() if v not in common
        ]
        self.others += [
            (-coeff, *dst.ranges.get(v, ANY)) for v, coeff in dst.coeffs.items() if v not in common
        ]
        rest = src.rest - dst.rest
        self.constant = src.constant and dst.constant and rest.is_const
        self.exact = self.constant
        for symbol, coeff in rest.terms:
            self.others.append((coeff, *symbols.get(symbol, ANY)))
        self.low = conflict[0] - rest.const
        self.high = conflict[1] - rest.const

    def solve(self) -> Answer:
        box = [loop.distance() for loop in self.loops]
        if any(map(is_empty, box)):
            return (), True
        if self.uniform and not self.others:
            answer = self._few(box)
            if answer is not None:
                return answer
        possible = self._possible(box)
        if possible is False:
            return (), True
        boxes: list[Box] = []
        self._split(0, box, possible, boxes)
        if len(boxes) > _MAX_BOXES:
            return (tuple(box),), False
        return tuple(boxes), self.exact

    def _few(self, box: list[Range]) -> Answer | None:
        """The answer when at most one distance vector solves the problem."""
        live = [k for k, loop in enumerate(self.loops) if loop.p]
        box = box.copy()
        terms = []
        for k in live:
            low, high = self._tightened(k, box)
            if low is None or high is None:
                return None
            if low > high:
                return (), True
            box[k] = (low, high)
            terms.append((-self.loops[k].p, low, high))
        found = solutions(terms, self.low, self.high, 2)
        if found is None or len(found) > 1:
            return None
        if not found:
            return (), True
        for k, distance in zip(live, found[0], strict=True):
            box[k] = (distance, distance)
        return (tuple(box),), self.exact

    def _split(self, k: int, box: list[Range], possible: bool | None, out: list[Box]) -> None:
        """Appends the parts of a box that may hold a solution; ``possible`` is the answer for the box."""
        while k < len(box):
            loop = self.loops[k]
            interval = self._tightened(k, box)
            if is_empty(interval):
                return
            box[k] = interval
            if (loop.p or loop.q) and straddles(interval) and len(out) <= _MAX_BOXES:
                break
            k += 1
        else:
            self.exact = self.exact and possible is True
            for n in range(len(box)):
                box[n] = self._trimmed(n, box)
            out.append(tuple(box))
            return
        for part in by_sign(box[k]):
            inner = [*box[:k], part, *box[k + 1 :]]
            possible = self._possible(inner)
            if possible is not False:
                self._split(k + 1, inner, possible, out)

    def _trimmed(self, k: int, box: list[Range]) -> Range:
        """A short interval without the distances at its ends that hold no solution."""
        low, high = self._tightened(k, box)
        if low is None or high is None or high - low > _TRIMMED or not (self.loops[k].p or self.loops[k].q):
            return low, high
        while low < high and self._possible([*box[:k], (low, low), *box[k + 1 :]]) is False:
            low += 1
        while low < high and self._possible([*box[:k], (high, high), *box[k + 1 :]]) is False:
            high -= 1
        return low, high

    def _possible(self, box: Sequence[Range]) -> bool | None:
        """Whether the box has a solution; None where that is not known."""
        variables = self.others.copy()
        relaxed = False
        for (p, q, src, dst), interval in zip(self.loops, box, strict=True):
            if p == q:
                variables.append((-p, *interval))
            elif interval == minus(dst, src):
                variables.append((p, *src))
                variables.append((-q, *dst))
            else:
                # j = i + d: the box of i and d contains the solutions, and others where j leaves its range
                variables.append((p - q, *meet(src, minus(dst, interval))))
                variables.append((-q, *interval))
                relaxed = relaxed or interval != (0, 0)
        possible = _solvable(variables, self.low, self.high)
        if not relaxed or possible is False:
            return possible
        variables = self.others.copy()
        for (p, q, src, dst), interval in zip(self.loops, box, strict=True):
            if p == q:
                variables.append((-p, *interval))
            else:
                variables.append((p, *meet(src, minus(dst, interval))))
                variables.append((-q, *meet(dst, plus(src, interval))))
        return False if _solvable(variables, self.low, self.high) is False else None

    def _tightened(self, k: int, box: Sequence[Range]) -> Range:
        """The interval of one distance that the bounds of everything else leave."""
        p, q, _, _ = self.loops[k]
        if p != q or not p:
            return box[k]
        low: int | None = self.low
        high: int | None = self.high
        for coeff, first, last in self.others:
            low, high = taken_over(low, high, coeff, first, last)
        for n, (loop, interval) in enumerate(zip(self.loops, box, strict=True)):
            if n == k:
                continue
            if loop.p == loop.q:
                low, high = taken_over(low, high, -loop.p, *interval)
            else:
                low, high = taken_over(low, high, loop.p, *loop.src)
                low, high = taken_over(low, high, -loop.q, *loop.dst)
        return meet(box[k], divided(low, high, -p))


def _solvable(variables: list[Variable], low: int, high: int) -> bool | None:
    """``solvable`` where variables may be open: the others may bound them; else only bounds and gcd decide."""
    certain = True
    for n, (_, first, last) in enumerate(variables):
        if first is None or last is None:
            interval = _bounded_by_others(n, variables, low, high)
            if is_empty(interval):
                return False
            variables[n] = (variables[n][0], *interval)
    terms: list[Term] = []
    for coeff, first, last in variables:
        if not coeff:
            continue
        if first is None or last is None:
            certain = False
            break
        if first > last:
            return False
        terms.append((coeff, last - first))
        low -= coeff * first
        high -= coeff * first
    if certain:
        return solvable(terms, low, high)
    return None if _passes_gcd(variables, low, high) else False


def _passes_gcd(variables: list[Variable], low: int, high: int) -> bool:
    divisor = gcd(*[coeff for coeff, _, _ in variables])
    return not divisor or high // divisor * divisor >= low


def _bounded_by_others(n: int, variables: list[Variable], low: int | None, high: int | None) -> Range:
    coeff, first, last = variables[n]
    if not coeff:
        return first, last
    for m, (other, other_first, other_last) in enumerate(variables):
        if m != n:
            low, high = taken_over(low, high, other, other_first, other_last)
    return meet((first, last), divided(low, high, coeff))
