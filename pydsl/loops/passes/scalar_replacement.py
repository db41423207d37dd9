"""Scalar replacement: within one straight line, equal expressions are computed once and stored values are not loaded again.

Before::

    @t[4*i] = @a[4*i] * 2; @b[4*i] = @t[4*i] + @a[4*i]

After::

    x = @a[4*i]; y = x * 2; @t[4*i] = y; @b[4*i] = y + x

Stores to temporaries that nothing loads any more are removed afterwards (:func:`remove_unread`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from pydsl.loops.ir import (
    Apply,
    Assign,
    Buffer,
    Const,
    Copy,
    Declare,
    Expr,
    For,
    Gemm,
    If,
    Index,
    Let,
    Load,
    Read,
    SetPointer,
    Space,
    Stmt,
    Store,
    Var,
    While,
)
from pydsl.loops.walk import blocks, expressions, walk, written_buffers

Key = Hashable


def scalar_replacement(body: list[Stmt]) -> list[Stmt]:
    """Numbers the values of every straight line, inner ones included."""
    return _Line(body).run()


class _Line:
    """Value numbering of one statement list."""

    def __init__(self, body: list[Stmt]) -> None:
        self.body = body
        self.known: dict[Key, Var | Expr] = {}
        self.memory: dict[tuple[Buffer, object, object], Key] = {}
        self.counts: Counter[Key] = Counter()
        self.epochs: Counter[Buffer] = Counter()
        self.mutable: Counter[Var] = Counter()
        self.out: list[Stmt] = []
        self.copies: dict[Var, Expr] = {}

    def run(self) -> list[Stmt]:
        self._count()
        self.epochs.clear()
        self.mutable.clear()
        for stmt in self.body:
            self._visit(stmt)
        return self.out

    # --- keys: what an expression computes, given the state of memory ---

    def _key(self, expr: Expr) -> Key:
        match expr:
            case Const():
                return ("const", repr(expr.value), expr.dtype)
            case Read():
                return ("read", expr.var, self.mutable[expr.var])
            case Index():
                return ("index", expr.expr)
            case Load():
                return ("load", expr.buffer, expr.offset, expr.dtype, self.epochs[expr.buffer])
            case Apply():
                return (expr.name, tuple(self._key(a) for a in expr.args), expr.dtype, expr.reassoc, expr.contract)
        raise TypeError(type(expr).__name__)

    def _count(self) -> None:
        for stmt in self.body:
            for expr in expressions(stmt):
                self._count_expr(expr)
            self._effects(stmt)

    def _count_expr(self, expr: Expr) -> None:
        if isinstance(expr, (Load, Apply)):
            key = self._key(expr)
            self.counts[key] += 1
            if self.counts[key] > 1:
                return
            if isinstance(expr, Apply):
                for arg in expr.args:
                    self._count_expr(arg)

    # --- rewriting ---

    def _visit(self, stmt: Stmt) -> None:
        match stmt:
            case Store():
                value = self._value(stmt.value)
                if not isinstance(value, (Read, Const)) and stmt.value.dtype == value.dtype:
                    var = Var("v", value.dtype)
                    self.out.append(Let(var, value))
                    value = Read(var)
                self.out.append(Store(stmt.buffer, stmt.offset, value))
                self._effects(stmt)
                self.known["load", stmt.buffer, stmt.offset, value.dtype, self.epochs[stmt.buffer]] = value
                return
            case Let():
                value = self._value(stmt.value)
                if isinstance(stmt.value, (Load, Apply)):
                    # the user of this variable and later equal expressions share it
                    self.known.setdefault(self._key(stmt.value), Read(stmt.var))
                self.out.append(Let(stmt.var, value))
            case Declare():
                self.out.append(Declare(stmt.var, self._value(stmt.value)))
            case Assign():
                self.out.append(Assign(stmt.var, self._value(stmt.value)))
            case If():
                condition = self._value(stmt.condition)
                self.out.append(If(condition, scalar_replacement(stmt.then), scalar_replacement(stmt.orelse)))
            case For():
                stmt.body = scalar_replacement(stmt.body)
                self.out.append(stmt)
            case While():
                stmt.body = scalar_replacement(stmt.body)
                self.out.append(stmt)
            case _:
                for inner in blocks(stmt):
                    inner[:] = scalar_replacement(inner)
                self.out.append(stmt)
        self._effects(stmt)

    def _value(self, expr: Expr) -> Expr:
        if not isinstance(expr, (Load, Apply)):
            return expr
        key = self._key(expr)
        known = self.known.get(key)
        if known is not None:
            return known if isinstance(known, Expr) else Read(known)
        if isinstance(expr, Apply):
            result: Expr = Apply(expr.name, tuple(self._value(a) for a in expr.args), expr.dtype, expr.reassoc, expr.contract)
        else:
            result = expr
        if self.counts[key] > 1:
            var = Var("v", expr.dtype)
            self.out.append(Let(var, result))
            self.known[key] = Read(var)
            return Read(var)
        return result

    def _effects(self, stmt: Stmt) -> None:
        """Forgets what a statement changes."""
        match stmt:
            case Assign():
                self.mutable[stmt.var] += 1
            case Store():
                self._clobber(stmt.buffer)
            case Gemm():
                self._clobber(stmt.c)
            case Copy():
                self._clobber(stmt.dst)
            case SetPointer():
                self._clobber(stmt.pointer)
            case _:
                inner = [s for block in blocks(stmt) for s in block]
                for buffer in written_buffers(inner):
                    self._clobber(buffer)
                for nested in walk(inner):
                    if isinstance(nested, Assign):
                        self.mutable[nested.var] += 1
                    elif isinstance(nested, SetPointer):
                        self._clobber(nested.pointer)

    def _clobber(self, buffer: Buffer) -> None:
        """A write to a buffer: loads of it, and of everything a pointer may confuse with it, are new values."""
        self.epochs[buffer] += 1
        if buffer.space is Space.POINTER:
            for other in buffer.targets:
                self._clobber_once(other)
        for other in [b for b in self.epochs if b.space is Space.POINTER and b is not buffer]:
            self.epochs[other] += 1
        for key in list(self.known):
            if isinstance(key, tuple) and key[0] == "load":
                loaded = key[1]
                if loaded.space is Space.POINTER and loaded is not buffer:
                    del self.known[key]

    def _clobber_once(self, buffer: Buffer) -> None:
        self.epochs[buffer] += 1


def remove_unread(body: list[Stmt], temporaries: set[Buffer]) -> list[Stmt]:
    """Removes stores to temporaries that nothing loads, until there are none."""
    while True:
        read: set[Buffer] = set()
        for stmt in walk(body):
            for expr in expressions(stmt):
                _loaded(expr, read)
            match stmt:
                case Gemm():
                    read.update((stmt.a, stmt.b, stmt.c))
                case Copy():
                    read.add(stmt.src)
                case SetPointer():
                    read.add(stmt.target)
                case _:
                    for name in ("a", "b"):
                        buffer = getattr(stmt, name, None)
                        if isinstance(buffer, Buffer):
                            read.add(buffer)
        dead = {b for b in temporaries if b not in read}
        if not _drop_stores(body, dead):
            return body


def _loaded(expr: Expr, found: set[Buffer]) -> None:
    if isinstance(expr, Load):
        found.add(expr.buffer)
    elif isinstance(expr, Apply):
        for arg in expr.args:
            _loaded(arg, found)


def _drop_stores(body: list[Stmt], dead: set[Buffer]) -> bool:
    changed = False
    for inner in [b for stmt in body for b in blocks(stmt)]:
        changed |= _drop_stores(inner, dead)
    kept = [s for s in body if not (isinstance(s, Store) and s.buffer in dead)]
    kept = [s for s in kept if not (isinstance(s, For) and not s.body and s.label != "user")]
    changed |= len(kept) != len(body)
    body[:] = kept
    return changed
