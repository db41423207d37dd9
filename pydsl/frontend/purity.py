"""Which functions from outside may run at compile time: those whose result depends on their arguments alone."""

from __future__ import annotations

import collections
import itertools
import math
import operator
from typing import Any

import numpy as np

_MODULES = frozenset(("math", "_operator", "operator", "cmath"))

_FUNCTIONS: tuple[Any, ...] = (
    abs, all, any, ascii, bin, bool, bytes, callable, chr, complex, dict, divmod, enumerate, float, format, frozenset,
    getattr, hasattr, hash, hex, int, isinstance, issubclass, len, list, max, min, oct, ord, pow, range, repr, reversed,
    round, set, slice, sorted, str, sum, tuple, type, zip,
    itertools.product, itertools.chain, itertools.combinations, itertools.permutations, itertools.accumulate,
    itertools.islice, itertools.repeat, itertools.starmap, itertools.zip_longest,
    collections.OrderedDict, collections.Counter, operator.itemgetter, operator.attrgetter,
)  # fmt: skip

_IMPURE_NUMPY = frozenset(
    [
        "save",
        "savez",
        "savez_compressed",
        "savetxt",
        "load",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "fromregex",
        "memmap",
        "show_config",
        "get_include",
        "set_printoptions",
        "seterr",
        "seterrcall",
        "setbufsize",
        "copyto",
        "put",
        "place",
        "putmask",
        "fill_diagonal",
        "put_along_axis",
        "tofile",
    ]
)

_PURE = {id(function) for function in _FUNCTIONS}


def is_pure(function: Any) -> bool:
    """Whether a function of C or of NumPy may be run at compile time on static arguments."""
    if id(function) in _PURE:
        return True
    module = getattr(function, "__module__", None)
    if module is None:
        owner = getattr(function, "__self__", None)
        module = getattr(owner, "__name__", None) if isinstance(owner, type(math)) else type(owner).__module__
    if not isinstance(module, str):
        return False
    if module in _MODULES:
        return True
    if isinstance(function, np.ufunc):
        return True
    root, _, rest = module.partition(".")
    if root == "builtins":
        return isinstance(
            getattr(function, "__self__", None), (str, bytes, int, float, tuple, frozenset, type)
        )
    return (
        root == "numpy"
        and not rest.startswith("random")
        and getattr(function, "__name__", "") not in _IMPURE_NUMPY
    )
