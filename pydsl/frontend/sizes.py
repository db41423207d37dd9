"""Sizes that had better be known at compile time.

A scalar argument that becomes a shape or a repeat count is worth a specialisation: everything behind it gets constant
shapes. Counts that come from data, and loop variables, stay symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NeedStatic
from pydsl.frontend.origins import roots
from pydsl.frontend.values import Operand
from pydsl.ir.core import Value

_ALL = 99
_SIZES: dict[int | str, tuple[int, int, frozenset[str]]] = {}
"""Of each callable (by identity) or method name: which positional arguments are sizes, and which keywords."""


def _note(first: int, last: int, keywords: str, *callables: Any) -> None:
    for callable_ in callables:
        key = callable_ if isinstance(callable_, str) else id(callable_)
        _SIZES[key] = (first, last, frozenset(keywords.split()))


_note(0, 0, "shape", np.zeros, np.ones, np.empty, np.full)
_note(0, 2, "start stop step", np.arange)
_note(0, 2, "N M k", np.eye, np.identity, np.tri)
_note(2, 2, "num", np.linspace)
_note(1, 1, "reps repeats shape newshape", np.tile, np.repeat, np.broadcast_to, np.reshape, "repeat")
_note(1, _ALL, "shape", "reshape")
_note(1, 1, "shape", np.zeros_like, np.ones_like, np.empty_like, np.full_like)
_note(1, 2, "indices_or_sections pad_width shift n", np.split, np.array_split, np.pad, np.roll)


def require_static_sizes(
    ev: Evaluator, function: Any, args: Sequence[Operand], kwargs: Mapping[str, Operand]
) -> None:
    """Ask for the scalar arguments that are sizes in this call.

    Raises
    ------
    NeedStatic: a size is computed from scalar arguments alone.
    """
    known = _SIZES.get(function if isinstance(function, str) else id(function))
    if known is None:
        return
    first, last, keywords = known
    for value in args[first : last + 1]:
        _require(ev, value)
    for name in keywords & kwargs.keys():
        _require(ev, kwargs[name])


def _require(ev: Evaluator, value: Operand) -> None:
    if isinstance(value, (tuple, list)):
        for item in value:
            _require(ev, item)
    elif isinstance(value, Value) and not value.is_tensor and value.scalar.dtype.kind in "iu":
        found = roots(value, ev.builder.function)
        if not found.leaves or found.opaque or found.loop_variables:
            return
        args = ev.builder.function.body.args
        if any(args[leaf] not in ev.builder.sizes for leaf in found.leaves):
            raise NeedStatic(value, "a size must be known at compile time")
