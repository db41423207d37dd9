"""One scalar operation to be emitted: what the tables of `integers.py`, `floats.py`, ... map a name to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pydsl.jit.llvm.scalars import DType, Value, llvm_type, single
from pydsl.jit.llvm.text import FunctionText


@dataclass(frozen=True, slots=True)
class OpCall:
    """An operation on emitted operands.

    name: as in the elementwise op records.
    dtypes: of the operands; ``dtype``: of the result.
    flags: fast-math flags of the arithmetic, each followed by a space.
    """

    name: str
    args: tuple[Value, ...]
    dtypes: tuple[DType, ...]
    dtype: DType
    flags: str = ""

    @property
    def type(self) -> str:
        """The LLVM type of the first operand (of its parts, if complex)."""
        return llvm_type(self.dtypes[0])

    @property
    def x(self) -> str:
        return single(self.args[0])

    @property
    def y(self) -> str:
        return single(self.args[1])


Emitter: TypeAlias = Callable[[FunctionText, OpCall], Value]
"""Writes one operation and answers its result."""
