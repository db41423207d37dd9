"""Joins: one value for a variable where several ways through the code meet (after an `if`, at the head of a loop).

A *slot* says how a variable crosses a join. It starts as :class:`Fixed` (the same value on every way, nothing to carry)
and is widened by each further value until it admits all of them:

    Fixed(3), then 4            -> ScalarSlot(py_int64)
    Fixed(%x), then %y          -> TensorSlot: PHI storage, a symbol for every component that differs
    Fixed(None), then %x        -> PoisonSlot: an error where the variable is used
    Fixed(<unbound>), then 1.0  -> MaybeSlot: a scalar and a flag

Widening goes one way, so that loops reach their fixed point after few attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydsl.errors import SourceLocation
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.list_state import HINT, Leaf, begin, converted, flatten, leaves_of, merge
from pydsl.frontend.values import (
    UNBOUND,
    Grown,
    ListState,
    LocalFunction,
    MaybeUnbound,
    Operand,
    Poison,
    Text,
    decompose,
    describe,
    is_number,
    is_tensor,
    same,
)
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.types import BOOL, INDEX, DType, Origin, ScalarType, Storage, TensorType, Type, c_strides

Component: TypeAlias = "Affine | None"
"""A shape, stride or offset that is the same on every way, or None: carried as a symbol."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """The same value on every way."""

    value: Operand


@dataclass(frozen=True)
class ScalarSlot:
    """A scalar of one type."""

    type: ScalarType


@dataclass(frozen=True)
class TensorSlot:
    """A tensor reference. storage: None for a join of several (PHI). packed: C-contiguous on every way, so that the
    strides follow from the shape."""

    dtype: DType
    storage: Storage | None
    shape: tuple[Component, ...]
    strides: tuple[Component, ...]
    offset: Component
    packed: bool


@dataclass(frozen=True, eq=False)
class ItemsSlot:
    """A container whose items cross the join one by one. sample: a container of this kind."""

    key: tuple[Any, ...]
    items: tuple[Slot, ...]
    sample: Operand


@dataclass(frozen=True)
class MaybeSlot:
    """A scalar that is not bound on every way."""

    inner: ScalarSlot


@dataclass(frozen=True, eq=False)
class PoisonSlot:
    """Values that do not meet: an error where the variable is used."""

    poison: Poison


@dataclass(frozen=True, eq=False)
class ListSlot:
    """The state of a list that grows at run time, or has not begun to."""

    owner: list[Operand]
    sample: Operand
    leaves: tuple[Leaf, ...]

    def columns(self) -> Iterator[TensorSlot]:
        """How the columns cross."""
        zero = Affine.of(0)
        for leaf in self.leaves:
            shape = (None, *map(Affine.of, leaf.shape))
            yield TensorSlot(leaf.dtype, None, shape, (None,) * len(shape), zero, True)


Slot: TypeAlias = "Fixed | ScalarSlot | TensorSlot | ItemsSlot | MaybeSlot | ListSlot | PoisonSlot"


@dataclass(frozen=True)
class Variable:
    """What a join is about, for messages: a name, the places of its two definitions, and the deciding condition."""

    name: str
    first: SourceLocation | None = None
    second: SourceLocation | None = None
    condition: Value | None = None

    def poison(self, a: Operand, b: Operand) -> Poison:
        if isinstance(a, Poison):
            return a
        if isinstance(b, Poison):
            return b
        related = []
        for value, place in ((a, self.first), (b, self.second)):
            if place is not None and value is not UNBOUND:
                related.append((f"here it is {describe(value)}", place))
        if a is UNBOUND or b is UNBOUND:
            message = f"`{self.name}` is not defined on every way that leads here"
            return Poison(message, f"an assignment to `{self.name}` before", tuple(related), self.condition)
        message = (
            f"`{self.name}` is {describe(a)} or {describe(b)}, depending on values known at run time only"
        )
        return Poison(message, _remedy(a, b), tuple(related), self.condition)


def _remedy(a: Operand, b: Operand) -> str:
    """What to write where two values do not meet."""
    kinds = (a, b)
    if any(value is None for value in kinds):
        return "a value of the same kind in place of None (nan, -1, an array), or a flag beside the variable"
    if any(isinstance(value, (str, Text)) for value in kinds):
        return "a number that stands for the text, and the text chosen outside"
    if all(callable(value) or isinstance(value, LocalFunction) for value in kinds):
        return "the calls in the branches: `if c: y = f(x)`, `else: y = g(x)`"
    if any(isinstance(value, (list, Grown, ListState)) for value in kinds):
        return (
            "one list: `items.append(x)`, `items.clear()`, `items.extend(others)`; or an array and a counter"
        )
    if all(is_tensor(value) for value in kinds):
        return "arrays of one rank and dtype on both ways (`reshape`, `astype`), or two variables"
    return "values of one kind on both ways, or two variables"


# --- widening -----------------------------------------------------------------------------------------------------


class Widener:
    """Widens slots. builder: for the common type of scalars."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def widen(self, slot: Slot, value: Operand, variable: Variable) -> Slot:
        """A slot that admits `value` as well: the same slot where it did already."""
        if isinstance(slot, PoisonSlot):
            return slot
        if isinstance(slot, ListSlot):
            return self._widen_list(slot, value)
        if isinstance(slot, Fixed):
            return self._widen_fixed(slot, value, variable)
        if isinstance(slot, MaybeSlot):
            if value is UNBOUND:
                return slot
            inner = self.widen(
                slot.inner, value.value if isinstance(value, MaybeUnbound) else value, variable
            )
            if inner is slot.inner:
                return slot
            return MaybeSlot(inner) if isinstance(inner, ScalarSlot) else inner
        if isinstance(slot, ScalarSlot):
            return self._widen_scalar(slot, value, variable)
        if isinstance(slot, TensorSlot):
            if is_tensor(value) and value.tensor.dtype == slot.dtype and value.tensor.rank == len(slot.shape):
                return _widen_tensor(slot, value.tensor)
            return PoisonSlot(variable.poison(_sample(slot), value))
        return self._widen_items(slot, value, variable)

    def _widen_fixed(self, slot: Fixed, value: Operand, variable: Variable) -> Slot:
        known = slot.value
        if same(known, value):
            return slot
        if isinstance(known, Poison) or isinstance(value, Poison):
            return PoisonSlot(variable.poison(known, value))
        if isinstance(known, ListState):
            return self._widen_list(self.list_slot(known), value)
        if isinstance(value, ListState):
            return self.list_slot(value)
        if is_number(known) and (value is UNBOUND or isinstance(value, MaybeUnbound) or is_number(value)):
            return self._widen_scalar(ScalarSlot(self.type_of(known)), value, variable)
        if known is UNBOUND and (is_number(value) or isinstance(value, MaybeUnbound)):
            return MaybeSlot(ScalarSlot(self.type_of(value)))
        if isinstance(known, MaybeUnbound):
            return self.widen(MaybeSlot(ScalarSlot(self.type_of(known))), value, variable)
        if is_tensor(known) and is_tensor(value):
            type_ = known.tensor
            if value.tensor.dtype == type_.dtype and value.tensor.rank == type_.rank:
                return _widen_tensor(exact(type_), value.tensor)
        parts = decompose(known)
        if parts is not None:
            items = ItemsSlot(parts.key, tuple(Fixed(item) for item in parts.items), known)
            return self._widen_items(items, value, variable)
        return PoisonSlot(variable.poison(known, value))

    def _widen_scalar(self, slot: ScalarSlot, value: Operand, variable: Variable) -> Slot:
        if value is UNBOUND:
            return MaybeSlot(slot)
        maybe = isinstance(value, MaybeUnbound)
        if not maybe and not is_number(value):
            return PoisonSlot(variable.poison(_sample(slot), value))
        type_ = self._common(slot.type, self.type_of(value))
        widened = slot if type_ == slot.type else ScalarSlot(type_)
        return MaybeSlot(widened) if maybe else widened

    def _widen_items(self, slot: ItemsSlot, value: Operand, variable: Variable) -> Slot:
        parts = decompose(value)
        if parts is None or parts.key != slot.key:
            return PoisonSlot(variable.poison(slot.sample, value))
        items = []
        for index, (item, new) in enumerate(zip(slot.items, parts.items, strict=True)):
            items.append(self.widen(item, new, replace(variable, name=f"{variable.name}[{index}]")))
        if all(a is b for a, b in zip(items, slot.items, strict=True)):
            return slot
        return ItemsSlot(slot.key, tuple(items), slot.sample)

    def list_slot(self, state: ListState) -> ListSlot:
        """The slot of a list."""
        return ListSlot(state.owner, state.sample, leaves_of(state))

    def _widen_list(self, slot: ListSlot, value: Operand) -> Slot:
        if isinstance(value, Poison):
            return PoisonSlot(value)
        if not isinstance(value, ListState):  # unbound: it has not begun to grow
            return slot
        new = leaves_of(value)
        try:
            if flatten(slot.sample)[0] != flatten(value.sample)[0]:
                raise Unsupported("a list that grows at run time, with items of several structures", HINT)
            merged = tuple(merge(self.builder, a, b) for a, b in zip(slot.leaves, new, strict=True))
        except Unsupported as failure:
            return PoisonSlot(Poison(failure.construct, failure.hint))
        return slot if merged == slot.leaves else ListSlot(slot.owner, slot.sample, merged)

    def type_of(self, value: Operand) -> ScalarType:
        """The scalar type of a number."""
        if isinstance(value, MaybeUnbound):
            value = value.value
        return value.scalar if isinstance(value, Value) else dtypes.type_of_static(value)

    def _common(self, a: ScalarType, b: ScalarType) -> ScalarType:
        return a if a == b else self.builder.common_scalar_type(Value(a), Value(b))


