"""Lists that are changed at run time: in loops and branches that are not decided at compile time.

The list stays one object (:class:`~pydsl.frontend.values.Grown` stands for it); its state is a variable of the frame,
under a name of its own, so that it crosses joins and loops as other variables do (:class:`joins.ListSlot`). A call
takes the states along and brings them back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import numpy_api
from pydsl.frontend.dtypes import scalar_type
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.indexing import get_item as subscript
from pydsl.frontend.list_state import (
    HINT,
    begin,
    converted,
    flatten,
    freeze,
    leaf_of,
    leaves_of,
    merge,
    rebuild,
)
from pydsl.frontend.values import Grown, Lazy, ListState, Operand, is_number, is_tensor
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.library import lists

# --- state --------------------------------------------------------------------------------------------------------


def state_of(ev: Evaluator, grown: Grown) -> ListState:
    """The state as it is now."""
    state: ListState = ev.use(ev.frame.names.values[grown.name])
    return state


def _set_state(ev: Evaluator, grown: Grown, state: ListState) -> None:
    ev.frame.names.values[grown.name] = state


def count_of(ev: Evaluator, grown: Grown) -> Value:
    """`len(items)`."""
    return state_of(ev, grown).count


def _for_item(ev: Evaluator, grown: Grown, item: Operand) -> tuple[ListState, list[Operand]]:
    """The state, with columns that can hold the item, and the leaves of the item."""
    key, values = flatten(item)
    new = [leaf_of(value) for value in values]
    state = ev.use(ev.frame.names.values.get(grown.name))
    if state is None:
        for known in grown.owner:
            other, inner = flatten(known)
            if other == key:
                new = [merge(ev.builder, leaf_of(v), n) for v, n in zip(inner, new, strict=True)]
        state = begin(ev.builder, grown.owner, item, new)
    elif flatten(state.sample)[0] != key:
        raise Unsupported("a list that grows at run time, with items of several structures", HINT)
    else:
        merged = tuple(merge(ev.builder, a, b) for a, b in zip(leaves_of(state), new, strict=True))
        if merged != leaves_of(state):
            state = converted(ev.builder, state, merged)
    for value in values:
        freeze(ev.builder, value)
    return state, values


def _check_changeable(ev: Evaluator, grown: Grown) -> None:
    if id(grown.owner) in ev.iterating:
        raise Unsupported(
            "changing a list while a loop goes through it", "`while` with an index, or a second list"
        )


def _with_count(ev: Evaluator, state: ListState, columns: Any, count: Affine) -> ListState:
    value = ev.builder.index_value(count)
    return ListState(state.owner, state.sample, state.types, tuple(columns), value)


def append(ev: Evaluator, grown: Grown, item: Operand) -> None:
    """`items.append(item)`."""
    _check_changeable(ev, grown)
    state, values = _for_item(ev, grown, item)
    columns = [
        ev.builder.call_library(lists.push, column, state.count, value)
        for column, value in zip(state.columns, values, strict=True)
    ]
    _set_state(ev, grown, _with_count(ev, state, columns, ev.builder.as_affine(state.count) + 1))


def ensure(ev: Evaluator, grown: Grown) -> ListState:
    """The state of a list whose items are changed or taken away at run time."""
    if grown.name not in ev.frame.names.values:
        if not grown.owner:
            raise NumpyError(IndexError, "pop from empty list")
        state, _ = _for_item(ev, grown, grown.owner[0])
        _set_state(ev, grown, state)
    return state_of(ev, grown)


# --- items --------------------------------------------------------------------------------------------------------


def _position(ev: Evaluator, count: Value, index: Operand, message: str) -> Value:
    """An index into the list, checked, counted from its beginning."""
    builder = ev.builder
    if is_tensor(index) and not index.tensor.rank:
        index = builder.load(index)
    if not is_number(index) or isinstance(index, (float, complex)):
        raise NumpyError(TypeError, "list indices must be integers or slices")
    position, length = builder.as_affine(index), builder.as_affine(count)
    if position.is_const:
        position = position if position.const >= 0 else length + position
    elif not builder.decide("ge", position, Affine.of(0)):
        negative = builder.compare_index("lt", position, Affine.of(0))
        turned = builder.select_scalar(
            negative, builder.scalar_from_affine(position + length), builder.scalar_from_affine(position)
        )
        position = builder.as_affine(turned)
    inside = builder.both(
        builder.compare_index("ge", position, Affine.of(0)), builder.compare_index("lt", position, length)
    )
    builder.check(inside, IndexError, message)
    return builder.index_value(position)


def _read(ev: Evaluator, state: ListState, position: Value) -> Operand:
    builder = ev.builder
    leaves = []
    for type_, column in zip(state.types, state.columns, strict=True):
        leaf = builder.call_library(lists.item_at, column, position)
        if type_ is None:
            leaf = builder.copy(leaf)
            freeze(builder, leaf)
        else:
            leaf = builder.convert_scalar(leaf, type_)
        leaves.append(leaf)
    return rebuild(state.sample, leaves)


def get_item(ev: Evaluator, grown: Grown, index: Operand) -> Operand:
    """`items[index]`: an item, or for a slice a new list."""
    state = state_of(ev, grown)
    if isinstance(index, slice):
        return _sliced(ev, state, lambda column: subscript(ev, column, index))
    return _read(ev, state, _position(ev, state.count, index, "list index out of range"))


def set_item(ev: Evaluator, grown: Grown, index: Operand, value: Operand) -> None:
    """`items[index] = value`."""
    if isinstance(index, slice):
        raise Unsupported("storing to a slice of a list that grows at run time", "one item after the other")
    ensure(ev, grown)
    state, values = _for_item(ev, grown, value)
    _set_state(ev, grown, state)
    position = _position(ev, state.count, index, "list assignment index out of range")
    for column, leaf in zip(state.columns, values, strict=True):
        ev.builder.call_library(lists.set_item, column, position, leaf)


def _filled(ev: Evaluator, state: ListState, column: Value) -> Value:
    view: Value = subscript(ev, column, slice(None, state.count))
    return view


def _sliced(ev: Evaluator, state: ListState, take: Callable[[Value], Value]) -> Operand:
    """A new list of what `take` makes of the filled part of each column."""
    columns = [ev.builder.copy(take(_filled(ev, state, column))) for column in state.columns]
    made: list[Operand] = []
    ev.own(made)
    grown = ev.grown(made)
    count = ev.builder.index_value(columns[0].tensor.shape[0])
    _set_state(ev, grown, ListState(made, state.sample, state.types, tuple(columns), count))
    return grown


def through(ev: Evaluator, grown: Grown) -> Lazy:
    """The list as something to go through."""

    def item(index: Operand) -> Operand:
        return _read(ev, state_of(ev, grown), ev.builder.index_value(ev.builder.as_affine(index)))

    return Lazy(count_of(ev, grown), item, owner=grown.owner)


# --- as an array --------------------------------------------------------------------------------------------------


def as_array(ev: Evaluator, value: Operand, exact: bool = True) -> Operand:
    """The array that NumPy makes of a list (or of a container that holds such lists).

    exact: whether an empty list must be an empty float64 array, as NumPy has it.
    """
    if not isinstance(value, Grown):
        if isinstance(value, (list, tuple)) and any(isinstance(item, (Grown, list, tuple)) for item in value):
            if _holds_grown(value):
                return type(value)([as_array(ev, item, exact) for item in value])
        return value
    state = state_of(ev, value)
    if exact and (state.types != (None,) and state.types[0] is not None and len(state.types) == 1):
        exact = state.columns[0].tensor.dtype != np.float64
    if exact:
        ev.builder.check_supported(
            ev.builder.compare_index("gt", ev.builder.as_affine(state.count), Affine.of(0)),
            "an array of a list that is empty: NumPy makes a float64 array of shape (0,), whatever was to be "
            "appended; write instead: np.array(items, dtype=...) of numbers, or a test of len(items) before",
        )
    return _joined(ev, state)


def _holds_grown(value: Operand) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_grown, value))
    return isinstance(value, Grown)


def _joined(ev: Evaluator, state: ListState) -> Value:
    """All items as one array."""
    builder = ev.builder
    filled = [_filled(ev, state, column) for column in state.columns]
    if len(filled) == 1 and not isinstance(state.sample, (list, tuple)):
        return filled[0]
    if any(f.tensor.rank != filled[0].tensor.rank for f in filled) or _is_deep(state.sample):
        raise Unsupported("an array of a list of nested tuples that grows at run time", "one list per part")
    dtype = np.result_type(*(f.tensor.dtype for f in filled))
    shape = filled[0].tensor.shape
    result = builder.allocate((shape[0], Affine.of(len(filled)), *shape[1:]), dtype)
    for number, column in enumerate(filled):
        builder.store(subscript(ev, result, (slice(None), number)), column)
    return result


def _is_deep(sample: Operand) -> bool:
    return not isinstance(sample, (list, tuple)) or any(isinstance(item, (list, tuple)) for item in sample)


def pieces(ev: Evaluator, grown: Grown, function: Any, rest: Any, kwargs: Any) -> Operand:
    """What `np.concatenate(items)`, `np.vstack(items)` or `np.hstack(items)` joins: one array with all items."""
    array = as_array(ev, grown)
    rank = array.tensor.rank - 1
    if rest or kwargs or (function is np.hstack and rank > 1):
        raise Unsupported(
            f"np.{function.__name__} of a list that grows at run time along this axis",
            "np.stack, and a reshape",
        )
    if rank < 1:
        raise NumpyError(ValueError, "zero-dimensional arrays cannot be concatenated")
    if rank == 1 and function is np.vstack:
        return (array,)
    size = array.tensor.shape[0] * array.tensor.shape[1].const
    return (ev.builder.reshape(array, [ev.builder.scalar_from_affine(size), *array.tensor.shape[2:]]),)


# --- methods ------------------------------------------------------------------------------------------------------


def _extend(ev: Evaluator, grown: Grown, items: Operand) -> None:
    if isinstance(items, Grown):
        items = as_array(ev, items, exact=False)
    if isinstance(items, range):
        items = list(items)
    if isinstance(items, (list, tuple)):
        for item in items:
            append(ev, grown, item)
        return
    if not is_tensor(items) or not items.tensor.rank:
        raise Unsupported("extending a list that grows at run time by this", "`append` in a loop")
    _check_changeable(ev, grown)
    row = subscript(ev, items, 0) if items.tensor.rank > 1 else Value(scalar_type(items.tensor.dtype))
    state, _ = _for_item(ev, grown, row)
    if len(state.columns) != 1:
        raise Unsupported("extending a list of tuples by an array", "`append` in a loop")
    column = ev.builder.call_library(lists.push_all, state.columns[0], state.count, items)
    total = ev.builder.as_affine(state.count) + items.tensor.shape[0]
    _set_state(ev, grown, _with_count(ev, state, [column], total))


def _pop(ev: Evaluator, grown: Grown, index: Operand = -1) -> Operand:
    _check_changeable(ev, grown)
    state = ensure(ev, grown)
    builder = ev.builder
    count = builder.as_affine(state.count)
    builder.check(builder.compare_index("gt", count, Affine.of(0)), IndexError, "pop from empty list")
    position = _position(ev, state.count, index, "pop index out of range")
    item = _read(ev, state, position)
    if index != -1:
        for column in state.columns:
            builder.call_library(lists.close_gap, column, position, state.count)
    _set_state(ev, grown, _with_count(ev, state, state.columns, count - 1))
    return item


def _insert(ev: Evaluator, grown: Grown, index: Operand, item: Operand) -> None:
    if not isinstance(index, int) or index < 0:
        raise Unsupported("inserting at this place of a list that grows at run time", "a constant place")
    builder = ev.builder
    ensure(ev, grown) if grown.owner else None
    append(ev, grown, item)
    state = state_of(ev, grown)
    last = builder.as_affine(state.count) - 1
    position = builder.index_value(builder.min_index(Affine.of(index), last))
    _, values = flatten(item)
    for column, value in zip(state.columns, values, strict=True):
        builder.call_library(lists.open_gap, column, position, builder.index_value(last))
        builder.call_library(lists.set_item, column, position, value)


def _clear(ev: Evaluator, grown: Grown) -> None:
    _check_changeable(ev, grown)
    state = ensure(ev, grown)
    _set_state(ev, grown, _with_count(ev, state, state.columns, Affine.of(0)))


def _reverse(ev: Evaluator, grown: Grown) -> None:
    _check_changeable(ev, grown)
    state = ensure(ev, grown)
    for column in state.columns:
        filled = _filled(ev, state, column)
        ev.builder.store(filled, ev.builder.copy(subscript(ev, filled, slice(None, None, -1))))


def _copy(ev: Evaluator, grown: Grown) -> Operand:
    return _sliced(ev, state_of(ev, grown), lambda column: column)


def _index(ev: Evaluator, grown: Grown, item: Operand) -> Operand:
    place = ev.builder.call_library(lists.first_position, as_array(ev, grown, exact=False), item)
    found = ev.builder.compare_index("ge", ev.builder.as_affine(place), Affine.of(0))
    ev.builder.check(found, ValueError, "the value is not in list")
    return place


# --- functions of a list ------------------------------------------------------------------------------------------


def _numbers(ev: Evaluator, grown: Grown, what: str) -> tuple[ListState, Value]:
    state = state_of(ev, grown)
    if len(state.types) != 1 or state.types[0] is None or isinstance(state.sample, (tuple, list)):
        raise Unsupported(
            f"{what} of a list of arrays or tuples that grows at run time", "a loop over its items"
        )
    return state, _filled(ev, state, state.columns[0])


def total(ev: Evaluator, grown: Grown, start: Operand) -> Operand:
    """`sum(items, start)`."""
    state = state_of(ev, grown)
    if state.types == (None,) and not isinstance(state.sample, (tuple, list)):
        rows = ev.builder.reduce("sum", _filled(ev, state, state.columns[0]), axis=0)
        return ev.builder.binary("add", start, rows)
    state, numbers = _numbers(ev, grown, "sum()")
    return _like(ev, state, ev.builder.call_library(lists.total, numbers, start))


def _like(ev: Evaluator, state: ListState, value: Value) -> Value:
    """A result that has the type of the items."""
    (type_,) = state.types
    assert type_ is not None
    return ev.builder.convert_scalar(value, type_) if type_.weak else value


def decided(ev: Evaluator, grown: Grown, name: str) -> Operand:
    """`any(items)`, `all(items)` of numbers."""
    _, numbers = _numbers(ev, grown, f"{name}()")
    return ev.builder.to_python(ev.builder.reduce(name, numbers), bool)


def extreme(ev: Evaluator, grown: Grown, name: str, kwargs: Any) -> Operand:
    """`min(items)`, `max(items)`."""
    if kwargs:
        raise Unsupported(
            f"{name}() with keywords of a list that grows at run time", f"np.{name} of an array"
        )
    state, numbers = _numbers(ev, grown, f"{name}()")
    filled = ev.builder.compare_index("gt", ev.builder.as_affine(state.count), Affine.of(0))
    ev.builder.check(filled, ValueError, f"{name}() iterable argument is empty")
    function = lists.smallest if name == "min" else lists.largest
    return _like(ev, state, ev.builder.call_library(function, numbers))


def in_order(ev: Evaluator, grown: Grown, reverse: Operand) -> Operand:
    """`sorted(items)`: a new list."""
    _numbers(ev, grown, "sorted()")
    made = _copy(ev, grown)
    _sort(ev, made, reverse=reverse)
    return made


def _sort(ev: Evaluator, grown: Grown, *, reverse: Operand = False) -> None:
    _check_changeable(ev, grown)
    ensure(ev, grown)
    _, numbers = _numbers(ev, grown, "sort()")
    handler = numpy_api.lookup(np.sort)
    assert handler is not None
    result = handler(ev.builder, numbers)
    ev.builder.store(numbers, subscript(ev, result, slice(None, None, -1)) if reverse else result)


METHODS: dict[str, Callable[..., Operand]] = {
    "append": append,
    "extend": _extend,
    "pop": _pop,
    "insert": _insert,
    "clear": _clear,
    "reverse": _reverse,
    "copy": _copy,
    "index": _index,
    "sort": _sort,
}


def call_method(ev: Evaluator, grown: Grown, name: str, args: Any, kwargs: Any) -> Operand:
    """`items.name(...)`."""
    method = METHODS.get(name)
    if method is None or (kwargs and method is not _sort) or "key" in kwargs:
        raise Unsupported(
            f"`.{name}` of a list that grows at run time", "np.array(items), and NumPy's functions"
        )
    return method(ev, grown, *args, **kwargs)


# --- results ------------------------------------------------------------------------------------------------------


def to_list(array: np.ndarray[Any, Any]) -> list[Any]:
    """NumPy scalars, or rows."""
    return list(array)


def to_python_list(array: np.ndarray[Any, Any]) -> list[Any]:
    """Python numbers."""
    items: list[Any] = array.tolist()
    return items


class ListOf:
    """Makes the list of the columns: called with the arrays when the function returns."""

    def __init__(self, state: ListState) -> None:
        self.makers = [to_python_list if t is not None and t.weak else to_list for t in state.types]
        self.sample = state.sample
        self.plain = len(self.makers) == 1 and flatten(state.sample)[0] is None

    def __call__(self, *columns: np.ndarray[Any, Any]) -> list[Any]:
        parts = [make(column) for make, column in zip(self.makers, columns, strict=True)]
        if self.plain:
            return parts[0]
        return [rebuild(self.sample, leaves) for leaves in zip(*parts, strict=True)]


def result_columns(ev: Evaluator, grown: Grown) -> tuple[ListOf, list[Value]]:
    """What a `return` of the list hands out: the arrays, and what makes a list of them."""
    state = state_of(ev, grown)
    columns = [ev.builder.copy(_filled(ev, state, column)) for column in state.columns]
    return ListOf(state), columns
