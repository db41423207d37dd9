"""Random values: dtypes, array data with special values, scalars as Python literals."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

DTYPES = [np.dtype(name) for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")]
DTYPES += [np.dtype(name) for name in ("uint64", "float16", "float32", "float64", "complex64", "complex128")]

#: how often each dtype is chosen.
WEIGHTS = [3, 2, 1, 3, 4, 3, 1, 1, 1, 2, 8, 8, 1, 1]


def random_dtype(rng: random.Random) -> np.dtype[Any]:
    return rng.choices(DTYPES, WEIGHTS)[0]


def random_array(rng: random.Random, dtype: np.dtype[Any], size: int, special: bool) -> np.ndarray[Any, Any]:
    """Data of a dtype. Floats are small multiples of 1/4, so that short sums are exact in any order.

    special: whether nan, infinities, negative zeros and the extreme integers occur.
    """
    if dtype.kind == "b":
        return np.array([rng.random() < 0.5 for _ in range(size)], dtype)
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -9
        values = [rng.randint(low, 9) for _ in range(size)]
        if special:
            info = np.iinfo(dtype)
            values = [rng.choice([info.min, info.max]) if rng.random() < 0.15 else v for v in values]
        return np.array(values, dtype)
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        return random_array(rng, part, 2 * size, special).view(dtype)
    floats = [rng.randint(-32, 32) / 4 for _ in range(size)]
    if special:
        choices = [float("nan"), float("inf"), -float("inf"), -0.0, 0.0]
        floats = [rng.choice(choices) if rng.random() < 0.2 else v for v in floats]
    else:
        floats = [v if v else 0.25 for v in floats]
    return np.array(floats, dtype)


def random_literal(rng: random.Random, kind: str) -> str:
    """A Python scalar that NumPy's weak promotion leaves in an array's dtype kind (b, i, u, f, c)."""
    if kind == "b":
        return rng.choice(["True", "False"])
    if kind == "u":
        return str(rng.randint(0, 7))
    if kind == "i":
        return str(rng.randint(-5, 7))
    if kind == "c" and rng.random() < 0.5:
        return rng.choice(["1j", "(2-1j)", "-0.5j"])
    return rng.choice(["0.5", "2.0", "-1.5", "3", "0.25", "-2", "1.0", "4"])
