"""How two strided regions of one storage lie to each other, byte for byte.

With constant regions every answer about sharing is exact: it is one bounded Diophantine problem
(:mod:`pydsl.analysis.diophantine`), the one that ``np.shares_memory`` solves. With symbols the reasoning is
affine: equal terms cancel, symbols with a known range are variables of the same problem, and everything else
is answered by the side
that is always right: two regions may share, a region is not covered, there is no index map.

Regions of different storages are not compared here.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from pydsl.analysis.diophantine import Term, solutions, solvable
from pydsl.analysis.hierarchy import hierarchical, symbolic_hierarchy
from pydsl.analysis.indexing import element_map, integer_map
from pydsl.analysis.region import NO_RANGES, Layout, Ranges
from pydsl.analysis.region import Region as Region
from pydsl.analysis.symbolic_overlap import proven_disjoint, symbolic_shift
from pydsl.ir.affine import Affine, Symbol

#: bytes up to which inclusion is decided by enumeration where nothing else does
_ENUMERATED_BYTES = 1024


class Kind(enum.Enum):
    """How two regions ``a`` and ``b`` lie to each other."""

    DISJOINT = "disjoint"  # no byte in common
    IDENTICAL = "identical"  # element i of a is element i of b, for all i
    SHIFTED = (
        "shifted"  # element i of a is element i + shift of b where both exist, and nothing else is shared
    )
    COVERS = "covers"  # every byte of b is in a
    COVERED = "covered"  # every byte of a is in b
    OVERLAPS = "overlaps"  # they share bytes
    UNKNOWN = "unknown"  # they may share bytes


@dataclass(frozen=True, slots=True)
class Relation:
    """The relation of two regions; ``shift`` is set for ``SHIFTED``.

    The kinds are tried from the most informative to the least: a region that is a shifted part of another one
    is SHIFTED, not COVERED (ask :func:`covers` for inclusion). Each kind but UNKNOWN is a fact, for symbolic
    regions with the provision that they are not empty. IDENTICAL says nothing about elements of one region
    that share bytes with each other; :func:`has_internal_overlap` does.
    """

    kind: Kind
    shift: tuple[int, ...] | None = None

    @property
    def may_share(self) -> bool:
        return self.kind is not Kind.DISJOINT

    def __str__(self) -> str:
        return self.kind.value if self.shift is None else f"{self.kind.value} by {list(self.shift)}"


DISJOINT = Relation(Kind.DISJOINT)
IDENTICAL = Relation(Kind.IDENTICAL)
COVERS = Relation(Kind.COVERS)
COVERED = Relation(Kind.COVERED)
OVERLAPS = Relation(Kind.OVERLAPS)
UNKNOWN = Relation(Kind.UNKNOWN)


# --- questions ----------------------------------------------------------------------------------------------


def relate(a: Region, b: Region, ranges: Ranges | None = None) -> Relation:
    """How two regions of one storage lie to each other.

    Parameters
    ----------
    ranges: inclusive bounds of symbols; either end may be None.
    """
    if not (a.is_const and b.is_const):
        return _relate_symbolic(a, b, NO_RANGES if ranges is None else ranges)
    x, y = a.layout, b.layout
    if _apart(x, y):
        return DISJOINT
    comparable = a.itemsize == b.itemsize and len(x.shape) == len(y.shape)
    if comparable and x.offset == y.offset and x.shape == y.shape and x.strides == y.strides:
        return IDENTICAL
    shared = True if x.dense and y.dense else _share(x, y, a.itemsize, b.itemsize)
    if shared is None:
        return UNKNOWN
    if not shared:
        return DISJOINT
    if comparable:
        shift = _shift(x, y, a.itemsize)
        if shift is not None:
            return Relation(Kind.SHIFTED, shift)
    if _covers(x, y, a.itemsize, b.itemsize):
        return COVERS
    if _covers(y, x, b.itemsize, a.itemsize):
        return COVERED
    return OVERLAPS


def may_share(a: Region, b: Region, ranges: Ranges | None = None) -> bool:
    """Whether the regions may have a byte in common: ``relate(a, b, ranges).may_share``, and cheaper."""
    if not (a.is_const and b.is_const):
        return not proven_disjoint(a, b, NO_RANGES if ranges is None else ranges)
    x, y = a.layout, b.layout
    if _apart(x, y):
        return False
    return (x.dense and y.dense) or _share(x, y, a.itemsize, b.itemsize) is not False


def covers(a: Region, b: Region, ranges: Ranges | None = None) -> bool:
    """Whether every byte of ``b`` is known to be in ``a``.

    Exact for constant regions when ``a`` is dense, when the bytes of ``b`` are an affine image in ``a``, and
    for small regions; otherwise False may mean "not known".
    """
    if a.is_const and b.is_const:
        return _covers(a.layout, b.layout, a.itemsize, b.itemsize)
    if any(extent.is_const and extent.const == 0 for extent in b.shape):
        return True
    return index_map(b, a, [("index", k) for k in range(len(b.shape))], ranges) is not None


def index_map(
    a: Region, b: Region, symbols: Sequence[Symbol], ranges: Ranges | None = None
) -> list[Affine] | None:
    """Where the elements of ``a`` are in ``b``: one index expression for each dimension of ``b``, over ``symbols``.

    For all indices of ``a`` the element of ``b`` at the mapped index has the same address, and the mapped
    index is in bounds. None where there is no such affine map, or none was proven. For constant regions, and
    no internal overlap in ``b``, a map is found whenever there is one.

    Parameters
    ----------
    symbols: the index variables of ``a``, one for each of its dimensions; not used in the regions themselves.
    """
    if a.itemsize != b.itemsize:
        return None
    if a == b:
        return [Affine.of(symbol) for symbol in symbols]
    return element_map(a, b, symbols, NO_RANGES if ranges is None else ranges)


def has_internal_overlap(region: Region, ranges: Ranges | None = None) -> bool:
    """Whether two elements of the region share bytes; True where a symbolic region is not known to be free of it.

    Exact for constant regions, up to the work limit of the search.
    """
    if region.is_const:
        layout = region.layout
        if layout.low == layout.high:
            return False
        dims = [(abs(s), n - 1) for s, n in zip(layout.strides, layout.shape, strict=True) if n > 1]
        return not hierarchical(dims, region.itemsize) and _collides(dims, region.itemsize)
    strides, spans = [], []
    for stride, extent in zip(region.strides, region.shape, strict=True):
        if extent.is_const and extent.const == 0:
            return False
        if not (extent.is_const and extent.const == 1):
            strides.append(stride)
            spans.append(extent - 1)
    return not symbolic_hierarchy(strides, spans, region.itemsize, NO_RANGES if ranges is None else ranges)


# --- constant regions ---------------------------------------------------------------------------------------


def _apart(x: Layout, y: Layout) -> bool:
    return x.high <= y.low or y.high <= x.low or x.low == x.high or y.low == y.high


def _share(x: Layout, y: Layout, x_size: int, y_size: int) -> bool | None:
    """Whether an element of ``x`` begins less than ``y_size`` after and less than ``x_size`` before one of ``y``."""
    terms: list[Term] = [(s, n - 1) for s, n in zip(x.strides, x.shape, strict=True) if s]
    terms += [(-s, n - 1) for s, n in zip(y.strides, y.shape, strict=True) if s]
    distance = y.offset - x.offset
    return solvable(terms, distance - x_size + 1, distance + y_size - 1)


def _shift(x: Layout, y: Layout, itemsize: int) -> tuple[int, ...] | None:
    """The only index difference at which bytes are shared, when the elements coincide there."""
    terms = []
    for s, m, t, n in zip(x.strides, x.shape, y.strides, y.shape, strict=True):
        if s != t and m > 1 and n > 1:
            return None
        terms.append((s or t, 1 - m, n - 1))
    distance = x.offset - y.offset
    found = solutions(terms, distance - itemsize + 1, distance + itemsize - 1, 2)
    if found is None or len(found) != 1:
        return None
    moved = sum([stride * d for (stride, _, _), d in zip(terms, found[0], strict=True)])
    return found[0] if moved == distance else None


def _collides(dims: list[Term], itemsize: int) -> bool:
    """Whether an index difference other than 0 moves by less than an element.

    Differences come in pairs of opposite sign: it is enough to try those whose first component that is not 0
    is positive.
    """
    dims = sorted(dims, reverse=True)
    if not dims[-1][0]:
        return True
    for k, (stride, bound) in enumerate(dims):
        terms = [(stride, bound - 1)]
        start = stride  # dimension k counts from 1, the later ones from -bound
        for other, other_bound in dims[k + 1 :]:
            terms.append((other, 2 * other_bound))
            start -= other * other_bound
        if solvable(terms, 1 - itemsize - start, itemsize - 1 - start) is not False:
            return True
    return False


def _covers(x: Layout, y: Layout, x_size: int, y_size: int) -> bool:
    if y.low == y.high:
        return True
    if y.low < x.low or y.high > x.high:
        return False
    if x.dense:
        return True
    inner, outer = _byte_dims(y, y_size), _byte_dims(x, x_size)
    if integer_map(y.low - x.low, inner, outer) is not None:
        return True
    if _size(inner) > _ENUMERATED_BYTES or _size(outer) > _ENUMERATED_BYTES:
        return False
    return _bytes(y.low, inner) <= _bytes(x.low, outer)


def _byte_dims(layout: Layout, itemsize: int) -> list[Term]:
    """(stride, extent) of the bytes of a region from ``low`` upwards, ascending, progressions merged."""
    merged: list[Term] = [(1, itemsize)]
    for stride, extent in sorted(
        [(abs(s), n) for s, n in zip(layout.strides, layout.shape, strict=True) if s]
    ):
        step, count = merged[-1]
        if stride % step == 0 and stride <= step * count:
            merged[-1] = (step, count + stride // step * (extent - 1))
        else:
            merged.append((stride, extent))
    return merged


def _size(dims: list[Term]) -> int:
    total = 1
    for _, extent in dims:
        total *= extent
    return total


def _bytes(low: int, dims: list[Term]) -> set[int]:
    found = {low}
    for stride, extent in dims:
        found = {address + stride * k for address in found for k in range(extent)}
    return found


# --- symbolic regions ---------------------------------------------------------------------------------------


def _relate_symbolic(a: Region, b: Region, ranges: Ranges) -> Relation:
    if proven_disjoint(a, b, ranges):
        return DISJOINT
    if a == b:
        return IDENTICAL
    if a.itemsize == b.itemsize and len(a.shape) == len(b.shape):
        shift = symbolic_shift(a, b, ranges)
        if shift is not None:
            return IDENTICAL if a.shape == b.shape and not any(shift) else Relation(Kind.SHIFTED, shift)
    if covers(a, b, ranges):
        return COVERS
    if covers(b, a, ranges):
        return COVERED
    return UNKNOWN
