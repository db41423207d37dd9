"""Contractions: register-tiled micro-kernels in explicit vector types, with the epilogue on each finished tile.

    for each tile of rows:                            (outer loops, then steps of one dimension)
        for each tile of columns:
            acc[row][vector] = 0                      (registers)
            for k...: acc[row][vector] += a[row, k] * b[k, vector]
            scratch[row][...] = acc[row][...]
        for row in tile: for n: epilogue(scratch[row][n])

The second operand is read in whole vectors: the last one masked, or from a padded copy where it is not
contiguous. On threads the outermost of these loops over rows that has enough iterations is shared; the copy is made
before. What has no tiling (integers, dot products) becomes plain loops.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from pydsl.ir.affine import Affine
from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.loops import access_group, counted_loop
from pydsl.jit.llvm.parallel import WriteFunction, emit_parallel
from pydsl.jit.llvm.plain_contract import plain_loops
from pydsl.jit.llvm.scalars import float_literal, llvm_type
from pydsl.jit.llvm.storage import Storage
from pydsl.jit.llvm.text import suffix
from pydsl.jit.llvm.tiling import KDim, Tiling, plan
from pydsl.loops.ir import Buffer, Contract, For, LoopKind, Space, Stmt, Var
from pydsl.loops.schedule.dependences import touches_again

_STACK_BYTES = 1 << 14

_CHUNKS = 4
"""Iterations for each thread that make a shared loop long enough."""

Tile: TypeAlias = "list[list[str]]"
"""The sums of a register tile: by row, then by vector."""


def emit_contract(frame: Frame, storage: Storage, stmt: Contract, write: WriteFunction) -> None:
    """The contraction and its epilogue."""
    tiling = plan(stmt, frame.target)
    if tiling is None:
        write(frame, storage, plain_loops(stmt))
        return
    kernel = _Kernel(frame, storage, stmt, tiling, write)
    with frame.scope():
        if tiling.packed:
            kernel.pack()
        if stmt.parallel and frame.home is None:
            kernel.emit_parallel()
        else:
            kernel.emit()
        kernel.release()


class _Kernel:
    """Writes one tiled contraction."""

    def __init__(
        self, frame: Frame, storage: Storage, stmt: Contract, tiling: Tiling, write: WriteFunction
    ) -> None:
        self.frame = frame
        self.storage = storage
        self.text = frame.text
        self.stmt = stmt
        self.tiling = tiling
        self.write = write
        self.t = llvm_type(stmt.dtype)
        self.size = stmt.dtype.itemsize
        self.vector = f"<{tiling.lanes} x {self.t}>"
        self.row_bytes = tiling.width * self.size
        self.panel: Buffer | None = None
        self.block = ""
        self.k: tuple[KDim, ...] = tiling.k

    def emit(self) -> None:
        """All rows, one tile after the other."""
        self._enter()
        self._outer(self._a_base(), list(self.tiling.outer))

    def emit_parallel(self) -> None:
        """The same on threads: the rows of one loop are shared."""
        dims = self.tiling.outer
        counts = [*(extent for _, extent, _ in dims), self.tiling.pieces]
        enough = _CHUNKS * self.frame.target.threads
        level = next((i for i, count in enumerate(counts) if count >= enough), counts.index(max(counts)))
        if counts[level] == 1:
            self.emit()
            return
        self._serial(list(dims[:level]), level)

    def _serial(self, dims: Sequence[tuple[Var, int, int]], level: int) -> None:
        """The loops around the shared one."""
        if not dims:
            self._shared(level)
            return
        (var, extent, _), *rest = dims

        def body(counter: str) -> None:
            self.frame.bind(var, counter)
            self._serial(rest, level)

        counted_loop(self.frame, "0", str(extent), body)

    def _shared(self, level: int) -> None:
        outer = self.tiling.outer
        whole = level < len(outer)
        var, extent = (
            outer[level][:2] if whole else (Var("tile", self.tiling.tiled[0].dtype), self.tiling.pieces)
        )
        one_tile = (self.tiling.tiled[0], self.tiling.step, self.tiling.tiled[2])
        inside = self.stmt.m[level + 1 :] if whole else (one_tile, *self.tiling.inner)
        loop = For(var, Affine.of(0), Affine.of(extent), [replace(self.stmt, m=inside)], LoopKind.PARALLEL)

        def write(frame: Frame, storage: Storage, _body: Sequence[Stmt]) -> None:
            part = _Kernel(frame, storage, self.stmt, self.tiling, self.write)
            part.panel, part.k = self.panel, self.k
            part._enter()
            base = part._a_base()
            for dim, _, stride in outer[: level + whole]:
                base = part._step(base, str(frame.value(dim)), stride)
            if whole:
                part._outer(base, list(outer[level + 1 :]))
            else:
                part._piece(base, str(frame.value(var)))

        emit_parallel(self.frame, self.storage, loop, write)

    def release(self) -> None:
        """Give up the packed copy."""
        if self.block:
            runtime.release(self.text, self.frame.rt, self.block)

    def _enter(self) -> None:
        """What all tiles of one function share."""
        self.scratch = self._local(len(self.tiling.rows()) * self.row_bytes, "tile")
        if self.panel is not None:
            self.b_base = self.frame.pointer(self.panel)
        else:
            self.b_base = self.frame.address(self.stmt.b, self.stmt.b_offset)

    def _a_base(self) -> str:
        return self.frame.address(self.stmt.a, self.stmt.a_offset)

    def _local(self, nbytes: int, name: str) -> Buffer:
        buffer = Buffer(name, Space.LOCAL, self.stmt.dtype, Affine.of(nbytes))
        self.frame.place(buffer, self.text.entry_op(f"alloca [{nbytes} x i8], align 64"))
        return buffer

    # --- rows -----------------------------------------------------------------------------------------------

    def _outer(self, a_base: str, dims: Sequence[tuple[Var, int, int]]) -> None:
        if not dims:
            self._tiles(a_base)
            return
        (var, extent, stride), *rest = dims

        def body(counter: str) -> None:
            self.frame.bind(var, counter)
            self._outer(self._step(a_base, counter, stride), rest)

        counted_loop(self.frame, "0", str(extent), body)

    def _step(self, base: str, counter: str, stride: int) -> str:
        """The address `counter` strides behind `base`."""
        if counter == "0" or not stride:
            return base
        distance = (
            str(int(counter) * stride) if counter.isdigit() else self.text.op(f"mul i64 {counter}, {stride}")
        )
        return self.text.op(f"getelementptr inbounds i8, ptr {base}, i64 {distance}")

    def _tiles(self, a_base: str) -> None:
        """The tiles of the stepped dimension. The last one ends with the dimension, so that there is one size of
        tile only: rows that the tile before has finished are computed again, but get no second epilogue."""
        if self.tiling.pieces == 1:
            self._tile(a_base, "0", "0")
        else:
            counted_loop(
                self.frame, "0", str(self.tiling.pieces), lambda counter: self._piece(a_base, counter)
            )

    def _piece(self, a_base: str, counter: str) -> None:
        """One tile of the stepped dimension."""
        tiling, text = self.tiling, self.text
        _, extent, stride = tiling.tiled
        wanted = text.op(f"mul i64 {counter}, {tiling.step}")
        first = text.intrinsic("smin", "i64", wanted, str(extent - tiling.step))
        skip = text.op(f"sub i64 {wanted}, {first}") if extent % tiling.step else "0"
        self._tile(self._step(a_base, first, stride), first, skip)

    def _tile(self, a_base: str, first: str, skip: str) -> None:
        """One tile from index `first` of the tiled dimension: all columns, then the epilogue but for `skip` steps."""
        rows = self.tiling.rows()
        for start, vectors, tiles in self.tiling.column_tiles:
            if tiles == 1:
                self._columns(a_base, rows, str(start), vectors, tail=start + vectors == self.tiling.vectors)
                continue

            def body(counter: str, start: int = start, vectors: int = vectors) -> None:
                at = self.text.op(f"add i64 {self.text.op(f'mul i64 {counter}, {vectors}')}, {start}")
                self._columns(a_base, rows, at, vectors, tail=False)

            counted_loop(self.frame, "0", str(tiles), body)
        self._epilogue(first, skip)

    # --- the micro-kernel -----------------------------------------------------------------------------------

    def _columns(self, a_base: str, rows: list[int], start: str, vectors: int, *, tail: bool) -> None:
        """One register tile, from vector `start` on; with `tail` its last vector may be partly outside."""
        column_bytes = self.tiling.lanes * self.size
        b_base = self._step(self.b_base, start, column_bytes)
        zero = [["zeroinitializer"] * vectors for _ in rows * self.tiling.copies]
        acc = self._together(self._sum(a_base, b_base, rows, zero, list(self.k), tail), len(rows))
        base = self._step(self.frame.pointer(self.scratch), start, column_bytes)
        for row, line in enumerate(acc):
            for number, value in enumerate(line):
                place = self._step(base, "1", row * self.row_bytes + number * column_bytes)
                self.text.do(f"store {self.vector} {value}, ptr {place}, align {column_bytes}")

    def _together(self, acc: Tile, rows: int) -> Tile:
        """The sums that were kept side by side, added up."""
        total = acc[:rows]
        for copy in range(rows, len(acc), rows):
            pairs = zip(total, acc[copy : copy + rows], strict=True)
            total = [
                [self.text.op(f"fadd {self.vector} {x}, {y}") for x, y in zip(one, two, strict=True)]
                for one, two in pairs
            ]
        return total

    def _sum(self, a: str, b: str, rows: list[int], acc: Tile, dims: Sequence[KDim], tail: bool) -> Tile:
        """Adds the products over the given dimensions to a tile of sums."""
        dim, *rest = dims
        unroll = 1 if rest else self.tiling.unroll
        whole = dim.extent - dim.extent % unroll

        def steps(a: str, b: str, acc: Tile, count: int) -> Tile:
            if rest:
                return self._sum(a, b, rows, acc, rest, tail)
            return self._products(a, b, rows, acc, count, tail)

        if whole == unroll:
            acc = steps(a, b, acc, unroll)
        else:
            acc = self._carried_loop(
                whole,
                unroll,
                acc,
                lambda c, sums: steps(self._opaque(a, c, dim.a), self._opaque(b, c, dim.b), sums, unroll),
            )
        if dim.extent > whole:
            left = self._step(a, str(whole), dim.a), self._step(b, str(whole), dim.b)
            acc = steps(*left, acc, dim.extent - whole)
        return acc

    def _opaque(self, base: str, counter: str, stride: int) -> str:
        """Like `_step`, but LLVM does not look behind the address: it would spend most of the compile time on
        looking for a better way to step through the many addresses of a tile, of which one register and constants
        are the best."""
        function = self.text.module.declare("llvm.launder.invariant.group.p0", "ptr", ["ptr"])
        return self.text.op(f"call ptr {function}(ptr {self._step(base, counter, stride)})")

    def _carried_loop(self, stop: int, step: int, acc: Tile, body: Callable[[str, Tile], Tile]) -> Tile:
        """A counted loop that carries a tile of sums."""
        text = self.text
        before, head, exit_ = text.block("before"), text.block("sum"), text.block("sums")
        text.start(before)
        text.start(head)
        counter, following = f"%{text.fresh('k')}", f"%{text.fresh('n')}"
        places = [text.reserve() for _ in range(1 + sum(map(len, acc)))]
        inside = [[f"%{text.fresh('acc')}" for _ in line] for line in acc]
        with self.frame.scope():
            after = body(counter, inside)
        latch = text.block("latch")
        text.start(latch)
        text.fill(places[0], f"{counter} = phi i64 [ 0, %{before} ], [ {following}, %{latch} ]")
        sums = zip(itertools.chain(*inside), itertools.chain(*acc), itertools.chain(*after), strict=True)
        for place, (name, first, last) in zip(places[1:], sums, strict=True):
            text.fill(place, f"{name} = phi {self.vector} [ {first}, %{before} ], [ {last}, %{latch} ]")
        text.do(f"{following} = add nuw nsw i64 {counter}, {step}")
        node = self.frame.unit.module.node
        # no vectoriser needs to look at it
        scalar = node('!"llvm.loop.vectorize.enable", i1 false')
        metadata = self.frame.unit.module.distinct(scalar, self_first=True)
        more = text.op(f"icmp ult i64 {following}, {stop}")
        text.branch(more, head, exit_, f", !llvm.loop {metadata}")
        text.start(exit_)
        return after

    def _products(self, a: str, b: str, rows: list[int], acc: Tile, count: int, tail: bool) -> Tile:
        """`count` steps of the innermost sum for the whole tile."""
        dim = self.k[-1]
        acc = [list(line) for line in acc]
        columns = len(acc[0])
        for step in range(count):
            row_of_b = [
                self._load_b(b, number, step * dim.b, tail and number == columns - 1)
                for number in range(columns)
            ]
            first = step % self.tiling.copies * len(rows)
            for row, offset in enumerate(rows, first):
                factor = self._broadcast(a, offset + step * dim.a)
                acc[row] = [self._multiply_add(factor, x, y) for x, y in zip(row_of_b, acc[row], strict=True)]
        return acc

    def _broadcast(self, a: str, offset: int) -> str:
        text = self.text
        place = self._step(a, "1", offset)
        metadata = self.frame.access(self.stmt.a)
        value = text.op(f"load {self.t}, ptr {place}, align {self._alignment(self.stmt.a)}{metadata}")
        first = text.op(f"insertelement {self.vector} poison, {self.t} {value}, i64 0")
        mask = f"<{self.tiling.lanes} x i32> zeroinitializer"
        return text.op(f"shufflevector {self.vector} {first}, {self.vector} poison, {mask}")

    def _load_b(self, b: str, number: int, offset: int, tail: bool) -> str:
        """Vector `number` of a column tile, at a byte offset; the last one may be partly outside."""
        text, lanes = self.text, self.tiling.lanes
        place = self._step(b, "1", offset + number * lanes * self.size)
        if self.tiling.packed:
            return text.op(f"load {self.vector}, ptr {place}, align {lanes * self.size}")
        metadata = self.frame.access(self.stmt.b)
        align = self._alignment(self.stmt.b)
        valid = self.stmt.n[1] % lanes
        if not tail or not valid:
            return text.op(f"load {self.vector}, ptr {place}, align {align}{metadata}")
        mask = ", ".join(f"i1 {'true' if lane < valid else 'false'}" for lane in range(lanes))
        masks = f"<{lanes} x i1>"
        function = text.module.declare(
            f"llvm.masked.load.{suffix(self.vector)}.p0",
            self.vector,
            ["ptr", "i32 immarg", masks, self.vector],
        )
        arguments = f"ptr {place}, i32 {align}, {masks} <{mask}>, {self.vector} zeroinitializer"
        return text.op(f"call {self.vector} {function}({arguments}){metadata}")

    def _alignment(self, buffer: Buffer) -> int:
        """What is known about every access to an operand: its elements are aligned, or nothing."""
        return self.size if buffer.alignment >= self.size or buffer.space in _ALIGNED else 1

    def _multiply_add(self, x: str, y: str, total: str) -> str:
        if self.frame.target.fma:
            return self.text.intrinsic("fma", self.vector, x, y, total)
        return self.text.op(f"fadd {self.vector} {total}, {self.text.op(f'fmul {self.vector} {x}, {y}')}")

    # --- packing --------------------------------------------------------------------------------------------

    def pack(self) -> None:
        """Copy the second operand to rows of whole vectors, zeros behind the last column."""
        nbytes = self.tiling.depth * self.row_bytes
        if nbytes <= _STACK_BYTES:
            panel = self.text.entry_op(f"alloca [{nbytes} x i8], align 64")
        else:
            panel = self.block = self.storage.temporary(str(nbytes))
        columns, stride = self.stmt.n[1], self.stmt.n[2]

        def copy_row(source: str, target: str) -> None:
            def element(counter: str) -> None:
                place = self._step(source, counter, stride)
                metadata = self.frame.access(self.stmt.b)
                align = self._alignment(self.stmt.b)
                value = self.text.op(f"load {self.t}, ptr {place}, align {align}{metadata}")
                self.text.do(
                    f"store {self.t} {value}, ptr {self._step(target, counter, self.size)}, align {self.size}"
                )

            counted_loop(self.frame, "0", str(columns), element)
            zero = float_literal(0.0, self.stmt.dtype)
            for column in range(columns, self.tiling.width):
                place = self._step(target, str(column), self.size)
                self.text.do(f"store {self.t} {zero}, ptr {place}, align {self.size}")

        def rows(source: str, target: str, dims: Sequence[KDim]) -> None:
            if not dims:
                copy_row(source, target)
                return
            dim, *rest = dims
            span = self.row_bytes
            for inner in rest:
                span *= inner.extent
            counted_loop(
                self.frame,
                "0",
                str(dim.extent),
                lambda c: rows(self._step(source, c, dim.b), self._step(target, c, span), rest),
            )

        rows(self.frame.address(self.stmt.b, self.stmt.b_offset), panel, self.k)
        self.panel = Buffer("panel", Space.LOCAL, self.stmt.dtype)
        self.frame.place(self.panel, panel)
        span = self.row_bytes
        dims: list[KDim] = []
        for dim in reversed(self.k):
            dims.insert(0, KDim(dim.extent, dim.a, span))
            span *= dim.extent
        self.k = tuple(dims)

    # --- epilogue -------------------------------------------------------------------------------------------

    def _epilogue(self, first: str, skip: str) -> None:
        """The epilogue statements on every element of the finished tile."""
        tiled, *inner = (self.tiling.tiled, *self.tiling.inner)
        base = self.frame.pointer(self.scratch)

        def row(offset: str, dims: Sequence[tuple[Var, int, int]], spans: Sequence[int]) -> None:
            if not dims:
                self._columns_epilogue(self._step(base, offset, self.row_bytes))
                return
            (var, extent, _), *rest = dims

            def body(counter: str) -> None:
                self.frame.bind(var, counter)
                at = self.text.op(f"add i64 {offset}, {self.text.op(f'mul i64 {counter}, {spans[0]}')}")
                row(at, rest, spans[1:])

            counted_loop(self.frame, "0", str(extent), body)

        spans = [1]
        for _, extent, _ in reversed(inner):
            spans.insert(0, spans[0] * extent)

        def step(counter: str) -> None:
            self.frame.bind(tiled[0], self.text.op(f"add i64 {counter}, {first}"))
            row(self.text.op(f"mul i64 {counter}, {spans[0]}"), inner, spans[1:])

        counted_loop(self.frame, skip, str(self.tiling.step), step)

    def _columns_epilogue(self, row: str) -> None:
        frame, text = self.frame, self.text
        group, properties = access_group(frame)
        if touches_again(self.stmt.epilogue, (self.stmt.n[0],)):
            properties = []
        frame.groups.append(group)

        def body(counter: str) -> None:
            frame.bind(self.stmt.n[0], counter)
            place = self._step(row, counter, self.size)
            metadata = f", !llvm.access.group {frame.group()}"
            frame.bind(self.stmt.acc, text.op(f"load {self.t}, ptr {place}, align {self.size}{metadata}"))
            self.write(frame, self.storage, self.stmt.epilogue)

        was = text.vector
        text.vector = True
        counted_loop(frame, "0", str(self.stmt.n[1]), body, properties)
        text.vector = was
        frame.groups.pop()


_ALIGNED = (Space.LOCAL, Space.HEAP, Space.CONST)
