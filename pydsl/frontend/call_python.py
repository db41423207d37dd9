"""Calls of Python functions from compiled code: arguments into memory, results out of it.

Two users: callbacks that the program declares (anything may happen in them), and functions of NumPy's that a handler
delegates to (they only read their arguments and return new memory).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.callbacks import Callback
from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.dtypes import DType
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.values import Opaque, decompose, describe, is_dynamic
from pydsl.ir.affine import Affine
from pydsl.ir.calls import (
    ArrayInput,
    ArrayOutput,
    Built,
    CallSite,
    Fixed,
    IgnoredOutput,
    Input,
    NoOutput,
    ObjectInput,
    Output,
    ScalarInput,
    ScalarOutput,
    TupleOutput,
    Waiting,
)
from pydsl.ir.core import Value
from pydsl.ir.ops.call import CALL
from pydsl.ir.ops.memory import LOAD
from pydsl.ir.types import ScalarType

# --- results as a handler declares them -------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewArray:
    """An array that a function returns: dims as index expressions, axes from slowest to fastest (default: C order)."""

    dtype: DType
    shape: tuple[Affine, ...]
    order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class NewOpen:
    """An array whose shape is known only when the function has returned."""

    dtype: DType
    rank: int


@dataclass(frozen=True)
class NewScalar:
    """A scalar that a function returns."""

    dtype: DType
    weak: bool = False


@dataclass(frozen=True)
class NewNothing:
    """None, or something that nobody looks at."""


@dataclass(frozen=True)
class NewTuple:
    """A tuple of these; ``make`` is given the values (a named tuple's class)."""

    items: tuple[New, ...]
    make: Callable[..., Any] | None = None


New = NewArray | NewOpen | NewScalar | NewNothing | NewTuple
NewLeaf = NewArray | NewOpen | NewScalar


# --- the two kinds of call --------------------------------------------------------------------------------------------


def call_back(
    b: Builder, callback: Callback, args: Sequence[Operand], kwargs: Mapping[str, Operand]
) -> Operand:
    """A call of a declared callback: it may read and write everything that is visible outside."""
    function = callback.function
    name = getattr(function, "__qualname__", None) or type(function).__name__
    call = _Call(b, name)
    inputs = [call.input(arg) for arg in args], {key: call.input(arg) for key, arg in kwargs.items()}
    waiting = Waiting() if _has_open(callback.output) else None
    cells = [_cell(b, part) for part in _flat(callback.output)]
    call.emit(function, *inputs, callback.output, cells, waiting=waiting)
    fetched = iter(
        [
            _fetched(b, name, part, cell, waiting)
            for part, cell in zip(_flat(callback.output), cells, strict=True)
        ]
    )
    return _value(callback.output, fetched)


def delegate(
    b: Builder,
    function: Callable[..., Any],
    name: str,
    args: Sequence[Operand],
    kwargs: Mapping[str, Operand],
    result: New,
    written: Sequence[Value] = (),
) -> Any:
    """A call of a function that is known to keep nothing, to return new memory, and to write nothing but
    ``written``."""
    call = _Call(b, name, written)
    inputs = [call.input(arg) for arg in args], {key: call.input(arg) for key, arg in kwargs.items()}
    made = [_made(b, part) for part in _flat_new(result)]
    waiting = Waiting() if any(isinstance(part, NewOpen) for part in _flat_new(result)) else None
    call.emit(function, *inputs, _output(result), made, trusted=True, waiting=waiting)
    pairs = list(zip(_flat_new(result), made, strict=True))
    return _new_value(result, iter([_loaded(b, name, part, cell, waiting) for part, cell in pairs]))


class _Call:
    """One call: collects operands."""

    def __init__(self, b: Builder, name: str, written: Sequence[Value] | None = None) -> None:
        self.b = b
        self.name = name
        self.may_write = written  # None: whatever can be written
        self.operands: list[Value] = []
        self.written: list[int] = []
        self.readonly: list[int] = []

    def input(self, value: Operand) -> Input:
        """An argument in terms of operands."""
        if isinstance(value, np.ndarray):
            value = self.b.as_value(value)
        if isinstance(value, Opaque):
            if value.handle is None:
                raise Unsupported(
                    f"a generator made inside as an argument of `{self.name}`", "one that is an argument"
                )
            self.operands.append(self.b.scalar_tensor(value.handle))
            return ObjectInput(len(self.operands) - 1)
        if isinstance(value, Value):
            return self._array(value) if value.is_tensor else self._scalar(value)
        parts = decompose(value)
        if parts is not None and (is_dynamic(value) or isinstance(value, list | dict)):
            return Built(tuple(map(self.input, parts.items)), parts.rebuild)
        if is_dynamic(value):
            raise Unsupported(f"a {describe(value)} as an argument of `{self.name}`", "arrays and scalars")
        return Fixed(value)

    def _array(self, value: Value) -> ArrayInput:
        position = len(self.operands)
        self.operands.append(value)
        if self.may_write is None:
            read_only = self.b.is_read_only(value)
        else:
            read_only = False
        if read_only:
            self.readonly.append(position)
        elif self.may_write is None or any(value is other for other in self.may_write):
            self.written.append(position)
        return ArrayInput(position)

    def _scalar(self, value: Value) -> ScalarInput:
        self.operands.append(self.b.scalar_tensor(value))
        return ScalarInput(len(self.operands) - 1, value.scalar.weak)

    def emit(
        self,
        function: Callable[..., Any],
        args: Sequence[Input],
        kwargs: Mapping[str, Input],
        output: Output,
        results: Sequence[Value],
        *,
        trusted: bool = False,
        waiting: Waiting | None = None,
    ) -> None:
        n_inputs = len(self.operands)
        operands = (*self.operands, *results)
        site = CallSite(
            function,
            self.name,
            tuple(args),
            tuple(kwargs.items()),
            n_inputs,
            output,
            (*self.written, *range(n_inputs, len(operands))),
            not trusted,
            trusted,
            tuple(self.readonly),
            waiting,
            self.b.loc,
        )
        self.b.emit(CALL, operands, site=site)
        if site.reaches:
            self.b.note_writes_outside()


# --- results of callbacks ---------------------------------------------------------------------------------------------


def _flat(output: Output) -> list[ArrayOutput | ScalarOutput]:
    if isinstance(output, TupleOutput):
        return [leaf for item in output.items for leaf in _flat(item)]
    return [] if isinstance(output, NoOutput | IgnoredOutput) else [output]


def _has_open(output: Output) -> bool:
    return any(isinstance(leaf, ArrayOutput) and leaf.open for leaf in _flat(output))


def _cell(b: Builder, output: ArrayOutput | ScalarOutput) -> Value:
    """The memory that the call fills for a result: the shape, where that is open."""
    if isinstance(output, ScalarOutput):
        return b.allocate((), output.dtype)
    if output.open:
        return b.allocate((Affine.of(len(output.shape)),), dtypes.INT64)
    return b.allocate([Affine.of(n) for n in output.shape if n is not None], output.dtype)


def _fetched(
    b: Builder, name: str, output: ArrayOutput | ScalarOutput, cell: Value, waiting: Waiting | None
) -> Value:
    if isinstance(output, ScalarOutput):
        return _scalar_from(b, cell, output.weak)
    if not output.open:
        return cell
    assert waiting is not None
    dims = [
        Affine.of(n) if n is not None else Affine.of(_dimension(b, cell, axis))
        for axis, n in enumerate(output.shape)
    ]
    result = b.allocate(dims, output.dtype)
    closed = ArrayOutput(output.dtype, output.shape)
    _Call(b, name, ()).emit(waiting, (), {}, closed, [result], trusted=True, waiting=waiting)
    return result


def _dimension(b: Builder, cell: Value, axis: int) -> Value:
    element = b.basic_index(cell, [Affine.of(axis)])
    return b.value(LOAD, (element,), ScalarType(dtypes.INT64, weak=True), (0, None))


def _scalar_from(b: Builder, cell: Value, weak: bool) -> Value:
    loaded = b.load(cell)
    return b.convert_scalar(loaded, ScalarType(cell.tensor.dtype, weak=True)) if weak else loaded


def _value(output: Output, values: Any) -> Operand:
    if isinstance(output, NoOutput):
        return None
    if isinstance(output, TupleOutput):
        items = [_value(item, values) for item in output.items]
        return tuple(items) if output.cls is tuple else output.cls(*items)
    return next(values)


# --- results of delegated functions -----------------------------------------------------------------------------------


def _flat_new(new: New) -> list[NewLeaf]:
    if isinstance(new, NewNothing):
        return []
    return [leaf for item in new.items for leaf in _flat_new(item)] if isinstance(new, NewTuple) else [new]


def _output(new: New) -> Output:
    if isinstance(new, NewTuple):
        return TupleOutput(tuple(map(_output, new.items)))
    if isinstance(new, NewNothing):
        return IgnoredOutput()
    if isinstance(new, NewScalar):
        return ScalarOutput(new.dtype, new.weak)
    if isinstance(new, NewOpen):
        return ArrayOutput(new.dtype, (None,) * new.rank, True)
    return ArrayOutput(new.dtype, (None,) * len(new.shape))


def _made(b: Builder, new: NewLeaf) -> Value:
    if isinstance(new, NewScalar):
        return b.allocate((), new.dtype)
    if isinstance(new, NewOpen):
        return b.allocate((Affine.of(new.rank),), dtypes.INT64)
    return b.allocate(new.shape, new.dtype, new.order)


def _loaded(b: Builder, name: str, new: NewLeaf, cell: Value, waiting: Waiting | None) -> Value:
    if isinstance(new, NewArray):
        return cell
    return _fetched(b, name, _output(new), cell, waiting)  # type: ignore[arg-type]


def _new_value(new: New, values: Any) -> Any:
    if isinstance(new, NewNothing):
        return None
    if not isinstance(new, NewTuple):
        return next(values)
    items = [_new_value(item, values) for item in new.items]
    return tuple(items) if new.make is None else new.make(*items)
