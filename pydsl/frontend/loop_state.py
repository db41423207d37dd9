"""The variables that a loop of the IR carries, how they cross its edges, and what comes behind the loop.

How a variable crosses the back edge (:mod:`joins`) is found by a fixed point: the body is evaluated on the assumption
that a variable keeps its value or type; where an edge says otherwise the assumption is widened and the body evaluated
again. What was found is remembered, so that loops inside of loops are not evaluated from scratch each time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from pydsl.errors import Diagnostic
from pydsl.frontend import branches
from pydsl.frontend.control import if_statement
from pydsl.frontend.evaluator import Completion, Evaluator, Flow
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.frames import RESULT, RETURNS, Edge, Frame, Loop, Namespace
from pydsl.frontend.joins import (
    Crossing,
    Fixed,
    ListSlot,
    MaybeSlot,
    PoisonSlot,
    ScalarSlot,
    Slot,
    TensorSlot,
    Variable,
    Widener,
    connect,
    depart,
)
from pydsl.frontend.scopes import Jumps, assigned, updated
from pydsl.frontend.targets import assign
from pydsl.frontend.values import (
    UNBOUND,
    Dead,
    ListState,
    MaybeUnbound,
    Operand,
    Poison,
    decompose,
    is_list_variable,
    is_number,
    list_variable,
)
from pydsl.ir.core import Block, Value
from pydsl.ir.ops.control import BREAK, CONTINUE, YIELD
from pydsl.ir.types import Type

_ATTEMPTS = 10
_SEARCHED = 64
_UNFINISHED = "<not broken>"
_TERMINATORS = {"yield": YIELD, "break": BREAK, "continue": CONTINUE}


class Carried:
    """The variables of a loop of the IR, and how they cross its edges."""

    def __init__(
        self, ev: Evaluator, node: ast.For | ast.While, names: Sequence[str], turns: Operand = None
    ) -> None:
        self.ev = ev
        self.node = node
        self.turns = turns if isinstance(turns, Value) else None
        self.before = ev.frame.names
        self.key = (id(node), ev.frame.path)
        known: dict[str, Slot] = ev.loop_slots.get(self.key, {})
        growing = updated(node.body)
        self.slots = {name: self._first(name, known.get(name), name in growing) for name in names}

    def value(self, name: str) -> Operand:
        """The variable before the loop."""
        if name == _UNFINISHED:
            return True
        if name == RETURNS:
            return False
        return self.before.values.get(name, UNBOUND)

    def _first(self, name: str, known: Slot | None, grows: bool) -> Slot:
        """The first assumption: the variable keeps its value; a number that the body updates changes."""
        value = self.value(name)
        slot: Slot = Fixed(value)
        widener = Widener(self.ev.builder)
        if isinstance(known, ListSlot) and (value is UNBOUND or isinstance(value, ListState)):
            return known if value is UNBOUND else widener.widen(known, value, Variable(name))
        if isinstance(known, ScalarSlot | MaybeSlot):
            inner = known if isinstance(known, ScalarSlot) else known.inner
            if is_number(value) or value is UNBOUND:
                return widener.widen(slot, Value(inner.type), Variable(name))
        if isinstance(known, TensorSlot) and isinstance(value, Value) and value.is_tensor:
            return _as_known(known, value, slot)
        if grows and is_number(value):
            return ScalarSlot(widener.type_of(value))
        return slot

    def arrive(self, into: list[Value], shared: list[Crossing]) -> Namespace:
        """The variables behind an edge into the loop (or out of it), as block arguments or results."""
        names = self.before.copy()

        def new(type_: Type, hint: str) -> Value:
            value = Value(type_, hint)
            into.append(value)
            return value

        crossing = Crossing(self.ev.builder, new, self.ev.own)
        shared.append(crossing)
        for name, slot in self.slots.items():
            value = crossing.arrive(slot, name.strip("<>").replace(" ", "_"))
            if value is UNBOUND:
                names.values.pop(name, None)
            else:
                names.values[name] = value
        return names

    def widen(self, edges: Sequence[Edge]) -> bool:
        """Widen the slots by what the edges bring; whether anything changed."""
        widener = Widener(self.ev.builder)
        changed = False
        for name, slot in self.slots.items():
            first = self.before.places.get(name)
            for edge in edges:
                value = edge.names.values.get(name, UNBOUND)
                if isinstance(slot, Fixed) and slot.value is value:
                    continue
                if isinstance(slot, Fixed):
                    slot = Fixed(self.ev.as_grown(slot.value, edge.names))
                value = self.ev.as_grown(value, edge.names)
                wider = widener.widen(
                    slot, value, Variable(name, first, edge.names.places.get(name), self.turns)
                )
                changed |= wider is not slot
                slot = wider
            self.slots[name] = slot
        if changed:
            self.ev.loop_slots[self.key] = dict(self.slots)
        return changed

    def handed(self, names: Namespace | None) -> list[Value]:
        """What an edge hands over (None: the edge into the loop)."""
        out: list[Value] = []
        for name, slot in self.slots.items():
            value = self.value(name) if names is None else names.values.get(name, UNBOUND)
            depart(self.ev.builder, slot, value, out)
        return out


def _as_known(known: TensorSlot, value: Value, slot: Slot) -> Slot:
    """The assumption of an earlier evaluation, for the value of this one."""
    type_ = value.tensor
    if type_.dtype != known.dtype or type_.rank != len(known.shape):
        return slot
    return TensorSlot(
        type_.dtype,
        None if known.storage is None else type_.storage,
        tuple(None if k is None else d for k, d in zip(known.shape, type_.shape, strict=True)),
        tuple(None if k is None else s for k, s in zip(known.strides, type_.strides, strict=True)),
        None if known.offset is None else type_.offset,
        known.packed and type_.is_contiguous(),
    )


def carried_names(ev: Evaluator, node: ast.For | ast.While) -> list[str]:
    """The variables that the loop may change and that are needed in a later turn, or behind it."""
    scope = ev.frame.source.scope
    head = scope.head.get(id(node), frozenset()) | scope.live_after(node)
    bound = [node.target, *node.body] if isinstance(node, ast.For) else [node.test, *node.body]
    names = [name for name in assigned(bound) if name in head]
    names += list_variables(ev)
    jumps = Jumps.of(node.body)
    if node.orelse and jumps.loop:
        names.append(_UNFINISHED)
    if jumps.returns and not ev.frame.main:
        names += [RETURNS, RESULT]
    return names


def list_variables(ev: Evaluator) -> list[str]:
    """The states of the lists that the code here can reach: those that grow already, and those that may begin to."""
    found = {name: None for name in ev.frame.names.values if is_list_variable(name)}
    frame: Frame | None = ev.frame
    while frame is not None:
        for value in frame.names.values.values():
            _find_lists(ev, value, found)
        frame = frame.lexical
    return list(found)


def _find_lists(ev: Evaluator, value: Operand, found: dict[str, None]) -> None:
    if type(value) is list and ev.is_owned(value):
        found[list_variable(value)] = None
    parts = decompose(value) if isinstance(value, (tuple, list, dict)) else None
    if parts is not None and len(parts.items) <= _SEARCHED:
        for item in parts.items:
            _find_lists(ev, item, found)


def evaluate(
    ev: Evaluator, carried: Carried, loop: Loop, attempt: Callable[[], Block | None]
) -> list[Crossing] | None:
    """Evaluate the body until the assumptions hold. `attempt` evaluates it once, into new blocks."""
    found: list[Diagnostic] = []
    noted, sites = len(ev.diagnostics), len(ev.builder.function.returns)
    frame = ev.frame
    for _ in range(_ATTEMPTS):
        loop.edges = []
        found = ev.diagnostics[noted:] or found
        newest = max((s.id for s in ev.builder.function.storages), default=-1)
        frozen = ev.builder.frozen_before(newest)
        del ev.diagnostics[noted:]
        del ev.builder.function.returns[sites:]
        loops = frame.loops
        frame.loops = [*loops, loop]
        try:
            if attempt() is None:
                return None
        finally:
            frame.loops = loops
            frame.names = carried.before
        for edge in loop.edges:
            edge.names.values[_UNFINISHED] = edge.kind != "break"
        if not carried.widen(loop.edges) and frozen == ev.builder.frozen_before(newest):
            if len(ev.diagnostics) == noted and any(map(_is_silent, carried.slots.values())):
                ev.diagnostics += found  # what made the variable poison was reported in an earlier attempt
            return []
    raise Unsupported("a loop whose variables change their type again and again", "variables of one type")


def _is_silent(slot: Slot) -> bool:
    return isinstance(slot, PoisonSlot) and not slot.poison.message


def run_body(ev: Evaluator, node: ast.For | ast.While, loop: Loop, names: Namespace, block: Block) -> None:
    """Evaluate the body; its end is an edge."""
    ev.frame.names = names
    flow: Completion
    with ev.inside(block, loop):
        try:
            if isinstance(node, ast.For):
                assert loop.variable is not None and loop.item is not None
                assign(ev, node.target, loop.item(loop.variable))
            with ev.going_through(node):
                flow = ev.exec_block(node.body)
        except NumpyError as failure:
            ev.raise_here(failure, failure.location or ev.frame.locate(node))
            flow = Flow.DEAD
        except Dead:
            flow = Flow.DEAD
        if flow is Flow.NEXT:
            loop.edges.append(Edge(ev.builder.block, ev.frame.names, "yield", ev.builder.loc))


def finish(
    ev: Evaluator,
    carried: Carried,
    loop: Loop,
    crossings: Sequence[Crossing],
    initial: Sequence[Value],
    arguments: Sequence[Value],
    results: Sequence[Value],
) -> None:
    """Terminate the edges, and tell the joined storages where they come from."""
    builder = ev.builder
    back: list[list[Value]] = []
    leaving: list[list[Value]] = []
    for edge in loop.edges:
        builder.loc = edge.loc
        with builder.at(edge.block):
            handed = carried.handed(edge.names)
            builder.emit(_TERMINATORS[edge.kind], handed)
        (leaving if edge.kind == "break" else back).append(handed)
    phis = [phi for crossing in crossings for phi in crossing.phis]
    connect(phis, arguments, [initial, *back])
    connect(phis, results, [initial, *back, *leaving])


def leave(
    ev: Evaluator, node: ast.For | ast.While, carried: Carried, loop: Loop, names: Namespace, runs: bool
) -> Completion:
    """The variables after the loop, and its `else` part."""
    inside = [node.target, *node.body] if isinstance(node, ast.For) else [node.test, *node.body]
    inner = set(assigned(inside)) - set(carried.slots)
    for name in inner:
        names.values.pop(name, None)
    for name, slot in carried.slots.items():
        if isinstance(slot, MaybeSlot) and runs and all(_is_bound(edge.names, name) for edge in loop.edges):
            names.values[name] = names.values[name].value
        if name not in names.places and loop.edges:
            place = loop.edges[0].names.places.get(name)
            if place is not None:
                names.places[name] = place
    unfinished = names.values.pop(_UNFINISHED, True)
    ev.frame.names = names
    if RETURNS in carried.slots:
        return _return_behind(ev, node)
    if not node.orelse:
        return Flow.NEXT
    if not isinstance(unfinished, Value):
        return ev.exec_block(node.orelse) if unfinished else Flow.NEXT
    return _else_part(ev, node, unfinished)


def _return_behind(ev: Evaluator, node: ast.For | ast.While) -> Completion:
    """Behind a loop that a called function may have left by `return`: return, if it has."""
    values = ev.frame.names.values
    if isinstance(values.get(RESULT), MaybeUnbound):
        values[RESULT] = values[RESULT].value
    elif isinstance(values.get(RESULT), Poison):
        raise Unsupported(
            "`return` of anything but a scalar out of a loop that is decided at run time, in a called function",
            "a variable that is set before `break`, and one `return` at the end",
        )
    if node.orelse and values[RETURNS] is not False:
        raise Unsupported("`return` out of a loop with `else`, in a called function", "a flag")
    returns = ast.Return(ast.Name(RESULT, ast.Load()))
    test = ast.If(ast.Name(RETURNS, ast.Load()), [returns], [])
    for new in ast.walk(test):
        ast.copy_location(new, node)
    completion = if_statement(ev, test)
    for name in (RETURNS, RESULT):
        ev.frame.names.values.pop(name, None)
    if completion is Flow.NEXT and node.orelse:
        return ev.exec_block(node.orelse)
    return completion


def _else_part(ev: Evaluator, node: ast.For | ast.While, unfinished: Value) -> Completion:
    jumps = Jumps.of(node.orelse)
    if jumps.loop or (jumps.returns and not ev.frame.main):
        raise Unsupported("a jump out of the `else` part of a loop", "a flag that is tested after the loop")
    since = branches.fresh_id()
    ways = [
        branches.evaluate(ev, unfinished, lambda: ev.exec_block(node.orelse)),
        branches.evaluate(ev, unfinished, lambda: Flow.NEXT),
    ]
    for way in ways:
        way.alive = way.alive and way.value is not Flow.DEAD
    try:
        branches.join(ev, unfinished, ways, since, ev.frame.source.scope.live_after(node))
    except Dead:
        return Flow.DEAD
    return Flow.NEXT


def _is_bound(names: Namespace, name: str) -> bool:
    value = names.values.get(name, UNBOUND)
    return value is not UNBOUND and not isinstance(value, MaybeUnbound)


def needs_peeling(carried: Carried) -> bool:
    """Whether a variable gets its type only in the first turn: None or nothing before, an array afterwards."""
    return any(
        isinstance(slot, PoisonSlot) and (carried.value(name) is UNBOUND or carried.value(name) is None)
        for name, slot in carried.slots.items()
    )
