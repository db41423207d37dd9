"""The key of a specialization: what a compiler may know about the arguments of a call.

Every leaf is described: arrays by dtype, shape, strides and flags, numbers by type, everything else by value or
identity (static). `Signature` is that description of a call, hashable, together with the overlap pattern of the
arrays; `CompileRequest` is what the pipeline gets. `binding.py` makes them from live objects.

A *leaf path* (`LeafPath`) names a leaf as the function sees it: the parameter's name, then item indices of tuples and
lists, keys of dicts, names of attributes. `("xs", 0)` is `xs[0]`; `("args", 1)` the second of `*args`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pydsl.jit.runtime.abi import ArgPath, CallForm
from pydsl.jit.runtime.statics import static_key

LeafPath: TypeAlias = "tuple[str | int, ...]"


class StaticsNeeded(Exception):  # noqa: N818 - a request, not an error
    """The pipeline needs the values of these leaves at compile time: the call is specialised on them."""

    def __init__(self, paths: tuple[LeafPath, ...]) -> None:
        super().__init__(paths)
        self.paths = paths


# ----------------------------------------------------------------------------------------------- leaves


@dataclass(frozen=True, slots=True)
class Symbol:
    """A dimension that is known at run time only (see `symbolic.py`); never 1. Numbered within a signature. It is a
    multiple of `factor`, and at least `low`."""

    number: int
    name: str
    factor: int = 1
    low: int = 0

    def __str__(self) -> str:
        return self.name if self.factor == 1 else f"{self.factor}*{self.name}"


@dataclass(frozen=True, slots=True)
class ProductStride:
    """A stride of `factor` times the (symbolic) dimensions `axes` of the same array."""

    factor: int
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OpenStride:
    """A stride known at run time only: at least stride times dimension of the axis `inner`."""

    inner: int


Extent: TypeAlias = "int | Symbol"
Stride: TypeAlias = "int | ProductStride | OpenStride"


@dataclass(frozen=True, slots=True)
class ArrayLeaf:
    """An exact `np.ndarray` of a native numeric dtype. What a call is described by has no symbols."""

    dtype: np.dtype[Any]
    shape: tuple[Extent, ...]
    strides: tuple[Stride, ...]
    writeable: bool
    aligned: bool

    @property
    def is_symbolic(self) -> bool:
        return not all(isinstance(number, int) for number in (*self.shape, *self.strides))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class NumberLeaf:
    """A Python int (that fits 64 bits), float or complex whose value is not known at compile time. `size`: an int that
    sizes are computed from, but that need not be known for them."""

    cls: type[int] | type[float] | type[complex]
    size: bool = False

    def __str__(self) -> str:
        return self.cls.__name__


@dataclass(frozen=True, slots=True)
class NumpyScalarLeaf:
    """A NumPy scalar whose value is not known at compile time; `size` as in `NumberLeaf`."""

    dtype: np.dtype[Any]
    size: bool = False

    def __str__(self) -> str:
        return f"np.{self.dtype.type.__name__}"


@dataclass(frozen=True, slots=True)
class ObjectLeaf:
    """An object of exactly this class, which compiled code hands on to Python functions."""

    cls: type

    def __str__(self) -> str:
        return self.cls.__name__


@dataclass(frozen=True, slots=True, eq=False)
class StaticLeaf:
    """An object known at compile time: equal leaves hold the same object, or (unless `by_identity`) the same value
    of the same type."""

    value: Any
    by_identity: bool = False

    def _key(self) -> Any:
        return id(self.value) if self.by_identity else static_key(self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StaticLeaf) or self.by_identity != other.by_identity:
            return False
        return bool(self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class TupleNode:
    """A tuple, or an instance of the namedtuple `cls`."""

    items: tuple[Node, ...]
    cls: type = tuple

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple[Node, ...]

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class DictNode:
    """A dict with string keys."""

    items: tuple[tuple[str, Node], ...]

    def __str__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {node}' for key, node in self.items)}}}"


@dataclass(frozen=True, slots=True)
class AttributesNode:
    """An instance of the dataclass `cls`."""

    cls: type
    items: tuple[tuple[str, Node], ...]

    def __str__(self) -> str:
        return f"{self.cls.__name__}({', '.join(f'{key}={node}' for key, node in self.items)})"


Leaf: TypeAlias = ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf | StaticLeaf
Node: TypeAlias = Leaf | TupleNode | ListNode | DictNode | AttributesNode


def children(node: Node) -> tuple[tuple[str | int, Node], ...]:
    """The items of a node with their step in a path; nothing for a leaf."""
    if isinstance(node, TupleNode | ListNode):
        return tuple(enumerate(node.items))
    if isinstance(node, DictNode | AttributesNode):
        return node.items
    return ()


def leaves_of(node: Node, path: LeafPath) -> Iterator[tuple[LeafPath, Leaf]]:
    """The leaves below a node, in order."""
    if isinstance(node, ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf | StaticLeaf):
        yield path, node
    for step, item in children(node):
        yield from leaves_of(item, (*path, step))


# -------------------------------------------------------------------------------------------- signature


@dataclass(frozen=True, slots=True)
class Argument:
    """One object of the call: its path (of one step, or two for items of `*args` and `**kwargs`) and description."""

    path: LeafPath
    node: Node


@dataclass(frozen=True, slots=True)
class Overlap:
    """The byte extents of two array leaves intersect; `delta` is the second data pointer minus the first."""

    first: LeafPath
    second: LeafPath
    delta: int


@dataclass(frozen=True, slots=True)
class Signature:
    """The key of a specialization: arguments as passed (positional, then keywords), then the defaults that were used,
    and which arrays overlap how (pairs in leaf order)."""

    call_form: CallForm
    passed: tuple[Argument, ...]
    defaulted: tuple[Argument, ...] = ()
    overlaps: tuple[Overlap, ...] = ()

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """All objects in the order of the guards."""
        return (*self.passed, *self.defaulted)

    def leaves(self) -> Iterator[tuple[LeafPath, Leaf]]:
        """All leaves in the order of the slots."""
        for argument in self.arguments:
            yield from leaves_of(argument.node, argument.path)

    @property
    def is_symbolic(self) -> bool:
        """Whether it covers calls with different sizes."""
        return any(
            leaf.is_symbolic if isinstance(leaf, ArrayLeaf) else getattr(leaf, "size", False)
            for _, leaf in self.leaves()
        )

    def arg_path(self, path: LeafPath) -> ArgPath:
        """The argument path (see `abi.py`) of an object named by its leaf path."""
        for position, argument in enumerate(self.arguments):
            length = len(argument.path)
            if path[:length] == argument.path:
                return (position, *path[length:])
        raise KeyError(path)

    def __str__(self) -> str:
        parts = [f"{'.'.join(map(str, a.path))}: {a.node}" for a in self.arguments]
        return f"({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class JitOptions:
    """What the decorator was given. `settings` are the knobs that change code."""

    target: str | None = None
    fastmath: bool | None = None
    schedule: Any = None
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CompileRequest:
    """What the pipeline must compile. `objects` are the live objects of the arguments, in the order of
    `Signature.arguments` (for defaults, and the overlap with arrays found in globals). The list is emptied after the
    compilation, so that a request may be kept."""

    function: types.FunctionType
    signature: Signature
    options: JitOptions = field(default_factory=JitOptions)
    objects: list[Any] = field(default_factory=list, compare=False, repr=False)

    def parameters(self) -> dict[str, Node]:
        """The description of every parameter, `*args` as a tuple, `**kwargs` as a dict."""
        result: dict[str, Node] = {}
        code = self.function.__code__
        starred, keywords = _starred_names(code)
        items: list[Node] = []
        pairs: list[tuple[str, Node]] = []
        for argument in self.signature.arguments:
            name, *rest = argument.path
            if not rest:
                result[str(name)] = argument.node
            elif name == keywords:
                pairs.append((str(rest[0]), argument.node))
            else:
                items.append(argument.node)
        if starred is not None:
            result[starred] = TupleNode(tuple(items))
        if keywords is not None:
            result[keywords] = DictNode(tuple(pairs))
        return result


def _starred_names(code: types.CodeType) -> tuple[str | None, str | None]:
    """The names of `*args` and `**kwargs`."""
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[count:])
    starred = names.pop(0) if code.co_flags & inspect.CO_VARARGS else None
    keywords = names.pop(0) if code.co_flags & inspect.CO_VARKEYWORDS else None
    return starred, keywords
