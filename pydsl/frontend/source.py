"""From a Python function to its syntax tree, with the true place of every node in the user's file.

Decorators are dropped. What has no source, or is no plain function, is refused here with its own error.
"""

from __future__ import annotations

import ast
import inspect
import types
import weakref
from dataclasses import dataclass
from typing import Any

from pydsl.errors import SourceLocation, SourceUnavailableError, UnsupportedError
from pydsl.frontend.scopes import FunctionScope

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class SourceText:
    """Where a parsed text stands: `first_line` is the line of the file of the text's line 1."""

    file: str
    first_line: int

    def locate(self, node: Any, function: str) -> SourceLocation:
        return SourceLocation.of(node, self.file, function, first_line=self.first_line)


@dataclass(frozen=True)
class SourceFunction:
    """A function with source: its tree, its place, and the scope facts of the pre-pass."""

    name: str
    node: FunctionNode
    text: SourceText
    scope: FunctionScope

    @property
    def location(self) -> SourceLocation:
        return self.text.locate(self.node, self.name)


# by identity: code objects of different files may be equal
_cache: dict[int, tuple[weakref.ref[types.CodeType], SourceFunction]] = {}


def load(function: types.FunctionType) -> SourceFunction:
    """The tree of a plain function.

    Raises
    ------
    SourceUnavailableError: there is no source.
    UnsupportedError: a generator or an asynchronous function.
    """
    code = function.__code__
    found = _cache.get(id(code))
    if found is not None and found[0]() is code:
        return found[1]
    source = _load(function)
    _cache[id(code)] = (weakref.ref(code), source)
    return source


def _load(function: types.FunctionType) -> SourceFunction:
    code = function.__code__
    place = SourceLocation(code.co_filename, code.co_firstlineno, function=function.__name__)
    if code.co_filename == "<string>":
        # What is kept under this name, if anything, is the text of `python -c`, not that of `exec` and `eval`.
        raise SourceUnavailableError(function.__name__, "it was not defined in a file", place)
    try:
        lines, start = inspect.getsourcelines(code)
    except (OSError, TypeError, IndentationError, SyntaxError) as error:
        reason = "it was not defined in a file" if code.co_filename.startswith("<") else str(error)
        raise SourceUnavailableError(function.__name__, reason, place) from None
    if function.__name__ == "<lambda>":
        _refuse_kinds(code, place)
        return _lambda(function, place)
    # An indented definition is put under `if 1:` instead of being dedented: columns and long strings stay as they are.
    indented = lines[0][:1] in " \t"
    text = SourceText(code.co_filename, max(start, 1) - (1 if indented else 0))
    try:
        tree = ast.parse(("if 1:\n" if indented else "") + "".join(lines))
    except SyntaxError:
        raise SourceUnavailableError(
            function.__name__, "its text cannot be parsed on its own", place
        ) from None
    statement: ast.stmt = tree.body[0]
    if indented:
        assert isinstance(statement, ast.If)
        statement = statement.body[0]
    _refuse_kinds(code, text.locate(_telling(statement), function.__name__))
    if not isinstance(statement, ast.FunctionDef) or statement.name != code.co_name:
        raise SourceUnavailableError(function.__name__, "the file does not hold it any more", place)
    return SourceFunction(function.__name__, statement, text, FunctionScope.of(statement))


def _telling(statement: ast.stmt) -> ast.AST:
    """What makes a function more than a plain one: its first `yield`, or else the definition itself."""
    pending: list[ast.AST] = list(getattr(statement, "body", ()))
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending[:0] = ast.iter_child_nodes(node)
    return statement


def _refuse_kinds(code: types.CodeType, place: SourceLocation) -> None:
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise UnsupportedError.at(place, "an asynchronous function cannot be compiled", "a plain `def`")
    if code.co_flags & inspect.CO_GENERATOR:
        raise UnsupportedError.at(
            place,
            "a generator function (`yield`) cannot be compiled",
            "a function that returns a list or an array",
        )


def _lambda(function: types.FunctionType, place: SourceLocation) -> SourceFunction:
    """A lambda defined outside the traced code: found in its file when it is the only one on its line."""
    code = function.__code__
    try:
        tree = ast.parse("".join(inspect.findsource(code)[0]))
    except (OSError, SyntaxError):
        raise SourceUnavailableError("<lambda>", "the file of this lambda cannot be read", place) from None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
    if len(found) != 1:
        raise UnsupportedError.at(
            place, "this lambda cannot be told apart from others on its line", "a named function (`def`)"
        )
    text = SourceText(code.co_filename, 1)
    return SourceFunction("<lambda>", found[0], text, FunctionScope.of(found[0]))


def plain_function(callable_: Any) -> types.FunctionType | None:
    """The Python function behind a callable that only wraps one (a jitted function), else None."""
    seen = 0
    while not isinstance(callable_, types.FunctionType):
        callable_ = getattr(callable_, "__wrapped__", None)
        seen += 1
        if callable_ is None or seen > 8:
            return None
    return callable_
