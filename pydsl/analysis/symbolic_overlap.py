"""Overlap of regions with symbols: affine proofs. What is not proven is left open by the caller."""

from __future__ import annotations

from math import gcd

from pydsl.analysis.diophantine import Term, solvable
from pydsl.analysis.hierarchy import at_least, larger, magnitude, spread, symbolic_hierarchy
from pydsl.analysis.indexing import digits
from pydsl.analysis.region import Ranges, Region
from pydsl.ir.affine import Affine


def proven_disjoint(a: Region, b: Region, ranges: Ranges) -> bool:
    """Whether the regions share no byte, whatever the symbols are within their ranges."""
    if _is_empty(a) or _is_empty(b):
        return True
    first_a, last_a = _ends(a, ranges)
    first_b, last_b = _ends(b, ranges)
    if first_a is not None and last_b is not None and at_least(first_a - last_b, b.itemsize, ranges):
        return True
    if first_b is not None and last_a is not None and at_least(first_b - last_a, a.itemsize, ranges):
        return True
    return _unsolvable(a, b, ranges) or _off_the_grid(a, b, ranges)


def symbolic_shift(a: Region, b: Region, ranges: Ranges) -> tuple[int, ...] | None:
    """The constant ``d`` such that element ``i`` of a is element ``i + d`` of b, and nothing else is shared."""
    live, strides = [], []
    for k, (s, t, m, n) in enumerate(zip(a.strides, b.strides, a.shape, b.shape, strict=True)):
        if s == t or (n.is_const and n.const == 1) or (m.is_const and m.const == 1):
            if not (m.is_const and m.const == 1 and n.is_const and n.const == 1):
                live.append(k)
                strides.append(t if m.is_const and m.const == 1 else s)
        else:
            return None
    found = digits(a.offset - b.offset, strides)
    if found is None:
        return None
    shift = [0] * len(a.shape)
    spans: list[Affine | None] = []
    for k, digit in zip(live, found, strict=True):
        if not digit.is_const:
            return None
        shift[k] = digit.const
        spans.append(spread(a.shape[k] - 1 + digit, b.shape[k] - 1 - digit, ranges))
        if spans[-1] is None:
            spans[-1] = larger(a.shape[k] - 1, b.shape[k] - 1, ranges) + abs(digit.const)
    return tuple(shift) if symbolic_hierarchy(strides, spans, a.itemsize, ranges) else None


def _is_empty(region: Region) -> bool:
    return any(extent.is_const and extent.const == 0 for extent in region.shape)


def _ends(region: Region, ranges: Ranges) -> tuple[Affine | None, Affine | None]:
    """The lowest and the highest address of an element of a region that is not empty; None where not affine."""
    first: Affine | None = region.offset
    last: Affine | None = region.offset
    for stride, extent in zip(region.strides, region.shape, strict=True):
        if extent.is_const and extent.const == 1:
            continue
        move = stride.mul(extent - 1)
        if at_least(stride, 0, ranges):
            last = None if last is None or move is None else last + move
        elif at_least(-stride, 0, ranges):
            first = None if first is None or move is None else first + move
        else:
            return None, None
    return first, last


def _unsolvable(a: Region, b: Region, ranges: Ranges) -> bool:
    """Whether the problem over all indices and symbols has no solution; only the GCD test where one is not bounded."""
    terms: list[Term] = []
    bounded = True
    for region, sign in ((a, 1), (b, -1)):
        for stride, extent in zip(region.strides, region.shape, strict=True):
            if extent.is_const and extent.const == 1:
                continue
            limit = extent.const if extent.is_const else extent.bounds(ranges)[1]
            if limit is not None and limit <= 0:
                return True
            if limit is None or not stride.is_const:
                bounded = False
                terms.append((gcd(stride.const, stride.content()), 0))
            else:
                terms.append((sign * stride.const, limit - 1))
    distance = b.offset - a.offset
    const = distance.const
    for symbol, coeff in distance.terms:
        low, high = ranges.get(symbol, (None, None))
        if low is None or high is None:
            bounded = False
            terms.append((coeff, 0))
        else:
            const += coeff * low
            terms.append((-coeff, high - low))
    least, most = const - a.itemsize + 1, const + b.itemsize - 1
    if bounded:
        return solvable(terms, least, most) is False
    divisor = gcd(*[coeff for coeff, _ in terms])
    return bool(divisor) and most // divisor * divisor < least


def _off_the_grid(a: Region, b: Region, ranges: Ranges) -> bool:
    """Two grids of the same strides, apart by less than the smallest of them (two columns of a matrix).

    The difference of two elements is ``sum(stride * d) + rest`` with ``|d[k]| < max(extents)``. By the
    hierarchy it is either ``rest`` or at least the smallest stride less ``rest``.
    """
    if len(a.shape) != len(b.shape) or not a.shape:
        return False
    rest = a.offset - b.offset
    if not rest.is_const:
        return False
    strides, spans = [], []
    for s, t, m, n in zip(a.strides, b.strides, a.shape, b.shape, strict=True):
        if m.is_const and n.is_const and m.const == n.const == 1:
            continue
        if s != t:
            return False
        strides.append(magnitude(s))
        spans.append(larger(m - 1, n - 1, ranges))
    forward, backward = (b.itemsize, a.itemsize) if rest.const >= 0 else (a.itemsize, b.itemsize)
    distance = abs(rest.const)
    if distance < forward or not strides:
        return False
    return symbolic_hierarchy(strides, spans, distance + max(forward, backward), ranges)
