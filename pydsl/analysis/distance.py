"""The iteration distances at which two affine accesses conflict, as a union of boxes.

Integer strides go to the search; where symbols leave its answer open, affine proofs are tried.
"""

from __future__ import annotations

from pydsl.analysis.distance_proof import DistanceProof
from pydsl.analysis.distance_search import Answer, Box, DistanceSearch
from pydsl.analysis.hierarchy import hierarchical
from pydsl.analysis.interval import ANY, is_empty, minus
from pydsl.analysis.region import Ranges
from pydsl.analysis.strides import LoopRanges, side
from pydsl.ir.affine import Affine, Range, Symbol


def distance_boxes(
    src: Affine,
    dst: Affine,
    conflict: tuple[int, int],
    common: tuple[Symbol, ...],
    ranges_src: LoopRanges,
    ranges_dst: LoopRanges,
    symbols: Ranges,
) -> Answer:
    """The distances over ``common`` at which ``conflict[0] <= src - dst <= conflict[1]``."""
    if src == dst:
        same = _same_address(src, conflict, common, ranges_src, ranges_dst)
        if same is not None:
            return same
    loops = {*common, *ranges_src, *ranges_dst}
    src_side = side(src, loops, ranges_src, symbols)
    dst_side = side(dst, loops, ranges_dst, symbols)
    answer: Answer = ((ANY,) * len(common),), False
    if src_side is None or dst_side is None:
        return answer
    if any(map(is_empty, src_side.ranges.values())) or any(map(is_empty, dst_side.ranges.values())):
        return (), True
    if not src_side.products and not dst_side.products:
        search = DistanceSearch(src_side, dst_side, conflict, common, symbols)
        answer = search.solve()
        if search.constant or all(map(_is_vector, answer[0])):
            return answer
    proof = DistanceProof(src_side, dst_side, conflict, common, (ranges_src, ranges_dst), symbols)
    proven = proof.boxes()
    return answer if proven is None else (proven, False)


def _same_address(
    address: Affine,
    conflict: tuple[int, int],
    common: tuple[Symbol, ...],
    ranges_src: LoopRanges,
    ranges_dst: LoopRanges,
) -> Answer | None:
    """The frequent case: one address, moving with constant loops that both accesses share, without aliasing."""
    for ranges in (ranges_src, ranges_dst):
        for first, last in ranges.values():
            if type(first) is not int or type(last) is not int or first > last:
                return None
    dims = []
    moving = set()
    for symbol, coeff in address.terms:
        bounds = ranges_src.get(symbol)
        if bounds is None and symbol not in ranges_dst and symbol not in common:
            if getattr(symbol, "factor", None) is not None:
                return None
            continue  # the same for both
        if symbol not in common or bounds is None or bounds != ranges_dst.get(symbol):
            return None
        dims.append((abs(coeff), bounds[1] - bounds[0]))  # type: ignore[operator]
        moving.add(symbol)
    if not hierarchical(dims, max(conflict[1] + 1, 1 - conflict[0])):  # type: ignore[arg-type]
        return None
    box: list[Range] = []
    for loop in common:
        if loop in moving:
            box.append((0, 0))
        elif loop in ranges_src and loop in ranges_dst:
            box.append(minus(ranges_dst[loop], ranges_src[loop]))  # type: ignore[arg-type]
        else:
            return None
    return (tuple(box),), True


def _is_vector(box: Box) -> bool:
    return all(low is not None and low == high for low, high in box)
