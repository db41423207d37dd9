"""Statements: the nodes of the operation DAG.

Every tensor operation becomes one statement ``for v in space: dst[address(v)] = value(v)``: an iteration space, one
written access and a scalar expression over loads. The expression language is the loop IR's, with one addition,
:class:`IndexedLoad`, for addresses that depend on loaded indices. Index expressions are affine in the statement's own
variables and in scalar variables of the function.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.core import Op
from pydsl.ir.record import RECORDS, Cost
from pydsl.loops.ir import (
    Apply,
    Buffer,
    Const,
    DType,
    ErrorRecord,
    Expr,
    Index,
    Load,
    Product,
    Read,
    Var,
    substitute_index,
)


class StatementKind(enum.Enum):
    """How a statement runs over its space."""

    MAP = "map"  # one independent write per point
    REDUCE = "reduce"  # one write per point, a reduction over the reduce dims inside
    CONTRACT = "contract"  # like reduce, value is a product: may be register tiled or a library call
    SCATTER = "scatter"  # one write per point at a loaded address, in row-major order
    SCALAR = "scalar"  # binds a scalar variable; empty space
    CHECK = "check"  # raises unless a condition holds; over a space: unless it holds everywhere


@dataclass(frozen=True, eq=False)
class IndexedLoad(Expr):
    """The element at ``offset + sum(stride * index)``; an index is an int64 expression (negative ones are wrapped)."""

    buffer: Buffer
    offset: Affine
    terms: tuple[tuple[Expr, int], ...]
    dtype: DType


@dataclass(eq=False)
class Statement:
    """One node of the operation DAG.

    Parameters
    ----------
    kind: see :class:`StatementKind`.
    vars, extents: the parallel iteration space, row-major in the result's dimensions.
    reduce_vars, reduce_extents: the reduced dimensions.
    buffer, address, dtype: the written access (``address`` in bytes, affine in ``vars``); None for SCALAR and CHECK.
    terms: further address terms for SCATTER.
    value: what is written (or the scalar's value, or the checked condition).
    predicate: MAP only: write only where it is true.
    reduction: the reduction's kind.
    lane: REDUCE: the result dimension that runs inside the reduction, in strips; it has no loop of its own.
    scalar: SCALAR: the variable that is bound.
    error, payload: CHECK: what is raised.
    absorbed: the statements whose computation was inlined here (each with what it had absorbed before).
    notes: what a report should say about it: why its value is kept in memory, how it runs.
    """

    kind: StatementKind
    vars: tuple[Var, ...] = ()
    extents: tuple[Affine, ...] = ()
    reduce_vars: tuple[Var, ...] = ()
    reduce_extents: tuple[Affine, ...] = ()
    buffer: Buffer | None = None
    address: Affine = field(default_factory=lambda: Affine.of(0))
    dtype: DType | None = None
    terms: tuple[tuple[Expr, int], ...] = ()
    value: Expr | None = None
    predicate: Expr | None = None
    reduction: str = ""
    lane: Var | None = None
    scalar: Var | None = None
    error: ErrorRecord | None = None
    payload: tuple[Expr, ...] = ()
    op: Op | None = None
    name: str = ""
    absorbed: list[Statement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _loads: tuple[tuple[Expr, ...], list[Load | IndexedLoad]] | None = field(
        default=None, init=False, repr=False
    )

    @property
    def loc(self) -> SourceLocation | None:
        return self.op.loc if self.op is not None else None

    def expressions(self) -> Iterator[Expr]:
        """The top expressions of the statement."""
        if self.value is not None:
            yield self.value
        if self.predicate is not None:
            yield self.predicate
        yield from (index for index, _ in self.terms)
        yield from self.payload

    def loads(self) -> list[Load | IndexedLoad]:
        """Every load of the statement (shared nodes once), remembered: they never change, only which are there."""
        tops = tuple(self.expressions())
        if (
            self._loads is None
            or len(tops) != len(self._loads[0])
            or any(a is not b for a, b in zip(tops, self._loads[0], strict=True))
        ):
            found: list[Load | IndexedLoad] = []
            seen: set[int] = set()
            for expr in tops:
                _collect_loads(expr, seen, found)
            self._loads = (tops, found)
        return self._loads[1]

    def map_expressions(self, fn: Callable[[Expr], Expr]) -> None:
        """Replaces every top expression by ``fn`` of it."""
        if self.value is not None:
            self.value = fn(self.value)
        if self.predicate is not None:
            self.predicate = fn(self.predicate)
        self.terms = tuple((fn(index), stride) for index, stride in self.terms)
        self.payload = tuple(map(fn, self.payload))

    def scalar_uses(self) -> set[Var]:
        """Every variable that expressions, addresses and extents mention (the statement's own included)."""
        found: set[Var] = set()
        seen: set[int] = set()
        for expr in self.expressions():
            _variables(expr, found, seen)
        for affine in (self.address, *self.extents, *self.reduce_extents):
            _symbols(affine, found)
        return found

    @property
    def all_vars(self) -> tuple[Var, ...]:
        return self.vars + self.reduce_vars

    def ranges(self) -> dict[Any, tuple[int | None, int | None]]:
        """Inclusive ranges of all iteration variables (open where the extent is not constant)."""
        extents = self.extents + self.reduce_extents
        return {
            v: (0, e.const - 1 if e.is_const else None) for v, e in zip(self.all_vars, extents, strict=True)
        }

    def label(self) -> str:
        return self.name or (self.op.name if self.op is not None else self.kind.value)

    def __repr__(self) -> str:
        space = "x".join(map(str, self.extents))
        return f"<{self.kind.value} {self.label()} [{space}] {self.buffer or self.scalar or ''}>"


def _collect_loads(expr: Expr, seen: set[int], found: list[Load | IndexedLoad]) -> None:
    if id(expr) in seen:
        return
    seen.add(id(expr))
    if isinstance(expr, Apply):
        for arg in expr.args:
            if not isinstance(arg, (Const, Read, Index)):
                _collect_loads(arg, seen, found)
    elif isinstance(expr, Load):
        found.append(expr)
    elif isinstance(expr, IndexedLoad):
        found.append(expr)
        for index, _ in expr.terms:
            _collect_loads(index, seen, found)


def _symbols(expr: Affine, found: set[Var]) -> None:
    for symbol in expr.symbols():
        if isinstance(symbol, Product):
            found.add(symbol.factor)
            _symbols(symbol.stride, found)
        elif isinstance(symbol, Var):
            found.add(symbol)


def variables(expr: Expr) -> set[Var]:
    """The variables that an expression depends on."""
    found: set[Var] = set()
    _variables(expr, found, set())
    return found


def _variables(expr: Expr, found: set[Var], seen: set[int]) -> None:
    if id(expr) in seen:
        return
    seen.add(id(expr))
    if isinstance(expr, Read):
        found.add(expr.var)
    elif isinstance(expr, Index):
        _symbols(expr.expr, found)
    elif isinstance(expr, Apply):
        for arg in expr.args:
            _variables(arg, found, seen)
    elif isinstance(expr, (Load, IndexedLoad)):
        _symbols(expr.offset, found)
        if isinstance(expr, IndexedLoad):
            for index, _ in expr.terms:
                _variables(index, found, seen)


def rewrite(expr: Expr, leaf: Callable[[Expr], Expr | None], memo: dict[int, Expr] | None = None) -> Expr:
    """Rebuilds an expression bottom-up, sharing what is unchanged.

    ``leaf`` is asked first for every node: it returns a replacement (which is not entered), or None to descend.
    """
    memo = {} if memo is None else memo
    known = memo.get(id(expr))
    if known is not None:
        return known
    result = leaf(expr)
    if result is None:
        if isinstance(expr, Apply):
            args = tuple(rewrite(a, leaf, memo) for a in expr.args)
            changed = any(a is not b for a, b in zip(args, expr.args, strict=True))
            result = Apply(expr.name, args, expr.dtype, expr.reassoc, expr.contract) if changed else expr
        elif isinstance(expr, IndexedLoad):
            terms = tuple((rewrite(index, leaf, memo), stride) for index, stride in expr.terms)
            changed = any(a is not b for (a, _), (b, _) in zip(terms, expr.terms, strict=True))
            result = IndexedLoad(expr.buffer, expr.offset, terms, expr.dtype) if changed else expr
        else:
            result = expr
    memo[id(expr)] = result
    return result


def substitute(expr: Expr, mapping: dict[Any, Affine]) -> Expr:
    """Replaces index variables by index expressions throughout."""

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Load):
            return Load(node.buffer, substitute_index(node.offset, mapping), node.dtype)
        if isinstance(node, Index):
            return Index(substitute_index(node.expr, mapping))
        if isinstance(node, IndexedLoad):
            terms = tuple((substitute(index, mapping), stride) for index, stride in node.terms)
            return IndexedLoad(node.buffer, substitute_index(node.offset, mapping), terms, node.dtype)
        if isinstance(node, Read) and node.var in mapping:
            return Index(mapping[node.var])
        return None

    return rewrite(expr, leaf)


def cost(expr: Expr, seen: set[int] | None = None) -> int:
    """Cost of evaluating an expression once, in vector adds (shared nodes once; loads are cheap)."""
    seen = set() if seen is None else seen
    if id(expr) in seen:
        return 0
    seen.add(id(expr))
    if isinstance(expr, Apply):
        record = RECORDS.get(expr.name)
        own = record.cost if record is not None else Cost.CHEAP
        return int(own) + sum(cost(a, seen) for a in expr.args)
    if isinstance(expr, IndexedLoad):
        return 8 + sum(cost(index, seen) for index, _ in expr.terms)
    if isinstance(expr, (Const, Read, Index)):
        return 0
    return 1
