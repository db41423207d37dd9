"""The names of `pydsl.numpy`: NumPy's functions for arrays on any device, its dtypes and its constants."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from pydsl.frontend.numpy_api.registry import alias, known_callables
from pydsl.jit.arrays import creation, views
from pydsl.jit.arrays.array import ndarray
from pydsl.jit.arrays.eager import execute

# inside a jitted function they are NumPy's: what is made there is where the function runs
_OWN: dict[str, Any] = {
    name: getattr(creation, name)
    for name in [
        "arange",
        "array",
        "asarray",
        "empty",
        "empty_like",
        "eye",
        "from_dlpack",
        "full",
        "full_like",
        "identity",
        "linspace",
        "ones",
        "ones_like",
        "tri",
        "zeros",
        "zeros_like",
    ]
} | {"ndarray": ndarray}

for _name, _function in _OWN.items():
    if _name not in ("ndarray", "from_dlpack"):
        alias(_function, getattr(np, _name))

_PASSED_ON = frozenset(
    [
        "bool",
        "bool_",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "intp",
        "uintp",
        "int_",
        "uint",
        "single",
        "double",
        "half",
        "longlong",
        "ulonglong",
        "intc",
        "uintc",
        "byte",
        "ubyte",
        "short",
        "ushort",
        "csingle",
        "cdouble",
        "dtype",
        "generic",
        "number",
        "integer",
        "signedinteger",
        "unsignedinteger",
        "inexact",
        "floating",
        "complexfloating",
        "pi",
        "e",
        "inf",
        "nan",
        "newaxis",
        "euler_gamma",
        "finfo",
        "iinfo",
        "issubdtype",
        "isdtype",
        "promote_types",
        "broadcast_shapes",
        "isscalar",
        "index_exp",
        "s_",
        "errstate",
    ]
)
_ALIASES = {
    "abs": "absolute",
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "bitwise_not": "invert",
    "concat": "concatenate",
    "conj": "conjugate",
    "mod": "remainder",
    "permute_dims": "transpose",
    "pow": "power",
    "true_divide": "divide",
    "amax": "max",
    "amin": "min",
}


def function(numpys: Callable[..., Any]) -> Callable[..., Any]:
    """The function of this namespace that stands for one of NumPy's."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return execute(numpys, args, kwargs)

    call.__name__ = call.__qualname__ = numpys.__name__
    call.__doc__ = f"`np.{numpys.__name__}` for arrays on any device."
    alias(call, numpys)
    return call


def _functions() -> set[str]:
    """The names of NumPy's functions that the compiler has, or that only make views."""
    named = {
        getattr(c, "__name__", "")
        for c in known_callables()
        if getattr(np, getattr(c, "__name__", ""), None) is c
    }
    known = {
        name for name in named if callable(getattr(np, name)) and not isinstance(getattr(np, name), type)
    }
    return known | {f.__name__ for f in views.without_elements() if hasattr(np, f.__name__)}


def names() -> list[str]:
    """Every name of the namespace."""
    return sorted({*_OWN, *_PASSED_ON, *_ALIASES, *_functions(), "linalg", "asnumpy"})


def find(name: str) -> Any:
    """The object behind a name.

    Raises
    ------
    AttributeError: there is none.
    """
    if name == "__all__":
        return names()
    if name in _OWN:
        return _OWN[name]
    if name in _PASSED_ON:
        return getattr(np, name)
    if name == "linalg":
        return _linalg()
    if name == "asnumpy":
        return asnumpy
    if name in _ALIASES or name in _functions():
        return function(getattr(np, _ALIASES.get(name, name)))
    raise AttributeError(f"module 'pydsl.numpy' has no attribute {name!r}")


def asnumpy(a: Any) -> np.ndarray[Any, Any]:
    """The array as NumPy has it: the memory itself from the host, a copy from a device."""
    return creation.asarray(a).to_numpy()


def _linalg() -> SimpleNamespace:
    known = [c for c in known_callables() if getattr(c, "__module__", "") == "numpy.linalg"]
    return SimpleNamespace(**{c.__name__: function(c) for c in known})
