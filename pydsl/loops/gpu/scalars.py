"""Scalars between pieces and the host: kept in cells of device memory, fetched together where the host needs them.

Before::

    piece: let best = @order[0]
    let s = select(less(best, 0), add(best, 30), best)
    piece: let x = @t[8*s]
    if greater(x, 0.0) ...

After: ``s`` is needed by a kernel only and is computed there; ``x`` is fetched::

    piece: let best = @order[0]; @cells[0] = best
    piece: let best = @cells[0]; let s = ...; let x = @t[8*s]; @cells[8] = x
    fetch x = @cells[8]
    if greater(x, 0.0) ...

Each kernel has variables of its own for what it declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.gpu.pieces import Piece, references
from pydsl.loops.ir import (
    Assign,
    Buffer,
    Declare,
    Fetch,
    For,
    If,
    Let,
    Load,
    Product,
    Read,
    Space,
    Stmt,
    Store,
    Var,
    While,
    cell_bytes,
)
from pydsl.loops.substitute import substituted
from pydsl.loops.walk import blocks, loads, walk


def place_scalars(body: list[Stmt]) -> tuple[list[Stmt], Buffer]:
    """Connects pieces and host; answers the new body and the buffer of the cells."""
    return _Placing(body).run()


@dataclass
class _Exports:
    """What a piece tells the outside: variables that it declares, and outer ones that it assigns."""

    declared: list[Var] = field(default_factory=list)
    assigned: list[Var] = field(default_factory=list)


class _Placing:
    def __init__(self, body: list[Stmt]) -> None:
        self.body = body
        self.cells = Buffer("cells", Space.ARENA, np.dtype(np.int64), Affine.of(0))
        self.cell: dict[Var, int] = {}
        self.size = 0
        self.pieces = [s for s in _host_walk(body) if isinstance(s, Piece)]
        self.home: dict[Var, Piece] = {}
        for piece in self.pieces:
            for stmt in piece.body:
                if isinstance(stmt, (Let, Declare)):
                    self.home[stmt.var] = piece
        self.mutable = {s.var for s in _host_walk(body) if isinstance(s, Declare)}
        self.mutable |= {s.var for p in self.pieces for s in walk(p.body) if isinstance(s, Declare)}
        self.derived = self._derived()
        self.needed = self._needed()
        self.moved = {v: let for v, let in self.derived.items() if v not in self.needed}

    def run(self) -> tuple[list[Stmt], Buffer]:
        for piece in self.pieces:
            piece.body[:0] = self._computed_again(piece)
        users: dict[Var, set[Piece]] = {}
        for piece in self.pieces:
            for var in _outer(piece.body):
                users.setdefault(var, set()).add(piece)
        self.exports: dict[Piece, _Exports] = {}
        for piece in self.pieces:
            declared = [
                s.var
                for s in piece.body
                if isinstance(s, (Let, Declare))
                and self.home.get(s.var) is piece
                and (s.var in self.needed or users.get(s.var, set()) - {piece})
            ]
            inside = {s.var for s in walk(piece.body) if isinstance(s, (Let, Declare, For))}
            assigned = dict.fromkeys(s.var for s in walk(piece.body) if isinstance(s, Assign))
            self.exports[piece] = _Exports(declared, [v for v in assigned if v not in inside])
        body = self._list(self.body)
        self.cells.nbytes = Affine.of(max(self.size, 8))
        for piece in self.pieces:
            piece.body[:0] = self._loaded(piece)
        return body, self.cells

    # --- what the host needs --------------------------------------------------------------------------------

    def _derived(self) -> dict[Var, Let]:
        """Scalars computed on the host from what a kernel computes, and from nothing that is assigned again."""
        found: dict[Var, Let] = {}
        for stmt in _host_walk(self.body):
            if isinstance(stmt, Let) and not isinstance(stmt.var, Product):
                used = set(references(stmt))
                if any(v in self.home or v in found for v in used) and not used & self.mutable:
                    found[stmt.var] = stmt
        return found

    def _needed(self) -> set[Var]:
        needed: set[Var] = set()
        for stmt in _host_walk(self.body):
            if not isinstance(stmt, Piece) and not (isinstance(stmt, Let) and stmt.var in self.derived):
                needed.update(_own_references(stmt))
        work = [v for v in needed if v in self.derived]
        while work:
            for var in references(self.derived[work.pop()]):
                if var not in needed:
                    needed.add(var)
                    if var in self.derived:
                        work.append(var)
        return needed

    def _computed_again(self, piece: Piece) -> list[Stmt]:
        """The scalars of the host that only kernels need, as far as this one does, in order."""
        wanted: dict[Var, None] = {}
        work = [v for v in _outer(piece.body) if v in self.moved]
        while work:
            var = work.pop()
            if var not in wanted:
                wanted[var] = None
                work += [v for v in references(self.moved[var]) if v in self.moved]
        return [Let(v, let.value) for v, let in self.moved.items() if v in wanted]

    # --- statements -----------------------------------------------------------------------------------------

    def _list(self, body: list[Stmt]) -> list[Stmt]:
        out: list[Stmt] = []
        run: list[Piece] = []
        for stmt in body:
            if isinstance(stmt, Let) and stmt.var in self.moved:
                continue
            if isinstance(stmt, Piece):
                run.append(stmt)
                continue
            out += self._run(run)
            run = []
            for block in blocks(stmt):
                block[:] = self._list(block)
            out.append(stmt)
        return out + self._run(run)

    def _run(self, run: Sequence[Piece]) -> list[Stmt]:
        """Pieces one after the other: what the host needs of all of them is fetched after the last."""
        fetched: list[Var] = []
        after: list[Stmt] = []
        first = self.size
        parts: list[tuple[Piece, list[Stmt]]] = []
        for piece in run:
            exports = self.exports[piece]
            stores: list[Stmt] = []
            for var in [v for v in exports.declared if v in self.needed]:
                stores.append(self._store(var, self._new_cell(var)))
                fetched.append(var)
            for var in exports.assigned:
                arrived = Var(var.name, var.dtype, var.bounds)
                stores.append(Store(self.cells, Affine.of(self._allocate(var)), Read(var)))
                fetched.append(arrived)
                after.append(Assign(var, Read(arrived)))
            parts.append((piece, stores))
        for piece, stores in parts:
            for var in self.exports[piece].declared:
                if var not in self.needed:
                    stores.append(self._store(var, self._new_cell(var)))
            own = [Declare(v, Read(v)) for v in self.exports[piece].assigned]
            piece.body = substituted([*own, *piece.body, *stores], {})
        out: list[Stmt] = list(run)
        if fetched:
            out.append(Fetch(tuple(fetched), self.cells, Affine.of(first)))
        return out + after

    def _store(self, var: Var, cell: int) -> Stmt:
        return Store(self.cells, Affine.of(cell), Read(var))

    def _new_cell(self, var: Var) -> int:
        self.cell[var] = self._allocate(var)
        return self.cell[var]

    def _allocate(self, var: Var) -> int:
        place = self.size
        self.size += cell_bytes(var.dtype)
        return place

    def _loaded(self, piece: Piece) -> list[Stmt]:
        """What a piece uses of other pieces; what the host computes is a parameter of the kernel."""
        wanted = [v for v in dict.fromkeys(_outer(piece.body)) if v in self.cell]
        return [Let(v, Load(self.cells, Affine.of(self.cell[v]), v.dtype)) for v in wanted]


def _own_references(stmt: Stmt) -> Iterator[Var]:
    """What a statement of the host reads, statements inside of it left out."""
    match stmt:
        case For():
            stmt = replace(stmt, body=[])
        case While():
            stmt = replace(stmt, header=[], body=[])
        case If():
            stmt = replace(stmt, then=[], orelse=[])
    yield from references(stmt)


def _host_walk(body: Iterable[Stmt]) -> Iterator[Stmt]:
    """Statements of the host and whole pieces."""
    for stmt in body:
        yield stmt
        if not isinstance(stmt, Piece):
            for block in blocks(stmt):
                yield from _host_walk(block)


def _outer(body: list[Stmt]) -> Iterator[Var]:
    """The variables that statements use but do not declare."""
    inside = {s.var for s in walk(body) if isinstance(s, (Let, Declare, For))}
    for stmt in body:
        for var in references(stmt):
            if var not in inside:
                yield var


def used_buffers(body: list[Stmt]) -> set[Buffer]:
    """The buffers that statements of a piece load from or store to."""
    found = {s.buffer for s in walk(body) if isinstance(s, Store)}
    return found | {load.buffer for s in walk(body) for load in loads(s)}
