"""The memory plan: temporaries of static size that survived fusion share one arena, by lifetime."""

from __future__ import annotations

from dataclasses import dataclass

from pydsl.loops.ir import Buffer, Contract, Copy, Gemm, SetPointer, Space, Stmt, Store
from pydsl.loops.walk import expressions, subexpressions, walk

ALIGNMENT = 64


@dataclass
class MemoryPlan:
    """The plan's numbers, for reports: the arena, the sum of all planned temporaries, their count."""

    arena: int
    total: int
    count: int


def plan_memory(body: list[Stmt]) -> tuple[MemoryPlan, list[Buffer]]:
    """Gives every ARENA buffer of a function body its offset; returns the plan and the buffers in use.

    The lifetime of a buffer is the span of top-level statements that mention it; a first-fit search places the buffers in
    order of first use.
    """
    spans: dict[Buffer, tuple[int, int]] = {}
    used: dict[Buffer, None] = {}
    for position, top in enumerate(body):
        for stmt in walk([top]):
            for buffer in mentioned(stmt):
                used[buffer] = None
                first, _ = spans.get(buffer, (position, position))
                spans[buffer] = (first, position)
    placed: list[tuple[int, int, int, int]] = []  # first, last, offset, end
    arena = total = count = 0
    for buffer, (first, last) in spans.items():
        if buffer.space is not Space.ARENA:
            continue
        assert buffer.nbytes is not None
        size = -(-max(buffer.nbytes.value, 1) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for _, _, low, high in sorted((p for p in placed if p[0] <= last and first <= p[1]), key=lambda p: p[2]):
            if offset + size <= low:
                break
            offset = max(offset, high)
        placed.append((first, last, offset, offset + size))
        buffer.arena_offset = offset
        buffer.alignment = ALIGNMENT
        arena = max(arena, offset + size)
        total += size
        count += 1
    return MemoryPlan(arena, total, count), list(used)


def mentioned(stmt: Stmt) -> list[Buffer]:
    """The buffers one statement mentions, inner statements excluded."""
    found: list[Buffer] = []
    for top in expressions(stmt):
        for expr in subexpressions(top):
            buffer = getattr(expr, "buffer", None)
            if isinstance(buffer, Buffer):
                found.append(buffer)
    match stmt:
        case Store():
            found.append(stmt.buffer)
        case Contract():
            found += [stmt.a, stmt.b]
        case Gemm():
            found += [stmt.a, stmt.b, stmt.c]
        case Copy():
            found += [stmt.dst, stmt.src]
        case SetPointer():
            found += [stmt.pointer, stmt.target]
        case _:
            buffer = getattr(stmt, "buffer", None)
            if isinstance(buffer, Buffer):
                found.append(buffer)
    return found
