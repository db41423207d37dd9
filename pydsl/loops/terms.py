"""The terms of the text form of the loop IR: lines, names, index expressions, scalar expressions."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, TypeVar

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.lexer import Lexer
from pydsl.loops.dtypes import usual_dtype
from pydsl.loops.ir import Apply, Buffer, Const, DType, Expr, Index, Load, Product, Read, Var

T = TypeVar("T")
_CONSTANTS = {"True", "False", "nan", "inf"}


class Line(Lexer):
    """The tokens of one line, with its depth."""

    def __init__(self, text: str, number: int, table: Sequence[Any]) -> None:
        super().__init__("\n" * (number - 1) + text.strip(), table)
        self.depth = (len(text) - len(text.lstrip(" "))) // 2

    @property
    def second(self) -> str:
        """The text of the token after the next."""
        place = min(self.position + 1, len(self.tokens) - 1)
        return self.tokens[place].text

    def integer(self, word: str) -> int | None:
        """The number after a word, if that comes next."""
        return self.take_integer() if self.accept(word) else None

    def end(self) -> None:
        self.take_kind("end")


class Terms:
    """The lines of a text, the present one, and the names that are declared so far."""

    def __init__(self, text: str, table: Sequence[Any]) -> None:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        self.lines = [Line(line, number, table) for number, line in lines]
        self.place = 0
        self.vars: dict[str, Var] = {}
        self.buffers: dict[str, Buffer] = {}
        self.targets: dict[Buffer, tuple[Line, list[str]]] = {}

    @property
    def line(self) -> Line:
        return self.lines[self.place]

    # --- names ------------------------------------------------------------------------------------------------

    def declare(self, name: str, dtype: DType) -> Var:
        """The variable of a name; one that is declared at two places is one variable."""
        if name not in self.vars:
            self.vars[name] = Var(name, dtype)
        return self.vars[name]

    def known(self, names: dict[str, T], name: str, line: Line) -> T:
        if name not in names:
            line.position -= 1
            raise line.error("a name that is declared before")
        return names[name]

    def var(self) -> Var:
        """A variable that is used: a name, or a product ``{i*[8*n]}``."""
        line = self.line
        if not line.accept("{"):
            return self.known(self.vars, line.take_kind("word"), line)
        factor = self.var()
        line.expect("*")
        line.expect("[")
        stride = self.affine()
        for mark in "]}":
            line.expect(mark)
        return Product.of(factor, stride)

    def symbol(self, name: str) -> Var:
        return self.known(self.vars, name, self.line)

    def affine(self) -> Affine:
        """An index expression such as ``4*i - n + 16``."""
        line = self.line
        const, terms = 0, list[tuple[Var, int]]()
        sign = -1 if line.accept("-") else 1
        while True:
            factor = sign
            if line.next.kind == "number":
                factor *= line.take_integer()
                if line.accept("*"):
                    terms.append((self.var(), factor))
                else:
                    const += factor
            else:
                terms.append((self.var(), factor))
            if line.accept("+"):
                sign = 1
            elif line.accept("-"):
                sign = -1
            else:
                return Affine.linear(const, terms)

    def bounds(self, var: Var) -> None:
        line = self.line
        if line.accept("within"):
            line.expect("[")
            low, high = line.listed(lambda: None if line.accept("?") else line.take_integer(), "]")
            var.bounds = (low, high)

    def byte_place(self) -> tuple[Buffer, Affine]:
        """``@x[8*i]``."""
        line = self.line
        buffer = self.buffer_name()
        line.expect("[")
        offset = self.affine()
        line.expect("]")
        return buffer, offset

    def buffer_name(self) -> Buffer:
        return self.known(self.buffers, self.line.take_kind("storage"), self.line)

    # --- expressions ------------------------------------------------------------------------------------------

    def expr(self) -> Expr:
        line = self.line
        if line.next.kind == "storage":
            buffer, offset = self.byte_place()
            line.expect(":")
            return Load(buffer, offset, line.dtype())
        if line.at("{"):
            return Read(self.var())
        if line.next.kind != "word" or (line.next.text in _CONSTANTS and line.second == ":"):
            return self._const()
        if line.at("bits") and line.second.startswith("0x"):
            return self._const()
        if line.second in ("(", "<"):
            return self._apply()
        return Read(self.var())

    def _const(self) -> Const:
        """``2.0: float64``, ``(1.0, -0.0): complex128``: the dtype comes last and says how to read the rest."""
        line = self.line
        start = line.position
        while not line.accept(":"):
            if line.next.kind == "end":
                raise line.error("the dtype of a constant")
            line.take()
        dtype = line.dtype()
        after, line.position = line.position, start
        pair = line.accept("(")
        value = line.element(dtype)
        if pair:
            line.expect(")")
        line.position = after
        return Const(value.item() if dtype.kind != "f" or dtype.itemsize == 8 else value, dtype)

    def _apply(self) -> Expr:
        line = self.line
        name = line.take_kind("word")
        if name == "index":
            line.expect("(")
            index = Index(self.affine())
            line.expect(")")
            return index
        flags = set()
        if line.accept("<"):
            while not line.accept(">"):
                flags.add(line.take_kind("word"))
        line.expect("(")
        args = tuple(line.listed(self.expr, ")"))
        if line.accept(":"):
            dtype = line.dtype()
        else:
            usual = usual_dtype(name, [arg.dtype for arg in args]) if args else None
            if usual is None:
                raise line.error(f"the dtype of {name}")
            dtype = usual
        return Apply(name, args, dtype, "reassoc" in flags, "contract" in flags)

    def loc(self) -> SourceLocation | None:
        line = self.line
        if not line.accept("loc"):
            return None
        line.expect("(")
        file: str = ast.literal_eval(line.take_kind("string"))
        line.expect(":")
        row = line.take_integer()
        line.expect(":")
        column = line.take_integer()
        line.expect(")")
        return SourceLocation(file, row, column)
