"""Reductions by a block of threads: partial results of the threads, then a tree in shared memory.

An accumulator is one variable with an operation that may be applied in any order, or a compensated sum of two variables
(see `pydsl.lowering.reductions`).

Before::

    var acc = 0.0
    for r in [0, 1000) label reduce: acc = add(acc, @x[8*r])

After::

    for t in [0, 256) thread
      var acc = 0.0
      for k in [0, 4): if 256*k + t < 1000: acc = add(acc, @x[...])
      @part[8*t] = acc
    for t in [0, 128) thread: @part[8*t] = add(@part[8*t], @part[8*t + 1024])
    ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydsl.fusion.reduction import REDUCTION_OPS, identity
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Apply,
    Assign,
    Buffer,
    Const,
    Declare,
    Expr,
    For,
    Let,
    Load,
    Read,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.walk import expressions, subexpressions, walk

BOOL = np.dtype(np.bool_)
_NAMES = {op: name for name, op in reversed(REDUCTION_OPS.items())}
_ANY_ORDER = {"maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or"}


@dataclass(frozen=True)
class Accumulator:
    """A variable that a loop reduces into; with ``lost``, the compensation of its sum."""

    var: Var
    op: str
    lost: Var | None = None

    @property
    def variables(self) -> tuple[Var, ...]:
        return (self.var,) if self.lost is None else (self.var, self.lost)

    def start(self) -> list[Stmt]:
        """Declares the variables with the neutral element."""
        return [Declare(v, identity(_NAMES[self.op], v.dtype)) for v in self.variables]

    def merged(self, ours: Sequence[Expr], theirs: Sequence[Expr]) -> tuple[list[Stmt], list[Expr]]:
        """Two partial results as one."""
        dtype = self.var.dtype
        if self.lost is None:
            return [], [Apply(self.op, (ours[0], theirs[0]), dtype, reassoc=False)]
        a, b, total = Var("a", dtype), Var("b", dtype), Var("total", dtype)
        c, d = Var("c", dtype), Var("d", dtype)

        def add(x: Expr, y: Expr) -> Expr:
            return Apply("add", (x, y), dtype)

        def sub(x: Expr, y: Expr) -> Expr:
            return Apply("subtract", (x, y), dtype)

        # the error of a sum, whichever is larger (Knuth)
        stmts: list[Stmt] = [
            Let(a, ours[0]),
            Let(b, theirs[0]),
            Let(total, add(Read(a), Read(b))),
            Let(c, sub(Read(total), Read(a))),
            Let(d, sub(Read(total), Read(c))),
        ]
        error = add(sub(Read(a), Read(d)), sub(Read(b), Read(c)))
        return stmts, [Read(total), add(add(ours[1], theirs[1]), error)]


def accumulators(loop: For) -> list[Accumulator] | None:
    """What a loop reduces into; None if it does anything else to variables outside, or writes memory."""
    if loop.label != "reduce" and not loop.independent:
        return None
    inside = {s.var for s in walk([loop]) if isinstance(s, (Let, Declare, For))}
    assigns = [s for s in walk([loop]) if isinstance(s, Assign) and s.var not in inside]
    if not assigns or any(isinstance(s, Store) for s in walk([loop])):
        return None
    if len({s.var for s in assigns}) != len(assigns):
        return None
    found: list[Accumulator] = []
    lost: Assign | None = None
    for assign in assigns:
        if _is_lost(assign) and assign is not assigns[-1]:
            lost = assign
            continue
        if lost is not None:
            if not isinstance(assign.value, Read):
                return None
            found.append(Accumulator(assign.var, "add", lost.var))
            lost = None
            continue
        step = assign.value
        if not isinstance(step, Apply) or step.name not in _NAMES or len(step.args) != 2:
            return None
        if sum(isinstance(a, Read) and a.var is assign.var for a in step.args) != 1:
            return None
        if not (step.reassoc or step.name in _ANY_ORDER or step.dtype.kind in "biu"):
            return None
        found.append(Accumulator(assign.var, step.name))
    if lost is not None or any(_others(loop, a) for a in found):
        return None
    return found


def _is_lost(assign: Assign) -> bool:
    """Whether an assignment is the compensation of a compensated sum."""
    return assign.var.name == "lost" and isinstance(assign.value, Apply) and assign.value.name == "add"


def _others(loop: For, accumulator: Accumulator) -> bool:
    """Whether an accumulator is read in any way but by its own step."""
    allowed = 1 if accumulator.lost is None else None
    reads = sum(
        isinstance(node, Read) and node.var is accumulator.var
        for stmt in walk([loop])
        for top in expressions(stmt)
        for node in subexpressions(top)
    )
    return allowed is not None and reads != allowed


class Parts:
    """Shared memory for the partial results of one accumulator, one cell for each thread."""

    def __init__(self, accumulator: Accumulator, threads: int) -> None:
        self.accumulator = accumulator
        self.threads = threads
        self.buffers = [
            Buffer("part", Space.SHARED, v.dtype, Affine.of(threads * v.dtype.itemsize))
            for v in accumulator.variables
        ]

    @property
    def nbytes(self) -> int:
        return sum(self.threads * b.dtype.itemsize for b in self.buffers)

    def keep(self, thread: Var) -> list[Stmt]:
        """A thread's own partial result goes to its cell."""
        return [
            Store(b, Affine.of(thread) * b.dtype.itemsize, Read(v))
            for b, v in zip(self.buffers, self.accumulator.variables, strict=True)
        ]

    def merge(self, thread: Var, distance: int) -> list[Stmt]:
        """The cell at a distance is added to the thread's own."""
        stmts, values = self.accumulator.merged(self._at(thread, 0), self._at(thread, distance))
        temporaries = [Var("merged", b.dtype) for b in self.buffers]
        return [
            *stmts,
            *(Let(v, value) for v, value in zip(temporaries, values, strict=True)),
            *(
                Store(b, Affine.of(thread) * b.dtype.itemsize, Read(v))
                for b, v in zip(self.buffers, temporaries, strict=True)
            ),
        ]

    def _at(self, thread: Var, distance: int) -> list[Expr]:
        return [Load(b, (Affine.of(thread) + distance) * b.dtype.itemsize, b.dtype) for b in self.buffers]

    def results(self, first: Expr | None = None) -> list[Let]:
        """The variables of the accumulator with the final result, for a later phase.

        Parameters
        ----------
        first: what the accumulator began with, if that is not the neutral element.
        """
        found = []
        for v, b in zip(self.accumulator.variables, self.buffers, strict=True):
            value: Expr = Load(b, Affine.of(0), v.dtype)
            found.append(
                Let(v, value if first is None else Apply(self.accumulator.op, (first, value), v.dtype))
            )
        return found


def neutral(value: Expr, accumulator: Accumulator) -> bool:
    """Whether an accumulator begins with the neutral element."""
    if not isinstance(value, Const):
        return False
    wanted = identity(_NAMES[accumulator.op], accumulator.var.dtype).value
    return bool(value.value == wanted or (np.isnan(value.value) and np.isnan(wanted)))


def widths(threads: int) -> list[int]:
    """The number of merging threads at each step of the tree, for a power of two of threads."""
    return [threads >> k for k in range(1, threads.bit_length())]
