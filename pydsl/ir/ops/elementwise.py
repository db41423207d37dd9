"""Elementwise operations: ``result[i] = f(a[i], b[i], ...)`` on tensors of one shape, or on scalars.

Operands have the dtypes of the ufunc loop already (casts are explicit ``cast`` ops) and one shape (broadcasts are
views); a scalar operand stands for itself at every index. The result is new memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.ir.core import Op
from pydsl.ir.record import Cost, Kind, OpRecord, define

_COMMUTATIVE = {
    "add",
    "multiply",
    "equal",
    "not_equal",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "logical_and",
    "logical_or",
    "logical_xor",
}

_COSTS: dict[Cost, str] = {
    Cost.CHEAP: """add subtract multiply negative positive absolute fabs sign rint floor ceil trunc square conjugate
        maximum minimum fmax fmin equal not_equal less less_equal greater greater_equal
        logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
        isnan isinf isfinite signbit copysign deg2rad rad2deg heaviside""",
    Cost.DIVIDE: "divide floor_divide remainder fmod sqrt reciprocal nextafter spacing gcd lcm hypot",
    Cost.HEAVY: """power float_power cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2
        sinh cosh tanh arcsinh arccosh arctanh logaddexp logaddexp2 ldexp""",
}

_ALIASES: dict[str, tuple[Any, ...]] = {"absolute": (abs,)}


def _define(name: str, cost: Cost) -> OpRecord:
    ufunc = getattr(np, name)
    return define(
        OpRecord(
            name=name,
            kind=Kind.ELEMENTWISE,
            doc=(ufunc.__doc__ or name).strip().split("\n")[2].strip() if ufunc.__doc__ else name,
            cost=cost,
            numpy=(ufunc, *_ALIASES.get(name, ())),
            ufunc=ufunc,
            allocates=True,
            commutative=name in _COMMUTATIVE,
        )
    )


UFUNCS: dict[str, OpRecord] = {
    name: _define(name, cost) for cost, names in _COSTS.items() for name in names.split()
}


def _evaluate_cast(op: Op, operands: Sequence[Any]) -> Any:
    return np.asarray(operands[0]).astype(op.result.type.dtype)


CAST = define(
    OpRecord(
        "cast",
        Kind.ELEMENTWISE,
        "Conversion to the dtype of the result, as `ndarray.astype` (casting='unsafe').",
        evaluate=_evaluate_cast,
        allocates=True,
    )
)

SELECT = define(
    OpRecord(
        "select",
        Kind.ELEMENTWISE,
        "`condition ? a : b`, both sides evaluated (`np.where`).",
        evaluate=lambda op, v: np.where(v[0], v[1], v[2]),
        allocates=True,
    )
)

COPY = define(
    OpRecord(
        "copy",
        Kind.ELEMENTWISE,
        "A copy in new memory.",
        cost=Cost.FREE,
        evaluate=lambda op, v: np.array(v[0]),
        allocates=True,
    )
)

IOTA = define(
    OpRecord(
        "iota",
        Kind.GENERATOR,
        "One-dimensional int64 tensor `0, 1, ..., n-1`; its length is that of the result type.",
        cost=Cost.FREE,
        allocates=True,
    )
)
