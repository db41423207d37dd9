"""NumPy functions that compiled code calls: what they return is asked of NumPy itself, on small stand-ins.

A handler says which shapes the results have; dtypes, the class of a result tuple and whether a result is a scalar
come from a call with stand-ins of the same ranks and dtypes. Where the arguments do not fit, the exception is
NumPy's as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.call_python import New, NewArray, NewOpen, NewScalar, NewTuple, delegate
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

Shape = tuple[Affine, ...]
OPEN = object()
"""Stands for a shape that is known only at run time."""


def fixed(value: Operand, what: str) -> Any:
    """An option that must be known at compile time: asks for it where it is a scalar argument."""
    if isinstance(value, Value):
        if value.is_tensor:
            raise Unsupported(f"{what} given by an array", "a Python number or tuple")
        raise NeedStatic(value, f"{what} must be known at compile time")
    if isinstance(value, (tuple, list)):
        return type(value)([fixed(item, what) for item in value])
    return value


def tensor(b: Builder, value: Operand) -> Value:
    """An array-like as a tensor."""
    return b.reducible(value)


def call_numpy(
    b: Builder,
    function: Callable[..., Any],
    args: Sequence[Operand],
    kwargs: Mapping[str, Operand],
    shapes: Sequence[Any],
    orders: Mapping[int, tuple[int, ...]] | None = None,
    sample: Callable[[Value], Any] | None = None,
) -> Any:
    """A call of a function of NumPy's that returns new memory.

    Parameters
    ----------
    shapes: of the results, in order; `OPEN` where that depends on the data.
    orders: axes from slowest to fastest of results that are not in C order, by position.
    sample: the stand-in for an argument; default: ones and zeros of the same rank.
    """
    stand_in = small if sample is None else sample
    try:
        answer = attempt(function, *_stand_ins(args, stand_in), **_named_stand_ins(kwargs, stand_in))
    except NumpyError:
        refuse(function, args, kwargs)  # the same with the shapes in the text
        raise
    leaves = iter(enumerate(shapes))
    result = _result(answer, leaves, orders or {})
    return delegate(b, function, name_of(function), args, kwargs, result)


def attempt(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A call at compile time; NumPy's exceptions are the program's."""
    with np.errstate(all="ignore"):
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise NumpyError(type(error), str(error)) from error


def refuse(function: Callable[..., Any], args: Sequence[Operand], kwargs: Mapping[str, Operand]) -> None:
    """NumPy's exception for arguments whose shapes do not fit, if it has one."""
    attempt(function, *_stand_ins(args, whole), **_named_stand_ins(kwargs, whole))


def _stand_ins(args: Sequence[Operand], sample: Callable[[Value], Any]) -> list[Any]:
    return [_stand_in(arg, sample) for arg in args]


def _named_stand_ins(kwargs: Mapping[str, Operand], sample: Callable[[Value], Any]) -> dict[str, Any]:
    return {key: _stand_in(arg, sample) for key, arg in kwargs.items()}


def _stand_in(value: Operand, sample: Callable[[Value], Any]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)([_stand_in(item, sample) for item in value])
    if not isinstance(value, Value):
        return value
    if value.is_tensor:
        return sample(value)
    one = value.scalar.dtype.type(1)
    return one.item() if value.scalar.weak else one


def small(value: Value) -> np.ndarray[Any, Any]:
    """A stack of one identity matrix of two rows, of the same rank and dtype."""
    rank, dtype = value.tensor.rank, value.tensor.dtype
    if rank < 2:
        return np.ones((2,) * rank, dtype)
    return np.eye(2, dtype=dtype).reshape((1,) * (rank - 2) + (2, 2))


def whole(value: Value) -> np.ndarray[Any, Any]:
    """Ones of the same shape, without their memory; 2 where a dimension is not known."""
    shape = [dim.const if dim.is_const else 2 for dim in value.tensor.shape]
    return np.broadcast_to(np.ones((), value.tensor.dtype), shape)


def _result(answer: Any, leaves: Any, orders: Mapping[int, tuple[int, ...]]) -> New:
    if isinstance(answer, tuple):
        make = None if type(answer) is tuple else type(answer)
        return NewTuple(tuple([_result(item, leaves, orders) for item in answer]), make)
    position, shape = next(leaves)
    if isinstance(answer, np.generic):
        return NewScalar(dtypes.as_dtype(answer.dtype))
    if not isinstance(answer, np.ndarray):
        return NewScalar(np.dtype(type(answer)), weak=True)
    if shape is OPEN:
        return NewOpen(dtypes.as_dtype(answer.dtype), answer.ndim)
    return NewArray(dtypes.as_dtype(answer.dtype), tuple(shape), orders.get(position))


def name_of(function: Callable[..., Any]) -> str:
    """A function of NumPy's as the user writes it."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{getattr(function, '__name__', 'function')}"
