"""Reductions and contractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.ir.core import Op
from pydsl.ir.record import Cost, Kind, OpRecord, define

#: reduction kinds: NumPy reference on one operand of the accumulator's dtype. The result dtype is the result type's.
REDUCTIONS: dict[str, Any] = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "fmax": np.fmax.reduce,
    "fmin": np.fmin.reduce,
    "bitwise_and": np.bitwise_and.reduce,
    "bitwise_or": np.bitwise_or.reduce,
    "bitwise_xor": np.bitwise_xor.reduce,
}


def neutral(kind: str, dtype: np.dtype[Any]) -> Any:
    """What a reduction of nothing gives; for the maximum and the minimum the extreme value of the dtype."""
    code = dtype.kind
    value: Any
    if kind in ("sum", "bitwise_or", "bitwise_xor", "any"):
        value = 0
    elif kind in ("prod", "all"):
        value = 1
    elif kind == "bitwise_and":
        value = True if code == "b" else (-1 if code == "i" else np.iinfo(dtype).max)
    elif code == "b":
        value = kind in ("min", "fmin")
    elif code in "iu":
        info = np.iinfo(dtype)
        value = info.min if kind in ("max", "fmax") else info.max
    elif kind in ("fmax", "fmin"):
        value = float("nan")
    else:
        value = float("-inf") if kind == "max" else float("inf")
        if code == "c":
            value = complex(value, value)  # ordered by real part, then by imaginary part
    return bool(value) if code == "b" else value


def _evaluate_reduce(op: Op, operands: Sequence[Any]) -> Any:
    axes = op.attrs["axes"]
    fn = REDUCTIONS[op.attrs["kind"]]
    dtype = op.result.type.dtype
    if op.attrs["kind"] in ("argmax", "argmin"):
        (axis,) = axes
        return np.asarray(fn(operands[0], axis=axis)).astype(dtype)
    if op.attrs["kind"] in ("sum", "prod"):
        return np.asarray(fn(operands[0], axis=axes, dtype=dtype))
    if op.attrs["kind"] in ("max", "min", "fmax", "fmin") and dtype.kind != "c":
        fn = {"max": np.maximum.reduce, "min": np.minimum.reduce}.get(op.attrs["kind"], fn)
        return np.asarray(fn(operands[0], axis=axes, initial=neutral(op.attrs["kind"], dtype))).astype(dtype)
    return np.asarray(fn(operands[0], axis=axes)).astype(dtype)


REDUCE = define(
    OpRecord(
        "reduce",
        Kind.REDUCTION,
        "Reduction of a tensor over `axes` (a sorted tuple); the result (new memory) has the other axes. The operand"
        " has the accumulator's dtype already, but for argmax/argmin (exactly one axis; int64 result; first occurrence;"
        " NaN wins). Reductions without identity never"
        " see an empty axis (checked before).",
        evaluate=_evaluate_reduce,
        allocates=True,
        attrs=("kind", "axes"),
    )
)


def _evaluate_contract(op: Op, operands: Sequence[Any]) -> Any:
    a, b = operands
    return np.asarray(
        np.einsum(
            a, list(op.attrs["a"]), b, list(op.attrs["b"]), list(op.attrs["out"]), dtype=op.result.type.dtype
        )
    )


CONTRACT = define(
    OpRecord(
        "contract",
        Kind.CONTRACTION,
        "Sum of products of two tensors of one dtype: einsum with integer labels `a`, `b`, `out` (each label once per"
        " operand); labels absent from"
        " `out` are summed. matmul, dot, tensordot and two-operand einsum all become this.",
        cost=Cost.HEAVY,
        evaluate=_evaluate_contract,
        allocates=True,
        attrs=("a", "b", "out"),
    )
)
