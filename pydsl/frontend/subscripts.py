"""Subscripts of everything: lists that grow at run time here, the rest in :mod:`indexing`."""

from __future__ import annotations

from collections.abc import Callable

from pydsl.frontend import growing, indexing
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.values import Grown, Operand


def get_item(ev: Evaluator, base: Operand, index: Operand) -> Operand:
    """`base[index]`."""
    if isinstance(base, Grown):
        return growing.get_item(ev, base, index)
    return indexing.get_item(ev, base, growing.as_array(ev, index))


def set_item(ev: Evaluator, base: Operand, index: Operand, value: Operand) -> None:
    """`base[index] = value`."""
    if type(base) is list and not isinstance(index, slice) and ev.grows(base):
        base = ev.grown(base)
    if isinstance(base, Grown):
        growing.set_item(ev, base, index, value)
    else:
        indexing.set_item(ev, base, growing.as_array(ev, index), growing.as_array(ev, value))


def update_item(
    ev: Evaluator,
    base: Operand,
    index: Operand,
    name: str,
    update: Callable[[Operand], Operand],
    value: Callable[[], Operand],
    plain: bool,
) -> None:
    """`base[index] op= value`; see :func:`indexing.update_item`."""
    if isinstance(base, Grown) or (type(base) is list and not isinstance(index, slice) and ev.grows(base)):
        set_item(ev, base, index, update(get_item(ev, base, index)))
    else:
        indexing.update_item(ev, base, growing.as_array(ev, index), name, update, value, plain)
