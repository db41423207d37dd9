"""Tile: perfectly nested loops run block by block.

Before::

    for i in [0, n): for j in [0, 64): @a[512*i + 8*j] = @b[8*n*j + 8*i]: float64

After ``tile(loop, (8, 16))``::

    for i_t in [0, tiles): for j_t in [0, 4)
      let i_n = minimum(8, index(n - 8*i_t))
      for i in [0, i_n): for j in [0, 16): @a[4096*i_t + 512*i + 128*j_t + 8*j] = ...

Legal where no dependence runs forwards along one of the loops and backwards along another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydsl.ir.affine import Affine
from pydsl.loops.ir import INT64, Apply, Const, For, Index, Let, Stmt, Var
from pydsl.loops.schedule.dependences import Pair
from pydsl.loops.schedule.legality import band, movable, refuse
from pydsl.loops.substitute import substituted


def tile(outer: For, sizes: Sequence[int]) -> list[Stmt]:
    """The statements that replace a nest of loops.

    Parameters
    ----------
    sizes: iterations of each loop in one block; as many loops are taken as there are sizes.

    Raises
    ------
    ScheduleError: the loops are not perfectly nested, a size is less than 1, or a dependence forbids blocks.
    """
    loops = band("tile", outer, len(sizes))
    if min(sizes) < 1:
        raise refuse("tile", loops, f"a size of {min(sizes)} is less than 1")
    found = movable("tile", loops)
    for pair in found:
        if pair.dependence is None:
            raise refuse("tile", loops, f"blocks would turn around {pair}")
        for signs in pair.dependence.directions():
            if min(signs) < 0 < max(signs):
                raise refuse("tile", loops, f"blocks would turn around {pair}")
    free = [not any(_moves(pair, place) for pair in found) for place in range(len(loops))]
    before: list[Stmt] = []
    lengths: list[Stmt] = []
    blocks: list[For] = []
    inside: list[For] = []
    position: dict[Var, Affine] = {}
    for loop, size, independent in zip(loops, sizes, free, strict=True):
        count = _count(loop, size, before)
        block = Var(f"{loop.var.name}_t", INT64, (0, count.value - 1 if count.is_const else None))
        blocks.append(replace(loop, var=block, start=Affine.of(0), stop=count, independent=independent))
        first = loop.start + Affine.of(block) * size
        var = Var(loop.var.name, INT64, (0, size - 1))
        position[loop.var] = first + Affine.of(var)
        stop = _length(loop, first, size, lengths)
        inside.append(replace(loop, var=var, start=Affine.of(0), stop=stop, independent=independent))
    body = substituted(loops[-1].body, position)
    for loop in reversed(inside):
        body = [replace(loop, body=body)]
    body = [*lengths, *body]
    for loop in reversed(blocks):
        body = [replace(loop, body=body)]
    return [*before, *body]


def _moves(pair: Pair, place: int) -> bool:
    """Whether a dependence has a distance in one of the loops."""
    assert pair.dependence is not None
    return any(box[place] != (0, 0) for box in pair.dependence.boxes)


def _count(loop: For, size: int, before: list[Stmt]) -> Affine:
    """The number of blocks; where it is symbolic it is computed before the nest."""
    extent = loop.stop - loop.start
    if extent.is_const:
        return Affine.of(-(-max(0, extent.value) // size))
    count = Var(f"{loop.var.name}_n", INT64, (0, None))
    positive = Apply("maximum", (Index(extent + (size - 1)), Const(0, INT64)), INT64)
    before.append(Let(count, Apply("floor_divide", (positive, Const(size, INT64)), INT64)))
    return Affine.of(count)


def _length(loop: For, first: Affine, size: int, lengths: list[Stmt]) -> Affine:
    """The iterations of one block: a variable where the last block may be shorter."""
    extent = loop.stop - loop.start
    if extent.is_const and extent.value % size == 0:
        return Affine.of(size)
    length = Var(f"{loop.var.name}_n", INT64, (0, size))
    lengths.append(Let(length, Apply("minimum", (Const(size, INT64), Index(loop.stop - first)), INT64)))
    return Affine.of(length)
