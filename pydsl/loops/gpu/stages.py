"""Long reductions in two stages: many blocks reduce a share each, then one block reduces their results.

Before::

    var acc = 0.0
    for r in [0, 1000000) label reduce: acc = add(acc, @x[8*r])

After::

    for b in [0, 256) block: ... @partial[8*b] = the share of block b
    var acc = 0.0
    for g in [0, 256) label reduce: acc = add(acc, @partial[8*g])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.gpu.phases import in_phases
from pydsl.loops.gpu.reduce import Accumulator, accumulators
from pydsl.loops.ir import (
    INT64,
    Apply,
    Assign,
    Buffer,
    Const,
    Declare,
    Expr,
    For,
    If,
    Index,
    Let,
    Load,
    LoopKind,
    Read,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.substitute import substituted

_BOOL = np.dtype(np.bool_)
THREADS = 256
LONG = 1 << 15
"""Iterations from which one block is not enough."""
MOST_BLOCKS = 256
SHARE = 1 << 12
"""Iterations that make a block worth while."""


def many_blocks(body: Sequence[Stmt]) -> tuple[For | None, list[Stmt]]:
    """The kernel of the first stage, if there is to be one, and the statements with a short reduction in its place."""
    longest = [s for s in body if isinstance(s, For) and _length(s) >= LONG]
    if len(longest) != 1:
        return None, list(body)
    (loop,) = longest
    place = list(body).index(loop)
    found = accumulators(loop)
    before = [s for s in body[:place] if not isinstance(s, Declare)]
    if found is None or not all(isinstance(s, Let) for s in before):
        return None, list(body)
    extent = loop.stop - loop.start
    blocks = MOST_BLOCKS if not extent.is_const else min(MOST_BLOCKS, -(-extent.value // SHARE))
    partials = [
        [Buffer("partial", Space.ARENA, v.dtype, Affine.of(blocks * v.dtype.itemsize)) for v in a.variables]
        for a in found
    ]
    first = _first(loop, found, partials, before, extent, blocks)
    if first is None:
        return None, list(body)
    second = _second(loop, found, partials, blocks)
    return first, [*body[:place], second, *body[place + 1 :]]


def _length(loop: For) -> int:
    if loop.label != "reduce" and not loop.independent:
        return 0
    extent = loop.stop - loop.start
    length = extent.value if extent.is_const else THREADS
    if len(loop.body) == 1 and isinstance(loop.body[0], For):
        return length * max(1, _length(loop.body[0]))
    return length


def _first(
    loop: For,
    found: Sequence[Accumulator],
    partials: Sequence[Sequence[Buffer]],
    before: Sequence[Stmt],
    extent: Affine,
    blocks: int,
) -> For | None:
    """Each block takes a run of the outermost loop's iterations."""
    block = Var("b", INT64, (0, blocks - 1))
    inside: list[Stmt] = list(before)
    if extent.is_const:
        share = Affine.of(-(-extent.value // blocks))
    else:
        part = Var("share", INT64, (0, None))
        up = Index(extent + (blocks - 1))
        inside.append(Let(part, Apply("floor_divide", (up, Const(blocks, INT64)), INT64)))
        share = Affine.of(part)
    start = Var("start", INT64, (0, None))
    product = Apply("multiply", (Index(Affine.of(block)), Index(share)), INT64)
    inside.append(Let(start, product))
    own = Var(loop.var.name, INT64, loop.var.bounds)
    at = Affine.of(own) + Affine.of(start) + loop.start
    # the last blocks may have less: an iteration past the end does nothing
    body = substituted(loop.body, {loop.var: at})
    guard = Apply("less", (Index(Affine.of(own) + Affine.of(start)), Index(extent)), _BOOL)
    share_loop = replace(
        loop, var=own, start=Affine.of(0), stop=share, body=[If(guard, body)], label="reduce"
    )
    stores = [
        Store(b, Affine.of(block) * b.dtype.itemsize, Read(v))
        for a, buffers in zip(found, partials, strict=True)
        for v, b in zip(a.variables, buffers, strict=True)
    ]
    starts = [s for a in found for s in a.start()]
    phases = in_phases(substituted([*inside, *starts, share_loop, *stores], {}), [], THREADS)
    if phases is None:
        return None
    return For(
        block, Affine.of(0), Affine.of(blocks), phases, LoopKind.BLOCK, True, loc=loop.loc, kernel=loop.kernel
    )


def _second(
    loop: For, found: Sequence[Accumulator], partials: Sequence[Sequence[Buffer]], blocks: int
) -> For:
    """The results of the blocks, reduced."""
    var = Var("g", INT64, (0, blocks - 1))
    body: list[Stmt] = []
    for accumulator, buffers in zip(found, partials, strict=True):
        theirs: list[Expr] = [Load(b, Affine.of(var) * b.dtype.itemsize, b.dtype) for b in buffers]
        ours: list[Expr] = [Read(v) for v in accumulator.variables]
        if accumulator.lost is None:
            step = Apply(accumulator.op, (ours[0], theirs[0]), accumulator.var.dtype, reassoc=True)
            body.append(Assign(accumulator.var, step))
            continue
        stmts, (total, lost) = accumulator.merged(ours, theirs)
        assert isinstance(lost, Apply)
        kept = Apply("add", (Read(accumulator.lost), _rest(lost, accumulator.lost)), lost.dtype)
        body += [*stmts, Assign(accumulator.lost, kept), Assign(accumulator.var, total)]
    return For(var, Affine.of(0), Affine.of(blocks), body, label="reduce", loc=loop.loc, kernel=loop.kernel)


def _rest(lost: Apply, var: Var) -> Expr:
    """``error + theirs`` of ``(ours + theirs) + error``."""
    both, error = lost.args
    assert isinstance(both, Apply)
    theirs = next(a for a in both.args if not (isinstance(a, Read) and a.var is var))
    return Apply("add", (theirs, error), lost.dtype)
