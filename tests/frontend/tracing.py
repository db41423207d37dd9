"""Traces a function for given arguments, runs the IR with the reference interpreter, and compares with plain Python."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend.failures import NeedStatic
from pydsl.frontend.request import (
    ArraySpec,
    MappingSpec,
    ObjectSpec,
    ReturnArgument,
    ReturnLeaf,
    ReturnMapping,
    ReturnObject,
    ReturnSequence,
    ReturnStatic,
    ScalarSpec,
    SequenceSpec,
    StaticSpec,
    TraceRequest,
    TraceResult,
)
from pydsl.frontend.trace import trace
from pydsl.ir.interpreter import interpret
from pydsl.ir.verifier import verify


class Request:
    """Argument trees of actual arguments."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        self.arguments = dict(bound.arguments)

    def build(self, static: set[int]) -> tuple[TraceRequest, list[Any]]:
        self.static = static
        self.leaves: list[Any] = []
        self.counter = 0
        self.arrays = _groups(self.arguments)
        params = {name: self.spec(value) for name, value in self.arguments.items()}
        order = sorted(self.leaves, key=lambda pair: pair[0])
        renumber = {leaf: i for i, (leaf, _) in enumerate(order)}
        params = {name: _renumber(spec, renumber) for name, spec in params.items()}
        self.numbers = [leaf for leaf, _ in order]
        return TraceRequest(self.function, params), [value for _, value in order]

    def spec(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            group, offset = self.arrays[id(value)]
            leaf = self.leaf(value)
            return ArraySpec(
                value.dtype, value.shape, value.strides, value.flags.writeable, group, offset, leaf
            )
        if isinstance(value, np.generic):
            return self.scalar(value, value.dtype, False)
        if isinstance(value, (int, float, complex)) and not isinstance(value, bool):
            return self.scalar(value, np.asarray(value).dtype, True)
        if isinstance(value, (tuple, list)):
            return SequenceSpec(tuple(self.spec(v) for v in value), type(value))
        if isinstance(value, dict):
            return MappingSpec(tuple((k, self.spec(v)) for k, v in value.items()))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return ObjectSpec(
                type(value),
                tuple((f.name, self.spec(getattr(value, f.name))) for f in dataclasses.fields(value)),
            )
        return StaticSpec(value)

    def scalar(self, value: Any, dtype: Any, weak: bool) -> Any:
        leaf = self.counter
        if leaf in self.static:
            self.counter += 1
            return StaticSpec(value)
        return ScalarSpec(dtype, weak, self.leaf(value))

    def leaf(self, value: Any) -> int:
        self.leaves.append((self.counter, value))
        self.counter += 1
        return self.counter - 1


def _renumber(spec: Any, numbers: dict[int, int]) -> Any:
    if isinstance(spec, (ArraySpec, ScalarSpec)):
        return dataclasses.replace(spec, leaf=numbers[spec.leaf])
    if isinstance(spec, SequenceSpec):
        return SequenceSpec(tuple(_renumber(s, numbers) for s in spec.items), spec.type)
    if isinstance(spec, MappingSpec):
        return MappingSpec(tuple((k, _renumber(s, numbers)) for k, s in spec.items))
    if isinstance(spec, ObjectSpec):
        return ObjectSpec(spec.cls, tuple((k, _renumber(s, numbers)) for k, s in spec.items))
    return spec


def _groups(value: Any) -> dict[int, tuple[int, int]]:
    arrays: list[np.ndarray] = []

    def collect(v: Any) -> None:
        if isinstance(v, np.ndarray):
            arrays.append(v)
        elif isinstance(v, (tuple, list)):
            for item in v:
                collect(item)
        elif isinstance(v, dict):
            for item in v.values():
                collect(item)
        elif dataclasses.is_dataclass(v) and not isinstance(v, type):
            for f in dataclasses.fields(v):
                collect(getattr(v, f.name))

    collect(value)
    bounds = [np.lib.array_utils.byte_bounds(a) for a in arrays]
    group = list(range(len(arrays)))
    for i in range(len(arrays)):
        for j in range(i):
            if bounds[i][0] < bounds[j][1] and bounds[j][0] < bounds[i][1]:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    result = {}
    for a, g in zip(arrays, group):
        low = min(b[0] for b, h in zip(bounds, group) if h == g)
        result[id(a)] = (g, a.ctypes.data - low)
    return result


def traced(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[TraceResult, list[Any]]:
    """The trace of a function for these arguments, specialised on what it asks for, and its dynamic leaves."""
    request = Request(function, args, kwargs)
    static: set[int] = set()
    for _ in range(20):
        spec, leaves = request.build(static)
        try:
            result = trace(spec)
            verify(result.function)
            return result, leaves
        except NeedStatic as needed:
            static = static | {request.numbers[leaf] for leaf in needed.leaves}
    raise AssertionError("the front end asks for ever more static values")


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of the traced function, by the interpreter."""
    result, leaves = traced(function, *args, **kwargs)
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    outcome = interpret(result.function, leaves)
    return rebuild(result.function.returns[outcome.site], outcome.values, dict(bound.arguments))


def rebuild(tree: Any, values: list[Any], arguments: dict[str, Any]) -> Any:
    if tree is None:
        return None
    if isinstance(tree, ReturnLeaf):
        return values[tree.operand_index]
    if isinstance(tree, ReturnStatic):
        return tree.value
    if isinstance(tree, ReturnArgument):
        found: Any = arguments
        for step in tree.path:
            found = found[step] if isinstance(found, (dict, tuple, list)) else getattr(found, step)
        return found
    if isinstance(tree, ReturnSequence):
        items = [rebuild(item, values, arguments) for item in tree.items]
        return getattr(tree.type, "_make", tree.type)(items)
    if isinstance(tree, ReturnMapping):
        return {key: rebuild(item, values, arguments) for key, item in tree.items}
    assert isinstance(tree, ReturnObject)
    return tree.cls(**{key: rebuild(item, values, arguments) for key, item in tree.items})


def check(
    function: Callable[..., Any], *args: Any, python_types: bool = True, messages: bool = True, **kwargs: Any
) -> Any:
    """Compare plain Python with the traced function: result or exception, and all written arguments."""
    memo_a: dict[int, Any] = {}
    memo_b: dict[int, Any] = {}
    args_a, args_b = clone(args, memo_a), clone(args, memo_b)
    kwargs_a, kwargs_b = clone(kwargs, memo_a), clone(kwargs, memo_b)
    error: Exception | None = None
    expected = None
    with np.errstate(all="ignore"):
        try:
            expected = function(*args_a, **kwargs_a)
        except Exception as caught:
            error = caught
    if error is not None:
        try:
            run(function, *args_b, **kwargs_b)
        except Exception as caught:
            assert isinstance(caught, type(error)) or type(caught) in type(error).__mro__, (caught, error)
            first = str(error).splitlines()[0] if str(error) and messages else ""
            assert str(caught).startswith(first), (str(caught), str(error))
        else:
            raise AssertionError(f"no error, expected {error!r}")
        same(args_b, args_a)
        return error
    actual = run(function, *args_b, **kwargs_b)
    same(actual, expected, python_types)
    same(args_b, args_a)
    same(kwargs_b, kwargs_a)
    return actual


def clone(value: Any, memo: dict[int, Any]) -> Any:
    """A copy of arguments that keeps strides and overlaps."""
    if isinstance(value, np.ndarray):
        base = value
        while isinstance(base.base, np.ndarray):
            base = base.base
        if id(base) not in memo:
            memo[id(base)] = (base, _copy_layout(base))
        new = memo[id(base)][1]
        offset = value.ctypes.data - base.ctypes.data
        start = new.ctypes.data + offset
        view = np.ndarray(value.shape, value.dtype, _buffer(new), start - _low(new), value.strides)
        view.flags.writeable = value.flags.writeable
        return view
    if isinstance(value, tuple):
        items = [clone(v, memo) for v in value]
        return type(value)._make(items) if hasattr(value, "_make") else tuple(items)
    if isinstance(value, list):
        return [clone(v, memo) for v in value]
    if isinstance(value, dict):
        return {k: clone(v, memo) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{f.name: clone(getattr(value, f.name), memo) for f in dataclasses.fields(value)}
        )
    return copy.copy(value)


def _low(a: np.ndarray) -> int:
    return np.lib.array_utils.byte_bounds(a)[0]


def _buffer(a: np.ndarray) -> Any:
    base = a
    while isinstance(base.base, np.ndarray):
        base = base.base
    return base.reshape(-1, order="A").view(np.uint8) if base.size else np.zeros(1, np.uint8)


def _copy_layout(base: np.ndarray) -> np.ndarray:
    return base.copy(order="K") if base.size else base.copy()


def same(actual: Any, expected: Any, python_types: bool = True) -> None:
    if isinstance(expected, np.ndarray):
        assert isinstance(actual, np.ndarray), (actual, expected)
        assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype)
        assert actual.shape == expected.shape, (actual.shape, expected.shape)
        if expected.dtype.kind in "fc":
            np.testing.assert_allclose(actual, expected, rtol=1e-6, equal_nan=True)
        else:
            np.testing.assert_array_equal(actual, expected)
        return
    if isinstance(expected, (tuple, list)):
        assert type(actual) is type(expected), (actual, expected)
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected):
            same(a, e, python_types)
        return
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            same(actual[key], expected[key], python_types)
        return
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        assert type(actual) is type(expected)
        for f in dataclasses.fields(expected):
            same(getattr(actual, f.name), getattr(expected, f.name), python_types)
        return
    if python_types:
        assert type(actual) is type(expected), (type(actual), type(expected))
    if isinstance(expected, (float, np.floating)):
        assert (
            actual == expected
            or (np.isnan(actual) and np.isnan(expected))
            or abs(actual - expected) <= 1e-6 * abs(expected)
        ), (actual, expected)
        return
    assert actual == expected, (actual, expected)
