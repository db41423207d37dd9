"""Reads the text form of the loop IR that :mod:`pydsl.loops.printer` writes.

``format_function(parse_function(text)) == text`` for every printed text; with ``exact`` texts the function is the same.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydsl.ir.affine import Affine
from pydsl.ir.calls import CallSite
from pydsl.ir.lexer import IRSyntaxError
from pydsl.ir.literals import error_class
from pydsl.loops.ir import (
    INT64,
    Alloc,
    AllocResult,
    Assign,
    Break,
    Buffer,
    CallPython,
    Continue,
    Contract,
    Copy,
    Declare,
    DType,
    ErrorRecord,
    Expr,
    Fail,
    Fetch,
    For,
    Gemm,
    If,
    Let,
    LoopFunction,
    LoopKind,
    Operand,
    Release,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.terms import Terms

__all__ = ["IRSyntaxError", "parse_function"]

T = TypeVar("T")
_KINDS = {kind.value: kind for kind in LoopKind}


def parse_function(text: str, table: Sequence[Any] = ()) -> LoopFunction:
    """The function of a text.

    Parameters
    ----------
    table: the objects that the text refers to (:func:`pydsl.loops.printer.object_table`).

    Raises
    ------
    IRSyntaxError: the text is no loop function, or names something unknown.
    """
    return _Parser(text, table).function()


class _Parser(Terms):
    def function(self) -> LoopFunction:
        if not self.lines:
            raise IRSyntaxError("line 1: expected 'loops', found nothing")
        line = self.line
        line.expect("loops")
        name = line.take_kind("word")
        line.expect("(")
        scalars = line.listed(self._scalar, ")")
        n_slots = self._setting("slots") or 0
        arena = self._setting("arena") or 0
        payload = self._setting("payload")
        cost = 0.0
        if line.accept("cost"):
            line.expect("=")
            cost = float(line.take().text)
        line.end()
        self.place += 1
        buffers = [*self._each("buffer", self._buffer)]
        for buffer, (where, names) in self.targets.items():
            buffer.targets = [self.known(self.buffers, name, where) for name in names]
        errors = [*self._each("error", self._error)]
        calls = [*self._each("site", self._site)]
        body = self._body(1)
        if self.place < len(self.lines):
            raise self.line.error("a statement of the function")
        slot = n_slots if payload is None else payload
        return LoopFunction(name, body, scalars, buffers, n_slots, slot, errors, arena, cost, calls)

    def _each(self, word: str, parse: Callable[[], T]) -> list[T]:
        found = []
        while self.place < len(self.lines) and self.line.accept(word):
            found.append(parse())
            self.line.end()
            self.place += 1
        return found

    def _setting(self, word: str) -> int | None:
        if not self.line.accept(word):
            return None
        self.line.expect("=")
        return self.line.take_integer()

    # --- declarations -----------------------------------------------------------------------------------------

    def _scalar(self) -> tuple[Var, int]:
        line = self.line
        name = line.take_kind("word")
        line.expect(":")
        var = self.declare(name, line.dtype())
        for mark in ("=", "slot"):
            line.expect(mark)
        slot = line.take_integer()
        self.bounds(var)
        return var, slot

    def _buffer(self) -> Buffer:
        line = self.line
        name = line.take_kind("storage")
        line.expect(":")
        space = Space(line.take_kind("word"))
        buffer = Buffer(name[1:], space, line.dtype())
        self.buffers[name] = buffer
        buffer.slot = line.integer("slot")
        buffer.arena_offset = line.integer("at")
        buffer.nbytes = self.affine() if line.accept("nbytes") else None
        if line.accept("to"):
            names = [line.take_kind("storage")]
            while line.accept(","):
                names.append(line.take_kind("storage"))
            self.targets[buffer] = line, names
        buffer.readonly = line.accept("readonly")
        buffer.alignment = line.integer("aligned") or 1
        buffer.slot_bias = line.integer("bias") or 0
        buffer.fresh = line.accept("fresh")
        buffer.scratch = line.accept("scratch")
        buffer.unaligned = line.accept("unaligned")
        buffer.data = line.literal(self.symbol) if line.accept("data") else None
        return buffer

    def _error(self) -> ErrorRecord:
        line = self.line
        line.take_integer()
        line.expect(":")
        if line.at("object"):
            error: type[BaseException] = line.literal(self.symbol)
        else:
            word = line.take_kind("word")
            try:
                error = error_class(word)
            except KeyError:
                raise line.error(f"an exception class instead of {word}") from None
        message: str = ast.literal_eval(line.take_kind("string"))
        payload: list[DType] = []
        if line.accept("payload"):
            payload.append(line.dtype())
            while line.accept(","):
                payload.append(line.dtype())
        return ErrorRecord(error, message, self.loc(), tuple(payload))

    def _site(self) -> CallSite:
        self.line.take_integer()
        self.line.expect(":")
        self.line.take_kind("string")
        site: CallSite = self.line.literal(self.symbol)
        return site

    # --- statements -------------------------------------------------------------------------------------------

    def _body(self, depth: int) -> list[Stmt]:
        """The statements of a depth."""
        body: list[Stmt] = []
        while self.place < len(self.lines) and self.line.depth >= depth:
            if self.line.depth > depth:
                raise self.line.error("a statement that is not deeper than the one before")
            body.append(self._statement(depth))
        return body

    def _inner(self, depth: int) -> list[Stmt]:
        """The statements below the present line."""
        self.line.end()
        self.place += 1
        return self._body(depth + 1)

    def _statement(self, depth: int) -> Stmt:
        line = self.line
        if line.second == "=" and line.next.kind == "word":
            var = self.var()
            line.expect("=")
            return self._done(Assign(var, self.expr()))
        if line.next.kind == "storage":
            buffer, offset = self.byte_place()
            line.expect("=")
            return self._done(Store(buffer, offset, self.expr()))
        word = line.take_kind("word")
        if word in _BLOCKS:
            return _BLOCKS[word](self, depth)
        if word not in _SIMPLE:
            line.position -= 1
            raise line.error("a statement")
        return self._done(_SIMPLE[word](self))

    def _done(self, stmt: Stmt) -> Stmt:
        self.line.end()
        self.place += 1
        return stmt

    def _for(self, depth: int) -> Stmt:
        line = self.line
        name = line.take_kind("word")
        line.expect("in")
        line.expect("[")
        start = self.affine()
        line.expect(",")
        stop = self.affine()
        line.expect(")")
        loop = For(self.declare(name, INT64), start, stop, [])
        if line.next.text in _KINDS:
            loop.kind = _KINDS[line.take().text]
        loop.independent = line.accept("independent")
        loop.label = line.take_kind("word") if line.accept("label") else ""
        loop.kernel = line.integer("kernel") or 0
        self.bounds(loop.var)
        loop.loc = self.loc()
        loop.body = self._inner(depth)
        return loop

    def _while(self, depth: int) -> Stmt:
        loc = self.loc()
        header = self._inner(depth)
        line = self.line
        if line.depth != depth:
            raise line.error("'do if' after the header of a while loop")
        line.expect("do")
        line.expect("if")
        condition = self.expr()
        return While(header, condition, self._inner(depth), loc)

    def _if(self, depth: int) -> Stmt:
        condition = self.expr()
        then = self._inner(depth)
        orelse: list[Stmt] = []
        if self.place < len(self.lines) and self.line.depth == depth and self.line.accept("else"):
            orelse = self._inner(depth)
        return If(condition, then, orelse)

    def _contract(self, depth: int) -> Stmt:
        line = self.line
        acc = line.take_kind("word")
        line.expect(":")
        dtype = line.dtype()
        line.expect("=")
        a, a_offset = self.byte_place()
        line.expect("*")
        b, b_offset = self.byte_place()
        line.expect("over")
        m = self._dims("m", lambda: self._dim("a"))
        (n,) = self._dims("n", lambda: self._dim("b"))
        k = self._dims("k", self._reduced)
        parallel = line.accept("parallel")
        kernel = line.integer("kernel") or 0
        contract = Contract(
            dtype, m, n, k, a, a_offset, b, b_offset, self.declare(acc, dtype), [], kernel, parallel
        )
        contract.epilogue = self._inner(depth)
        return contract

    def _dims(self, word: str, parse: Callable[[], T]) -> tuple[T, ...]:
        self.line.expect(word)
        self.line.expect("(")
        return tuple(self.line.listed(parse, ")"))

    def _dim(self, operand: str) -> tuple[Var, int, int]:
        line = self.line
        var = self.declare(line.take_kind("word"), INT64)
        line.expect("<")
        extent = line.take_integer()
        line.expect(operand)
        return var, extent, line.take_integer()

    def _reduced(self) -> tuple[int, int, int]:
        line = self.line
        extent = line.take_integer()
        line.expect("a")
        a = line.take_integer()
        line.expect("b")
        return extent, a, line.take_integer()

    def _declared(self) -> tuple[Var, Expr]:
        line = self.line
        if line.at("{"):
            var = self.var()
            line.expect(":")
            line.dtype()
        else:
            name = line.take_kind("word")
            line.expect(":")
            dtype = line.dtype()
            var = self.declare(name, dtype)
        line.expect("=")
        value = self.expr()
        self.bounds(var)
        return var, value

    def _let(self) -> Stmt:
        return Let(*self._declared())

    def _mutable(self) -> Stmt:
        return Declare(*self._declared())

    def _slot(self) -> Stmt:
        slot = self.line.take_integer()
        self.line.expect("=")
        return StoreSlot(slot, self.expr())

    def _fetch(self) -> Stmt:
        names = [self._named()]
        while self.line.accept(","):
            names.append(self._named())
        self.line.expect("=")
        buffer, offset = self.byte_place()
        return Fetch(tuple(names), buffer, offset)

    def _named(self) -> Var:
        name = self.line.take_kind("word")
        self.line.expect(":")
        var = self.declare(name, self.line.dtype())
        self.bounds(var)
        return var

    def _alloc(self) -> Stmt:
        index = self.line.integer("result")
        buffer = self.buffer_name()
        self.line.expect("nbytes")
        nbytes = self.affine()
        return Alloc(buffer, nbytes) if index is None else AllocResult(buffer, index, nbytes)

    def _point(self) -> Stmt:
        pointer = self.buffer_name()
        self.line.expect("to")
        return SetPointer(pointer, self.buffer_name())

    def _copy(self) -> Stmt:
        dst, dst_offset = self.byte_place()
        self.line.expect("=")
        src, src_offset = self.byte_place()
        self.line.expect("nbytes")
        return Copy(dst, dst_offset, src, src_offset, self.affine())

    def _gemm(self) -> Stmt:
        line = self.line
        dtype = line.dtype()
        line.expect("(")
        m, n, k = line.listed(self.affine, ")")
        c, c_offset, ldc, _ = self._matrix()
        line.expect("=")
        a = self._matrix()
        line.expect("*")
        b = self._matrix()
        beta = float(line.take().text) if line.accept("beta") else 0.0
        kernel = line.integer("kernel") or 0
        return Gemm(dtype, m, n, k, *a, *b, c, c_offset, ldc, beta, kernel=kernel)

    def _call(self) -> Stmt:
        line = self.line
        site = line.take_integer()
        line.expect("(")
        operands = line.listed(self._operand, ")")
        parts: list[tuple[Buffer, ...]] = []
        for word in ("writes", "reaches"):
            line.expect(word)
            line.expect("(")
            parts.append(tuple(line.listed(self.buffer_name, ")")))
        return CallPython(site, tuple(operands), *parts)

    def _operand(self) -> Operand:
        line = self.line
        buffer, offset = self.byte_place()
        line.expect(":")
        dtype = line.dtype()
        line.expect("[")
        shape = tuple(line.listed(self.affine, "]"))
        line.expect("strides")
        line.expect("[")
        return Operand(buffer, offset, dtype, shape, tuple(line.listed(self.affine, "]")))

    def _matrix(self) -> tuple[Buffer, Affine, Affine, bool]:
        line = self.line
        buffer = self.buffer_name()
        line.expect("[")
        offset = self.affine()
        line.expect("lead")
        lead = self.affine()
        line.expect("]")
        return buffer, offset, lead, line.accept("transposed")

    def _fail(self) -> Stmt:
        error = self.line.take_integer()
        self.line.expect("(")
        return Fail(error, tuple(self.line.listed(self.expr, ")")))


_BLOCKS: dict[str, Callable[[_Parser, int], Stmt]] = {
    "for": _Parser._for,
    "while": _Parser._while,
    "if": _Parser._if,
    "contract": _Parser._contract,
}
_SIMPLE: dict[str, Callable[[_Parser], Stmt]] = {
    "let": _Parser._let,
    "var": _Parser._mutable,
    "slot": _Parser._slot,
    "alloc": _Parser._alloc,
    "fetch": _Parser._fetch,
    "release": lambda parser: Release(parser.buffer_name()),
    "point": _Parser._point,
    "copy": _Parser._copy,
    "gemm": _Parser._gemm,
    "call": _Parser._call,
    "fail": _Parser._fail,
    "return": lambda parser: Return(parser.line.take_integer()),
    "break": lambda _: Break(),
    "continue": lambda _: Continue(),
}
