"""Subscripts: loads, stores and updates of items of tensors and of Python containers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.index_plan import Advanced, IndexPlan, plan_index
from pydsl.frontend.operators import result, type_name
from pydsl.frontend.values import Lazy, Operand, is_number, is_tensor
from pydsl.ir.core import Value
from pydsl.library.functions.joins import joined_row


def get_item(ev: Evaluator, base: Operand, index: Operand) -> Operand:
    """`base[index]`."""
    base = ev.adopt(base)
    if isinstance(base, Value):
        if not base.is_tensor:
            raise _not_subscriptable(base)
        return _load(ev, base, index)
    if isinstance(base, Lazy):
        raise Unsupported("indexing an iterator or a range with dynamic bounds", "the arithmetic itself")
    return _container_item(ev, base, index)


def _not_subscriptable(base: Value) -> NumpyError:
    if base.scalar.weak:
        return NumpyError(TypeError, f"'{type_name(base)}' object is not subscriptable")
    return NumpyError(IndexError, "invalid index to scalar variable.")


def static_key(ev: Evaluator, key: Operand) -> Any:
    """The key of a dict, which must be static."""
    try:
        return ev.static(key, "the key of a dict")
    except NeedStatic as needed:
        needed.hint = "an array that is indexed by the key, or np.unique(x, return_counts=True)"
        raise


def _container_item(ev: Evaluator, base: Operand, index: Operand) -> Operand:
    if base is np.r_ or base is np.c_:
        items = index if isinstance(index, tuple) else (index,)
        return ev.builder.call_library(joined_row, items, base is np.r_)
    if base is np.mgrid or base is np.ogrid:
        for item in index if isinstance(index, tuple) else (index,):
            for part in (item.start, item.stop, item.step) if isinstance(item, slice) else (item,):
                ev.static(part, "the bounds of a grid")
    what = "the index into a Python sequence"
    if isinstance(index, Value) and not isinstance(base, dict):
        needed = NeedStatic(index, f"{what} must be known at compile time")
        needed.hint = "an array in its place: `np.array(items)[i]`"
        if not index.is_tensor:
            raise needed
    if isinstance(base, dict):
        static_key(ev, index)
    elif isinstance(index, slice):
        for part in (index.start, index.stop, index.step):
            ev.static(part, what)
    elif is_tensor(index):
        if index.tensor.rank:
            raise NumpyError(TypeError, "only integer scalar arrays can be converted to a scalar index")
        raise NeedStatic(ev.builder.load(index), f"{what} must be known at compile time")
    else:
        ev.static(index, what)
    item = ev.python(operator.getitem, base, index)
    if isinstance(base, dict) and ev.is_outside(base):
        ev.note_read(base, index, item)
    return ev.use(result(ev, item))


def _load(ev: Evaluator, tensor: Value, index: Operand) -> Operand:
    plan = plan_index(ev, tensor, index)
    view = _view(ev, tensor, plan)
    if plan.advanced:
        return _gather(ev, view, plan)
    if plan.is_element:
        return ev.builder.load(view)
    return ev.builder.copy(view, "K") if plan.copies else view


def _view(ev: Evaluator, tensor: Value, plan: IndexPlan) -> Value:
    return tensor if plan.is_whole else ev.builder.basic_index(tensor, plan.entries)


def _gather(ev: Evaluator, view: Value, plan: IndexPlan) -> Value:
    mask = _leading_mask(plan)
    if mask is not None:
        return ev.builder.mask_load(view, mask.index)
    indices, axes, shown = _index_arrays(ev, plan)
    return _as_index_error(lambda: ev.builder.gather(view, indices, axes, plan.position, shown_axes=shown))


def _leading_mask(plan: IndexPlan) -> Advanced | None:
    """The mask, where there is nothing but one mask over the leading axes."""
    if len(plan.advanced) == 1 and plan.advanced[0].is_mask and plan.advanced[0].axis == 0:
        return plan.advanced[0]
    return None


def _as_index_error(access: Callable[[], Any]) -> Any:
    """Index arrays that do not fit together are an IndexError here, a ValueError in other broadcasts."""
    try:
        return access()
    except NumpyError as failure:
        if failure.message.startswith("shape mismatch: indexing arrays"):
            failure.error = IndexError
        raise


def _index_arrays(ev: Evaluator, plan: IndexPlan) -> tuple[list[Operand], tuple[int, ...], tuple[int, ...]]:
    """All index arrays (a mask stands for one per axis of it), their axes of the view, and of the tensor."""
    indices: list[Operand] = []
    axes: list[int] = []
    shown: list[int] = []
    for part in plan.advanced:
        if part.is_mask:
            indices += ev.builder.mask_to_index(part.index)
        else:
            indices.append(part.index)
        axes += range(part.axis, part.axis + part.depth)
        shown += range(part.shown, part.shown + part.depth)
    return indices, tuple(axes), tuple(shown)


# --- stores -------------------------------------------------------------------------------------------------------


def set_item(ev: Evaluator, base: Operand, index: Operand, value: Operand) -> None:
    """`base[index] = value`."""
    base = ev.adopt(base)
    if isinstance(base, Value):
        if not base.is_tensor:
            raise NumpyError(TypeError, f"'{type_name(base)}' object does not support item assignment")
        ev.builder.check_writeable(base)  # before the index is looked at
        _store(ev, base, plan_index(ev, base, index), value)
        return
    if not isinstance(base, (list, dict)):
        raise NumpyError(TypeError, f"'{type_name(base)}' object does not support item assignment")
    ev.check_mutable(base)
    if isinstance(index, slice):
        if any(isinstance(part, Value) for part in (index.start, index.stop, index.step)):
            raise Unsupported("assigning to a slice of a list with bounds known at run time only", "an array")
    else:
        ev.static(index, "the index into a Python container")
    ev.python(operator.setitem, base, index, value)


def _store(ev: Evaluator, tensor: Value, plan: IndexPlan, value: Operand) -> None:
    if not isinstance(value, (Value, list, tuple, np.generic)) and not is_number(value):
        value = _storable(ev, value)
    builder = ev.builder
    view = _view(ev, tensor, plan)
    if not plan.advanced:
        if plan.is_element and is_tensor(value) and value.tensor.size != 1:
            raise NumpyError(ValueError, "setting an array element with a sequence.")
        builder.store(view, value)
        return
    mask = _leading_mask(plan)
    if mask is not None:
        if mask.depth == view.tensor.rank and is_tensor(value) and value.tensor.rank > 1:
            rank = value.tensor.rank
            message = f"requires a 0 or 1-dimensional input, input has {rank} dimensions"
            raise NumpyError(TypeError, f"NumPy boolean array indexing assignment {message}")
        builder.masked_store(view, mask.index, value)
        return
    if len(plan.advanced) == 1 and plan.advanced[0].is_mask and is_number(value):
        part = plan.advanced[0]
        chosen = range(part.axis, part.axis + part.depth)
        rest = [axis for axis in range(view.tensor.rank) if axis not in chosen]
        builder.masked_store(builder.transpose(view, [*chosen, *rest]), part.index, value)
        return
    indices, axes, shown = _index_arrays(ev, plan)
    _as_index_error(lambda: builder.scatter(view, value, indices, axes, plan.position, shown_axes=shown))


def _storable(ev: Evaluator, value: Operand) -> Operand:
    value = ev.adopt(value)
    if isinstance(value, Value):
        return value
    if isinstance(value, range):
        return list(value)
    if value is None or isinstance(value, str):
        kind = type_name(value)
        raise NumpyError(TypeError, f"float() argument must be a string or a real number, not '{kind}'")
    raise Unsupported(f"storing a {type_name(value)} in an array")


def delete_item(ev: Evaluator, base: Operand, index: Operand) -> None:
    """`del base[index]`."""
    if is_tensor(base):
        raise NumpyError(ValueError, "cannot delete array elements")
    if not isinstance(base, (list, dict)):
        raise NumpyError(TypeError, f"'{type_name(base)}' object doesn't support item deletion")
    ev.check_mutable(base)
    ev.python(operator.delitem, base, ev.static(index, "the index into a Python container"))


# --- updates ------------------------------------------------------------------------------------------------------


def update_item(
    ev: Evaluator,
    base: Operand,
    index: Operand,
    name: str,
    update: Callable[[Operand], Operand],
    value: Callable[[], Operand],
    plain: bool,
) -> None:
    """`base[index] op= value`: the item is read first, then the value is evaluated, then the item is written.

    name: the builder's name of the operator.
    update: the operation on an item that is no tensor, given the old item.
    value: evaluates the right side.
    plain: evaluating the right side writes nothing.
    """  # fmt: skip
    base = ev.adopt(base)
    if not is_tensor(base):
        set_item(ev, base, index, update(get_item(ev, base, index)))
        return
    plan = plan_index(ev, base, index)
    view = _view(ev, base, plan)
    builder = ev.builder
    if plan.is_element:
        old = builder.load(view)
        builder.store(view, builder.binary(name, old, value()))
    elif not plan.advanced:
        builder.inplace(name, view, value())
    else:
        _update_selected(ev, view, plan, name, value, plain)


def _update_selected(
    ev: Evaluator, view: Value, plan: IndexPlan, name: str, value: Callable[[], Operand], plain: bool
) -> None:
    """`x[mask] op= value`, `x[indices] op= value`."""
    builder = ev.builder
    mask = _leading_mask(plan)
    right: Any = None
    if plain:
        right = value()
        if mask is not None and is_number(right) and name != "matmul":
            changed = builder.binary(name, view, right)
            if np.can_cast(changed.tensor.dtype, view.tensor.dtype, "same_kind"):
                builder.check_writeable(view)
                spread = builder.spread_mask(mask.index, view.tensor.shape)
                builder.store_where(view, spread, builder.cast(changed, view.tensor.dtype))
                return
    indices, axes, shown = _index_arrays(ev, plan)
    picked = _as_index_error(lambda: builder.gather(view, indices, axes, plan.position, shown_axes=shown))
    picked = builder.inplace(name, picked, right if plain else value())
    builder.scatter(view, picked, indices, axes, plan.position, shown_axes=shown)
