"""exp, exp2 and the logarithms of float32, written out: they vectorise with the loop around them at any width.

A call of a vector function costs a fifth of the time of these; and what a loop computes for an element does not
depend on whether the element fell into a vector or into the remainder. Only for targets with fused multiply-adds.
Polynomials are Chebyshev interpolants in extended precision; the stated errors are those of the whole function,
measured (float32: on every number). No branch; no conversion to integer that could be undefined: the rounded
exponent is read from the low bits of a float to which a large constant was added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydsl.jit.llvm.scalars import FLOAT32, FLOAT64, DType, float_literal
from pydsl.jit.llvm.text import FunctionText


@dataclass(frozen=True)
class _Format:
    """A float format: its dtype, bits of the fraction, exponent bias, and the constant that rounds to integers."""

    dtype: DType
    type: str
    bits: str
    fraction: int
    bias: int

    @property
    def rounder(self) -> float:
        return 1.5 * 2.0**self.fraction


_FORMATS = {
    "float": _Format(FLOAT32, "float", "i32", 23, 127),
    "double": _Format(FLOAT64, "double", "i64", 52, 1023),
}


class _Writer:
    """Arithmetic in one format."""

    def __init__(self, b: FunctionText, type_: str) -> None:
        self.b = b
        self.format = _FORMATS[type_]
        self.t = type_
        self.i = self.format.bits

    def lit(self, value: float) -> str:
        return float_literal(value, self.format.dtype)

    def add(self, x: str, y: str) -> str:
        return self.b.op(f"fadd {self.t} {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        return self.b.op(f"fsub {self.t} {x}, {y}")

    def mul(self, x: str, y: str) -> str:
        return self.b.op(f"fmul {self.t} {x}, {y}")

    def fma(self, x: str, y: str, z: str) -> str:
        return self.b.intrinsic("fma", self.t, x, y, z)

    def integer(self, instruction: str, x: str, y: object) -> str:
        return self.b.op(f"{instruction} {self.i} {x}, {y}")

    def bits(self, x: str) -> str:
        return self.b.op(f"bitcast {self.t} {x} to {self.i}")

    def from_bits(self, x: str) -> str:
        return self.b.op(f"bitcast {self.i} {x} to {self.t}")

    def choose(self, predicate: str, x: str, y: str, then: str, orelse: str) -> str:
        condition = self.b.op(f"fcmp {predicate} {self.t} {x}, {y}")
        return self.b.op(f"select i1 {condition}, {self.t} {then}, {self.t} {orelse}")

    def clamp(self, x: str, low: float, high: float) -> str:
        """Within the bounds; NaN stays."""
        x = self.choose("ogt", x, self.lit(high), self.lit(high), x)
        return self.choose("olt", x, self.lit(low), self.lit(low), x)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """In two chains, even and odd powers: half the latency of one."""
        square = self.mul(x, x)
        chains = []
        for first in (0, 1):
            chain = [self.lit(c) for c in coefficients[first::2]]
            total = chain.pop()
            while chain:
                total = self.fma(total, square, chain.pop())
            chains.append(total)
        return self.fma(chains[1], x, chains[0])

    def rounded(self, x: str, scale: float) -> tuple[str, str]:
        """``x * scale`` rounded to an integer: as a float, and as an integer. Any bits for NaN."""
        rounder = self.format.rounder
        shifted = self.fma(x, self.lit(scale), self.lit(rounder))
        base = int(self.format.bias + self.format.fraction) << self.format.fraction | 1 << (
            self.format.fraction - 1
        )
        return self.sub(shifted, self.lit(rounder)), self.integer("sub", self.bits(shifted), base)

    def scaled(self, x: str, exponent: str) -> str:
        """``x * 2**exponent`` in two steps, of which only the second one rounds: right for denormal results too."""
        half = self.integer("ashr", exponent, 1)
        for part in (half, self.integer("sub", exponent, half)):
            biased = self.integer("add", part, self.format.bias)
            x = self.mul(x, self.from_bits(self.integer("shl", biased, self.format.fraction)))
        return x


# --- exponentials ---------------------------------------------------------------------------------------------------

_EXP = {
    "float": (0.5, 0.16666576266288757, 0.041666556149721146, 0.008363178931176662, 0.0013926184037700295),
    "double": (
        *(0.5000000000000001, 0.16666666666666657, 0.04166666666662385, 0.008333333333336744),
        *(0.0013888888917283114, 0.00019841269846795, 2.480152122646488e-05, 2.755728417783178e-06),
        *(2.7620112528064796e-07, 2.5095120941412898e-08),
    ),
}
"""``(exp(r) - 1 - r) / r**2`` for abs(r) <= log(2) / 2."""

_EXP2 = {
    "float": (
        *(0.6931471824645996, 0.24022650718688965, 0.055503569543361664, 0.009618082083761692),
        *(0.0013390886597335339, 0.00015453182277269661),
    ),
    "double": (
        *(
            0.6931471805599453,
            0.24022650695910097,
            0.0555041086648216,
            0.009618129107606831,
            0.001333355814641686,
        ),
        *(0.000154035304418344, 1.5252733830180484e-05, 1.3215442529721153e-06, 1.0178062205540217e-07),
        *(7.07259717390311e-09, 4.455008383333532e-10),
    ),
}
"""``(2**r - 1) / r`` for abs(r) <= 1/2."""

_LN2 = {
    "float": (0.693145751953125, 1.428606765330187e-06),
    "double": (0.6931471803691238, 1.9082149292705877e-10),
}
"""log(2) as a sum whose first part has trailing zeros, so that small multiples of it are exact."""

_EXP_RANGE = {"float": (-104.0, 89.0), "double": (-746.0, 710.0)}
_EXP2_RANGE = {"float": (-151.0, 129.0), "double": (-1076.0, 1025.0)}


def _exp(b: FunctionText, t: str, x: str) -> str:
    """``2**n * exp(r)`` with ``x = n * log(2) + r``."""
    w = _Writer(b, t)
    x = w.clamp(x, *_EXP_RANGE[t])
    n, exponent = w.rounded(x, 1 / math.log(2.0))
    high, low = _LN2[t]
    r = w.fma(n, w.lit(-low), w.fma(n, w.lit(-high), x))
    tail = w.fma(w.mul(r, r), w.polynomial(r, _EXP[t]), r)
    return w.scaled(w.add(tail, w.lit(1.0)), exponent)


def _exp2(b: FunctionText, t: str, x: str) -> str:
    """``2**n * 2**r`` with ``x = n + r``, exactly."""
    w = _Writer(b, t)
    x = w.clamp(x, *_EXP2_RANGE[t])
    n, exponent = w.rounded(x, 1.0)
    r = w.sub(x, n)
    return w.scaled(w.fma(r, w.polynomial(r, _EXP2[t]), w.lit(1.0)), exponent)


# --- logarithms -----------------------------------------------------------------------------------------------------

_LOG1P = (
    *(
        -0.4999999701976776,
        0.3333333432674408,
        -0.25001582503318787,
        0.2000197470188141,
        -0.16609077155590057,
    ),
    *(0.1418180763721466, -0.13243019580841064, 0.12904565036296844, -0.07621865719556808),
)
"""``(log(1 + f) - f) / f**2`` for sqrt(1/2) <= 1 + f < sqrt(2)."""

_SQRT_HALF = 0x3F3504F3


def _log(base: float) -> Callable[[FunctionText, str, str], str]:
    """``e * log(2) + log(1 + f)`` with ``x = 2**e * (1 + f)``, over the logarithm of the base; float32."""
    unit = math.log(base)
    # the factors as sums: the first part short enough that its product with an exponent is exact
    per_octave = math.log(2.0) / unit
    octave_high = float(int(per_octave * 2**15) / 2**15)
    octave_low = per_octave - octave_high

    def emit(b: FunctionText, t: str, x: str) -> str:
        w = _Writer(b, t)
        tiny = w.lit(2.0**-126)
        y = w.choose("olt", x, tiny, w.mul(x, w.lit(2.0**23)), x)
        shift = w.choose("olt", x, tiny, w.lit(-23.0), w.lit(0.0))
        bits = w.bits(y)
        octaves = w.integer("ashr", w.integer("sub", bits, _SQRT_HALF), 23)
        fraction = w.from_bits(w.integer("sub", bits, w.integer("shl", octaves, 23)))
        f = w.sub(fraction, w.lit(1.0))
        e = w.add(w.b.op(f"sitofp i32 {octaves} to float"), shift)
        tail = w.mul(w.mul(f, f), w.polynomial(f, _LOG1P))
        if base == math.e:
            rest = w.add(f, w.fma(e, w.lit(octave_low), tail))
            result = w.fma(e, w.lit(octave_high), rest)
        else:
            factor = 1 / unit
            # in two parts: f times the factor is as long as the result
            high = float(int(factor * 2**12) / 2**12)
            rest = w.fma(w.add(f, tail), w.lit(factor - high), w.mul(tail, w.lit(high)))
            rest = w.fma(e, w.lit(octave_low), rest) if octave_low else rest
            result = w.fma(e, w.lit(octave_high), w.fma(f, w.lit(high), rest))
        zero, infinity, nan = w.lit(0.0), w.lit(math.inf), w.lit(math.nan)
        result = w.choose("oeq", x, infinity, infinity, result)
        result = w.choose("oeq", x, zero, w.lit(-math.inf), result)
        return w.choose("uge", x, zero, w.choose("uno", x, x, x, result), nan)

    return emit


# Largest errors in ULP: float32, over all numbers: exp 1.11, exp2 1.09, log 1.33, log2 1.66, log10 1.50; float64, over
# 60 million numbers: exp and exp2 1.11.
INLINE: dict[tuple[str, str], Callable[[FunctionText, str, str], str]] = {
    ("exp", "float"): _exp,
    ("exp", "double"): _exp,
    ("exp2", "float"): _exp2,
    ("exp2", "double"): _exp2,
    ("log", "float"): _log(math.e),
    ("log2", "float"): _log(2.0),
    ("log10", "float"): _log(10.0),
}
"""C name and LLVM type to the emitter."""
