"""Lists that grow at run time: one column of memory for each part of an item, with room at its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked


@unchecked
def push(column: Any, count: Any, item: Any) -> Any:
    """The column with the item behind the first `count`; twice as long where it was full."""
    if count >= column.shape[0]:
        longer = np.empty((2 * count + 8, *column.shape[1:]), column.dtype)
        longer[:count] = column[:count]
        column = longer
    column[count] = item
    return column


@unchecked
def push_all(column: Any, count: Any, items: Any) -> Any:
    """The column with all items behind the first `count`."""
    total = count + len(items)
    if total > column.shape[0]:
        longer = np.empty((2 * total + 8, *column.shape[1:]), column.dtype)
        longer[:count] = column[:count]
        column = longer
    column[count:total] = items
    return column


@unchecked
def item_at(column: Any, index: Any) -> Any:
    """One item: a scalar, or a view."""
    return column[index]


@unchecked
def set_item(column: Any, index: Any, item: Any) -> None:
    """Store one item."""
    column[index] = item


@unchecked
def open_gap(column: Any, index: Any, count: Any) -> None:
    """Move the items from `index` on one place up; there is room."""
    for k in range(count - index):
        column[count - k] = column[count - k - 1]


@unchecked
def close_gap(column: Any, index: Any, count: Any) -> None:
    """Move the items behind `index` one place down."""
    for k in range(index, count - 1):
        column[k] = column[k + 1]


@unchecked
def total(items: Any, start: Any) -> Any:
    """`sum(items, start)` of scalars, one after the other."""
    result = start
    for item in items:
        result = result + item
    return result


@unchecked
def first_position(items: Any, wanted: Any) -> Any:
    """Where the wanted value is first, or -1."""
    for index in range(len(items)):
        if items[index] == wanted:
            return index
    return -1


@unchecked
def smallest(items: Any) -> Any:
    """`min(items)` of scalars: the first smallest."""
    result = items[0]
    for item in items:
        result = min(result, item)
    return result


@unchecked
def largest(items: Any) -> Any:
    """`max(items)` of scalars: the first largest."""
    result = items[0]
    for item in items:
        result = max(result, item)
    return result
