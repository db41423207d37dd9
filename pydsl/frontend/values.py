"""Front-end values that are neither plain Python objects nor IR values, and questions about values.

A front-end value is *static* (any Python object known at compile time), *dynamic* (an IR
:class:`~pydsl.ir.core.Value`), a container holding such, or one of the classes here.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.frontend.failures import FrontendFailure
from pydsl.ir.core import Value
from pydsl.ir.types import ScalarType

if TYPE_CHECKING:
    from pydsl.frontend.frames import Frame

Operand: TypeAlias = Any
"""Any front-end value."""


class Unbound:
    """The state of a name that is not bound (on one way through the code)."""

    def __repr__(self) -> str:
        return "<unbound>"


UNBOUND = Unbound()


@dataclass(frozen=True)
class Poison:
    """A value that cannot be had; an error only where it is used.

    message: what is wrong ("" where it was reported already).
    related: places of the definitions that do not meet.
    condition: the dynamic condition that decides between them: with it static, there is no join.
    """

    message: str = ""
    hint: str = ""
    related: tuple[tuple[str, SourceLocation], ...] = ()
    condition: Value | None = None


class Silenced(FrontendFailure):
    """The use of a value whose failure was reported already."""


class Dead(FrontendFailure):
    """The code after this expression is never reached: the current block has ended."""


@dataclass(frozen=True)
class MaybeUnbound:
    """A scalar variable that is bound only where `flag` is true."""

    value: Value
    flag: Value


@dataclass(frozen=True, eq=False)
class LocalFunction:
    """A function or lambda defined in the traced code; it sees the variables of its frame as they are when it runs."""

    name: str
    node: ast.FunctionDef | ast.Lambda
    frame: Frame
    defaults: tuple[Operand, ...]
    kw_defaults: dict[str, Operand]


@dataclass(frozen=True, eq=False)
class BoundMethod:
    """A method of a value: called as `handler(builder, value, ...)`."""

    value: Operand
    name: str
    handler: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Partial:
    """`functools.partial` of front-end values."""

    function: Operand
    args: tuple[Operand, ...]
    kwargs: dict[str, Operand]


@dataclass(frozen=True, eq=False)
class Vectorized:
    """`np.vectorize(function)` of a function of the traced code, with its options."""

    options: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class UfuncMethod:
    """`np.add.reduce` and the like."""

    ufunc: np.ufunc
    name: str


@dataclass(frozen=True, eq=False)
class Field:
    """A dynamic part of a text: a scalar, and how it is formatted (`!r:>8`)."""

    value: Value
    format: str = ""


@dataclass(frozen=True, eq=False)
class Text:
    """A string with dynamic parts. Only error messages can use it."""

    parts: tuple[str | Field, ...]

    def template(self) -> tuple[str, tuple[Value, ...]]:
        """A `str.format` template, and the values for it."""
        out = ""
        values: list[Value] = []
        for part in self.parts:
            if isinstance(part, Field):
                out += f"{{{len(values)}{part.format}}}"
                values.append(part.value)
            else:
                out += part.replace("{", "{{").replace("}", "}}")
        return out, tuple(values)


def text_of(parts: Sequence[str | Field | Text]) -> str | Text:
    """The concatenation; a plain string where nothing is dynamic."""
    flat: list[str | Field] = []
    for part in parts:
        flat += part.parts if isinstance(part, Text) else (part,)
    if any(isinstance(part, Field) for part in flat):
        return Text(tuple(flat))
    return "".join(part for part in flat if isinstance(part, str))


@dataclass(frozen=True, eq=False)
class ExceptionValue:
    """An exception object made in the traced code."""

    cls: type[BaseException]
    args: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class Opaque:
    """An object of a class whose methods the compiler calls out for (a random generator).

    handle: its address, an integer scalar; None for one that was made inside.
    state: of one that was made inside: an array that is all there is of it.
    """

    cls: type
    handle: Value | None
    state: Value | None = None


@dataclass(frozen=True, eq=False)
class Lazy:
    """An iterable known by its length and its items: ranges with dynamic bounds, rows of tensors, and what `zip`,
    `enumerate` and `reversed` make of them.

    length: a Python int, or an integer scalar.
    item: item number i (a Python int, or an integer scalar within bounds).
    owner: the list that is gone through, where it is one that grows at run time.
    """

    length: Operand
    item: Callable[[Operand], Operand]
    range: tuple[Operand, Operand, int] | None = None
    owner: list[Operand] | None = None


@dataclass(frozen=True, eq=False)
class Grown:
    """A list that the traced program changes at run time. Its state is the variable `name` of the frame.

    owner: the list as it was known at compile time before.
    """

    owner: list[Operand]

    @property
    def name(self) -> str:
        return list_variable(self.owner)


@dataclass(frozen=True, eq=False)
class GrownMethod:
    """A method of a list that grows at run time."""

    owner: Grown
    name: str


@dataclass(frozen=True, eq=False)
class ListState:
    """What a list that grows at run time holds: one column of memory for each leaf of an item.

    owner: the list that it is the state of.
    sample: an item, for its structure.
    types: of the leaves; None: an array.
    """

    owner: list[Operand]
    sample: Operand
    types: tuple[ScalarType | None, ...]
    columns: tuple[Value, ...]
    count: Value


_LIST_VARIABLE = "<list "


def list_variable(owner: list[Operand]) -> str:
    """The variable that holds the state of a list."""
    return f"{_LIST_VARIABLE}{id(owner)}>"


def is_list_variable(name: str) -> bool:
    """Whether a variable is the state of a list."""
    return name.startswith(_LIST_VARIABLE)


SCALARS = (bool, int, float, complex, np.generic)


def is_number(value: Operand) -> bool:
    """A scalar that IR can hold: dynamic, or a static number."""
    if isinstance(value, Value):
        return not value.is_tensor
    if isinstance(value, np.generic):
        return value.dtype.kind in "biufc"
    return isinstance(value, (bool, int, float, complex))


def is_tensor(value: Operand) -> bool:
    """Whether it is a tensor reference."""
    return isinstance(value, Value) and value.is_tensor


_FRONT_END = (
    Value, Poison, MaybeUnbound, LocalFunction, BoundMethod, Partial, Vectorized, Text, ExceptionValue, Lazy, Grown,
    GrownMethod, ListState, Opaque,
)  # fmt: skip


def is_dynamic(value: Operand) -> bool:
    """Whether the value holds anything that exists only in the traced program."""
    if isinstance(value, _FRONT_END):
        return True
    parts = decompose(value)
    return parts is not None and any(map(is_dynamic, parts.items))


@dataclass(frozen=True)
class Parts:
    """A container taken apart: what it is, and its items."""

    key: tuple[Any, ...]
    items: Sequence[Operand]
    rebuild: Callable[[Sequence[Operand]], Operand]


def decompose(value: Operand) -> Parts | None:
    """The items of a container that can hold dynamic values: tuple, named tuple, list, dict, slice, dataclass."""
    kind = type(value)
    if kind is tuple or kind is list:
        return Parts((kind, len(value)), value, kind)
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return Parts((kind, len(value)), value, kind._make)
    if kind is dict:
        keys = tuple(value)
        return Parts((dict, keys), tuple(value.values()), lambda items: dict(zip(keys, items, strict=True)))
    if kind is slice:
        return Parts((slice,), (value.start, value.stop, value.step), lambda items: slice(*items))
    if hasattr(kind, "__dataclass_fields__") and not isinstance(value, _FRONT_END):
        names = tuple(f.name for f in dataclasses.fields(value) if hasattr(value, f.name))
        return Parts(
            (kind, names),
            tuple(getattr(value, name) for name in names),
            lambda items: make_object(kind, zip(names, items, strict=True)),
        )
    return None


def make_object(cls: type, fields: Any) -> Any:
    """A dataclass instance with these fields, without running its `__init__`."""
    made: Any = object.__new__(cls)
    for name, item in fields:
        object.__setattr__(made, name, item)
    return made


def same(a: Operand, b: Operand) -> bool:
    """Whether two values are interchangeable: the same object, or equal static scalars, strings, tuples."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, _FRONT_END):
        return False
    if isinstance(a, (int, str, bytes, bool, range, np.dtype)):
        return bool(a == b)
    if isinstance(a, (float, complex, np.generic)):
        return repr(a) == repr(b)  # tells -0.0 from 0.0, and takes nan as itself
    if isinstance(a, (tuple, slice)):
        first, second = decompose(a), decompose(b)
        if first is not None and second is not None and first.key == second.key:
            return all(map(same, first.items, second.items))
    return False


