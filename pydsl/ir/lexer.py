"""Tokens of the text form of the tensor IR, and literals made of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pydsl.errors import PydslError
from pydsl.ir.affine import Affine, Symbol
from pydsl.ir.literals import error_class, from_text
from pydsl.ir.types import DType

__all__ = ["IRSyntaxError", "Lexer", "Token"]

_TOKENS = re.compile(
    r"""(?P<space>[ \t]+|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<value>%[\w.]+)
    |(?P<storage>@[\w.]+)
    |(?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
    |(?P<number>0x[0-9a-f]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>->|[\[\](){}<>=:;,*+\-^?])""",
    re.VERBOSE,
)

_FLOAT_WORDS = {"nan", "inf"}
_CONSTANTS = {"None": None, "True": True, "False": False}


class IRSyntaxError(PydslError):
    """A text is no tensor IR."""


class Token(NamedTuple):
    """A token; ``line`` counts from 1."""

    kind: str
    text: str
    line: int


class Lexer:
    """The tokens of a text, one after the other.

    Parameters
    ----------
    table: the objects that ``object(k)`` stands for.
    """

    def __init__(self, text: str, table: Sequence[Any] = ()) -> None:
        self.table = table
        self.tokens = _tokens(text)
        self.position = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def error(self, expected: str) -> IRSyntaxError:
        token = self.next
        return IRSyntaxError(f"line {token.line}: expected {expected}, found {token.text or token.kind!r}")

    def take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def at(self, text: str) -> bool:
        return self.next.text == text and self.next.kind in ("mark", "word")

    def accept(self, text: str) -> bool:
        """Whether the next token is this mark or word; then it is taken."""
        if self.at(text):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(f"'{text}'")

    def take_kind(self, kind: str) -> str:
        if self.next.kind != kind:
            raise self.error(f"a {kind}")
        return self.take().text

    def take_integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        text = self.take_kind("number")
        try:
            return sign * int(text, 0)
        except ValueError:
            raise self.error("an integer") from None

    def listed(self, parse: Callable[[], Any], close: str, separator: str = ",") -> list[Any]:
        """Items up to the closing mark, which is taken."""
        items: list[Any] = []
        while not self.accept(close):
            if items:
                self.expect(separator)
                if self.accept(close):  # one trailing comma, as in (1,)
                    break
            items.append(parse())
        return items

    # --- literals -------------------------------------------------------------------------------------------

    def dtype(self) -> DType:
        name = self.take_kind("word")
        try:
            return np.dtype(name)
        except TypeError:
            raise self.error(f"a dtype instead of {name}") from None

    def element(self, dtype: DType) -> np.generic:
        """A number of a dtype, as :func:`pydsl.ir.literals.element` writes it."""
        parts = [self._number()]
        if dtype.kind == "c":
            self.expect(",")
            parts.append(self._number())
        try:
            return from_text(dtype, parts)
        except ValueError as error:
            raise self.error(f"a {dtype.name} ({error})") from None

    def _number(self) -> str:
        if self.accept("bits"):
            return f"bits {self.take_kind('number')}"
        sign = "-" if self.accept("-") else ""
        return sign + self.take().text

    def affine(self, symbol: Callable[[str], Symbol]) -> Affine:
        """An index expression such as ``4*%i.3 - %n.1 + 16``."""
        const, terms = 0, list[tuple[Symbol, int]]()
        sign = -1 if self.accept("-") else 1
        while True:
            factor = sign
            if self.next.kind == "number":
                factor *= self.take_integer()
            if self.next.kind == "value" or self.accept("*"):
                terms.append((symbol(self.take_kind("value")), factor))
            else:
                const += factor
            if self.accept("+"):
                sign = 1
            elif self.accept("-"):
                sign = -1
            else:
                return Affine.linear(const, terms)

    def literal(self, symbol: Callable[[str], Symbol]) -> Any:
        """An attribute value, as :func:`pydsl.ir.literals.literal` writes it."""
        token = self.next
        if token.kind == "string":
            return ast.literal_eval(self.take().text)
        if token.kind == "word":
            return self._named(symbol)
        if self.accept("("):
            return tuple(self.listed(lambda: self.literal(symbol), ")"))
        if self.accept("["):
            return self.listed(lambda: self.literal(symbol), "]")
        text = self._number()
        if re.fullmatch(r"-?\d+", text):
            return int(text)
        try:
            return float(text)
        except ValueError:
            raise self.error("a literal") from None

    def _named(self, symbol: Callable[[str], Symbol]) -> Any:
        word = self.take().text
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word in _FLOAT_WORDS:
            return float(word)
        self.expect("(")
        if word == "affine":
            found: Any = self.affine(symbol)
        elif word == "dtype":
            found = self.dtype()
        elif word == "ufunc":
            found = getattr(np, self.take_kind("word"))
        elif word == "error":
            found = self._error_class()
        elif word == "object":
            found = self._object()
        elif word in ("float", "complex"):
            found = self.element(np.dtype(f"{word}{64 if word == 'float' else 128}")).item()
        else:
            self.position -= 2
            dtype = self.dtype()
            self.expect("(")
            found = self.element(dtype)
        self.expect(")")
        return found

    def _error_class(self) -> type[BaseException]:
        name = self.take_kind("word")
        try:
            return error_class(name)
        except KeyError:
            raise self.error(f"an exception class instead of {name}") from None

    def _object(self) -> Any:
        position = self.take_integer()
        if not 0 <= position < len(self.table):
            raise self.error(f"object {position} in the table of {len(self.table)}")
        return self.table[position]


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, line = 0, 1
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise IRSyntaxError(f"line {line}: unknown text {text[position : position + 20]!r}")
        position = match.end()
        kind = match.lastgroup or ""
        if kind == "newline":
            line += 1
        elif kind != "space":
            tokens.append(Token(kind, match.group(), line))
    tokens.append(Token("end", "", line))
    return tokens
