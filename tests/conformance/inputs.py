"""Arguments of the cases: one array in every dtype and layout, and what goes with it."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
LAYOUTS = ("C", "F", "strided", "reversed", "broadcast", "0-d", "empty")
NAMES = ("a", "b", "v", "w", "i", "m", "k")
"""``a, b``: two axes; ``v, w``: one; ``i``: positions in ``v``; ``m``: a mask for ``a``; ``k``: for ``v``."""

_ROWS, _COLUMNS, _LENGTH = 3, 4, 5


def _values(count: int, dtype: np.dtype[Any], start: int) -> Any:
    """Small numbers of both signs; halves for floats, with a NaN for none: those are in the special values."""
    pattern = np.array([3, -1, 2, 7, 0, -5, 4, 1, 6, -2, 5, 8, -3, 9, 10, -4, 11, 12, -6, 13])
    data = np.resize(np.roll(pattern, -start), count)
    if dtype.kind == "b":
        return (data % 3 != 0).astype(dtype)
    if dtype.kind == "u":
        return np.abs(data).astype(dtype)
    if dtype.kind == "i":
        return data.astype(dtype)
    if dtype.kind == "f":
        return (data * 0.5 + 0.25).astype(dtype)
    return (data * 0.5 + 1j * np.roll(data, 1) * 0.25).astype(dtype)


def _laid_out(shape: tuple[int, ...], dtype: np.dtype[Any], layout: str, start: int) -> Any:
    if layout == "0-d":
        return _values(1, dtype, start).reshape(())
    if layout == "empty":
        return np.empty((0, *shape[1:]), dtype)
    if layout == "broadcast":
        if len(shape) == 1:
            return np.broadcast_to(_values(1, dtype, start), shape)
        return np.broadcast_to(_values(shape[-1], dtype, start), shape)
    if layout == "strided":
        big = _values(int(np.prod(shape)) * 2 ** len(shape), dtype, start).reshape([2 * n for n in shape])
        return big[tuple(slice(None, None, 2) for _ in shape)]
    plain = _values(int(np.prod(shape)), dtype, start).reshape(shape)
    if layout == "F":
        return np.asfortranarray(plain)
    if layout == "reversed":
        return plain[tuple(slice(None, None, -1) for _ in shape)]
    return plain


def arguments(dtype: str, layout: str) -> dict[str, Any]:
    """The arguments of a case, by name; new memory at each call."""
    kind = np.dtype(dtype)
    a = _laid_out((_ROWS, _COLUMNS), kind, layout, 0)
    b = _laid_out((_ROWS, _COLUMNS), kind, layout, 7)
    v = _laid_out((_LENGTH,), kind, layout, 3)
    w = _laid_out((_LENGTH,), kind, layout, 11)
    i = _laid_out((_LENGTH,), np.dtype(np.int64), layout, 0) % max(v.size, 1)
    m = _laid_out((_ROWS, _COLUMNS), np.dtype(bool), layout, 2)
    k = _laid_out((_LENGTH,), np.dtype(bool), layout, 5)
    return dict(zip(NAMES, (a, b, v, w, i, m, k), strict=True))
