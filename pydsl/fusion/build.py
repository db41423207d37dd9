"""Tensor IR operations to statements: one function per kind of operation.

Before::

    %t = add(%a, %b) : float32[N, 4]

After::

    for (i, j) in [N, 4]: @t[16*i + 4*j] = add(load @a[...], load @b[...])

Views, allocations and constant arrays make no statement: their meaning is in the types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pydsl.errors import InternalCompilerError
from pydsl.fusion.state import INT64, LoweringState
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind
from pydsl.ir.affine import Affine
from pydsl.ir.core import Op, Value
from pydsl.ir.record import Kind
from pydsl.ir.types import TensorType
from pydsl.loops.ir import Apply, Const, Expr, Index, Read, Var

BOOL = np.dtype(np.bool_)


def build(op: Op, state: LoweringState) -> list[Statement]:
    """The statements of one operation (not a control-flow one)."""
    maker = _BY_NAME.get(op.name) or _BY_KIND.get(op.record.kind)
    if maker is None:
        raise InternalCompilerError(f"no lowering for {op.name}")
    return maker(op, state)


def space(
    dims: Sequence[Affine], state: LoweringState, name: str = "i"
) -> tuple[tuple[Var, ...], tuple[Affine, ...]]:
    """Fresh index variables for a shape, and the extents over variables."""
    extents = tuple(map(state.affine, dims))
    variables = tuple(
        Var(f"{name}{k}", INT64, (0, extent.value - 1 if extent.is_const else None))
        for k, extent in enumerate(extents)
    )
    return variables, extents


def indices(variables: Sequence[Var], extents: Sequence[Affine]) -> tuple[Affine, ...]:
    """The variables as index expressions; a dimension of one element has index 0."""
    return tuple(
        Affine.of(0) if extent.is_const and extent.value == 1 else Affine.of(var)
        for var, extent in zip(variables, extents, strict=True)
    )


def element(value: Value, index: tuple[Affine, ...], state: LoweringState) -> Expr:
    """A tensor operand's element, or a scalar operand."""
    if isinstance(value.type, TensorType):
        return state.load(value.type, index)
    return state.scalar(value)


def _none(op: Op, state: LoweringState) -> list[Statement]:
    return []


def _elementwise(op: Op, state: LoweringState) -> list[Statement]:
    result = op.result
    if not isinstance(result.type, TensorType):
        args = tuple(state.scalar(v) for v in op.operands)
        return [_bind(op, result, _apply(op, args, result.scalar.dtype), state)]
    variables, extents = space(result.type.shape, state)
    index = indices(variables, extents)
    args = tuple(element(v, index, state) for v in op.operands)
    return [_write(op, result.type, variables, extents, _apply(op, args, result.type.dtype), state)]


def _apply(op: Op, args: tuple[Expr, ...], dtype: np.dtype) -> Expr:
    if op.name == "copy" or (op.name == "cast" and args[0].dtype == dtype):
        return args[0]
    if op.name == "cast" and isinstance(args[0], Const):
        with np.errstate(all="ignore"):
            return Const(np.asarray(args[0].value, args[0].dtype).astype(dtype).item(), dtype)
    return Apply(op.name, args, dtype)


def _bind(op: Op, value: Value, expr: Expr, state: LoweringState) -> Statement:
    var = state.bind(value)
    return Statement(StatementKind.SCALAR, scalar=var, value=expr, op=op)


def _write(
    op: Op,
    dst: TensorType,
    variables: tuple[Var, ...],
    extents: tuple[Affine, ...],
    value: Expr,
    state: LoweringState,
) -> Statement:
    return Statement(
        StatementKind.MAP,
        variables,
        extents,
        buffer=state.buffer(dst.storage),
        address=state.address(dst, indices(variables, extents)),
        dtype=dst.dtype,
        value=value,
        op=op,
    )


def _iota(op: Op, state: LoweringState) -> list[Statement]:
    type_ = op.result.tensor
    variables, extents = space(type_.shape, state)
    return [_write(op, type_, variables, extents, Index(indices(variables, extents)[0]), state)]


def _store(op: Op, state: LoweringState) -> list[Statement]:
    dst, value = op.operands[0].tensor, op.operands[1]
    variables, extents = space(dst.shape, state)
    return [_write(op, dst, variables, extents, element(value, indices(variables, extents), state), state)]


