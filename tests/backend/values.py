"""Operands that matter for scalar operations, and how results are compared."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

DType = np.dtype[Any]


def part(dtype: DType) -> DType:
    """The dtype of the real part."""
    return dtype.type(0).real.dtype if dtype.kind == "c" else dtype


def special(dtype: DType) -> np.ndarray:
    """Limits, zeros of both signs, ties, NaN, infinities, denormals."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values = [
            0,
            1,
            2,
            3,
            5,
            7,
            8,
            13,
            31,
            63,
            64,
            65,
            100,
            info.max,
            info.max - 1,
            info.max // 2,
            info.min,
        ]
        values += [info.min + 1, -1, -2, -3, -7, -8, -64, -100]
        return np.array(sorted({v for v in values if info.min <= v <= info.max}), dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        values = [0.0, 1, 0.5, 1.5, 2.5, 3, 0.1, 7.25, 10, 33, 100, 1e3, 1e4, 1e5, 1e-5, 0.9999, 2.0**24 + 1]
        values += [np.inf, float(info.max), float(info.tiny), float(info.smallest_subnormal), float(info.eps)]
        with np.errstate(over="ignore"):
            return np.array([*values, *(-v for v in values), np.nan]).astype(dtype)
    few = np.array(
        [0.0, -0.0, 1, -1, 0.5, -2.5, 3, 10, 1e4, np.inf, -np.inf, np.nan, np.finfo(part(dtype)).max]
    )
    return pairs(*zip(*itertools.product(few, few)), dtype=dtype)


def pairs(real: Any, imag: Any, dtype: DType) -> np.ndarray:
    """Complex numbers from parts, exactly."""
    return np.stack([real, imag], -1).astype(part(dtype)).view(dtype).ravel()


def random(dtype: DType, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of many sizes."""
    if dtype.kind == "b":
        return rng.random(n) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        large = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
        small = rng.integers(max(info.min, -20), 20, n).astype(dtype)
        return np.where(rng.random(n) < 0.5, large, small)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return (rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4, n)).astype(dtype)
    return pairs(random(part(dtype), n, rng), random(part(dtype), n, rng), dtype)


def operands(dtypes: list[DType], rng: np.random.Generator, most: int = 6000) -> list[np.ndarray]:
    """Special values in all combinations (a sample of them, if there are too many), then random ones."""
    columns = [special(dtype) for dtype in dtypes]
    if len(columns) == 2:
        columns = [np.repeat(columns[0], len(columns[1])), np.tile(columns[1], len(columns[0]))]
    if len(columns[0]) > most:
        chosen = rng.choice(len(columns[0]), most, replace=False)
        columns = [column[chosen] for column in columns]
    return [
        np.ascontiguousarray(np.concatenate([column, random(dtype, 1000, rng)]))
        for column, dtype in zip(columns, dtypes)
    ]


def ulps(result: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Distance in units of the last place of the wanted value; for a complex number, of its larger part. Infinite
    where one is NaN or infinite and the other is not."""
    if result.dtype.kind == "c":
        real = part(result.dtype)
        x, y = result.view(real).reshape(-1, 2), wanted.view(real).reshape(-1, 2)
        size = np.max(np.where(np.isfinite(y), np.abs(y), 0), axis=-1, keepdims=True)
        return _distance(x, y, np.spacing(size.astype(real))).max(-1)
    if result.dtype.kind != "f":
        return np.where(result == wanted, 0.0, np.inf)
    size = np.where(np.isfinite(wanted), np.abs(wanted), 1).astype(result.dtype)
    return _distance(result, wanted, np.spacing(size))


def _distance(x: np.ndarray, y: np.ndarray, unit: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        distance = np.abs(x.astype(np.longdouble) - y.astype(np.longdouble)) / np.abs(unit).astype(
            np.longdouble
        )
    distance = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, distance)
    return np.where(np.isnan(distance), np.inf, distance).astype(np.float64)


def same_bits(result: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two arrays have the same bits, all NaN being one."""
    if result.dtype.kind not in "fc":
        return result.tobytes() == wanted.tobytes()
    x, y = (a.view(part(a.dtype)) for a in (result, wanted))
    integer = f"u{x.dtype.itemsize}"
    return bool(np.all((x.view(integer) == y.view(integer)) | (np.isnan(x) & np.isnan(y))))
