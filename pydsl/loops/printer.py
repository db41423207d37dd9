"""The text form of the loop IR: `inspect("loops")`, dumps, golden tests. :mod:`pydsl.loops.parser` reads it back.

    loops scale(n: int64 = slot 2) slots=3
      buffer @x: arg float64 slot 0 readonly
      buffer @y: arg float64 slot 1
      for i in [0, n) vector independent
        @y[8*i] = multiply(@x[8*i]: float64, 2.0: float64)
      return 0

Names are made unique within the text. Stores show byte offsets; a load, a constant and a cast show their dtype, and an
operation where it is not the ufunc's. With ``exact``, also what only matters to who wants the same function again:
bounds of variables, products in place of their names, locations, error payloads. What has no text (constant data, an
exception class of the user's) is ``object(k)``, an entry of :func:`object_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.literals import ERROR_MODULES, element
from pydsl.loops.dtypes import usual_dtype
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Break,
    Buffer,
    CallPython,
    Const,
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
    Index,
    Let,
    Load,
    LoopFunction,
    LoopKind,
    Operand,
    Product,
    Read,
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
from pydsl.loops.walk import walk


def format_function(function: LoopFunction, *, exact: bool = False) -> str:
    """A loop function as text."""
    return _Printer(exact).function(function)


def object_table(function: LoopFunction) -> list[Any]:
    """The objects that the exact text only refers to, for :func:`pydsl.loops.parser.parse_function`."""
    printer = _Printer(exact=True)
    printer.function(function)
    return printer.table


def format_statements(body: Sequence[Stmt]) -> str:
    """Statements as text."""
    printer = _Printer()
    printer.body(body)
    return "\n".join(printer.lines)


def loop_names(function: LoopFunction) -> dict[For, str]:
    """The loops of a function, in order, with the names that their variables have in its text."""
    printer = _Printer()
    printer.function(function)
    return {stmt: printer.name(stmt.var) for stmt in walk(function.body) if isinstance(stmt, For)}


def format_expression(expr: Expr) -> str:
    """An expression as text."""
    return _Printer().expr(expr)


class _Printer:
    def __init__(self, exact: bool = False) -> None:
        self.exact = exact
        self.lines: list[str] = []
        self.table: list[Any] = []
        self._depth = 0
        self._names: dict[object, str] = {}
        self._taken: set[str] = set()

    # --- names ----------------------------------------------------------------------------------------------

    def name(self, owner: Var | Buffer) -> str:
        """The name of a variable or buffer, made unique by a number."""
        if self.exact and isinstance(owner, Product):
            return f"{{{self.name(owner.factor)}*[{self.index(owner.stride)}]}}"
        if owner not in self._names:
            wanted = owner.name or "v"
            name, number = wanted, 0
            while name in self._taken:
                number += 1
                name = f"{wanted}_{number}"
            self._taken.add(name)
            self._names[owner] = name
        return self._names[owner]

    def buffer(self, buffer: Buffer) -> str:
        return f"@{self.name(buffer)}"

    def index(self, expr: Affine) -> str:
        return expr.text(lambda symbol: self.name(symbol) if isinstance(symbol, Var) else str(symbol))

    def bounds(self, var: Var) -> str:
        if not self.exact or var.bounds == (None, None):
            return ""
        low, high = ("?" if end is None else str(end) for end in var.bounds)
        return f" within [{low}, {high}]"

    def loc(self, loc: SourceLocation | None) -> str:
        return f" loc({loc.file!r}: {loc.line}: {loc.col})" if self.exact and loc is not None else ""

    def object(self, value: object) -> str:
        self.table.append(value)
        return f"object({len(self.table) - 1})"

    # --- expressions ----------------------------------------------------------------------------------------

    def expr(self, expr: Expr) -> str:
        match expr:
            case Const(value=value, dtype=dtype):
                return f"{_number(value, dtype)}: {dtype}"
            case Read(var=var):
                return self.name(var)
            case Index(expr=index):
                return f"index({self.index(index)})"
            case Load(buffer=buffer, offset=offset, dtype=dtype):
                return f"{self.buffer(buffer)}[{self.index(offset)}]: {dtype}"
            case Apply(name=name, args=args, dtype=dtype):
                text = f"{name}{_flags(expr)}({', '.join(self.expr(arg) for arg in args)})"
                usual = usual_dtype(name, [arg.dtype for arg in args])
                return text if usual is not None and usual == dtype else f"{text}: {dtype}"
        return repr(expr)

    # --- statements -----------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append("  " * self._depth + text)

    def body(self, body: Sequence[Stmt]) -> None:
        for stmt in body:
            _PRINTERS[type(stmt)](self, stmt)

    def block(self, heading: str, body: Sequence[Stmt]) -> None:
        self.line(heading)
        self._depth += 1
        self.body(body)
        self._depth -= 1

    def function(self, function: LoopFunction) -> str:
        scalars = ", ".join(
            f"{self.name(var)}: {var.dtype} = slot {slot}{self.bounds(var)}" for var, slot in function.scalars
        )
        heading = f"loops {function.name}({scalars}) slots={function.n_slots}" + _if(function.arena, "arena")
        if self.exact:
            heading += f" payload={function.payload_slot} cost={float(function.cost_ns)!r}"
        self.line(heading)
        self._depth += 1
        for buffer in function.buffers:
            self.line(self._declaration(buffer))
        for number, error in enumerate(function.errors):
            self.line(f"error {number}: {self._error(error)}")
        for number, site in enumerate(function.calls):
            table = f" {self.object(site)}" if self.exact else ""
            self.line(f"site {number}: {site.name!r}{table}")
        self.body(function.body)
        return "\n".join(self.lines) + "\n"

    def _error(self, error: ErrorRecord) -> str:
        name = error.error.__name__
        if self.exact and not any(getattr(m, name, None) is error.error for m in ERROR_MODULES.values()):
            name = self.object(error.error)
        text = f"{name} {error.message!r}"
        if not self.exact:
            return text
        payload = f" payload {', '.join(map(str, error.payload))}" if error.payload else ""
        return f"{text}{payload}{self.loc(error.loc)}"

    def _declaration(self, buffer: Buffer) -> str:
        text = f"buffer {self.buffer(buffer)}: {buffer.space.value} {buffer.dtype}"
        if buffer.slot is not None:
            text += f" slot {buffer.slot}"
        if buffer.space is Space.ARENA and buffer.arena_offset is not None:
            text += f" at {buffer.arena_offset}"
        if buffer.nbytes is not None:
            text += f" nbytes {self.index(buffer.nbytes)}"
        if buffer.targets:
            text += f" to {', '.join(map(self.buffer, buffer.targets))}"
        text += " readonly" if buffer.readonly else ""
        if self.exact:
            text += f" aligned {buffer.alignment}" if buffer.alignment != 1 else ""
            text += f" bias {buffer.slot_bias}" if buffer.slot_bias else ""
            text += "".join(f" {mark}" for mark in ("fresh", "scratch", "unaligned") if getattr(buffer, mark))
            text += f" data {self.object(buffer.data)}" if buffer.data is not None else ""
        return text

    def loop(self, stmt: For) -> None:
        kind = "" if stmt.kind is LoopKind.SERIAL else f" {stmt.kind.value}"
        marks = f"{kind}{' independent' if stmt.independent else ''}{f' label {stmt.label}' if stmt.label else ''}"
        if self.exact:
            marks += f"{f' kernel {stmt.kernel}' if stmt.kernel else ''}{self.bounds(stmt.var)}{self.loc(stmt.loc)}"
        start, stop = self.index(stmt.start), self.index(stmt.stop)
        self.block(f"for {self.name(stmt.var)} in [{start}, {stop}){marks}", stmt.body)

    def while_(self, stmt: While) -> None:
        self.block(f"while{self.loc(stmt.loc)}", stmt.header)
        self.block(f"do if {self.expr(stmt.condition)}", stmt.body)

    def branch(self, stmt: If) -> None:
        self.block(f"if {self.expr(stmt.condition)}", stmt.then)
        if stmt.orelse:
            self.block("else", stmt.orelse)

    def let(self, stmt: Let) -> None:
        self.line(f"let {self._declared(stmt)}")

    def declare(self, stmt: Declare) -> None:
        self.line(f"var {self._declared(stmt)}")

    def _declared(self, stmt: Let | Declare) -> str:
        var = stmt.var
        return f"{self.name(var)}: {var.dtype} = {self.expr(stmt.value)}{self.bounds(var)}"

    def assign(self, stmt: Assign) -> None:
        self.line(f"{self.name(stmt.var)} = {self.expr(stmt.value)}")

    def store(self, stmt: Store) -> None:
        self.line(f"{self.buffer(stmt.buffer)}[{self.index(stmt.offset)}] = {self.expr(stmt.value)}")

    def fetch(self, stmt: Fetch) -> None:
        names = ", ".join(f"{self.name(var)}: {var.dtype}{self.bounds(var)}" for var in stmt.vars)
        self.line(f"fetch {names} = {self.buffer(stmt.buffer)}[{self.index(stmt.offset)}]")

    def store_slot(self, stmt: StoreSlot) -> None:
        self.line(f"slot {stmt.slot} = {self.expr(stmt.value)}")

    def alloc(self, stmt: Alloc) -> None:
        self.line(f"alloc {self.buffer(stmt.buffer)} nbytes {self.index(stmt.nbytes)}")

    def alloc_result(self, stmt: AllocResult) -> None:
        self.line(f"alloc result {stmt.index} {self.buffer(stmt.buffer)} nbytes {self.index(stmt.nbytes)}")

    def set_pointer(self, stmt: SetPointer) -> None:
        self.line(f"point {self.buffer(stmt.pointer)} to {self.buffer(stmt.target)}")

    def release(self, stmt: Release) -> None:
        self.line(f"release {self.buffer(stmt.buffer)}")

    def copy(self, stmt: Copy) -> None:
        target = f"{self.buffer(stmt.dst)}[{self.index(stmt.dst_offset)}]"
        source = f"{self.buffer(stmt.src)}[{self.index(stmt.src_offset)}]"
        self.line(f"copy {target} = {source} nbytes {self.index(stmt.nbytes)}")

    def gemm(self, stmt: Gemm) -> None:
        sizes = ", ".join(self.index(size) for size in (stmt.m, stmt.n, stmt.k))
        a = self._matrix(stmt.a, stmt.a_offset, stmt.lda, stmt.trans_a)
        b = self._matrix(stmt.b, stmt.b_offset, stmt.ldb, stmt.trans_b)
        c = self._matrix(stmt.c, stmt.c_offset, stmt.ldc, False)
        beta = f" beta {float(stmt.beta)!r}" if stmt.beta else ""
        self.line(f"gemm {stmt.dtype} ({sizes}) {c} = {a} * {b}{beta}{self._kernel(stmt.kernel)}")

    def call(self, stmt: CallPython) -> None:
        lists = [", ".join(map(self.operand, stmt.operands))]
        lists += [", ".join(map(self.buffer, part)) for part in (stmt.writes, stmt.reached)]
        self.line("call {} ({}) writes ({}) reaches ({})".format(stmt.site, *lists))

    def operand(self, operand: Operand) -> str:
        shape, strides = (", ".join(map(self.index, part)) for part in (operand.shape, operand.strides))
        place = f"{self.buffer(operand.buffer)}[{self.index(operand.offset)}]"
        return f"{place}: {operand.dtype} [{shape}] strides [{strides}]"

    def _matrix(self, buffer: Buffer, offset: Affine, lead: Affine, transposed: bool) -> str:
        text = f"{self.buffer(buffer)}[{self.index(offset)} lead {self.index(lead)}]"
        return f"{text} transposed" if transposed else text

    def _kernel(self, number: int) -> str:
        return f" kernel {number}" if self.exact and number else ""

    def contract(self, stmt: Contract) -> None:
        m = ", ".join(f"{self.name(var)} < {extent} a {stride}" for var, extent, stride in stmt.m)
        n = f"{self.name(stmt.n[0])} < {stmt.n[1]} b {stmt.n[2]}"
        k = ", ".join(f"{extent} a {a} b {b}" for extent, a, b in stmt.k)
        first = f"{self.buffer(stmt.a)}[{self.index(stmt.a_offset)}]"
        second = f"{self.buffer(stmt.b)}[{self.index(stmt.b_offset)}]"
        heading = (
            f"contract {self.name(stmt.acc)}: {stmt.dtype} = {first} * {second} over m({m}) n({n}) k({k})"
        )
        heading += " parallel" if stmt.parallel else ""
        self.block(heading + self._kernel(stmt.kernel), stmt.epilogue)

    def return_(self, stmt: Return) -> None:
        self.line(f"return {stmt.site}")

    def fail(self, stmt: Fail) -> None:
        self.line(f"fail {stmt.error}({', '.join(self.expr(expr) for expr in stmt.payload)})")

    def break_(self, _stmt: Break) -> None:
        self.line("break")

    def continue_(self, _stmt: Continue) -> None:
        self.line("continue")


_PRINTERS: dict[type[Stmt], Callable[[_Printer, Any], None]] = {
    For: _Printer.loop,
    While: _Printer.while_,
    If: _Printer.branch,
    Let: _Printer.let,
    Declare: _Printer.declare,
    Assign: _Printer.assign,
    Store: _Printer.store,
    StoreSlot: _Printer.store_slot,
    Fetch: _Printer.fetch,
    Break: _Printer.break_,
    Continue: _Printer.continue_,
    Alloc: _Printer.alloc,
    AllocResult: _Printer.alloc_result,
    SetPointer: _Printer.set_pointer,
    Release: _Printer.release,
    Copy: _Printer.copy,
    Gemm: _Printer.gemm,
    CallPython: _Printer.call,
    Contract: _Printer.contract,
    Return: _Printer.return_,
    Fail: _Printer.fail,
}


def _flags(expr: Apply) -> str:
    flags = [flag for flag in ("reassoc", "contract") if getattr(expr, flag)]
    return f"<{' '.join(flags)}>" if flags else ""


def _number(value: Any, dtype: DType) -> str:
    scalar: Any = np.asarray(value).astype(dtype)[()]
    text = element(scalar)
    return f"({text})" if dtype.kind == "c" else text


def _if(value: int, word: str) -> str:
    return f" {word}={value}" if value else ""
