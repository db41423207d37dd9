"""Which loops carry dependences: every pair of accesses below a loop of which one writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from pydsl.analysis.dependence import Access, Dependence, distances
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Assign,
    Break,
    Buffer,
    Contract,
    Copy,
    Declare,
    Fail,
    For,
    Gemm,
    Let,
    Product,
    Release,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    Var,
    While,
)
from pydsl.loops.walk import blocks, loads

Range = tuple[int | None, int | None]


@dataclass(frozen=True)
class _Use:
    access: Access
    writes: bool
    ranges: dict[Var, Range]


@dataclass(frozen=True)
class Carried:
    """A dependence between iterations of a loop. ``distance`` counts iterations, from the write to the other access."""

    buffer: Buffer | None
    kind: str  # RAW, WAR, WAW, or a reason in words where nothing is known
    distance: Dependence | None = None


def independent(loop: For) -> bool:
    """Whether no iteration of the loop touches memory that another iteration writes."""
    return next(carried(loop), None) is None


def carried(loop: For) -> Iterator[Carried]:
    """The dependences between iterations of a loop that memory carries."""
    collector = _Collector(loop)
    if collector.opaque:
        yield Carried(None, "a call, a copy or an allocation inside")
        return
    for buffer, uses in collector.uses.items():
        writes = [u for u in uses if u.writes]
        if not writes:
            continue
        if buffer.space is Space.POINTER or any(b.space is Space.POINTER for b in collector.uses if b is not buffer and _alias(b, buffer)):
            yield Carried(buffer, "it may be the same memory as another array")
            continue
        for write in writes:
            for other in uses:
                found = distances(write.access, other.access, (loop.var,), write.ranges, other.ranges)
                if not found.only_same_iteration:
                    later = any(signs[0] > 0 for signs in found.directions())
                    yield Carried(buffer, "WAW" if other.writes else "RAW" if later else "WAR", found)


def _alias(pointer: Buffer, buffer: Buffer) -> bool:
    return pointer.space is Space.POINTER and (not pointer.targets or buffer in pointer.targets or any(_alias(t, buffer) for t in pointer.targets))


def only_scalar_work(loop: For) -> bool:
    """Whether the body assigns no outer variable and cannot leave the loop, so that iterations may run on threads."""
    inside: set[Var] = {loop.var}

    def visit(body: list[Stmt]) -> bool:
        for stmt in body:
            if isinstance(stmt, (Declare, Let)):
                inside.add(stmt.var)
            elif isinstance(stmt, For):
                inside.add(stmt.var)
            elif isinstance(stmt, Assign) and stmt.var not in inside:
                return False
            elif isinstance(stmt, (Fail, Return, Alloc, AllocResult, Release, SetPointer, Break, While)):
                return False
            if not all(visit(inner) for inner in blocks(stmt)):
                return False
        return True

    return visit(loop.body)


class _Collector:
    """All accesses below a loop, with the ranges of the variables that vary inside it."""

    def __init__(self, loop: For) -> None:
        self.uses: dict[Buffer, list[_Use]] = defaultdict(list)
        self.opaque = False
        self.loop = loop
        ranges: dict[Var, Range] = {loop.var: _range(loop)}
        self.varying: set[Var] = set()
        self._visit(loop.body, ranges)

    def _visit(self, body: list[Stmt], ranges: dict[Var, Range]) -> None:
        for stmt in body:
            for load in loads(stmt):
                self._use(load.buffer, load.offset, load.dtype.itemsize, False, ranges)
            match stmt:
                case For():
                    self._visit(stmt.body, {**ranges, stmt.var: _range(stmt)})
                    continue
                case Let() | Declare():
                    self.varying.add(stmt.var)
                case Store():
                    self._use(stmt.buffer, stmt.offset, stmt.value.dtype.itemsize, True, ranges)
                case Contract():
                    inner = dict(ranges)
                    for var, extent, _ in (*stmt.m, stmt.n):
                        inner[var] = (0, extent - 1)
                    self._operand(stmt.a, stmt.a_offset, [(e, s) for _, e, s in stmt.m] + [(e, a) for e, a, _ in stmt.k], stmt, ranges)
                    self._operand(stmt.b, stmt.b_offset, [(stmt.n[1], stmt.n[2])] + [(e, b) for e, _, b in stmt.k], stmt, ranges)
                    self._visit(stmt.epilogue, inner)
                    continue
                case Gemm() | Copy() | SetPointer() | Alloc() | AllocResult() | While():
                    self.opaque = True
                case _:
                    pass
            for inner_body in blocks(stmt):
                self._visit(inner_body, ranges)

    def _operand(self, buffer: Buffer, offset: Affine, dims: list[tuple[int, int]], stmt: Contract, ranges: dict[Var, Range]) -> None:
        inner = dict(ranges)
        for extent, stride in dims:
            var = Var("d", stmt.acc.dtype)
            inner[var] = (0, extent - 1)
            offset = offset + Affine.of(var) * stride
        self._use(buffer, offset, stmt.dtype.itemsize, False, inner)

    def _use(self, buffer: Buffer, offset: Affine, itemsize: int, writes: bool, ranges: dict[Var, Range]) -> None:
        for symbol in offset.symbols():
            base = symbol
            while isinstance(base, Product):
                base = base.factor
            if base in self.varying or (isinstance(symbol, Product) and base in ranges):
                # an address that varies inside the loop in a way that is not affine: it may be anything
                unknown = Var("unknown", symbol.dtype)
                offset = offset + Affine.of(unknown)
                ranges = {**ranges, unknown: (None, None)}
                break
        self.uses[buffer].append(_Use(Access(offset, itemsize), writes, ranges))


def _range(loop: For) -> Range:
    low = loop.start.value if loop.start.is_const else loop.var.bounds[0]
    high = loop.stop.value - 1 if loop.stop.is_const else loop.var.bounds[1]
    return low, high
