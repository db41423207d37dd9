"""`np.add.reduce`, `np.add.at`, `np.add.outer`, `np.add.accumulate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import numpy_api
from pydsl.frontend.builder import Builder
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.index_plan import plan_index
from pydsl.frontend.values import Operand
from pydsl.ir.core import Value
from pydsl.ir.types import ScalarType
from pydsl.library.functions import ufuncs as library

_REDUCTIONS: dict[Any, str] = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_and: "all",
    np.logical_or: "any", np.fmax: "fmax", np.fmin: "fmin", np.bitwise_and: "bitwise_and",
    np.bitwise_or: "bitwise_or", np.bitwise_xor: "bitwise_xor",
}  # fmt: skip
_ACCUMULATIONS: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}


def _strong(builder: Builder, operand: Operand) -> Value:
    """An operand as an array would hold it: Python's numbers in the dtypes of their arrays."""
    value = builder.reducible(operand) if isinstance(operand, (list, tuple)) else builder.as_value(operand)
    if value.is_tensor or not value.scalar.weak:
        return value
    return builder.convert_scalar(value, ScalarType(value.scalar.dtype))


def ufunc_method(ev: Evaluator, ufunc: np.ufunc, name: str) -> Callable[..., Operand]:
    """The handler of a method of a ufunc, called without the builder."""
    builder = ev.builder

    def reduce(
        array: Operand,
        axis: Operand = 0,
        dtype: Any = None,
        out: Operand = None,
        keepdims: bool = False,
        initial: Operand = None,
        where: Operand = True,
    ) -> Operand:
        if ufunc in _REDUCTIONS:
            return builder.reduce(_REDUCTIONS[ufunc], array, axis, keepdims, dtype, out, initial, where)
        if initial is not None or where is not True:
            raise Unsupported(f"`np.{ufunc.__name__}.reduce` with initial or where")
        return builder.call_library(library.reduce, ufunc, array, axis, dtype, out, keepdims)

    def accumulate(array: Operand, axis: Operand = 0, dtype: Any = None, out: Operand = None) -> Operand:
        handler = numpy_api.lookup(_ACCUMULATIONS.get(ufunc))
        if handler is None:
            return builder.call_library(library.accumulate, ufunc, array, axis, dtype, out)
        return handler(builder, array, axis=axis, dtype=dtype, out=out)

    def reduceat(
        array: Operand, indices: Operand, axis: Operand = 0, dtype: Any = None, out: Operand = None
    ) -> Operand:
        return builder.call_library(library.reduceat, ufunc, array, indices, axis, dtype, out)

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
        first, second = _strong(builder, a), _strong(builder, b)
        if first.is_tensor and second.is_tensor:
            axes = range(first.tensor.rank, first.tensor.rank + second.tensor.rank)
            first = builder.expand_dims(first, tuple(axes))
        return builder.ufunc(ufunc, (first, second))

    supported: dict[str, Callable[..., Operand]] = {"at": at, "outer": outer}
    if ufunc.nin == 2 and ufunc.nout == 1:
        supported |= {"reduce": reduce, "accumulate": accumulate, "reduceat": reduceat}
    if name not in supported:
        raise Unsupported(f"`np.{ufunc.__name__}.{name}`")
    return supported[name]
