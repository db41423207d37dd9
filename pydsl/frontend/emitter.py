"""Emission: appending operations to a block, storages, constants, and a memo of what was computed already.

The lowest layer of the builder: it knows the IR and nothing of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation, UnsupportedError
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.ops.control import CHECK, CONSTANT, RAISE
from pydsl.ir.ops.memory import CONSTANT_ARRAY, LOAD, VIEW
from pydsl.ir.record import OpRecord
from pydsl.ir.types import Origin, ScalarType, Storage, TensorType, Type
from pydsl.library import is_unchecked

Operand = Any
"""A static Python object or an IR value."""

Bounds = tuple[int | None, int | None]


class Emitter:
    """Makes the operations of one function.

    function: the function that is built.
    block: where operations go (its end). Set by :meth:`at`.
    loc: source location put on every operation.
    inline: called by :meth:`call_library`; the evaluator sets it.
    unchecked: a library function is being inlined whose integer indices are all within ``[0, n)``.
    generic: the function is compiled for several sizes; strict: only where that costs nothing at run time.
    sizes: its integer arguments that are sizes.
    assumed: what was taken for granted about sizes, which the guards of the call check: ("ne" or "ge", expression): the
        expression is not 0, or at least 0.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.block: Block = function.body
        self.loc: SourceLocation | None = None
        self.inline: Callable[..., Any] | None = None
        self.unchecked = False
        self._enclosing: list[Block] = []
        self._memo: dict[Hashable, tuple[Block, Any]] = {}
        self._writes: dict[Storage, int] = {}
        self._globals: dict[int, tuple[Any, Storage]] = {}
        self.asked_to_write: set[Storage] = set()
        self._frozen: dict[Storage, tuple[str, str]] = {}
        self.generic = self.strict = False
        self.sizes: set[Value] = set()
        self.assumed: dict[tuple[str, Affine], None] = {}

    @contextmanager
    def at(self, block: Block) -> Iterator[None]:
        """Operations go to ``block`` within. Nest the calls as the blocks nest: what was computed in an enclosing
        block is reused."""
        self._enclosing.append(self.block)
        self.block = block
        try:
            yield
        finally:
            self.block = self._enclosing.pop()

    # --- emission -------------------------------------------------------------------------------------------

    def emit(
        self,
        record: OpRecord,
        operands: Sequence[Value],
        results: Sequence[Type] = (),
        regions: Sequence[Block] = (),
        **attrs: Any,
    ) -> Op:
        """Append one operation."""
        op = Op(record, list(operands), [Value(type_) for type_ in results], attrs, list(regions), self.loc)
        self.block.ops.append(op)
        for position in record.written(op):
            self._note_write(operands[position].tensor.storage)
        return op

    def note_writes_outside(self) -> None:
        """Memory that is visible outside of the function may have been written."""
        for storage in self.function.storages:
            if storage.origin in (Origin.ARG, Origin.GLOBAL):
                self._note_write(storage)

    def value(
        self,
        record: OpRecord,
        operands: Sequence[Value],
        result: Type,
        bounds: Bounds = (None, None),
        **attrs: Any,
    ) -> Value:
        """Append one operation with one result; the result."""
        value = Value(result, "", bounds)
        self.block.ops.append(Op(record, list(operands), [value], attrs, [], self.loc))
        return value

    def freeze(self, storage: Storage, construct: str, hint: str) -> None:
        """From now on no write to this memory is supported."""
        for root in storage.roots():
            self._frozen[root] = (construct, hint)

    def frozen_before(self, newest: int) -> int:
        """How much of the memory with an id up to `newest` must not be written any more."""
        return sum(storage.id <= newest for storage in self._frozen)

    def _note_write(self, storage: Storage) -> None:
        for root in storage.roots():
            if root in self._frozen:
                raise Unsupported(*self._frozen[root])
            self._writes[root] = self._writes.get(root, 0) + 1

    def remember_elements(self, key: Hashable, tensor: Value, fact: Any) -> None:
        """Note a fact about the elements of a tensor; it holds in this block until its memory is written."""
        self._memo[(key, tensor)] = (self.block, (fact, self._version(tensor)))

    def recall_elements(self, key: Hashable, tensor: Value) -> Any:
        """A fact noted by :meth:`remember_elements` that still holds, else None.

        A loop around may have written the memory in an earlier turn: what was noted outside of this block does not
        count, constants excepted.
        """
        found = self._memo.get((key, tensor))
        if found is None:
            return None
        block, (fact, version) = found
        if tensor.tensor.storage.origin is Origin.CONST:
            return fact
        return fact if block is self.block and version == self._version(tensor) else None

    def _version(self, tensor: Value) -> tuple[int, ...]:
        return tuple([self._writes.get(root, 0) for root in tensor.tensor.storage.roots()])

    def remember(self, key: Hashable, result: Any) -> Any:
        """Note a result for :meth:`recall`; only for what depends on nothing but the key."""
        self._memo[key] = (self.block, result)
        return result

    def recall(self, key: Hashable) -> Any:
        """What was remembered for the key in this block or one around it, else None."""
        found = self._memo.get(key)
        if found is None or not (found[0] is self.block or found[0] in self._enclosing):
            return None
        return found[1]

    def call_library(self, fn: Callable[..., Any], *args: Operand, **kwargs: Operand) -> Any:
        """Inline a self-hosted library function."""
        if self.inline is None:
            raise Unsupported(f"the library function {fn.__name__}", "no evaluator is attached")
        before, self.unchecked = self.unchecked, is_unchecked(fn)
        try:
            return self.inline(fn, args, kwargs)
        finally:
            self.unchecked = before

    # --- scalars --------------------------------------------------------------------------------------------

    def constant(self, value: Any, type: ScalarType | None = None) -> Value:
        """A static scalar as a value (a Python scalar is weak, a NumPy scalar strong); ``type`` converts it."""
        own = dtypes.type_of_static(value)
        type_ = own if type is None else type
        if type_.weak:
            if own.dtype != type_.dtype or not own.weak:
                value = dtypes.convert_static(value, type_.dtype).item()
        elif type_ != own:
            value = dtypes.convert_static(value, type_.dtype)
        key = (CONSTANT, type_, repr(value))
        found = self.recall(key)
        if found is not None:
            return found
        integer = int(value) if type_.dtype.kind in "iub" else None
        return self.remember(key, self.value(CONSTANT, (), type_, (integer, integer), value=value))

    def load(self, tensor: Value) -> Value:
        """The element of a 0-d tensor, as a NumPy scalar."""
        bounds = (0, None) if tensor.tensor.dtype.kind == "u" and tensor.tensor.itemsize < 8 else (None, None)
        return self.value(LOAD, (tensor,), dtypes.scalar_type(tensor.tensor.dtype), bounds)

    # --- storages and tensors -------------------------------------------------------------------------------

    def new_storage(
        self, dtype: DType, nbytes: Affine | None, name: str = "", origin: Origin = Origin.ALLOC
    ) -> Storage:
        """A storage, registered with the function."""
        storage = Storage(origin, name or f"t{len(self.function.storages)}", dtype, nbytes)
        self.function.storages.append(storage)
        return storage

    def _array_reference(
        self, array: np.ndarray[Any, Any], origin: Origin, name: str, writeable: bool
    ) -> Value:
        dtype = dtypes.as_dtype(array.dtype)
        storage = self.new_storage(dtype, Affine.of(array.nbytes), name, origin)
        storage.writeable = writeable
        storage.data = array
        type_ = TensorType(
            dtype,
            tuple(map(Affine.of, array.shape)),
            tuple(map(Affine.of, array.strides)),
            Affine.of(0),
            storage,
        )
        return self.value(CONSTANT_ARRAY, (), type_)

    def constant_array(self, array: np.ndarray[Any, Any]) -> Value:
        """A reference to a constant array (copied at compile time, read-only)."""
        data = np.array(array, order="K")
        data.flags.writeable = False
        return self._array_reference(data, Origin.CONST, f"c{len(self.function.storages)}", False)

    def global_array(self, array: np.ndarray[Any, Any], name: str = "") -> Value:
        """A reference to an array that the program reads from a global or closure, by identity."""
        known = self._globals.get(id(array))
        if known is None:
            value = self._array_reference(
                array, Origin.GLOBAL, name or f"g{len(self.function.storages)}", array.flags.writeable
            )
            self._globals[id(array)] = (array, value.tensor.storage)
            return self.remember((CONSTANT_ARRAY, id(array)), value)
        found = self.recall((CONSTANT_ARRAY, id(array)))
        if found is not None:
            return found
        type_ = TensorType(
            known[1].dtype,
            tuple(map(Affine.of, array.shape)),
            tuple(map(Affine.of, array.strides)),
            Affine.of(0),
            known[1],
        )
        return self.remember((CONSTANT_ARRAY, id(array)), self.value(CONSTANT_ARRAY, (), type_))

    def view(
        self, tensor: Value, shape: Sequence[Affine], strides: Sequence[Affine], offset: Affine, how: str
    ) -> Value:
        """Another reference on the storage of ``tensor``; the tensor itself where nothing changes."""
        old = tensor.tensor
        type_ = old.with_view(shape, strides, offset)
        if type_ == old:
            return tensor
        return self.value(VIEW, (tensor,), type_, how=how)

    # --- errors of the program ------------------------------------------------------------------------------

    def check_supported(self, condition: Operand, message: str) -> None:
        """Raise UnsupportedError at run time unless the condition holds."""
        self.check(condition, UnsupportedError, message)

    def check(self, condition: Operand, error: type[Exception], message: str, *values: Value) -> None:
        """Raise at run time unless the condition holds; nothing where it is statically true.

        message: a format string over ``values`` (``{0}``, ...).

        Raises
        ------
        NumpyError: the condition is statically false.
        """
        if isinstance(condition, Value):
            key = (CHECK, condition, message)
            if self.recall(key) is None:
                self.remember(key, True)
                self.emit(CHECK, (condition, *values), error=error, message=message)
        elif not condition:
            raise NumpyError(error, message.format(*values))

    def raise_(self, error: type[Exception], message: str, *values: Value) -> None:
        """A ``raise`` terminator."""
        self.emit(RAISE, values, error=error, message=message)
