"""Runs of a program, and whether two of them did the same: results, dtypes, layouts, views, effects, exceptions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.generator.program import Arguments, Program

Array = np.ndarray[Any, Any]


@dataclass
class Run:
    """What one run did: its result or exception, and its arguments afterwards."""

    arguments: Arguments
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Difference:
    """How a run differs from plain Python: one word for shrinking, and a sentence."""

    kind: str
    text: str


def run(program: Program, call: Callable[..., Any]) -> Run:
    """Run a callable on fresh arguments."""
    arguments = program.make_arguments()
    outcome = Run(arguments)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome.result = call(*arguments.values)
        except Exception as error:
            outcome.error = error
    return outcome


def compare(expected: Run, actual: Run, exact: bool, identity: bool = True) -> Difference | None:
    """The first difference, or None.

    identity: whether a result that is an argument itself must be that object. (A variable that control flow joins is a
    new reference; plain Python cannot tell but by ``is``.)
    """
    if expected.error is not None or actual.error is not None:
        found = _errors(expected.error, actual.error)
        if found is not None:
            return found
    for number, (a, b) in enumerate(zip(expected.arguments.buffers, actual.arguments.buffers, strict=True)):
        if not same_data(a, b, exact):
            return Difference("effects", f"buffer b{number} is {b.tolist()} instead of {a.tolist()}")
    if expected.error is not None:
        return None
    return _Comparison(expected, actual, exact, identity).tree(expected.result, actual.result, "result")


def _errors(expected: BaseException | None, actual: BaseException | None) -> Difference | None:
    """The same class, or a public base of a private class of NumPy's (``UFuncTypeError`` and its kinds)."""
    if actual is None or expected is None:
        missing = "raised " + _described(actual) if actual is not None else "raised nothing"
        return Difference("raises", f"{missing} instead of {_described(expected)}")
    wanted = [type(expected)]
    if type(expected).__module__.startswith("numpy._"):
        wanted += [c for c in type(expected).__mro__ if c not in (Exception, BaseException, object)]
    if type(actual) in wanted or (
        type(actual).__qualname__ == type(expected).__qualname__ and isinstance(actual, type(expected))
    ):
        return None
    return Difference("exception", f"raised {_described(actual)} instead of {_described(expected)}")


def _described(error: BaseException | None) -> str:
    return "nothing" if error is None else f"{type(error).__name__}({str(error).splitlines()[:1]})"


def same_data(a: Any, b: Any, exact: bool) -> bool:
    """Equal elements; all NaNs are one, zeros have signs."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind in "fc":
        if not exact:
            return _close(a, b)
        return _canonical(a) == _canonical(b)
    return a.tobytes() == b.tobytes()


def _canonical(a: Array) -> bytes:
    a = np.ascontiguousarray(a)
    parts = a.view(f"f{a.dtype.itemsize // 2}") if a.dtype.kind == "c" else a
    parts = parts.copy()
    parts[np.isnan(parts)] = np.nan
    return bytes(parts.tobytes())


def _close(a: Array, b: Array) -> bool:
    """Within a tolerance that grows with the largest element: a chain of operations may cancel."""
    tolerance = {2: 3e-2, 4: 2e-4, 8: 1e-9, 16: 1e-9}[a.dtype.itemsize]
    a, b = a.astype(np.complex128), b.astype(np.complex128)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        # on the border of overflow either is right
        return bool(
            np.abs(a[finite]).max(initial=0) > 1e30 or np.abs(b[np.isfinite(b)]).max(initial=0) > 1e30
        )
    if (
        not np.array_equal(np.isnan(a), np.isnan(b))
        or (a[~finite & ~np.isnan(a)] != b[~finite & ~np.isnan(a)]).any()
    ):
        return False
    a, b = a[finite], b[finite]
    return bool((np.abs(a - b) <= tolerance * (float(np.abs(a).max(initial=0)) + 1e-3)).all())


class _Comparison:
    def __init__(self, expected: Run, actual: Run, exact: bool, identity: bool) -> None:
        self.identity = identity
        self.expected = expected
        self.actual = actual
        self.exact = exact

    def tree(self, a: Any, b: Any, where: str) -> Difference | None:
        if type(a) is not type(b):
            return Difference("type", f"{where} is {_type(b)} instead of {_type(a)}")
        if isinstance(a, tuple | list):
            if len(a) != len(b):
                return Difference("type", f"{where} has {len(b)} items instead of {len(a)}")
            for k, (x, y) in enumerate(zip(a, b)):
                found = self.tree(x, y, f"{where}[{k}]")
                if found is not None:
                    return found
            return self._mutual(a, b, where)
        if isinstance(a, np.ndarray):
            return self._array(a, b, where)
        if isinstance(a, bool | int | float | complex | np.generic):
            if not same_data(a, b, self.exact):
                return Difference("value", f"{where} is {b!r} instead of {a!r}")
        elif a is not b and a != b:
            return Difference("value", f"{where} is {b!r} instead of {a!r}")
        return None

    def _array(self, a: Array, b: Array, where: str) -> Difference | None:
        if a.dtype != b.dtype:
            return Difference("dtype", f"{where} is {b.dtype} instead of {a.dtype}")
        if a.shape != b.shape:
            return Difference("shape", f"{where} has shape {b.shape} instead of {a.shape}")
        if not same_data(a, b, self.exact):
            return Difference("value", f"{where} is {b.tolist()} instead of {a.tolist()}")
        for flag in ("c_contiguous", "f_contiguous", "writeable"):
            if getattr(a.flags, flag) != getattr(b.flags, flag):
                text = f"{where} is {'not ' if getattr(a.flags, flag) else ''}{flag}"
                return Difference("layout", f"{text}: strides {b.strides} instead of {a.strides}")
        return self._views(a, b, where)

    def _views(self, a: Array, b: Array, where: str) -> Difference | None:
        """The same place in the same buffer, or new memory."""
        if not a.size:
            return None
        for number, (x, y) in enumerate(
            zip(self.expected.arguments.buffers, self.actual.arguments.buffers, strict=True)
        ):
            shares = np.may_share_memory(a, x)
            if shares != np.may_share_memory(b, y):
                return Difference("view", f"{where} is {'no' if shares else 'a'} view of b{number}")
            if shares and a.ctypes.data - x.ctypes.data != b.ctypes.data - y.ctypes.data:
                return Difference("view", f"{where} is at another place of b{number}")
            if shares and any(n > 1 and s != t for n, s, t in zip(a.shape, a.strides, b.strides)):
                return Difference("view", f"{where} has strides {b.strides} instead of {a.strides}")
        for number, (x, y) in enumerate(
            zip(self.expected.arguments.values, self.actual.arguments.values, strict=True)
        ):
            if self.identity and a is x and b is not y:
                return Difference("identity", f"{where} is not argument {number} itself")
        return None

    def _mutual(self, a: Sequence[Any], b: Sequence[Any], where: str) -> Difference | None:
        """Which results share memory with each other."""
        for i in range(len(a)):
            for j in range(i):
                if isinstance(a[i], np.ndarray) and isinstance(a[j], np.ndarray):
                    if np.may_share_memory(a[i], a[j]) != np.may_share_memory(b[i], b[j]):
                        return Difference("view", f"{where}[{j}] and {where}[{i}] share memory or do not")
        return None


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__} ({value!r})"
