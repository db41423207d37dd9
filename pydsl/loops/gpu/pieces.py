"""Cuts a function body into pieces that run as kernels and host code around them.

Before::

    let v = @x[0]                       touches memory
    if greater(v, 0.0)                  control flow of the user
      for i in [0, n): @y[i] = ...      touches memory

After (``piece`` is one future kernel)::

    piece: let v = @x[0]; let c = greater(v, 0.0)
    if c
      piece: for i in [0, n): @y[i] = ...

A sequential loop stays on the host when a kernel can be launched for its parallel body; it becomes part of a piece, run
by one thread, when what it does next depends on what it has just computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Assign,
    Break,
    Continue,
    Declare,
    Expr,
    Fail,
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
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.walk import affines, blocks, expressions, loads, subexpressions, walk

BOOL = np.dtype(np.bool_)
_IN_KERNELS = (For, While, If, Let, Declare, Assign, Store, Break, Continue)
_SCALAR = (Let, Declare, Assign, Store)
#: iterations of a parallel loop from which a launch for each turn of the loop around it is better than one thread
WORTH_A_LAUNCH = 64


@dataclass(eq=False)
class Piece(Stmt):
    """Statements that will be one kernel."""

    body: list[Stmt] = field(default_factory=list)


def cut(body: list[Stmt]) -> list[Stmt]:
    """The body with pieces in it."""
    return _merged(_List(body).run())


def touches(stmt: Stmt) -> bool:
    """Whether a statement reads or writes memory of the device."""
    return any(
        isinstance(s, Store) or any(load.buffer.space is not Space.CONST for load in loads(s))
        for s in walk([stmt])
    )


def fits_kernel(stmt: Stmt) -> bool:
    """Whether a kernel can run a statement: only loops, branches, scalars and accesses, and no way out of it."""
    return all(isinstance(s, _IN_KERNELS) for s in walk([stmt])) and not _leaves(stmt, in_loop=False)


def _leaves(stmt: Stmt, *, in_loop: bool) -> bool:
    if isinstance(stmt, (Break, Continue)):
        return not in_loop
    inside = in_loop or isinstance(stmt, (For, While))
    return any(_leaves(s, in_loop=inside) for block in blocks(stmt) for s in block)


def references(stmt: Stmt) -> Iterator[Var]:
    """The variables that a statement and those inside of it read or assign."""
    for s in walk([stmt]):
        if isinstance(s, Assign):
            yield s.var
        for top in expressions(s):
            for expr in subexpressions(top):
                if isinstance(expr, Read):
                    yield expr.var
        for index in affines(s):
            for symbol in index.symbols():
                assert isinstance(symbol, Var)
                yield symbol


class _List:
    """One statement list."""

    def __init__(self, body: list[Stmt]) -> None:
        self.body = body

    def run(self) -> list[Stmt]:
        out: list[Stmt] = []
        place = 0
        while place < len(self.body):
            end = self._span(place)
            group = self.body[place : end + 1]
            if end > place and all(map(fits_kernel, group)) and any(map(touches, group)):
                out.append(Piece(group))
                place = end + 1
                continue
            out.extend(_single(self.body[place]))
            place += 1
        return out

    def _span(self, start: int) -> int:
        """The last statement that belongs to the one at ``start``: all uses of the mutable variables it declares."""
        end, place = start, start
        while place <= end:
            stmt = self.body[place]
            if isinstance(stmt, Declare):
                for later in range(len(self.body) - 1, end, -1):
                    if any(var is stmt.var for var in references(self.body[later])):
                        end = later
                        break
            place += 1
        return end


def _single(stmt: Stmt) -> list[Stmt]:
    if not touches(stmt):
        return [stmt]
    if fits_kernel(stmt) and not _stays_on_host(stmt):
        return [Piece([stmt])]
    match stmt:
        case For():
            stmt.body = cut(stmt.body)
            return [stmt]
        case While():
            before, stmt.condition = _hoisted([stmt.condition])
            stmt.header = cut([*stmt.header, *before])
            stmt.body = cut(stmt.body)
            return [stmt]
        case If():
            before, stmt.condition = _hoisted([stmt.condition])
            stmt.then, stmt.orelse = cut(stmt.then), cut(stmt.orelse)
            return [*map(_piece, before), stmt]
        case StoreSlot():
            before, stmt.value = _hoisted([stmt.value])
            return [*map(_piece, before), stmt]
        case Fail():
            before = []
            payload = []
            for part in stmt.payload:
                more, value = _hoisted([part])
                before += more
                payload.append(value)
            stmt.payload = tuple(payload)
            return [*map(_piece, before), stmt]
    return [stmt]


def _piece(stmt: Stmt) -> Stmt:
    return Piece([stmt])


def _hoisted(exprs: Sequence[Expr]) -> tuple[list[Stmt], Expr]:
    """An expression that reads memory, bound to a variable."""
    (expr,) = exprs
    if not any(isinstance(e, Load) for e in subexpressions(expr)):
        return [], expr
    var = Var("read", expr.dtype)
    return [Let(var, expr)], Read(var)


# --- sequential loops ------------------------------------------------------------------------------------------------


def _stays_on_host(stmt: Stmt) -> bool:
    """Whether a loop or branch is better run by the host, which launches kernels for what is inside."""
    if isinstance(stmt, If):
        return any(isinstance(s, (For, While)) for s in walk([stmt])) and (
            has_parallel_work([stmt]) and not decides_by_data(stmt)
        )
    if not isinstance(stmt, (For, While)) or (isinstance(stmt, For) and stmt.independent):
        return False
    if isinstance(stmt, For) and stmt.label == "reduce":
        return False
    return has_parallel_work([stmt]) and not decides_by_data(stmt)


def has_parallel_work(body: Sequence[Stmt]) -> bool:
    """Whether there is a loop inside worth a launch."""
    return any(isinstance(s, For) and s.independent and worth_a_launch(s) for s in walk(list(body)))


def worth_a_launch(loop: For) -> bool:
    """Whether the independent loops nested at this point have many iterations, as far as that is known."""
    total = 1
    node: Stmt = loop
    while isinstance(node, For) and node.independent:
        extent = node.stop - node.start
        if not extent.is_const:
            return True
        total *= extent.value
        if len(node.body) != 1:
            break
        node = node.body[0]
    return total >= WORTH_A_LAUNCH


def decides_by_data(stmt: Stmt) -> bool:
    """Whether control flow of the sequential part depends on what memory holds, so that the host would have to wait."""
    tainted: set[Var] = set()

    def reads_data(expr: Expr) -> bool:
        return any(
            isinstance(e, Load)
            or (isinstance(e, Read) and e.var in tainted)
            or (isinstance(e, (Index, Load)) and any(s in tainted for s in _index_of(e).symbols()))
            for e in subexpressions(expr)
        )

    def visit(body: Sequence[Stmt]) -> bool:
        for s in body:
            match s:
                case Let() | Declare() | Assign():
                    if reads_data(s.value):
                        tainted.add(s.var)
                case For() if s.independent:
                    tainted.update(a.var for a in walk(s.body) if isinstance(a, Assign))
                case For():
                    if any(symbol in tainted for e in (s.start, s.stop) for symbol in e.symbols()):
                        return True
                    if s.label == "reduce":
                        tainted.update(a.var for a in walk(s.body) if isinstance(a, Assign))
                    elif visit(s.body):
                        return True
                case While():
                    if visit(s.header) or reads_data(s.condition) or visit(s.body):
                        return True
                case If():
                    if reads_data(s.condition) or visit(s.then) or visit(s.orelse):
                        return True
                case _:
                    pass
        return False

    # twice: what one turn of a loop computes may decide about the next one
    return visit([stmt]) or visit([stmt])


def _index_of(expr: Index | Load) -> Affine:
    return expr.expr if isinstance(expr, Index) else expr.offset


# --- merging ---------------------------------------------------------------------------------------------------------


def _merged(body: list[Stmt]) -> list[Stmt]:
    """Neighbouring pieces of scalars only become one, with the scalars between them."""
    out: list[Stmt] = []
    waiting: list[Stmt] = []  # scalars after the last piece of scalars
    for stmt in body:
        last = out[-1] if out else None
        if isinstance(stmt, Piece) and is_scalar(stmt):
            if isinstance(last, Piece) and is_scalar(last):
                last.body += [*waiting, *stmt.body]
                waiting = []
                continue
            out += waiting
            waiting = []
            out.append(stmt)
        elif isinstance(stmt, Let) and isinstance(last, Piece) and is_scalar(last):
            waiting.append(stmt)
        else:
            out += waiting
            waiting = []
            out.append(stmt)
    return out + waiting


def is_scalar(piece: Piece) -> bool:
    """Whether a piece has neither loops nor branches."""
    return all(isinstance(stmt, _SCALAR) for stmt in piece.body)


def is_parallel(stmt: Stmt) -> bool:
    """Whether a statement is a loop whose iterations may run on threads."""
    return isinstance(stmt, For) and stmt.independent and stmt.kind in (LoopKind.SERIAL, LoopKind.VECTOR)
