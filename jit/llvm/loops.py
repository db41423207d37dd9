"""Loops: their shape in LLVM IR, and the metadata that tells LLVM what is known about them.

A counted loop is emitted rotated (guard, body, test at the end) with the only `nsw` of the whole emitter on its own
counter. Loops whose iterations are independent (and do not meet what they wrote themselves) carry
access groups; the loop vectoriser then needs no run-time checks.
Vectorisation is never forced by metadata: that would let LLVM reorder float sums that nobody declared reorderable, and
print a warning where it cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pydsl.ir.affine import Affine
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.scalars import single
from pydsl.loops.ir import Apply, Buffer, For, If, LoopKind, Stmt, Store, Var, While
from pydsl.loops.schedule.dependences import touches_again
from pydsl.loops.walk import expressions, subexpressions

EmitBody: TypeAlias = Callable[[Frame, Sequence[Stmt]], None]
"""Writes a list of statements."""


def emit_for(frame: Frame, loop: For, emit_body: EmitBody) -> None:
    """A loop of any kind on one thread."""
    start, stop = frame.index(loop.start), frame.index(loop.stop)
    properties = _properties(frame, loop)
    text = frame.text
    was_vector = text.vector
    text.vector = was_vector or loop.kind is LoopKind.VECTOR or loop.independent
    declared = loop.independent and not touches_again([loop], (loop.var,))
    if declared:
        group, independence = access_group(frame)
        frame.groups.append(group)
        properties += independence

    def body(counter: str) -> None:
        frame.bind(loop.var, counter)
        emit_body(frame, loop.body)

    counted_loop(frame, start, stop, body, properties, nonnegative=_nonnegative(loop.start))
    if declared:
        frame.groups.pop()
    text.vector = was_vector


def counted_loop(
    frame: Frame,
    start: str,
    stop: str,
    body: Callable[[str], None],
    properties: Sequence[str] = (),
    *,
    step: int = 1,
    nonnegative: bool = True,
) -> None:
    """``for counter in range(start, stop, step)``: `body` writes one iteration and is given the counter's name."""
    text = frame.text
    if _is_number(start) and _is_number(stop) and int(start) >= int(stop):
        return
    head, latch, exit_ = text.block("loop"), text.block("next"), text.block("exit")
    enter = text.block("enter")
    if not (_is_number(start) and _is_number(stop)):
        text.branch(text.op(f"icmp slt i64 {start}, {stop}"), enter, exit_)
    text.start(enter)
    counter, following = f"%{text.fresh('i')}", f"%{text.fresh('n')}"
    text.start(head)
    text.do(f"{counter} = phi i64 [ {start}, %{enter} ], [ {following}, %{latch} ]")
    frame.targets.append((latch, exit_))
    with frame.scope():
        body(counter)
    frame.targets.pop()
    text.start(latch)
    text.do(f"{following} = add {'nuw nsw' if nonnegative else 'nsw'} i64 {counter}, {step}")
    more = text.op(f"icmp slt i64 {following}, {stop}")
    metadata = ""
    if properties:
        node = frame.unit.module.distinct(", ".join(properties), self_first=True)
        metadata = f", !llvm.loop {node}"
    text.branch(more, head, exit_, metadata)
    text.start(exit_)


def emit_while(frame: Frame, loop: While, emit_body: EmitBody) -> None:
    """Header, condition, body, again."""
    text = frame.text
    head, body, exit_ = text.block("while"), text.block("do"), text.block("done")
    text.start(head)
    frame.targets.append((head, exit_))
    with frame.scope():
        emit_body(frame, loop.header)
        if not text.terminated:
            text.branch(single(frame.evaluate(loop.condition)), body, exit_)
            text.start(body)
            emit_body(frame, loop.body)
        text.jump(head)
    frame.targets.pop()
    text.start(exit_)


def _is_number(value: str) -> bool:
    return not value.startswith("%")


def _nonnegative(start: Affine) -> bool:
    low, _ = start.bounds({var: var.bounds for var, _ in start.terms if isinstance(var, Var)})
    return low is not None and low >= 0


# --- metadata -------------------------------------------------------------------------------------------------------


def access_group(frame: Frame) -> tuple[str, list[str]]:
    """A new access group, and the loop properties that say its accesses are independent across iterations."""
    group = frame.unit.module.distinct()
    return group, [frame.unit.module.node(f'!"llvm.loop.parallel_accesses", {group}')]


_SHORT = 8
_FEW = 6
#: stores next to each other that LLVM can make one interleaved store of
_INTERLEAVED = 8


def _properties(frame: Frame, loop: For) -> list[str]:
    """The pipeline unrolls only what asks for it: loops of the kind UNROLL, and tiny ones."""
    extent = loop.stop - loop.start
    innermost = not any(isinstance(s, For | While | If) for s in loop.body)
    tiny = extent.is_const and extent.value <= _SHORT and len(loop.body) <= _FEW
    if loop.kind is LoopKind.UNROLL or (tiny and innermost):
        return [frame.unit.module.node('!"llvm.loop.unroll.full"')]
    if innermost and _only_scatters(loop):
        return [frame.unit.module.node('!"llvm.loop.vectorize.enable", i1 false')]
    return []


def _only_scatters(loop: For) -> bool:
    """Whether a loop does little more than store with gaps: a vector scatter is slower than its stores one by one."""
    groups: dict[tuple[Buffer, int], list[int]] = {}
    for stmt in loop.body:
        if isinstance(stmt, Store):
            stride = abs(stmt.offset.coeff(loop.var))
            groups.setdefault((stmt.buffer, stride), []).append(stmt.value.dtype.itemsize)
    scattered = [key for key, sizes in groups.items() if key[1] > sum(sorted(sizes)[-_INTERLEAVED:])]
    if not scattered:
        return False
    work = sum(isinstance(e, Apply) for s in loop.body for top in expressions(s) for e in subexpressions(top))
    return work <= 2 * sum(isinstance(stmt, Store) for stmt in loop.body)
