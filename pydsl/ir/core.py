"""The tensor IR: SSA values, operations, blocks and functions with structured control flow.

An :class:`Op` is an instance of an :class:`~pydsl.ir.record.OpRecord`; everything general that is known about an
operation (effects, result rule, reference evaluation, text form) stands in its record, never here and never in a pass.

Control flow is structured. A block ends in a terminator: ``yield`` (to the enclosing op), ``break`` / ``continue``
(to the enclosing loop, from any depth of ``if``), ``return`` or ``raise``. Loop-carried values are block arguments.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydsl.errors import SourceLocation
from pydsl.ir.types import ScalarType, Storage, TensorType, Type

if TYPE_CHECKING:
    from pydsl.ir.record import OpRecord

_ids = itertools.count()


class Value:
    """An SSA value. Compared by identity; integer scalars serve as symbols of index expressions.

    Parameters
    ----------
    type: scalar or tensor reference.
    hint: the user's variable name, for printing.
    bounds: inclusive integer range (either end None), for scalars whose range is known (loop variables, counts).
    """

    __slots__ = ("bounds", "hint", "id", "owner", "type")

    def __init__(
        self, type: Type, hint: str = "", bounds: tuple[int | None, int | None] = (None, None)
    ) -> None:
        self.type = type
        self.hint = hint
        self.bounds = bounds
        self.owner: Op | Block | None = None
        self.id = next(_ids)

    @property
    def tensor(self) -> TensorType:
        assert isinstance(self.type, TensorType)
        return self.type

    @property
    def is_tensor(self) -> bool:
        return isinstance(self.type, TensorType)

    @property
    def scalar(self) -> ScalarType:
        assert isinstance(self.type, ScalarType)
        return self.type

    def __repr__(self) -> str:
        return f"%{self.hint or ''}{self.id}"


@dataclass(eq=False)
class Op:
    """One operation. ``attrs`` hold only constants; ``regions`` hold blocks of structured ops."""

    record: OpRecord
    operands: list[Value]
    results: list[Value]
    attrs: dict[str, Any] = field(default_factory=dict)
    regions: list[Block] = field(default_factory=list)
    loc: SourceLocation | None = None

    def __post_init__(self) -> None:
        for result in self.results:
            result.owner = self
        for region in self.regions:
            region.parent = self

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def result(self) -> Value:
        (value,) = self.results
        return value

    def __repr__(self) -> str:
        results = ", ".join(map(repr, self.results))
        return f"{results} = {self.name}({', '.join(map(repr, self.operands))})"


@dataclass(eq=False)
class Block:
    """A straight line of operations ending in a terminator, with block arguments."""

    args: list[Value] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    parent: Op | None = None

    def __post_init__(self) -> None:
        for arg in self.args:
            arg.owner = self

    @property
    def terminator(self) -> Op | None:
        return self.ops[-1] if self.ops and self.ops[-1].record.terminator else None

    def walk(self) -> Iterator[Op]:
        """All operations below, outer before inner, in program order."""
        for op in self.ops:
            yield op
            for region in op.regions:
                yield from region.walk()


@dataclass(eq=False)
class Function:
    """A specialised function.

    Parameters
    ----------
    name: the user's function name.
    body: its block; the block arguments are the dynamic leaves of the call arguments, in order, then `symbols`.
    storages: all storages, in order of creation.
    returns: for every ``return`` op (by its ``site`` attribute) the tree of results; opaque to the IR, made by the
        front end, read by the runtime.
    symbols: the last block arguments of the body, which are no leaves but dimensions and strides of leaves.
    """

    name: str
    body: Block
    storages: list[Storage] = field(default_factory=list)
    returns: list[Any] = field(default_factory=list)
    loc: SourceLocation | None = None
    symbols: list[Value] = field(default_factory=list)

    def walk(self) -> Iterator[Op]:
        return self.body.walk()


def uses(block: Block) -> dict[Value, int]:
    """How often each value is used as an operand or as a symbol of a type, in the block and below."""
    count: dict[Value, int] = {}
    for op in block.walk():
        for value in op.operands:
            count[value] = count.get(value, 0) + 1
        for value in symbols_of(op):
            count[value] = count.get(value, 0) + 1
    return count


def symbols_of(op: Op) -> Iterator[Value]:
    """The scalar values that the types of an op's results (and of its regions' arguments) mention."""
    types: list[Type] = [r.type for r in op.results]
    types += [a.type for region in op.regions for a in region.args]
    for type_ in types:
        if isinstance(type_, TensorType):
            for part in (*type_.shape, *type_.strides, type_.offset):
                yield from _values(part.symbols())
            if type_.storage.nbytes is not None and op.record.allocates:
                yield from _values(type_.storage.nbytes.symbols())
    for value in op.attrs.values():
        if hasattr(value, "symbols") and callable(value.symbols):
            yield from _values(value.symbols())


def _values(symbols: Iterable[Hashable]) -> Iterator[Value]:
    """The symbols of an index expression of the tensor IR, which are all SSA values."""
    for symbol in symbols:
        assert isinstance(symbol, Value)
        yield symbol


def operand_list(values: Sequence[Value]) -> str:
    """Values as the text form lists them."""
    return ", ".join(map(repr, values))
