"""Conversions between dtypes, as `ndarray.astype` on x86.

Integers wrap. A float is truncated towards zero; where it does not fit (C leaves that undefined, and so does NumPy) the
result is what the conversion instruction gives on x86: the smallest integer of the 32 or 64 bits that the instruction
works on, of which a narrower integer keeps the low bits. LLVM's own `fptosi` may not be used out of range, hence the
explicit range checks. A complex number loses its imaginary part, except to bool.
"""

from __future__ import annotations

from pydsl.jit.llvm.scalars import (
    BOOL,
    FLOAT32,
    FLOAT64,
    DType,
    Value,
    float_literal,
    llvm_type,
    part_dtype,
    parts,
    single,
)
from pydsl.jit.llvm.text import FunctionText


def cast(b: FunctionText, value: Value, source: DType, target: DType) -> Value:
    """The value converted from dtype `source` to `target`."""
    if source == target:
        return value
    if target.kind == "b":
        return to_bool(b, value, source)
    if target.kind == "c":
        return _to_complex(b, value, source, part_dtype(target))
    if source.kind == "c":
        return cast(b, parts(value)[0], part_dtype(source), target)
    number = single(value)
    if source.kind in "biu":
        return _from_integer(b, number, source, target)
    return (
        convert_float(b, number, source, target)
        if target.kind == "f"
        else _float_to_integer(b, number, source, target)
    )


def to_bool(b: FunctionText, value: Value, source: DType) -> str:
    """Whether the value is not zero; NaN is not."""
    if source.kind == "b":
        return single(value)
    if source.kind == "c":
        real, imag = (to_bool(b, part, part_dtype(source)) for part in parts(value))
        return b.op(f"or i1 {real}, {imag}")
    if source.kind == "f":
        return b.op(f"fcmp une {llvm_type(source)} {single(value)}, {float_literal(0.0, source)}")
    return b.op(f"icmp ne {llvm_type(source)} {single(value)}, 0")


def _to_complex(b: FunctionText, value: Value, source: DType, part: DType) -> Value:
    if source.kind == "c":
        real, imag = (convert_float(b, x, part_dtype(source), part) for x in parts(value))
        return real, imag
    return single(cast(b, value, source, part)), float_literal(0.0, part)


def _from_integer(b: FunctionText, value: str, source: DType, target: DType) -> str:
    """From a bool or integer to an integer or float."""
    signed = source.kind == "i"
    if target.kind == "f":
        instruction = "sitofp" if signed else "uitofp"
        if target.itemsize > 2:
            return b.op(f"{instruction} {llvm_type(source)} {value} to {llvm_type(target)}")
        return convert_float(b, b.op(f"{instruction} {llvm_type(source)} {value} to float"), FLOAT32, target)
    bits = 1 if source == BOOL else 8 * source.itemsize
    if 8 * target.itemsize == bits:
        return value
    if 8 * target.itemsize < bits:
        return b.op(f"trunc {llvm_type(source)} {value} to {llvm_type(target)}")
    return b.op(f"{'sext' if signed else 'zext'} {llvm_type(source)} {value} to {llvm_type(target)}")


# --- floats ---------------------------------------------------------------------------------------------------------


def convert_float(b: FunctionText, value: str, source: DType, target: DType) -> str:
    """Between float dtypes, correctly rounded."""
    if source == target:
        return value
    if target.itemsize > source.itemsize:
        return b.op(f"fpext {llvm_type(source)} {value} to {llvm_type(target)}")
    if source.itemsize == 8 and target.itemsize == 2:
        return b.op(f"fptrunc float {_round_to_odd(b, value)} to half")
    return b.op(f"fptrunc {llvm_type(source)} {value} to {llvm_type(target)}")


def _round_to_odd(b: FunctionText, value: str) -> str:
    """float64 to float32 so that rounding once more, to float16, is as if done directly.

    An inexact result gets an odd last bit: it can then be no tie of the second rounding.
    """
    near = b.op(f"fptrunc double {value} to float")
    back = b.op(f"fpext float {near} to double")
    inexact = b.op(f"fcmp one double {back}, {value}")
    beyond = b.op(
        f"fcmp ogt double {b.intrinsic('fabs', 'double', back)}, {b.intrinsic('fabs', 'double', value)}"
    )
    bits = b.op(f"bitcast float {near} to i32")
    toward_zero = b.op(f"sub i32 {bits}, {b.op(f'zext i1 {beyond} to i32')}")
    odd = b.op(f"or i32 {toward_zero}, 1")
    return b.op(f"bitcast i32 {b.op(f'select i1 {inexact}, i32 {odd}, i32 {bits}')} to float")


def _float_to_integer(b: FunctionText, value: str, source: DType, target: DType) -> str:
    bits = 8 * target.itemsize
    if source.itemsize == 2:
        value, source = convert_float(b, value, source, FLOAT32), FLOAT32
        if bits == 32 and target.kind == "u":
            return b.op(f"trunc i64 {_checked(b, value, source, 64)} to i32")
    if bits < 32:
        return b.op(f"trunc i32 {_checked(b, value, source, 32)} to i{bits}")
    if target.kind == "i":
        return _checked(b, value, source, bits)
    return _to_unsigned(b, value, source, bits)


def _checked(b: FunctionText, value: str, source: DType, bits: int) -> str:
    """Truncation to a signed integer; the smallest one for what does not fit and for NaN."""
    t = llvm_type(source)
    low, high = float_literal(-(2.0 ** (bits - 1)), source), float_literal(2.0 ** (bits - 1), source)
    if bits == 32 and source == FLOAT64:
        # -2147483648.5 truncates to a number that fits
        above = b.op(f"fcmp ogt {t} {value}, {float_literal(-(2.0**31) - 1.0, FLOAT64)}")
    else:
        above = b.op(f"fcmp oge {t} {value}, {low}")
    fits = b.op(f"and i1 {above}, {b.op(f'fcmp olt {t} {value}, {high}')}")
    safe = b.op(f"select i1 {fits}, {t} {value}, {t} {low}")
    return b.op(f"fptosi {t} {safe} to i{bits}")


def _to_unsigned(b: FunctionText, value: str, source: DType, bits: int) -> str:
    """In the lower half of the range like a signed conversion; above it, shifted down and back."""
    t = llvm_type(source)
    half = float_literal(2.0 ** (bits - 1), source)
    large = b.op(f"fcmp oge {t} {value}, {half}")
    reduced = b.op(f"fsub {t} {value}, {half}")
    chosen = b.op(f"select i1 {large}, {t} {reduced}, {t} {value}")
    low = _checked(b, chosen, source, bits)
    sign = b.op(f"select i1 {large}, i{bits} {-(2 ** (bits - 1))}, i{bits} 0")
    return b.op(f"xor i{bits} {low}, {sign}")
