"""Python's operators on front-end values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.formatting import percent
from pydsl.frontend.values import (
    BoundMethod,
    ExceptionValue,
    Grown,
    Lazy,
    LocalFunction,
    Operand,
    Text,
    UfuncMethod,
    decompose,
    is_dynamic,
    is_number,
    is_tensor,
    text_of,
)
from pydsl.ir.core import Value

BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add, operator.iadd),
    ast.Sub: ("sub", operator.sub, operator.isub),
    ast.Mult: ("mul", operator.mul, operator.imul),
    ast.Div: ("truediv", operator.truediv, operator.itruediv),
    ast.FloorDiv: ("floordiv", operator.floordiv, operator.ifloordiv),
    ast.Mod: ("mod", operator.mod, operator.imod),
    ast.Pow: ("pow", operator.pow, operator.ipow),
    ast.MatMult: ("matmul", operator.matmul, operator.imatmul),
    ast.LShift: ("lshift", operator.lshift, operator.ilshift),
    ast.RShift: ("rshift", operator.rshift, operator.irshift),
    ast.BitAnd: ("and", operator.and_, operator.iand),
    ast.BitOr: ("or", operator.or_, operator.ior),
    ast.BitXor: ("xor", operator.xor, operator.ixor),
}
"""For each operator: the builder's name, Python's function, and Python's in-place function."""

UNARY: dict[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
    ast.USub: ("neg", operator.neg),
    ast.UAdd: ("pos", operator.pos),
    ast.Invert: ("invert", operator.invert),
}

COMPARE: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
}

_SEQUENCES = (list, tuple, str, bytes)


def binary(ev: Evaluator, op: ast.operator, a: Operand, b: Operand) -> Operand:
    """`a op b`."""
    name, function, _ = BINARY[type(op)]
    if isinstance(a, str) and isinstance(op, ast.Mod) and is_dynamic(b):
        return percent(a, b if type(b) is tuple else (b,))
    if isinstance(a, Value) or isinstance(b, Value):
        other = b if isinstance(a, Value) else a
        if isinstance(other, Value) or is_number(other):
            return ev.builder.binary(name, a, b)
        value = a if isinstance(a, Value) else b
        if isinstance(other, _SEQUENCES) and not value.is_tensor:
            return _repeat_or_fail(op, value, other, a is value)
        if isinstance(other, (list, tuple)):
            return ev.builder.binary(name, a, b)
        raise NumpyError(TypeError, _operand_types(op, a, b))
    for operand in (a, b):
        if isinstance(operand, Grown):
            raise Unsupported(
                "arithmetic with a list that grows at run time", "`items.extend(...)`, or np.array(items)"
            )
        if isinstance(operand, (Text, Lazy, LocalFunction, BoundMethod, UfuncMethod, ExceptionValue)):
            if isinstance(op, ast.Add) and isinstance(a, (str, Text)) and isinstance(b, (str, Text)):
                return text_of((a, b))
            raise Unsupported(f"`{type(op).__name__}` of {type(operand).__name__.lower()}")
    return result(ev, ev.python(function, a, b))


def result(ev: Evaluator, value: Any) -> Operand:
    """The result of a Python operation: new containers may be changed, arrays become tensors."""
    if isinstance(value, (list, dict, set)) and not ev.is_owned(value):
        return ev.own(value)
    return ev.adopt(value)


def _repeat_or_fail(op: ast.operator, value: Value, other: Any, value_first: bool) -> Operand:
    if isinstance(op, ast.Mult) and value.scalar.dtype.kind in "iu":
        raise NeedStatic(
            value, f"how often a {type(other).__name__} is repeated must be known at compile time"
        )
    a, b = (value, other) if value_first else (other, value)
    raise NumpyError(TypeError, _operand_types(op, a, b))


def _operand_types(op: ast.operator, a: Operand, b: Operand) -> str:
    symbols = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"}
    name = BINARY[type(op)][0]
    return f"unsupported operand type(s) for {symbols.get(name, name)}: '{type_name(a)}' and '{type_name(b)}'"


def type_name(value: Operand) -> str:
    """The name of the type that the value has in Python."""
    if isinstance(value, Value):
        if value.is_tensor:
            return "numpy.ndarray"
        kind = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}[value.scalar.dtype.kind]
        return kind if value.scalar.weak else f"numpy.{value.scalar.dtype.name}"
    return type(value).__name__


def unary(ev: Evaluator, op: ast.unaryop, a: Operand) -> Operand:
    """`op a`."""
    if isinstance(op, ast.Not):
        condition = truth(ev, a)
        return ev.builder.unary("not", condition)
    name, function = UNARY[type(op)]
    if isinstance(a, Value):
        return ev.builder.unary(name, a)
    return result(ev, ev.python(function, a))


