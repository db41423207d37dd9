"""Value numbers: equal numbers mean equal values, also of what is in memory.

One walk over the statements gives every expression a number. A load has the number of the value that was stored there
last, where that is known; two loads of one place with no write between them have one number. A loop starts with what
holds before it and survives its own writes, so values are followed into loops and branches; nothing is taken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from pydsl.ir import ops as _ops  # fills the table of records
from pydsl.ir.affine import Affine
from pydsl.ir.record import RECORDS
from pydsl.loops.alias import may_alias
from pydsl.loops.effects import Effects, EffectsOf
from pydsl.loops.ir import (
    Apply,
    Assign,
    Buffer,
    Const,
    Contract,
    Declare,
    DType,
    Expr,
    For,
    If,
    Index,
    Let,
    Load,
    Product,
    Read,
    Space,
    Stmt,
    Store,
    Var,
    While,
    substitute_index,
)
from pydsl.loops.walk import expressions, walk

_ = _ops
_INT64 = np.dtype(np.int64)
Record: TypeAlias = dict[int, int]
"""The numbers of one top expression and everything below it, by ``id`` of the node."""
Place: TypeAlias = tuple[frozenset[tuple[Hashable, int]], int, DType]
"""A place in a buffer: the terms of its offset, the constant, what is there."""


@dataclass
class _Scope:
    """What is known at a point.

    contents: the numbers of what is in memory.
    state: the numbers of what variables hold.
    same: index variables that are equal to an index expression over others.
    owner: the index variable that has a number.
    """

    contents: dict[Buffer, dict[Place, int]] = field(default_factory=dict)
    state: dict[Var, int] = field(default_factory=dict)
    same: dict[Var, Affine] = field(default_factory=dict)
    owner: dict[int, Var] = field(default_factory=dict)

    def fork(self) -> _Scope:
        contents = {buffer: places.copy() for buffer, places in self.contents.items()}
        return _Scope(contents, self.state.copy(), self.same.copy(), self.owner.copy())

    def written(self, buffer: Buffer, place: Place | None) -> None:
        """Forgets what a write to a place (None: anywhere) of a buffer may change."""
        pointers = buffer.space is Space.POINTER
        for other in list(self.contents):
            if other is buffer:
                if place is None:
                    del self.contents[other]
                else:
                    self.contents[other] = _apart(self.contents[other], place)
            elif (pointers or other.space is Space.POINTER) and may_alias(buffer, other):
                del self.contents[other]


def _apart(places: dict[Place, int], place: Place) -> dict[Place, int]:
    """The places that certainly have no byte in common with one."""
    terms, const, dtype = place
    end = const + dtype.itemsize
    return {
        key: number
        for key, number in places.items()
        if key[0] == terms and (key[1] >= end or key[1] + key[2].itemsize <= const)
    }


class Numbering:
    """The numbers of a statement list.

    Parameters
    ----------
    body: the statements.

    Attributes
    ----------
    records: numbers of the top expressions, in the order of the walk (the condition of a while loop after its header).
    demand: how often the value of a number is asked for by an operation or a load.
    leaves: numbers whose value is a constant, an index expression or an immutable variable.
    mutable: the variables that are assigned anywhere.
    """

    def __init__(self, body: list[Stmt]) -> None:
        self.records: list[Record] = []
        self.demand: Counter[int] = Counter()
        self.leaves: dict[int, Expr] = {}
        self.mutable = {stmt.var for stmt in walk(body) if isinstance(stmt, Assign)}
        self._numbers: dict[Hashable, int] = {}
        self._last = 0
        self._effects = EffectsOf()
        self._scope = _Scope()
        self._body(body)

    # --- statements -----------------------------------------------------------------------------------------

    def _body(self, body: list[Stmt]) -> None:
        for stmt in body:
            match stmt:
                case Let():
                    number = self._top(stmt.value)
                    self._scope.state[stmt.var] = number
                    if stmt.var.dtype == _INT64:
                        self._index_variable(stmt.var, stmt.value, number)
                case Declare() | Assign():
                    self._scope.state[stmt.var] = self._top(stmt.value)
                case Store():
                    number = self._top(stmt.value)
                    place = self._place(stmt.offset, stmt.value.dtype)
                    self._scope.written(stmt.buffer, place)
                    if place is not None:
                        self._scope.contents.setdefault(stmt.buffer, {})[place] = number
                case For():
                    self._region(self._effects.statement(stmt), stmt.body)
                case If():
                    self._top(stmt.condition)
                    effects = self._effects.statement(stmt)
                    self._region(Effects(), stmt.then)
                    self._region(Effects(), stmt.orelse)
                    self._forget(effects)
                case While():
                    self._while(stmt)
                case Contract():
                    # one value throughout each run of the epilogue
                    number = self._scope.state[stmt.acc] = self._fresh()
                    self.leaves[number] = Read(stmt.acc)
                    self._region(self._effects.statement(stmt), stmt.epilogue)
                case _:
                    for expr in expressions(stmt):
                        self._top(expr)
                    self._forget(self._effects.body([stmt]))

    def _region(self, effects: Effects, body: list[Stmt]) -> None:
        """Statements that may run any number of times, changing ``effects``."""
        self._forget(effects)
        before = self._scope
        self._scope = before.fork()
        self._body(body)
        self._scope = before
        self._forget(effects)

    def _while(self, stmt: While) -> None:
        effects = self._effects.statement(stmt)
        self._forget(effects)
        before = self._scope
        self._scope = before.fork()
        self._body(stmt.header)
        self._top(stmt.condition)
        self._body(stmt.body)
        self._scope = before
        self._forget(effects)

    def _forget(self, effects: Effects) -> None:
        for buffer in effects.buffers:
            self._scope.written(buffer, None)
        for var in effects.assigned:
            self._scope.state[var] = self._fresh()

    # --- index variables ------------------------------------------------------------------------------------

    def _index_variable(self, var: Var, value: Expr, number: int) -> None:
        scope = self._scope
        scope.same.pop(var, None)
        if isinstance(value, Index) and not self._varies(value.expr):
            scope.same[var] = self._canonical(value.expr)
        elif isinstance(value, Read) and value.var not in self.mutable:
            scope.same[var] = scope.same.get(value.var, Affine.of(value.var))
        elif number in scope.owner:
            scope.same[var] = Affine.of(scope.owner[number])
        else:
            scope.owner[number] = var

    def _canonical(self, expr: Affine) -> Affine:
        return substitute_index(expr, self._scope.same) if self._scope.same and not expr.is_const else expr

    def _varies(self, expr: Affine) -> bool:
        """Whether an index expression reads a variable that is assigned somewhere."""
        return bool(self.mutable) and any(self._symbol_varies(s) for s, _ in expr.terms)

    def _symbol_varies(self, symbol: object) -> bool:
        if isinstance(symbol, Product):
            return self._symbol_varies(symbol.factor) or self._varies(symbol.stride)
        return symbol in self.mutable

    def _place(self, offset: Affine, dtype: DType) -> Place | None:
        if self._varies(offset):
            return None
        offset = self._canonical(offset)
        return frozenset(offset.terms), offset.const, dtype

    # --- expressions ----------------------------------------------------------------------------------------

    def _top(self, expr: Expr) -> int:
        record: Record = {}
        number = self._number(expr, record)
        self._count(expr, record)
        self.records.append(record)
        return number

    def _count(self, expr: Expr, record: Record) -> None:
        if isinstance(expr, (Load, Apply)):
            number = record[id(expr)]
            self.demand[number] += 1
            if self.demand[number] == 1 and isinstance(expr, Apply):
                for arg in expr.args:
                    self._count(arg, record)

    def _number(self, expr: Expr, record: Record) -> int:
        number = record.get(id(expr))
        if number is None:
            number = record[id(expr)] = self._number_of(expr, record)
        return number

    def _number_of(self, expr: Expr, record: Record) -> int:
        match expr:
            case Apply():
                numbers = [self._number(arg, record) for arg in expr.args]
                known = RECORDS.get(expr.name)
                if known is not None and known.commutative:
                    numbers.sort()
                return self._keyed((expr.name, *numbers, expr.dtype, expr.reassoc, expr.contract))
            case Load():
                return self._load(expr)
            case Read():
                return self._read(expr.var)
            case Index():
                if self._varies(expr.expr):
                    return self._fresh()
                index = self._canonical(expr.expr)
                return self._leaf(("index", index), Index(index))
            case Const():
                return self._leaf(("const", repr(expr.value), expr.dtype), expr)
        raise TypeError(type(expr).__name__)

    def _load(self, load: Load) -> int:
        place = self._place(load.offset, load.dtype)
        if place is None:
            return self._fresh()
        places = self._scope.contents.setdefault(load.buffer, {})
        number = places.get(place)
        if number is None:
            number = places[place] = self._fresh()
        return number

    def _read(self, var: Var) -> int:
        number = self._scope.state.get(var)
        if number is not None:
            return number
        if var in self.mutable:
            number = self._scope.state[var] = self._fresh()
            return number
        if var.dtype == _INT64:
            index = self._canonical(Affine.of(var))
            return self._leaf(("index", index), Index(index))
        return self._leaf(("read", var), Read(var))

    def _leaf(self, key: Hashable, expr: Expr) -> int:
        number = self._keyed(key)
        self.leaves.setdefault(number, expr)
        return number

    def _keyed(self, key: Hashable) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._fresh()
        return number

    def _fresh(self) -> int:
        self._last += 1
        return self._last
