"""Kernels whose threads work together: one block of threads for each point of the outer loops, in phases.

Before::

    for i in [0, 50) independent
      var acc = -inf
      for r in [0, 1000) label reduce: acc = maximum(acc, @x[4000*i + 4*r])
      for j in [0, 1000) independent: @y[4000*i + 4*j] = subtract(@x[4000*i + 4*j], acc)

After: threads share the inner loops, a barrier (the end of a thread loop) separates what depends on each other::

    for b in [0, 50) block
      for t in [0, 256) thread: partial maxima to @part         (reduce.py)
      for t in [0, 128) thread: ...                             the tree
      for t in [0, 256) thread: let acc = @part[0]; for k in [0, 4): ... @y[...] = ...

Scalars are computed by every thread that needs them; what could have changed in between is kept in shared memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.gpu.pieces import is_parallel, references
from pydsl.loops.gpu.positions import counted, perfect, positions, spreads
from pydsl.loops.gpu.reduce import Accumulator, Parts, accumulators, neutral, widths
from pydsl.loops.ir import (
    INT64,
    Apply,
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
    cell_bytes,
)
from pydsl.loops.walk import buffers, loads, subexpressions, walk

BOOL = np.dtype(np.bool_)
MOST_SHARED = 40 << 10
"""Bytes of shared memory that a block may take."""


class Refused(Exception):  # noqa: N818
    """The statements cannot be shared among the threads of a block."""


def in_phases(body: Sequence[Stmt], known: Sequence[Let], threads: int) -> list[Stmt] | None:
    """The thread loops that do what statements do one after the other; None where that cannot be.

    Parameters
    ----------
    known: scalars that every thread computes for itself first.
    threads: a power of two.
    """
    try:
        phases = _Phases(body, known, threads)
        phases.run()
        return phases.out
    except Refused:
        return None


class _Phases:
    def __init__(self, body: Sequence[Stmt], known: Sequence[Let], threads: int) -> None:
        self.body = list(body)
        self.threads = threads
        self.known: list[Let] = list(known)
        self.out: list[Stmt] = []
        self.start: dict[Var, Expr] = {}
        self.stores: list[Stmt] = []  # scalar statements that wait for a phase of one thread
        self.written = {s.buffer for s in walk(self.body) if isinstance(s, Store)}
        self.bytes = self._locals()

    def run(self) -> None:
        for stmt in self.body:
            match stmt:
                case Let():
                    self._let(stmt)
                case Declare():
                    self.start[stmt.var] = stmt.value
                case Store():
                    self.stores.append(stmt)
                case For():
                    self._loop(stmt)
                case If() if not any(isinstance(s, For) for s in walk([stmt])) and spreads_all(stmt):
                    self.stores.append(stmt)
                case _:
                    raise Refused
        self._flush()
        if self.bytes > MOST_SHARED:
            raise Refused

    # --- scalars --------------------------------------------------------------------------------------------

    def _let(self, stmt: Let) -> None:
        if any(load.buffer in self.written for load in loads(stmt)):
            cell = self._cell(stmt.var)
            self.stores.append(Let(stmt.var, stmt.value))
            self.stores.append(Store(cell, Affine.of(0), Read(stmt.var)))
            self._flush()
            self.known.append(Let(stmt.var, Load(cell, Affine.of(0), stmt.var.dtype)))
            return
        self.known.append(stmt)

    def _cell(self, var: Var) -> Buffer:
        size = cell_bytes(var.dtype)
        self.bytes += 16
        return Buffer("cell", Space.SHARED, var.dtype, Affine.of(size))

    # --- phases ---------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """One thread does the scalar statements that wait."""
        if self.stores:
            waiting, self.stores = self.stores, []
            self._phase(Var("t", INT64, (0, 0)), 1, waiting)

    def _phase(self, thread: Var, width: int, body: Sequence[Stmt]) -> None:
        """A thread loop; the scalars that its body needs are computed in it."""
        declared = {s.var for s in walk(list(body)) if isinstance(s, (Let, Declare, For))}
        wanted = {v for s in body for v in references(s)} - declared
        before: list[Let] = []
        for let in reversed(self.known):
            if let.var in wanted:
                before.append(let)
                wanted.update(references(let))
        unknown = wanted & set(self.start)
        if unknown - {let.var for let in before}:
            raise Refused  # a variable that is assigned in a way that is no reduction
        self.out.append(
            For(
                thread,
                Affine.of(0),
                Affine.of(width),
                [*reversed(before), *body],
                LoopKind.THREAD,
                True,
            )
        )

    def _loop(self, loop: For) -> None:
        self._flush()
        if is_parallel(loop) and spreads(loop):
            loops, inner = perfect(loop)
            self._spread(loops, inner, [], [])
            return
        found = accumulators(loop)
        if found is None or any(not self._can_begin(a) for a in found):
            raise Refused
        loops, inner = _perfect_reduction(loop)
        parts = [Parts(a, self.threads) for a in found]
        self.bytes += sum(p.nbytes for p in parts)
        first = [s for a in found for s in a.start()]
        self._spread(loops, inner, first, parts)
        for width in widths(self.threads):
            thread = Var("t", INT64, (0, width - 1))
            self._phase(thread, width, [s for p in parts for s in p.merge(thread, width)])
        for part in parts:
            first_value = self.start[part.accumulator.var]
            self.known += part.results(None if neutral(first_value, part.accumulator) else first_value)

    def _can_begin(self, accumulator: Accumulator) -> bool:
        """Whether the first value is the neutral element, or can be added last."""
        first = self.start.get(accumulator.var)
        if first is None or any(isinstance(e, Load) for e in subexpressions(first)):
            return False
        return accumulator.lost is None or neutral(first, accumulator)

    def _spread(self, loops: list[For], inner: list[Stmt], first: list[Stmt], parts: list[Parts]) -> None:
        """The iterations of nested loops, ``threads`` of them at a time."""
        thread = Var("t", INT64, (0, self.threads - 1))
        extents = [loop.stop - loop.start for loop in loops]
        last = [s for p in parts for s in p.keep(thread)]
        before, count, total = counted(extents)
        if total is not None:
            turns = Affine.of(-(-total // self.threads))
        else:
            rounds = Var("turns", INT64, (0, None))
            up = Index(count + (self.threads - 1))
            before.append(Let(rounds, Apply("floor_divide", (up, Const(self.threads, INT64)), INT64)))
            turns = Affine.of(rounds)
        turn = Var("turn", INT64, (0, turns.value - 1 if turns.is_const else None))
        at = Affine.of(turn) * self.threads + Affine.of(thread)
        body: list[Stmt] = [*positions(loops, extents, at, total), *inner]
        if total is None or total % self.threads:
            body = [If(Apply("less", (Index(at), Index(count)), BOOL), body)]
        self._phase(thread, self.threads, [*first, *before, For(turn, Affine.of(0), turns, body), *last])

    # --- memory ---------------------------------------------------------------------------------------------

    def _locals(self) -> int:
        """Bytes of what was a thread's own memory and will be the block's."""
        found = {b for s in walk(self.body) for b in buffers(s) if b.space is Space.LOCAL}
        return sum(b.nbytes.value for b in found if b.nbytes is not None)


def spreads_all(stmt: Stmt) -> bool:
    """Whether a statement assigns nothing that is declared outside of it."""
    return spreads(For(Var("once", INT64), Affine.of(0), Affine.of(1), [stmt]))


def _perfect_reduction(loop: For) -> tuple[list[For], list[Stmt]]:
    """Reducing loops nested without anything between them."""
    loops = [loop]
    body = loop.body
    seen = {loop.var}
    while len(body) == 1 and isinstance(body[0], For) and body[0].label == "reduce":
        inner = body[0]
        if any(s in seen for e in (inner.start, inner.stop) for s in e.symbols()):
            break
        loops.append(inner)
        seen.add(inner.var)
        body = inner.body
    return loops, body
