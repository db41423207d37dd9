"""What lowering knows about the function as a whole: buffers of storages, variables of scalars, errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.core import Op, Value
from pydsl.ir.types import Origin, Storage, TensorType
from pydsl.loops.ir import Buffer, Const, DType, ErrorRecord, Expr, Index, Load, Read, Space, Var, product_of

INT64 = np.dtype(np.int64)

_SPACES = {
    Origin.ARG: Space.ARG,
    Origin.ALLOC: Space.ARENA,  # provisional: the memory plan decides
    Origin.CONST: Space.CONST,
    Origin.GLOBAL: Space.GLOBAL,
    Origin.PHI: Space.POINTER,
}


@dataclass
class LoweringState:
    """Maps from the tensor IR's values to the loop IR's.

    Parameters
    ----------
    buffers: the buffer of each storage, made on first use.
    scalars: the expression of each scalar value.
    errors: all the ways to fail.
    threads: iterations are spread over the threads of a GPU: a reduction is one accumulator for each result.
    sizes: sizes, over values, of buffers whose `nbytes` is not set yet.
    extra_buffers: buffers that stand for no storage (temporaries of the lowering).
    """

    buffers: dict[Storage, Buffer] = field(default_factory=dict)
    scalars: dict[Value, Expr] = field(default_factory=dict)
    errors: list[ErrorRecord] = field(default_factory=list)
    extra_buffers: list[Buffer] = field(default_factory=list)
    sizes: dict[Buffer, Affine | None] = field(default_factory=dict)
    threads: bool = False

    def buffer(self, storage: Storage) -> Buffer:
        known = self.buffers.get(storage)
        if known is None:
            nbytes = storage.nbytes
            known = Buffer(
                storage.name,
                _SPACES[storage.origin],
                storage.dtype,
                nbytes if nbytes is None or nbytes.is_const else self.affine(nbytes),
                data=storage.data,
                readonly=not (storage.writeable or storage.accumulated),
            )
            self.buffers[storage] = known
            known.targets = [self.buffer(source) for source in storage.sources]
        return known

    def affine(self, expr: Affine) -> Affine:
        """An index expression over values as one over variables."""
        if expr.is_const:
            return expr
        return expr.substitute(
            {value: self.symbol(value) for value in expr.symbols() if isinstance(value, Value)}
        )

    def buffer_of_alloc(self, storage: Storage) -> Buffer:
        """The buffer of an allocated storage before its size is bound: sizes over unbound scalars are set on use."""
        known = self.buffers.get(storage)
        if known is None:
            nbytes = storage.nbytes
            known = Buffer(
                storage.name,
                Space.ARENA,
                storage.dtype,
                nbytes if nbytes is not None and nbytes.is_const else None,
            )
            self.buffers[storage] = known
            if known.nbytes is None:
                self.sizes[known] = nbytes
        return known

    def size(self, buffer: Buffer) -> Affine:
        """The size of a buffer in bytes, as an index expression over variables."""
        if buffer.nbytes is None:
            pending = self.sizes[buffer]
            assert pending is not None
            buffer.nbytes = self.affine(pending)
        return buffer.nbytes

    def symbol(self, value: Value) -> Affine:
        """An integer scalar as an index expression."""
        expr = self.scalars[value]
        if isinstance(expr, Const):
            return Affine.of(int(expr.value))
        if isinstance(expr, Index):
            return expr.expr
        if isinstance(expr, Read):
            return Affine.of(expr.var)
        raise TypeError(f"{value!r} is not bound to a variable")

    def bind(self, value: Value, name: str = "") -> Var:
        """A new variable for a scalar value."""
        var = Var(name or value.hint or "s", value.scalar.dtype, value.bounds)
        self.scalars[value] = Read(var)
        return var

    def scalar(self, value: Value) -> Expr:
        return self.scalars[value]

    def address(self, tensor: TensorType, index: tuple[Affine, ...]) -> Affine:
        """Byte address of an element."""
        total = self.affine(tensor.offset)
        for stride, position in zip(tensor.strides, index, strict=True):
            if stride.is_const:
                total = total + position * stride.value if stride.value else total
            elif position.is_const:
                total = total + self.affine(stride) * position.value
            else:
                total = total + product_of(position, self.affine(stride))
        return total

    def load(self, tensor: TensorType, index: tuple[Affine, ...]) -> Load:
        return Load(self.buffer(tensor.storage), self.address(tensor, index), tensor.dtype)

    def error(
        self, error: type[BaseException], message: str, op: Op | None, payload: tuple[DType, ...] = ()
    ) -> ErrorRecord:
        loc: SourceLocation | None = op.loc if op is not None else None
        record = ErrorRecord(error, message, loc, payload)
        self.errors.append(record)
        return record
