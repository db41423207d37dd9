"""The reductions: their scalar operation and its neutral element."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.ir.ops.compute import neutral
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
    """The neutral element (for max and min the extreme value: where NumPy refuses nothing, the front end did)."""
    return Const(neutral(reduction, dtype), dtype)


def combine(reduction: str, acc: Expr, value: Expr, **flags: bool) -> Expr:
    """One step of a reduction; ``flags`` are those of :class:`Apply`."""
    return Apply(REDUCTION_OPS[reduction], (acc, value), acc.dtype, **flags)