def exact(type_: TensorType) -> TensorSlot:
    """The slot of a tensor all of whose components are fixed."""
    return TensorSlot(
        type_.dtype,
        type_.storage,
        type_.shape,
        type_.strides,
        type_.offset,
        type_.strides == _c_strides(type_),
    )


def _widen_tensor(slot: TensorSlot, type_: TensorType) -> TensorSlot:
    widened = TensorSlot(
        slot.dtype,
        slot.storage if slot.storage is type_.storage else None,
        _common_parts(slot.shape, type_.shape),
        _common_parts(slot.strides, type_.strides),
        slot.offset if slot.offset == type_.offset else None,
        slot.packed and type_.strides == _c_strides(type_),
    )
    return slot if widened == slot else widened


def _common_parts(known: Sequence[Component], new: Sequence[Affine]) -> tuple[Component, ...]:
    return tuple(a if a == b else None for a, b in zip(known, new, strict=True))


def _c_strides(type_: TensorType) -> tuple[Affine, ...] | None:
    try:
        return c_strides(type_.shape, type_.itemsize)
    except ValueError:
        return None


def _sample(slot: Slot) -> Operand:
    """Some value of the slot, to describe it."""
    if isinstance(slot, ScalarSlot):
        return Value(slot.type)
    if isinstance(slot, TensorSlot):
        zero = Affine.of(0)
        unknown = Affine.of(Value(INDEX))
        storage = Storage(Origin.PHI, "", slot.dtype)
        shape = tuple(unknown if d is None else d for d in slot.shape)
        return Value(TensorType(slot.dtype, shape, (zero,) * len(shape), zero, storage))
    return UNBOUND