def _masked_store(op: Op, state: LoweringState) -> list[Statement]:
    dst = op.operands[0].tensor
    variables, extents = space(dst.shape, state)
    index = indices(variables, extents)
    statement = _write(op, dst, variables, extents, element(op.operands[2], index, state), state)
    statement.predicate = element(op.operands[1], index, state)
    return [statement]


def _wrapped(index: Expr, extent: Affine) -> Expr:
    """An index with negative values counted from the end (bounds were checked before)."""
    wide = index if index.dtype == INT64 else Apply("cast", (index,), INT64)
    if index.dtype.kind in "ub":
        return wide
    if isinstance(wide, Const) and wide.value >= 0:
        return wide
    if isinstance(wide, Read) and (wide.var.bounds[0] or -1) >= 0:
        return wide
    negative = Apply("less", (wide, Const(0, INT64)), BOOL)
    return Apply("select", (negative, Apply("add", (wide, Index(extent)), INT64), wide), INT64)


def _indexed(
    src: TensorType, operands: Sequence[Value], op: Op, state: LoweringState
) -> tuple[tuple[Var, ...], tuple[Affine, ...], Affine, tuple[tuple[Expr, int], ...]]:
    """Space, base address and index terms that gather and scatter share."""
    axes: tuple[int, ...] = op.attrs["axes"]
    position: int = op.attrs["position"]
    block = next((v.tensor.shape for v in operands if v.is_tensor), ())
    kept = [k for k in range(src.rank) if k not in axes]
    dims = [src.shape[k] for k in kept]
    dims[position:position] = block
    variables, extents = space(dims, state)
    index = indices(variables, extents)
    inside = index[position : position + len(block)]
    outside = index[:position] + index[position + len(block) :]
    base = [Affine.of(0)] * src.rank
    for k, i in zip(kept, outside, strict=True):
        base[k] = i
    terms: list[tuple[Expr, int]] = []
    for axis, value in zip(axes, operands, strict=True):
        wrapped = _wrapped(element(value, inside, state), state.affine(src.shape[axis]))
        stride = src.strides[axis]
        if stride.is_const:
            terms.append((wrapped, stride.value))
        else:
            terms.append((Apply("multiply", (wrapped, Index(state.affine(stride))), INT64), 1))
    return variables, extents, state.address(src, tuple(base)), tuple(terms)


def _gather(op: Op, state: LoweringState) -> list[Statement]:
    src = op.operands[0].tensor
    variables, extents, base, terms = _indexed(src, op.operands[1:], op, state)
    value = IndexedLoad(state.buffer(src.storage), base, terms, src.dtype)
    return [_write(op, op.result.tensor, variables, extents, value, state)]


def _scatter(op: Op, state: LoweringState) -> list[Statement]:
    dst = op.operands[0].tensor
    variables, extents, base, terms = _indexed(dst, op.operands[2:], op, state)
    buffer = state.buffer(dst.storage)
    value = element(op.operands[1], indices(variables, extents), state)
    accumulate = op.attrs.get("accumulate")
    if accumulate:
        value = Apply(accumulate, (IndexedLoad(buffer, base, terms, dst.dtype), value), dst.dtype)
    return [
        Statement(
            StatementKind.SCATTER,
            variables,
            extents,
            buffer=buffer,
            address=base,
            dtype=dst.dtype,
            terms=terms,
            value=value,
            op=op,
        )
    ]


def _reduce(op: Op, state: LoweringState) -> list[Statement]:
    source, result = op.operands[0].tensor, op.result.tensor
    axes: tuple[int, ...] = op.attrs["axes"]
    variables, extents = space(result.shape, state)
    reduced, reduced_extents = space([source.shape[a] for a in axes], state, "r")
    inner = dict(zip(axes, indices(reduced, reduced_extents), strict=True))
    outer = iter(indices(variables, extents))
    index = tuple(inner[k] if k in inner else next(outer) for k in range(source.rank))
    statement = _write(op, result, variables, extents, state.load(source, index), state)
    statement.kind = StatementKind.REDUCE
    statement.reduction = op.attrs["kind"]
    statement.reduce_vars, statement.reduce_extents = reduced, reduced_extents
    statement.name = op.attrs["kind"]
    return [statement]


