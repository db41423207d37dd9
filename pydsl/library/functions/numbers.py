"""Elementwise functions that are made of ufuncs: i0, frexp, modf, divmod, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import refuse, stands_for


@stands_for(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """``np.iscomplex``."""
    values = np.asanyarray(x)
    if values.dtype.kind == "c":
        return values.imag != 0
    return np.zeros(values.shape, bool)[()]


@stands_for(np.isreal)
def isreal(x: Any) -> Any:
    """``np.isreal``."""
    return np.asanyarray(x).imag == 0


@stands_for(np.divmod)
def divmod_(x1: Any, x2: Any, /) -> Any:
    """``np.divmod``."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


def as_floats(values: Any) -> Any:
    """Integers in the floats that NumPy's loops take them in."""
    if values.dtype.kind not in "biu":
        return values
    return np.positive(values, dtype={1: np.float16, 2: np.float32}.get(values.dtype.itemsize, np.float64))


@stands_for(np.modf)
def modf(x: Any, /) -> Any:
    """``np.modf``: fraction and whole part."""
    values = np.asanyarray(x)
    values = as_floats(values)
    whole = np.trunc(values)
    fraction = np.where(np.isinf(values), values.dtype.type(0), values - whole)
    return np.copysign(fraction, values), whole[()]


@stands_for(np.frexp)
def frexp(x: Any, /) -> Any:
    """``np.frexp``."""
    values = as_floats(np.asanyarray(x))
    half = values.dtype == np.float16
    fraction, exponent = _taken_apart(np.atleast_1d(values.astype(np.float32) if half else values))
    if half:
        fraction = fraction.astype(np.float16)
    return (fraction, exponent) if np.ndim(values) > 0 else (fraction[0], exponent[0])


def _taken_apart(values: Any) -> Any:
    """Fraction and exponent of the elements of an array of one axis or more."""
    if values.dtype == np.float64:
        bits, shift, mask, bias = values.view(np.int64), 52, 2047, 1022
        up, more = 2.0**54, 54
    elif values.dtype == np.float32:
        bits, shift, mask, bias = values.view(np.int32).astype(np.int64), 23, 255, 126
        up, more = 2.0**25, 25
    else:
        raise TypeError(
            "ufunc 'frexp' not supported for the input types, and the inputs could not be safely coerced to any "
            "supported types according to the casting rule ''safe''"
        )
    small = ((bits >> shift) & mask) == 0
    scaled = np.where(small, values * values.dtype.type(up), values)
    if values.dtype == np.float64:
        raised = scaled.view(np.int64)
    else:
        raised = scaled.view(np.int32).astype(np.int64)
    plain = np.isfinite(values) & (values != 0)
    field = (raised >> shift) & mask
    exponent = np.where(plain, field - bias - np.where(small, more, 0), 0).astype(np.int32)
    kept = (raised & ~(mask << shift)) | (bias << shift)
    if values.dtype == np.float64:
        fraction = kept.view(np.float64)
    else:
        fraction = kept.astype(np.int32).view(np.float32)
    return np.where(plain, fraction, values), exponent


@stands_for(np.i0)
def i0(x: Any) -> Any:
    """``np.i0``: the modified Bessel function, by its two Chebyshev series."""
    values = np.asanyarray(x)
    if values.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    if values.dtype.kind in "biu":
        values = values.astype(float)
    size = np.abs(values)
    low = np.exp(size) * _chebyshev(size / 2.0 - 2, _I0_LOW)
    safe = np.where(size <= 8.0, 8.0, size).astype(size.dtype)
    high = np.exp(size) * _chebyshev(32.0 / safe - 2.0, _I0_HIGH) / np.sqrt(safe)
    return np.where(size <= 8.0, low, high)


def _chebyshev(x: Any, coefficients: Any) -> Any:
    before, last, result = 0.0, 0.0, x * 0.0 + coefficients[0]
    for k in range(1, len(coefficients)):
        before = last
        last = result
        result = x * last - before + coefficients[k]
    return 0.5 * (result - before)


