"""Reads the text form of the tensor IR that :mod:`pydsl.ir.printer` writes.

``print_function(parse_function(text, table)) == text`` for every printed text. The versions of storages in the text are
compared with those that the function has.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir import ops as _ops  # fills the table of records
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.lexer import IRSyntaxError, Lexer
from pydsl.ir.record import RECORDS
from pydsl.ir.types import INDEX, DType, Origin, ScalarType, Storage, TensorType, Type, c_strides
from pydsl.ir.versions import Version, storage_versions

__all__ = ["IRSyntaxError", "parse_function"]

_ = _ops


def parse_function(text: str, table: Sequence[Any] = ()) -> Function:
    """The function of a text.

    Parameters
    ----------
    table: the objects that the text refers to (:func:`pydsl.ir.printer.constant_table`).

    Raises
    ------
    IRSyntaxError: the text is no function, names something unknown, or its versions are wrong.
    """
    return _Parser(text, table).function()


class _Parser:
    def __init__(self, text: str, table: Sequence[Any]) -> None:
        self.lexer = Lexer(text, table)
        self.values: dict[str, Value] = {}
        self.defined: set[str] = set()
        self.storages: dict[str, Storage] = {}
        self.file = ""
        self.written_versions: list[tuple[Op | Block, str, tuple[Version, ...], int]] = []

    def function(self) -> Function:
        lexer = self.lexer
        lexer.expect("func")
        name = lexer.take_kind("storage")[1:]
        loc = self._loc()
        self.file = loc.file if loc is not None else ""
        lexer.expect("{")
        while lexer.accept("storage"):
            self._storage()
        function = Function(name, self._block(), list(self.storages.values()), loc=loc)
        lexer.expect("}")
        lexer.take_kind("end")
        unknown = sorted(set(self.values) - self.defined)
        if unknown:
            raise IRSyntaxError(f"used but not defined: {', '.join(unknown)}")
        self._compare_versions(function)
        return function

    # --- names ----------------------------------------------------------------------------------------------

    def _value(self, name: str) -> Value:
        """The value of a name; its type comes with its definition."""
        if name not in self.values:
            hint, dot, _ = name[1:].rpartition(".")
            self.values[name] = Value(INDEX, hint if dot else "")
        return self.values[name]

    def _define(self, name: str) -> Value:
        if name in self.defined:
            raise self.lexer.error(f"another name than {name}, which is defined already,")
        self.defined.add(name)
        return self._value(name)

    def _storage_named(self) -> Storage:
        name = self.lexer.take_kind("storage")
        if name not in self.storages:
            self.lexer.position -= 1
            raise self.lexer.error("a storage of the function")
        return self.storages[name]

    # --- parts ----------------------------------------------------------------------------------------------

    def _affine(self) -> Affine:
        return self.lexer.affine(self._value)

    def _affines(self) -> tuple[Affine, ...]:
        self.lexer.expect("[")
        return tuple(self.lexer.listed(self._affine, "]"))

    def _type(self) -> Type:
        lexer = self.lexer
        word = lexer.next.text
        if word.startswith("py_"):
            lexer.take()
            return ScalarType(np.dtype(word.removeprefix("py_")), weak=True)
        dtype = lexer.dtype()
        if not lexer.at("["):
            return ScalarType(dtype)
        shape = self._affines()
        strides = self._affines() if lexer.accept("strides") else c_strides(shape, dtype.itemsize)
        offset = self._affine() if lexer.accept("offset") else Affine.of(0)
        lexer.expect("in")
        return TensorType(dtype, shape, strides, offset, self._storage_named())

    def _complete(self, value: Value) -> None:
        """The type and the bounds of a value that was named before."""
        value.type = self._type()
        if self.lexer.accept("within"):
            self.lexer.expect("[")
            low, high = self.lexer.listed(self._bound, "]")
            value.bounds = (low, high)

    def _bound(self) -> int | None:
        return None if self.lexer.accept("?") else self.lexer.take_integer()

    def _loc(self) -> SourceLocation | None:
        lexer = self.lexer
        if not lexer.accept("loc"):
            return None
        lexer.expect("(")
        file = self.file
        if lexer.next.kind == "string":
            file = ast.literal_eval(lexer.take().text)
            lexer.expect(":")
        line = lexer.take_integer()
        lexer.expect(":")
        col = lexer.take_integer()
        lexer.expect(")")
        return SourceLocation(file, line, col)

    def _storage(self) -> None:
        lexer = self.lexer
        name = lexer.take_kind("storage")
        lexer.expect(":")
        origin = Origin(lexer.take_kind("word"))
        base = name[1:].partition(".")[0]
        storage = Storage(origin, base, lexer.dtype())
        self.storages[name] = storage
        storage.nbytes = self._affine() if lexer.accept("nbytes") else None
        storage.writeable = not lexer.accept("readonly")
        if lexer.accept("sources"):
            lexer.expect("[")
            storage.sources = lexer.listed(lambda: lexer.take_kind("storage"), "]")
        if lexer.accept("data"):
            storage.data = self._data(storage.dtype)
        if not lexer.at("storage"):
            self._link_sources()

    def _link_sources(self) -> None:
        """Names of sources become storages once all are known: joins may name each other."""
        for storage in self.storages.values():
            for position, source in enumerate(storage.sources):
                if isinstance(source, str):
                    if source not in self.storages:
                        raise IRSyntaxError(f"@{storage.name} names the unknown source {source}")
                    storage.sources[position] = self.storages[source]

    def _data(self, dtype: DType) -> Any:
        lexer = self.lexer
        if lexer.at("object"):
            return lexer.literal(self._value)
        shape = lexer.literal(self._value)
        lexer.expect("[")
        elements = lexer.listed(lambda: lexer.element(dtype), "]", ";")
        return np.array(elements, dtype).reshape(shape)

    # --- structure ------------------------------------------------------------------------------------------

    def _block(self) -> Block:
        lexer = self.lexer
        for mark in "^(":
            lexer.expect(mark)
        block = Block(lexer.listed(self._block_arg, ")"))
        self._versions(block, "->")
        lexer.expect(":")
        while not lexer.at("^") and not lexer.at("}"):
            block.ops.append(self._op())
        return block

    def _block_arg(self) -> Value:
        value = self._define(self.lexer.take_kind("value"))
        self.lexer.expect(":")
        self._complete(value)
        return value

    def _op(self) -> Op:
        lexer = self.lexer
        names: list[str] = []
        if lexer.next.kind == "value":
            names.append(lexer.take().text)
            while lexer.accept(","):
                names.append(lexer.take_kind("value"))
            lexer.expect("=")
        record = RECORDS.get(lexer.next.text)
        if record is None:
            raise lexer.error("the name of an operation")
        lexer.take()
        operands: list[Value] = []
        while lexer.next.kind == "value":
            operands.append(self._value(lexer.take().text))
            if not lexer.accept(","):
                break
        attrs = self._attrs()
        op = Op(record, operands, [self._define(name) for name in names], attrs)
        if names:
            lexer.expect(":")
            self._complete(op.results[0])
            for result in op.results[1:]:
                lexer.expect(",")
                self._complete(result)
        self._versions(op, "reads")
        self._versions(op, "->")
        op.loc = self._loc()
        if lexer.accept("{"):
            while not lexer.accept("}"):
                op.regions.append(self._block())
                op.regions[-1].parent = op
        return op

    def _attrs(self) -> dict[str, Any]:
        return dict(self.lexer.listed(self._attr, ">")) if self.lexer.accept("<") else {}

    def _attr(self) -> tuple[str, Any]:
        name = self.lexer.take_kind("word")
        self.lexer.expect("=")
        return name, self.lexer.literal(self._value)

    # --- versions -------------------------------------------------------------------------------------------

    def _versions(self, owner: Op | Block, how: str) -> None:
        lexer = self.lexer
        line = lexer.next.line
        if not lexer.accept(how):
            return
        found = [self._version()]
        while lexer.accept(","):
            found.append(self._version())
        self.written_versions.append((owner, how, tuple(found), line))

    def _version(self) -> Version:
        storage = self._storage_named()
        word = self.lexer.take_kind("word")
        if word[0] != "v" or not word[1:].isdigit():
            self.lexer.position -= 1
            raise self.lexer.error("a version such as v1")
        return storage, int(word[1:])

    def _compare_versions(self, function: Function) -> None:
        """What the text says about versions must be what the operations do."""
        if not self.written_versions:
            return
        versions = storage_versions(function)
        for owner, how, written, line in self.written_versions:
            if isinstance(owner, Block):
                actual = versions.enters.get(owner, ())
            else:
                actual = (versions.reads if how == "reads" else versions.defines).get(owner, ())
            if actual != written:
                text = ", ".join(f"{storage!r} v{number}" for storage, number in actual) or "nothing"
                raise IRSyntaxError(f"line {line}: the versions after '{how}' should be {text}")
