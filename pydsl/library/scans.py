"""Running totals along one axis: ``cumsum``, ``cumprod`` and ``ufunc.accumulate``."""

from __future__ import annotations

from typing import Any

from pydsl.library import unchecked


@unchecked
def scan_rows(op: Any, x: Any, out: Any) -> None:
    """``out[k, i] = x[k, 0] op ... op x[k, i]``, the total in a register."""
    if x.shape[1] > 0:
        for k in range(x.shape[0]):
            total = x[k, 0]
            out[k, 0] = total
            for i in range(1, x.shape[1]):
                total = op(total, x[k, i])
                out[k, i] = total


@unchecked
def scan_slabs(op: Any, x: Any, out: Any) -> None:
    """``out[:, i] = x[:, 0] op ... op x[:, i]``, a slab at a time."""
    if x.shape[1] > 0:
        out[:, 0] = x[:, 0]
        for i in range(1, x.shape[1]):
            out[:, i] = op(out[:, i - 1], x[:, i])
