"""The result of the function: a `return` op for what is dynamic, and the tree that puts the results together."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.growing import result_columns
from pydsl.frontend.request import (
    ReturnArgument,
    ReturnLeaf,
    ReturnMapping,
    ReturnObject,
    ReturnSequence,
    ReturnStatic,
    ReturnTree,
)
from pydsl.frontend.values import (
    BoundMethod,
    ExceptionValue,
    Grown,
    Lazy,
    LocalFunction,
    MaybeUnbound,
    Opaque,
    Operand,
    Poison,
    Text,
    decompose,
    describe,
    is_dynamic,
    list_variable,
)
from pydsl.ir.core import Value
from pydsl.ir.ops.control import RETURN

_NEVER = (LocalFunction, BoundMethod, Lazy, Text, ExceptionValue, Opaque, slice)


@dataclass
class _Leaves:
    operands: list[Value] = field(default_factory=list)


def emit_return(ev: Evaluator, value: Operand) -> None:
    """End the block by returning a value from the function."""
    leaves = _Leaves()
    tree = _tree(ev, value, leaves)
    site = len(ev.builder.function.returns)
    ev.builder.function.returns.append(tree)
    ev.builder.emit(RETURN, leaves.operands, site=site)


def _tree(ev: Evaluator, value: Operand, leaves: _Leaves) -> ReturnTree:
    if isinstance(value, Poison | MaybeUnbound):
        value = ev.use(value, "result")
    if value is None:
        return None
    known = ev.argument_paths.get(id(value))
    if known is not None and known[2] is value:
        return ReturnArgument(known[0], known[1])
    if isinstance(value, Value):
        leaves.operands.append(value)
        writeable = not value.is_tensor or ev.builder.recall(("read-only", value)) is None
        return ReturnLeaf(len(leaves.operands) - 1, writeable)
    if isinstance(value, list) and list_variable(value) in ev.frame.names.values:
        value = ev.grown(value)
    if isinstance(value, Grown):
        make, columns = result_columns(ev, value)
        return ReturnSequence(tuple(_tree(ev, column, leaves) for column in columns), make)
    if isinstance(value, _NEVER):
        raise Unsupported(f"returning a {describe(value)}", "arrays, scalars, and containers of them")
    parts = decompose(value)
    if parts is None or not (is_dynamic(value) or ev.is_owned(value) or _owns_part(ev, value)):
        return ReturnStatic(value)
    items = tuple(_tree(ev, item, leaves) for item in parts.items)
    kind = parts.key[0]
    if kind is dict:
        return ReturnMapping(tuple(zip(parts.key[1], items, strict=True)))
    if issubclass(kind, (tuple, list)):
        return ReturnSequence(items, kind)
    return ReturnObject(kind, tuple(zip(parts.key[1], items, strict=True)))


def _owns_part(ev: Evaluator, value: Operand) -> bool:
    """Whether a static container holds a container that each call must make anew."""
    parts = decompose(value)
    return parts is not None and any(ev.is_owned(item) or _owns_part(ev, item) for item in parts.items)
