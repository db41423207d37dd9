"""Python's builtin functions, where they meet values or containers of the traced program.

What works on scalars and arrays alone (`abs`, `int`, `round`, ...) stands in :mod:`numpy_api`; here is what needs the
evaluator: iterables, types, attributes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from pydsl.frontend import growing, numpy_api
from pydsl.frontend.attributes import attribute, has_attribute
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.indexing import static_key
from pydsl.frontend.iteration import all_items, enumerated, make_range, reversed_, zipped
from pydsl.frontend.operators import all_of, any_of, truth, type_name
from pydsl.frontend.printing import print_values
from pydsl.frontend.values import (
    BoundMethod,
    Grown,
    Lazy,
    LocalFunction,
    Operand,
    Partial,
    Text,
    is_dynamic,
    text_of,
)
from pydsl.ir.core import Value


class Caller(Protocol):
    """The evaluator, and a way to call front-end functions."""

    ev: Evaluator

    def call(self, function: Operand, *args: Operand) -> Operand: ...


def _range(caller: Caller, *args: Operand) -> Operand:
    return make_range(caller.ev, args)


def _zip(caller: Caller, *values: Operand, strict: bool = False) -> Operand:
    return zipped(caller.ev, values, strict) if values else []


def _enumerate(caller: Caller, iterable: Operand, start: Operand = 0) -> Operand:
    return enumerated(caller.ev, iterable, start)


def _reversed(caller: Caller, sequence: Operand) -> Operand:
    return reversed_(caller.ev, sequence)


def _map(caller: Caller, function: Operand, *values: Operand) -> Operand:
    if len(values) == 1:
        return [caller.call(function, item) for item in all_items(caller.ev, values[0])]
    return [caller.call(function, *items) for items in all_items(caller.ev, zipped(caller.ev, values, False))]


def _filter(caller: Caller, function: Operand, values: Operand) -> Operand:
    kept = []
    for item in all_items(caller.ev, values):
        condition = truth(caller.ev, item if function is None else caller.call(function, item))
        if caller.ev.static(condition, "the condition of filter()"):
            kept.append(item)
    return kept


def _len(caller: Caller, obj: Operand) -> Operand:
    if isinstance(obj, Value):
        return _by_handler(caller, len, obj)
    if isinstance(obj, Lazy):
        return obj.length
    if isinstance(obj, Grown):
        return growing.count_of(caller.ev, obj)
    return caller.ev.python(len, obj)


def _by_handler(caller: Caller, function: Any, *args: Operand, **kwargs: Operand) -> Operand:
    handler = numpy_api.lookup(function)
    if handler is None:
        raise Unsupported(f"`{function.__name__}` of values known at run time only")
    return handler(caller.ev.builder, *args, **kwargs)


def _extreme(function: Callable[..., Any], caller: Caller, *args: Operand, **kwargs: Operand) -> Operand:
    if len(args) == 1 and isinstance(args[0], Grown):
        return growing.extreme(caller.ev, args[0], function.__name__, kwargs)
    if len(args) == 1 and not isinstance(args[0], Value):
        args = (all_items(caller.ev, args[0]),)
    if is_dynamic(list(args)):
        return _by_handler(caller, function, *args, **kwargs)
    key = kwargs.get("key")
    if key is not None:
        kwargs = {**kwargs, "key": _static_key(caller, key)}
    return caller.ev.python(function, *args, **kwargs)


def _static_key(caller: Caller, key: Operand) -> Callable[[Any], Any]:
    return lambda item: caller.ev.static(caller.call(key, item), "the key of a comparison")


def _sum(caller: Caller, values: Operand, start: Operand = 0) -> Operand:
    if isinstance(values, Grown):
        return growing.total(caller.ev, values, start)
    if not isinstance(values, Value):
        values = all_items(caller.ev, values)
        if not is_dynamic(values) and not is_dynamic(start):
            return caller.ev.python(sum, values, start)
    return _by_handler(caller, sum, values, start)


def _sorted(caller: Caller, values: Operand, *, key: Operand = None, reverse: bool = False) -> Operand:
    if isinstance(values, Grown) and key is None:
        return growing.in_order(caller.ev, values, reverse)
    items = all_items(caller.ev, values)
    keys = items if key is None else [caller.call(key, item) for item in items]
    if is_dynamic(keys):
        raise Unsupported("sorted() by values known at run time only", "np.sort or np.argsort")
    order = caller.ev.python(lambda: sorted(range(len(items)), key=lambda i: keys[i], reverse=reverse))
    return caller.ev.own([items[i] for i in order])


def _any(caller: Caller, values: Operand) -> Operand:
    if isinstance(values, Grown):
        return growing.decided(caller.ev, values, "any")
    return any_of(caller.ev, all_items(caller.ev, values))


def _all(caller: Caller, values: Operand) -> Operand:
    if isinstance(values, Grown):
        return growing.decided(caller.ev, values, "all")
    return all_of(caller.ev, all_items(caller.ev, values))


def _list(caller: Caller, values: Operand = ()) -> Operand:
    if isinstance(values, Grown):
        return growing.call_method(caller.ev, values, "copy", (), {})
    return caller.ev.own(list(all_items(caller.ev, values)))


def _tuple(caller: Caller, values: Operand = ()) -> Operand:
    return tuple(all_items(caller.ev, values))


def _set(caller: Caller, values: Operand = ()) -> Operand:
    items = all_items(caller.ev, values)
    if is_dynamic(items):
        raise Unsupported("a set of values known at run time only", "a list, or np.unique")
    return caller.ev.own(caller.ev.python(set, items))


def _dict(caller: Caller, values: Operand = (), **kwargs: Operand) -> Operand:
    pairs = (
        values.items() if isinstance(values, dict) else [tuple(pair) for pair in all_items(caller.ev, values)]
    )
    return caller.ev.own(dict(pairs, **kwargs))


def _slice(caller: Caller, *args: Operand) -> Operand:
    return caller.ev.python(slice, *args)


# --- types and attributes -----------------------------------------------------------------------------------------


def class_of(value: Operand) -> type:
    """The class that the value has in Python."""
    if isinstance(value, Value):
        if value.is_tensor:
            return np.ndarray
        if not value.scalar.weak:
            return value.scalar.dtype.type
        return {"b": bool, "i": int, "f": float, "c": complex}[value.scalar.dtype.kind]
    if isinstance(value, Text):
        return str
    if isinstance(value, (LocalFunction, BoundMethod)):
        return type(lambda: None)
    if isinstance(value, Grown):
        return list
    if isinstance(value, Lazy):
        return range if value.range is not None else zip
    return type(value)


def _isinstance(caller: Caller, value: Operand, classes: Operand) -> Operand:
    return caller.ev.python(issubclass, class_of(value), classes)


def _type(caller: Caller, *args: Operand) -> Operand:
    if len(args) != 1:
        raise Unsupported("making a class", "a class defined outside")
    return class_of(args[0])


def _hasattr(caller: Caller, value: Operand, name: str) -> Operand:
    return has_attribute(caller.ev, value, name)


def _getattr(caller: Caller, value: Operand, name: str, *default: Operand) -> Operand:
    try:
        return attribute(caller.ev, value, name)
    except NumpyError as failure:
        if failure.error is AttributeError and default:
            return default[0]
        raise


def _callable(caller: Caller, value: Operand) -> Operand:
    return isinstance(value, (LocalFunction, BoundMethod)) or (
        not isinstance(value, Value) and callable(value)
    )


# --- text ---------------------------------------------------------------------------------------------------------


def _text(function: Callable[..., Any], caller: Caller, value: Operand = "", *args: Operand) -> Operand:
    if isinstance(value, Text):
        return value
    if is_dynamic(value):
        raise Unsupported(
            "text made of values known at run time only", "an f-string in print() or in an error message"
        )
    return caller.ev.python(function, value, *args)


def _partial(caller: Caller, function: Operand, *args: Operand, **kwargs: Operand) -> Operand:
    return Partial(function, args, kwargs)


def _reduce(caller: Caller, function: Operand, values: Operand, *initial: Operand) -> Operand:
    items = [*initial, *all_items(caller.ev, values)]
    if not items:
        raise NumpyError(TypeError, "reduce() of empty iterable with no initial value")
    total = items[0]
    for item in items[1:]:
        total = caller.call(function, total, item)
    return total


def _print(caller: Caller, *args: Operand, **kwargs: Operand) -> None:
    print_values(caller.ev, args, kwargs)


def _refused(construct: str, hint: str) -> Callable[..., Operand]:
    def refuse(caller: Caller, *args: Operand, **kwargs: Operand) -> Operand:
        raise Unsupported(construct, hint)

    return refuse


BUILTINS: dict[Any, Callable[..., Operand]] = {
    range: _range,
    zip: _zip,
    enumerate: _enumerate,
    reversed: _reversed,
    map: _map,
    filter: _filter,
    len: _len,
    min: functools.partial(_extreme, min),
    max: functools.partial(_extreme, max),
    sum: _sum,
    sorted: _sorted,
    any: _any,
    all: _all,
    list: _list,
    tuple: _tuple,
    set: _set,
    dict: _dict,
    slice: _slice,
    isinstance: _isinstance,
    type: _type,
    hasattr: _hasattr,
    getattr: _getattr,
    callable: _callable,
    str: functools.partial(_text, str),
    repr: functools.partial(_text, repr),
    format: functools.partial(_text, format),
    functools.partial: _partial,
    functools.reduce: _reduce,
    print: _print,
    input: _refused("input()", "an argument"),
    open: _refused("open()", "reading the file outside"),
    eval: _refused("eval()", "the expression itself"),
    exec: _refused("exec()", "the code itself"),
    super: _refused("super()", "a plain function"),
    setattr: _refused("setattr()", "an assignment"),
    iter: _refused("iter()", "a `for` loop"),
    next: _refused("next()", "a `for` loop"),
    id: _refused("id()", "`is`"),
    globals: _refused("globals()", "the names themselves"),
    locals: _refused("locals()", "the names themselves"),
    vars: _refused("vars()", "the names themselves"),
}


# --- methods of containers that may hold dynamic values -----------------------------------------------------------


def _changing(name: str, at_compile_time: Callable[..., Operand]) -> Callable[..., Operand]:
    """A method that changes a list: at run time, or at compile time."""

    def change(ev: Evaluator, owner: list[Operand], *args: Operand, **kwargs: Operand) -> Operand:
        if ev.grows(owner):
            return growing.call_method(ev, ev.grown(owner), name, args, kwargs)
        return at_compile_time(ev, owner, *args, **kwargs)

    return change


def _plainly(name: str) -> Callable[..., Operand]:
    def run(ev: Evaluator, owner: list[Operand], *args: Operand, **kwargs: Operand) -> Operand:
        ev.check_mutable(owner)
        if name in ("sort", "remove") and (is_dynamic(owner) or is_dynamic(list(args))):
            raise Unsupported(f"`.{name}` of a list of values known at run time only", "np.sort, or a mask")
        if any(isinstance(arg, Value) for arg in args[:1]) and name in ("pop", "insert"):
            ev.static(args[0], "the index into a list")
        return ev.python(getattr(owner, name), *args, **kwargs)

    return run


def _append(ev: Evaluator, owner: list[Operand], item: Operand) -> None:
    ev.check_mutable(owner)
    owner.append(item)


def _extend(ev: Evaluator, owner: list[Operand], items: Operand) -> None:
    ev.check_mutable(owner)
    owner.extend(all_items(ev, items))


def _dict_get(ev: Evaluator, owner: dict[Any, Operand], key: Operand, default: Operand = None) -> Operand:
    static_key(ev, key)
    if key in owner and ev.is_outside(owner):
        ev.note_read(owner, key, owner[key])
    return ev.use(ev.adopt(owner.get(key, default)))


def _index(ev: Evaluator, owner: Sequence[Operand], item: Operand) -> Operand:
    if is_dynamic(item) or is_dynamic(owner):
        raise Unsupported("list.index() of values known at run time only", "np.argmax of a comparison")
    return ev.python(owner.index, item)


def _count(ev: Evaluator, owner: Sequence[Operand], item: Operand) -> Operand:
    if is_dynamic(item) or is_dynamic(owner):
        raise Unsupported("`.count` of values known at run time only", "np.count_nonzero of a comparison")
    return ev.python(owner.count, item)


def _join(ev: Evaluator, owner: str, items: Operand) -> Operand:
    pieces: list[Any] = []
    for item in all_items(ev, items):
        if not isinstance(item, (str, Text)):
            raise NumpyError(TypeError, f"sequence item: expected str instance, {type_name(item)} found")
        pieces += [owner, item]
    return text_of(pieces[1:])


def _format(ev: Evaluator, owner: str, *args: Operand, **kwargs: Operand) -> Operand:
    if is_dynamic(list(args)) or is_dynamic(kwargs):
        raise Unsupported("str.format() of values known at run time only", "an f-string")
    return ev.python(owner.format, *args, **kwargs)


CONTAINER_METHODS: dict[tuple[type, str], Callable[..., Operand]] = {
    (list, "append"): _changing("append", _append),
    (list, "extend"): _changing("extend", _extend),
    **{
        (list, name): _changing(name, _plainly(name))
        for name in ("pop", "insert", "clear", "reverse", "sort", "remove")
    },
    (list, "count"): _count,
    (tuple, "count"): _count,
    (list, "index"): _index,
    (tuple, "index"): _index,
    (dict, "get"): _dict_get,
    (str, "join"): _join,
    (str, "format"): _format,
}
