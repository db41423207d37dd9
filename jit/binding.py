"""From a call's live objects to its signature.

`Binder` binds the arguments like Python does, describes every leaf and finds out which arrays overlap. What is not
supported is collected and reported together, before anything is compiled.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.errors import Diagnostic, SourceLocation, UnsupportedDtypeError, UnsupportedError
from pydsl.frontend.source import load
from pydsl.jit.runtime.abi import CallForm
from pydsl.jit.runtime.statics import static_key
from pydsl.jit.signature import (
    Argument,
    ArrayLeaf,
    AttributesNode,
    DictNode,
    LeafPath,
    ListNode,
    Node,
    NumberLeaf,
    NumpyScalarLeaf,
    ObjectLeaf,
    Overlap,
    Signature,
    StaticLeaf,
    TupleNode,
)

_INT64 = range(-(2**63), 2**63)
_DEEPEST = 32
_BY_IDENTITY: tuple[type, ...] = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.EllipsisType,
    types.NotImplementedType,
    np.ufunc,
    functools.partial,
    enum.Enum,
)


_OPAQUE: tuple[type, ...] = (np.random.Generator, np.random.RandomState)


class _Omitted:
    """Stands in the stub for a default value."""


_OMITTED = _Omitted()


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A call with its signature. `objects` are in the order of `Signature.arguments`, `statics` the leaves that were
    described by value on request."""

    signature: Signature
    objects: tuple[Any, ...]
    statics: frozenset[LeafPath]