def _contract(op: Op, state: LoweringState) -> list[Statement]:
    a, b = op.operands
    labels_a, labels_b, out = (tuple(op.attrs[k]) for k in ("a", "b", "out"))
    dims = dict(zip(labels_a, a.tensor.shape, strict=True)) | dict(zip(labels_b, b.tensor.shape, strict=True))
    summed = tuple(dict.fromkeys(label for label in (*labels_a, *labels_b) if label not in out))
    result = op.result.tensor
    variables, extents = space(result.shape, state)
    reduced, reduced_extents = space([dims[label] for label in summed], state, "k")
    position = dict(zip(out, indices(variables, extents), strict=True)) | dict(
        zip(summed, indices(reduced, reduced_extents), strict=True)
    )
    value = Apply(
        "multiply",
        (
            state.load(a.tensor, tuple(position[label] for label in labels_a)),
            state.load(b.tensor, tuple(position[label] for label in labels_b)),
        ),
        result.dtype,
    )
    statement = _write(op, result, variables, extents, value, state)
    statement.kind = StatementKind.CONTRACT
    statement.reduction = "sum"
    statement.reduce_vars, statement.reduce_extents = reduced, reduced_extents
    return [statement]


def copy_statement(src: TensorType, dst: TensorType, state: LoweringState) -> Statement:
    """``dst[i] = src[i]`` over one shape."""
    variables, extents = space(dst.shape, state)
    index = indices(variables, extents)
    return Statement(
        StatementKind.MAP,
        variables,
        extents,
        buffer=state.buffer(dst.storage),
        address=state.address(dst, index),
        dtype=dst.dtype,
        value=state.load(src, index),
        name="copy out",
    )


def _load(op: Op, state: LoweringState) -> list[Statement]:
    return [_bind(op, op.result, state.load(op.operands[0].tensor, ()), state)]


def _constant(op: Op, state: LoweringState) -> list[Statement]:
    state.scalars[op.result] = Const(op.attrs["value"], op.result.scalar.dtype)
    return []


def _index(op: Op, state: LoweringState) -> list[Statement]:
    state.scalars[op.result] = Index(state.affine(op.attrs["expr"]))
    return []


def _check(op: Op, state: LoweringState) -> list[Statement]:
    payload = tuple(state.scalar(v) for v in op.operands[1:])
    error = state.error(op.attrs["error"], op.attrs["message"], op, tuple(e.dtype for e in payload))
    condition = state.scalar(op.operands[0])
    return [Statement(StatementKind.CHECK, value=condition, error=error, payload=payload, op=op)]


def _check_bounds(op: Op, state: LoweringState) -> list[Statement]:
    operand = op.operands[0]
    size = state.affine(op.attrs["size"])
    dims = operand.tensor.shape if operand.is_tensor else ()
    variables, extents = space(dims, state)
    index = element(operand, indices(variables, extents), state)
    wide: Expr = index if index.dtype == INT64 else Apply("cast", (index,), INT64)
    below = Apply("less", (wide, Index(size)), BOOL)
    above = Apply("greater_equal", (wide, Index(-size)), BOOL)
    if size.is_const:
        message = f"index {{0}} is out of bounds for axis {op.attrs['axis']} with size {size.value}"
        payload: tuple[Expr, ...] = (wide,)
    else:
        message = f"index {{0}} is out of bounds for axis {op.attrs['axis']} with size {{1}}"
        payload = (wide, Index(size))
    error = state.error(IndexError, message, op, tuple(e.dtype for e in payload))
    condition = Apply("logical_and", (below, above), BOOL)
    return [
        Statement(
            StatementKind.CHECK, variables, extents, value=condition, error=error, payload=payload, op=op
        )
    ]


_BY_KIND: dict[Kind, Callable[[Op, LoweringState], list[Statement]]] = {
    Kind.ELEMENTWISE: _elementwise,
    Kind.VIEW: _none,
    Kind.ALLOC: _none,
    Kind.GENERATOR: _iota,
    Kind.GATHER: _gather,
}
_BY_NAME: dict[str, Callable[[Op, LoweringState], list[Statement]]] = {
    "store": _store,
    "masked_store": _masked_store,
    "scatter": _scatter,
    "reduce": _reduce,
    "contract": _contract,
    "load": _load,
    "constant": _constant,
    "index": _index,
    "check": _check,
    "check_bounds": _check_bounds,
}
