"""NumPy functions that the self-hosted library writes in the language itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.numpy_api.registry import Handler, handles
from pydsl.library import functions as library
from pydsl.library import refuse


def _handler(fn: Callable[..., Any]) -> Handler:
    def handler(b: Builder, *args: Operand, **kwargs: Operand) -> Any:
        return b.call_library(fn, *args, **kwargs)

    handler.__name__ = fn.__name__
    handler.__doc__ = fn.__doc__
    return handler


def _register_all() -> None:
    for callable_, fn in library.all_functions():
        handles(callable_)(_handler(fn))


@handles(refuse, makes_array=True)
def refused(b: Builder, construct: str, hint: str = "") -> None:
    """What a library function cannot take."""
    raise Unsupported(construct, hint)


_register_all()
