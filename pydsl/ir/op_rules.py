"""What the types of an operation's operands and results must be, for the verifier.

One rule for each kind of operation; a rule yields sentences about what is wrong. Index expressions are only called
different where they differ by a constant: two symbols may always have the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.ir.core import Op, Value
from pydsl.ir.ops.compute import REDUCTIONS
from pydsl.ir.record import Kind
from pydsl.ir.types import DType, Origin, ScalarType, TensorType

__all__ = ["differ", "shapes_differ", "type_problems"]

Problems = Iterator[str]


def differ(a: Affine, b: Affine) -> bool:
    """Whether two index expressions certainly have different values."""
    if a is b:
        return False
    rest = a - b
    return rest.is_const and rest.value != 0


def shapes_differ(a: Sequence[Affine], b: Sequence[Affine]) -> bool:
    """Whether two shapes certainly differ."""
    return len(a) != len(b) or any(differ(x, y) for x, y in zip(a, b, strict=True))


def type_problems(op: Op) -> Problems:
    """Everything that is wrong with the types and attributes of one operation other than control flow."""
    record = op.record
    missing = [name for name in record.attrs if name not in op.attrs]
    if missing:
        yield f"attributes {', '.join(missing)} are missing"
        return
    wanted = _OPERANDS.get(op.name)
    if wanted is not None and not wanted[0] <= len(op.operands) <= wanted[1]:
        yield f"{len(op.operands)} operands"
        return
    if record.kind in _ONE_RESULT and len(op.results) != 1:
        yield f"{len(op.results)} results"
        return
    rule = _BY_NAME.get(op.name) or _BY_KIND.get(record.kind)
    if rule is not None:
        yield from rule(op)
    for index in record.written(op):
        yield from _writeable(op.operands[index], bool(op.attrs.get("accumulate")))


def _writeable(value: Value, anywhere: bool) -> Problems:
    """anywhere: an accumulating store, which NumPy (``ufunc.at``) does into read-only memory as well."""
    if not value.is_tensor:
        yield f"{value!r} is written but is no tensor"
    elif (
        not anywhere and not value.tensor.storage.writeable and value.tensor.storage.origin is not Origin.PHI
    ):
        yield f"{value!r} is written but its storage is read-only"


# --- elementwise ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _loop_problem(ufunc: np.ufunc, operands: tuple[DType, ...], result: DType) -> str:
    """What is wrong with the dtypes of a ufunc; empty where nothing is."""
    try:
        loop = ufunc.resolve_dtypes((*operands, *(None,) * ufunc.nout))
    except TypeError as error:
        return str(error)
    if loop != (*operands, result):
        return f"the loop of these operands is {', '.join(d.name for d in loop)}"
    return ""


def _elementwise(op: Op) -> Problems:
    result = op.result.type
    for operand in op.operands:
        if isinstance(operand.type, TensorType) and (
            not isinstance(result, TensorType) or shapes_differ(operand.type.shape, result.shape)
        ):
            yield f"the shapes of {operand!r} and the result differ"
    dtypes = tuple(operand.type.dtype for operand in op.operands)
    if op.record.ufunc is not None:
        if len(dtypes) != op.record.ufunc.nin:
            yield f"{len(dtypes)} operands"
            return
        problem = _loop_problem(op.record.ufunc, dtypes, result.dtype)
        if problem:
            yield problem
    elif op.name == "select":
        if dtypes[0] != np.bool_:
            yield f"the condition is {dtypes[0]}"
        if dtypes[1:] != (result.dtype, result.dtype):
            yield "the dtypes of the choices and of the result differ"
    elif op.name == "copy" and dtypes[0] != result.dtype:
        yield "the dtypes of the operand and the result differ"


def _iota(op: Op) -> Problems:
    type_ = op.result.type
    if not isinstance(type_, TensorType) or type_.rank != 1 or type_.dtype != np.int64:
        yield "the result is no one-dimensional int64 tensor"


# --- reductions and contractions ------------------------------------------------------------------------------------


def _reduce(op: Op) -> Problems:
    kind, axes = op.attrs["kind"], op.attrs["axes"]
    operand, result = op.operands[0].type, op.result.type
    if kind not in REDUCTIONS:
        yield f"there is no reduction {kind!r}"
        return
    if not isinstance(operand, TensorType) or not isinstance(result, TensorType):
        yield "the operand and the result must be tensors"
        return
    if list(axes) != sorted({axis for axis in axes if 0 <= axis < operand.rank}):
        yield f"axes {axes} of {operand.rank}"
        return
    if shapes_differ([d for k, d in enumerate(operand.shape) if k not in axes], result.shape):
        yield "the shape of the result is not that of the other axes"
    if kind in ("argmax", "argmin"):
        if result.dtype != np.int64 or len(axes) != 1:
            yield f"{kind} gives int64 over one axis"
    elif kind not in ("any", "all") and operand.dtype != result.dtype:
        yield f"the accumulator is {result.dtype}, the operand {operand.dtype}"


def _contract(op: Op) -> Problems:
    types = [operand.type for operand in (*op.operands, op.result)]
    labels = [op.attrs["a"], op.attrs["b"], op.attrs["out"]]
    if len({type_.dtype for type_ in types}) != 1:
        yield "the dtypes differ"
    dims: dict[Any, Affine] = {}
    for type_, names in zip(types, labels, strict=True):
        if not isinstance(type_, TensorType) or len(names) != type_.rank or len(set(names)) != len(names):
            yield f"labels {names} for {type_}"
            return
        for name, dim in zip(names, type_.shape, strict=True):
            if differ(dims.setdefault(name, dim), dim):
                yield f"label {name} is {dims[name]} and {dim}"
    if not set(labels[2]) <= set(labels[0]) | set(labels[1]):
        yield "a label of the result is none of the operands'"


# --- memory ---------------------------------------------------------------------------------------------------------


def _alloc(op: Op) -> Problems:
    if not op.result.is_tensor:
        yield "the result is no tensor"


def _constant_array(op: Op) -> Problems:
    storage = op.result.tensor.storage
    if storage.origin not in (Origin.CONST, Origin.GLOBAL) or storage.data is None:
        yield f"{storage!r} holds no constant"


def _view(op: Op) -> Problems:
    if not op.operands[0].is_tensor or not op.result.is_tensor:
        yield "the operand and the result must be tensors"
    elif op.result.tensor.storage is not op.operands[0].tensor.storage:
        yield "the result is in another storage than the operand"


def _store(op: Op) -> Problems:
    dst = op.operands[0].type
    if not isinstance(dst, TensorType):
        return
    if op.name == "masked_store":
        mask = op.operands[1].type
        if not isinstance(mask, TensorType) or mask.dtype != np.bool_ or shapes_differ(mask.shape, dst.shape):
            yield f"the mask is {mask}"
    value = op.operands[-1].type
    if value.dtype != dst.dtype:
        yield f"{value.dtype} is stored into {dst.dtype}"
    if isinstance(value, TensorType) and shapes_differ(value.shape, dst.shape):
        yield "the shapes of the value and the destination differ"


def _indexed(op: Op) -> Problems:
    """gather and scatter: the array, the value or result, and the indices."""
    scatter = op.name == "scatter"
    array = op.operands[0].type
    value = (op.operands[1] if scatter else op.result).type
    indices = [operand.type for operand in op.operands[2 if scatter else 1 :]]
    axes, position = op.attrs["axes"], op.attrs["position"]
    if not isinstance(array, TensorType) or len(axes) != len(indices) or not indices:
        yield f"{len(indices)} indices for axes {axes}"
        return
    if len(set(axes)) != len(axes) or not all(0 <= axis < array.rank for axis in axes):
        yield f"axes {axes} of {array.rank}"
        return
    shapes = [index.shape if isinstance(index, TensorType) else () for index in indices]
    if any(shapes_differ(shapes[0], shape) for shape in shapes[1:]):
        yield "the shapes of the indices differ"
    if any(index.dtype.kind not in "iu" for index in indices):
        yield "an index is no integer"
    if value.dtype != array.dtype:
        yield f"{value.dtype} for an array of {array.dtype}"
    rest = [dim for axis, dim in enumerate(array.shape) if axis not in axes]
    if not 0 <= position <= len(rest):
        yield f"position {position} among {len(rest)} axes"
    elif isinstance(value, TensorType):
        if shapes_differ([*rest[:position], *shapes[0], *rest[position:]], value.shape):
            yield "the shape of the value is not that of the indexed array"


def _load(op: Op) -> Problems:
    source, result = op.operands[0].type, op.result.type
    if not isinstance(source, TensorType) or source.rank:
        yield "the operand is no 0-d tensor"
    if not isinstance(result, ScalarType) or result.dtype != source.dtype:
        yield "the result is no scalar of that dtype"


# --- scalars and checks ---------------------------------------------------------------------------------------------


def _scalar_result(op: Op) -> Problems:
    if not isinstance(op.result.type, ScalarType):
        yield "the result is no scalar"
    elif op.name == "index" and op.result.type.dtype != np.int64:
        yield "an index expression is int64"


def _check(op: Op) -> Problems:
    condition = op.operands[0].type
    if not isinstance(condition, ScalarType) or condition.dtype != np.bool_:
        yield "the condition is no bool scalar"
    yield from error_problems(op)


def error_problems(op: Op) -> Problems:
    """The attributes of an operation that raises."""
    error, message = op.attrs.get("error"), op.attrs.get("message")
    if not (isinstance(error, type) and issubclass(error, BaseException)) or not isinstance(message, str):
        yield f"it raises {error!r} with {message!r}"


def _check_bounds(op: Op) -> Problems:
    if op.operands[0].type.dtype.kind not in "iu":
        yield "the index is no integer"


def _call(op: Op) -> Problems:
    site = op.attrs["site"]
    if op.results:
        yield "it has results"
    if any(not operand.is_tensor for operand in op.operands):
        yield "an operand is no tensor"
    elif not 0 <= site.n_inputs <= len(op.operands) or any(k >= len(op.operands) for k in site.written):
        yield f"{len(op.operands)} operands"


_ONE_RESULT = {
    *(Kind.ELEMENTWISE, Kind.GENERATOR, Kind.REDUCTION, Kind.CONTRACTION),
    *(Kind.GATHER, Kind.ALLOC, Kind.VIEW, Kind.SCALAR),
}

#: least and greatest number of operands, where the record's ufunc does not say.
_OPERANDS: dict[str, tuple[int, int]] = {
    "cast": (1, 1),
    "copy": (1, 1),
    "select": (3, 3),
    "iota": (0, 0),
    "reduce": (1, 1),
    "contract": (2, 2),
    "alloc": (0, 0),
    "constant_array": (0, 0),
    "view": (1, 1),
    "store": (2, 2),
    "masked_store": (3, 3),
    "gather": (2, 1 << 30),
    "scatter": (3, 1 << 30),
    "load": (1, 1),
    "constant": (0, 0),
    "index": (0, 0),
    "check": (1, 1 << 30),
    "check_bounds": (1, 1),
}

_BY_KIND: dict[Kind, Callable[[Op], Problems]] = {Kind.ELEMENTWISE: _elementwise, Kind.SCALAR: _scalar_result}

_BY_NAME: dict[str, Callable[[Op], Problems]] = {
    "iota": _iota,
    "reduce": _reduce,
    "contract": _contract,
    "alloc": _alloc,
    "constant_array": _constant_array,
    "view": _view,
    "store": _store,
    "masked_store": _store,
    "gather": _indexed,
    "scatter": _indexed,
    "load": _load,
    "check": _check,
    "check_bounds": _check_bounds,
    "call": _call,
}
