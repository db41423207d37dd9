"""The self-hosted library: array functions written in the language itself, as scalar loops.

The compiler inlines them where a NumPy function is called, so they are kept short. Functions here index only within
bounds, whatever their arguments are; :func:`unchecked` says so, and the front end then leaves out the bounds checks of
integer indices in their bodies. Argument errors are found by the callers, the handlers of the NumPy functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def unchecked(fn: F) -> F:
    """Decorator: the function indexes only within bounds."""
    fn.__pydsl_unchecked__ = True  # type: ignore[attr-defined]
    return fn


def is_unchecked(fn: Callable[..., Any]) -> bool:
    """Whether a function was marked by :func:`unchecked`."""
    return getattr(fn, "__pydsl_unchecked__", False) is True
