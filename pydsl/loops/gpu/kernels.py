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

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.loops.gpu.phases import in_phases
from pydsl.loops.gpu.pieces import Piece, is_parallel
from pydsl.loops.gpu.positions import counted, perfect, positions, spreads
from pydsl.loops.gpu.stages import many_blocks
from pydsl.loops.ir import (
    INT64,
    Apply,
    Buffer,
    Const,
    For,
    If,
    Index,
    Let,
    LoopKind,
    Space,
    Stmt,
    Store,
    Var,
    While,
)
from pydsl.loops.walk import blocks as inner_blocks
from pydsl.loops.walk import buffers, loads, walk

BLOCK = 256
"""Threads of a block."""
WARP = 32
MANY_ROWS = 2048
"""Rows from which a thread for each keeps a device busy, where neighbours read neighbouring elements."""
BOOL = np.dtype(np.bool_)
Made: TypeAlias = "tuple[list[Stmt], list[Kernel]]"
"""Statements of the host, launches among them, and the kernels in their order."""


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
    *before, last = piece.body
    lets = [s for s in before if isinstance(s, Let)]
    if is_parallel(last) and isinstance(last, For) and spreads(last) and len(lets) == len(before):
        loops, inner = perfect(last)
        made = _rows(last, loops, inner, lets) if shares_rows(loops, inner) else None
        return made or _map(last, loops, inner, lets) or _serial(piece)
    return _together(piece) or _serial(piece)


def location(body: Sequence[Stmt]) -> SourceLocation | None:
    """The user's line, where a loop has one."""
    return next((s.loc for s in walk(list(body)) if isinstance(s, (For, While)) and s.loc), None)


def number_of(body: Sequence[Stmt]) -> int:
    """The number of the fused nest that statements come from."""
    return max((s.kernel for s in walk(list(body)) if isinstance(s, For)), default=0)


def _launch(blocks: Affine, body: list[Stmt], block: Var, source: Sequence[Stmt]) -> For:
    return For(block, Affine.of(0), blocks, body, LoopKind.BLOCK, True, kernel=number_of(source))


def _thread_loop(thread: Var, threads: int, body: list[Stmt]) -> For:
    return For(thread, Affine.of(0), Affine.of(threads), body, LoopKind.THREAD, True)


def _block_var(blocks: Affine) -> Var:
    return Var("b", INT64, (0, blocks.value - 1 if blocks.is_const else None))


def moved(body: Sequence[Stmt]) -> int | None:
    """Bytes that statements load and store, each place of the text once in each iteration; None where loops have no
    constant length."""
    total = 0
    seen: set[tuple[Buffer, Affine]] = set()
    for stmt in body:
        inner = [moved(block) for block in inner_blocks(stmt)]
        if isinstance(stmt, While) or any(part is None for part in inner):
            return None
        times = 1
        if isinstance(stmt, For):
            extent = stmt.stop - stmt.start
            if not extent.is_const:
                return None
            times = max(0, extent.value)
        total += times * sum(part or 0 for part in inner)
        places = [(load.buffer, load.offset, load.dtype) for load in loads(stmt)]
        if isinstance(stmt, Store):
            places.append((stmt.buffer, stmt.offset, stmt.value.dtype))
        for buffer, offset, dtype in places:
            if (buffer, offset) not in seen and buffer.space not in (Space.LOCAL, Space.SHARED):
                seen.add((buffer, offset))
                total += dtype.itemsize
    return total


# --- one thread -------------------------------------------------------------------------------------------------------


def _serial(piece: Piece) -> Made:
    blocks = Affine.of(1)
    thread = _thread_loop(Var("t", INT64, (0, 0)), 1, piece.body)
    loop = _launch(blocks, [thread], _block_var(blocks), piece.body)
    return [loop], [Kernel(loop, "serial", 1, 1, location(piece.body), moved(piece.body))]


# --- one thread for each iteration ------------------------------------------------------------------------------------