def describe(value: Operand) -> str:
    """A value as an error message names it."""
    if isinstance(value, Value):
        if value.is_tensor:
            dims = ", ".join(str(d.value) if d.is_const else "?" for d in value.tensor.shape)
            return f"{value.tensor.dtype.name} array of shape ({dims}{',' if value.tensor.rank == 1 else ''})"
        type_ = value.scalar
        return f"{python_kind(type_.dtype)} scalar" if type_.weak else f"{type_.dtype.name} scalar"
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, (int, float, complex)):
        return repr(value)
    if isinstance(value, MaybeUnbound):
        return describe(value.value)
    if isinstance(value, (LocalFunction, BoundMethod)):
        return f"function {value.name}"
    if isinstance(value, Text):
        return "text with values known at run time only"
    if isinstance(value, Lazy):
        return "iterator"
    if isinstance(value, (Grown, ListState)):
        return "list that grows at run time"
    return _describe_object(value)


def _describe_object(value: Operand) -> str:
    if isinstance(value, Opaque):
        return f"{value.cls.__name__} object"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, np.ufunc):
        return f"np.{value.__name__}"
    if isinstance(value, type):
        return f"class {value.__name__}"
    return f"{type(value).__name__} object"


def python_kind(dtype: np.dtype[Any]) -> str:
    """The Python type that corresponds to a dtype."""
    return {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}[dtype.kind]
