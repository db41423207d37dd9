"""Pieces to kernels: which iteration runs on which thread.

Before (one piece)::

    for i in [0, 100) independent: for j in [0, 40) independent: @a[160*i + 4*j] = ...

After: one iteration for each thread, neighbours of the innermost loop side by side::

    for b in [0, 16) block
      for t in [0, 256) thread
        let at = index(256*b + t)
        if less(at, 4000)
          let i = at / 40; let j = at % 40
          @a[160*i + 4*j] = ...

What cannot be spread is run by one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.loops.gpu.pieces import Piece, is_parallel
from pydsl.loops.ir import (
    INT64,
    Apply,
    Assign,
    Const,
    Declare,
    DType,
    Expr,
    For,
    If,
    Index,
    Let,
    LoopKind,
    Read,
    Stmt,
    Var,
    While,
)
from pydsl.loops.walk import walk

BLOCK = 256
"""Threads of a block."""
WARP = 32
UINT32, UINT64, BOOL = np.dtype(np.uint32), np.dtype(np.uint64), np.dtype(np.bool_)


@dataclass(eq=False)
class Kernel:
    """One kernel, for launch tables and reports.

    Parameters
    ----------
    form: "map": one thread for each iteration; "block": blocks of threads that work together; "serial": one thread.
    iterations: of a map, where known.
    """

    loop: For
    form: str
    threads: int
    iterations: int | None = None
    loc: SourceLocation | None = None
    bytes_moved: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def elementwise(self) -> bool:
        """Whether each thread computes one element, without a loop."""
        return self.form == "map" and not any(
            isinstance(s, (For, While))
            for thread in self.loop.body
            if isinstance(thread, For)
            for s in walk(thread.body)
        )

    @property
    def grid(self) -> int | None:
        """Blocks, where their number is constant."""
        extent = self.loop.stop - self.loop.start
        return extent.value if extent.is_const else None


def build(piece: Piece) -> tuple[list[Stmt], list[Kernel]]:
    """The kernels of a piece with what the host computes for them."""
    found = _map(piece)
    if found is None:
        found = _serial(piece)
    return found


# --- one thread ------------------------------------------------------------------------------------------------------


def _serial(piece: Piece) -> tuple[list[Stmt], list[Kernel]]:
    loop = _launch(Affine.of(1), 1, piece.body)
    return [loop], [Kernel(loop, "serial", 1, 1, location(piece.body))]


def _launch(
    blocks: Affine, threads: int, body: list[Stmt], *, block: Var | None = None, thread: Var | None = None
) -> For:
    limit = blocks.value - 1 if blocks.is_const else None
    block = block or Var("b", INT64, (0, limit))
    thread = thread or Var("t", INT64, (0, threads - 1))
    inner = For(thread, Affine.of(0), Affine.of(threads), body, LoopKind.THREAD, True)
    return For(block, Affine.of(0), blocks, [inner], LoopKind.BLOCK, True, kernel=number_of(body))


def number_of(body: Sequence[Stmt]) -> int:
    """The number of the fused nest that statements come from."""
    return max((s.kernel for s in walk(list(body)) if isinstance(s, For)), default=0)


def location(body: Sequence[Stmt]) -> SourceLocation | None:
    """The user's line, where a loop has one."""
    return next((s.loc for s in walk(list(body)) if isinstance(s, (For, While)) and s.loc), None)


# --- one thread for each iteration -----------------------------------------------------------------------------------


