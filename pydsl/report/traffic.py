"""Bytes that a compiled function moves: by kernel, and the least that any program for the same task would move.

Counted on the final loop IR. A kernel reads and writes each byte once, however often its loops come back to it: what
is read again soon comes from a cache. So the sums are the traffic of a memory that is far away, which is what fusion
saves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.analysis.region import Region
from pydsl.ir.affine import Affine, Symbol
from pydsl.loops.ir import (
    Buffer,
    Contract,
    Copy,
    Expr,
    For,
    Gemm,
    Load,
    LoopFunction,
    Space,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.walk import blocks, expressions, subexpressions
from pydsl.report.footprint import Footprint

#: iterations that a user's loop of unknown length counts for
UNKNOWN_TRIPS = 1


@dataclass
class Touched:
    """What one kernel does to memory.

    trips: how often it runs.
    unknown: whether a loop has a length known at run time only, so that the bytes are not known.
    """

    reads: dict[Buffer, Footprint] = field(default_factory=dict)
    writes: dict[Buffer, Footprint] = field(default_factory=dict)
    trips: int = 1
    unknown: bool = False

    @property
    def read_bytes(self) -> int:
        return self.trips * sum(f.nbytes for f in self.reads.values())

    @property
    def written_bytes(self) -> int:
        return self.trips * sum(f.nbytes for f in self.writes.values())


@dataclass
class Traffic:
    """Bytes by kernel (0: outside of kernels) and the least possible.

    least_read: input bytes that are read before the function has written them; least_written: bytes written that the
    caller sees. rough: some region is not constant, so that numbers are estimates.
    """

    kernels: dict[int, Touched]
    least_read: int
    least_written: int
    rough: bool

    @property
    def moved(self) -> int:
        return sum(k.read_bytes + k.written_bytes for k in self.kernels.values())

    @property
    def least(self) -> int:
        return self.least_read + self.least_written


def traffic(function: LoopFunction, results: frozenset[int]) -> Traffic:
    """The traffic of a function.

    Parameters
    ----------
    results: slots of buffers that are new results rather than arguments.
    """
    return _Walk(results).run(function)


Dim = tuple[Affine, Affine]  # first value, number of values


class _Walk:
    def __init__(self, results: frozenset[int]) -> None:
        self.results = results
        self.kernels: dict[int, Touched] = {}
        self.inputs: dict[Buffer, Footprint] = {}
        self.written: dict[Buffer, Footprint] = {}
        self.rough = False
        self.around: dict[Var, Dim] = {}  # the user's loops

    def run(self, function: LoopFunction) -> Traffic:
        self._body(function.body, {}, 0, 1)
        visible = [f for b, f in self.written.items() if b.space in (Space.ARG, Space.GLOBAL, Space.RESULT)]
        footprints = [f for k in self.kernels.values() for f in (*k.reads.values(), *k.writes.values())]
        return Traffic(
            self.kernels,
            sum(f.nbytes for f in self.inputs.values()),
            sum(f.nbytes for f in visible),
            self.rough or any(f.rough for f in footprints),
        )

    def _body(self, body: list[Stmt], loops: dict[Var, Dim], kernel: int, trips: int) -> None:
        for stmt in body:
            self._stmt(stmt, loops, kernel, trips)

    def _stmt(self, stmt: Stmt, loops: dict[Var, Dim], kernel: int, trips: int) -> None:
        number = getattr(stmt, "kernel", 0) or kernel
        match stmt:
            case For() if stmt.label == "user":
                extent = stmt.stop - stmt.start
                count = extent.value if extent.is_const else UNKNOWN_TRIPS
                self.rough = self.rough or not extent.is_const
                self.around[stmt.var] = (stmt.start, extent)
                self._body(stmt.body, loops, kernel, trips * max(0, count))
                del self.around[stmt.var]
                return
            case For():
                inner = {**loops, stmt.var: (stmt.start, stmt.stop - stmt.start)}
                self._body(stmt.body, inner, number, trips)
                return
            case Contract():
                self._contract(stmt, loops, number, trips)
                return
            case Gemm():
                self._gemm(stmt, loops, number, trips)
            case Copy():
                byte = Affine.of(1)
                self._touch(stmt.src, stmt.src_offset, 1, loops, number, trips, False, ((stmt.nbytes, byte),))
                self._touch(stmt.dst, stmt.dst_offset, 1, loops, number, trips, True, ((stmt.nbytes, byte),))
            case _:
                for top in expressions(stmt):
                    self._loads(top, loops, number, trips)
        if isinstance(stmt, Store):
            self._touch(stmt.buffer, stmt.offset, stmt.value.dtype.itemsize, loops, number, trips, True)
        for block in blocks(stmt):
            self._body(block, loops, number, trips)

    def _loads(self, top: Expr, loops: dict[Var, Dim], kernel: int, trips: int) -> None:
        for expr in subexpressions(top):
            if isinstance(expr, Load):
                self._touch(expr.buffer, expr.offset, expr.dtype.itemsize, loops, kernel, trips, False)

    def _contract(self, stmt: Contract, loops: dict[Var, Dim], kernel: int, trips: int) -> None:
        zero, size = Affine.of(0), stmt.dtype.itemsize

        def dims(pairs: list[tuple[int, int]]) -> tuple[tuple[Affine, Affine], ...]:
            return tuple((Affine.of(extent), Affine.of(stride)) for extent, stride in pairs)

        left = dims([(e, s) for _, e, s in stmt.m] + [(e, a) for e, a, _ in stmt.k])
        right = dims([(stmt.n[1], stmt.n[2])] + [(e, b) for e, _, b in stmt.k])
        self._touch(stmt.a, stmt.a_offset, size, loops, kernel, trips, False, left)
        self._touch(stmt.b, stmt.b_offset, size, loops, kernel, trips, False, right)
        inner = {**loops, **{v: (zero, Affine.of(e)) for v, e, _ in (*stmt.m, stmt.n)}}
        self._body(stmt.epilogue, inner, kernel, trips)

    def _gemm(self, stmt: Gemm, loops: dict[Var, Dim], kernel: int, trips: int) -> None:
        size = stmt.dtype.itemsize
        unit = Affine.of(size)
        for buffer, offset, lead, rows, columns, writes in (
            (stmt.a, stmt.a_offset, stmt.lda, stmt.m, stmt.k, False),
            (stmt.b, stmt.b_offset, stmt.ldb, stmt.k, stmt.n, False),
            (stmt.c, stmt.c_offset, stmt.ldc, stmt.m, stmt.n, True),
        ):
            if (stmt.trans_a and buffer is stmt.a) or (stmt.trans_b and buffer is stmt.b):
                rows, columns = columns, rows
            shape = ((rows, lead * size), (columns, unit))
            self._touch(buffer, offset, size, loops, kernel, trips, writes, shape)

    def _touch(
        self,
        buffer: Buffer,
        offset: Affine,
        itemsize: int,
        loops: dict[Var, Dim],
        kernel: int,
        trips: int,
        writes: bool,
        more: tuple[tuple[Affine, Affine], ...] = (),
    ) -> None:
        """One access: ``more`` are dimensions (extent, stride) beside those of the loops."""
        touched = self.kernels.setdefault(kernel, Touched(trips=trips))
        side = touched.writes if writes else touched.reads
        size = buffer.nbytes.value if buffer.nbytes is not None and buffer.nbytes.is_const else None
        first: dict[Symbol, Affine | int] = {
            var: start for var, (start, _) in self.around.items()
        }  # each run moves as much as the first one
        region, limit = self._region(offset.substitute(first), itemsize, loops, more)
        touched.unknown = touched.unknown or any(not extent.is_const for _, extent in loops.values())
        if buffer not in side:
            side[buffer] = Footprint(size)
        side[buffer].add(region, limit=limit)
        if self.around:
            region, limit = self._region(offset, itemsize, {**self.around, **loops}, more)
        self._overall(buffer, size, region, limit, writes)

    def _region(
        self, offset: Affine, itemsize: int, loops: dict[Var, Dim], more: tuple[tuple[Affine, Affine], ...]
    ) -> tuple[Region | None, int | None]:
        """The region of an access under loops; where it is not constant, a bound on its bytes."""
        inside = [(var, dim) for var, dim in loops.items() if offset.coeff(var)]
        start = offset.substitute({var: first for var, (first, _) in inside})
        shape = tuple(extent for _, (_, extent) in inside) + tuple(extent for extent, _ in more)
        strides = tuple(Affine.of(offset.coeff(var)) for var, _ in inside) + tuple(s for _, s in more)
        if start.is_const and all(e.is_const for e in (*shape, *strides)):
            return Region(start, shape, strides, itemsize), None
        self.rough = True
        if any(symbol not in loops for symbol in start.symbols()):
            # an address that is loaded, or bound inside: it may move with every loop
            shape = tuple(extent for _, extent in loops.values()) + tuple(extent for extent, _ in more)
        return None, _points(shape) * itemsize

    def _overall(
        self, buffer: Buffer, size: int | None, region: Region | None, limit: int | None, writes: bool
    ) -> None:
        if writes:
            self.written.setdefault(buffer, Footprint(size)).add(region, limit=limit)
            return
        argument = buffer.space in (Space.ARG, Space.GLOBAL) and buffer.slot not in self.results
        if argument or buffer.space is Space.CONST:
            known = self.inputs.setdefault(buffer, Footprint(size))
            known.add(region, self.written.get(buffer), limit)


def _points(shape: tuple[Affine, ...]) -> int:
    total = 1
    for extent in shape:
        total *= max(0, extent.value) if extent.is_const else 1
    return total
