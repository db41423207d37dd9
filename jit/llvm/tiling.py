"""How a contraction is cut into register tiles: plain data, computed from extents, strides and the target."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from pydsl.jit.llvm.target import Target
from pydsl.loops.ir import Contract, Var

LARGEST_PACK = 1 << 20
"""Bytes of the second operand that are copied into panels at most."""

_MOST_ROWS = 14
_MOST_UNROLLED = 32
_IN_FLIGHT = 8
"""Multiply-adds that a processor works on at a time."""


@dataclass(frozen=True)
class KDim:
    """A summed dimension: extent and byte strides on both operands."""

    extent: int
    a: int
    b: int


@dataclass(frozen=True)
class Tiling:
    """A plan.

    lanes: elements of one vector.
    column_tiles: ``(first vector, vectors, tiles)``: runs of tiles of equal width.
    outer: m dimensions that are plain loops around the tiles.
    tiled: the m dimension that is stepped through by `step`, in `pieces` tiles, of which the last one ends with
        the dimension (it may overlap the one before); ``inner``: those below it, wholly inside a tile.
    k: summed dimensions, merged where both operands allow; ``unroll``: of the innermost one.
    copies: sums of each element that are kept side by side, so that a small tile does not wait for its own additions.
    packed: the second operand is copied to rows of whole vectors first.
    """

    lanes: int
    vectors: int
    column_tiles: tuple[tuple[int, int, int], ...]
    outer: tuple[tuple[Var, int, int], ...]
    tiled: tuple[Var, int, int]
    inner: tuple[tuple[Var, int, int], ...]
    step: int
    pieces: int
    k: tuple[KDim, ...]
    unroll: int
    copies: int
    packed: bool

    @property
    def width(self) -> int:
        """Elements of a padded row."""
        return self.vectors * self.lanes

    @property
    def depth(self) -> int:
        """Number of products in each sum."""
        return math.prod(dim.extent for dim in self.k)

    def rows(self) -> list[int]:
        """Byte offsets on the first operand of the rows of a tile, in order of its variables."""
        spans = [range(self.step), *(range(extent) for _, extent, _ in self.inner)]
        strides = [self.tiled[2], *(stride for _, _, stride in self.inner)]
        return [sum(i * s for i, s in zip(at, strides, strict=True)) for at in itertools.product(*spans)]


def plan(stmt: Contract, target: Target) -> Tiling | None:
    """A tiling, or None where plain loops do as well."""
    if stmt.dtype.kind != "f" or stmt.dtype.itemsize not in (4, 8):
        return None
    k = merged(stmt.k)
    rows, columns = math.prod(extent for _, extent, _ in stmt.m), stmt.n[1]
    if not rows or not columns or not all(dim.extent for dim in k):
        return None
    size = stmt.dtype.itemsize
    contiguous = stmt.n[2] == size
    if not contiguous and _is_dot_product(k, size) and (rows <= 8 or columns == 1):
        return None
    lanes = target.lanes(size)
    while lanes > 16 // size and lanes // 2 >= columns:
        lanes //= 2
    whole = columns % lanes == 0
    packed = not contiguous or not (whole or target.masked)
    widest = _widest_columns(rows, target)
    vectors = -(-columns // lanes)
    if packed:  # rows of the copy may be as long as makes all column tiles equal
        pieces = -(-vectors // widest)
        vectors = -(-vectors // pieces) * pieces
    if packed and vectors * lanes * size * math.prod(dim.extent for dim in k) > LARGEST_PACK:
        return None
    masked_tail = not packed and not whole
    tiles = _column_tiles(vectors, widest, masked_tail)
    most = max(count for _, count, _ in tiles)
    most_rows = max(1, min(_MOST_ROWS, (target.vector_registers - 2 - most) // most))
    outer, tiled, inner, step, pieces = _tile_rows(stmt.m, most_rows)
    products = step * math.prod(extent for _, extent, _ in inner) * most
    unroll = max(1, min(k[-1].extent, _MOST_UNROLLED // products))
    copies = max(1, min(unroll, _IN_FLIGHT // products))
    return Tiling(lanes, vectors, tiles, outer, tiled, inner, step, pieces, k, unroll, copies, packed)


def merged(dims: tuple[tuple[int, int, int], ...]) -> tuple[KDim, ...]:
    """Summed dimensions without those of extent 1, neighbours joined where both operands step through them evenly."""
    out: list[KDim] = []
    for extent, a, b in dims:
        if extent == 1:
            continue
        if out and out[-1].a == extent * a and out[-1].b == extent * b:
            out[-1] = KDim(out[-1].extent * extent, a, b)
        else:
            out.append(KDim(extent, a, b))
    return tuple(out) or (KDim(1, 0, 0),)


def _is_dot_product(k: tuple[KDim, ...], size: int) -> bool:
    return k[-1].a == size and k[-1].b == size and k[-1].extent >= 8


def _widest_columns(rows: int, target: Target) -> int:
    """Vectors in a row of a tile: few rows leave room for more of them."""
    few = target.vector_registers <= 16
    if rows >= 4:
        return 2 if few else 4
    return 4 if few else 8


def _column_tiles(total: int, most: int, masked_tail: bool) -> tuple[tuple[int, int, int], ...]:
    """`total` vectors cut into nearly equal tiles of at most `most`. A masked last vector is in a run of its own."""
    pieces = -(-total // most)
    wide, narrow = -(-total // pieces), total // pieces
    n_wide = total - narrow * pieces if wide > narrow else pieces
    runs = [(0, wide, n_wide)]
    if n_wide < pieces:
        runs.append((n_wide * wide, narrow, pieces - n_wide))
    start, count, tiles = runs[-1]
    if masked_tail and tiles > 1:
        runs[-1:] = [(start, count, tiles - 1), (start + count * (tiles - 1), count, 1)]
    return tuple(runs)


_Dim = tuple[Var, int, int]


def _tile_rows(
    dims: tuple[_Dim, ...], most: int
) -> tuple[tuple[_Dim, ...], _Dim, tuple[_Dim, ...], int, int]:
    """Innermost dimensions that fit wholly, then steps of the next one, as even as possible."""
    position = len(dims) - 1
    inside = 1
    while position > 0 and inside * dims[position][1] * 2 <= most:
        inside *= dims[position][1]
        position -= 1
    extent = dims[position][1]
    pieces = -(-extent // max(1, most // inside))
    step = -(-extent // pieces)
    return dims[:position], dims[position], dims[position + 1 :], step, pieces
