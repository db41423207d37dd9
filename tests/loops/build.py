"""Small loop IR by hand, and running it: arrays in, arrays and slots out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.interpreter import Outcome, interpret, region_of
from pydsl.loops.ir import (
    Apply,
    Assign,
    Buffer,
    Const,
    Contract,
    Expr,
    For,
    Gemm,
    Index,
    Load,
    LoopFunction,
    Read,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.verifier import verify
from pydsl.loops.walk import buffers as used_buffers
from pydsl.loops.walk import walk
from pydsl.lowering.memory import plan_memory

F64, F32, I64, BOOL = (np.dtype(t) for t in (np.float64, np.float32, np.int64, np.bool_))


def var(name: str, dtype: np.dtype[Any] = I64, low: int | None = None, high: int | None = None) -> Var:
    return Var(name, dtype, (low, high))


def sym(x: Any) -> Affine:
    return Affine.of(x)


def arg(name: str, slot: int, dtype: np.dtype[Any] = F64, readonly: bool = False) -> Buffer:
    return Buffer(name, Space.ARG, dtype, slot=slot, readonly=readonly)


def temp(name: str, elements: int, dtype: np.dtype[Any] = F64, space: Space = Space.ARENA) -> Buffer:
    return Buffer(name, space, dtype, Affine.of(elements * dtype.itemsize))


def load(buffer: Buffer, offset: Any) -> Load:
    return Load(buffer, sym(offset), buffer.dtype)


def store(buffer: Buffer, offset: Any, value: Expr) -> Store:
    return Store(buffer, sym(offset), value)


def const(value: Any, dtype: np.dtype[Any] = F64) -> Const:
    return Const(value, dtype)


def apply(name: str, *args: Expr, dtype: np.dtype[Any] | None = None, **flags: bool) -> Apply:
    return Apply(name, args, dtype or args[0].dtype, **flags)


def add(a: Expr, b: Expr) -> Apply:
    return apply("add", a, b)


def mul(a: Expr, b: Expr) -> Apply:
    return apply("multiply", a, b)


def loop(index: Var, stop: Any, *body: Stmt, start: Any = 0, **more: Any) -> For:
    return For(index, sym(start), sym(stop), list(body), **more)


def bump(accumulator: Var, value: Expr) -> Assign:
    return Assign(accumulator, add(Read(accumulator), value))


def index(expr: Any) -> Index:
    return Index(sym(expr))


def function(
    body: Sequence[Stmt],
    scalars: Sequence[tuple[Var, int]] = (),
    slots: int = 16,
    more: Sequence[Buffer] = (),
) -> LoopFunction:
    """A function with the buffers that its statements use; temporaries are placed."""
    body = list(body)
    plan, used = plan_memory(body)
    used = list(dict.fromkeys([*used, *more]))
    return LoopFunction("f", body, list(scalars), used, slots, slots, [], plan.arena)


@dataclass
class Run:
    """What a run left behind: the arrays, the slots, how it ended."""

    arrays: list[np.ndarray[Any, Any]]
    slots: np.ndarray[Any, Any]
    outcome: Outcome

    def same(self, other: Run) -> None:
        assert self.outcome.status == other.outcome.status
        for mine, its in zip(self.arrays, other.arrays, strict=True):
            np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(self.slots, other.slots)


def run(
    body: Sequence[Stmt] | LoopFunction,
    arrays: Sequence[np.ndarray[Any, Any]],
    scalars: Sequence[tuple[Var, int]] = (),
    *,
    backwards: bool = False,
    check: bool = True,
) -> Run:
    """Runs statements on copies of arrays; the slots hold the arrays, then the scalars.

    Parameters
    ----------
    scalars: variables with their values.
    check: whether the verifier runs first.
    """
    first = len(arrays)
    made = (
        body
        if isinstance(body, LoopFunction)
        else function(body, [(v, first + k) for k, (v, _) in enumerate(scalars)])
    )
    if check:
        verify(made)
    mine = [array.copy() for array in arrays]
    slots = np.zeros(made.n_slots + 8, np.int64)
    for k, (_, value) in enumerate(scalars):
        slots[first + k] = value
    outcome = interpret(made, slots, {k: region_of(a) for k, a in enumerate(mine)}, backwards=backwards)
    return Run(mine, slots, outcome)


def stores_to(body: list[Stmt], buffer: Buffer) -> int:
    """How many statements write to a buffer."""
    return sum(
        (isinstance(s, Store) and s.buffer is buffer) or (isinstance(s, Gemm) and s.c is buffer)
        for s in walk(body)
    )


def uses(body: list[Stmt], buffer: Buffer) -> int:
    return sum(b is buffer for s in walk(body) for b in used_buffers(s))


def loops_of(body: list[Stmt]) -> list[For]:
    return [s for s in walk(body) if isinstance(s, For)]


__all__ = [name for name in dir() if not name.startswith("_")] + ["Contract"]
