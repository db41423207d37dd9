"""A generated program: its source as a tree that can be shrunk, and its inputs as views of a few buffers."""

from __future__ import annotations

import hashlib
import linecache
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """A statement (or a few that belong together), without indentation."""

    text: str


@dataclass(frozen=True)
class Nest:
    """A compound statement: ``header:`` with a body, and for ``if`` perhaps an ``else`` branch."""

    header: str
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] = ()


Node: TypeAlias = "Line | Nest"


@dataclass(frozen=True)
class Buffer:
    """One-dimensional memory of the inputs."""

    name: str
    values: Array


@dataclass(frozen=True)
class Argument:
    """An argument: a Python expression over the buffers (or a scalar), perhaps read-only."""

    name: str
    text: str
    readonly: bool = False


@dataclass
class Arguments:
    """Fresh inputs for one run."""

    buffers: list[Array]
    values: list[Any]


@dataclass(frozen=True)
class Program:
    """Source and inputs.

    exact: whether results must agree to the bit (else within a tolerance).
    variant: 0 the inputs themselves; 1 with other data; 2 with every array a copy, so that nothing overlaps.
    """

    seed: int
    helpers: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    arguments: tuple[Argument, ...]
    body: tuple[Node, ...]
    exact: bool = True
    variant: int = 0

    # --- source ---------------------------------------------------------------------------------------------

    @property
    def function_source(self) -> str:
        """The helpers and the function ``f``."""
        parameters = ", ".join(argument.name for argument in self.arguments)
        body = "\n".join(_lines(self.body or (Line("pass"),)))
        function = f"def f({parameters}):\n{textwrap.indent(body, '    ')}\n"
        return "\n\n".join(["import numpy as np", *self.helpers, function])

    def source(self) -> str:
        """Everything, to be pasted: the function, and ``inputs()`` that makes its arguments."""
        lines = ["def inputs():", "    nan, inf = np.nan, np.inf"]
        for buffer in self.buffers:
            lines.append(f"    {buffer.name} = {array_text(buffer.values)}")
        for argument in self.arguments:
            lines.append(f"    {argument.name} = {argument.text}")
            if argument.readonly:
                lines.append(f"    {argument.name}.flags.writeable = False")
        names = ", ".join(argument.name for argument in self.arguments)
        lines.append(f"    return ({names}{',' if len(self.arguments) == 1 else ''})")
        return self.function_source + "\n\n" + "\n".join(lines) + "\n"

    # --- running --------------------------------------------------------------------------------------------

    def function(self) -> Callable[..., Any]:
        """The compiled Python function; its source can be found by ``inspect``."""
        text = self.function_source
        name = f"<generated {self.seed} {hashlib.sha1(text.encode()).hexdigest()[:10]}>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        namespace: dict[str, Any] = {"__name__": "generated", "np": np}
        exec(compile(text, name, "exec"), namespace)
        function: Callable[..., Any] = namespace["f"]
        return function

    def make_arguments(self) -> Arguments:
        """Fresh buffers and the arguments on them."""
        buffers = [buffer.values.copy() for buffer in self.buffers]
        if self.variant == 1:
            buffers = [np.roll(data, 1)[::-1].copy() for data in buffers]
        names: dict[str, Any] = {"np": np, "nan": np.nan, "inf": np.inf}
        names.update({buffer.name: data for buffer, data in zip(self.buffers, buffers)})
        values = []
        for argument in self.arguments:
            value = eval(argument.text, names)
            if argument.readonly:
                value = value.view()
                value.flags.writeable = False
            values.append(value)
            names[argument.name] = value
        if self.variant == 2:
            values = [value.copy() if isinstance(value, np.ndarray) else value for value in values]
            buffers = [value for value in values if isinstance(value, np.ndarray)]
        return Arguments(buffers, values)

    # --- shrinking ------------------------------------------------------------------------------------------

    def with_body(self, body: Sequence[Node]) -> Program:
        return replace(self, body=tuple(body))

    @property
    def joins(self) -> bool:
        """Whether there is control flow."""
        return any(isinstance(node, Nest) for node in self.body) or "    if " in "".join(self.helpers)

    def size(self) -> int:
        """A measure that shrinking makes smaller."""
        text = len(self.function_source) + sum(len(argument.text) for argument in self.arguments)
        return text + sum(buffer.values.size for buffer in self.buffers)


def forget(function: Callable[..., Any]) -> None:
    """Drop the source of a generated function."""
    linecache.cache.pop(function.__code__.co_filename, None)


def _lines(nodes: Sequence[Node]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        if isinstance(node, Line):
            lines += node.text.split("\n")
            continue
        lines.append(f"{node.header}:")
        lines += [f"    {line}" for line in _lines(node.body or (Line("pass"),))]
        if node.orelse:
            lines.append("else:")
            lines += [f"    {line}" for line in _lines(node.orelse)]
    return lines


def array_text(values: Array) -> str:
    """A one-dimensional array as a Python expression."""
    items = ", ".join(_scalar_text(item) for item in values)
    return f"np.array([{items}], dtype=np.{_dtype_name(values.dtype)})"


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return "bool_" if dtype.kind == "b" else dtype.name


def _scalar_text(item: Any) -> str:
    if item.dtype.kind == "c":
        return f"complex({_float_text(item.real)}, {_float_text(item.imag)})"
    if item.dtype.kind == "f":
        return _float_text(item)
    return repr(item.item())


def _float_text(item: Any) -> str:
    return repr(float(item))
