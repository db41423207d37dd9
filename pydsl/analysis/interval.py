"""Integer intervals with inclusive ends, either of them open (None)."""

from __future__ import annotations

from pydsl.ir.affine import Range

ANY: Range = (None, None)


def plus(a: Range, b: Range) -> Range:
    """Sums of a number of each."""
    return None if a[0] is None or b[0] is None else a[0] + b[0], None if a[1] is None or b[1] is None else a[
        1
    ] + b[1]


def minus(a: Range, b: Range) -> Range:
    """Differences of a number of each."""
    return None if a[0] is None or b[1] is None else a[0] - b[1], None if a[1] is None or b[0] is None else a[
        1
    ] - b[0]


def meet(a: Range, b: Range) -> Range:
    """The numbers in both."""
    low = b[0] if a[0] is None else a[0] if b[0] is None else max(a[0], b[0])
    high = b[1] if a[1] is None else a[1] if b[1] is None else min(a[1], b[1])
    return low, high


def is_empty(interval: Range) -> bool:
    """Whether there is no number in it."""
    return interval[0] is not None and interval[1] is not None and interval[0] > interval[1]


def straddles(interval: Range) -> bool:
    """Whether it has 0 and something else."""
    low, high = interval
    return (low is None or low <= 0) and (high is None or high >= 0) and not (low == 0 and high == 0)


def by_sign(interval: Range) -> list[Range]:
    """An interval around 0 in its parts below, at and above 0."""
    low, high = interval
    parts: list[Range] = [] if low == 0 else [(low, -1)]
    parts.append((0, 0))
    if high != 0:
        parts.append((1, high))
    return parts


def taken_over(low: int | None, high: int | None, coeff: int, first: int | None, last: int | None) -> Range:
    """The interval for the rest of a sum when a term is taken to the other side."""
    if not coeff:
        return low, high
    if coeff < 0:
        first, last = last, first
    low = None if low is None or last is None else low - coeff * last
    high = None if high is None or first is None else high - coeff * first
    return low, high


def divided(low: int | None, high: int | None, coeff: int) -> Range:
    """The integers ``x`` with ``low <= coeff * x <= high``."""
    if coeff < 0:
        low, high, coeff = None if high is None else -high, None if low is None else -low, -coeff
    return None if low is None else -(-low // coeff), None if high is None else high // coeff
