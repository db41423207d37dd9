"""Python's `round(x, digits)` of floats: the decimal that is nearest to the exact value, ties to even."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked

_SPLIT = 134217729.0  # 2**27 + 1: halves a double into two parts of 26 bits
_WHOLE = 9007199254740992.0  # 2**53: from here on doubles lie at least one apart


@unchecked
def to_digits(x: Any, power: Any) -> Any:
    """`x` to the nearest multiple of `1 / power`; `power` is a power of ten that is exact."""
    scaled = x * power
    if not abs(scaled) < _WHOLE:
        return x
    # what rounding took from the product, exactly (Dekker)
    t = _SPLIT * x
    x_high = t - (t - x)
    x_low = x - x_high
    t = _SPLIT * power
    p_high = t - (t - power)
    p_low = power - p_high
    lost = ((x_high * p_high - scaled) + x_high * p_low + x_low * p_high) + x_low * p_low
    nearest = np.rint(scaled)
    apart = scaled - nearest  # exact
    if apart == 0.5 and lost > 0:
        nearest += 1
    elif apart == -0.5 and lost < 0:
        nearest -= 1
    elif apart == 0.5 and lost < 0:
        nearest = np.floor(scaled)
    elif apart == -0.5 and lost > 0:
        nearest = np.ceil(scaled)
    return np.copysign(nearest / power, x)


@unchecked
def to_powers(x: Any, power: Any) -> Any:
    """`x` to the nearest multiple of `power`."""
    if not np.isfinite(x):
        return x
    count = np.floor(abs(x) / power)
    rest = abs(x) - count * power
    if rest < 0:
        count -= 1
        rest += power
    if rest * 2 > power or (rest * 2 == power and count % 2 == 1):
        count += 1
    return np.copysign(count * power, x)
