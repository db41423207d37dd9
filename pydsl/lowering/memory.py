"""The memory plan: temporaries of static size that survived fusion share one arena, by lifetime."""

from __future__ import annotations

from dataclasses import dataclass

from pydsl.loops.alias import roots
from pydsl.loops.ir import Buffer, Space, Stmt
from pydsl.loops.walk import buffers, walk

ALIGNMENT = 64


@dataclass
class MemoryPlan:
    """The plan's numbers, for reports: the arena, the sum of all planned temporaries, their count."""

    arena: int
    total: int
    count: int


def plan_memory(body: list[Stmt]) -> tuple[MemoryPlan, list[Buffer]]:
    """Gives every ARENA buffer of a function body its offset; returns the plan and the buffers in use.

    The lifetime of a buffer is the span of top-level statements that mention it, or a pointer that may point into it; a
    first-fit search places the buffers in order of first use.
    """
    spans: dict[Buffer, tuple[int, int]] = {}
    used: dict[Buffer, None] = {}
    for position, top in enumerate(body):
        for stmt in walk([top]):
            for buffer in buffers(stmt):
                used[buffer] = None
                for memory in roots(buffer):
                    first, _ = spans.get(memory, (position, position))
                    spans[memory] = (first, position)
    placed: list[tuple[int, int, int, int]] = []  # first, last, offset, end
    arena = total = count = 0
    for buffer, (first, last) in spans.items():
        if buffer.space is not Space.ARENA:
            continue
        assert buffer.nbytes is not None
        size = -(-max(buffer.nbytes.value, 1) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for _, _, low, high in sorted(
            (p for p in placed if p[0] <= last and first <= p[1]), key=lambda p: p[2]
        ):
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
