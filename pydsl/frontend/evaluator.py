"""The partial evaluator: its state, and the central visit that puts locations on operations and on failures.

What each kind of expression or statement means stands in the tables it is made with (:mod:`expressions`,
:mod:`statements`, :mod:`control`); this module knows none of them.
"""

from __future__ import annotations

import ast
import builtins
import enum
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import Diagnostic, SourceLocation
from pydsl.frontend.builder import Builder
from pydsl.frontend.failures import FrontendFailure, NeedStatic, NumpyError, Unsupported
from pydsl.frontend.frames import Frame, Loop, Namespace
from pydsl.frontend.origins import roots
from pydsl.frontend.request import Reads, TraceOptions
from pydsl.frontend.scopes import assigned
from pydsl.frontend.values import (
    UNBOUND,
    Dead,
    Grown,
    MaybeUnbound,
    Operand,
    Poison,
    Silenced,
    Text,
    decompose,
    is_dynamic,
    list_variable,
)
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Value

_MISSING = object()
_UNBOUND = (
    "cannot access local variable '{}' where it is not associated with a value"
    if sys.version_info >= (3, 11)
    else "local variable '{}' referenced before assignment"
)


class Flow(enum.Enum):
    """How a statement ended."""

    NEXT = "next"
    BREAK = "break"  # of a loop that is unrolled
    CONTINUE = "continue"
    DEAD = "dead"  # the block has its terminator


@dataclass(frozen=True, eq=False)
class Returned:
    """A `return` of an inlined function."""

    value: Operand


@dataclass(frozen=True, eq=False)
class Resolved:
    """Everything up to the end of `boundary` (a loop being unrolled, or a frame) has been evaluated already, inside
    the branches of a dynamic `if`; it ended in `flow`."""

    boundary: Loop | Frame
    flow: Completion


Completion: TypeAlias = "Flow | Returned | Resolved"


class NeedUnroll(FrontendFailure):
    """The body of a loop in the IR needs a value of its turn at compile time."""

    def __init__(self, loop: Loop, otherwise: Unsupported) -> None:
        super().__init__(str(otherwise))
        self.loop = loop
        self.otherwise = otherwise


class NeedArguments(FrontendFailure):
    """Scalar arguments (block argument indices) must be known at compile time."""

    def __init__(self, leaves: Sequence[int], why: str) -> None:
        super().__init__(why)
        self.leaves = tuple(leaves)
        self.why = why


@dataclass
class Rest:
    """The statements of a list that are still to run."""

    stmts: Sequence[ast.stmt]
    index: int = 0
    depth: int = 0  # how many loops of the frame are around it


@dataclass
class Turns:
    """The turns of an unrolled loop that are still to run: `run(index)` does them, from number `index` on."""

    loop: Loop
    run: Callable[[int], Completion]
    index: int = 0
    depth: int = 0


Pending: TypeAlias = "Rest | Turns | Frame"

ExpressionHandler: TypeAlias = "Callable[[Evaluator, Any], Operand]"
StatementHandler: TypeAlias = "Callable[[Evaluator, Any], Completion | None]"


