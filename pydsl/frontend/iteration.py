"""Iterables: what can be gone through at compile time, and what only by a loop of the IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.growing import through
from pydsl.frontend.indexing import get_item
from pydsl.frontend.operators import type_name
from pydsl.frontend.values import Grown, Lazy, Operand
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

MAX_ITEMS = 10_000

_STATIC = (list, tuple, dict, set, frozenset, str, range)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def rows(ev: Evaluator, tensor: Value) -> Lazy:
    """A tensor, gone through along its first axis."""
    if not tensor.is_tensor:
        raise NumpyError(TypeError, f"'{type_name(tensor)}' object is not iterable")
    if not tensor.tensor.rank:
        raise NumpyError(TypeError, "iteration over a 0-d array")
    length = ev.builder.scalar_from_affine(tensor.tensor.shape[0])
    return Lazy(length, lambda index: get_item(ev, tensor, index))


def iterable(ev: Evaluator, value: Operand) -> Sequence[Operand] | Lazy:
    """The value as something to go through: items, or a :class:`Lazy`.

    Raises
    ------
    NumpyError: TypeError, for what cannot be gone through.
    """
    if isinstance(value, Lazy):
        return value
    if isinstance(value, Grown):
        return through(ev, value)
    if isinstance(value, Value):
        return rows(ev, value)
    if isinstance(value, range):
        return value
    if isinstance(value, list):
        return value  # not a copy: a loop sees what its body appends
    if isinstance(value, (*_STATIC, *_VIEWS)):
        return [ev.adopt(item) for item in value]  # type: ignore[attr-defined]
    if isinstance(value, np.ndindex) or type(value).__module__ == "itertools":
        return [ev.adopt(item) for item in value]
    if hasattr(type(value), "__next__"):
        raise Unsupported(f"going through a {type_name(value)}", "a list or tuple")
    if hasattr(type(value), "__iter__"):
        return list(ev.python(list, value))
    raise NumpyError(TypeError, f"'{type_name(value)}' object is not iterable")


def all_items(ev: Evaluator, value: Operand, what: str = "the number of items") -> list[Operand]:
    """All items, at compile time."""
    items = iterable(ev, value)
    if not isinstance(items, Lazy):
        if len(items) > MAX_ITEMS:
            raise Unsupported(f"going through {len(items)} items at compile time", "an array")
        return [ev.adopt(item) for item in items]
    length = items.length
    if isinstance(length, Value):
        raise NeedStatic(length, f"{what} must be known at compile time")
    if length > MAX_ITEMS:
        raise Unsupported(f"going through {length} items at compile time", "an array operation")
    return [items.item(index) for index in range(length)]


def make_range(ev: Evaluator, args: Sequence[Operand]) -> range | Lazy:
    """`range(...)`."""
    if not 1 <= len(args) <= 3:
        raise NumpyError(TypeError, f"range expected at least 1 argument, got {len(args)}")
    if not any(isinstance(a, Value) for a in args):
        return ev.python(range, *args)
    builder = ev.builder
    start, stop, step = (
        (0, args[0], 1) if len(args) == 1 else (args[0], args[1], args[2] if len(args) == 3 else 1)
    )
    first, last = builder.as_affine(start), builder.as_affine(stop)
    if isinstance(step, Value):
        return _stepped_range(ev, first, last, builder.as_affine(step))
    if not step:
        raise NumpyError(ValueError, "range() arg 3 must not be zero")
    step = int(step)
    zero = builder.as_affine(0)
    span = last - first if step > 0 else first - last
    size = abs(step)
    turns = span if size == 1 else builder.floordiv_index(span + (size - 1), builder.as_affine(size))
    length = builder.scalar_from_affine(builder.max_index(turns, zero))

    def item(index: Operand) -> Operand:
        return builder.scalar_from_affine(first + builder.as_affine(index) * step)

    return Lazy(length, item, (builder.scalar_from_affine(first), builder.scalar_from_affine(last), step))


def _stepped_range(ev: Evaluator, start: Affine, stop: Affine, step: Affine) -> Lazy:
    """A range whose step is known at run time only: a loop over the number of the turn."""
    builder = ev.builder
    nonzero = builder.compare_index("ne", step, Affine.of(0))
    builder.check(nonzero, ValueError, "range() arg 3 must not be zero")
    turns = builder.floordiv_index(start - stop, step) * -1  # rounds up, whatever the sign of the step
    length = builder.scalar_from_affine(builder.max_index(turns, Affine.of(0)))

    def item(index: Operand) -> Operand:
        return builder.scalar_from_affine(start + builder.mul_index(builder.as_affine(index), step))

    return Lazy(length, item)


# --- enumerate, zip, reversed -------------------------------------------------------------------------------------


def enumerated(ev: Evaluator, value: Operand, start: Operand = 0) -> Operand:
    """`enumerate`."""
    items = iterable(ev, value)
    if isinstance(items, Lazy):

        def pair(index: Operand) -> Operand:
            return (_sum(ev, start, index), items.item(index))

        return Lazy(items.length, pair)
    return [(_sum(ev, start, index), item) for index, item in enumerate(items)]


def _sum(ev: Evaluator, a: Operand, b: Operand) -> Operand:
    if not isinstance(a, Value) and not isinstance(b, Value):
        return a + b
    return ev.builder.binary("add", a, b)


def zipped(ev: Evaluator, values: Sequence[Operand], strict: bool) -> Operand:
    """`zip`."""
    sources = [iterable(ev, value) for value in values]
    if not any(isinstance(source, Lazy) for source in sources):
        items = [all_items(ev, source) for source in sources]
        return ev.python(lambda: list(zip(*items, strict=strict)))
    length = _shortest(ev, sources, strict)
    getters = [_getter(ev, source) for source in sources]
    return Lazy(length, lambda index: tuple(get(index) for get in getters))


def _shortest(ev: Evaluator, sources: Sequence[Any], strict: bool) -> Operand:
    builder = ev.builder
    lengths = [builder.as_affine(s.length if isinstance(s, Lazy) else len(s)) for s in sources]
    total = lengths[0]
    for number, length in enumerate(lengths[1:], 2):
        if strict:
            equal = builder.compare_index("eq", total, length)
            builder.check(
                equal, ValueError, f"zip() argument {number} does not have the length of the others"
            )
        total = builder.min_index(total, length)
    return builder.scalar_from_affine(total)


def _getter(ev: Evaluator, source: Any) -> Callable[[Operand], Operand]:
    if isinstance(source, Lazy):
        return source.item

    def get(index: Operand) -> Operand:
        if isinstance(index, Value):
            raise NeedStatic(index, "the index into a Python sequence must be known at compile time")
        return ev.adopt(source[index])

    return get


def reversed_(ev: Evaluator, value: Operand) -> Operand:
    """`reversed`."""
    items = iterable(ev, value)
    if not isinstance(items, Lazy):
        return items[::-1] if isinstance(items, range) else list(items)[::-1]
    builder = ev.builder
    last = builder.as_affine(items.length) - 1

    def item(index: Operand) -> Operand:
        return items.item(builder.scalar_from_affine(last - builder.as_affine(index)))

    if items.range is None:
        return Lazy(items.length, item)
    start, _, step = items.range
    first = builder.as_affine(start)
    bounds = (
        builder.scalar_from_affine(first + last * step),
        builder.scalar_from_affine(first - step),
        -step,
    )
    return Lazy(items.length, item, bounds)
