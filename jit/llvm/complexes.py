"""Operations on complex numbers, part by part, with NumPy's formulas (`loops.c.src`, `npy_math_complex.c.src`).

Functions without a formula here are the C library's (``cexp``, ``csqrt``, ...).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from pydsl.jit.llvm.floats import is_nan
from pydsl.jit.llvm.libm import PURE, call_math, call_scalar_math
from pydsl.jit.llvm.opcall import Emitter, OpCall
from pydsl.jit.llvm.scalars import Value, float_literal, part_dtype, parts
from pydsl.jit.llvm.text import FunctionText, suffix

Pair = tuple[str, str]


_FUSED = frozenset({"multiply", "square"})
"""What NumPy's vector code computes with fused multiply-adds."""


class _Parts:
    """The operands of a complex operation, and arithmetic on their parts."""

    def __init__(self, b: FunctionText, call: OpCall) -> None:
        self.b = b
        self.t = call.type
        self.part = part_dtype(call.dtypes[0])
        self.fused = b.target.complex_fma and call.name in _FUSED
        self.ar, self.ai = parts(call.args[0])
        self.br, self.bi = parts(call.args[1]) if len(call.args) > 1 else ("", "")

    def lit(self, value: float) -> str:
        return float_literal(value, self.part)

    def add(self, x: str, y: str) -> str:
        return self.b.op(f"fadd {self.t} {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        return self.b.op(f"fsub {self.t} {x}, {y}")

    def mul(self, x: str, y: str) -> str:
        return self.b.op(f"fmul {self.t} {x}, {y}")

    def div(self, x: str, y: str) -> str:
        return self.b.op(f"fdiv {self.t} {x}, {y}")

    def neg(self, x: str) -> str:
        return self.b.op(f"fneg {self.t} {x}")

    def abs(self, x: str) -> str:
        return self.b.intrinsic("fabs", self.t, x)

    def fma(self, x: str, y: str, z: str) -> str:
        return self.b.intrinsic("fma", self.t, x, y, z)

    def compare(self, predicate: str, x: str, y: str) -> str:
        return self.b.op(f"fcmp {predicate} {self.t} {x}, {y}")

    def choose(self, condition: str, x: str, y: str) -> str:
        return self.b.op(f"select i1 {condition}, {self.t} {x}, {self.t} {y}")

    def choose_pair(self, condition: str, x: Pair, y: Pair) -> Pair:
        return self.choose(condition, x[0], y[0]), self.choose(condition, x[1], y[1])

    def both(self, x: str, y: str) -> str:
        return self.b.op(f"and i1 {x}, {y}")

    def either(self, x: str, y: str) -> str:
        return self.b.op(f"or i1 {x}, {y}")

    def nan(self, x: str) -> str:
        return is_nan(self.b, self.t, x)

    def size(self) -> str:
        """The absolute value of the first operand."""
        return call_math(self.b, "hypot", self.t, self.ar, self.ai)

    def math(self, name: str, *arguments: str) -> str:
        return call_scalar_math(self.b, name, self.t, *arguments)


# --- arithmetic -----------------------------------------------------------------------------------------------------


def _partwise(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        p, f = _Parts(b, call), call.flags
        return (
            b.op(f"{instruction} {f}{p.t} {p.ar}, {p.br}"),
            b.op(f"{instruction} {f}{p.t} {p.ai}, {p.bi}"),
        )

    return emit


def _product(p: _Parts, x: Pair, y: Pair, flags: str = "") -> Pair:
    if flags:
        b, t = p.b, p.t
        products = [
            b.op(f"fmul {flags}{t} {m}, {n}")
            for m, n in ((x[0], y[0]), (x[1], y[1]), (x[0], y[1]), (x[1], y[0]))
        ]
        return (
            b.op(f"fsub {flags}{t} {products[0]}, {products[1]}"),
            b.op(f"fadd {flags}{t} {products[2]}, {products[3]}"),
        )
    if p.fused:
        return (
            p.fma(x[0], y[0], p.neg(p.mul(x[1], y[1]))),
            p.fma(x[0], y[1], p.mul(x[1], y[0])),
        )
    return (
        p.sub(p.mul(x[0], y[0]), p.mul(x[1], y[1])),
        p.add(p.mul(x[0], y[1]), p.mul(x[1], y[0])),
    )


def _multiply(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return _product(p, (p.ar, p.ai), (p.br, p.bi), call.flags)


def _square(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return _product(p, (p.ar, p.ai), (p.ar, p.ai), call.flags)


def _divide(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return _quotient(p, (p.ar, p.ai), (p.br, p.bi))


def _quotient(p: _Parts, x: Pair, y: Pair) -> Pair:
    """Smith's algorithm without branches: divisor and dividend are swapped where the imaginary part is larger."""
    size_r, size_i = p.abs(y[0]), p.abs(y[1])
    first = p.compare("oge", size_r, size_i)
    big, small = p.choose(first, y[0], y[1]), p.choose(first, y[1], y[0])
    ratio = p.div(small, big)
    scale = p.div(p.lit(1.0), p.add(big, p.mul(small, ratio)))
    xr_ratio, xi_ratio = p.mul(x[0], ratio), p.mul(x[1], ratio)
    real = p.choose(first, p.add(x[0], xi_ratio), p.add(xr_ratio, x[1]))
    imag = p.choose(first, p.sub(x[1], xr_ratio), p.sub(xi_ratio, x[0]))
    result = p.mul(real, scale), p.mul(imag, scale)
    zero = p.both(p.compare("oeq", size_r, p.lit(0.0)), p.compare("oeq", size_i, p.lit(0.0)))
    return p.choose_pair(zero, (p.div(x[0], size_r), p.div(x[1], size_r)), result)


def _reciprocal(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    one = p.lit(1.0)
    first = p.compare("ole", p.abs(p.ai), p.abs(p.ar))
    big, small = p.choose(first, p.ar, p.ai), p.choose(first, p.ai, p.ar)
    ratio = p.div(small, big)
    divisor = p.add(big, p.mul(small, ratio))
    inverse, rest = p.div(one, divisor), p.div(ratio, divisor)
    return p.choose(first, inverse, rest), p.neg(p.choose(first, rest, inverse))


def _negative(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.neg(p.ar), p.neg(p.ai)


def _conjugate(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.ar, p.neg(p.ai)


def _same(_b: FunctionText, call: OpCall) -> Value:
    return call.args[0]


def _absolute(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.size()


def _rint(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return b.intrinsic("rint", p.t, p.ar), b.intrinsic("rint", p.t, p.ai)


def _sign(b: FunctionText, call: OpCall) -> Value:
    """z / abs(z), 0 for 0; the direction of an infinite part, NaN if both are; the imaginary axis for what
    overflows."""
    p = _Parts(b, call)
    zero, nan, inf = p.lit(0.0), p.lit(math.nan), p.lit(math.inf)
    size = p.size()
    result: Pair = p.div(p.ar, size), p.div(p.ai, size)
    result = p.choose_pair(p.compare("oeq", size, zero), (zero, zero), result)
    inf_r, inf_i = p.compare("oeq", p.abs(p.ar), inf), p.compare("oeq", p.abs(p.ai), inf)
    one = p.lit(1.0)
    along_r = b.intrinsic("copysign", p.t, one, p.ar), zero
    along_i = zero, b.intrinsic("copysign", p.t, one, p.ai)
    result = p.choose_pair(p.compare("oeq", size, inf), along_i, result)
    result = p.choose_pair(inf_r, along_r, result)
    bad = p.either(p.nan(size), p.both(inf_r, inf_i))
    return p.choose_pair(bad, (nan, nan), result)


# --- comparisons and truth ------------------------------------------------------------------------------------------


def _ordered(p: _Parts, predicate: str) -> str:
    """Lexicographic; false where a NaN decides."""
    strict = predicate[:2] + "t"
    imag_known = p.b.op(f"fcmp ord {p.t} {p.ai}, {p.bi}")
    by_real = p.both(p.compare(strict, p.ar, p.br), imag_known)
    by_imag = p.both(p.compare("oeq", p.ar, p.br), p.compare(predicate, p.ai, p.bi))
    return p.either(by_real, by_imag)


def _compare(predicate: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return _ordered(_Parts(b, call), predicate)

    return emit


def _equal(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.both(p.compare("oeq", p.ar, p.br), p.compare("oeq", p.ai, p.bi))


def _not_equal(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.either(p.compare("une", p.ar, p.br), p.compare("une", p.ai, p.bi))


def _extreme(predicate: str, *, propagate: bool) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        p = _Parts(b, call)
        x, y = (p.ar, p.ai), (p.br, p.bi)
        deciding = x if propagate else y
        nan = p.either(p.nan(deciding[0]), p.nan(deciding[1]))
        return p.choose_pair(p.either(_ordered(p, predicate), nan), x, y)

    return emit


def _truth(p: _Parts, x: Pair) -> str:
    zero = p.lit(0.0)
    return p.either(p.compare("une", x[0], zero), p.compare("une", x[1], zero))


def _logical(instruction: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        p = _Parts(b, call)
        return b.op(f"{instruction} i1 {_truth(p, (p.ar, p.ai))}, {_truth(p, (p.br, p.bi))}")

    return emit


def _logical_not(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return b.op(f"xor i1 {_truth(p, (p.ar, p.ai))}, true")


def _isnan(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    return p.either(p.nan(p.ar), p.nan(p.ai))


def _isinf(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    inf = p.lit(math.inf)
    return p.either(p.compare("oeq", p.abs(p.ar), inf), p.compare("oeq", p.abs(p.ai), inf))


def _isfinite(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    inf = p.lit(math.inf)
    return p.both(p.compare("olt", p.abs(p.ar), inf), p.compare("olt", p.abs(p.ai), inf))


# --- functions ------------------------------------------------------------------------------------------------------


def _library(b: FunctionText, name: str, t: str, *values: Pair) -> Pair:
    """A function of the C library. float64: parts are passed one by one; float32: as a pair in one register."""
    if t == "double":
        arguments = [f"double {part}" for value in values for part in value]
        function = b.module.declare(name, "{ double, double }", ["double"] * len(arguments), PURE)
        result = b.op(f"call {{ double, double }} {function}({', '.join(arguments)})")
        real = b.op(f"extractvalue {{ double, double }} {result}, 0")
        return real, b.op(f"extractvalue {{ double, double }} {result}, 1")
    packed = []
    for real, imag in values:
        first = b.op(f"insertelement <2 x float> poison, float {real}, i32 0")
        packed.append(f"<2 x float> {b.op(f'insertelement <2 x float> {first}, float {imag}, i32 1')}")
    function = b.module.declare(f"{name}f", "<2 x float>", ["<2 x float>"] * len(packed), PURE)
    result = b.op(f"call <2 x float> {function}({', '.join(packed)})")
    return (
        b.op(f"extractelement <2 x float> {result}, i32 0"),
        b.op(f"extractelement <2 x float> {result}, i32 1"),
    )


def _function(name: str) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        return _library(b, name, call.type, parts(call.args[0]))

    return emit


def _scaled_log(factor: float) -> Emitter:
    def emit(b: FunctionText, call: OpCall) -> Value:
        p = _Parts(b, call)
        real, imag = _library(b, "clog", p.t, (p.ar, p.ai))
        return p.mul(real, p.lit(factor)), p.mul(imag, p.lit(factor))

    return emit


def _exp2(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    ln2 = p.lit(math.log(2.0))
    return _library(b, "cexp", p.t, (p.mul(p.ar, ln2), p.mul(p.ai, ln2)))


def _expm1(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    half_sine = p.math("sin", p.div(p.ai, p.lit(2.0)))
    squares = p.mul(p.mul(p.lit(2.0), half_sine), half_sine)
    real = p.sub(p.mul(p.math("expm1", p.ar), p.math("cos", p.ai)), squares)
    return real, p.mul(p.math("exp", p.ar), p.math("sin", p.ai))


def _log1p(b: FunctionText, call: OpCall) -> Value:
    p = _Parts(b, call)
    shifted = p.add(p.ar, p.lit(1.0))
    size = p.math("hypot", shifted, p.ai)
    return p.math("log", size), p.math("atan2", p.ai, shifted)


# --- power ----------------------------------------------------------------------------------------------------------


def _power(b: FunctionText, call: OpCall) -> Value:
    """Real integer exponents below 100 by multiplication, others by ``cpow``, as NumPy does."""
    t = call.type
    name = f"pydsl.cpower.{suffix(t)}"
    function = b.module.helper(name, lambda: _power_text(b, name, call))
    arguments = ", ".join(f"{t} {part}" for value in call.args for part in parts(value))
    pair = f"{{ {t}, {t} }}"
    result = b.op(f"call {pair} {function}({arguments})")
    return b.op(f"extractvalue {pair} {result}, 0"), b.op(f"extractvalue {pair} {result}, 1")


def _power_text(outer: FunctionText, name: str, call: OpCall) -> str:
    t = call.type
    pair = f"{{ {t}, {t} }}"
    f = FunctionText(outer.module, name, pair, [f"{t} %ar", f"{t} %ai", f"{t} %br", f"{t} %bi"])
    inner = OpCall(call.name, (("%ar", "%ai"), ("%br", "%bi")), call.dtypes, call.dtype)
    p = _Parts(f, inner)
    zero, one, nan = p.lit(0.0), p.lit(1.0), p.lit(math.nan)

    def give(value: Pair) -> None:
        first = f.op(f"insertvalue {pair} poison, {t} {value[0]}, 0")
        f.ret(f"{pair} {f.op(f'insertvalue {pair} {first}, {t} {value[1]}, 1')}")

    def when(condition: str, then: Callable[[], None]) -> None:
        yes, no = f.block("yes"), f.block("no")
        f.branch(condition, yes, no)
        f.start(yes)
        then()
        f.start(no)

    real_exponent = p.compare("oeq", p.bi, zero)
    when(p.both(real_exponent, p.compare("oeq", p.br, zero)), lambda: give((one, zero)))
    base_zero = p.both(p.compare("oeq", p.ar, zero), p.compare("oeq", p.ai, zero))
    positive = p.compare("ogt", p.br, zero)
    when(base_zero, lambda: give(p.choose_pair(positive, (zero, zero), (nan, nan))))
    base = p.ar, p.ai
    square = _product(p, base, base)
    for exponent, value in ((1.0, base), (2.0, square), (3.0, _product(p, base, square))):
        when(p.both(real_exponent, p.compare("oeq", p.br, p.lit(exponent))), partial(give, value))
    small = p.compare("olt", p.abs(p.br), p.lit(100.0))
    whole = p.compare("oeq", f.intrinsic("trunc", t, p.br), p.br)
    when(p.both(real_exponent, p.both(small, whole)), lambda: give(_whole_power(p)))
    give(_library(f, "cpow", t, (p.ar, p.ai), (p.br, p.bi)))
    return f.text("internal ", PURE)


def _whole_power(p: _Parts) -> Pair:
    """The power with exponent ``br``, a whole number, by squaring; the reciprocal for a negative one."""
    f, t = p.b, p.t
    cells = [f.entry_op(f"alloca {t}") for _ in range(4)]
    left = f.entry_op("alloca i32")
    for cell, value in zip(cells, (p.lit(1.0), p.lit(0.0), p.ar, p.ai), strict=True):
        f.do(f"store {t} {value}, ptr {cell}")
    f.do(f"store i32 {f.op(f'fptosi {t} {p.abs(p.br)} to i32')}, ptr {left}")
    head, odd, even, done = (f.block(name) for name in ("head", "odd", "even", "done"))
    f.start(head)
    count = f.op(f"load i32, ptr {left}")
    base = f.op(f"load {t}, ptr {cells[2]}"), f.op(f"load {t}, ptr {cells[3]}")
    f.branch(f.op(f"trunc i32 {count} to i1"), odd, even)
    f.start(odd)
    result = f.op(f"load {t}, ptr {cells[0]}"), f.op(f"load {t}, ptr {cells[1]}")
    for cell, part in zip(cells[:2], _product(p, result, base), strict=True):
        f.do(f"store {t} {part}, ptr {cell}")
    f.start(even)
    half = f.op(f"lshr i32 {count}, 1")
    f.do(f"store i32 {half}, ptr {left}")
    for cell, part in zip(cells[2:], _product(p, base, base), strict=True):
        f.do(f"store {t} {part}, ptr {cell}")
    f.branch(f.op(f"icmp ne i32 {half}, 0"), head, done)
    f.start(done)
    result = f.op(f"load {t}, ptr {cells[0]}"), f.op(f"load {t}, ptr {cells[1]}")
    inverse = _quotient(p, (p.lit(1.0), p.lit(0.0)), result)
    return p.choose_pair(p.compare("olt", p.br, p.lit(0.0)), inverse, result)


COMPLEXES: dict[str, Emitter] = {
    "add": _partwise("fadd"),
    "subtract": _partwise("fsub"),
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "positive": _same,
    "absolute": _absolute,
    "sign": _sign,
    "rint": _rint,
    "square": _square,
    "reciprocal": _reciprocal,
    "conjugate": _conjugate,
    "maximum": _extreme("oge", propagate=True),
    "minimum": _extreme("ole", propagate=True),
    "fmax": _extreme("oge", propagate=False),
    "fmin": _extreme("ole", propagate=False),
    "equal": _equal,
    "not_equal": _not_equal,
    "less": _compare("olt"),
    "less_equal": _compare("ole"),
    "greater": _compare("ogt"),
    "greater_equal": _compare("oge"),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": _logical_not,
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "sqrt": _function("csqrt"),
    "power": _power,
    "float_power": _power,
    "exp": _function("cexp"),
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _function("clog"),
    "log2": _scaled_log(math.log2(math.e)),
    "log10": _scaled_log(math.log10(math.e)),
    "log1p": _log1p,
    "sin": _function("csin"),
    "cos": _function("ccos"),
    "tan": _function("ctan"),
    "arcsin": _function("casin"),
    "arccos": _function("cacos"),
    "arctan": _function("catan"),
    "sinh": _function("csinh"),
    "cosh": _function("ccosh"),
    "tanh": _function("ctanh"),
    "arcsinh": _function("casinh"),
    "arccosh": _function("cacosh"),
    "arctanh": _function("catanh"),
}
"""Name to emitter, for complex operands."""
