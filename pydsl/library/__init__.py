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


_FUNCTIONS: list[tuple[Callable[..., Any], Callable[..., Any]]] = []


def stands_for(*callables: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator: where traced code calls one of these NumPy functions, this one is evaluated in its place."""

    def register(fn: F) -> F:
        _FUNCTIONS.extend((callable_, fn) for callable_ in callables)
        return fn

    return register


def standing() -> list[tuple[Callable[..., Any], Callable[..., Any]]]:
    """What :func:`stands_for` collected: pairs (NumPy's function, ours)."""
    return list(_FUNCTIONS)


def is_library(fn: Callable[..., Any]) -> bool:
    """Whether a function belongs to the library: what fails inside is shown at the line that called it."""
    return (getattr(fn, "__module__", None) or "").startswith(__name__)


def refuse(construct: str, hint: str = "") -> None:
    """What library functions say of arguments that they cannot take: the call is refused while it is compiled."""
    raise NotImplementedError(f"{construct}; {hint}")
