"""What is asked of the front end, and what it answers: plain records, no behaviour.

A request describes the arguments of one specialisation as trees (:data:`ArgTree`) whose leaves are arrays, dynamic
scalars and static objects. `leaf` numbers the dynamic leaves: it is the index of the block argument of the function's
body. The answer is the typed function and everything the runtime must watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.core import Function
from pydsl.ir.types import Storage

Path: TypeAlias = "tuple[int | str, ...]"
"""Where an object is found in the arguments: the parameter's name, then items and attribute names."""


# --- arguments ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SymbolSpec:
    """A number of the arguments' layout that is known at run time only; never 1.

    low: its least value. factors: for a product, the indices of the symbols that are multiplied.
    """

    name: str
    low: int
    factors: tuple[int, ...] = ()


@dataclass(frozen=True)
class SymbolTerm:
    """`factor` times the symbol of this index."""

    index: int
    factor: int = 1


Extent: TypeAlias = "int | SymbolTerm"


@dataclass(frozen=True)
class ArraySpec:
    """An array. Arrays that overlap in memory have the same `group` and exact offsets within it.

    strides: in bytes.
    group: arrays of one group lie in one storage; arrays of different groups share no memory.
    offset: address of element 0 minus the lowest address of any array of the group, in bytes.
    """

    dtype: np.dtype[Any]
    shape: tuple[Extent, ...]
    strides: tuple[Extent, ...]
    writeable: bool
    group: int
    offset: int
    leaf: int


@dataclass(frozen=True)
class ScalarSpec:
    """A scalar whose value is not known at compile time; `weak`: a Python scalar. `low`: the least value of an integer
    that need not be known at compile time even where it is a size."""

    dtype: np.dtype[Any]
    weak: bool
    leaf: int
    low: int | None = None


@dataclass(frozen=True)
class OpaqueSpec:
    """An object of exactly this class, of which the compiled code knows the address."""

    cls: type
    leaf: int


@dataclass(frozen=True)
class StaticSpec:
    """An object known at compile time (guarded by the runtime)."""

    value: Any


@dataclass(frozen=True)
class SequenceSpec:
    """A tuple, list or named tuple of the class `type`."""

    items: tuple[ArgTree, ...]
    type: type = tuple


@dataclass(frozen=True)
class MappingSpec:
    """A dict with string keys."""

    items: tuple[tuple[str, ArgTree], ...]


@dataclass(frozen=True)
class ObjectSpec:
    """A dataclass instance of class `cls`."""

    cls: type
    items: tuple[tuple[str, ArgTree], ...]


ArgTree: TypeAlias = (
    "ArraySpec | ScalarSpec | OpaqueSpec | StaticSpec | SequenceSpec | MappingSpec | ObjectSpec"
)


@dataclass(frozen=True)
class TraceOptions:
    """Limits of the partial evaluator.

    unroll_trips: loops over a range of at most this many turns are unrolled,
    unroll_statements: if turns times statements of the body stays within this.
    max_statements: statements evaluated in all, against programs that unroll without end.
    """

    unroll_trips: int = 8
    unroll_statements: int = 128
    max_statements: int = 20_000


@dataclass(frozen=True)
class TraceRequest:
    """One specialisation of a function. A parameter `*args` is a :class:`SequenceSpec`, `**kwargs` a
    :class:`MappingSpec`; a parameter that is missing takes its default, as a static object. The block arguments of
    the traced function are the leaves, then the `symbols`."""

    function: Callable[..., Any]
    params: Mapping[str, ArgTree]
    options: TraceOptions = TraceOptions()
    symbols: tuple[SymbolSpec, ...] = ()


# --- results ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReturnLeaf:
    """Operand `operand_index` of the return op; an array that is not `writeable` is a read-only view
    (other views are as writeable as their base)."""

    operand_index: int
    writeable: bool = True


@dataclass(frozen=True)
class ReturnStatic:
    """An object known at compile time."""

    value: Any


@dataclass(frozen=True)
class ReturnArgument:
    """An argument, or a part of one, unchanged: the very object at `path`; `leaf` where it is a dynamic leaf."""

    leaf: int | None
    path: Path


@dataclass(frozen=True)
class ReturnSequence:
    """A new tuple, list or named tuple of the class `type`, or what this function makes of the items."""

    items: tuple[ReturnTree, ...]
    type: Callable[..., Any] = tuple


@dataclass(frozen=True)
class ReturnMapping:
    """A new dict."""

    items: tuple[tuple[Any, ReturnTree], ...]


@dataclass(frozen=True)
class ReturnObject:
    """A new dataclass instance of class `cls`."""

    cls: type
    items: tuple[tuple[str, ReturnTree], ...]


ReturnTree: TypeAlias = (
    "ReturnLeaf | ReturnStatic | ReturnArgument | ReturnSequence | ReturnMapping | ReturnObject | None"
)


@dataclass(frozen=True)
class Reads:
    """The names a trace depends on.

    globals: (namespace, name, object) for every name found there.
    cells: (closure cell, object).
    absent: (namespace, name) for names that were looked for there and found among the builtins.
    sources: the functions that were inlined, with the place of their definition.
    """

    globals: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list)
    cells: list[tuple[Any, Any]] = field(default_factory=list)
    absent: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    sources: list[tuple[Callable[..., Any], SourceLocation]] = field(default_factory=list)


@dataclass(frozen=True)
class TraceResult:
    """A traced function: `function.returns[site]` is a :data:`ReturnTree`.

    asked_to_write: memory that a write was tried on, also where the write came to nothing or was an error.
    assumed: what the trace took for granted about expressions over block arguments: that they are not 0 ("ne"), or at
        least 0 ("ge").
    """

    function: Function
    reads: Reads
    asked_to_write: frozenset[Storage] = frozenset()
    assumed: tuple[tuple[str, Affine], ...] = ()

    @property
    def read_globals(self) -> list[tuple[dict[str, Any], str, Any]]:
        return self.reads.globals

    @property
    def read_cells(self) -> list[tuple[Any, Any]]:
        return self.reads.cells