def expose(slot: Slot, since: int) -> Slot:
    """A slot that carries what was made inside: a fixed value or component with an id of `since` or later does not
    exist outside of the block that made it."""
    if isinstance(slot, TensorSlot):
        return replace(
            slot,
            shape=tuple(_outer(part, since) for part in slot.shape),
            strides=tuple(_outer(part, since) for part in slot.strides),
            offset=_outer(slot.offset, since),
        )
    if isinstance(slot, ItemsSlot):
        return ItemsSlot(slot.key, tuple(expose(item, since) for item in slot.items), slot.sample)
    if not isinstance(slot, Fixed):
        return slot
    value = slot.value
    if isinstance(value, ListState):
        made_inside = value.count.id >= since or any(column.id >= since for column in value.columns)
        return ListSlot(value.owner, value.sample, leaves_of(value)) if made_inside else slot
    if isinstance(value, MaybeUnbound):
        return MaybeSlot(ScalarSlot(value.value.scalar)) if value.flag.id >= since else slot
    if isinstance(value, Value):
        if value.id < since:
            return slot
        return expose(exact(value.tensor), since) if value.is_tensor else ScalarSlot(value.scalar)
    parts = decompose(value)
    if parts is None:
        return slot
    items = tuple(expose(Fixed(item), since) for item in parts.items)
    if all(isinstance(item, Fixed) for item in items):
        return slot
    return ItemsSlot(parts.key, items, value)


def _outer(part: Component, since: int) -> Component:
    if part is None or any(isinstance(s, Value) and s.id >= since for s in part.symbols()):
        return None
    return part


# --- crossing -----------------------------------------------------------------------------------------------------

NewValue: TypeAlias = Callable[[Type, str], Value]
"""Makes a block argument or an op result of a type, with a name for printing."""


