"""Two ways through the code that a condition known at run time decides between, and their join.

Both ways are evaluated into blocks of an `if`; the variables that differ afterwards become its results. Where both
ways only compute a few scalars, there is no `if` but a `select`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import NumpyError
from pydsl.frontend.frames import Namespace
from pydsl.frontend.joins import Crossing, Fixed, Slot, Variable, Widener, connect, depart, expose, hull
from pydsl.frontend.values import UNBOUND, Dead, Operand, is_list_variable
from pydsl.ir.core import Block, Op, Value
from pydsl.ir.ops.control import IF, YIELD
from pydsl.ir.ops.elementwise import SELECT
from pydsl.ir.record import Cost, Kind
from pydsl.ir.types import INDEX, Type

_MAX_SELECTED = 8
_VALUE = "<value>"


@dataclass(frozen=True)
class Branch:
    """A region of the evaluator: one way of a dynamic `if`."""

    condition: Value


@dataclass
class Way:
    """One way through an `if`.

    alive: whether its end is reached.
    value: the value of an expression (or whatever the evaluation answered).
    """

    block: Block
    names: Namespace
    alive: bool
    value: Operand


def fresh_id() -> int:
    """An id later than those of all values there are."""
    return Value(INDEX).id


def evaluate(ev: Evaluator, condition: Value, run: Callable[[], Operand]) -> Way:
    """Evaluate one way into a block of its own. `run` answers its value; failures of the program end the way."""
    block = Block()
    before = ev.frame.names
    ev.frame.names = before.copy()
    try:
        with ev.inside(block, Branch(condition)):
            try:
                value = run()
                return Way(block, ev.frame.names, True, value)
            except NumpyError as failure:
                ev.raise_here(failure, failure.location or ev.builder.loc)
            except Dead:
                pass
            return Way(block, ev.frame.names, False, None)
    finally:
        ev.frame.names = before


def choose(
    ev: Evaluator, condition: bool | Value, first: Callable[[], Operand], second: Callable[[], Operand]
) -> Operand:
    """The value of an expression of which only the chosen part is evaluated."""
    if not isinstance(condition, Value):
        return first() if condition else second()
    since = fresh_id()
    ways = [evaluate(ev, condition, first), evaluate(ev, condition, second)]
    return ev.use(join(ev, condition, ways, since, None, with_value=True))


def join(
    ev: Evaluator,
    condition: Value,
    ways: Sequence[Way],
    since: int,
    live: Collection[str] | None,
    with_value: bool = False,
) -> Operand:
    """Emit the `if`; the frame gets the joined variables.

    live: the names that are needed afterwards (None: all).
    with_value: whether the values of the ways are joined as well; the result is the joined value.

    Raises
    ------
    Dead: neither way reaches its end.
    """
    alive = [way for way in ways if way.alive]
    if not alive:
        _emit(ev, condition, ways, [], [])
        ev.builder.raise_(SystemError, "unreachable")
        raise Dead
    changed = _changed(ev, alive)
    needed = changed if live is None else [name for name in changed if name in live or is_list_variable(name)]
    slots: list[tuple[str, Slot]] = []
    for name in needed:
        values = [way.names.values.get(name, UNBOUND) for way in alive]
        slots.append((name, _slot(ev, values, name, alive, condition, since)))
    if with_value:
        slots.append((_VALUE, _slot(ev, [way.value for way in alive], _VALUE, alive, condition, since)))
    results: list[Value] = []
    operands: list[list[Value]] = []
    for way in alive:
        out: list[Value] = []
        with ev.builder.at(way.block):
            for name, slot in slots:
                value = way.value if name == _VALUE else way.names.values.get(name, UNBOUND)
                depart(ev.builder, slot, value, out)
        operands.append(out)
    crossing = Crossing(ev.builder, _maker(results), ev.own)
    joined = {name: crossing.arrive(slot, "" if name == _VALUE else name) for name, slot in slots}
    answer = joined.pop(_VALUE, None)
    names = Namespace(dict(ev.frame.names.values), dict(alive[0].names.places))
    for name in changed:
        names.values.pop(name, None)
    names.values.update((name, value) for name, value in joined.items() if value is not UNBOUND)
    connect(crossing.phis, results, operands)
    hull(ev.builder, results, operands)
    if not _select(ev, condition, ways, results, operands):
        _emit(ev, condition, ways, results, operands)
    ev.frame.names = names
    return answer


def _maker(into: list[Value]) -> Callable[[Type, str], Value]:
    def new(type_: Type, hint: str) -> Value:
        value = Value(type_, hint)
        into.append(value)
        return value

    return new


def _changed(ev: Evaluator, alive: Sequence[Way]) -> list[str]:
    """The variables that some way has changed."""
    before = ev.frame.names.values
    names: dict[str, None] = {}
    for way in alive:
        names.update(dict.fromkeys(n for n, v in way.names.values.items() if before.get(n, UNBOUND) is not v))
        names.update(dict.fromkeys(n for n in before if n not in way.names.values))
    return list(names)


def _slot(
    ev: Evaluator, values: Sequence[Operand], name: str, alive: Sequence[Way], condition: Value, since: int
) -> Slot:
    places = [way.names.places.get(name) for way in alive]
    shown = "this expression" if name == _VALUE else name
    if any(value is not values[0] for value in values):
        values = [_grown(ev, value, alive) for value in values]
    slot: Slot = Fixed(values[0])
    widener = Widener(ev.builder)
    for value, place in zip(values[1:], places[1:], strict=True):
        slot = widener.widen(slot, value, Variable(shown, places[0], place, condition))
    return expose(slot, since)


def _grown(ev: Evaluator, value: Operand, alive: Sequence[Way]) -> Operand:
    """The value, as a list that grows where some way makes it one."""
    for way in alive:
        value = ev.as_grown(value, way.names)
    return value


def _emit(
    ev: Evaluator, condition: Value, ways: Sequence[Way], results: list[Value], operands: list[list[Value]]
) -> None:
    """The `if` itself. A dead way has its terminator already."""
    if not results and all(way.alive and not way.block.ops for way in ways):
        return
    handed = iter(operands)
    for way in ways:
        if way.alive:
            with ev.builder.at(way.block):
                ev.builder.emit(YIELD, next(handed))
    op = Op(IF, [condition], results, {}, [way.block for way in ways], ev.builder.loc)
    ev.builder.block.ops.append(op)


def _select(
    ev: Evaluator, condition: Value, ways: Sequence[Way], results: list[Value], operands: list[list[Value]]
) -> bool:
    """Where both ways only compute scalars: compute both and select. The results become the results of selects."""
    ops = [op for way in ways for op in way.block.ops]
    if len(operands) < 2 or any(r.is_tensor for r in results) or len(ops) > _MAX_SELECTED:
        return False
    if not all(_is_plain(op) for op in ops):
        return False
    ev.builder.block.ops.extend(ops)
    for index, result in enumerate(results):
        pair = [condition, operands[0][index], operands[1][index]]
        ev.builder.block.ops.append(Op(SELECT, pair, [result], {}, [], ev.builder.loc))
    return True


def _is_plain(op: Op) -> bool:
    record = op.record
    return (
        record.pure
        and record.kind in (Kind.SCALAR, Kind.ELEMENTWISE)
        and record.name != "load"
        and record.cost < Cost.HEAVY
        and not any(v.is_tensor for v in (*op.operands, *op.results))
    )
