"""Attributes: of tensors and scalars, of modules, of objects."""

from __future__ import annotations

import inspect
import types
from typing import Any

import numpy as np

from pydsl.frontend import numpy_api
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.functions import call_function
from pydsl.frontend.numpy_api.random import GENERATORS, generator_method
from pydsl.frontend.operators import type_name
from pydsl.frontend.values import (
    BoundMethod,
    ExceptionValue,
    Grown,
    GrownMethod,
    Lazy,
    LocalFunction,
    Opaque,
    Operand,
    Text,
    UfuncMethod,
    is_dynamic,
    is_tensor,
)
from pydsl.ir.core import Value

_UFUNC_METHODS = frozenset(("reduce", "accumulate", "outer", "at", "reduceat"))


def attribute(ev: Evaluator, base: Operand, name: str) -> Operand:
    """`base.name`."""
    if isinstance(base, Value):
        return _value_attribute(ev, base, name)
    if isinstance(base, (Opaque, *GENERATORS)):
        return BoundMethod(base, name, _generator_handler(name))
    if isinstance(base, np.ufunc) and name in _UFUNC_METHODS:
        return UfuncMethod(base, name)
    if isinstance(base, Grown):
        return GrownMethod(base, name)
    if isinstance(base, (LocalFunction, BoundMethod, Lazy, Text, ExceptionValue)):
        raise Unsupported(f"the attribute `{name}` of a {type_name(base)}")
    if isinstance(base, types.ModuleType):
        value = ev.python(getattr, base, name)
        if base.__name__.partition(".")[0] not in ("numpy", "math"):
            ev.note_read(vars(base), name, value)
        return ev.adopt(value, name)
    if isinstance(base, np.ndarray):  # an array inside of a container from outside
        return attribute(ev, ev.adopt(base), name)
    getter = inspect.getattr_static(type(base), name, None)
    if isinstance(getter, property) and isinstance(getter.fget, types.FunctionType):
        return call_function(ev, getter.fget, (base,), {}, getter)
    value = ev.python(getattr, base, name)
    if not isinstance(base, type) and ev.is_outside(base):
        ev.note_read(getattr(base, "__dict__", None), name, value)
    return ev.use(ev.adopt(value, name), name)


def _generator_handler(name: str) -> Any:
    def handler(b: Any, owner: Any, *args: Operand, **kwargs: Operand) -> Operand:
        return generator_method(b, owner, name, args, kwargs)

    return handler


def _value_attribute(ev: Evaluator, base: Value, name: str) -> Operand:
    handler = numpy_api.method(base, name)
    if handler is not None:
        return BoundMethod(base, name, handler)
    try:
        return numpy_api.attribute(ev.builder, base, name)
    except AttributeError:
        pass
    known: Any = np.ndarray if base.is_tensor else _scalar_class(base)
    if hasattr(known, name):
        raise Unsupported(f"`.{name}` of {'an array' if base.is_tensor else 'a scalar'}")
    raise NumpyError(AttributeError, f"'{type_name(base)}' object has no attribute '{name}'")


def _scalar_class(value: Value) -> type:
    type_ = value.scalar
    if not type_.weak:
        return type_.dtype.type
    return {"b": bool, "i": int, "f": float, "c": complex}[type_.dtype.kind]


def has_attribute(ev: Evaluator, base: Operand, name: str) -> bool:
    """`hasattr`."""
    if isinstance(base, Value):
        return hasattr(np.ndarray if base.is_tensor else _scalar_class(base), name)
    if isinstance(base, BoundMethod | LocalFunction):
        return name == "__call__"
    return bool(ev.python(hasattr, base, name))


def set_attribute(ev: Evaluator, base: Operand, name: str, value: Operand) -> None:
    """`base.name = value`."""
    if isinstance(base, Value):
        if name == "shape" and is_tensor(base):
            raise Unsupported("assigning to `.shape`", "`x = x.reshape(...)`")
        raise Unsupported(f"assigning to `.{name}` of an array", "a slice store: `x[...] = value`")
    if is_dynamic(base) or ev.is_owned(base):
        if not hasattr(type(base), "__dataclass_fields__"):
            raise Unsupported(f"assigning to an attribute of a {type_name(base)}")
        ev.check_mutable(base)
        ev.python(setattr, base, name, value)
        return
    raise Unsupported(
        f"assigning to an attribute of a {type_name(base)} from outside of the compiled code",
        "a result that is returned",
    )
