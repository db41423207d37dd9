"""`for` and `while`: unrolled at compile time, or loops of the IR.

A loop of the IR carries the variables that its body assigns and that are needed later. How each crosses the back edge
(:mod:`joins`) is found by a fixed point: the body is evaluated on the assumption that a variable keeps its value or
type; where the back edge says otherwise the assumption is widened and the body evaluated again. What was found is
remembered, so that loops inside of loops are not evaluated from scratch each time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydsl.frontend import branches, operators
from pydsl.frontend.control import if_statement
from pydsl.frontend.evaluator import Completion, Evaluator, Flow, NeedUnroll, Resolved, Turns
from pydsl.frontend.failures import NeedStatic, NumpyError, Unsupported
from pydsl.frontend.frames import RESULT, RETURNS, Edge, Loop, Namespace
from pydsl.frontend.iteration import MAX_ITEMS, iterable
from pydsl.frontend.joins import (
    Crossing,
    Fixed,
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
from pydsl.frontend.scopes import Jumps, assigned, count_statements, updated
from pydsl.frontend.targets import assign
from pydsl.frontend.values import UNBOUND, Dead, Lazy, MaybeUnbound, Operand, Poison, is_number
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Op, Value
from pydsl.ir.ops.control import BREAK, CONTINUE, FOR, WHILE, YIELD
from pydsl.ir.types import INDEX, Type

_ATTEMPTS = 10
_UNFINISHED = "<not broken>"
_TERMINATORS = {"yield": YIELD, "break": BREAK, "continue": CONTINUE}


# --- for ----------------------------------------------------------------------------------------------------------


def for_statement(ev: Evaluator, node: ast.For) -> Completion:
    """`for`, with its `else`."""
    values = ev.eval(node.iter)
    ev.mark(node)
    items = iterable(ev, values)
    if isinstance(items, range):
        return _for_range(ev, node, items)
    if isinstance(items, Lazy):
        return _for_lazy(ev, node, items)
    return unrolled(ev, node, lambda index: index < len(items), lambda index: ev.adopt(items[index]))


def _for_range(ev: Evaluator, node: ast.For, items: range) -> Completion:
    if _is_small(ev, node, len(items)):
        return _unroll_items(ev, node, len(items), items.__getitem__)
    bounds = min(items[0], items[-1]), max(items[0], items[-1])
    turns = Range(items.start, items.stop, items.step, bounds, True, len(items), lambda i: i)
    return _in_ir_or_unrolled(ev, node, turns, len(items), items.__getitem__)


def _for_lazy(ev: Evaluator, node: ast.For, items: Lazy) -> Completion:
    builder = ev.builder
    if not isinstance(items.length, Value):
        if _is_small(ev, node, items.length):
            return _unroll_items(ev, node, items.length, items.item)
        turns = Range(0, items.length, 1, (0, items.length - 1), True, items.length, items.item)
        return _in_ir_or_unrolled(ev, node, turns, items.length, items.item)
    if items.range is not None:
        start, stop, step = items.range
        first, last = builder.as_affine(start), builder.as_affine(stop)
        if step < 0:
            bounds = builder.index_bounds(last + 1)[0], builder.index_bounds(first)[1]
        else:
            bounds = builder.index_bounds(first)[0], builder.index_bounds(last - 1)[1]
        turns = Range(
            start,
            stop,
            step,
            bounds,
            bool(builder.decide("gt", (last - first) * step, Affine.of(0))),
            items.length,
            lambda i: i,
        )
    else:
        length = builder.as_affine(items.length)
        high = builder.index_bounds(length - 1)[1]
        runs = bool(builder.decide("gt", length, Affine.of(0)))
        turns = Range(0, items.length, 1, (0, high), runs, items.length, items.item)
    return _in_ir_or_unrolled(ev, node, turns, items.length, items.item)


def _is_small(ev: Evaluator, node: ast.For, length: int) -> bool:
    """Whether the loop is unrolled at once."""
    if length <= 1:
        return True
    options = ev.options
    return (
        length <= options.unroll_trips
        and length * count_statements(node.body) <= options.unroll_statements
        and not Jumps.of(node.body).loop
    )


def _in_ir_or_unrolled(
    ev: Evaluator, node: ast.For, turns: Range, length: Operand, item: Callable[[Operand], Operand]
) -> Completion:
    """A loop of the IR; unrolled where its body needs the turn at compile time."""
    loop = Loop(True, node)
    noted = len(ev.diagnostics)
    before = ev.frame.names
    try:
        return _for_in_ir(ev, node, turns, loop)
    except NeedUnroll as failure:
        if failure.loop is not loop:
            raise
        if isinstance(length, Value):
            needed = NeedStatic(
                length, f"{failure.otherwise.construct}, so the number of turns must be known"
            )
            needed.location = ev.frame.locate(node.iter)
            raise ev.explain(needed) from None
        if length > MAX_ITEMS:
            raise failure.otherwise from None
    del ev.diagnostics[noted:]
    ev.frame.names = before
    return _unroll_items(ev, node, length, item)


# --- unrolled -----------------------------------------------------------------------------------------------------


def _unroll_items(ev: Evaluator, node: ast.For, length: int, item: Callable[[int], Operand]) -> Completion:
    return unrolled(ev, node, lambda index: index < length, item)


def unrolled(
    ev: Evaluator,
    node: ast.For | ast.While,
    more: Callable[[int], bool],
    item: Callable[[int], Operand] | None,
    after: Callable[[], Completion] | None = None,
) -> Completion:
    """Evaluate the turns one after another.

    more: whether turn number i takes place.
    item: what the target of turn number i is set to.
    after: what comes after the last turn; by default the `else` part.
    """
    loop = Loop(False, node)
    frame = ev.frame
    path = frame.path

    def run(index: int) -> Completion:
        turns = Turns(loop, run, index, len(frame.loops))
        saved_loops = frame.loops
        ev.pending.append(turns)
        depth = len(ev.pending)
        frame.loops = [*saved_loops, loop]
        try:
            while more(index):
                turns.index = index + 1
                frame.path = (*path, id(node), index)
                if item is not None:
                    assert isinstance(node, ast.For)
                    assign(ev, node.target, item(index))
                flow = ev.exec_block(node.body)
                if isinstance(flow, Resolved) and flow.boundary is loop:
                    return flow.flow
                if flow is Flow.BREAK:
                    return Flow.NEXT
                if flow is not Flow.NEXT and flow is not Flow.CONTINUE:
                    return flow
                index += 1
        finally:
            frame.path = path
            frame.loops = saved_loops
            del ev.pending[depth - 1 :]
        return ev.exec_block(node.orelse) if after is None else after()

    return run(0)


# --- loops of the IR ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """The turns of a `for` in the IR.

    bounds: of the loop variable.
    runs: whether there certainly is a turn.
    length: the number of turns.
    item: what the target is set to, from the loop variable.
    """

    start: Operand
    stop: Operand
    step: int
    bounds: tuple[int | None, int | None]
    runs: bool
    length: Operand
    item: Callable[[Operand], Operand]


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


def _carried_names(ev: Evaluator, node: ast.For | ast.While) -> list[str]:
    scope = ev.frame.source.scope
    head = scope.head.get(id(node), frozenset()) | scope.live_after(node)
    bound = [node.target, *node.body] if isinstance(node, ast.For) else [node.test, *node.body]
    names = [name for name in assigned(bound) if name in head]
    jumps = Jumps.of(node.body)
    if node.orelse and jumps.loop:
        names.append(_UNFINISHED)
    if jumps.returns and not ev.frame.main:
        names += [RETURNS, RESULT]
    return names


def _evaluate(
    ev: Evaluator, carried: Carried, loop: Loop, attempt: Callable[[], Block | None]
) -> list[Crossing] | None:
    """Evaluate the body until the assumptions hold. `attempt` evaluates it once, into new blocks."""
    noted, sites = len(ev.diagnostics), len(ev.builder.function.returns)
    frame = ev.frame
    for _ in range(_ATTEMPTS):
        loop.edges = []
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
        if not carried.widen(loop.edges):
            return []
    raise Unsupported("a loop whose variables change their type again and again", "variables of one type")


def _run_body(ev: Evaluator, node: ast.For | ast.While, loop: Loop, names: Namespace, block: Block) -> None:
    """Evaluate the body; its end is an edge."""
    ev.frame.names = names
    flow: Completion
    with ev.inside(block, loop):
        try:
            if isinstance(node, ast.For):
                assert loop.variable is not None and loop.item is not None
                assign(ev, node.target, loop.item(loop.variable))
            flow = ev.exec_block(node.body)
        except NumpyError as failure:
            ev.raise_here(failure, failure.location or ev.frame.locate(node))
            flow = Flow.DEAD
        except Dead:
            flow = Flow.DEAD
        if flow is Flow.NEXT:
            loop.edges.append(Edge(ev.builder.block, ev.frame.names, "yield", ev.builder.loc))


def _for_in_ir(ev: Evaluator, node: ast.For, turns: Range, loop: Loop, peeled: bool = False) -> Completion:
    builder = ev.builder
    place = ev.mark(node)
    start, stop = (
        builder.index_value(builder.as_affine(turns.start)),
        builder.index_value(builder.as_affine(turns.stop)),
    )
    carried = Carried(ev, node, _carried_names(ev, node), turns.length)
    body = Block()
    crossings: list[Crossing] = []

    def attempt() -> Block:
        nonlocal body
        variable = Value(INDEX, node.target.id if isinstance(node.target, ast.Name) else "i", turns.bounds)
        _note_range(ev, variable, turns)
        arguments: list[Value] = []
        crossings.clear()
        names = carried.arrive(arguments, crossings)
        body = Block([variable, *arguments])
        loop.variable, loop.item = variable, turns.item
        _run_body(ev, node, loop, names, body)
        return body

    noted = len(ev.diagnostics)
    _evaluate(ev, carried, loop, attempt)
    ev.builder.loc = place
    if not peeled and turns.runs and _needs_peeling(carried):
        del ev.diagnostics[noted:]
        return _peeled(ev, node, turns)
    results: list[Value] = []
    names = carried.arrive(results, crossings)
    initial = carried.handed(None)
    _finish(ev, carried, loop, crossings, initial, body.args[1:], results)
    op = Op(FOR, [start, stop, *initial], results, {"step": turns.step}, [body], place)
    builder.block.ops.append(op)
    return _leave(ev, node, carried, loop, names, turns.runs)


def _note_range(ev: Evaluator, variable: Value, turns: Range) -> None:
    if isinstance(turns.start, Value) or isinstance(turns.stop, Value):
        first, end = ev.builder.as_affine(turns.start), ev.builder.as_affine(turns.stop)
        ev.loop_ranges[variable] = (first, end - 1) if turns.step > 0 else (end + 1, first)


def _finish(
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


def _leave(
    ev: Evaluator, node: ast.For | ast.While, carried: Carried, loop: Loop, names: Namespace, runs: bool
) -> Completion:
    """The variables after the loop, and its `else` part."""
    inner = set(assigned([node])) - set(carried.slots)
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


# --- the first turn apart -----------------------------------------------------------------------------------------


def _needs_peeling(carried: Carried) -> bool:
    """Whether a variable gets its type only in the first turn: None or nothing before, an array afterwards."""
    return any(
        isinstance(slot, PoisonSlot) and (carried.value(name) is UNBOUND or carried.value(name) is None)
        for name, slot in carried.slots.items()
    )


def _peeled(ev: Evaluator, node: ast.For, turns: Range) -> Completion:
    """The first turn, then the loop over the others."""
    builder = ev.builder
    first = builder.as_affine(turns.start)
    second = builder.scalar_from_affine(first + turns.step)
    low, high = turns.bounds
    bounds = (
        (low if low is None else low + turns.step, high)
        if turns.step > 0
        else (low, high if high is None else high + turns.step)
    )
    rest = Range(second, turns.stop, turns.step, bounds, False, None, turns.item)

    def others() -> Completion:
        return _for_in_ir(ev, node, rest, Loop(True, node), True)

    start = builder.scalar_from_affine(first)
    return unrolled(ev, node, lambda index: index == 0, lambda index: turns.item(start), others)


# --- while --------------------------------------------------------------------------------------------------------


def while_statement(ev: Evaluator, node: ast.While) -> Completion:
    """`while`, with its `else`."""
    loop = Loop(True, node)
    noted = len(ev.diagnostics)
    before = ev.frame.names
    try:
        return _while_in_ir(ev, node, loop)
    except NeedUnroll as failure:
        if failure.loop is not loop:
            raise
        needed = failure.otherwise
    del ev.diagnostics[noted:]
    ev.frame.names = before

    def more(index: int) -> bool:
        condition = operators.truth(ev, ev.eval(node.test))
        if isinstance(condition, Value):
            raise needed
        return bool(condition)

    return unrolled(ev, node, more, None)


def _while_in_ir(ev: Evaluator, node: ast.While, loop: Loop) -> Completion:
    builder = ev.builder
    place = ev.mark(node)
    carried = Carried(ev, node, _carried_names(ev, node))
    header, body = Block(), Block()
    crossings: list[Crossing] = []
    endless = False

    def attempt() -> Block | None:
        nonlocal header, body, endless
        arguments: list[Value] = []
        crossings.clear()
        names = carried.arrive(arguments, crossings)
        header, body = Block(arguments), Block()
        ev.frame.names = names
        with ev.inside(header, loop):
            condition = operators.truth(ev, ev.eval(node.test))
            endless = condition is True
            if condition is False and all(isinstance(slot, Fixed) for slot in carried.slots.values()):
                return None
            if any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):
                raise Unsupported("`:=` in the condition of a `while`", "`while True` with `break`")
            builder.emit(YIELD, [condition if isinstance(condition, Value) else builder.constant(condition)])
            _run_body(ev, node, loop, names, body)
        return body

    if _evaluate(ev, carried, loop, attempt) is None:
        return ev.exec_block(node.orelse)
    builder.loc = place
    results: list[Value] = []
    names = carried.arrive(results, crossings)
    initial = carried.handed(None)
    _finish(ev, carried, loop, crossings, initial, header.args, results)
    builder.block.ops.append(Op(WHILE, initial, results, {}, [header, body], place))
    if endless and not any(edge.kind == "break" for edge in loop.edges):
        builder.raise_(SystemError, "unreachable")
        return Flow.DEAD
    return _leave(ev, node, carried, loop, names, False)
