"""Copying arguments without changing how they lie in memory, and comparing what two calls left behind."""

from __future__ import annotations

from typing import Any

import numpy as np

LAYOUTS = ("c", "strided", "reversed", "transposed")


def lay_out(x: np.ndarray, layout: str) -> np.ndarray:
    """A view with the values of `x` whose memory is laid out as `layout` says."""
    if layout == "c":
        return np.ascontiguousarray(x)
    if layout == "strided":
        base = np.zeros([2 * n + 1 for n in x.shape], dtype=x.dtype)
        view = base[tuple(slice(1, None, 2) for _ in x.shape)]
    elif layout == "reversed":
        base = np.zeros(x.shape, dtype=x.dtype)
        view = base[tuple(slice(None, None, -1) for _ in x.shape)]
    elif layout == "transposed":
        base = np.zeros(x.shape[::-1], dtype=x.dtype)
        view = base.T
    else:
        raise ValueError(layout)
    view[...] = x
    return view


def owner(x: np.ndarray) -> np.ndarray:
    """The array that owns the memory of `x`."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def clone(args: Any) -> Any:
    """A deep copy of arrays, also in tuples and lists, that share the same parts of memory as before.

    Every owning buffer is copied once; every array becomes the same view of the copy: offset, strides,
    writeability. An array that occurs twice is one object in the copy as well.
    """
    buffers: dict[int, np.ndarray] = {}
    arrays: dict[int, np.ndarray] = {}

    def copy_array(x: np.ndarray) -> np.ndarray:
        if id(x) in arrays:
            return arrays[id(x)]
        base = owner(x)
        flat = base.ravel(order="K")
        assert base.size == 0 or np.shares_memory(flat, base), "the owner of the memory must be contiguous"
        if id(base) not in buffers:
            buffers[id(base)] = flat.view(np.uint8).copy() if base.size else np.zeros(64, dtype=np.uint8)
        start = flat.__array_interface__["data"][0]
        offset = x.__array_interface__["data"][0] - start if x.size else 0
        out = np.ndarray(x.shape, x.dtype, buffer=buffers[id(base)], offset=offset, strides=x.strides)
        out.flags.writeable = x.flags.writeable
        arrays[id(x)] = out
        return out

    def walk(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return copy_array(value)
        if isinstance(value, (tuple, list)):
            return type(value)(walk(v) for v in value)
        return value

    return walk(args)


def arrays_in(value: Any) -> list[np.ndarray]:
    """The arrays of a nested structure, left to right."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in arrays_in(v)]
    return []


def axis_order(x: np.ndarray) -> list[int]:
    """The axes that are longer than one, slowest first: with the contiguity flags, the layout class of an
    array.
    """
    axes = [i for i, n in enumerate(x.shape) if n > 1]
    return sorted(axes, key=lambda i: -abs(x.strides[i]))


def relation(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    """How `x` lies in the memory of `y`: the same object, a view of it, or apart."""
    if x is y:
        return ("same object",)
    if x.size == 0 or y.size == 0 or not np.may_share_memory(x, y):
        return ("apart",)
    if not np.shares_memory(x, y):
        return ("apart",)
    offset = x.__array_interface__["data"][0] - y.__array_interface__["data"][0]
    return ("view", offset, tuple(s for s, n in zip(x.strides, x.shape, strict=False) if n > 1))
