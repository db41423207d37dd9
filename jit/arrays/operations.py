"""One jitted function for each NumPy function: what the eager arrays call.

The templates below are compiled like any user's function. Which NumPy function is meant is in their closure, which the
front end reads at compile time; operands, shapes and keywords specialise them as they do everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.errors import Diagnostic, UnsupportedError
from pydsl.jit.decorator import JitFunction, jit

#: functions whose result is a tuple or a list, or a plain Python value
_NOT_ONE_ARRAY = frozenset(
    getattr(np, name)
    for name in [
        "divmod",
        "modf",
        "nonzero",
        "split",
        "array_split",
        "hsplit",
        "vsplit",
        "meshgrid",
        "ix_",
        "broadcast_arrays",
        "unravel_index",
        "histogram",
        "unique",
        "allclose",
        "array_equal",
        "iscomplexobj",
        "isrealobj",
        "isscalar",
        "ndim",
        "shape",
        "size",
        "result_type",
        "can_cast",
        "may_share_memory",
        "shares_memory",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "average",
        "intersect1d",
        "copyto",
        "put",
        "putmask",
        "place",
        "put_along_axis",
    ]
) | {getattr(np.linalg, name) for name in ("eig", "eigh", "qr", "svd", "lstsq")}


@functools.cache
def operation(function: Callable[..., Any]) -> JitFunction[..., Any]:
    """The jitted function that calls `function`. A single result is an array, also where NumPy gives a scalar: a
    scalar would have to be fetched from a device."""
    if function in _NOT_ONE_ARRAY:

        def several(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return _named(several, function)

    def single(*args: Any, **kwargs: Any) -> Any:
        return np.asarray(function(*args, **kwargs))

    return _named(single, function)


@functools.cache
def writing(function: Callable[..., Any]) -> JitFunction[..., Any]:
    """The jitted function for calls with `out=`, whose result is that very array."""

    def into(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return _named(into, function)


def _named(template: Callable[..., Any], function: Callable[..., Any]) -> JitFunction[..., Any]:
    template.__name__ = template.__qualname__ = getattr(function, "__name__", "operation")
    compiled: JitFunction[..., Any] = jit(target="cpu")(template)  # on a device through `run_on_device`
    return compiled


@jit(target="cpu")
def load(array: Any, index: Any) -> Any:
    """A copy of the elements that masks or integer arrays choose."""
    return np.asarray(array[index])


@jit(target="cpu")
def store(array: Any, index: Any, value: Any) -> None:
    """Writes elements that masks or integer arrays choose."""
    array[index] = value


@jit(target="cpu")
def assign(array: Any, value: Any) -> None:
    """Writes a whole view."""
    array[...] = value


@jit(target="cpu")
def cast(array: Any, dtype: Any, order: str, casting: str) -> Any:
    """A copy in another dtype."""
    return array.astype(dtype, order=order, casting=casting)


@jit(target="cpu")
def copied(array: Any, order: str) -> Any:
    """A copy."""
    return array.copy(order=order)


def plain(error: Exception, name: str) -> Exception:
    """An error of an operation without the place in the templates above: the caller's own line is in the traceback."""
    if isinstance(error, UnsupportedError):
        hint = "NumPy's function of x.to_numpy()"
        findings = [Diagnostic(None, d.message, hint) for d in error.diagnostics]
        return UnsupportedError(findings, f"pydsl.numpy.{name}")
    if getattr(error, "location", None) is None:
        return error
    return type(error)(str(error).partition("\n")[0])
