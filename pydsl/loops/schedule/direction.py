"""The direction of a vector loop: strided accesses go upwards.

Before, of a picture's reversed rows::

    for i in [0, 20) vector independent: @b[4*i] = add(@a[304 - 16*i], @a[308 - 16*i])

After::

    for i in [0, 20) vector independent: @b[76 - 4*i] = add(@a[16*i], @a[16*i + 4])

A group of strided accesses that goes downwards costs a reversal for each of its members, a contiguous access only
one; and LLVM's vectoriser, whose two cost models do not agree about such a group, stops the process when they choose
different widths (an assertion in the builds that llvmlite ships, seen with 22.1 at 20 to 23 iterations).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydsl.ir.affine import Affine
from pydsl.loops.ir import Assign, Declare, For, If, Let, Store
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import loads, walk


def run_upwards(loop: For) -> None:
    """Turns a loop around, in place, if most of its strided accesses go downwards.

    Parameters
    ----------
    loop: innermost, with independent iterations; one that accumulates, or may raise, keeps its direction.
    """
    strides = [s for s in _strides(loop) if s]
    if sum(1 if s < 0 else -1 for s in strides) <= 0 or not _free(loop):
        return
    mirrored = loop.start + loop.stop - 1 - Affine.of(loop.var)
    loop.body = substituted(loop.body, {loop.var: mirrored})


def _strides(loop: For) -> Iterator[int]:
    """The constant byte strides of accesses that skip memory between two iterations."""
    for stmt in walk(loop.body):
        places = [(load.offset, load.dtype) for load in loads(stmt)]
        if isinstance(stmt, Store):
            places.append((stmt.offset, stmt.value.dtype))
        for offset, dtype in places:
            stride = offset.coeff(loop.var)
            if abs(stride) != dtype.itemsize:
                yield stride


def _free(loop: For) -> bool:
    inside = list(walk(loop.body))
    declared = {s.var for s in inside if isinstance(s, (Let, Declare))}
    return all(
        isinstance(s, (Let, Declare, Store, If)) or (isinstance(s, Assign) and s.var in declared)
        for s in inside
    )