_I0_LOW = (
    -4.41534164647933937950E-18, 3.33079451882223809783E-17, -2.43127984654795469359E-16,
    1.71539128555513303061E-15, -1.16853328779934516808E-14, 7.67618549860493561688E-14,
    -4.85644678311192946090E-13, 2.95505266312963983461E-12, -1.72682629144155570723E-11,
    9.67580903537323691224E-11, -5.18979560163526290666E-10, 2.65982372468238665035E-9,
    -1.30002500998624804212E-8, 6.04699502254191894932E-8, -2.67079385394061173391E-7,
    1.11738753912010371815E-6, -4.41673835845875056359E-6, 1.64484480707288970893E-5,
    -5.75419501008210370398E-5, 1.88502885095841655729E-4, -5.76375574538582365885E-4,
    1.63947561694133579842E-3, -4.32430999505057594430E-3, 1.05464603945949983183E-2,
    -2.37374148058994688156E-2, 4.93052842396707084878E-2, -9.49010970480476444210E-2,
    1.71620901522208775349E-1, -3.04682672343198398683E-1, 6.76795274409476084995E-1,
)  # fmt: skip
_I0_HIGH = (
    -7.23318048787475395456E-18, -4.83050448594418207126E-18, 4.46562142029675999901E-17,
    3.46122286769746109310E-17, -2.82762398051658348494E-16, -3.42548561967721913462E-16,
    1.77256013305652638360E-15, 3.81168066935262242075E-15, -9.55484669882830764870E-15,
    -4.15056934728722208663E-14, 1.54008621752140982691E-14, 3.85277838274214270114E-13,
    7.18012445138366623367E-13, -1.79417853150680611778E-12, -1.32158118404477131188E-11,
    -3.14991652796324136454E-11, 1.18891471078464383424E-11, 4.94060238822496958910E-10,
    3.39623202570838634515E-9, 2.26666899049817806459E-8, 2.04891858946906374183E-7,
    2.89137052083475648297E-6, 6.88975834691682398426E-5, 3.36911647825569408990E-3,
    8.04490411014108831608E-1,
)  # fmt: skip


# --- bits -----------------------------------------------------------------------------------------------------------


@stands_for(np.bitwise_count)
def bitwise_count(x: Any, /, out: Any = None) -> Any:
    """``np.bitwise_count``: the ones of the absolute value."""
    values = np.asanyarray(x)
    if values.dtype.kind not in "biu":
        raise TypeError(
            "ufunc 'bitwise_count' not supported for the input types, and the inputs could not be safely coerced to "
            "any supported types according to the casting rule ''safe''"
        )
    if out is not None:
        out[...] = bitwise_count(values)
        return out
    if values.dtype.kind == "b":
        return values.astype(np.uint8)[()]
    if values.dtype.kind == "i":
        values = np.abs(values)
    if values.dtype.itemsize < 8:
        values = values.astype({1: np.uint8, 2: np.uint16, 4: np.uint32}[values.dtype.itemsize])
    bits = values.astype(np.uint64)
    bits = bits - ((bits >> 1) & 0x5555555555555555)
    bits = (bits & 0x3333333333333333) + ((bits >> 2) & 0x3333333333333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((bits * 0x0101010101010101) >> 56).astype(np.uint8)


@stands_for(np.packbits)
def packbits(a: Any, /, axis: Any = None, bitorder: Any = "big") -> Any:
    """``np.packbits``."""
    values = np.asarray(a)
    if values.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    if axis is None:
        values, axis = values.reshape(-1), 0
    moved = np.moveaxis(values, axis, -1) != 0
    n = moved.shape[-1]
    count = (n + 7) // 8
    padded = np.zeros((*moved.shape[:-1], count * 8), np.uint8)
    padded[..., :n] = moved
    groups = padded.reshape((*moved.shape[:-1], count, 8))
    packed = np.zeros((*moved.shape[:-1], count), np.uint8)
    for k in range(8):
        packed |= groups[..., k] << (7 - k if bitorder == "big" else k)
    return np.ascontiguousarray(np.moveaxis(packed, -1, axis))


@stands_for(np.unpackbits)
def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: Any = "big") -> Any:
    """``np.unpackbits``."""
    values = np.asarray(a)
    if values.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    if axis is None:
        values, axis = values.reshape(-1), 0
    moved = np.moveaxis(values, axis, -1)
    n = moved.shape[-1]
    bits = np.empty((*moved.shape[:-1], n, 8), np.uint8)
    for k in range(8):
        bits[..., k] = (moved >> (7 - k if bitorder == "big" else k)) & 1
    result = bits.reshape((*moved.shape[:-1], n * 8))
    if count is not None:
        total = count if count >= 0 else n * 8 + count
        if total <= n * 8:
            result = result[..., :total]
        else:
            wider = np.zeros((*moved.shape[:-1], total), np.uint8)
            wider[..., : n * 8] = result
            result = wider
    return np.ascontiguousarray(np.moveaxis(result, -1, axis))


@stands_for(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """``np.real_if_close`` of what is real already."""
    values = np.asanyarray(a)
    if values.dtype.kind == "c":
        refuse(
            "np.real_if_close of complex arrays (the dtype of the result would depend on the values)",
            "`.real`",
        )
    return values


def complex_nan_to_num(x: Any, copy: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """``np.nan_to_num`` of complex values: of both parts."""
    values = np.array(x, copy=True) if copy else np.asanyarray(x)
    values.real[...] = np.nan_to_num(values.real, nan=nan, posinf=posinf, neginf=neginf)
    values.imag[...] = np.nan_to_num(values.imag, nan=nan, posinf=posinf, neginf=neginf)
    return values[()]


def round_integers(x: Any, places: Any) -> Any:
    """``np.round`` of integers to tens, hundreds, ...: by way of floats, as NumPy does."""
    scale = 10.0**-places
    return (np.rint(x / scale) * scale).astype(x.dtype)
