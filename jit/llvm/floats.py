"""Operations on float32 and float64, as NumPy defines them. float16 is computed in float32 and rounded (`table.py`).

Arithmetic is exactly the IEEE operation: no contraction, no reassociation but where a flag of the call allows it.
"""

from __future__ import annotations

import math

import numpy as np

from pydsl.jit.llvm.libm import call_math, call_scalar_math
from pydsl.jit.llvm.opcall import Emitter, OpCall
from pydsl.jit.llvm.scalars import Value, bits_type, float_literal, llvm_type
from pydsl.jit.llvm.text import FunctionText


def _lit(call: OpCall, value: float) -> str:
    return float_literal(value, call.dtypes[0])


def _binary(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.op(f"{instruction} {call.flags}{call.type} {call.x}, {call.y}")

    return emit


def _intrinsic(name: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        arguments = [call.x] if len(call.args) == 1 else [call.x, call.y]
        return b.intrinsic(name, call.type, *arguments)

    return emit


def _compare(predicate: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.op(f"fcmp {predicate} {call.type} {call.x}, {call.y}")

    return emit


def _function(name: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        arguments = [call.x] if len(call.args) == 1 else [call.x, call.y]
        return call_math(b, name, call.type, *arguments)

    return emit


def _scaled(numerator: float, denominator: float) -> Emitter:
    """Times a quotient that is rounded in the type of the operand, its parts too."""

    def emit(b: FunctionText, call: OpCall) -> Value:
        one = np.float32 if call.dtypes[0].itemsize == 4 else np.float64
        return b.op(f"fmul {call.type} {call.x}, {_lit(call, float(one(numerator) / one(denominator)))}")

    return emit


def _same(_b: FunctionText, call: OpCall) -> Value:
    return call.x


def _negative(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"fneg {call.type} {call.x}")


def _square(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"fmul {call.flags}{call.type} {call.x}, {call.x}")


def _reciprocal(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"fdiv {call.flags}{call.type} {_lit(call, 1.0)}, {call.x}")


# --- classification -------------------------------------------------------------------------------------------------


def is_nan(b: FunctionText, t: str, x: str) -> str:
    """Whether a value is NaN."""
    return b.op(f"fcmp uno {t} {x}, {x}")


def _isnan(b: FunctionText, call: OpCall) -> Value:
    return is_nan(b, call.type, call.x)


def _against_infinity(predicate: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        size = b.intrinsic("fabs", call.type, call.x)
        return b.op(f"fcmp {predicate} {call.type} {size}, {_lit(call, math.inf)}")

    return emit


def _signbit(b: FunctionText, call: OpCall) -> Value:
    t = bits_type(call.dtypes[0])
    return b.op(f"icmp slt {t} {b.op(f'bitcast {call.type} {call.x} to {t}')}, 0")


def _sign(b: FunctionText, call: OpCall) -> Value:
    """-1, 0 (never -0) or 1; NaN stays."""
    t, x, zero = call.type, call.x, _lit(call, 0.0)
    negative = b.op(f"fcmp olt {t} {x}, {zero}")
    result = b.op(f"select i1 {negative}, {t} {_lit(call, -1.0)}, {t} {zero}")
    positive = b.op(f"fcmp ogt {t} {x}, {zero}")
    result = b.op(f"select i1 {positive}, {t} {_lit(call, 1.0)}, {t} {result}")
    return b.op(f"select i1 {is_nan(b, t, x)}, {t} {x}, {t} {result}")


def _heaviside(b: FunctionText, call: OpCall) -> Value:
    t, x, zero = call.type, call.x, _lit(call, 0.0)
    positive = b.op(f"fcmp ogt {t} {x}, {zero}")
    step = b.op(f"select i1 {positive}, {t} {_lit(call, 1.0)}, {t} {zero}")
    at_zero = b.op(f"fcmp oeq {t} {x}, {zero}")
    step = b.op(f"select i1 {at_zero}, {t} {call.y}, {t} {step}")
    return b.op(f"select i1 {is_nan(b, t, x)}, {t} {x}, {t} {step}")


# --- truth ----------------------------------------------------------------------------------------------------------


def _truth(b: FunctionText, call: OpCall, value: str) -> str:
    return b.op(f"fcmp une {call.type} {value}, {_lit(call, 0.0)}")


def _logical(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.op(f"{instruction} i1 {_truth(b, call, call.x)}, {_truth(b, call, call.y)}")

    return emit


def _logical_not(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"fcmp oeq {call.type} {call.x}, {_lit(call, 0.0)}")


# --- maximum and minimum --------------------------------------------------------------------------------------------


def _propagating(greater: str, less: str) -> Emitter:
    """maximum, minimum: NaN wins.

    In a reduction (`reassoc`) the intrinsic is used, which the loop vectoriser knows as a reduction.
    """

    def emit(b: FunctionText, call: OpCall) -> Value:
        t, x, y = call.type, call.x, call.y
        if "reassoc" in call.flags:
            return b.intrinsic(call.name, t, x, y, flags="nsz ")
        first = b.op(f"fcmp {greater if call.name == 'maximum' else less} {t} {x}, {y}")
        best = b.op(f"select i1 {first}, {t} {x}, {t} {y}")
        return b.op(f"select i1 {is_nan(b, t, x)}, {t} {x}, {t} {best}")

    return emit


def _ignoring(greater: str, less: str) -> Emitter:
    """fmax, fmin: NaN only where both are."""

    def emit(b: FunctionText, call: OpCall) -> Value:
        t, x, y = call.type, call.x, call.y
        if "reassoc" in call.flags:
            return b.intrinsic("maxnum" if call.name == "fmax" else "minnum", t, x, y, flags="nsz ")
        first = b.op(f"fcmp {greater if call.name == 'fmax' else less} {t} {x}, {y}")
        best = b.op(f"select i1 {first}, {t} {x}, {t} {y}")
        return b.op(f"select i1 {is_nan(b, t, y)}, {t} {x}, {t} {best}")

    return emit


# --- division with remainder ----------------------------------------------------------------------------------------


def _rest(b: FunctionText, t: str, x: str, y: str) -> str:
    """C's remainder; a target with a math library of its own may have an instruction that is not exact."""
    return call_math(b, "fmod", t, x, y) if b.target.math_prefix else b.op(f"frem {t} {x}, {y}")


def _fmod(b: FunctionText, call: OpCall) -> Value:
    return _rest(b, call.type, call.x, call.y)


def _modulo(b: FunctionText, call: OpCall) -> tuple[str, str, str]:
    """C's remainder, the remainder with the sign of the divisor, and whether they differ by the divisor."""
    t, x, y, zero = call.type, call.x, call.y, _lit(call, 0.0)
    rest = _rest(b, t, x, y)
    nonzero = b.op(f"fcmp une {t} {rest}, {zero}")
    opposite = b.op(f"xor i1 {b.op(f'fcmp olt {t} {y}, {zero}')}, {b.op(f'fcmp olt {t} {rest}, {zero}')}")
    wrong = b.op(f"and i1 {nonzero}, {opposite}")
    fixed = b.op(f"select i1 {wrong}, {t} {b.op(f'fadd {t} {rest}, {y}')}, {t} {rest}")
    signed_zero = b.intrinsic("copysign", t, zero, y)
    return rest, b.op(f"select i1 {nonzero}, {t} {fixed}, {t} {signed_zero}"), wrong


def _remainder(b: FunctionText, call: OpCall) -> Value:
    t = call.type
    rest, result, _ = _modulo(b, call)
    by_zero = b.op(f"fcmp oeq {t} {call.y}, {_lit(call, 0.0)}")
    return b.op(f"select i1 {by_zero}, {t} {rest}, {t} {result}")


def _floor_divide(b: FunctionText, call: OpCall) -> Value:
    t, x, y, zero = call.type, call.x, call.y, _lit(call, 0.0)
    rest, _, wrong = _modulo(b, call)
    quotient = b.op(f"fdiv {t} {x}, {y}")
    div = b.op(f"fdiv {t} {b.op(f'fsub {t} {x}, {rest}')}, {y}")
    less = b.op(f"fsub {t} {div}, {_lit(call, 1.0)}")
    div = b.op(f"select i1 {wrong}, {t} {less}, {t} {div}")
    floor = b.intrinsic("floor", t, div)
    high = b.op(f"fcmp ogt {t} {b.op(f'fsub {t} {div}, {floor}')}, {_lit(call, 0.5)}")
    snapped = b.op(f"select i1 {high}, {t} {b.op(f'fadd {t} {floor}, {_lit(call, 1.0)}')}, {t} {floor}")
    nonzero = b.op(f"fcmp une {t} {div}, {zero}")
    result = b.op(f"select i1 {nonzero}, {t} {snapped}, {t} {b.intrinsic('copysign', t, zero, quotient)}")
    by_zero = b.op(f"fcmp oeq {t} {y}, {zero}")
    return b.op(f"select i1 {by_zero}, {t} {quotient}, {t} {result}")


# --- neighbours -----------------------------------------------------------------------------------------------------


def _next_after(b: FunctionText, call: OpCall) -> Value:
    """The neighbour of x in the direction of y."""
    return _neighbour(b, call, call.x, call.y, equal=call.y)


def _neighbour(b: FunctionText, call: OpCall, x: str, y: str, equal: str) -> str:
    """By stepping the bits, which does for float16 too; `equal` where x equals y."""
    t, zero = call.type, _lit(call, 0.0)
    i = bits_type(call.dtypes[0])
    bits = b.op(f"bitcast {t} {x} to {i}")
    up, down = b.op(f"add {i} {bits}, 1"), b.op(f"sub {i} {bits}, 1")
    greater = b.op(f"fcmp olt {t} {x}, {y}")
    positive = b.op(f"fcmp ogt {t} {x}, {zero}")
    outward = b.op(f"icmp eq i1 {greater}, {positive}")
    stepped = b.op(f"select i1 {outward}, {i} {up}, {i} {down}")
    smallest = b.op(f"select i1 {greater}, {i} 1, {i} {-(2 ** (8 * call.dtypes[0].itemsize - 1)) + 1}")
    at_zero = b.op(f"fcmp oeq {t} {x}, {zero}")
    stepped = b.op(f"select i1 {at_zero}, {i} {smallest}, {i} {stepped}")
    moved = b.op(f"bitcast {i} {stepped} to {t}")
    same = b.op(f"fcmp oeq {t} {x}, {y}")
    result = b.op(f"select i1 {same}, {t} {equal}, {t} {moved}")
    result = b.op(f"select i1 {is_nan(b, t, y)}, {t} {y}, {t} {result}")
    return b.op(f"select i1 {is_nan(b, t, x)}, {t} {x}, {t} {result}")


def _spacing(b: FunctionText, call: OpCall) -> Value:
    """Distance to the neighbour away from zero, with the sign of x; for either zero the smallest number."""
    t, i = call.type, bits_type(call.dtypes[0])
    x = b.op(f"fadd {t} {call.x}, {_lit(call, 0.0)}")
    bits = b.op(f"bitcast {t} {x} to {i}")
    neighbour = b.op(f"bitcast {i} {b.op(f'add {i} {bits}, 1')} to {t}")
    distance = b.op(f"fsub {t} {neighbour}, {x}")
    finite = b.op(f"fcmp olt {t} {b.intrinsic('fabs', t, x)}, {_lit(call, math.inf)}")
    return b.op(f"select i1 {finite}, {t} {distance}, {t} {_lit(call, math.nan)}")


def _next_after_half(b: FunctionText, call: OpCall) -> Value:
    return _neighbour(b, call, call.x, call.y, equal=call.x)


def _spacing_half(b: FunctionText, call: OpCall) -> Value:
    """Distance to the next larger number; infinite for the largest."""
    t, x, inf = call.type, call.x, _lit(call, math.inf)
    above = _neighbour(b, call, x, inf, equal=inf)
    wide = [b.op(f"fpext {t} {value} to float") for value in (above, x)]
    distance = b.op(f"fptrunc float {b.op(f'fsub float {wide[0]}, {wide[1]}')} to {t}")
    finite = b.op(f"fcmp olt {t} {b.intrinsic('fabs', t, x)}, {inf}")
    return b.op(f"select i1 {finite}, {t} {distance}, {t} {_lit(call, math.nan)}")


# --- functions ------------------------------------------------------------------------------------------------------


def _log_add_exp(exp: str, log1p: str | None, equal: float) -> Emitter:
    """log(e**x + e**y) from the larger operand; base 2 where `log1p` is None."""

    def emit(b: FunctionText, call: OpCall) -> Value:
        t, x, y = call.type, call.x, call.y
        difference = b.op(f"fsub {t} {x}, {y}")
        first = b.op(f"fcmp ogt {t} {difference}, {_lit(call, 0.0)}")
        larger = b.op(f"select i1 {first}, {t} {x}, {t} {y}")
        small = call_scalar_math(b, exp, t, b.op(f"fneg {t} {b.intrinsic('fabs', t, difference)}"))
        rest = call_scalar_math(b, "log1p", t, small)
        if log1p is None:
            rest = b.op(f"fmul {t} {rest}, {_lit(call, math.log2(math.e))}")
        result = b.op(f"fadd {t} {larger}, {rest}")
        result = b.op(f"select i1 {is_nan(b, t, difference)}, {t} {difference}, {t} {result}")
        same = b.op(f"fcmp oeq {t} {x}, {y}")
        return b.op(f"select i1 {same}, {t} {b.op(f'fadd {t} {x}, {_lit(call, equal)}')}, {t} {result}")

    return emit


def _ldexp(b: FunctionText, call: OpCall) -> Value:
    """x * 2**n; an int64 exponent saturates to 32 bits, as in NumPy."""
    t, n = call.type, call.y
    if call.dtypes[1].itemsize == 8:
        n = b.intrinsic("smin", "i64", n, str(2**31 - 1))
        n = b.op(f"trunc i64 {b.intrinsic('smax', 'i64', n, str(-(2**31)))} to i32")
    elif call.dtypes[1].itemsize < 4:
        n = b.op(f"sext {llvm_type(call.dtypes[1])} {n} to i32")
    symbol = f"{b.target.math_prefix}{'ldexp' if t == 'double' else 'ldexpf'}"
    return b.call(t, symbol, [f"{t} {call.x}", f"i32 {n}"], "nounwind willreturn memory(none)")


FLOATS: dict[str, Emitter] = {
    "add": _binary("fadd"),
    "subtract": _binary("fsub"),
    "multiply": _binary("fmul"),
    "divide": _binary("fdiv"),
    "negative": _negative,
    "positive": _same,
    "absolute": _intrinsic("fabs"),
    "fabs": _intrinsic("fabs"),
    "sign": _sign,
    "rint": _intrinsic("rint"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "sqrt": _intrinsic("sqrt"),
    "copysign": _intrinsic("copysign"),
    "square": _square,
    "reciprocal": _reciprocal,
    "conjugate": _same,
    **dict.fromkeys(("maximum", "minimum"), _propagating("ogt", "olt")),
    **dict.fromkeys(("fmax", "fmin"), _ignoring("ogt", "olt")),
    "equal": _compare("oeq"),
    "not_equal": _compare("une"),
    "less": _compare("olt"),
    "less_equal": _compare("ole"),
    "greater": _compare("ogt"),
    "greater_equal": _compare("oge"),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": _logical_not,
    "isnan": _isnan,
    "isinf": _against_infinity("oeq"),
    "isfinite": _against_infinity("olt"),
    "signbit": _signbit,
    "heaviside": _heaviside,
    "deg2rad": _scaled(math.pi, 180.0),
    "rad2deg": _scaled(180.0, math.pi),
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "nextafter": _next_after,
    "spacing": _spacing,
    "logaddexp": _log_add_exp("exp", "log1p", math.log(2.0)),
    "logaddexp2": _log_add_exp("exp2", None, 1.0),
    "ldexp": _ldexp,
    "hypot": _function("hypot"),
    "power": _function("pow"),
    "float_power": _function("pow"),
    "cbrt": _function("cbrt"),
    "exp": _function("exp"),
    "exp2": _function("exp2"),
    "expm1": _function("expm1"),
    "log": _function("log"),
    "log2": _function("log2"),
    "log10": _function("log10"),
    "log1p": _function("log1p"),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "tan": _function("tan"),
    "arcsin": _function("asin"),
    "arccos": _function("acos"),
    "arctan": _function("atan"),
    "arctan2": _function("atan2"),
    "sinh": _function("sinh"),
    "cosh": _function("cosh"),
    "tanh": _function("tanh"),
    "arcsinh": _function("asinh"),
    "arccosh": _function("acosh"),
    "arctanh": _function("atanh"),
}
"""Name to emitter, for operands of dtype float32 and float64. Of two equal zeros, maximum and its kin give the
second."""

HALVES: dict[str, Emitter] = {
    **FLOATS,
    **dict.fromkeys(("maximum", "minimum"), _propagating("oge", "ole")),
    **dict.fromkeys(("fmax", "fmin"), _ignoring("oge", "ole")),
}
"""The same for float16 that was widened to float32. Of two equal zeros, maximum and its kin give the first."""

HALF_BITS: dict[str, Emitter] = {"nextafter": _next_after_half, "spacing": _spacing_half}
"""Operations on float16 itself."""