def _map(piece: Piece) -> tuple[list[Stmt], list[Kernel]] | None:
    *before, last = piece.body
    if not is_parallel(last) or not all(isinstance(s, Let) for s in before):
        return None
    assert isinstance(last, For)
    if not spreads(last):
        return None
    loops, inner = perfect(last)
    host: list[Stmt] = []
    extents = [loop.stop - loop.start for loop in loops]
    if all(e.is_const for e in extents):
        total = prod(max(0, e.value) for e in extents)
        count = Affine.of(total)
        if not total:
            return [], []
        threads = min(BLOCK, -(-total // WARP) * WARP)
        blocks = Affine.of(-(-total // threads))
    else:
        threads = BLOCK
        if any(_depends(e, before) for e in extents):
            return None
        host, count, blocks = _counted(extents)
        total = None
    block = Var("b", INT64, (0, blocks.value - 1 if blocks.is_const else None))
    thread = Var("t", INT64, (0, threads - 1))
    at = Affine.of(block) * threads + Affine.of(thread)
    body = [*_positions(loops, extents, at, total), *inner]
    if total is None or total % threads:
        body = [If(Apply("less", (Index(at), Index(count)), BOOL), [*before, *body])]
    else:
        body = [*before, *body]
    loop = _launch(blocks, threads, body, block=block, thread=thread)
    loop.kernel = last.kernel
    return [*host, loop], [Kernel(loop, "map", threads, total, location([last]))]


def spreads(loop: For) -> bool:
    """Whether iterations assign nothing outside, so that each may run on a thread of its own."""
    inside = {loop.var} | {s.var for s in walk(loop.body) if isinstance(s, (Declare, Let, For))}
    return not any(isinstance(s, Assign) and s.var not in inside for s in walk(loop.body))


def perfect(loop: For) -> tuple[list[For], list[Stmt]]:
    """Parallel loops nested without anything between them, whose bounds do not depend on each other."""
    loops = [loop]
    seen = {loop.var}
    body = loop.body
    while len(body) == 1 and is_parallel(body[0]):
        inner = body[0]
        assert isinstance(inner, For)
        if not spreads(inner) or any(s in seen for e in (inner.start, inner.stop) for s in e.symbols()):
            break
        loops.append(inner)
        seen.add(inner.var)
        body = inner.body
    return loops, body


def _depends(extent: Affine, before: Sequence[Stmt]) -> bool:
    """Whether a number is known to the kernel only."""
    inside = {s.var for s in before if isinstance(s, Let)}
    return any(symbol in inside for symbol in extent.symbols())


def _counted(extents: Sequence[Affine]) -> tuple[list[Stmt], Affine, Affine]:
    """Host statements for the number of iterations and of blocks, and both."""
    host: list[Stmt] = []
    value: Expr = Const(1, INT64)
    for extent in extents:
        size = Apply("maximum", (Index(extent), Const(0, INT64)), INT64)
        value = Apply("multiply", (value, size), INT64)
    count, blocks = Var("count", INT64, (0, None)), Var("blocks", INT64, (0, None))
    host.append(Let(count, value))
    up = Index(Affine.of(count) + (BLOCK - 1))
    host.append(Let(blocks, Apply("floor_divide", (up, Const(BLOCK, INT64)), INT64)))
    return host, Affine.of(count), Affine.of(blocks)


def _positions(
    loops: Sequence[For], extents: Sequence[Affine], at: Affine, total: int | None
) -> Iterator[Stmt]:
    """The loops' variables from the number of the iteration; the last loop runs fastest."""
    if len(loops) == 1:
        yield Let(loops[0].var, Index(loops[0].start + at))
        return
    dtype: DType = UINT32 if total is not None and total < 1 << 31 else UINT64
    rest: Expr = Apply("cast", (Index(at),), dtype)
    for loop, extent in zip(reversed(loops[1:]), reversed(extents[1:]), strict=True):
        number = Var("rest", dtype)
        yield Let(number, rest)
        size = Apply("cast", (Index(extent),), dtype)
        place = Apply("cast", (Apply("remainder", (Read(number), size), dtype),), INT64)
        yield from _place(loop, place)
        rest = Apply("floor_divide", (Read(number), size), dtype)
    yield from _place(loops[0], Apply("cast", (rest,), INT64))


def _place(loop: For, place: Expr) -> Iterator[Stmt]:
    if loop.start == Affine.of(0):
        yield Let(loop.var, place)
        return
    at = Var("at", INT64)
    yield Let(at, place)
    yield Let(loop.var, Index(Affine.of(at) + loop.start))
