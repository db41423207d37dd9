"""Plain Python against every stage: results, layouts, written arguments, exceptions; for functions that leave the
compiled code."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.jit.decorator import JitFunction
from pydsl.jit.pipeline import compile_specialization
from pydsl.jit.runtime.native import load_portable
from tests.frontend.tracing import clone
from tests.generator.executors import loop_ir, tensor_ir
from tests.tracing import with_request


def portable(function: Any) -> Callable[..., Any]:
    """Machine code, called without a native entry."""

    def call(*args: Any) -> Any:
        return load_portable(with_request(function, args, compile_specialization)).call(args, {})

    return call


def native_twice(function: Any, before: Callable[[], Any] = lambda: None) -> Callable[..., Any]:
    """What users call; once more on copies of the arguments, as the first call goes another way."""
    compiled = JitFunction(function)

    def call(*args: Any) -> Any:
        first = _outcome(compiled, copied(args))
        before()
        second = _outcome(compiled, args)
        same_outcome(second, first, "the second call")
        if isinstance(second, BaseException):
            raise second
        return second

    return call


WAYS: dict[str, Any] = {"ir": tensor_ir, "loops": loop_ir, "portable": portable}


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies that keep strides and overlaps."""
    memo: dict[int, Any] = {}
    return tuple([_copied(value, memo) for value in args])


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return memo.setdefault(id(value), copy.deepcopy(value))
    return clone(value, memo)


def _outcome(call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(*args)
        except Exception as error:
            return error


def check(
    function: Callable[..., Any],
    *args: Any,
    rtol: float = 0.0,
    ways: Sequence[str] = ("ir", "loops", "native"),
    before: Callable[[], Any] = lambda: None,
) -> Any:
    """The result of plain Python, which all ways must give.

    rtol: 0 asks for the same bits; else relative to the largest element of each array.
    before: called before each run, to bring what the function changes outside into one state.
    """
    before()
    expected_args = copied(args)
    expected = _outcome(function, expected_args)
    for way in ways:
        actual_args = copied(args)
        before()
        call = native_twice(function, before) if way == "native" else WAYS[way](function)
        actual = _outcome(call, actual_args)
        same_outcome(actual, expected, way, rtol)
        for number, (a, e) in enumerate(zip(actual_args, expected_args, strict=True)):
            same(a, e, f"{way}: argument {number}", rtol, layout=False)
    return expected


def same_outcome(actual: Any, expected: Any, where: str, rtol: float = 0.0) -> None:
    """The same result or the same exception."""
    if isinstance(expected, BaseException) or isinstance(actual, BaseException):
        if isinstance(actual, BaseException) and not isinstance(expected, BaseException):
            raise actual
        assert type(actual) in type(expected).__mro__[:-3] or type(actual) is type(expected), (
            where,
            actual,
            expected,
        )
        assert str(actual).splitlines()[:1] == str(expected).splitlines()[:1], (where, actual, expected)
        return
    same(actual, expected, where, rtol)


def same(actual: Any, expected: Any, where: str, rtol: float, layout: bool = True) -> None:
    """Types, dtypes, shapes, layouts and values."""
    assert type(actual) is type(expected), (where, actual, expected)
    if isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype, (where, actual.dtype, expected.dtype)
        assert actual.shape == expected.shape, (where, actual.shape, expected.shape)
        if layout and expected.size:
            flags = [(a.flags.c_contiguous, a.flags.f_contiguous) for a in (actual, expected)]
            assert flags[0] == flags[1], (where, actual.strides, expected.strides)
        _same_values(actual, expected, where, rtol)
    elif isinstance(expected, tuple | list):
        assert len(actual) == len(expected), where
        for k, (a, e) in enumerate(zip(actual, expected)):
            same(a, e, f"{where}[{k}]", rtol, layout)
    elif isinstance(expected, dict):
        assert list(actual) == list(expected), where
        for key in expected:
            same(actual[key], expected[key], f"{where}[{key!r}]", rtol, layout)
    elif isinstance(expected, bool | int | float | complex | np.generic):
        _same_values(np.asarray(actual), np.asarray(expected), where, rtol)
    elif isinstance(expected, np.random.Generator):
        assert repr(actual.bit_generator.state) == repr(expected.bit_generator.state), where
    elif isinstance(expected, np.random.RandomState):
        assert repr(actual.get_state()) == repr(expected.get_state()), where
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            same(getattr(actual, field.name), getattr(expected, field.name), where, rtol, layout)
    else:
        assert actual == expected or actual is expected, (where, actual, expected)


def _same_values(actual: Any, expected: Any, where: str, rtol: float) -> None:
    if rtol and expected.dtype.kind in "fc":
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(actual), finite, err_msg=where)
        scale = float(np.abs(expected[finite]).max(initial=0))
        np.testing.assert_allclose(actual[finite], expected[finite], rtol, rtol * scale, err_msg=where)
        np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=where)
        return
    np.testing.assert_array_equal(actual, expected, err_msg=where)
    if expected.dtype.kind == "f":
        np.testing.assert_array_equal(
            np.signbit(actual[~np.isnan(actual)]), np.signbit(expected[~np.isnan(expected)])
        )