def _map(source: For, loops: list[For], inner: list[Stmt], before: list[Let]) -> Made | None:
    extents = [loop.stop - loop.start for loop in loops]
    if any(_depends(e, before) for e in extents):
        return None
    host, count, total = counted(extents)
    if total == 0:
        return [], []
    threads = BLOCK if total is None else min(BLOCK, -(-total // WARP) * WARP)
    more, blocks = _ceiling(count, threads)
    block, thread = _block_var(blocks), Var("t", INT64, (0, threads - 1))
    at = Affine.of(block) * threads + Affine.of(thread)
    body: list[Stmt] = [*before, *positions(loops, extents, at, total), *inner]
    if total is None or total % threads:
        body = [If(Apply("less", (Index(at), Index(count)), BOOL), body)]
    loop = _launch(blocks, [_thread_loop(thread, threads, body)], block, [source])
    kernel = Kernel(loop, "map", threads, total, location([source]), moved([source]))
    return [*host, *more, loop], [kernel]


def _depends(extent: Affine, before: Sequence[Let]) -> bool:
    """Whether a number is known to the kernel only."""
    inside = {s.var for s in before}
    return any(symbol in inside for symbol in extent.symbols())


def _ceiling(count: Affine, divisor: int) -> tuple[list[Stmt], Affine]:
    """A quotient rounded up, on the host."""
    if count.is_const:
        return [], Affine.of(-(-count.value // divisor))
    blocks = Var("blocks", INT64, (0, None))
    up = Index(count + (divisor - 1))
    value = Apply("floor_divide", (up, Const(divisor, INT64)), INT64)
    return [Let(blocks, value)], Affine.of(blocks)


# --- one block for each row -------------------------------------------------------------------------------------------


def shares_rows(loops: Sequence[For], inner: Sequence[Stmt]) -> bool:
    """Whether blocks of threads that share the inner loops are better than a thread for each row."""
    lengths = [length for s in inner if isinstance(s, For) and (length := inner_length(s))]
    if not lengths or max(lengths) < WARP:
        return False
    rows = prod(e.value if (e := loop.stop - loop.start).is_const else MANY_ROWS for loop in loops)
    if rows >= MANY_ROWS * WARP and max(lengths) < BLOCK:
        return False
    return rows < MANY_ROWS or not side_by_side(loops[-1], inner)


def inner_length(loop: For) -> int:
    """Iterations that threads could share, at this level; 0 if they depend on each other."""
    if not (is_parallel(loop) or loop.label == "reduce"):
        return 0
    total = 1
    node: Stmt = loop
    while isinstance(node, For) and (is_parallel(node) or node.label == "reduce"):
        extent = node.stop - node.start
        total *= extent.value if extent.is_const else BLOCK
        if len(node.body) != 1:
            break
        node = node.body[0]
    return total


def side_by_side(row: For, inner: Sequence[Stmt]) -> bool:
    """Whether neighbouring rows read neighbouring elements."""
    strides = [
        (abs(load.offset.coeff(row.var)), load.dtype.itemsize) for s in walk(list(inner)) for load in loads(s)
    ]
    moving = [(stride, size) for stride, size in strides if stride]
    return bool(moving) and all(stride <= size for stride, size in moving)


def _rows(source: For, loops: list[For], inner: list[Stmt], before: list[Let]) -> Made | None:
    extents = [loop.stop - loop.start for loop in loops]
    if any(_depends(e, before) for e in extents):
        return None
    host, count, total = counted(extents)
    if total == 0:
        return [], []
    longest = max(inner_length(s) for s in inner if isinstance(s, For))
    threads = max(WARP, min(BLOCK, 1 << (longest - 1).bit_length()))
    block = _block_var(count)
    known = [*before, *positions(loops, extents, Affine.of(block), total)]
    phases = in_phases(inner, [s for s in known if isinstance(s, Let)], threads)
    if phases is None:
        return None
    share_locals(inner)
    loop = _launch(count, phases, block, [source])
    kernel = Kernel(loop, "block", threads, total, location([source]), moved([source]))
    return [*host, loop], [kernel]


# --- all statements of a piece by one block, long reductions by many --------------------------------------------------


def _together(piece: Piece) -> Made | None:
    loops = [s for s in piece.body if isinstance(s, For)]
    if not loops or max(map(inner_length, loops)) < WARP:
        return None
    first, body = many_blocks(piece.body)
    phases = in_phases(body, [], BLOCK)
    if phases is None:
        return None
    share_locals(body)
    blocks = Affine.of(1)
    made: list[Stmt] = []
    kernels: list[Kernel] = []
    if first is not None:
        made.append(first)
        kernels.append(Kernel(first, "block", BLOCK, None, location(piece.body)))
    loop = _launch(blocks, phases, _block_var(blocks), piece.body)
    return [*made, loop], [*kernels, Kernel(loop, "block", BLOCK, None, location(piece.body))]


def share_locals(body: Sequence[Stmt]) -> None:
    """Automatic memory becomes memory of the block."""
    for buffer in {b for s in walk(list(body)) for b in buffers(s)}:
        if buffer.space is Space.LOCAL:
            buffer.space = Space.SHARED
