"""Operations on bools (`i1`)."""

from __future__ import annotations

from pydsl.jit.llvm.opcall import Emitter, OpCall
from pydsl.jit.llvm.scalars import Value
from pydsl.jit.llvm.text import FunctionText


def _binary(instruction: str, *, not_first: bool = False, not_second: bool = False) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        x = b.op(f"xor i1 {call.x}, true") if not_first else call.x
        y = b.op(f"xor i1 {call.y}, true") if not_second else call.y
        return b.op(f"{instruction} i1 {x}, {y}")

    return emit


def _not(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"xor i1 {call.x}, true")


def _same(_b: FunctionText, call: OpCall) -> Value:
    return call.x


def _equal(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"icmp eq i1 {call.x}, {call.y}")


def _constant(text: str) -> Emitter:
    def emit(_b: FunctionText, _call: OpCall) -> Value:
        return text

    return emit


_AND, _OR, _XOR = _binary("and"), _binary("or"), _binary("xor")

BOOLS: dict[str, Emitter] = {
    "add": _OR,
    "multiply": _AND,
    "maximum": _OR,
    "minimum": _AND,
    "fmax": _OR,
    "fmin": _AND,
    "logical_and": _AND,
    "logical_or": _OR,
    "logical_xor": _XOR,
    "logical_not": _not,
    "bitwise_and": _AND,
    "bitwise_or": _OR,
    "bitwise_xor": _XOR,
    "invert": _not,
    "equal": _equal,
    "not_equal": _XOR,
    "less": _binary("and", not_first=True),
    "less_equal": _binary("or", not_first=True),
    "greater": _binary("and", not_second=True),
    "greater_equal": _binary("or", not_second=True),
    "absolute": _same,
    "floor": _same,
    "ceil": _same,
    "trunc": _same,
    "conjugate": _same,
    "positive": _same,
    "isnan": _constant("false"),
    "isinf": _constant("false"),
    "isfinite": _constant("true"),
}
"""Name to emitter, for operands of dtype bool."""
