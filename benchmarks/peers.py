"""Who is measured: plain NumPy, pydsl, and Numba where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections.abc import Callable
from typing import Any

from pydsl import jit

Function = Callable[..., Any]


def plain(function: Function) -> Function:
    """The undecorated function."""
    return getattr(function, "__wrapped__", function)


def fresh_pydsl(function: Function) -> Function:
    """The function compiled by pydsl, with nothing compiled yet."""
    return jit(plain(function))


def fresh_numba(function: Function) -> Function:
    """The function under `numba.njit`, with nothing compiled yet.

    Numba does not compile the plain helpers that a function calls, so these are put under `njit` as well; the
    source is not touched.
    """
    njit = importlib.import_module("numba").njit
    original = plain(function)
    names = set(original.__code__.co_names)
    helpers = {
        name: njit(value)
        for name, value in original.__globals__.items()
        if name in names and isinstance(value, types.FunctionType) and value.__module__ == original.__module__
    }
    copy = types.FunctionType(
        original.__code__, original.__globals__ | helpers, original.__name__, original.__defaults__
    )
    return njit(copy)


def available() -> dict[str, Callable[[Function], Function]]:
    """Makers of the peers that can be measured here, by name; NumPy comes first."""
    peers: dict[str, Callable[[Function], Function]] = {"numpy": plain, "pydsl": fresh_pydsl}
    if importlib.util.find_spec("numba") is not None:
        peers["numba"] = fresh_numba
    return peers
