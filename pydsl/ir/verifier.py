"""Checks that a function of the tensor IR is well-formed. Runs after every pass in tests, so it is one linear walk.

Structure (terminators, regions, owners), SSA (one definition, definitions before uses, symbols of types included),
control flow (what is yielded fits what is carried), storages (registered, allocated once, references within bounds) are
checked here; the types of single operations in :mod:`pydsl.ir.op_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pydsl.errors import VerificationError
from pydsl.ir.affine import Affine, Symbol
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.op_rules import differ, error_problems, type_problems
from pydsl.ir.printer import print_op
from pydsl.ir.record import RECORDS, Kind
from pydsl.ir.types import Origin, ScalarType, Storage, TensorType, Type

__all__ = ["verify"]

MOST_PROBLEMS = 20


def verify(function: Function, stage: str = "") -> None:
    """Check a function.

    Parameters
    ----------
    stage: what made the function, for the message.

    Raises
    ------
    VerificationError: names every problem (the first few), with the text of the operation.
    """
    verifier = _Verifier(function)
    verifier.run()
    if verifier.problems:
        raise VerificationError(
            [verifier.text(op, words) for op, words in verifier.problems[:MOST_PROBLEMS]], stage, function.loc
        )


class _Verifier:
    def __init__(self, function: Function) -> None:
        self.function = function
        self.problems: list[tuple[Op | None, str]] = []
        self.visible: set[Symbol] = set()
        self.defined: set[Value] = set()
        self.storages = set(function.storages)
        self.allocated: set[Storage] = set()
        self.loops: list[Op] = []
        self.op: Op | None = None

    def text(self, op: Op | None, words: str) -> str:
        return words if op is None else f"{words}: {print_op(self.function, op)}"

    def fail(self, words: str) -> None:
        self.problems.append((self.op, words))

    def run(self) -> None:
        for storage in self.function.storages:
            if any(source not in self.storages for source in storage.sources):
                self.fail(f"a source of {storage!r} is not registered")
            if storage.sources and storage.origin is not Origin.PHI:
                self.fail(f"{storage!r} has sources but is no join")
        for arg in self.function.body.args:
            if arg.is_tensor and arg.tensor.storage.origin is not Origin.ARG:
                self.fail(f"argument {arg!r} is in {arg.tensor.storage!r}, which is no argument's")
        self.block(self.function.body, None)

    # --- blocks and SSA -------------------------------------------------------------------------------------

    def block(self, block: Block, parent: Op | None) -> list[Value]:
        """Check a block; the values it makes visible are returned, and hidden by the caller."""
        before = self.op
        if block.parent is not parent:
            self.fail("a region has another parent than its operation")
        made = list(block.args)
        self.define(block.args, block)
        for position, op in enumerate(block.ops):
            self.op = op
            if op.record.terminator != (position == len(block.ops) - 1):
                self.fail("a terminator is not the last" if op.record.terminator else "no terminator follows")
            self.operation(op)
            made += op.results
        self.op = before
        if not block.ops:
            self.fail("a block is empty")
        return made

    def define(self, values: Sequence[Value], owner: Op | Block) -> None:
        """Values become visible: scalars first, since the types of the tensors beside them may mention them."""
        for value in values:
            if value in self.defined:
                self.fail(f"{value!r} is defined twice")
            if value.owner is not owner:
                self.fail(f"{value!r} has another owner than its definition")
            self.defined.add(value)
            if isinstance(value.type, ScalarType):
                self.visible.add(value)
        for value in values:
            if isinstance(value.type, TensorType):
                self.reference(value.type)
                self.visible.add(value)

    def reference(self, type_: TensorType) -> None:
        """A tensor type: rank, symbols, storage and, where all is constant, bounds."""
        if len(type_.shape) != len(type_.strides):
            self.fail(f"{len(type_.shape)} dimensions and {len(type_.strides)} strides")
            return
        if type_.storage not in self.storages:
            self.fail(f"{type_.storage!r} is not registered with the function")
        for expr in (*type_.shape, *type_.strides, type_.offset):
            self.symbols(expr)
        if any(dim.is_const and dim.value < 0 for dim in type_.shape):
            self.fail(f"negative dimension in {type_}")
        nbytes = type_.storage.nbytes
        # code that never runs may index into empty memory
        if nbytes is not None and nbytes.is_const and nbytes.value and type_.is_static:
            low, high = _extent(type_)
            if low < 0 or high > nbytes.value:
                self.fail(f"{type_} reaches outside its {nbytes} bytes")

    def symbols(self, expr: Affine) -> None:
        for symbol in expr.symbols():
            if symbol not in self.visible:
                self.fail(f"{symbol!r} is used in a type but not defined before")
            elif not isinstance(symbol, Value) or symbol.type.dtype.kind not in "iu" or symbol.is_tensor:
                self.fail(f"{symbol!r} is used in a type but is no integer")

    # --- operations -----------------------------------------------------------------------------------------

    def operation(self, op: Op) -> None:
        if RECORDS.get(op.name) is not op.record:
            self.fail("its record is not registered")
        for operand in op.operands:
            if operand not in self.visible:
                self.fail(f"{operand!r} is used but not defined before")
        for attr in op.attrs.values():
            if isinstance(attr, Affine):
                self.symbols(attr)
        if op.record.kind is not Kind.CONTROL:
            if op.regions:
                self.fail("it has regions")
            for words in type_problems(op):
                self.fail(words)
            if op.record.allocates:
                self.allocation(op.results)
        else:
            rule = _CONTROL.get(op.name)
            if rule is not None:
                rule(self, op)
        self.define(op.results, op)

    def allocation(self, results: Iterable[Value]) -> None:
        for result in results:
            if not isinstance(result.type, TensorType):
                continue
            storage = result.type.storage
            if storage.origin is not Origin.ALLOC:
                self.fail(f"new memory in {storage!r}, which is {storage.origin.value}")
            if storage in self.allocated:
                self.fail(f"{storage!r} is allocated twice")
            self.allocated.add(storage)
            if storage.nbytes is not None:
                self.symbols(storage.nbytes)

    def regions(self, op: Op, count: int) -> bool:
        if len(op.regions) == count:
            return True
        self.fail(f"{len(op.regions)} regions")
        return False

    def hide(self, values: Iterable[Value]) -> None:
        self.visible.difference_update(values)

    # --- control flow ---------------------------------------------------------------------------------------

    def if_(self, op: Op) -> None:
        if len(op.operands) != 1 or not _is_bool(op.operands[0]):
            self.fail("the condition is no bool scalar")
        if not self.regions(op, 2):
            return
        for region in op.regions:
            if region.args:
                self.fail("a branch has arguments")
            made = self.block(region, op)
            end = region.terminator
            if end is not None and end.name == "yield":
                self.handed(end, end.operands, op.results, "the result")
            self.hide(made)

    def for_(self, op: Op) -> None:
        if not self.regions(op, 1):
            return
        (body,) = op.regions
        step = op.attrs.get("step")
        if not isinstance(step, int) or step == 0:
            self.fail(f"step {step!r}")
        if len(op.operands) < 2 or any(not _is_index(value) for value in op.operands[:2]):
            self.fail("the bounds are no int64 scalars")
            return
        if not body.args or not _is_index(body.args[0]):
            self.fail("the loop variable is no int64 scalar")
            return
        self.loop(op, op.operands[2:], body.args[1:])

    def while_(self, op: Op) -> None:
        if not self.regions(op, 2):
            return
        if op.regions[1].args:
            self.fail("the body has arguments")
        self.loop(op, op.operands, op.regions[0].args)

    def loop(self, op: Op, first: Sequence[Value], carried: Sequence[Value]) -> None:
        self.loops.append(op)
        self.handed(op, first, carried, "the carried value")
        made: list[Value] = []
        for position, region in enumerate(op.regions):
            made += self.block(region, op)
            end = region.terminator
            if end is None or end.name != "yield":
                continue
            if op.name == "while" and position == 0:
                if len(end.operands) != 1 or not _is_bool(end.operands[0]):
                    self.fail("the header must yield one bool scalar")
            else:
                self.handed(end, end.operands, carried, "the carried value")
        if op.name == "while":
            self.handed(op, carried, op.results, "the result")
        else:
            self.handed(op, first, op.results, "the result")
        self.loops.pop()
        self.hide(made)

    def jump(self, op: Op) -> None:
        if not self.loops:
            self.fail("outside of a loop")
            return
        loop = self.loops[-1]
        if op.name == "break":
            self.handed(op, op.operands, loop.results, "the result")
        else:
            carried = loop.regions[0].args[1 if loop.name == "for" else 0 :]
            self.handed(op, op.operands, carried, "the carried value")

    def yield_(self, op: Op) -> None:
        del op
        if self.op is not None and self.function.body.terminator is self.op:
            self.fail("a function does not yield")

    def return_(self, op: Op) -> None:
        site = op.attrs.get("site")
        sites = len(self.function.returns)
        if not isinstance(site, int) or site < 0 or (sites and site >= sites):
            self.fail(f"there is no return site {site!r}")

    def raise_(self, op: Op) -> None:
        for words in error_problems(op):
            self.fail(words)

    def handed(self, op: Op, values: Sequence[Value], targets: Sequence[Value], what: str) -> None:
        """Values that become block arguments or results: number and types, up to joins."""
        before, self.op = self.op, op
        if len(values) != len(targets):
            self.fail(f"{len(values)} values for {len(targets)} ({what})")
        else:
            known: dict[Symbol, Affine] = {
                target: _resolved(value)
                for value, target in zip(values, targets, strict=True)
                if isinstance(target.type, ScalarType)
            }
            for value, target in zip(values, targets, strict=True):
                problem = _misfit(value.type, target.type, known)
                if problem:
                    self.fail(f"{value!r} does not fit {what} {target!r}: {problem}")
        self.op = before


def _misfit(value: Type, target: Type, known: dict[Symbol, Affine]) -> str:
    """Why a value of one type cannot become a block argument or result of another."""
    if isinstance(value, ScalarType) or isinstance(target, ScalarType):
        return "" if value == target else f"{value} for {target}"
    if value.dtype != target.dtype or value.rank != target.rank:
        return f"{value} for {target}"
    parts = zip(
        (*value.shape, *value.strides, value.offset),
        (*target.shape, *target.strides, target.offset),
        strict=True,
    )
    dims = [dim.is_const and dim.value <= 1 for dim in target.shape]
    free = [False] * target.rank + dims + [any(d.is_const and d.value == 0 for d in target.shape)]
    for (actual, wanted), ignored in zip(parts, free, strict=True):
        if not ignored and differ(_substituted(actual), wanted.substitute(known)):
            return f"{value} for {target}"
    storage = target.storage
    if storage.origin is not Origin.PHI:
        return "" if value.storage is storage else f"storage {value.storage!r} for {storage!r}"
    if value.storage is storage or value.storage.roots() <= storage.roots():
        return ""
    return f"{value.storage!r} is no source of the join {storage!r}"


def _resolved(value: Value) -> Affine:
    """An integer scalar as an index expression, through its definition."""
    owner = value.owner
    if isinstance(owner, Op) and owner.name == "constant" and isinstance(owner.attrs.get("value"), int):
        return Affine.of(owner.attrs["value"])
    if isinstance(owner, Op) and owner.name == "index" and isinstance(owner.attrs.get("expr"), Affine):
        return _substituted(owner.attrs["expr"])
    return Affine.of(value)


def _substituted(expr: Affine) -> Affine:
    if expr.is_const:
        return expr
    return expr.substitute(
        {symbol: _resolved(symbol) for symbol in expr.symbols() if isinstance(symbol, Value)}
    )


def _extent(type_: TensorType) -> tuple[int, int]:
    """First byte and end of a constant reference, relative to its storage; (0, 0) where it is empty."""
    low = high = type_.offset.value
    for dim, stride in zip(type_.shape, type_.strides, strict=True):
        if dim.value == 0:
            return 0, 0
        reach = (dim.value - 1) * stride.value
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + type_.itemsize


def _is_bool(value: Value) -> bool:
    return isinstance(value.type, ScalarType) and value.type.dtype == np.bool_


def _is_index(value: Value) -> bool:
    return isinstance(value.type, ScalarType) and value.type.dtype == np.int64


_CONTROL: dict[str, Callable[[_Verifier, Op], None]] = {
    "if": _Verifier.if_,
    "for": _Verifier.for_,
    "while": _Verifier.while_,
    "break": _Verifier.jump,
    "continue": _Verifier.jump,
    "yield": _Verifier.yield_,
    "return": _Verifier.return_,
    "raise": _Verifier.raise_,
}
