"""Calls: which of the many kinds of callable it is, and what that means."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pydsl.callbacks import Callback
from pydsl.frontend import growing, numpy_api
from pydsl.frontend.builtin_functions import BUILTINS, CONTAINER_METHODS
from pydsl.frontend.call_python import call_back
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.functions import call_function, call_local
from pydsl.frontend.operators import result, type_name
from pydsl.frontend.purity import is_pure
from pydsl.frontend.sizes import require_static_sizes
from pydsl.frontend.source import plain_function
from pydsl.frontend.ufunc_methods import ufunc_method
from pydsl.frontend.values import (
    BoundMethod,
    ExceptionValue,
    Grown,
    GrownMethod,
    LocalFunction,
    Operand,
    Partial,
    UfuncMethod,
    Vectorized,
    is_dynamic,
)
from pydsl.ir.core import Value
from pydsl.library.functions.applied import vectorized

Args = Sequence[Operand]
Kwargs = Mapping[str, Operand]

ON_ARRAYS = "the call of `{}` on arrays or values known at run time only"
WITH_EFFECTS = "the call of `{}`, which is not known to be free of side effects"
WAY_OUT = "pydsl.callback(f, result=...), which calls any Python function; or call it outside"
"""What is said of functions that have no handler, and what to write instead."""


def call(ev: Evaluator, function: Operand, args: Args, kwargs: Kwargs, site: Any) -> Operand:
    """`function(*args, **kwargs)`; `site` tells calls apart."""
    if isinstance(function, LocalFunction):
        return call_local(ev, function, args, kwargs, site)
    if isinstance(function, BoundMethod):
        args = [growing.as_array(ev, arg) for arg in args]
        require_static_sizes(ev, function.name, (function.value, *args), kwargs)
        return _handled(ev, function.handler, f".{function.name}", (function.value, *args), kwargs)
    if isinstance(function, GrownMethod):
        return growing.call_method(ev, function.owner, function.name, args, kwargs)
    if isinstance(function, UfuncMethod):
        return _ufunc_method(ev, function, args, kwargs)
    if isinstance(function, Value):
        raise NumpyError(TypeError, f"'{type_name(function)}' object is not callable")
    if isinstance(function, Vectorized):
        return call(ev, Partial(vectorized, function.options, {}), (tuple(args), dict(kwargs)), {}, site)
    if isinstance(function, Partial):
        return call(ev, function.function, (*function.args, *args), {**function.kwargs, **kwargs}, site)
    if isinstance(function, functools.partial):
        merged = {**function.keywords, **kwargs}
        return call(ev, function.func, (*map(ev.adopt, function.args), *args), merged, site)
    return _call_object(ev, function, args, kwargs, site)


def _call_object(ev: Evaluator, function: Any, args: Args, kwargs: Kwargs, site: Any) -> Operand:
    function = numpy_api.canonical(function)
    if isinstance(function, Callback):
        return call_back(ev.builder, function, args, kwargs)
    builtin = BUILTINS.get(function) if _is_hashable(function) else None
    if builtin is not None:
        return builtin(Caller(ev, site), *args, **kwargs)
    handler = numpy_api.lookup(function)
    handler, args, kwargs = _without_lists(ev, function, handler, args, kwargs)
    require_static_sizes(ev, function, args, kwargs)
    dynamic = any(map(is_dynamic, args)) or any(map(is_dynamic, kwargs.values()))
    if handler is not None and (dynamic or numpy_api.creates_array(function)):
        return _handled(ev, handler, _name(function), args, kwargs)
    if isinstance(function, np.vectorize):
        call_it = Partial(vectorized, _vectorize_options(function), {})
        return call(ev, call_it, (tuple(args), dict(kwargs)), {}, site)
    if isinstance(function, types.FunctionType) and not _is_numpy(function):
        return call_function(ev, function, args, kwargs, site)
    if isinstance(function, types.MethodType) and _is_named_tuple(function.__self__):
        return ev.python(function, *args, **kwargs)
    if isinstance(function, types.MethodType):
        return call(ev, function.__func__, (function.__self__, *args), kwargs, site)
    if isinstance(function, type):
        return _construct(ev, function, args, kwargs, dynamic)
    if isinstance(function, types.BuiltinFunctionType | types.MethodWrapperType) and not _is_module_level(
        function
    ):
        return _builtin_method(ev, function, args, kwargs, dynamic)
    if not _is_numpy(function):
        wrapped = plain_function(function)
        if wrapped is not None:
            return call_function(ev, wrapped, args, kwargs, site)
        own_call = vars(type(function)).get("__call__")
        if isinstance(own_call, types.FunctionType):
            return call_function(ev, own_call, (function, *args), kwargs, site)
        if not callable(function):
            raise NumpyError(TypeError, f"'{type_name(function)}' object is not callable")
    return _static_call(ev, function, args, kwargs, dynamic)


_JOINED = (np.concatenate, np.vstack, np.hstack)


def _without_lists(
    ev: Evaluator, function: Any, handler: Any, args: Args, kwargs: Kwargs
) -> tuple[Any, Args, Kwargs]:
    """The call with arrays in place of lists that grow at run time."""
    if handler is None and not _is_numpy(function):
        return handler, args, kwargs
    if not any(map(_may_grow, (*args, *kwargs.values()))):
        return handler, args, kwargs
    if args and isinstance(args[0], Grown) and function is np.stack:
        axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
        return numpy_api.lookup(np.moveaxis), [growing.as_array(ev, args[0]), 0, axis], {}
    if args and isinstance(args[0], Grown) and function in _JOINED:
        return handler, [growing.pieces(ev, args[0], function, args[1:], kwargs), *args[1:]], kwargs
    with_dtype = kwargs.get("dtype") is not None or (function in (np.array, np.asarray) and len(args) > 1)
    arrays = [growing.as_array(ev, arg, not with_dtype) for arg in args]
    return handler, arrays, {key: growing.as_array(ev, value) for key, value in kwargs.items()}


def _may_grow(value: Operand) -> bool:
    return isinstance(value, (Grown, list, tuple))


class Caller:
    """What the builtin functions need: the evaluator, and a way to call back."""

    def __init__(self, ev: Evaluator, site: Any) -> None:
        self.ev = ev
        self.site = site

    def call(self, function: Operand, *args: Operand) -> Operand:
        return call(self.ev, function, args, {}, self.site)


def _is_hashable(function: Any) -> bool:
    return getattr(type(function), "__hash__", None) is not None and not isinstance(
        function, types.MethodType
    )


def _is_numpy(function: Any) -> bool:
    module = getattr(function, "__module__", None) or type(function).__module__
    return isinstance(module, str) and module.partition(".")[0] == "numpy"


def _is_named_tuple(owner: Any) -> bool:
    cls = owner if isinstance(owner, type) else type(owner)
    return issubclass(cls, tuple) and hasattr(cls, "_make")


def _is_module_level(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    return owner is None or isinstance(owner, types.ModuleType)


_PUBLIC_PARTS = frozenset({"fft", "linalg", "random", "polynomial", "ma", "char", "strings", "testing"})


def _name(function: Any) -> str:
    name = getattr(function, "__name__", None) or type(function).__name__
    if not _is_numpy(function):
        return str(name)
    package, _, inner = str(getattr(function, "__module__", "")).partition(".")
    return f"np.{inner}.{name}" if package == "numpy" and inner in _PUBLIC_PARTS else f"np.{name}"


def _handled(ev: Evaluator, handler: Any, name: str, args: Args, kwargs: Kwargs) -> Operand:
    """A call that the builder knows."""
    try:
        answer = handler(ev.builder, *args, **kwargs)
    except TypeError as error:
        trace = error.__traceback__
        if trace is None or trace.tb_next is not None:
            raise
        raise Unsupported(
            f"this form of the call of `{name}` ({_without_prefix(str(error))})",
            "the arguments that the manual lists as supported",
        ) from None
    if isinstance(answer, (list, dict)):
        return ev.own(answer)
    return answer


def _without_prefix(message: str) -> str:
    """Python's complaint about arguments without the handler's own name."""
    return message.partition("() ")[2] or message


def _static_call(ev: Evaluator, function: Any, args: Args, kwargs: Kwargs, dynamic: bool) -> Operand:
    """A function of C, or of NumPy: run at compile time, if that means the same."""
    name = _name(function)
    if dynamic:
        raise Unsupported(
            ON_ARRAYS.format(name),
            WAY_OUT,
        )
    if not is_pure(function):
        raise Unsupported(
            WITH_EFFECTS.format(name),
            WAY_OUT,
        )
    return _fresh(ev, ev.python(function, *args, **kwargs))


def _fresh(ev: Evaluator, value: Any) -> Operand:
    """A result made at compile time: an array becomes new memory at every call."""
    if isinstance(value, np.ndarray):
        return ev.builder.copy(ev.builder.constant_array(value), "K")
    if type(value) in (list, tuple):
        items = [_fresh(ev, item) for item in value]
        return ev.own(items) if type(value) is list else tuple(items)
    return result(ev, value)


def _builtin_method(ev: Evaluator, function: Any, args: Args, kwargs: Kwargs, dynamic: bool) -> Operand:
    """A method of a builtin object: `list.append`, `str.format`, ..."""
    owner, name = function.__self__, function.__name__
    if isinstance(owner, type):  # a class method: dict.fromkeys
        return _static_call(ev, function, args, kwargs, dynamic)
    method = CONTAINER_METHODS.get((type(owner), name))
    if method is not None:
        return method(ev, owner, *args, **kwargs)
    if name in _COMPARING and (dynamic or is_dynamic(owner)) and isinstance(owner, _CONTAINERS):
        raise Unsupported(
            f"`.{name}` of a {type_name(owner)} with values known at run time only",
            "an array, and np.sort, np.unique, np.isin or a comparison",
        )
    if isinstance(owner, (list, dict, set)) and name not in _READING:
        ev.check_mutable(owner)
        return ev.python(function, *args, **kwargs)
    if isinstance(
        owner,
        (str, bytes, int, float, complex, tuple, list, dict, set, frozenset, range, np.generic, np.dtype),
    ):
        if dynamic and not isinstance(owner, (list, tuple, dict)):
            raise Unsupported(
                f"`.{name}` of a {type_name(owner)} with values known at run time only", "an f-string"
            )
        return _fresh(ev, ev.python(function, *args, **kwargs))
    return _static_call(ev, function, args, kwargs, dynamic)


_CONTAINERS = (list, tuple, dict, set, frozenset)
_COMPARING = frozenset(
    [
        "add",
        "remove",
        "discard",
        "count",
        "index",
        "sort",
        "union",
        "intersection",
        "difference",
        "symmetric_difference",
        "update",
        "issubset",
        "issuperset",
        "isdisjoint",
        "setdefault",
        "fromkeys",
        "__contains__",
    ]
)
_READING = frozenset(
    [
        "copy",
        "count",
        "index",
        "get",
        "items",
        "keys",
        "values",
        "union",
        "intersection",
        "difference",
        "issubset",
        "issuperset",
        "isdisjoint",
        "symmetric_difference",
        "__len__",
        "__getitem__",
        "__contains__",
        "__iter__",
        "__reversed__",
    ]
)


def _construct(ev: Evaluator, cls: type, args: Args, kwargs: Kwargs, dynamic: bool) -> Operand:
    """A class is called."""
    if issubclass(cls, BaseException):
        if kwargs:
            raise Unsupported(f"keyword arguments of {cls.__name__}")
        return ExceptionValue(cls, tuple(args))
    if hasattr(cls, "__dataclass_fields__"):
        if hasattr(cls, "__post_init__"):
            raise Unsupported(f"making a {cls.__name__}, which has `__post_init__`", "a class without it")
        return ev.own(ev.python(cls, *args, **kwargs))
    if _is_named_tuple(cls):
        return ev.python(cls, *args, **kwargs)
    if cls is np.vectorize:
        return _vectorize(*args, **kwargs)
    if issubclass(cls, np.generic):
        if dynamic and len(args) == 1 and not kwargs:
            return _numpy_scalar(ev, cls, args[0])
        return _static_call(ev, cls, args, kwargs, dynamic)
    if not dynamic and (cls.__module__ in ("builtins", "numpy", "collections", "functools") or is_pure(cls)):
        return _fresh(ev, ev.python(cls, *args, **kwargs))
    raise Unsupported(f"making an object of class {cls.__name__}", "a tuple, a named tuple or a dataclass")


def _vectorize_options(function: Any) -> tuple[Operand, ...]:
    """What a finished `np.vectorize` object was made with."""
    return (function.pyfunc, function.otypes, bool(function.excluded), function.signature)


def _vectorize(
    pyfunc: Operand,
    otypes: Any = None,
    doc: Any = None,
    excluded: Any = None,
    cache: bool = False,
    signature: Any = None,
) -> Operand:
    """`np.vectorize(f)`, made by the traced code: what its calls will need."""
    return Vectorized((pyfunc, otypes, bool(excluded), signature))


def _numpy_scalar(ev: Evaluator, cls: type[np.generic], value: Operand) -> Operand:
    """`np.float32(x)`: a scalar, or for an array the converted array."""
    if isinstance(value, (list, tuple)):
        value = ev.builder.as_value(value)
    return ev.builder.astype(value, np.dtype(cls))


def _ufunc_method(ev: Evaluator, method: UfuncMethod, args: Args, kwargs: Kwargs) -> Operand:
    """`np.add.reduce` and the like."""
    name = f"np.{method.ufunc.__name__}.{method.name}"
    handler = ufunc_method(ev, method.ufunc, method.name)
    return _handled(ev, lambda _, *a, **k: handler(*a, **k), name, args, kwargs)
