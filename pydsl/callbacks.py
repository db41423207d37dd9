"""`callback`: the way out of compiled code into any Python function, with declared results.

The compiler reads the declaration (:attr:`Callback.output`); outside of compiled code a callback is the function
itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.ir.calls import ArrayOutput, NoOutput, Output, ScalarOutput, TupleOutput

__all__ = ["Array", "Callback", "callback"]

_UNSET: Any = object()
_PYTHON_SCALARS: dict[type, str] = {bool: "?", int: "i8", float: "f8", complex: "c16"}


@dataclass(frozen=True)
class Array:
    """Declares an array that a callback returns, of which only a part may be known.

    Parameters
    ----------
    dtype: its dtype (bool, an integer, a float of at most 64 bits, complex64, complex128).
    shape: the number of dimensions, if none of them is known; or a tuple with None for each dimension that is known
        only when the function returns.
    """

    dtype: Any
    shape: int | tuple[int | None, ...]


class Callback:
    """A Python function that compiled code may call. Made by :func:`callback`.

    Attributes
    ----------
    function: the function.
    output: what it returns, as the compiler sees it.
    """

    def __init__(self, function: Callable[..., Any], result: Any) -> None:
        self.function = function
        self.output = declared(result)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's own result."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<callback {getattr(self.function, '__qualname__', self.function)}>"


def callback(function: Callable[..., Any] | None = None, *, result: Any = _UNSET) -> Any:
    """Lets compiled code call any Python function.

    The function gets arrays as ndarrays on the same memory (it may write into them), scalars as Python or NumPy
    scalars, and objects known at compile time as they are. It runs with the interpreter's lock, in the order of the
    program; its exceptions reach the caller unchanged. It must not keep an array that it was given, nor return
    memory of one: the results are copied. Outside of compiled code, calling it is calling the function.
    ``@callback(result=...)`` decorates.

    Parameters
    ----------
    function: any callable.
    result: what it returns. None; a Python or NumPy scalar type, or a scalar of it; a NumPy dtype, for a NumPy
        scalar; an array, for arrays of exactly its dtype and shape; :class:`Array`, for arrays of which only a part
        of the shape is known; or a tuple or named tuple of these.

    Raises
    ------
    TypeError: the result is not declared, or not in one of these ways.

    Inside of compiled code, a call raises TypeError or ValueError if the function returns something else than declared,
    and RuntimeError if it keeps or returns memory of its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from pydsl import Array, callback, jit
    >>> lookup = callback(lambda x: np.unique(x), result=Array(np.float64, 1))
    >>> @jit
    ... def kinds(x):
    ...     return lookup(x).size
    >>> kinds(np.array([1.0, 2.0, 1.0]))
    2
    """
    if result is _UNSET:
        raise TypeError("callback() needs to know what the function returns: callback(f, result=...)")
    if function is None:
        return functools.partial(callback, result=result)
    if not callable(function):
        raise TypeError(f"callback() needs a function, not {function!r}")
    return Callback(function, result)


def declared(result: Any) -> Output:
    """What a declaration means.

    Raises
    ------
    TypeError: it is none.
    """
    if result is None:
        return NoOutput()
    if isinstance(result, type) and result in _PYTHON_SCALARS:
        return ScalarOutput(np.dtype(_PYTHON_SCALARS[result]), True)
    if type(result) in _PYTHON_SCALARS:
        return ScalarOutput(np.dtype(_PYTHON_SCALARS[type(result)]), True)
    if isinstance(result, np.dtype) or (isinstance(result, type) and issubclass(result, np.generic)):
        return ScalarOutput(_dtype(result), False)
    if isinstance(result, np.generic):
        return ScalarOutput(_dtype(result.dtype), False)
    if isinstance(result, np.ndarray):
        return ArrayOutput(_dtype(result.dtype), result.shape)
    if isinstance(result, Array):
        shape = (None,) * result.shape if isinstance(result.shape, int) else tuple(result.shape)
        return ArrayOutput(_dtype(result.dtype), shape, None in shape)
    if isinstance(result, tuple):
        return TupleOutput(tuple(map(declared, result)), type(result))
    raise TypeError(
        f"callback() cannot return {result!r}: declare None, a scalar type, an array, Array(dtype, shape) or a tuple "
        "of these"
    )


def _dtype(dtype: Any) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found.kind not in "biufc" or not found.isnative or found.itemsize > (16 if found.kind == "c" else 8):
        raise TypeError(f"callback() cannot return {found}: compiled code knows numbers of at most 64 bits")
    return np.dtype(f"{found.kind}{found.itemsize}")