class Evaluator:
    """Evaluates the code of one specialisation.

    builder: makes the IR.
    frame: the function that is running.
    pending: what is still to run in the frames and unrolled loops around the current statement, outermost first.
    region: the loops in the IR and the branches around the current block; containers may be changed only in the
        region that made them.
    loop_slots: what was found about the variables of loops, to start from when a loop is evaluated again.
    sources: of each `for` (by identity), the list (by identity) that it goes through, or 0.
    iterating: the lists (by identity) that loops around are going through.
    loop_ranges: first and last value of loop variables, for proofs of bounds.
    """

    def __init__(
        self,
        builder: Builder,
        frame: Frame,
        reads: Reads,
        options: TraceOptions,
        expressions: Mapping[type[ast.expr], ExpressionHandler],
        statements: Mapping[type[ast.stmt], StatementHandler],
    ) -> None:
        self.builder = builder
        self.frame = frame
        self.options = options
        self.expressions = expressions
        self.statements = statements
        self.reads = reads
        self.diagnostics: list[Diagnostic] = []
        self.pending: list[Pending] = []
        self.region: tuple[object, ...] = ()
        self.calls: list[object] = []
        self.loop_slots: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.loop_ranges: dict[Any, tuple[Affine, Affine]] = {}
        self.argument_paths: dict[int, tuple[int | None, tuple[int | str, ...], Operand]] = {}
        self.iterating: list[int] = []
        self.sources: dict[int, int] = {}
        self._grown: dict[int, Grown] = {}
        self._owned: dict[int, tuple[Operand, tuple[object, ...]]] = {}
        self._seen_names: set[tuple[int, str]] = set()
        self._evaluated = 0

    # --- visiting -------------------------------------------------------------------------------------------

    def mark(self, node: ast.AST) -> SourceLocation:
        """Operations that follow come from this node."""
        location = self.frame.locate(node)
        self.builder.loc = location
        return location

    def eval(self, node: ast.expr) -> Operand:
        """The value of an expression."""
        try:
            handler = self.expressions.get(type(node))
            if handler is None:
                raise Unsupported(f"`{type(node).__name__}` expressions")
            return handler(self, node)
        except FrontendFailure as failure:
            if failure.location is None:
                failure.location = self.frame.locate(node)
            raise

    def exec(self, stmt: ast.stmt) -> Completion:
        """Run one statement: failures of the program end the block, what is not supported is noted."""
        self._evaluated += 1
        self.mark(stmt)
        try:
            if self._evaluated > self.options.max_statements:
                failure = TooLong()
                failure.location = self.frame.locate(stmt)
                raise failure
            handler = self.statements.get(type(stmt))
            if handler is None:
                raise Unsupported(
                    f"`{_STATEMENT_NAMES.get(type(stmt).__name__, type(stmt).__name__)}` statements"
                )
            return handler(self, stmt) or Flow.NEXT
        except NumpyError as raised:
            self.raise_here(raised, raised.location or self.frame.locate(stmt))
            return Flow.DEAD
        except Dead:
            return Flow.DEAD
        except NeedStatic as needed:
            return self._unsupported(self.explain(needed), stmt)
        except Unsupported as refused:
            return self._unsupported(refused, stmt)
        except Silenced:
            return self._give_up(stmt)

    def exec_block(self, stmts: Sequence[ast.stmt], start: int = 0) -> Completion:
        """Run statements in order until one does not end in NEXT."""
        rest = Rest(stmts, start, len(self.frame.loops))
        self.pending.append(rest)
        depth = len(self.pending)
        try:
            for index in range(start, len(stmts)):
                rest.index = index + 1
                completion = self.exec(stmts[index])
                if completion is not Flow.NEXT:
                    return completion
            return Flow.NEXT
        finally:
            del self.pending[depth - 1 :]

    def _unsupported(self, failure: Unsupported, stmt: ast.stmt) -> Completion:
        location = failure.location or self.frame.locate(stmt)
        self.diagnostics.append(Diagnostic(location, failure.construct, failure.hint, failure.related))
        return self._give_up(stmt)

    def _give_up(self, stmt: ast.stmt) -> Completion:
        """Go on after a statement that failed: what it would have assigned is poison, so that only the first failure
        is reported."""
        for name in assigned([stmt]):
            self.frame.names.values[name] = Poison()
        return Flow.DEAD if isinstance(stmt, ast.Return | ast.Raise) else Flow.NEXT

    def raise_here(self, failure: NumpyError, location: SourceLocation | None) -> None:
        """The program raises: the end of the block."""
        self.builder.loc = location
        self.builder.raise_(failure.error, failure.message.replace("{", "{{").replace("}", "}}"))

    def python(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run something on static values; what it raises, the program raises."""
        try:
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)
        except FrontendFailure:
            raise
        except Exception as error:
            raise NumpyError(type(error), str(error)) from None

    # --- values needed at compile time ----------------------------------------------------------------------

    def explain(self, failure: NeedStatic) -> Unsupported:
        """Find out what makes a value known at compile time: scalar arguments, or the turn of a loop.

        Raises
        ------
        NeedArguments, NeedUnroll: that is what it takes.
        """
        why = failure.why or "this value must be known at compile time"
        otherwise = Unsupported(
            why, failure.hint or "a value that depends only on shapes, constants and scalar arguments"
        )
        otherwise.location = failure.location
        found = roots(failure.leaf, self.builder.function)
        loops = [r for r in self.region if isinstance(r, Loop) and r.variable in found.loop_variables]
        if found.opaque or len(loops) < len(found.loop_variables):
            return otherwise
        if loops:
            raise NeedUnroll(loops[-1], otherwise)
        if found.leaves:
            raise NeedArguments(found.leaves, why)
        return otherwise

    def static(self, value: Operand, what: str) -> Any:
        """A value that must be static."""
        if isinstance(value, Value):
            raise NeedStatic(value, f"{what} must be known at compile time")
        if isinstance(value, Text):
            raise Unsupported(
                f"text made of values known at run time only: {what} must be known at compile time"
            )
        return value

    # --- names ----------------------------------------------------------------------------------------------

    def load(self, name: str) -> Operand:
        """The value of a name, as Python finds it."""
        frame = self.frame
        while True:
            found = frame.names.values.get(name, _MISSING)
            if found is not _MISSING and found is not UNBOUND:
                return self.use(found, name)
            if name in frame.local_names:
                raise NumpyError(UnboundLocalError, _UNBOUND.format(name))
            if frame.lexical is None:
                return self._load_outer(frame, name)
            frame = frame.lexical

    def _load_outer(self, frame: Frame, name: str) -> Operand:
        if name in frame.cells:
            cell = frame.cells[name]
            try:
                value = cell.cell_contents
            except ValueError:
                raise NumpyError(
                    NameError, f"cannot access free variable '{name}' where it is not associated with a value"
                ) from None
            if (id(cell), "") not in self._seen_names:
                self._seen_names.add((id(cell), ""))
                self.reads.cells.append((cell, value))
            return self.adopt(value, name)
        first = (id(frame.globals), name) not in self._seen_names
        self._seen_names.add((id(frame.globals), name))
        value = frame.globals.get(name, _MISSING)
        if value is not _MISSING:
            if first and not isinstance(value, types.ModuleType):
                self.reads.globals.append((frame.globals, name, value))
            return self.adopt(value, name)
        value = getattr(builtins, name, _MISSING)
        if value is _MISSING:
            raise NumpyError(NameError, f"name '{name}' is not defined")
        if first:
            self.reads.absent.append((frame.globals, name))
        return value

    def note_read(self, namespace: Any, name: Any, value: Any) -> None:
        """Record that the trace depends on an entry of a dict from outside: of a module, an object, a table."""
        if type(namespace) is not dict or type(name) is not str or name not in namespace:
            return
        if (id(namespace), name) in self._seen_names or isinstance(value, types.ModuleType):
            return
        self._seen_names.add((id(namespace), name))
        self.reads.globals.append((namespace, name, value))

    def is_outside(self, value: Operand) -> bool:
        """Whether an object was neither made by the traced code nor passed as an argument."""
        return id(value) not in self._owned and id(value) not in self.argument_paths and not is_dynamic(value)

    def adopt(self, value: Any, name: str = "") -> Operand:
        """An object from outside: arrays become references to their memory."""
        if isinstance(value, np.ndarray):
            return self.builder.global_array(value, name)
        if hasattr(type(value), "__array_namespace__") and not isinstance(value, np.generic):
            raise Unsupported(
                f"an array of class {type(value).__qualname__} from outside", "it as an argument"
            )
        return value

    def use(self, value: Operand, name: str = "") -> Operand:
        """A value that is about to be used: poison fails, what may be unbound is checked."""
        if isinstance(value, Poison):
            self._fail(value)
        if isinstance(value, MaybeUnbound):
            self.builder.check(value.flag, UnboundLocalError, _UNBOUND.format(name))
            return value.value
        if type(value) is list and list_variable(value) in self.frame.names.values:
            return self.grown(value)
        return value

    def _fail(self, poison: Poison) -> None:
        if not poison.message:
            raise Silenced
        if poison.condition is not None:
            found = roots(poison.condition, self.builder.function)
            if not found.opaque and not found.loop_variables and found.leaves:
                raise NeedArguments(found.leaves, poison.message)
        failure = Unsupported(poison.message, poison.hint)
        failure.related = poison.related
        raise failure

    def bind(self, name: str, value: Operand, place: SourceLocation | None = None) -> None:
        """Assign to a local name."""
        if isinstance(value, Grown):
            value = value.owner
        names = self.frame.names
        names.values[name] = value
        location = place or self.builder.loc
        if location is not None:
            names.places[name] = location
        if isinstance(value, Value) and not value.hint:
            value.hint = name

    # --- containers -----------------------------------------------------------------------------------------

    def own(self, container: Operand) -> Operand:
        """Note that the traced code made a container (so that it may change it, here)."""
        self._owned[id(container)] = (container, self.region)
        return container

    def is_owned(self, container: Operand) -> bool:
        return id(container) in self._owned

    def grown(self, owner: list[Operand]) -> Grown:
        """What stands for a list that is changed at run time."""
        found = self._grown.get(id(owner))
        if found is None:
            found = self._grown[id(owner)] = Grown(owner)
        return found

    def as_grown(self, value: Operand, names: Namespace) -> Operand:
        """The value, with what stands for them in place of the lists whose state these variables hold: such a list is
        more than its items at compile time, so that it must not be joined with another one."""
        if type(value) is list and list_variable(value) in names.values:
            return self.grown(value)
        if not isinstance(value, (list, tuple, dict)) or not self._grown:
            return value
        parts = decompose(value)
        if parts is None:
            return value
        items = [self.as_grown(item, names) for item in parts.items]
        changed = any(new is not old for new, old in zip(items, parts.items, strict=True))
        return parts.rebuild(items) if changed else value

    def grows(self, owner: list[Operand]) -> bool:
        """Whether a change of the list takes place at run time: in a loop or branch that the compiler does not decide.

        Raises
        ------
        NeedUnroll: it would take place at compile time, were the loop around unrolled, and that is cheap.
        """
        if list_variable(owner) in self.frame.names.values:
            return True
        known = self._owned.get(id(owner))
        if known is None or len(known[1]) >= len(self.region):
            return False
        inner = self.region[len(known[1]) :]
        loops = [r for r in inner if isinstance(r, Loop)]
        if len(loops) == len(inner) and all(loop.cheap for loop in loops):
            raise NeedUnroll(loops[0], Unsupported("changing a list inside of a loop"))
        return True

    def check_mutable(self, container: Operand) -> None:
        """Refuse changes of containers from outside, and changes that would happen only on some ways."""
        kind = type(container).__name__
        known = self._owned.get(id(container))
        if known is None:
            raise Unsupported(
                f"changing a {kind} that was made outside of the compiled code", f"a new {kind}"
            )
        made_in = known[1]
        if len(made_in) >= len(self.region):
            return
        otherwise = Unsupported(
            f"changing a {kind} inside of an `if` or loop that is decided at run time",
            "a variable in the loop, and the change behind it; or an array that is filled",
        )
        otherwise.location = self.builder.loc
        for region in self.region[len(made_in) :]:
            if isinstance(region, Loop):
                raise NeedUnroll(region, otherwise)
        raise otherwise

    # --- blocks ---------------------------------------------------------------------------------------------

    @contextmanager
    def inside(self, block: Block, region: object) -> Iterator[None]:
        """Evaluate into a block of a structured operation."""
        saved = self.region
        self.region = (*saved, region)
        try:
            with self.builder.at(block):
                yield
        finally:
            self.region = saved

    @contextmanager
    def going_through(self, node: ast.For | ast.While) -> Iterator[None]:
        """Evaluate the body of a loop: the list that it goes through must not be changed."""
        self.iterating.append(self.sources.get(id(node), 0))
        try:
            yield
        finally:
            self.iterating.pop()

    @contextmanager
    def in_frame(self, frame: Frame) -> Iterator[None]:
        saved, loc = self.frame, self.builder.loc
        self.frame = frame
        try:
            yield
        finally:
            self.frame = saved
            self.builder.loc = loc

    def items(self, container: Operand) -> Sequence[Operand]:
        parts = decompose(container)
        assert parts is not None
        return parts.items


class TooLong(FrontendFailure):
    """The program unrolls without end; ends the trace."""

    construct = "this code is evaluated too often at compile time (a loop that is unrolled, or nested calls)"
    hint = "a loop over `range` or an array, whose body needs no Python values of the turn"


_STATEMENT_NAMES = {
    "Try": "try", "TryStar": "try", "With": "with", "Global": "global", "Nonlocal": "nonlocal", "ClassDef": "class",
    "AsyncFunctionDef": "async def", "AsyncFor": "async for", "AsyncWith": "async with", "Match": "match",
    "Import": "import", "ImportFrom": "import", "Delete": "del", "TypeAlias": "type",
}  # fmt: skip
