"""`for` and `while`: unrolled at compile time, or loops of the IR.

A loop of the IR carries the variables that its body assigns and that are needed later. How each crosses the back edge
(:mod:`loop_state`) is found by evaluating the body, again where an assumption did not hold.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from pydsl.frontend.conditions import condition as decide
from pydsl.frontend.evaluator import Completion, Evaluator, Flow, NeedUnroll, Resolved, Turns
from pydsl.frontend.failures import NeedStatic, Unsupported
from pydsl.frontend.frames import Loop
from pydsl.frontend.iteration import MAX_ITEMS, iterable
from pydsl.frontend.joins import Crossing, Fixed
from pydsl.frontend.loop_state import Carried, carried_names, evaluate, finish, leave, needs_peeling, run_body
from pydsl.frontend.scopes import Jumps, count_statements
from pydsl.frontend.targets import assign
from pydsl.frontend.values import Lazy, Operand
from pydsl.ir.core import Block, Op, Value
from pydsl.ir.ops.control import FOR, WHILE, YIELD
from pydsl.ir.types import INDEX

_FEW_TURNS = 32
_FEW_STATEMENTS = 256

# --- for ----------------------------------------------------------------------------------------------------------


def for_statement(ev: Evaluator, node: ast.For) -> Completion:
    """`for`, with its `else`."""
    values = ev.eval(node.iter)
    ev.mark(node)
    items = iterable(ev, values)
    owner = items.owner if isinstance(items, Lazy) else items
    ev.sources[id(node)] = id(owner) if isinstance(owner, list) else 0
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
            builder.is_positive((last - first) * step),
            items.length,
            lambda i: i,
        )
    else:
        length = builder.as_affine(items.length)
        high = builder.index_bounds(length - 1)[1]
        runs = builder.is_positive(length)
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


def _is_cheap(node: ast.For, length: int) -> bool:
    """Whether unrolling costs little."""
    return length <= _FEW_TURNS and length * count_statements(node.body) <= _FEW_STATEMENTS


def _in_ir_or_unrolled(
    ev: Evaluator, node: ast.For, turns: Range, length: Operand, item: Callable[[Operand], Operand]
) -> Completion:
    """A loop of the IR; unrolled where its body needs the turn at compile time."""
    loop = Loop(True, node, cheap=isinstance(length, int) and _is_cheap(node, length))
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
                with ev.going_through(node):
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


def _for_in_ir(ev: Evaluator, node: ast.For, turns: Range, loop: Loop, peeled: bool = False) -> Completion:
    builder = ev.builder
    place = ev.mark(node)
    start, stop = (
        builder.index_value(builder.as_affine(turns.start)),
        builder.index_value(builder.as_affine(turns.stop)),
    )
    carried = Carried(ev, node, carried_names(ev, node), turns.length)
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
        run_body(ev, node, loop, names, body)
        return body

    noted = len(ev.diagnostics)
    evaluate(ev, carried, loop, attempt)
    ev.builder.loc = place
    if not peeled and turns.runs and needs_peeling(carried):
        del ev.diagnostics[noted:]
        return _peeled(ev, node, turns)
    results: list[Value] = []
    names = carried.arrive(results, crossings)
    initial = carried.handed(None)
    finish(ev, carried, loop, crossings, initial, body.args[1:], results)
    op = Op(FOR, [start, stop, *initial], results, {"step": turns.step}, [body], place)
    builder.block.ops.append(op)
    return leave(ev, node, carried, loop, names, turns.runs)


def _note_range(ev: Evaluator, variable: Value, turns: Range) -> None:
    if isinstance(turns.start, Value) or isinstance(turns.stop, Value):
        first, end = ev.builder.as_affine(turns.start), ev.builder.as_affine(turns.stop)
        ev.loop_ranges[variable] = (first, end - 1) if turns.step > 0 else (end + 1, first)


# --- the first turn apart -----------------------------------------------------------------------------------------


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
        condition = decide(ev, node.test)
        if isinstance(condition, Value):
            raise needed
        return bool(condition)

    return unrolled(ev, node, more, None)


def _while_in_ir(ev: Evaluator, node: ast.While, loop: Loop) -> Completion:
    builder = ev.builder
    place = ev.mark(node)
    carried = Carried(ev, node, carried_names(ev, node))
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
            condition = decide(ev, node.test)
            endless = condition is True
            if condition is False and all(isinstance(slot, Fixed) for slot in carried.slots.values()):
                return None
            if any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):
                raise Unsupported("`:=` in the condition of a `while`", "`while True` with `break`")
            builder.emit(YIELD, [condition if isinstance(condition, Value) else builder.constant(condition)])
            run_body(ev, node, loop, names, body)
        return body

    if evaluate(ev, carried, loop, attempt) is None:
        return ev.exec_block(node.orelse)
    builder.loc = place
    results: list[Value] = []
    names = carried.arrive(results, crossings)
    initial = carried.handed(None)
    finish(ev, carried, loop, crossings, initial, header.args, results)
    builder.block.ops.append(Op(WHILE, initial, results, {}, [header, body], place))
    if endless and not any(edge.kind == "break" for edge in loop.edges):
        builder.raise_(SystemError, "unreachable")
        return Flow.DEAD
    return leave(ev, node, carried, loop, names, False)
