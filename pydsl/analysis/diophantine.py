"""Bounded linear Diophantine problems: ``low <= sum(coeff[k] * x[k]) <= high`` with every ``x[k]`` in its box.

Whether two strided regions share a byte is such a problem, and so is whether two accesses of a loop nest
conflict. The problem is NP-hard in general (it contains subset sum), yet those that strides of arrays pose
are easy: ``solvable`` first shrinks the problem, as ``mem_overlap.c`` of NumPy does (Pauli Virtanen, 2015),
and mostly nothing is left to search.

1. A negative coefficient is flipped (``x -> bound - x``); equal coefficients are merged.
2. Everything is divided by the greatest common divisor (the GCD test; Banerjee, *Dependence Analysis*, 1997).
3. A term whose coefficient is at most the width of the interval plus one leaves no gaps: it widens the
   interval. This alone decides contiguous regions.
4. A coefficient that is a small multiple of the next smaller one belongs to the same progression: the two are
merged.
5. One term is a division. Two terms are the question for the first multiple of ``a`` modulo ``b`` within an
   interval, which Euclid's algorithm answers in O(log b).
6. What is left is a depth-first search from the largest coefficient down. Bounds of the remaining terms leave
   a window of candidates, which the gcd of the remaining coefficients thins out.

A limit of work makes the search end; only then is the answer None, "not known".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

Term = tuple[int, int]
"""``(coefficient, bound)`` of a variable in ``[0, bound]``."""
BoxTerm = tuple[int, int, int]
"""``(coefficient, low, high)`` of a variable in ``[low, high]``."""

WORK_LIMIT = 20_000


def solvable(terms: Iterable[Term], low: int, high: int, work: int = WORK_LIMIT) -> bool | None:
    """Whether ``low <= sum(coeff * x) <= high`` for some ``x`` in the box; None when the work limit was hit."""
    spans: dict[int, int] = {}
    total = 0
    for coeff, bound in terms:
        if bound < 0:
            return False
        if coeff < 0:
            coeff = -coeff
            low += coeff * bound
            high += coeff * bound
        if coeff and bound:
            spans[coeff] = spans.get(coeff, 0) + bound
            total += coeff * bound
    if high < 0 or low > total or low > high:
        return False
    if high >= total or low <= 0:
        return True  # an end of the box lies in the interval
    if len(spans) == 1:
        ((coeff, _),) = spans.items()
        return high // coeff * coeff >= low
    return _reduced(spans, low, high, work)


def solutions(
    terms: Sequence[BoxTerm], low: int, high: int, limit: int, work: int = WORK_LIMIT
) -> list[tuple[int, ...]] | None:
    """The first ``limit`` solutions, largest coefficients varying slowest; None when the work limit was hit.

    Meant for problems with few solutions: nothing is merged.
    """
    for _, first, last in terms:
        if first > last:
            return []
    order = sorted(range(len(terms)), key=lambda k: -abs(terms[k][0]))
    search = _Enumeration([terms[k] for k in order], limit, work)
    if not search.run(0, low, high):
        return None
    if all(k == position for position, k in enumerate(order)):
        return search.found
    back = sorted(range(len(order)), key=order.__getitem__)
    return [tuple([solution[k] for k in back]) for solution in search.found]


# --- simplification -----------------------------------------------------------------------------------------


def _reduced(spans: dict[int, int], low: int, high: int, work: int) -> bool | None:
    terms = sorted(spans.items())
    while True:
        count = len(terms)
        divisor = gcd(*[coeff for coeff, _ in terms])
        if divisor > 1:
            low = -(-low // divisor)
            high //= divisor
            if low > high:
                return False
            terms = [(coeff // divisor, bound) for coeff, bound in terms]
        absorbed = 0
        while absorbed < count and terms[absorbed][0] <= high - low + 1:
            low -= terms[absorbed][0] * terms[absorbed][1]
            absorbed += 1
        if absorbed:
            terms = terms[absorbed:]
        terms = _progressions(terms)
        if len(terms) <= 2:
            break
        if len(terms) == count:
            return _searched(terms, low, high, work)
    if not terms:
        return low <= 0 <= high
    if len(terms) == 1:
        ((coeff, bound),) = terms
        return max(-(-low // coeff), 0) <= min(high // coeff, bound)
    return _pair(terms[1], terms[0], low, high)


def _progressions(terms: list[Term]) -> list[Term]:
    """Merges neighbours whose values together are one arithmetic progression (ascending coefficients)."""
    if not any(
        terms[k + 1][0] <= (terms[k][1] + 1) * terms[k][0] and not terms[k + 1][0] % terms[k][0]
        for k in range(len(terms) - 1)
    ):
        return terms
    merged: list[Term] = []
    for coeff, bound in terms:
        if merged:
            step, count = merged[-1]
            if coeff <= (count + 1) * step and coeff % step == 0:
                merged[-1] = (step, count + coeff // step * bound)
                continue
        merged.append((coeff, bound))
    return merged


def first_multiple_within(factor: int, modulus: int, low: int, high: int) -> int | None:
    """The smallest ``x >= 0`` with ``low <= factor * x % modulus <= high`` (``0 <= low <= high < modulus``), or None.

    Each step is one of Euclid's algorithm on ``(factor, modulus)``.
    """
    if low == 0:
        return 0
    factor %= modulus
    if factor == 0:
        return None
    x = -(-low // factor)
    if x * factor <= high:
        return x
    # factor * x - modulus * y in [low, high], so modulus * y in [-high, -low] modulo factor
    y = first_multiple_within(modulus % factor, factor, -high % factor, -low % factor)
    return None if y is None else -(-(low + modulus * y) // factor)


def _pair(large: Term, small: Term, low: int, high: int) -> bool:
    """Two terms, the smaller coefficient above the width of the interval: ``y`` follows from ``x``."""
    a, bound = large
    b, small_bound = small
    first = max(0, -((b * small_bound + b - 1 - high) // a))
    last = min(bound, high // a)
    if first > last:
        return False
    return first + _next_hit(a, b, high - a * first, high - low, last - first) <= last


def _next_hit(step: int, modulus: int, start: int, width: int, count: int) -> int:
    """The smallest ``z >= 0`` with ``(start - step * z) % modulus <= width``; ``count + 1`` when there is none."""
    rest = start % modulus
    if rest <= width:
        return 0
    z = first_multiple_within(-step % modulus, modulus, modulus - rest, modulus - rest + width)
    return count + 1 if z is None else z


# --- search -------------------------------------------------------------------------------------------------


def _searched(terms: list[Term], low: int, high: int, work: int) -> bool | None:
    sums = [0]
    divisors = [0]
    for coeff, bound in terms:
        sums.append(sums[-1] + coeff * bound)
        divisors.append(gcd(divisors[-1], coeff))
    return _Feasibility(terms, sums, divisors, high - low, work).run(len(terms), low)


class _Feasibility:
    """Depth-first search for one solution; ``terms`` ascending, sums and gcds of their first k."""

    __slots__ = ("divisors", "sums", "terms", "width", "work")

    def __init__(
        self, terms: list[Term], sums: list[int], divisors: list[int], width: int, work: int
    ) -> None:
        self.terms = terms
        self.sums = sums
        self.divisors = divisors
        self.width = width
        self.work = work

    def run(self, count: int, low: int) -> bool | None:
        terms = self.terms
        width = self.width
        if count == 2:
            return _pair(terms[1], terms[0], low, low + width)
        coeff, bound = terms[count - 1]
        high = low + width
        first = max(0, -((self.sums[count - 1] - low) // coeff))
        last = min(bound, high // coeff)
        # the middle leaves the other terms the most freedom
        middle = (first + last) // 2
        answer = self.scan(count, low, middle, last)
        return self.scan(count, low, first, middle - 1) if answer is False else answer

    def scan(self, count: int, low: int, x: int, last: int) -> bool | None:
        """The candidates from ``x`` to ``last`` for the largest of ``count`` terms."""
        coeff = self.terms[count - 1][0]
        divisor = self.divisors[count - 1]
        width = self.width
        while x <= last:
            if width + 1 < divisor:
                x += _next_hit(coeff, divisor, low + width - coeff * x, width, last - x)
                if x > last:
                    return False
            self.work -= 1
            if self.work < 0:
                return None
            answer = self.run(count - 1, low - coeff * x)
            if answer is not False:
                return answer
            x += 1
        return False


class _Enumeration:
    """Depth-first search for the first solutions; terms by descending size of the coefficient."""

    __slots__ = ("coeffs", "divisors", "found", "limit", "maxima", "minima", "prefix", "terms", "work")

    def __init__(self, terms: list[BoxTerm], limit: int, work: int) -> None:
        self.terms = terms
        self.limit = limit
        self.work = work
        self.prefix: list[int] = [0] * len(terms)
        self.found: list[tuple[int, ...]] = []
        minima, maxima, divisors = [0], [0], [0]
        for coeff, first, last in reversed(terms):
            ends = (coeff * first, coeff * last) if coeff >= 0 else (coeff * last, coeff * first)
            minima.append(minima[-1] + ends[0])
            maxima.append(maxima[-1] + ends[1])
            divisors.append(gcd(divisors[-1], coeff))
        self.minima = minima[::-1]
        self.maxima = maxima[::-1]
        self.divisors = divisors[::-1]

    def run(self, depth: int, low: int, high: int) -> bool:
        """False when the work limit was hit."""
        if depth == len(self.terms):
            if low <= 0 <= high:
                self.found.append(tuple(self.prefix))
            return True
        coeff, first, last = self.terms[depth]
        rest_min, rest_max = self.minima[depth + 1], self.maxima[depth + 1]
        divisor = self.divisors[depth + 1]
        if coeff > 0:
            first = max(first, -((rest_max - low) // coeff))
            last = min(last, (high - rest_min) // coeff)
        elif coeff < 0:
            first = max(first, -((high - rest_min) // -coeff))
            last = min(last, (rest_max - low) // -coeff)
        elif low > rest_max or high < rest_min:
            return True
        for x in range(first, last + 1):
            below, above = low - coeff * x, high - coeff * x
            if divisor and above // divisor * divisor < below:
                self.work -= 1
                if self.work < 0:
                    return False
                continue
            self.work -= 1
            self.prefix[depth] = x
            if self.work < 0 or not self.run(depth + 1, below, above):
                return False
            if len(self.found) >= self.limit:
                return True
        return True
