"""The memory accesses below a loop, with the ranges of the variables that vary inside it.

An address that the loop changes in a way that is not affine (an index that was loaded, a product of two things that
vary) becomes affine over a new variable that may have any value within its bounds: the answer to every question about
it is then one for the worst case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydsl.analysis.dependence import Access
from pydsl.analysis.strides import Bound
from pydsl.ir.affine import Affine, Range
from pydsl.loops.ir import (
    INT64,
    Alloc,
    AllocResult,
    Buffer,
    CallPython,
    Contract,
    Copy,
    Declare,
    For,
    Gemm,
    Index,
    Let,
    Product,
    Release,
    SetPointer,
    Stmt,
    Store,
    Var,
    While,
    substitute_index,
)
from pydsl.loops.walk import blocks, loads

Ranges: TypeAlias = dict[Any, tuple[Bound, Bound]]
"""First and last value of each variable that varies."""

_OPAQUE: dict[type[Stmt], str] = {
    Copy: "a copy",
    CallPython: "a call of a Python function",
    SetPointer: "an array that changes its memory",
    Alloc: "an allocation",
    AllocResult: "an allocation",
    Release: "the end of an array's life",
    While: "a while loop",
}


@dataclass(frozen=True, eq=False)
class Use:
    """One access.

    loops: the loops around it, from the root inwards.
    ranges: first and last value of every variable that varies inside the root.
    order: position in program order; what one statement reads comes before what it writes.
    """

    buffer: Buffer
    access: Access
    writes: bool
    ranges: Ranges
    loops: tuple[For, ...]
    order: int

    def __str__(self) -> str:
        what = "the store to" if self.writes else "the load of"
        return f"{what} @{self.buffer.name}[{self.access.address.text(_name)}]"


def _name(symbol: object) -> str:
    return symbol.name if isinstance(symbol, Var) else str(symbol)


class Uses:
    """All accesses below some statements that run one after the other, each place once for each way of access.

    repeated: keep every access, also one that stands in the text again.
    opaque: what hinders knowing all accesses; empty where they are known.
    symbols: bounds of the variables that do not vary.
    """

    def __init__(self, root: Sequence[Stmt], *, repeated: bool = False) -> None:
        self._repeated = repeated
        self.by_buffer: dict[Buffer, list[Use]] = defaultdict(list)
        self.opaque = ""
        self.symbols: dict[Any, Range] = {}
        self._order = 0
        self._varying: set[Var] = set()
        self._same: dict[Var, Affine] = {}
        self._seen: set[tuple[Buffer, Affine, int, bool, tuple[For, ...]]] = set()
        self._body(root, {}, ())

    # --- statements -----------------------------------------------------------------------------------------

    def _body(self, body: Iterable[Stmt], ranges: Ranges, loops: tuple[For, ...]) -> None:
        for stmt in body:
            for load in loads(stmt):
                self._use(load.buffer, load.offset, load.dtype.itemsize, False, ranges, loops)
            match stmt:
                case For():
                    inner = {**ranges, stmt.var: self._range(stmt, ranges)}
                    self._body(stmt.body, inner, (*loops, stmt))
                case Let() | Declare():
                    self._declare(stmt, ranges)
                case Store():
                    self._use(stmt.buffer, stmt.offset, stmt.value.dtype.itemsize, True, ranges, loops)
                case Contract():
                    self._contract(stmt, ranges, loops)
                case Gemm():
                    self._gemm(stmt, ranges, loops)
                case _:
                    self.opaque = self.opaque or _OPAQUE.get(type(stmt), "")
                    for block in blocks(stmt):
                        self._body(block, ranges, loops)

    def _declare(self, stmt: Let | Declare, ranges: Ranges) -> None:
        self._varying.add(stmt.var)
        if isinstance(stmt, Let) and isinstance(stmt.value, Index) and not isinstance(stmt.var, Product):
            self._same[stmt.var] = substitute_index(stmt.value.expr, self._same)
        else:
            self._same.pop(stmt.var, None)

    def _contract(self, stmt: Contract, ranges: Ranges, loops: tuple[For, ...]) -> None:
        a = [(extent, stride) for _, extent, stride in stmt.m] + [(extent, s) for extent, s, _ in stmt.k]
        b = [stmt.n[1:], *[(extent, s) for extent, _, s in stmt.k]]
        for buffer, offset, dims in ((stmt.a, stmt.a_offset, a), (stmt.b, stmt.b_offset, b)):
            inner = dict(ranges)
            for extent, stride in dims:
                var = Var("d", stmt.n[0].dtype)
                inner[var] = (0, extent - 1)
                offset = offset + Affine.of(var) * stride
            self._use(buffer, offset, stmt.dtype.itemsize, False, inner, loops)
        inner = dict(ranges)
        for var, extent, _ in (*stmt.m, stmt.n):
            inner[var] = (0, extent - 1)
        self._body(stmt.epilogue, inner, loops)

    def _gemm(self, stmt: Gemm, ranges: Ranges, loops: tuple[For, ...]) -> None:
        a, b = (stmt.m, stmt.k), (stmt.k, stmt.n)
        operands = (
            (stmt.a, stmt.a_offset, stmt.lda, a[::-1] if stmt.trans_a else a, False),
            (stmt.b, stmt.b_offset, stmt.ldb, b[::-1] if stmt.trans_b else b, False),
            (stmt.c, stmt.c_offset, stmt.ldc, (stmt.m, stmt.n), True),
        )
        itemsize = stmt.dtype.itemsize
        for buffer, offset, lead, (rows, columns), writes in operands:
            if not (lead.is_const and rows.is_const and columns.is_const):
                self.opaque = self.opaque or "a library call of a size known at run time only"
                return
            row, column = Var("row", INT64), Var("column", INT64)
            inner = {**ranges, row: (0, rows.value - 1), column: (0, columns.value - 1)}
            place = offset + Affine.of(row) * (lead.value * itemsize) + Affine.of(column) * itemsize
            self._use(buffer, place, itemsize, writes, inner, loops)

    # --- ranges and addresses -------------------------------------------------------------------------------

    def _range(self, loop: For, ranges: Ranges) -> tuple[Bound, Bound]:
        first, last = self._bound(loop.start, ranges, 0), self._bound(loop.stop - 1, ranges, 1)
        if first is None:
            first = loop.var.bounds[0]
        if last is None:
            last = loop.var.bounds[1]
        return first, last

    def _bound(self, expr: Affine, ranges: Ranges, end: int) -> Bound:
        """An integer; an expression over what does not vary; or, if it varies, the most that it can be."""
        if expr.is_const:
            return expr.const
        expr = substitute_index(expr, self._same) if self._same else expr
        if not any(self._moves(symbol, ranges) for symbol in expr.symbols()):
            self._note(expr)
            return expr
        known: dict[Any, Range] = {}
        for symbol in expr.symbols():
            assert isinstance(symbol, Var)
            low, high = ranges.get(symbol, symbol.bounds)
            known[symbol] = (low if isinstance(low, int) else None, high if isinstance(high, int) else None)
        return expr.bounds(known)[end]

    def _note(self, expr: Affine) -> None:
        """Notes the bounds of the symbols of something that does not vary."""
        for symbol in expr.symbols():
            if isinstance(symbol, Product):
                self._note(symbol.stride)
                self._note(Affine.of(symbol.factor))
            elif isinstance(symbol, Var) and symbol.bounds != (None, None):
                self.symbols[symbol] = symbol.bounds

    def _moves(self, symbol: object, ranges: Ranges) -> bool:
        """Whether a symbol has more than one value while the root runs."""
        if isinstance(symbol, Product):
            parts = (symbol.factor, *symbol.stride.symbols())
            return any(self._moves(part, ranges) for part in parts)
        return symbol in ranges or symbol in self._varying

    def _affine(self, symbol: object, ranges: Ranges) -> bool:
        """Whether a symbol moves only with loops, and by the same amount in each iteration."""
        if symbol in ranges or not self._moves(symbol, ranges):
            return True
        return (
            isinstance(symbol, Product)
            and symbol.factor in ranges
            and not any(self._moves(part, ranges) for part in symbol.stride.symbols())
        )

    def _use(
        self,
        buffer: Buffer,
        offset: Affine,
        itemsize: int,
        writes: bool,
        ranges: Ranges,
        loops: tuple[For, ...],
    ) -> None:
        self._order += 1
        offset = substitute_index(offset, self._same) if self._same and not offset.is_const else offset
        for symbol, coeff in offset.terms:
            if symbol in ranges:
                continue
            if not self._affine(symbol, ranges):
                assert isinstance(symbol, Var)
                unknown = Var("unknown", symbol.dtype)
                ranges = {**ranges, unknown: symbol.bounds}
                offset = offset.without([symbol]) + Affine.of(unknown) * coeff
            elif isinstance(symbol, Product):
                self._note(Affine.of(symbol.factor) if symbol.factor not in ranges else Affine.of(0))
                self._note(symbol.stride)
            else:
                self._note(Affine.of(symbol))
        key = (buffer, offset, itemsize, writes, loops)
        if self._repeated or key not in self._seen:
            self._seen.add(key)
            self.by_buffer[buffer].append(
                Use(buffer, Access(offset, itemsize), writes, ranges, loops, self._order)
            )
