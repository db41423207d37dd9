"""Correlation and convolution, windows, interpolation of polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import stands_for, unchecked


@unchecked
def correlate_into(longer: Any, shorter: Any, first: Any, out: Any) -> None:
    """``out[k] = sum over j of longer[first + k + j] * shorter[j]``, as far as there is something to multiply."""
    n, m = longer.shape[0], shorter.shape[0]
    for k in range(out.shape[0]):
        start = first + k
        total = out.dtype.type(0)
        for j in range(max(0, -start), min(m, n - start)):
            total += longer[start + j] * shorter[j]
        out[k] = total


def correlation(a: Any, v: Any, mode: Any) -> Any:
    """The correlation of two vectors (the second one is not conjugated)."""
    n, m = a.shape[0], v.shape[0]
    dtype = np.result_type(a.dtype, v.dtype)
    first, second = a.astype(dtype), v.astype(dtype)
    if n < m:
        return correlation_of(second, first, mode)[::-1]
    return correlation_of(first, second, mode)


def correlation_of(longer: Any, shorter: Any, mode: Any) -> Any:
    """The correlation where the first vector is not the shorter one."""
    n, m = longer.shape[0], shorter.shape[0]
    if mode in ("full", 2):
        length, first = n + m - 1, 1 - m
    elif mode in ("same", 1):
        length, first = n, -(m // 2)
    elif mode in ("valid", 0):
        length, first = n - m + 1, 0
    else:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got '{mode}')")
    out = np.empty(length, longer.dtype)
    correlate_into(longer, shorter, first, out)
    return out


@stands_for(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """``np.correlate``."""
    if np.ndim(a) == 0 or np.ndim(v) == 0:
        raise ValueError("object of too small depth for desired array")
    first, second = np.atleast_1d(np.asarray(a)), np.atleast_1d(np.asarray(v))
    if first.ndim > 1 or second.ndim > 1:
        raise ValueError("object too deep for desired array")
    if first.shape[0] == 0:
        raise ValueError("first array argument cannot be empty")
    if second.shape[0] == 0:
        raise ValueError("second array argument cannot be empty")
    return correlation(first, np.conj(second) if second.dtype.kind == "c" else second, mode)


@stands_for(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """``np.convolve``."""
    first, second = np.atleast_1d(np.asarray(a)), np.atleast_1d(np.asarray(v))
    if first.ndim > 1 or second.ndim > 1:
        raise ValueError("object too deep for desired array")
    if first.shape[0] == 0:
        raise ValueError("a cannot be empty")
    if second.shape[0] == 0:
        raise ValueError("v cannot be empty")
    if second.shape[0] > first.shape[0]:
        return correlation(second, first[::-1], mode)
    return correlation(first, second[::-1], mode)


# --- windows --------------------------------------------------------------------------------------------------------


def _cosines(M: Any, weights: Any) -> Any:  # noqa: N803
    if M < 1:
        return np.zeros(0)
    if M == 1:
        return np.ones(1)
    n = np.arange(1 - M, M, 2)
    result = weights[0] + weights[1] * np.cos(np.pi * n / (M - 1))
    if len(weights) > 2:
        result = result + weights[2] * np.cos(2.0 * np.pi * n / (M - 1))
    return result


@stands_for(np.hanning)
def hanning(M: Any) -> Any:  # noqa: N803
    """``np.hanning``."""
    return _cosines(M, (0.5, 0.5))


@stands_for(np.hamming)
def hamming(M: Any) -> Any:  # noqa: N803
    """``np.hamming``."""
    return _cosines(M, (0.54, 0.46))


@stands_for(np.blackman)
def blackman(M: Any) -> Any:  # noqa: N803
    """``np.blackman``."""
    return _cosines(M, (0.42, 0.5, 0.08))


@stands_for(np.bartlett)
def bartlett(M: Any) -> Any:  # noqa: N803
    """``np.bartlett``."""
    if M < 1:
        return np.zeros(0)
    if M == 1:
        return np.ones(1)
    n = np.arange(1 - M, M, 2)
    return np.where(n <= 0, 1 + n / (M - 1), 1 - n / (M - 1))


@stands_for(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:  # noqa: N803
    """``np.kaiser``."""
    if M == 1:
        return np.ones(1)
    n = np.arange(M)
    alpha = (M - 1) / 2.0
    return np.i0(beta * np.sqrt(1 - ((n - alpha) / alpha) ** 2.0)) / np.i0(float(beta))


# --- spaces ---------------------------------------------------------------------------------------------------------


@stands_for(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: Any = 0,
) -> Any:
    """``np.logspace`` between numbers."""
    exponents = np.linspace(start, stop, num=num, endpoint=endpoint)
    result = np.power(base, exponents)
    return result if dtype is None else result.astype(dtype)


@stands_for(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: Any = 0
) -> Any:
    """``np.geomspace`` between real numbers of one sign."""
    if start == 0 or stop == 0:
        raise ValueError("Geometric sequence cannot include zero")
    sign = -1.0 if start < 0 and stop < 0 else 1.0
    low, high = np.log10(sign * start), np.log10(sign * stop)
    result = np.logspace(low, high, num=num, endpoint=endpoint, base=10.0)
    if num > 0:
        result[0] = sign * start
        if num > 1 and endpoint:
            result[-1] = sign * stop
    result = result * sign
    return result if dtype is None else result.astype(dtype)
