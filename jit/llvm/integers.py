"""Operations on signed and unsigned integers of 8 to 64 bits, as NumPy defines them.

Arithmetic wraps. Division and remainder round towards minus infinity; dividing by zero gives 0 and the smallest number
divided by -1 is itself. A shift by at least the width gives 0, or the sign for an arithmetic right shift.
"""

from __future__ import annotations

from collections.abc import Callable

from pydsl.jit.llvm.casts import cast
from pydsl.jit.llvm.opcall import Emitter, OpCall
from pydsl.jit.llvm.scalars import FLOAT64, Value, float_literal, int_literal, is_literal, single
from pydsl.jit.llvm.text import FunctionText


def _bits(call: OpCall) -> int:
    return 8 * call.dtypes[0].itemsize


def _signed(call: OpCall) -> bool:
    return call.dtypes[0].kind == "i"


def _binary(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.op(f"{instruction} {call.type} {call.x}, {call.y}")

    return emit


def _same(_b: FunctionText, call: OpCall) -> Value:
    return call.x


def _negative(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"sub {call.type} 0, {call.x}")


def _square(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"mul {call.type} {call.x}, {call.x}")


def _invert(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"xor {call.type} {call.x}, -1")


def magnitude(b: FunctionText, call: OpCall, value: str) -> str:
    """The absolute value, wrapped for the smallest number."""
    if not _signed(call):
        return value
    function = b.module.declare(f"llvm.abs.{call.type}", call.type, [call.type, "i1 immarg"])
    return b.op(f"call {call.type} {function}({call.type} {value}, i1 false)")


def _absolute(b: FunctionText, call: OpCall) -> Value:
    return magnitude(b, call, call.x)


def _sign(b: FunctionText, call: OpCall) -> Value:
    t, x = call.type, call.x
    positive = b.op(f"icmp {'sgt' if _signed(call) else 'ne'} {t} {x}, 0")
    one = b.op(f"zext i1 {positive} to {t}")
    if not _signed(call):
        return one
    return b.op(f"select i1 {b.op(f'icmp slt {t} {x}, 0')}, {t} -1, {t} {one}")


def _extreme(which: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.intrinsic(f"{'s' if _signed(call) else 'u'}{which}", call.type, call.x, call.y)

    return emit


def _truth(b: FunctionText, t: str, value: str) -> str:
    return b.op(f"icmp ne {t} {value}, 0")


def _logical(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return b.op(f"{instruction} i1 {_truth(b, call.type, call.x)}, {_truth(b, call.type, call.y)}")

    return emit


def _logical_not(b: FunctionText, call: OpCall) -> Value:
    return b.op(f"icmp eq {call.type} {call.x}, 0")


def _constant(text: str) -> Emitter:
    def emit(_b: FunctionText, _call: OpCall) -> Value:
        return text

    return emit


# --- comparisons ----------------------------------------------------------------------------------------------------

_PREDICATES = {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
}


def _compare(b: FunctionText, call: OpCall) -> Value:
    predicate = _PREDICATES[call.name]
    first, second = call.dtypes[0].kind, call.dtypes[1].kind
    sign = "" if predicate in ("eq", "ne") else ("s" if first == "i" else "u")
    if first == second:
        return b.op(f"icmp {sign}{predicate} {call.type} {call.x}, {call.y}")
    return _compare_mixed(b, call, predicate, first == "i")


def _compare_mixed(b: FunctionText, call: OpCall, predicate: str, first_signed: bool) -> Value:
    """int64 with uint64: a negative number is below every unsigned one."""
    unsigned = predicate if predicate in ("eq", "ne") else f"u{predicate}"
    plain = b.op(f"icmp {unsigned} {call.type} {call.x}, {call.y}")
    negative = b.op(f"icmp slt {call.type} {call.x if first_signed else call.y}, 0")
    below = {"eq": False, "ne": True, "lt": True, "le": True, "gt": False, "ge": False}[predicate]
    if not first_signed and predicate not in ("eq", "ne"):
        below = not below
    return b.op(f"select i1 {negative}, i1 {'true' if below else 'false'}, i1 {plain}")


# --- shifts ---------------------------------------------------------------------------------------------------------


def _shift(b: FunctionText, call: OpCall) -> Value:
    t, x, y, bits = call.type, call.x, call.y, _bits(call)
    arithmetic = call.name == "right_shift" and _signed(call)
    instruction = "shl" if call.name == "left_shift" else ("ashr" if arithmetic else "lshr")
    if is_literal(y) and 0 <= int(y) < bits:
        return b.op(f"{instruction} {t} {x}, {y}")
    inside = b.op(f"icmp ult {t} {y}, {bits}")
    amount = b.op(f"select i1 {inside}, {t} {y}, {t} {bits - 1 if arithmetic else 0}")
    shifted = b.op(f"{instruction} {t} {x}, {amount}")
    return shifted if arithmetic else b.op(f"select i1 {inside}, {t} {shifted}, {t} 0")


# --- division -------------------------------------------------------------------------------------------------------

Divide = Callable[[FunctionText, OpCall, str], Value]


def _guarded(divide: Divide) -> Emitter:
    """Runs `divide` with a divisor that cannot trap, then puts in the results of the divisors 0 and -1."""

    def emit(b: FunctionText, call: OpCall) -> Value:
        t, y = call.type, call.y
        if is_literal(y) and int(y) not in (0, -1):
            return divide(b, call, y)
        zero = b.op(f"icmp eq {t} {y}, 0")
        special = zero
        if _signed(call):
            special = b.op(f"or i1 {zero}, {b.op(f'icmp eq {t} {y}, -1')}")
        divisor = b.op(f"select i1 {special}, {t} 1, {t} {y}")
        result = single(divide(b, call, divisor))
        if call.name == "floor_divide" and _signed(call):
            opposite = b.op(f"sub {t} 0, {call.x}")
            result = b.op(f"select i1 {special}, {t} {opposite}, {t} {result}")
        elif _signed(call):
            return b.op(f"select i1 {special}, {t} 0, {t} {result}")
        return b.op(f"select i1 {zero}, {t} 0, {t} {result}")

    return emit


def _power_of_two(y: str) -> int | None:
    """The exponent, where the divisor is a literal power of two."""
    if not is_literal(y):
        return None
    value = int(y)
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _float_quotient(b: FunctionText, call: OpCall, y: str, rounding: str) -> str | None:
    """The quotient through floating point, which vectors have and integers do not; None where it is no gain.

    Exact for 32-bit integers in float64 and for 8 and 16 bits in float32: a quotient that is no integer is further from
    the next one than the rounding error of the division.
    """
    if not b.vector or is_literal(y) or _bits(call) > 32:
        return None
    wide = "double" if _bits(call) == 32 else "float"
    to_float, to_int = ("sitofp", "fptosi") if _signed(call) else ("uitofp", "fptoui")
    numerator = b.op(f"{to_float} {call.type} {call.x} to {wide}")
    denominator = b.op(f"{to_float} {call.type} {y} to {wide}")
    quotient = b.op(f"fdiv {wide} {numerator}, {denominator}")
    if rounding == "floor" and _signed(call):
        quotient = b.intrinsic("floor", wide, quotient)
    return b.op(f"{to_int} {wide} {quotient} to {call.type}")


def _floor_divide(b: FunctionText, call: OpCall, y: str) -> Value:
    t, x = call.type, call.x
    exponent = _power_of_two(y)
    if exponent is not None:
        return b.op(f"{'ashr' if _signed(call) else 'lshr'} {t} {x}, {exponent}")
    through_float = _float_quotient(b, call, y, "floor")
    if through_float is not None:
        return through_float
    if not _signed(call):
        return b.op(f"udiv {t} {x}, {y}")
    quotient = b.op(f"sdiv {t} {x}, {y}")
    inexact = b.op(f"icmp ne {t} {b.op(f'mul {t} {quotient}, {y}')}, {x}")
    negative = b.op(f"icmp slt {t} {b.op(f'xor {t} {x}, {y}')}, 0")
    adjust = b.op(f"sext i1 {b.op(f'and i1 {inexact}, {negative}')} to {t}")
    return b.op(f"add {t} {quotient}, {adjust}")


def _remainder(b: FunctionText, call: OpCall, y: str) -> Value:
    t, x = call.type, call.x
    exponent = _power_of_two(y)
    if exponent is not None:
        return b.op(f"and {t} {x}, {int_literal(int(y) - 1, _bits(call))}")
    quotient = _float_quotient(b, call, y, "floor")
    if quotient is not None:
        return b.op(f"sub {t} {x}, {b.op(f'mul {t} {quotient}, {y}')}")
    if not _signed(call):
        return b.op(f"urem {t} {x}, {y}")
    rest = b.op(f"srem {t} {x}, {y}")
    nonzero = b.op(f"icmp ne {t} {rest}, 0")
    opposite = b.op(f"icmp slt {t} {b.op(f'xor {t} {rest}, {y}')}, 0")
    wrong = b.op(f"and i1 {nonzero}, {opposite}")
    return b.op(f"add {t} {rest}, {b.op(f'select i1 {wrong}, {t} {y}, {t} 0')}")


def _fmod(b: FunctionText, call: OpCall, y: str) -> Value:
    t, x = call.type, call.x
    quotient = _float_quotient(b, call, y, "trunc")
    if quotient is not None:
        return b.op(f"sub {t} {x}, {b.op(f'mul {t} {quotient}, {y}')}")
    return b.op(f"{'srem' if _signed(call) else 'urem'} {t} {x}, {y}")


def _reciprocal(b: FunctionText, call: OpCall) -> Value:
    """NumPy divides in float64 and converts back."""
    number = single(cast(b, call.x, call.dtypes[0], FLOAT64))
    inverse = b.op(f"fdiv double {float_literal(1.0, FLOAT64)}, {number}")
    return cast(b, inverse, FLOAT64, call.dtype)


# --- helpers with loops ---------------------------------------------------------------------------------------------


def _gcd_text(t: str) -> str:
    return f"""define internal {t} @pydsl.gcd.{t}({t} %a, {t} %b) nounwind {{
entry:
  br label %head
head:
  %x = phi {t} [ %a, %entry ], [ %y, %body ]
  %y = phi {t} [ %b, %entry ], [ %r, %body ]
  %more = icmp ne {t} %y, 0
  br i1 %more, label %body, label %done
body:
  %r = urem {t} %x, %y
  br label %head
done:
  ret {t} %x
}}"""


def _power_text(t: str) -> str:
    return f"""define internal {t} @pydsl.power.{t}({t} %a, {t} %b) nounwind {{
entry:
  br label %head
head:
  %x = phi {t} [ %a, %entry ], [ %x2, %body ]
  %n = phi {t} [ %b, %entry ], [ %half, %body ]
  %r = phi {t} [ 1, %entry ], [ %r2, %body ]
  %more = icmp ne {t} %n, 0
  br i1 %more, label %body, label %done
body:
  %odd = trunc {t} %n to i1
  %xr = mul {t} %r, %x
  %r2 = select i1 %odd, {t} %xr, {t} %r
  %x2 = mul {t} %x, %x
  %half = lshr {t} %n, 1
  br label %head
done:
  ret {t} %r
}}"""


def _common_divisor(b: FunctionText, call: OpCall) -> tuple[str, str, str]:
    t = call.type
    x, y = magnitude(b, call, call.x), magnitude(b, call, call.y)
    function = b.module.helper(f"pydsl.gcd.{t}", lambda: _gcd_text(t))
    return x, y, b.op(f"call {t} {function}({t} {x}, {t} {y})")


def _gcd(b: FunctionText, call: OpCall) -> Value:
    return _common_divisor(b, call)[2]


def _lcm(b: FunctionText, call: OpCall) -> Value:
    t = call.type
    x, y, divisor = _common_divisor(b, call)
    zero = b.op(f"icmp eq {t} {divisor}, 0")
    safe = b.op(f"select i1 {zero}, {t} 1, {t} {divisor}")
    product = b.op(f"mul {t} {b.op(f'udiv {t} {x}, {safe}')}, {y}")
    return b.op(f"select i1 {zero}, {t} 0, {t} {product}")


_LONGEST_CHAIN = 64


def _power(b: FunctionText, call: OpCall) -> Value:
    """By squaring, wrapped. A negative exponent is an error in NumPy: it was checked before."""
    t = call.type
    if is_literal(call.y) and 0 <= int(call.y) < _LONGEST_CHAIN:
        return _power_chain(b, t, call.x, int(call.y))
    function = b.module.helper(f"pydsl.power.{t}", lambda: _power_text(t))
    return b.op(f"call {t} {function}({t} {call.x}, {t} {call.y})")


def _power_chain(b: FunctionText, t: str, x: str, exponent: int) -> str:
    result = ""
    while exponent:
        if exponent & 1:
            result = b.op(f"mul {t} {result}, {x}") if result else x
        exponent >>= 1
        if exponent:
            x = b.op(f"mul {t} {x}, {x}")
    return result or "1"


INTEGERS: dict[str, Emitter] = {
    "add": _binary("add"),
    "subtract": _binary("sub"),
    "multiply": _binary("mul"),
    "negative": _negative,
    "positive": _same,
    "absolute": _absolute,
    "sign": _sign,
    "floor": _same,
    "ceil": _same,
    "trunc": _same,
    "square": _square,
    "conjugate": _same,
    "maximum": _extreme("max"),
    "minimum": _extreme("min"),
    "fmax": _extreme("max"),
    "fmin": _extreme("min"),
    **dict.fromkeys(_PREDICATES, _compare),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": _logical_not,
    "bitwise_and": _binary("and"),
    "bitwise_or": _binary("or"),
    "bitwise_xor": _binary("xor"),
    "invert": _invert,
    "left_shift": _shift,
    "right_shift": _shift,
    "isnan": _constant("false"),
    "isinf": _constant("false"),
    "isfinite": _constant("true"),
    "floor_divide": _guarded(_floor_divide),
    "remainder": _guarded(_remainder),
    "fmod": _guarded(_fmod),
    "reciprocal": _reciprocal,
    "gcd": _gcd,
    "lcm": _lcm,
    "power": _power,
}
"""Name to emitter, for integer operands."""
