"""`if` statements.

A condition known at compile time chooses. Otherwise both ways are evaluated and joined. Where a way may leave an
unrolled loop or an inlined function (`break`, `continue`, `return`), what follows the `if` up to the end of that loop
or function is evaluated inside of the ways: only there it is known whether it runs::

    if c: return a        if c { yield a }
    rest            ->    else { rest; yield b }
    return b
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from pydsl.frontend import branches
from pydsl.frontend.conditions import condition as decide
from pydsl.frontend.evaluator import Completion, Evaluator, Flow, Pending, Resolved, Rest, Returned, Turns
from pydsl.frontend.frames import Frame, Loop
from pydsl.frontend.scopes import Jumps
from pydsl.frontend.values import Dead
from pydsl.ir.core import Value


def if_statement(ev: Evaluator, node: ast.If) -> Completion:
    """`if`, `elif`, `else`."""
    condition = decide(ev, node.test)
    ev.mark(node.test)
    if not isinstance(condition, Value):
        return ev.exec_block(node.body if condition else node.orelse)
    place = ev.builder.loc
    boundary = _boundary(ev, node)
    entries = None if boundary is None else _entries(ev, boundary)
    since = branches.fresh_id()
    ways = []
    for stmts in (node.body, node.orelse):
        way = branches.evaluate(ev, condition, lambda stmts=stmts: _run(ev, stmts, boundary, entries))  # type: ignore[misc]
        way.alive = way.alive and way.value is not Flow.DEAD
        ways.append(way)
    ev.builder.loc = place
    if isinstance(boundary, Frame):
        for way in ways:
            way.value = way.value.value if isinstance(way.value, Returned) else None
    try:
        if boundary is None:
            branches.join(ev, condition, ways, since, ev.frame.source.scope.live_after(node))
            return Flow.NEXT
        if isinstance(boundary, Loop):
            branches.join(ev, condition, ways, since, _live_after_loop(ev, boundary))
            return Resolved(boundary, Flow.NEXT)
        value = branches.join(ev, condition, ways, since, (), with_value=True)
        return Resolved(boundary, Returned(value))
    except Dead:
        return Flow.DEAD


def _boundary(ev: Evaluator, node: ast.If) -> Loop | Frame | None:
    """Up to where the code after the `if` belongs inside of its ways; None: not at all."""
    jumps = Jumps.of([*node.body, *node.orelse])
    frame = ev.frame
    leaves_loop = jumps.loop and bool(frame.loops) and not frame.loops[-1].in_ir
    if frame.main:
        return frame.loops[-1] if leaves_loop else None
    if jumps.returns or (leaves_loop and frame.source.scope.early_return):
        if not any(loop.in_ir for loop in frame.loops):
            return frame
    return frame.loops[-1] if leaves_loop else None


def _live_after_loop(ev: Evaluator, loop: Loop) -> frozenset[str]:
    return ev.frame.source.scope.live_after(loop.node) if loop.node is not None else frozenset()


def _entries(ev: Evaluator, boundary: Loop | Frame) -> tuple[int, list[Pending]]:
    """What is still to run up to the boundary, innermost last, and how many entries stand before it."""
    pending = ev.pending
    for position in range(len(pending) - 1, -1, -1):
        entry = pending[position]
        if entry is boundary:
            return position + 1, _copied(pending[position + 1 :])
        if isinstance(entry, Turns) and entry.loop is boundary:
            return position, _copied(pending[position:])
    raise AssertionError("a boundary that is not pending")


def _copied(entries: Sequence[Pending]) -> list[Pending]:
    """The entries as they are now: they count on while they run."""
    return [entry if isinstance(entry, Frame) else replace(entry) for entry in entries]


def _run(
    ev: Evaluator,
    stmts: Sequence[ast.stmt],
    boundary: Loop | Frame | None,
    entries: tuple[int, list[Pending]] | None,
) -> Completion:
    """One way: its statements, and what follows up to the boundary."""
    flow = ev.exec_block(stmts)
    if boundary is None or entries is None:
        return flow
    outer, rest = entries
    pending, loops = ev.pending, ev.frame.loops
    try:
        for number in range(len(rest) - 1, -1, -1):
            entry = rest[number]
            ev.pending = [*pending[:outer], *rest[:number]]
            if isinstance(flow, Resolved | Returned) or flow is Flow.DEAD:
                break
            if isinstance(entry, Frame):
                continue
            ev.frame.loops = loops[: entry.depth]
            if isinstance(entry, Rest):
                if flow is Flow.NEXT:
                    flow = ev.exec_block(entry.stmts, entry.index)
            elif flow is Flow.BREAK:
                flow = Flow.NEXT
            else:
                flow = entry.run(entry.index)
    finally:
        ev.pending, ev.frame.loops = pending, loops
    if isinstance(flow, Resolved) and flow.boundary is boundary:
        flow = flow.flow
    return flow
