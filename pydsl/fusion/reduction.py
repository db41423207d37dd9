"""The reductions: their scalar operation and its neutral element."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.loops.ir import Apply, Const, Expr

#: the elementwise operation that combines two partial results
REDUCTION_OPS = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
    "fmax": "fmax",
    "fmin": "fmin",
    "bitwise_and": "bitwise_and",
    "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor",
}


def identity(reduction: str, dtype: np.dtype[Any]) -> Const:
    """The neutral element (for max and min the extreme value, since empty reductions were refused before)."""
    kind = dtype.kind
    value: float
    if reduction in ("sum", "bitwise_or", "bitwise_xor", "any"):
        value = 0
    elif reduction in ("prod", "all"):
        value = 1
    elif reduction == "bitwise_and":
        value = True if kind == "b" else (-1 if kind == "i" else np.iinfo(dtype).max)
    elif kind == "b":
        value = reduction in ("min", "fmin")
    elif kind in "iu":
        info = np.iinfo(dtype)
        value = info.min if reduction in ("max", "fmax") else info.max
    elif reduction in ("fmax", "fmin"):
        value = float("nan")
    else:
        value = float("-inf") if reduction == "max" else float("inf")
    return Const(bool(value) if kind == "b" else value, dtype)


def combine(reduction: str, acc: Expr, value: Expr, **flags: bool) -> Expr:
    """One step of a reduction; ``flags`` are those of :class:`Apply`."""
    return Apply(REDUCTION_OPS[reduction], (acc, value), acc.dtype, **flags)
