"""The iteration distances at which two affine accesses conflict, as a union of boxes.

Integer strides go to the search; where symbols leave its answer open, affine proofs are tried.
"""

from __future__ import annotations

from pydsl.analysis.distance_proof import DistanceProof
from pydsl.analysis.distance_search import Answer, Box, DistanceSearch
from pydsl.analysis.interval import ANY, is_empty
from pydsl.analysis.region import Ranges
from pydsl.analysis.strides import LoopRanges, side
from pydsl.ir.affine import Affine, Symbol


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
    loops = {*common, *ranges_src, *ranges_dst}
    src_side = side(src, loops, ranges_src, symbols)
    dst_side = side(dst, loops, ranges_dst, symbols)
    answer: Answer = ((ANY,) * len(common),), False
    if src_side is None or dst_side is None:
        return answer
    if any(map(is_empty, src_side.ranges.values())) or any(map(is_empty, dst_side.ranges.values())):
        return (), True
    if not src_side.products and not dst_side.products:
        answer = DistanceSearch(src_side, dst_side, conflict, common, symbols).solve()
        if (src_side.constant and dst_side.constant) or all(map(_is_vector, answer[0])):
            return answer
    proof = DistanceProof(src_side, dst_side, conflict, common, (ranges_src, ranges_dst), symbols)
    proven = proof.boxes()
    return answer if proven is None else (proven, False)


def _is_vector(box: Box) -> bool:
    return all(low is not None and low == high for low, high in box)