class Binder:
    """Binds calls of one function. Parameters are bound by CPython itself, through a stub with the same parameters,
    so that a wrong call raises exactly what Python raises."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function
        self._parameters = inspect.signature(function, follow_wrapped=False).parameters
        self._stub = _stub(function, self._parameters)
        code = function.__code__
        self._location = SourceLocation(code.co_filename, code.co_firstlineno, function=function.__qualname__)

    def bind(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], statics: frozenset[LeafPath]
    ) -> BoundCall:
        """Describe a call; leaves named in `statics` are described by their values."""
        bound = self._stub(*args, **kwargs)
        order: list[tuple[LeafPath, Any]] = []
        named: dict[str, tuple[LeafPath, Any]] = {}
        defaulted: list[tuple[LeafPath, Any]] = []
        for name, parameter in self._parameters.items():
            value = bound[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                order += [((name, index), item) for index, item in enumerate(value)]
            elif parameter.kind is parameter.VAR_KEYWORD:
                named |= {key: ((name, key), item) for key, item in value.items()}
            elif value is _OMITTED:
                defaulted.append(((name,), parameter.default))
            elif name in kwargs and parameter.kind is not parameter.POSITIONAL_ONLY:
                named[name] = ((name,), value)
            else:
                order.append(((name,), value))
        order += [named[key] for key in kwargs]
        describe = _Describer(self.function, self._location, statics)
        passed = tuple(Argument(path, describe.node(value, path)) for path, value in order)
        used = tuple(Argument(path, describe.default(value, path)) for path, value in defaulted)
        describe.finish()
        signature = Signature(CallForm(len(args), tuple(kwargs)), passed, used, overlaps_of(describe.arrays))
        return BoundCall(signature, tuple(value for _, value in (*order, *defaulted)), statics)


def _stub(
    function: types.FunctionType, parameters: Mapping[str, inspect.Parameter]
) -> Callable[..., dict[str, Any]]:
    """A function with the same name and parameters, defaults replaced by a mark, that answers its locals."""
    marked = [
        parameter.replace(
            default=parameter.empty if parameter.default is parameter.empty else _OMITTED,
            annotation=parameter.empty,
        )
        for parameter in parameters.values()
    ]
    text = str(inspect.Signature(marked)).replace(repr(_OMITTED), "_OMITTED")
    namespace: dict[str, Any] = {"_OMITTED": _OMITTED}
    exec(f"def stub{text}: return locals()", namespace)
    stub: types.FunctionType = namespace["stub"]
    changes: dict[str, Any] = {"co_name": function.__name__}
    if hasattr(stub.__code__, "co_qualname"):
        changes["co_qualname"] = function.__qualname__
    stub.__code__ = stub.__code__.replace(**changes)
    stub.__name__, stub.__qualname__ = function.__name__, function.__qualname__
    return stub


@dataclass(slots=True)
class ArrayExtent:
    """Where an array argument lies in memory."""

    path: LeafPath
    data: int
    low: int
    high: int


def extent_of(array: np.ndarray[Any, Any], path: LeafPath) -> ArrayExtent:
    """The bytes that an array with elements spans."""
    data = int(array.__array_interface__["data"][0])
    low, high = 0, array.itemsize
    for size, stride in zip(array.shape, array.strides, strict=True):
        step = (size - 1) * stride
        if step < 0:
            low += step
        else:
            high += step
    return ArrayExtent(path, data, data + low, data + high)


def overlaps_of(arrays: list[ArrayExtent]) -> tuple[Overlap, ...]:
    """The pairs whose extents intersect, in the order of the list."""
    rank = {id(array): position for position, array in enumerate(arrays)}
    active: list[ArrayExtent] = []
    pairs: list[tuple[int, int]] = []
    for array in sorted(arrays, key=lambda extent: extent.low):
        active = [other for other in active if other.high > array.low]
        here = rank[id(array)]
        pairs += [(min(rank[id(other)], here), max(rank[id(other)], here)) for other in active]
        active.append(array)
    return tuple(
        Overlap(arrays[i].path, arrays[j].path, arrays[j].data - arrays[i].data) for i, j in sorted(pairs)
    )


class _Describer:
    """Describes objects, collecting what is not supported instead of stopping at the first."""

    def __init__(
        self, function: types.FunctionType, location: SourceLocation, statics: frozenset[LeafPath]
    ) -> None:
        self._function = function
        self._location = location
        self._statics = statics
        self._problems: list[UnsupportedError] = []
        self.arrays: list[ArrayExtent] = []

    def finish(self) -> None:
        """Raise what was found."""
        if len(self._problems) == 1:
            raise self._problems[0]
        if self._problems:
            findings = [diagnostic for problem in self._problems for diagnostic in problem.diagnostics]
            raise UnsupportedError(findings, self._location.function)

    def default(self, value: Any, path: LeafPath) -> Node:
        """The description of a default value: it never changes, so that plain numbers are static."""
        if type(value) in (int, float, complex):
            return StaticLeaf(value)
        return self.node(value, path)

    def node(self, value: Any, path: LeafPath) -> Node:
        cls = type(value)
        if cls is np.ndarray:
            return self._array(value, path)
        if cls in (int, float, complex):
            if path in self._statics or (cls is int and value not in _INT64):
                return StaticLeaf(value)
            return NumberLeaf(cls)
        if isinstance(value, np.generic):
            return self._numpy_scalar(value, path)
        if value is None or cls in (bool, str, bytes, slice, range) or isinstance(value, np.dtype):
            return self._plain(value, path)
        if len(path) > _DEEPEST:
            return self._refuse(
                value, path, "is nested too deeply", "containers that do not contain themselves"
            )
        if cls is list:
            return ListNode(tuple(self.node(item, (*path, i)) for i, item in enumerate(value)))
        if cls is tuple or (isinstance(value, tuple) and hasattr(cls, "_fields")):
            return TupleNode(tuple(self.node(item, (*path, i)) for i, item in enumerate(value)), cls)
        return self._other(value, path)

    def _other(self, value: Any, path: LeafPath) -> Node:
        cls = type(value)
        if isinstance(value, np.ndarray):
            return self._refuse(value, path, f"is a {cls.__name__}", "`np.asarray(...)` of it")
        if cls is dict:
            if not all(type(key) is str for key in value):
                return self._refuse(value, path, "is a dict with keys that are not strings", "string keys")
            return DictNode(tuple((key, self.node(item, (*path, key))) for key, item in value.items()))
        if cls in _OPAQUE:
            return ObjectLeaf(cls)
        if isinstance(value, _BY_IDENTITY) or _is_jitted(value):
            return StaticLeaf(value, by_identity=True)
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            return AttributesNode(
                cls, tuple((name, self.node(getattr(value, name), (*path, name))) for name in names)
            )
        hint = "arrays, numbers, strings, functions, or tuples, lists, dicts and dataclasses of them"
        if path == ("self",):
            hint = (
                "a dataclass (@dataclass above the class), or a function of the arrays that the method uses"
            )
        return self._refuse(value, path, f"is an object of class {cls.__module__}.{cls.__qualname__}", hint)

    def _plain(self, value: Any, path: LeafPath) -> Node:
        try:
            static_key(value)
        except TypeError:
            return self._refuse(
                value, path, f"is the {type(value).__name__} {value!r}", "plain numbers in it"
            )
        return StaticLeaf(value)

    def _array(self, array: np.ndarray[Any, Any], path: LeafPath) -> Node:
        dtype = supported_dtype(array.dtype)
        if dtype is None:
            return self._refuse_dtype(array.dtype, path)
        if array.size:
            self.arrays.append(extent_of(array, path))
        flags = array.flags
        return ArrayLeaf(dtype, array.shape, array.strides, flags.writeable, flags.aligned)

    def _numpy_scalar(self, value: np.generic, path: LeafPath) -> Node:
        if supported_dtype(value.dtype) is None or value.dtype.type is not type(value):
            return self._refuse_dtype(value.dtype, path)
        return StaticLeaf(value) if path in self._statics else NumpyScalarLeaf(value.dtype)

    def _refuse(self, value: Any, path: LeafPath, finding: str, hint: str) -> Node:
        message = f"{spell(path)} {finding}"
        place = parameter_location(self._function, path[0], self._location)
        self._problems.append(UnsupportedError([Diagnostic(place, message, hint)], place.function))
        return StaticLeaf(value, by_identity=True)

    def _refuse_dtype(self, dtype: np.dtype[Any], path: LeafPath) -> Node:
        place = parameter_location(self._function, path[0], self._location)
        self._problems.append(UnsupportedDtypeError(spell(path), dtype, place, place.function))
        return StaticLeaf(None)


def parameter_location(
    function: types.FunctionType, name: str | int, otherwise: SourceLocation
) -> SourceLocation:
    """Where a parameter stands in the function's definition; `otherwise` if the source cannot be read."""
    try:
        source = load(function)
    except UnsupportedError:
        return otherwise
    given = source.node.args
    every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
    found = [argument for argument in every if argument is not None and argument.arg == name]
    return source.text.locate(found[0], otherwise.function) if found else otherwise


def supported_dtype(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The canonical form of a native numeric dtype of at most 64 bits a number; None for any other."""
    if dtype.kind not in "biufc" or not dtype.isnative or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        return None
    return np.dtype(f"{dtype.kind}{dtype.itemsize}")


def spell(path: LeafPath) -> str:
    """A leaf as an error message names it."""
    name, *rest = path
    steps = "".join(f"[{step!r}]" for step in rest)
    return f"argument `{name}{steps}`"


def _is_jitted(value: Any) -> bool:
    return callable(value) and isinstance(getattr(value, "__wrapped__", None), types.FunctionType)
