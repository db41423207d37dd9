"""The table of handlers, by identity of the callable, and of the methods and attributes of arrays and scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydsl.frontend.builder import Builder
from pydsl.ir.core import Value

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)

_HANDLERS: dict[int, tuple[Any, Handler]] = {}
_MAKERS: set[int] = set()
_ALIASES: dict[int, tuple[Any, Any]] = {}
_METHODS: dict[str, Handler] = {}
_ATTRIBUTES: dict[str, Callable[[Builder, Value], Any]] = {}

#: What Python scalars have of the methods and attributes of NumPy's.
_PYTHON_SCALAR_NAMES = {
    "f": frozenset(("real", "imag", "conjugate", "is_integer")),
    "i": frozenset(("real", "imag", "conjugate", "is_integer", "numerator", "denominator")),
    "b": frozenset(("real", "imag", "conjugate", "numerator", "denominator")),
    "c": frozenset(("real", "imag", "conjugate")),
}


def handles(*callables: Any, method: str = "", makes_array: bool = False) -> Callable[[F], F]:
    """Decorator: the function is the handler of these callables (and of the array method of that name).

    makes_array: the result is a new array even if all arguments are static scalars, so that no call may be evaluated
        at compile time.
    """

    def register(handler: F) -> F:
        for callable_ in callables:
            _HANDLERS[id(callable_)] = (callable_, handler)
            if makes_array:
                _MAKERS.add(id(callable_))
        if method:
            _METHODS[method] = handler
        return handler

    return register


def array_method(*names: str) -> Callable[[F], F]:
    """Decorator: the function is the handler of methods of arrays and NumPy scalars."""

    def register(handler: F) -> F:
        for name in names:
            _METHODS[name] = handler
        return handler

    return register


def array_attribute(name: str) -> Callable[[F], F]:
    """Decorator: the function gives an attribute of arrays and NumPy scalars."""

    def register(getter: F) -> F:
        _ATTRIBUTES[name] = getter
        return getter

    return register


def lookup(callable_: Any) -> Handler | None:
    """The handler ``(builder, *args, **kwargs)`` of a callable, by identity."""
    found = _HANDLERS.get(id(callable_))
    return found[1] if found is not None else None


def alias(ours: Any, numpys: Any) -> None:
    """From now on a call of `ours` in compiled code means NumPy's function."""
    _ALIASES[id(ours)] = (ours, numpys)


def canonical(callable_: Any) -> Any:
    """NumPy's function that a callable stands for; the callable itself if it stands for none."""
    found = _ALIASES.get(id(callable_))
    return callable_ if found is None else found[1]


def known_callables() -> list[Any]:
    """Every callable that has a handler."""
    return [callable_ for callable_, _ in _HANDLERS.values()]


def creates_array(callable_: Any) -> bool:
    """Whether a call must go through its handler though all arguments are static (it makes an array)."""
    return id(callable_) in _MAKERS


def method(value: Any, name: str) -> Handler | None:
    """The handler ``(builder, value, *args, **kwargs)`` of a method of a tensor or scalar value."""
    if not _has(value, name):
        return None
    return _METHODS.get(name)


def attribute(builder: Builder, value: Value, name: str) -> Any:
    """The attribute of a tensor or scalar.

    Raises
    ------
    AttributeError: there is none of that name.
    """
    getter = _ATTRIBUTES.get(name) if _has(value, name) else None
    if getter is None:
        raise AttributeError(f"{_type_name(value)!r} object has no attribute {name!r}")
    return getter(builder, value)


def method_handler(name: str) -> Handler | None:
    """The handler of a method of arrays, by name."""
    return _METHODS.get(name)


def is_attribute(name: str) -> bool:
    """Whether arrays have an attribute of this name."""
    return name in _ATTRIBUTES


def has_attribute(value: Value, name: str) -> bool:
    """Whether :func:`attribute` knows the name."""
    return _has(value, name) and name in _ATTRIBUTES


def _has(value: Any, name: str) -> bool:
    if isinstance(value, Value) and not value.is_tensor and value.scalar.weak:
        return name in _PYTHON_SCALAR_NAMES[value.scalar.dtype.kind]
    return True


def _type_name(value: Value) -> str:
    if value.is_tensor:
        return "numpy.ndarray"
    if value.scalar.weak:
        return {"b": "bool", "i": "int", "f": "float", "c": "complex"}[value.scalar.dtype.kind]
    return f"numpy.{value.scalar.dtype.name}"
