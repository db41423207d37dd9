"""The text form of the tensor IR. :mod:`pydsl.ir.parser` reads it back.

    func @shift loc("f.py":1:0) {
      storage @x : arg float64 nbytes 48
    ^(%x.0 : float64[6] in @x):
      %1 = view %x.0 <how = 'index'> : float64[5] offset 8 in @x loc(2:4)
      %2 = view %x.0 <how = 'index'> : float64[5] in @x loc(2:12)
      store %1, %2 reads @x v0 -> @x v1 loc(2:4)
      return %x.0 <site = 0> loc(3:4)
    }

Strides are written where they are not those of C order, offsets where they are not 0. ``reads @x v0`` and ``-> @x v1``
are the versions of storages that an operation reads and makes (:mod:`pydsl.ir.versions`). Values are numbered in the
order of their definitions.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine, Symbol
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.literals import element, literal
from pydsl.ir.types import ScalarType, Storage, TensorType, Type, c_strides
from pydsl.ir.versions import Version, Versions, storage_versions

__all__ = ["constant_table", "print_function", "print_op"]

#: constant arrays of at most this many elements are written in place.
INLINE_ELEMENTS = 16


def print_function(function: Function, *, locations: bool = True, versions: bool = True) -> str:
    """The text form of a function, with a line end."""
    return _Printer(function, locations, versions).function_text()


def constant_table(function: Function) -> list[Any]:
    """The objects that the text form only refers to, for :func:`pydsl.ir.parser.parse_function`."""
    printer = _Printer(function, locations=False, versions=False)
    printer.function_text()
    return printer.table


def print_op(function: Function, op: Op) -> str:
    """One operation as it stands in the text of its function, without its regions."""
    return _Printer(function, locations=True, versions=False).op_line(op)


class _Printer:
    def __init__(self, function: Function, locations: bool, versions: bool) -> None:
        self.function = function
        self.locations = locations
        self.versions = storage_versions(function) if versions else Versions()
        self.table: list[Any] = []
        self.lines: list[str] = []
        self.values: dict[Symbol, str] = {}
        self.storages: dict[Storage, str] = {}
        self.taken: Counter[str] = Counter()
        self.file = function.loc.file if function.loc is not None else ""
        for storage in function.storages:
            self._name_storage(storage)
        self._name_block(function.body)

    # --- names ----------------------------------------------------------------------------------------------

    def _name_storage(self, storage: Storage) -> str:
        if storage not in self.storages:
            base = re.sub(r"\W", "_", storage.name) or "_"
            taken = self.taken[base]
            self.taken[base] += 1
            self.storages[storage] = f"@{base}.{taken}" if taken else f"@{base}"
        return self.storages[storage]

    def _name_block(self, block: Block) -> None:
        for arg in block.args:
            self._name_value(arg)
        for op in block.ops:
            for result in op.results:
                self._name_value(result)
            for region in op.regions:
                self._name_block(region)

    def _name_value(self, value: Symbol) -> str:
        if value not in self.values:
            hint = re.sub(r"\W", "_", value.hint) if isinstance(value, Value) else str(value)
            number = len(self.values)
            self.values[value] = f"%{hint}.{number}" if hint else f"%{number}"
        return self.values[value]

    # --- parts ----------------------------------------------------------------------------------------------

    def _affine(self, expr: Affine) -> str:
        return expr.text(self._name_value)

    def _type(self, type_: Type) -> str:
        if isinstance(type_, ScalarType):
            return str(type_)
        text = f"{type_.dtype.name}[{', '.join(map(self._affine, type_.shape))}]"
        if not _has_c_strides(type_):
            text += f" strides [{', '.join(map(self._affine, type_.strides))}]"
        if type_.offset != 0:
            text += f" offset {self._affine(type_.offset)}"
        return f"{text} in {self._name_storage(type_.storage)}"

    def _typed(self, value: Value) -> str:
        return f"{self._type(value.type)}{_bounds(value)}"

    def _versions(self, versions: tuple[Version, ...]) -> str:
        return ", ".join(f"{self._name_storage(storage)} v{number}" for storage, number in versions)

    def _loc(self, loc: SourceLocation | None) -> str:
        if loc is None or not self.locations:
            return ""
        file = "" if loc.file == self.file else f"{loc.file!r}:"
        return f" loc({file}{loc.line}:{loc.col})"

    def _storage(self, storage: Storage) -> str:
        text = f"  storage {self._name_storage(storage)} : {storage.origin.value} {storage.dtype.name}"
        if storage.nbytes is not None:
            text += f" nbytes {self._affine(storage.nbytes)}"
        if not storage.writeable:
            text += " readonly"
        if storage.sources:
            text += f" sources [{', '.join(map(self._name_storage, storage.sources))}]"
        if storage.data is not None:
            text += f" data {self._data(storage)}"
        return text

    def _data(self, storage: Storage) -> str:
        data = storage.data
        inline = storage.origin.value == "const" and isinstance(data, np.ndarray) and data.flags.c_contiguous
        if not inline or data.size > INLINE_ELEMENTS or data.dtype != storage.dtype:
            self.table.append(data)
            return f"object({len(self.table) - 1})"
        shape = literal(data.shape, self._name_value, self.table)
        return f"{shape} [{'; '.join(element(item) for item in data.ravel())}]"

    # --- structure ------------------------------------------------------------------------------------------

    def function_text(self) -> str:
        loc = self.function.loc
        where = f" loc({loc.file!r}:{loc.line}:{loc.col})" if loc is not None else ""
        name = re.sub(r"[^\w.]", "_", self.function.name)
        self.lines.append(f"func @{name}{where} {{")
        self.lines += [self._storage(storage) for storage in self.function.storages]
        self._block(self.function.body, "")
        self.lines.append("}")
        return "\n".join(self.lines) + "\n"

    def _block(self, block: Block, margin: str) -> None:
        args = ", ".join(f"{self._name_value(arg)} : {self._typed(arg)}" for arg in block.args)
        enters = self.versions.enters.get(block, ())
        joined = f" -> {self._versions(enters)}" if enters else ""
        self.lines.append(f"{margin}^({args}){joined}:")
        for op in block.ops:
            line = f"{margin}  {self.op_line(op)}"
            if not op.regions:
                self.lines.append(line)
                continue
            self.lines.append(line + " {")
            for region in op.regions:
                self._block(region, margin + "  ")
            self.lines.append(f"{margin}  }}")

    def op_line(self, op: Op) -> str:
        """An operation up to its regions."""
        text = f"{', '.join(map(self._name_value, op.results))} = " if op.results else ""
        text += op.name
        if op.operands:
            text += f" {', '.join(map(self._name_value, op.operands))}"
        if op.attrs:
            text += f" <{', '.join(self._attr(name, op.attrs[name]) for name in _attr_order(op))}>"
        if op.results:
            text += f" : {', '.join(map(self._typed, op.results))}"
        reads, defines = self.versions.reads.get(op), self.versions.defines.get(op)
        if reads:
            text += f" reads {self._versions(reads)}"
        if defines:
            text += f" -> {self._versions(defines)}"
        return text + self._loc(op.loc)

    def _attr(self, name: str, value: Any) -> str:
        return f"{name} = {literal(value, self._name_value, self.table)}"


def _attr_order(op: Op) -> list[str]:
    """Attributes in the order of the record, then any others by name."""
    known = [name for name in op.record.attrs if name in op.attrs]
    return known + sorted(set(op.attrs) - set(known))


def _bounds(value: Value) -> str:
    low, high = value.bounds
    if low is None and high is None:
        return ""
    return f" within [{'?' if low is None else low}, {'?' if high is None else high}]"


def _has_c_strides(type_: TensorType) -> bool:
    try:
        return c_strides(type_.shape, type_.itemsize) == type_.strides
    except ValueError:
        return False
