"""Sorting, searching and counting, on top of the self-hosted library."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand, SliceEntry
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.creation import empty_like, zeros
from pydsl.frontend.numpy_api.joining import concatenate
from pydsl.frontend.numpy_api.reductions import all_, scanned
from pydsl.frontend.numpy_api.registry import array_method, handles
from pydsl.frontend.sort_keys import from_keys, to_keys
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.library import sorting

_KINDS = (None, "quicksort", "heapsort", "mergesort", "stable")


def _real(value: Value, name: str) -> Value:
    if value.tensor.dtype.kind == "c":
        raise Unsupported(f"np.{name} of complex arrays")
    return value


def _check_kind(kind: Any) -> None:
    if kind not in _KINDS:
        raise NumpyError(ValueError, f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")


def _rows(b: Builder, value: Value, axis: int) -> tuple[Value, tuple[Affine, Affine], list[int]]:
    """The axis moved last, the shape (rows, n), and the order of axes that undoes the move."""
    rank = value.tensor.rank
    moved = [*(k for k in range(rank) if k != axis), axis]
    undo = [moved.index(k) for k in range(rank)]
    turned = b.transpose(value, moved)
    return turned, (b.product_index(turned.tensor.shape[:-1]), turned.tensor.shape[-1]), undo


@handles(np.argsort, method="argsort")
def argsort(
    b: Builder,
    a: Operand,
    axis: Operand = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> Value:
    """``np.argsort``: always stable."""
    _check_kind(kind)
    if order is not None:
        raise Unsupported("np.argsort with order=")
    value = _real(b.reducible(a), "argsort")
    if axis is None or not value.tensor.rank:
        value, axis = b.ravel(value), -1
    along = b.normalize_axis(axis, value.tensor.rank)
    length = value.tensor.shape[along]
    turned, rows, undo = _rows(b, value, along)
    keys = to_keys(b, turned, equal_zeros=True)
    order_of = b.allocate(turned.tensor.shape, dtypes.INT64)
    flat = b.reshape_view(order_of, rows, False)
    b.call_library(sorting.argsort_rows, b.reshape(keys, rows), flat, keys.tensor.itemsize)
    last = along == value.tensor.rank - 1
    return b.mark_in_range(order_of if last else b.copy(b.transpose(order_of, undo)), length)


@handles(np.sort)
def sort(
    b: Builder,
    a: Operand,
    axis: Operand = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> Value:
    """``np.sort``: a sorted copy."""
    value = b.reducible(a)
    if axis is None:
        value, axis = b.ravel(value), -1
    if not value.tensor.rank:
        raise NumpyError(np.exceptions.AxisError, f"axis {axis} is out of bounds for array of dimension 0")
    _check_sort(kind, order)
    along = b.normalize_axis(axis, value.tensor.rank)
    result = empty_like(b, value)
    _sort_into(b, _real(value, "sort"), result, along)
    return result


def _check_sort(kind: Any, order: Any) -> None:
    _check_kind(kind)
    if order is not None:
        raise Unsupported("sorting with order=")


def _sort_into(b: Builder, value: Value, target: Value, axis: int) -> None:
    """Write the sorted values of an array into another (or the same)."""
    turned, rows, _ = _rows(b, value, axis)
    keys = to_keys(b, turned, equal_zeros=False)
    b.call_library(sorting.sort_rows, b.reshape(keys, rows), keys.tensor.itemsize)
    from_keys(b, keys, _rows(b, target, axis)[0])


@array_method("sort")
def sort_in_place(
    b: Builder,
    a: Value,
    axis: Operand = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> None:
    """``ndarray.sort``."""
    _check_sort(kind, order)
    value = _real(a, "sort")
    b.check_writeable(value, "sort array")
    _sort_into(b, value, value, b.normalize_axis(axis, value.tensor.rank))


@handles(np.argpartition, method="argpartition")
def argpartition(
    b: Builder, a: Operand, kth: Operand, axis: Operand = -1, kind: str = "introselect", order: Any = None
) -> Value:
    """``np.argpartition``: a full sort satisfies it."""
    return argsort(b, a, axis, None, order)


@handles(np.partition)
def partition(
    b: Builder, a: Operand, kth: Operand, axis: Operand = -1, kind: str = "introselect", order: Any = None
) -> Value:
    """``np.partition``: a full sort satisfies it."""
    return sort(b, a, axis, None, order)


@array_method("partition")
def partition_in_place(
    b: Builder, a: Value, kth: Operand, axis: Operand = -1, kind: str = "introselect", order: Any = None
) -> None:
    """``ndarray.partition``."""
    sort_in_place(b, a, axis, None, order)


@handles(np.lexsort)
def lexsort(b: Builder, keys: Operand, axis: int = -1) -> Value:
    """``np.lexsort`` of 1-d keys: stable sorts from the least important key."""
    items = [b.reducible(key) for key in keys] if isinstance(keys, (list, tuple)) else None
    if not items or any(item.tensor.rank != 1 for item in items):
        raise Unsupported("np.lexsort of anything but a tuple of 1-d arrays")
    order = argsort(b, items[0])
    for key in items[1:]:
        inner = argsort(b, b.gather(key, [order], (0,), 0))
        order = b.mark_in_range(b.gather(order, [inner], (0,), 0), key.tensor.shape[0])
    return order


# --- searching ----------------------------------------------------------------------------------------------


@handles(np.searchsorted)
def searchsorted(b: Builder, a: Operand, v: Operand, side: str = "left", sorter: Operand = None) -> Operand:
    """``np.searchsorted``."""
    values = _real(b.reducible(a), "searchsorted")
    if values.tensor.rank != 1:
        raise NumpyError(ValueError, "object too deep for desired array")
    if sorter is not None:
        values = b.gather(values, [sorter], (0,), 0)
    wanted = b.as_tensor(v) if isinstance(v, (list, tuple)) else b.as_value(v)
    target = dtypes.result_type(values.tensor.dtype, wanted.type.dtype)
    if side not in ("left", "right"):
        raise NumpyError(ValueError, f"search side must be 'left' or 'right' (got '{side}')")
    library = sorting.search_left if side == "left" else sorting.search_right
    keys = b.cast(b.reducible(wanted), target)
    positions = b.allocate(keys.tensor.shape, dtypes.INT64)
    flat = b.reshape_view(positions, (b.size(positions),), False)
    b.call_library(library, b.cast(values, target), b.ravel(keys), flat)
    b.mark_in_range(positions, values.tensor.shape[0] + 1)
    return b.finish(positions, None)


@array_method("searchsorted")
def searchsorted_method(
    b: Builder, a: Value, v: Operand, side: str = "left", sorter: Operand = None
) -> Operand:
    """``ndarray.searchsorted``."""
    return searchsorted(b, a, v, side, sorter)


@handles(np.digitize)
def digitize(b: Builder, x: Operand, bins: Operand, right: bool = False) -> Operand:
    """``np.digitize`` for bins that increase; others are refused when the function runs."""
    edges = b.reducible(bins)
    count = edges.tensor.shape[0]
    if not (count.is_const and count.value < 2):
        low = b.basic_index(edges, [SliceEntry(Affine.of(0), 1, count - 1)])
        high = b.basic_index(edges, [SliceEntry(Affine.of(1), 1, count - 1)])
        increasing = all_(b, b.ufunc(np.less_equal, (low, high)))
        b.check(
            b.truth(increasing),
            ValueError,
            "bins must be monotonically increasing (decreasing ones: flip them)",
        )
    return searchsorted(b, bins, x, "left" if right else "right")


# --- sets and counts ----------------------------------------------------------------------------------------


@handles(np.unique)
def unique(
    b: Builder,
    ar: Operand,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Operand = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """``np.unique`` of the flattened array."""
    if axis is not None or not equal_nan:
        raise Unsupported("np.unique with axis or equal_nan=False")
    value = b.reducible(ar)
    flat = b.ravel(value)
    if not (return_index or return_inverse):
        order, ordered = None, sort(b, flat)
    else:
        order = argsort(b, flat)
        ordered = b.gather(flat, [order], (0,), 0)
    first = _run_starts(b, ordered)
    starts = b.mark_in_range(b.flat_positions(first), ordered.tensor.shape[0])
    results: list[Value] = [b.gather(ordered, [starts], (0,), 0)]
    if return_index:
        assert order is not None
        results.append(b.gather(order, [starts], (0,), 0))
    if return_inverse:
        from_sorted = b.ufunc(np.subtract, (_running_count(b, first), 1))
        inverse = b.allocate(flat.tensor.shape, dtypes.INT64)
        b.scatter(inverse, from_sorted, [order], (0,), 0)
        results.append(b.reshape(inverse, value.tensor.shape))
    if return_counts:
        ends = concatenate(b, [starts, b.as_tensor([b.scalar_from_affine(flat.tensor.shape[0])])])
        later = b.take_slice(ends, 0, rules.ONE, starts.tensor.shape[0])
        results.append(b.ufunc(np.subtract, (later, starts)))
    return results[0] if len(results) == 1 else tuple(results)


def _run_starts(b: Builder, ordered: Value) -> Value:
    """Bool mask of the first element of each run of equal elements (all NaN are one run)."""
    length = ordered.tensor.shape[0]
    mask = b.allocate((length,), dtypes.BOOL_DTYPE)
    head = b.min_index(length, rules.ONE)
    rest = length - head
    here, earlier = b.take_slice(ordered, 0, head, rest), b.take_slice(ordered, 0, rules.ZERO, rest)
    differs = b.ufunc(np.not_equal, (here, earlier))
    if ordered.tensor.dtype.kind in "fc":
        differs = b.ufunc(
            np.logical_and, (differs, b.ufunc(np.logical_not, (b.ufunc(np.isnan, (earlier,)),)))
        )
    b.store(b.take_slice(mask, 0, rules.ZERO, head), True)
    b.store(b.take_slice(mask, 0, head, rest), differs)
    return mask


def _running_count(b: Builder, mask: Value) -> Value:
    from_mask = b.cast(mask, dtypes.INT64)
    return scanned(b, np.add, from_mask, 0, (0,))


@handles(np.isin)
def isin(
    b: Builder,
    element: Operand,
    test_elements: Operand,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Operand:
    """``np.isin``: by comparing with a few elements, by binary search in many."""
    given, tests = b.reducible(element), b.ravel(b.reducible(test_elements))
    value = b.ravel(given)
    count = tests.tensor.shape[0]
    if count.is_const and count.const <= _FEW:
        spread = b.expand_dims(value, 1)
        found = b.reduce("any", b.reducible(b.ufunc(np.equal, (spread, tests))), -1)
    else:
        found = _found_by_search(b, value, tests)
    found = b.ufunc(np.logical_not, (found,)) if invert else found
    return b.reshape(found, given.tensor.shape)


_FEW = 16


def _found_by_search(b: Builder, value: Value, tests: Value) -> Value:
    target = dtypes.result_type(value.tensor.dtype, tests.tensor.dtype)
    ordered = sort(b, b.cast(tests, target))
    last = ordered.tensor.shape[0] - 1
    positions = b.reducible(searchsorted(b, ordered, value))
    inside = b.ufunc(np.minimum, (positions, b.scalar_from_affine(last)))
    b.check(b.compare_index("ge", last, rules.ZERO), NotImplementedError, "np.isin with nothing to look for")
    picked = b.gather(ordered, [b.mark_in_range(b.reducible(inside), ordered.tensor.shape[0])], (0,), 0)
    return b.reducible(b.ufunc(np.equal, (b.cast(value, target), picked)))


@handles(np.bincount)
def bincount(b: Builder, x: Operand, weights: Operand = None, minlength: Operand = 0) -> Value:
    """``np.bincount``."""
    values = b.reducible(x)
    if values.tensor.rank != 1:
        raise NumpyError(
            ValueError,
            "object of too small depth for desired array"
            if not values.tensor.rank
            else "object too deep for desired array",
        )
    if not dtypes.can_cast(values.tensor.dtype, dtypes.INT64, "safe"):
        message = f"Cannot cast array data from {values.tensor.dtype!r} to dtype('int64') according to the rule 'safe'"
        # NumPy casts an array of unsigned integers without elements all the same
        none = b.compare_index("eq", values.tensor.shape[0], rules.ZERO)
        b.check(none if values.tensor.dtype.kind == "u" else False, TypeError, message)
    values = b.cast(values, dtypes.INT64)
    floor = b.as_affine(minlength)
    b.check(b.compare_index("ge", floor, rules.ZERO), ValueError, "'minlength' must not be negative")
    # the array may be empty
    largest = b.as_affine(b.to_python(b.reduce("max", values, initial=-1), int))
    smallest = b.reduce("min", values, initial=0)
    b.check(
        b.compare_index("ge", b.as_affine(smallest), rules.ZERO),
        ValueError,
        "'list' argument must have no negative elements",
    )
    size = b.max_index(b.max_index(largest + 1, floor), rules.ZERO)
    b.mark_in_range(values, size)
    if weights is None:
        counts = b.allocate((size,), dtypes.INT64)
        b.store(counts, 0)
        b.call_library(sorting.count_values, values, counts)
        return counts
    if rules.is_zero(values.tensor.shape[0]):
        return zeros(b, (b.scalar_from_affine(size),), np.int64)  # NumPy forgets the weights of nothing
    scale = b.cast(b.reducible(weights), dtypes.FLOAT64)
    message = "The weights and list don't have the same length."
    b.check(b.compare_index("eq", scale.tensor.shape[0], values.tensor.shape[0]), ValueError, message)
    totals = b.allocate((size,), dtypes.FLOAT64)
    b.store(totals, 0)
    b.call_library(sorting.add_weights, values, scale, totals)
    return totals


@handles(np.median)
def median(
    b: Builder,
    a: Operand,
    axis: Operand = None,
    out: Operand = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Operand:
    """``np.median``: the mean of the middle elements of the sorted array; NaN wins."""
    value = b.reducible(a)
    rank = value.tensor.rank
    if isinstance(axis, (tuple, list)):
        raise Unsupported("np.median over several axes", "reshape them into one")
    flat = b.ravel(value) if axis is None else value
    along = 0 if axis is None else b.normalize_axis(axis, rank)
    ordered = sort(b, flat, along)
    length = ordered.tensor.shape[along]
    if b.decide("gt", length, rules.ZERO) is not True:
        raise Unsupported("np.median of an array that may be empty")
    low = b.floordiv_index(length - 1, Affine.of(2))
    high = b.floordiv_index(length, Affine.of(2))
    sides = [b.take_slice(ordered, along, position, rules.ONE) for position in (low, high)]
    middle = b.mean(concatenate(b, sides, along), along, keepdims=True)
    if ordered.tensor.dtype.kind == "f":
        last = b.take_slice(ordered, along, length - 1, rules.ONE)
        middle = b.select(b.ufunc(np.isnan, (last,)), last, middle)
    axes = tuple(range(rank)) if axis is None else (along,)
    shape = [dim for k, dim in enumerate(value.tensor.shape) if k not in axes]
    kept = [rules.ONE if k in axes else dim for k, dim in enumerate(value.tensor.shape)]
    return b.finish(b.reshape(b.reducible(middle), tuple(kept if keepdims else shape)), out)
