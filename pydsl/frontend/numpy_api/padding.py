"""``np.pad``: constant, edge, reflect, symmetric and wrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, IndexEntry, Operand, SliceEntry
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

Pair = tuple[Any, Any]


@handles(np.pad, makes_array=True)
def pad(b: Builder, array: Operand, pad_width: Operand, mode: Any = "constant", **kwargs: Any) -> Value:
    """``np.pad``: the array and the borders are stored into disjoint regions of the result, axis by axis."""
    value = b.reducible(array)
    shape = value.tensor.shape
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(k, pad_width.get(k - len(shape), (0, 0))) for k in range(len(shape))]
        pad_width = [pair if isinstance(pair, (tuple, list)) else (pair, pair) for pair in pad_width]
    widths = [(b.as_affine(lo), b.as_affine(hi)) for lo, hi in pairs(pad_width, len(shape))]
    for width in (side for pair in widths for side in pair):
        message = "index can't contain negative values"
        b.check(b.compare_index("ge", width, rules.ZERO), ValueError, message)
    full = [lo + dim + hi for (lo, hi), dim in zip(widths, shape, strict=True)]
    fortran = value.tensor.rank > 1 and b.is_f_contiguous(value) and not b.is_contiguous(value)
    result = b.allocate(full, value.tensor.dtype, range(len(shape) - 1, -1, -1) if fortran else None)
    centre: list[IndexEntry] = [SliceEntry(lo, 1, dim) for (lo, _), dim in zip(widths, shape, strict=True)]
    b.store(b.basic_index(result, centre), value)
    fill = _filler(b, mode, kwargs, len(shape))
    region = centre
    for axis, (lo, hi) in enumerate(widths):
        fill(b, result, list(region), axis, lo, shape[axis], hi)
        region[axis] = SliceEntry(rules.ZERO, 1, full[axis])
    return result


def pairs(widths: Operand, rank: int) -> list[Pair]:
    """NumPy's forms of ``pad_width``: a number, (before, after), or one of these for each axis."""
    if not isinstance(widths, (tuple, list, np.ndarray)):
        return [(widths, widths)] * rank
    items = list(widths)
    if not any(isinstance(item, (tuple, list, np.ndarray)) for item in items):
        if len(items) == 1:
            return [(items[0], items[0])] * rank
        if len(items) == 2:
            return [(items[0], items[1])] * rank
    else:
        rows = [tuple(item) if isinstance(item, (tuple, list, np.ndarray)) else (item,) for item in items]
        rows = rows * rank if len(rows) == 1 else rows
        if len(rows) == rank and all(len(row) in (1, 2) for row in rows):
            return [(row[0], row[-1]) for row in rows]
    raise NumpyError(
        ValueError, f"operands could not be broadcast together with remapped shapes for padding {rank} axes"
    )


Filler = Callable[[Builder, Value, list[IndexEntry], int, Affine, Affine, Affine], None]


def _filler(b: Builder, mode: Any, kwargs: dict[str, Any], rank: int) -> Filler:
    if mode == "constant":
        values = pairs(kwargs.pop("constant_values", 0), rank)
        made: Filler = _constant(values)
    elif mode in _MODES:
        made = _MODES[mode]
        if kwargs.pop("reflect_type", "even") != "even":
            raise Unsupported("np.pad with reflect_type='odd'")
    else:
        raise Unsupported(f"np.pad with mode={mode!r}", "constant, edge, reflect, symmetric or wrap")
    if kwargs:
        raise NumpyError(ValueError, f"unsupported keyword arguments for mode '{mode}': {set(kwargs)}")
    return made


def _slab(b: Builder, result: Value, region: list[IndexEntry], axis: int, entry: SliceEntry) -> Value:
    return b.basic_index(result, [*region[:axis], entry, *region[axis + 1 :]])


def _constant(values: list[Pair]) -> Filler:
    def fill(
        b: Builder, result: Value, region: list[IndexEntry], axis: int, lo: Affine, dim: Affine, hi: Affine
    ) -> None:
        before, after = values[axis]
        for start, length, value in ((rules.ZERO, lo, before), (lo + dim, hi, after)):
            if not rules.is_zero(length):
                b.store(_slab(b, result, region, axis, SliceEntry(start, 1, length)), value)

    return fill


def _edge(
    b: Builder, result: Value, region: list[IndexEntry], axis: int, lo: Affine, dim: Affine, hi: Affine
) -> None:
    if b.decide("gt", dim, rules.ZERO) is not True:
        message = f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
        b.check(b.compare_index("gt", dim, rules.ZERO), ValueError, message)
    for start, length, source in ((rules.ZERO, lo, lo), (lo + dim, hi, lo + dim - 1)):
        if not rules.is_zero(length):
            row = _slab(b, result, region, axis, SliceEntry(source, 1, rules.ONE))
            b.store(_slab(b, result, region, axis, SliceEntry(start, 1, length)), row)


def _mirrored(inset: int) -> Filler:
    """Mirror at the border; ``inset`` 1 leaves the border element out."""

    def fill(
        b: Builder, result: Value, region: list[IndexEntry], axis: int, lo: Affine, dim: Affine, hi: Affine
    ) -> None:
        for start, length, source in (
            (rules.ZERO, lo, lo + lo - 1 + inset),
            (lo + dim, hi, lo + dim - 1 - inset),
        ):
            if rules.is_zero(length):
                continue
            _need_single(b, length, dim - inset)
            mirror = _slab(b, result, region, axis, SliceEntry(source, -1, length))
            b.store(_slab(b, result, region, axis, SliceEntry(start, 1, length)), mirror)

    return fill


def _wrap(
    b: Builder, result: Value, region: list[IndexEntry], axis: int, lo: Affine, dim: Affine, hi: Affine
) -> None:
    for start, length, source in ((rules.ZERO, lo, dim), (lo + dim, hi, lo)):
        if not rules.is_zero(length):
            _need_single(b, length, dim)
            part = _slab(b, result, region, axis, SliceEntry(source, 1, length))
            b.store(_slab(b, result, region, axis, SliceEntry(start, 1, length)), part)


def _need_single(b: Builder, length: Affine, available: Affine) -> None:
    if b.decide("le", length, available) is not True:
        raise Unsupported(
            "np.pad by more than the array holds (mode reflect, symmetric or wrap)", "pad in several steps"
        )


_MODES: dict[str, Filler] = {"edge": _edge, "reflect": _mirrored(1), "symmetric": _mirrored(0), "wrap": _wrap}
