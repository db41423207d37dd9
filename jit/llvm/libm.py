"""Calls of math functions: the target says which symbol, and which vector forms the loop vectoriser may put instead."""

from __future__ import annotations

from pydsl.jit.llvm.inline_math import INLINE
from pydsl.jit.llvm.target import MathFunction
from pydsl.jit.llvm.text import FunctionText

PURE = "nounwind willreturn memory(none)"
"""Attributes of a math function: errno is not looked at, and the floating-point environment is the default one."""


def call_scalar_math(b: FunctionText, name: str, type_: str, *arguments: str) -> str:
    """The C library's own function, with its precision, where several results are combined and errors would add up."""
    return b.call(type_, _symbol(b, name, type_), [f"{type_} {x}" for x in arguments], PURE)


def _symbol(b: FunctionText, name: str, type_: str) -> str:
    return f"{b.target.math_prefix}{name}" if type_ == "double" else f"{b.target.math_prefix}{name}f"


def call_math(b: FunctionText, name: str, type_: str, *arguments: str) -> str:
    """The math function with this C name, on ``float`` or ``double`` arguments of one type."""
    inline = INLINE.get((name, type_))
    if inline is not None and b.target.fma:
        return inline(b, type_, *arguments)
    default = MathFunction(_symbol(b, name, type_))
    function = b.target.math.get((name, type_), default)
    scalar = b.module.declare(function.symbol, type_, [type_] * len(arguments), PURE)
    attributes = PURE
    if function.variants:
        for lanes, symbol in function.variants:
            vector = f"<{lanes} x {type_}>"
            b.module.declare(symbol, vector, [vector] * len(arguments), PURE)
            b.module.keep(symbol)
        names = ",".join(symbol for _, symbol in function.variants)
        attributes = f'{PURE} "vector-function-abi-variant"="{names}"'
    operands = ", ".join(f"{type_} {argument}" for argument in arguments)
    return b.op(f"call {type_} {scalar}({operands}) {b.module.attributes(attributes)}")
