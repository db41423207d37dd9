"""The stride hierarchy: a cheap proof that different index vectors have different addresses.

Sort the strides by size. If each exceeds what all smaller ones reach together (and the smallest the element),
then no two
index vectors of the box come closer than one element: subscripts are separable, like the digits of a
mixed-radix number. Ordinary arrays and their slices pass; overlapping windows, broadcasts and reshaped
diagonals do not and go to the Diophantine search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydsl.analysis.region import Ranges
from pydsl.ir.affine import Affine


def hierarchical(dims: Iterable[tuple[int, int]], unit: int) -> bool:
    """Whether distinct index vectors are at least ``unit`` apart; ``dims``: (size of stride, largest index)."""
    reach = unit
    for stride, bound in sorted(dims):
        if stride < reach and bound:
            return False
        reach += stride * bound
    return True


def symbolic_hierarchy(
    strides: Sequence[Affine], spans: Sequence[Affine | None], unit: Affine | int, ranges: Ranges
) -> bool:
    """:func:`hierarchical` for index expressions, ``spans`` the largest indices; False where it is not proven."""
    dims = [(magnitude(stride), span) for stride, span in zip(strides, spans, strict=True)]
    dims.sort(key=lambda dim: _size(dim[0]))
    reach: Affine | None = Affine.of(unit)
    for stride, span in dims:
        if reach is None or not at_least(stride - reach, 0, ranges):
            return False
        move = None if span is None else stride.mul(span)
        reach = None if move is None else reach + move
    return True


def magnitude(stride: Affine) -> Affine:
    """The stride with its sign turned where it looks negative. Not a proof: the hierarchy test proves it positive."""
    leading = stride.terms[0][1] if stride.terms else stride.const
    return stride if leading >= 0 else -stride


def larger(p: Affine, q: Affine, ranges: Ranges) -> Affine:
    """A form that is at least the larger of the two, where both are at least 0."""
    found = spread(p, q, ranges)
    return p + q if found is None else found


def spread(p: Affine, q: Affine, ranges: Ranges) -> Affine | None:
    """The larger of the two, or None where that is not known."""
    if at_least(p - q, 0, ranges):
        return p
    return q if at_least(q - p, 0, ranges) else None


def at_least(form: Affine, bound: int, ranges: Ranges) -> bool:
    """Whether a form is known to be at least ``bound``."""
    if form.is_const:
        return form.const >= bound
    low = form.bounds(ranges)[0]
    return low is not None and low >= bound


def _size(stride: Affine) -> tuple[int, int, int]:
    return len(stride.terms), max([abs(coeff) for _, coeff in stride.terms], default=0), stride.const
