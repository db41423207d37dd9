"""The table of handlers, by identity of the callable, and of the methods and attributes of arrays and scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydsl.ir.core import Value

if TYPE_CHECKING:
    from pydsl.frontend.builder import Builder

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)

_HANDLERS: dict[int, tuple[Any, Handler]] = {}
_METHODS: dict[str, Handler] = {}
_ATTRIBUTES: dict[str, Callable[[Any, Value], Any]] = {}


def handles(*callables: Any, method: str = "") -> Callable[[F], F]:
    """Decorator: the function is the handler of these callables (and of the array method of that name)."""

    def register(handler: F) -> F:
        for callable_ in callables:
            _HANDLERS[id(callable_)] = (callable_, handler)
        if method:
            _METHODS[method] = handler
        return handler

    return register


def lookup(callable_: Any) -> Handler | None:
    """The handler ``(builder, *args, **kwargs)`` of a callable, by identity."""
    found = _HANDLERS.get(id(callable_))
    return found[1] if found is not None else None


def creates_array(callable_: Any) -> bool:
    """Whether a call must go through its handler though all arguments are static (it makes an array)."""
    raise NotImplementedError


def method(value: Any, name: str) -> Handler | None:
    """The handler ``(builder, value, *args, **kwargs)`` of a method of a tensor or scalar value."""
    return _METHODS.get(name)


def attribute(builder: Builder, value: Value, name: str) -> Any:
    """The attribute of a tensor or scalar; AttributeError where there is none."""
    raise NotImplementedError
