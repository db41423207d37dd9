"""`np.add.reduce`, `np.add.at`, `np.add.outer`, `np.add.accumulate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import numpy_api
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.index_plan import plan_index
from pydsl.frontend.values import Operand
from pydsl.ir.core import Value

_REDUCTIONS: dict[Any, str] = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_and: "all",
    np.logical_or: "any", np.fmax: "fmax", np.fmin: "fmin", np.bitwise_and: "bitwise_and",
    np.bitwise_or: "bitwise_or", np.bitwise_xor: "bitwise_xor",
}  # fmt: skip
_ACCUMULATIONS: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}


def ufunc_method(ev: Evaluator, ufunc: np.ufunc, name: str) -> Callable[..., Operand]:
    """The handler of a method of a ufunc, called without the builder."""
    builder = ev.builder

    def reduce(
        array: Operand, axis: Operand = 0, dtype: Any = None, out: Operand = None, keepdims: bool = False
    ) -> Operand:
        return builder.reduce(_REDUCTIONS[ufunc], array, axis, keepdims, dtype, out)

    def accumulate(array: Operand, axis: Operand = 0, dtype: Any = None, out: Operand = None) -> Operand:
        handler = numpy_api.lookup(_ACCUMULATIONS[ufunc])
        if handler is None:
            raise Unsupported(f"`np.{ufunc.__name__}.accumulate`")
        return handler(builder, array, axis=axis, dtype=dtype, out=out)

    def at(a: Value, indices: Operand, b: Operand = None) -> None:
        plan = plan_index(ev, a, indices)
        view = a if plan.is_whole else builder.basic_index(a, plan.entries)
        if not plan.advanced:
            builder.inplace(ufunc, view, b)
            return
        arrays: list[Operand] = []
        axes: list[int] = []
        for part in plan.advanced:
            arrays += builder.mask_to_index(part.index) if part.is_mask else [part.index]
            axes += range(part.axis, part.axis + part.depth)
        builder.scatter(view, b, arrays, tuple(axes), plan.position, ufunc)

    def outer(a: Operand, b: Operand) -> Operand:
        first, second = builder.as_value(a), builder.as_value(b)
        if first.is_tensor and second.is_tensor:
            axes = range(first.tensor.rank, first.tensor.rank + second.tensor.rank)
            first = builder.expand_dims(first, tuple(axes))
        return builder.ufunc(ufunc, (first, second))

    supported: dict[str, Callable[..., Operand]] = {"at": at, "outer": outer}
    if ufunc in _REDUCTIONS:
        supported["reduce"] = reduce
    if ufunc in _ACCUMULATIONS:
        supported["accumulate"] = accumulate
    if name not in supported:
        raise Unsupported(f"`np.{ufunc.__name__}.{name}`")
    return supported[name]
