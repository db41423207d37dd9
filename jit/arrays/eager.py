"""Runs one operation now, on the device of its arrays, through a jitted function of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.jit.arrays import operations, views
from pydsl.jit.decorator import JitFunction
from pydsl.jit.exchange import CPU, Visit, array_of


def execute(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """The result of a NumPy function for arrays of `pydsl.numpy` (and NumPy's own, with those on the host).

    Raises
    ------
    UnsupportedError: the compiler does not have the function, or not in this form.
    DeviceError: the arrays are on different devices.
    """
    kwargs = kwargs or {}
    name = getattr(function, "__name__", str(function))
    visit = Visit()
    raw = tuple([visit.enter(arg) for arg in args])
    named = {key: visit.enter(value) for key, value in kwargs.items()}
    device = visit.device(f"pydsl.numpy.{name}")
    seen = views.view(function, raw, named)
    if seen is not views.NOT_A_VIEW:
        return _wrapped(visit, seen, device)
    if named.get("out", named) is None:
        del named["out"]
    jitted = operations.writing(function) if "out" in named else operations.operation(function)
    return _run(jitted, name, visit, raw, named, device)


def run(jitted: JitFunction[..., Any], name: str, *args: Any, device: str | None = None) -> Any:
    """The result of one of the templates; on `device` where no array says it."""
    visit = Visit()
    raw = tuple([visit.enter(arg) for arg in args])
    found = visit.device(f"pydsl.numpy.{name}") if visit.devices else device or CPU
    return _run(jitted, name, visit, raw, {}, found)


def create(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], device: str) -> Any:
    """The result, on `device`, of a function that makes an array from numbers."""
    visit = Visit()
    name = getattr(function, "__name__", str(function))
    return _run(operations.operation(function), name, visit, args, kwargs, device)


def _run(
    jitted: JitFunction[..., Any],
    name: str,
    visit: Visit,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    device: str,
) -> Any:
    try:
        result = jitted(*args, **kwargs) if device == CPU else jitted.run_on_device(args, kwargs)
    except Exception as error:
        other = operations.plain(error, name)
        if other is error:
            raise
        raise other from None
    return _wrapped(visit, result, device)


def _wrapped(visit: Visit, result: Any, device: str) -> Any:
    """Arrays, and NumPy's scalars, become arrays of `pydsl.numpy`, also inside tuples and lists."""
    if type(result) is np.ndarray:
        known = visit.original(result)
        return array_of(result, device) if known is None else known
    if isinstance(result, np.generic):
        return array_of(np.asarray(result), device)
    if isinstance(result, tuple | list):
        return type(result)(_wrapped(visit, item, device) for item in result)
    return result
