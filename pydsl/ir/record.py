"""One operation, one record: the single source of truth about an operation of the tensor IR.

Printer, parser, verifier, interpreter, front-end tables, passes and the generated reference page read these records.
Effects and aliasing are data: a pass asks ``record.reads(op)``, never for an op's name.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.ir.core import Op


class Kind(enum.Enum):
    """The iteration structure of an operation, which decides how it is lowered."""

    ELEMENTWISE = "elementwise"  # result[i] = f(operand[i], ...), also on scalars
    GENERATOR = "generator"  # result[i] = f(i): iota
    REDUCTION = "reduction"
    CONTRACTION = "contraction"  # sums of products over shared dimensions
    GATHER = "gather"  # result[i] = src[index[i]]
    ALLOC = "alloc"
    VIEW = "view"
    WRITE = "write"  # writes into its first operand
    SCALAR = "scalar"  # scalar bookkeeping: constants, index arithmetic, element loads
    CHECK = "check"  # may raise
    CALL = "call"  # leaves the compiled code; its effects stand in its `site`
    CONTROL = "control"


class Cost(enum.IntEnum):
    """Rough cost of one evaluation, in units of one vector add."""

    FREE = 0
    CHEAP = 1
    DIVIDE = 6
    HEAVY = 24


@dataclass(frozen=True)
class OpRecord:
    """What is known about one kind of operation.

    Parameters
    ----------
    name: name in the text form.
    kind: iteration structure.
    doc: one line for the reference page.
    cost: of one element.
    numpy: the NumPy callables the op stands for (the front end recognises them by identity).
    ufunc: the ufunc whose dtype rule and reference evaluation apply, for elementwise ops.
    evaluate: reference evaluation on NumPy operands, ``(op, operands) -> result``; default: the ufunc.
    writes: indices of operands that the op writes through.
    reads: indices of tensor operands that the op reads through (None: all but ``writes``).
    allocates: whether its result is new memory.
    may_raise: whether it can end the function with an exception.
    terminator: whether it ends a block.
    commutative: whether operand order is irrelevant to the bits of the result.
    attrs: attribute names in the text form, in order.
    """

    name: str
    kind: Kind
    doc: str
    cost: Cost = Cost.CHEAP
    numpy: tuple[Callable[..., Any], ...] = ()
    ufunc: np.ufunc | None = None
    evaluate: Callable[[Op, Sequence[Any]], Any] | None = None
    writes: tuple[int, ...] = ()
    read_operands: tuple[int, ...] | None = None
    allocates: bool = False
    may_raise: bool = False
    terminator: bool = False
    commutative: bool = False
    attrs: tuple[str, ...] = ()

    def reads(self, op: Op) -> list[int]:
        """Indices of the tensor operands whose memory the op reads."""
        if self.kind in (Kind.VIEW, Kind.CONTROL):
            return []
        if self.kind is Kind.CALL:
            return list(range(op.attrs["site"].n_inputs))
        chosen = range(len(op.operands)) if self.read_operands is None else self.read_operands
        return [
            i
            for i in chosen
            if op.operands[i].is_tensor and (self.read_operands is not None or i not in self.writes)
        ]

    def written(self, op: Op) -> tuple[int, ...]:
        """Indices of the operands that the op writes through."""
        if self.kind is Kind.CALL:
            found: tuple[int, ...] = op.attrs["site"].written
            return found
        return self.writes

    @property
    def pure(self) -> bool:
        """No write, no exception, no control flow: may be removed when unused."""
        return not (self.writes or self.may_raise or self.terminator or self.kind is Kind.CONTROL)


RECORDS: dict[str, OpRecord] = {}


def define(record: OpRecord) -> OpRecord:
    """Register a record; names are unique."""
    if record.name in RECORDS:
        raise ValueError(f"op {record.name} is defined twice")
    RECORDS[record.name] = record
    return record