class Crossing:
    """The two ends of slots: the values on the far side, and what each edge hands over."""

    def __init__(self, builder: Builder, new: NewValue, new_container: Callable[[Operand], Operand]) -> None:
        self.builder = builder
        self.new = new
        self.new_container = new_container
        self.phis: list[Storage] = []

    def arrive(self, slot: Slot, name: str) -> Operand:
        """The value of the variable after the join."""
        if isinstance(slot, Fixed):
            return slot.value
        if isinstance(slot, PoisonSlot):
            return slot.poison
        if isinstance(slot, ScalarSlot):
            return self.new(slot.type, name)
        if isinstance(slot, MaybeSlot):
            return MaybeUnbound(self.new(slot.inner.type, name), self.new(BOOL, f"{name}_bound"))
        if isinstance(slot, TensorSlot):
            return self._arrive_tensor(slot, name)
        if isinstance(slot, ListSlot):
            count = self._symbol(None, "count", 0)
            columns = tuple(self._arrive_tensor(column, "items") for column in slot.columns())
            types = tuple(leaf.type for leaf in slot.leaves)
            return ListState(slot.owner, slot.sample, types, columns, self.builder.index_value(count))
        parts = decompose(slot.sample)
        assert parts is not None
        items = [self.arrive(item, f"{name}_{index}") for index, item in enumerate(slot.items)]
        return self.new_container(parts.rebuild(items))

    def _symbol(self, part: Component, name: str, low: int | None) -> Affine:
        if part is not None:
            return part
        symbol = self.new(INDEX, name)
        symbol.bounds = (low, None)
        return Affine.of(symbol)

    def _arrive_tensor(self, slot: TensorSlot, name: str) -> Value:
        shape = tuple(self._symbol(part, f"{name}_dim{axis}", 0) for axis, part in enumerate(slot.shape))
        strides: tuple[Affine, ...] | None = None
        if follows_shape(slot):
            strides = c_strides(shape, slot.dtype.itemsize)
        else:
            strides = tuple(
                self._symbol(s, f"{name}_stride{axis}", None) for axis, s in enumerate(slot.strides)
            )
        offset = self._symbol(slot.offset, f"{name}_offset", 0)
        storage = slot.storage
        if storage is None:
            storage = Storage(Origin.PHI, name or "phi", slot.dtype)
            self.builder.function.storages.append(storage)
            self.phis.append(storage)
        return self.new(TensorType(slot.dtype, shape, strides, offset, storage), name)


def follows_shape(slot: TensorSlot) -> bool:
    """Whether the strides need not be carried: they are those of a C-contiguous array, and affine."""
    if not slot.packed or all(s is not None for s in slot.strides):
        return False
    return sum(d is None for d in slot.shape[1:]) <= 1 and all(
        d is None or d.is_const for d in slot.shape[1:]
    )


def depart(builder: Builder, slot: Slot, value: Operand, out: list[Value]) -> None:
    """What an edge hands over for a variable, in the order in which :meth:`Crossing.arrive` made values."""
    if isinstance(slot, Fixed | PoisonSlot):
        return
    if isinstance(slot, ScalarSlot):
        out.append(builder.convert_scalar(value, slot.type))
    elif isinstance(slot, MaybeSlot):
        bound, flag = value, builder.constant(True)
        if isinstance(value, MaybeUnbound):
            bound, flag = value.value, value.flag
        elif value is UNBOUND:
            bound, flag = slot.inner.type.dtype.type(0), builder.constant(False)
        out += [builder.convert_scalar(bound, slot.inner.type), flag]
    elif isinstance(slot, ListSlot):
        if not isinstance(value, ListState):
            value = begin(builder, slot.owner, slot.sample, slot.leaves)
        state = converted(builder, value, slot.leaves)
        out.append(state.count)
        for column_slot, column in zip(slot.columns(), state.columns, strict=True):
            depart(builder, column_slot, column, out)
    elif isinstance(slot, TensorSlot):
        type_ = value.tensor
        symbolic = [(known, part) for known, part in zip(slot.shape, type_.shape, strict=True)]
        if not follows_shape(slot):
            symbolic += zip(slot.strides, type_.strides, strict=True)
        symbolic.append((slot.offset, type_.offset))
        out += [builder.index_value(part) for known, part in symbolic if known is None]
        out.append(value)
    else:
        parts = decompose(value)
        assert parts is not None
        for item_slot, item in zip(slot.items, parts.items, strict=True):
            depart(builder, item_slot, item, out)


def connect(phis: Sequence[Storage], targets: Sequence[Value], edges: Sequence[Sequence[Value]]) -> None:
    """Fill in the sources of PHI storages from what the edges hand over."""
    for index, target in enumerate(targets):
        if not target.is_tensor or target.tensor.storage not in phis:
            continue
        storage = target.tensor.storage
        for edge in edges:
            source = edge[index].tensor.storage
            if source is not storage and source not in storage.sources:
                storage.sources.append(source)
        storage.writeable = all(source.writeable for source in storage.sources)


def hull(builder: Builder, targets: Sequence[Value], edges: Sequence[Sequence[Value]]) -> None:
    """Bounds of integer results from the bounds on all edges."""
    for index, target in enumerate(targets):
        if target.is_tensor or target.scalar.dtype.kind not in "iu":
            continue
        bounds = [edge[index].bounds for edge in edges]
        lows, highs = [b[0] for b in bounds], [b[1] for b in bounds]
        target.bounds = (
            None if None in lows else min(low for low in lows if low is not None),
            None if None in highs else max(high for high in highs if high is not None),
        )
