"""``np.block``: nested lists of arrays, joined from the last axis on."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError
from pydsl.frontend.numpy_api.joining import concatenate
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.core import Value


@handles(np.block)
def block(b: Builder, arrays: Operand) -> Value:
    """``np.block``."""
    depth = _depth(arrays, ())
    rank = max(depth, _rank(b, arrays))
    joined = _joined(b, arrays, depth, rank)
    return b.copy(joined) if not depth else joined


def _depth(arrays: Operand, path: tuple[int, ...]) -> int:
    """How deep the lists are nested: everywhere the same."""
    if isinstance(arrays, tuple):
        shown = "arrays" + "".join(f"[{k}]" for k in path)
        message = (
            f"{shown} is a tuple. Only lists can be used to arrange blocks, and np.block does not allow "
        )
        raise NumpyError(TypeError, message + "implicit conversion from tuple to ndarray.")
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise NumpyError(ValueError, "List at arrays cannot be empty")
    depths = {_depth(item, (*path, k)) for k, item in enumerate(arrays)}
    if len(depths) > 1:
        raise NumpyError(ValueError, "List depths are mismatched.")
    return 1 + depths.pop()


def _rank(b: Builder, arrays: Operand) -> int:
    if isinstance(arrays, list):
        return max(_rank(b, item) for item in arrays)
    return b.reducible(arrays).tensor.rank


def _joined(b: Builder, arrays: Any, depth: int, rank: int) -> Value:
    if not isinstance(arrays, list):
        value = b.reducible(arrays)
        missing = rank - value.tensor.rank
        return b.expand_dims(value, tuple(range(missing))) if missing else value
    return concatenate(b, [_joined(b, item, depth - 1, rank) for item in arrays], rank - depth)
