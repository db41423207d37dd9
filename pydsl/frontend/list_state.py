"""The state of a list that grows at run time: what its items look like, its memory, and how many there are.

An item is taken apart into *leaves* (numbers and arrays); each leaf has a column of its own. Items of one list have one
form: the same structure, arrays of one constant shape, numbers that have a common type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.values import ListState, Operand, decompose, describe, is_number, is_tensor
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.types import DType, ScalarType

HINT = "numbers or arrays of one shape as items, or an array that is made before and filled"


@dataclass(frozen=True)
class Leaf:
    """A number of a type, or (type None) an array."""

    type: ScalarType | None
    dtype: DType
    shape: tuple[int, ...]


def leaf_of(value: Operand) -> Leaf:
    """The leaf that a value is.

    Raises
    ------
    Unsupported: it is none.
    """
    if is_number(value):
        type_ = value.scalar if isinstance(value, Value) else dtypes.type_of_static(value)
        return Leaf(type_, type_.dtype, ())
    if is_tensor(value):
        shape = value.tensor.shape
        if not all(size.is_const for size in shape):
            raise Unsupported(
                "an array whose shape is known at run time only, appended to a list that grows at run time",
                "an array of the full size that is filled, with a counter or offsets",
            )
        return Leaf(None, value.tensor.dtype, tuple(size.const for size in shape))
    raise Unsupported(f"a {describe(value)} appended to a list that grows at run time", HINT)


def flatten(value: Operand) -> tuple[Any, list[Operand]]:
    """The structure of an item, and its leaves."""
    parts = None if isinstance(value, Value) else decompose(value)
    if parts is None:
        return None, [value]
    keys, leaves = [], []
    for item in parts.items:
        key, inner = flatten(item)
        keys.append(key)
        leaves += inner
    return (parts.key, tuple(keys)), leaves


def rebuild(sample: Operand, leaves: Sequence[Operand]) -> Operand:
    """An item of these leaves, of the structure of the sample."""
    rest = list(leaves)

    def build(value: Operand) -> Operand:
        parts = None if isinstance(value, Value) else decompose(value)
        if parts is None:
            return rest.pop(0)
        return parts.rebuild([build(item) for item in parts.items])

    return build(sample)


def merge(builder: Builder, a: Leaf, b: Leaf) -> Leaf:
    """A leaf for both.

    Raises
    ------
    Unsupported: there is none.
    """
    if (a.type is None) != (b.type is None) or a.shape != b.shape:
        raise Unsupported(
            f"a list that grows at run time, with items of several kinds ({_name(a)} and {_name(b)})", HINT
        )
    if a.type is None or b.type is None:
        return Leaf(None, dtypes.result_type(a.dtype, b.dtype), a.shape)
    type_ = a.type if a.type == b.type else builder.common_scalar_type(Value(a.type), Value(b.type))
    strong = [t.dtype for t in (a.type, b.type) if not t.weak]
    if any(dtype != dtypes.result_type(a.dtype, b.dtype) for dtype in strong):
        raise Unsupported(
            f"a list that grows at run time, with items of several kinds ({_name(a)} and {_name(b)})",
            "items of one type: `.append(np.float32(x))`, `.append(float(x))`",
        )
    return Leaf(type_, type_.dtype, ())


def _name(leaf: Leaf) -> str:
    return (
        describe(Value(leaf.type)) if leaf.type is not None else f"{leaf.dtype} array of shape {leaf.shape}"
    )


def leaves_of(state: ListState) -> tuple[Leaf, ...]:
    """The leaves of the items of a list."""
    return tuple(
        Leaf(type_, column.tensor.dtype, tuple(size.const for size in column.tensor.shape[1:]))
        for type_, column in zip(state.types, state.columns, strict=True)
    )


def begin(builder: Builder, owner: list[Operand], sample: Operand, leaves: Sequence[Leaf]) -> ListState:
    """The state of a list that has been known at compile time so far, with room for items like the sample.

    Raises
    ------
    Unsupported: its items are of another structure.
    """
    key, _ = flatten(sample)
    rows = []
    for item in owner:
        other, values = flatten(item)
        if other != key:
            raise Unsupported("a list that grows at run time, with items of several structures", HINT)
        rows.append(values)
    columns = []
    for number, leaf in enumerate(leaves):
        room = max(8, 2 * len(rows))
        column = builder.allocate((Affine.of(room), *map(Affine.of, leaf.shape)), leaf.dtype)
        for position, values in enumerate(rows):
            freeze(builder, values[number])
            builder.store(builder.basic_index(column, [Affine.of(position)]), values[number])
        columns.append(column)
    count = builder.index_value(Affine.of(len(rows)))
    return ListState(owner, sample, tuple(leaf.type for leaf in leaves), tuple(columns), count)


def converted(builder: Builder, state: ListState, leaves: Sequence[Leaf]) -> ListState:
    """The state with leaves of these types."""
    columns = tuple(
        builder.cast(column, leaf.dtype) for column, leaf in zip(state.columns, leaves, strict=True)
    )
    return ListState(state.owner, state.sample, tuple(leaf.type for leaf in leaves), columns, state.count)


def freeze(builder: Builder, value: Operand) -> None:
    """An array has become an item of a list: the list holds a copy, so nobody may write to it any more."""
    if is_tensor(value):
        builder.freeze(
            value.tensor.storage,
            "writing to an array that is an item of a list which grows at run time",
            "a copy in the list: `.append(x.copy())`; to change an item, `items[i] = value`",
        )


__all__ = [
    "HINT", "Leaf", "begin", "converted", "flatten", "freeze", "leaf_of", "leaves_of", "merge", "rebuild",
]  # fmt: skip