def truth(ev: Evaluator, value: Operand) -> bool | Value:
    """`bool(value)`: static, or a bool scalar."""
    if isinstance(value, Value):
        return ev.builder.truth(value)
    if isinstance(value, Grown):
        state = ev.use(ev.frame.names.values[value.name])
        return ev.builder.truth(state.count)
    if isinstance(value, Lazy):
        if isinstance(value.length, Value):
            return ev.builder.truth(value.length)
        return bool(value.length)
    return bool(ev.python(bool, value))


def compare(ev: Evaluator, op: ast.cmpop, a: Operand, b: Operand) -> Operand:
    """One comparison."""
    if isinstance(op, ast.Is | ast.IsNot):
        return (a is b or _same_singleton(a, b)) == isinstance(op, ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        found = contains(ev, a, b)
        return found if isinstance(op, ast.In) else unary(ev, ast.Not(), found)
    name, function = COMPARE[type(op)]
    if isinstance(a, Value) or isinstance(b, Value):
        other = b if isinstance(a, Value) else a
        if isinstance(other, (Value, list, tuple)) or is_number(other):
            return ev.builder.binary(name, a, b)
        if is_tensor(a) or is_tensor(b):
            raise Unsupported(
                f"comparing an array with a {type_name(other)}", "`is None`, or a comparison of its shape"
            )
        if isinstance(op, ast.Eq | ast.NotEq):
            return isinstance(op, ast.NotEq)
        raise NumpyError(
            TypeError, f"'{name}' not supported between instances of '{type_name(a)}' and '{type_name(b)}'"
        )
    if isinstance(a, Text) or isinstance(b, Text):
        raise Unsupported("comparing text made of values known at run time only", "the values themselves")
    if isinstance(op, ast.Eq | ast.NotEq) and (is_dynamic(a) or is_dynamic(b)):
        equal = _equal_containers(ev, a, b)
        return equal if isinstance(op, ast.Eq) else unary(ev, ast.Not(), equal)
    if is_dynamic(a) or is_dynamic(b):
        raise Unsupported(
            "ordering of containers with values known at run time only", "comparing their items"
        )
    return result(ev, ev.python(function, a, b))


def _same_singleton(a: Operand, b: Operand) -> bool:
    """dtypes of dynamic values are made anew when asked for."""
    return isinstance(a, np.dtype) and isinstance(b, np.dtype) and a == b


def _equal_containers(ev: Evaluator, a: Operand, b: Operand) -> Operand:
    if a is b:
        return True
    first, second = decompose(a), decompose(b)
    if first is None or second is None or first.key != second.key:
        return False
    return all_of(ev, [compare(ev, ast.Eq(), x, y) for x, y in zip(first.items, second.items, strict=True)])


def all_of(ev: Evaluator, conditions: Sequence[Operand]) -> Operand:
    """The conjunction of conditions that have all been evaluated."""
    return _fold(ev, "and", conditions, False)


def any_of(ev: Evaluator, conditions: Sequence[Operand]) -> Operand:
    """The disjunction of conditions that have all been evaluated."""
    return _fold(ev, "or", conditions, True)


def _fold(ev: Evaluator, name: str, conditions: Sequence[Operand], absorbing: bool) -> Operand:
    total: bool | Value = not absorbing
    for condition in conditions:
        value = truth(ev, condition)
        if not isinstance(value, Value):
            if value is absorbing:
                return absorbing
            continue
        value = ev.builder.to_python(value, bool)
        total = ev.builder.python_binary(name, total, value) if isinstance(total, Value) else value
    return total


def contains(ev: Evaluator, item: Operand, container: Operand) -> Operand:
    """`item in container`."""
    if isinstance(container, Value):
        if not container.is_tensor:
            raise NumpyError(TypeError, f"argument of type '{type_name(container)}' is not iterable")
        return ev.builder.to_python(ev.builder.reduce("any", ev.builder.binary("eq", container, item)), bool)
    if isinstance(container, (list, tuple, set, frozenset, dict)) and (
        is_dynamic(item) or is_dynamic(container)
    ):
        return any_of(ev, [item is x or compare(ev, ast.Eq(), x, item) for x in container])
    if isinstance(container, range) and isinstance(item, Value):
        return any_of(ev, [compare(ev, ast.Eq(), item, x) for x in container])
    if isinstance(container, Grown):
        raise Unsupported("`in` of a list that grows at run time", "`(np.array(items) == x).any()`")
    if is_dynamic(item) or is_dynamic(container):
        raise Unsupported(f"`in` of {type(container).__name__}")
    return ev.python(operator.contains, container, item)
