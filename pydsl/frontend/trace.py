"""The entry of the front end: from a request to a typed function."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pydsl.errors import Diagnostic, InternalCompilerError, PydslError, UnsupportedError
from pydsl.frontend.builder import Builder
from pydsl.frontend.control import if_statement
from pydsl.frontend.evaluator import Evaluator, Flow, NeedArguments, StatementHandler, TooLong
from pydsl.frontend.expressions import EXPRESSIONS
from pydsl.frontend.failures import FrontendFailure, NeedStatic
from pydsl.frontend.functions import call_function, make_frame
from pydsl.frontend.loops import for_statement, while_statement
from pydsl.frontend.request import (
    ArgTree,
    ArraySpec,
    Extent,
    MappingSpec,
    ObjectSpec,
    OpaqueSpec,
    Path,
    Reads,
    ScalarSpec,
    SequenceSpec,
    StaticSpec,
    SymbolSpec,
    SymbolTerm,
    TraceRequest,
    TraceResult,
)
from pydsl.frontend.returns import emit_return
from pydsl.frontend.source import SourceFunction, load, plain_function
from pydsl.frontend.statements import STATEMENTS
from pydsl.frontend.values import Opaque, Operand, make_object
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Value
from pydsl.ir.types import INDEX, Origin, ScalarType, Storage, TensorType

_STATEMENTS: dict[type[ast.stmt], StatementHandler] = {
    **STATEMENTS,
    ast.If: if_statement,
    ast.For: for_statement,
    ast.While: while_statement,
}


def trace(request: TraceRequest) -> TraceResult:
    """Evaluate a function for one specialisation.

    Raises
    ------
    NeedStatic: scalar arguments must be known at compile time; `leaf` is the index of the first, `leaves` of all.
    UnsupportedError: everything in the function that cannot be compiled.
    """
    callable_ = plain_function(request.function)
    if callable_ is None:
        raise UnsupportedError.at(
            None, f"a {type(request.function).__name__} cannot be compiled", "a plain Python function (`def`)"
        )
    source = load(callable_)
    function = Function(source.name, Block(), loc=source.location)
    builder = Builder(function)
    builder.loc = source.location
    arguments = _Arguments(function)
    arguments.declare(request.symbols, builder)
    names = {name: arguments.value(spec, (name,)) for name, spec in request.params.items()}
    arguments.finish()
    if arguments.symbols or arguments.sizes:
        builder.generic = True
        builder.strict = all(not spec.low for spec in request.symbols if not spec.factors)
        builder.sizes.update(arguments.sizes)
    for value in arguments.read_only:
        if value.tensor.storage.writeable:  # others in the same memory are writeable
            builder.remember(("read-only", value), True)
    reads = Reads()
    frame = make_frame(reads, callable_, source)
    frame.main = True
    frame.names.values.update(names)
    ev = Evaluator(builder, frame, reads, request.options, EXPRESSIONS, _STATEMENTS)
    ev.argument_paths = arguments.paths
    builder.inline = lambda fn, args, kwargs: call_function(ev, fn, args, kwargs, fn)
    _run(ev, source)
    if ev.diagnostics:
        raise UnsupportedError(ev.diagnostics, source.name)
    function.storages = _used_storages(function)
    return TraceResult(function, ev.reads, frozenset(builder.asked_to_write), tuple(builder.assumed))


def _run(ev: Evaluator, source: SourceFunction) -> None:
    node = source.node
    ev.calls.append(node)
    try:
        # as a statement, whose evaluation may end in an exception
        body = [_as_return(node)] if isinstance(node, ast.Lambda) else node.body
        if ev.exec_block(body) is Flow.NEXT:
            emit_return(ev, None)
    except NeedArguments as failure:
        needed = NeedStatic(failure.leaves[0], failure.why)
        needed.leaves = failure.leaves  # type: ignore[attr-defined]
        needed.location = failure.location
        raise needed from None
    except TooLong as failure:
        ev.diagnostics.append(Diagnostic(failure.location, failure.construct, failure.hint))
    except (PydslError, FrontendFailure):
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise InternalCompilerError(message, ev.builder.loc, "the front end") from error


def _as_return(node: ast.Lambda) -> ast.stmt:
    return ast.copy_location(ast.Return(node.body), node.body)


# --- arguments ----------------------------------------------------------------------------------------------------


@dataclass
class _Arguments:
    """Makes front-end values, block arguments and storages of argument trees."""

    function: Function
    leaves: dict[int, Value] = field(default_factory=dict)
    groups: dict[int, Storage] = field(default_factory=dict)
    extents: dict[int, int] = field(default_factory=dict)
    paths: dict[int, tuple[int | None, Path, Operand]] = field(default_factory=dict)
    read_only: list[Value] = field(default_factory=list)
    symbols: list[Value] = field(default_factory=list)
    sizes: list[Value] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)

    def declare(self, symbols: Sequence[SymbolSpec], builder: Builder) -> None:
        """Make the symbols; products become known as such."""
        for spec in symbols:
            value = Value(INDEX, spec.name)
            value.bounds = (spec.low, None)
            self.symbols.append(value)
            if spec.factors:
                builder.name_product(value, [self.symbols[index] for index in spec.factors])

    def value(self, spec: ArgTree, path: Path) -> Operand:
        if isinstance(spec, StaticSpec):
            return spec.value
        if isinstance(spec, ScalarSpec):
            value = self._leaf(spec.leaf, Value(ScalarType(spec.dtype, spec.weak), _hint(path)), path)
            if spec.low is not None:
                value.bounds = (spec.low, None)
                self.sizes.append(value)
            return value
        if isinstance(spec, OpaqueSpec):
            address = self.leaves[spec.leaf] = Value(ScalarType(np.dtype(np.int64), True), _hint(path))
            opaque = Opaque(spec.cls, address)
            self.paths[id(opaque)] = (spec.leaf, path, opaque)
            return opaque
        if isinstance(spec, ArraySpec):
            value = self._leaf(spec.leaf, Value(self._tensor(spec, path), _hint(path)), path)
            if not spec.writeable:
                self.read_only.append(value)
            return value
        if isinstance(spec, SequenceSpec):
            items = [self.value(item, (*path, i)) for i, item in enumerate(spec.items)]
            make = getattr(spec.type, "_make", spec.type)
            return self._whole(make(items), path)
        fields = [(name, self.value(item, (*path, name))) for name, item in spec.items]
        return self._whole(dict(fields) if isinstance(spec, MappingSpec) else _object(spec, fields), path)

    def _leaf(self, leaf: int, value: Value, path: Path) -> Value:
        self.leaves[leaf] = value
        self.paths[id(value)] = (leaf, path, value)
        return value

    def _whole(self, value: Operand, path: Path) -> Operand:
        if value != ():
            self.paths[id(value)] = (None, path, value)
        return value

    def _tensor(self, spec: ArraySpec, path: Path) -> TensorType:
        storage = self.groups.get(spec.group)
        if storage is None:
            storage = self.groups[spec.group] = Storage(Origin.ARG, _hint(path), spec.dtype)
            self.extents[spec.group] = 0
            self.function.storages.append(storage)
            storage.writeable = False
        self._reach(spec)
        storage.writeable = storage.writeable or spec.writeable
        return TensorType(
            spec.dtype,
            tuple(map(self._number, spec.shape)),
            tuple(map(self._number, spec.strides)),
            Affine.of(spec.offset),
            storage,
        )

    def _number(self, extent: Extent) -> Affine:
        if isinstance(extent, SymbolTerm):
            return Affine.of(self.symbols[extent.index]) * extent.factor
        return Affine.of(extent)

    def _reach(self, spec: ArraySpec) -> None:
        """Make the memory large enough; of unknown size where that is not a constant."""
        if 0 in spec.shape:
            return
        reach = 0
        for n, s in zip(spec.shape, spec.strides, strict=True):
            if isinstance(n, SymbolTerm) or isinstance(s, SymbolTerm):
                self.unknown.add(spec.group)
            elif s > 0:
                reach += (n - 1) * s
        end = spec.offset + reach + np.dtype(spec.dtype).itemsize
        self.extents[spec.group] = max(self.extents[spec.group], end)

    def finish(self) -> None:
        """Put the leaves into the body, in order, and size the storages."""
        body = self.function.body
        self.function.symbols = self.symbols
        body.args = [*(self.leaves[leaf] for leaf in sorted(self.leaves)), *self.symbols]
        for argument in body.args:
            argument.owner = body
        for group, storage in self.groups.items():
            storage.nbytes = None if group in self.unknown else Affine.of(self.extents[group])


def _hint(path: Path) -> str:
    return "_".join(map(str, path))


def _object(spec: ObjectSpec, fields: list[tuple[str, Operand]]) -> Operand:
    return make_object(spec.cls, fields)


def _used_storages(function: Function) -> list[Storage]:
    """The storages that the function still mentions, in order of creation (evaluations that were thrown away leave
    others)."""
    used: dict[int, Storage] = {}
    work = [a.tensor.storage for a in function.body.args if a.is_tensor]
    for op in function.walk():
        values = [*op.results, *(a for region in op.regions for a in region.args)]
        work.extend(v.tensor.storage for v in values if v.is_tensor)
    while work:
        storage = work.pop()
        if storage.id not in used:
            used[storage.id] = storage
            work.extend(storage.sources)
    return [used[key] for key in sorted(used)]
