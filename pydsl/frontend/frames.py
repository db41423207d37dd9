"""The state of one function that is being evaluated: its variables, and the loops around the current statement."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydsl.errors import SourceLocation
from pydsl.frontend.source import SourceFunction
from pydsl.frontend.values import Operand, is_list_variable
from pydsl.ir.core import Block, Value


@dataclass
class Namespace:
    """The variables of a frame, and where each was defined last."""

    values: dict[str, Operand] = field(default_factory=dict)
    places: dict[str, SourceLocation] = field(default_factory=dict)

    def copy(self) -> Namespace:
        return Namespace(dict(self.values), dict(self.places))


def list_states(names: Namespace) -> dict[str, Operand]:
    """The states of the lists that grow at run time: a call takes them along and brings them back."""
    return {name: value for name, value in names.values.items() if is_list_variable(name)}


RETURNS = "<returns>"
RESULT = "<result>"
"""Variables of a called function that returns out of a loop of the IR: whether it does, and what."""


@dataclass(eq=False)
class Edge:
    """One way into a join: the block it comes from (still without terminator) and the variables there."""

    block: Block
    names: Namespace
    kind: str = "yield"
    loc: SourceLocation | None = None
    value: Operand = None


@dataclass(eq=False)
class Loop:
    """A loop around the current statement.

    edges: the ways into the next turn, or out of the loop.
    cheap: whether unrolling it would be cheap.
    variable: of a loop in the IR; `item` makes the value of the loop's target of it.
    """

    in_ir: bool
    node: ast.For | ast.While | None = None
    edges: list[Edge] = field(default_factory=list)
    variable: Value | None = None
    item: Callable[[Operand], Operand] | None = None
    cheap: bool = False


@dataclass(eq=False)
class Frame:
    """One activation of a function.

    names: its variables.
    lexical: the frame that a nested function was defined in.
    globals, cells: where its other names come from.
    path: the chain of calls and unrolled turns that led here.
    main: whether it is the traced function itself, whose `return` is the function's.
    unchecked: whether it indexes within [0, n) by itself (the self-hosted library).
    place: of a library function: the user's line that called it, which stands for all of its own.
    local_names: the names that cannot come from outside (comprehensions have frames of their own).
    """

    source: SourceFunction
    names: Namespace
    globals: dict[str, Any]
    cells: dict[str, Any]
    path: tuple[Any, ...] = ()
    lexical: Frame | None = None
    main: bool = False
    loops: list[Loop] = field(default_factory=list)
    local_names: frozenset[str] = frozenset()
    unchecked: bool = False
    place: SourceLocation | None = None

    def locate(self, node: Any) -> SourceLocation:
        if self.place is not None:
            return self.place
        return self.source.text.locate(node, self.source.name)
