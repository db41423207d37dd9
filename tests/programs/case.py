"""Programs as people write them: registered with arguments, run as plain Python and compiled, and compared."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pydsl import jit

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Callable[[np.random.Generator], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Program:
    """A function, and arguments for it (several sets)."""

    function: Callable[..., Any]
    arguments: tuple[Arguments, ...]
    rtol: float


class Collection(list[Program]):
    """The programs of one file."""

    def __call__(self, *arguments: Arguments, rtol: float = 1e-12) -> Callable[[F], F]:
        """Registers the function below."""

        def register(function: F) -> F:
            self.append(Program(function, arguments, rtol))
            return function

        return register


def check(program: Program) -> None:
    """Runs every set of arguments plainly, compiled, and compiled once more.

    Raises
    ------
    AssertionError: results, exceptions or written arguments differ.
    """
    compiled = jit(program.function)
    for make in program.arguments:
        expected_args = make(np.random.default_rng(7))
        expected = _outcome(program.function, expected_args)
        for _ in range(2):
            got_args = make(np.random.default_rng(7))
            got = _outcome(compiled, got_args)
            same(got, expected, program.rtol, "result")
            same(got_args, expected_args, program.rtol, "arguments")


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        with np.errstate(all="ignore"):
            return function(*args)
    except (ValueError, TypeError, ArithmeticError, LookupError, AssertionError, RuntimeError) as error:
        if type(error).__module__.startswith("pydsl"):
            raise
        return type(error).__name__, str(error.args[0]).splitlines()[:1]


def same(got: Any, want: Any, rtol: float, where: str) -> None:
    """The same structure, types, dtypes, shapes, and values within the tolerance."""
    assert type(got) is type(want), f"{where}: {type(got)} is not {type(want)} ({got!r}, {want!r})"
    if isinstance(want, np.ndarray):
        assert got.dtype == want.dtype, f"{where}: {got.dtype}, not {want.dtype}"
        assert got.shape == want.shape, f"{where}: {got.shape}, not {want.shape}"
        if want.dtype.kind in "fc":
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, err_msg=where)
        else:
            np.testing.assert_array_equal(got, want, err_msg=where)
    elif isinstance(want, (float, complex, np.inexact)):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, err_msg=where)
    elif isinstance(want, (tuple, list)):
        assert len(got) == len(want), where
        for number, (a, b) in enumerate(zip(got, want, strict=True)):
            same(a, b, rtol, f"{where}[{number}]")
    elif isinstance(want, dict):
        assert list(got) == list(want), where
        for key in want:
            same(got[key], want[key], rtol, f"{where}[{key!r}]")
    elif hasattr(want, "__dict__") and not callable(want):
        same(vars(got), vars(want), rtol, where)
    else:
        assert got == want, f"{where}: {got!r}, not {want!r}"


def clone(value: Any) -> Any:
    """A deep copy."""
    return copy.deepcopy(value)
