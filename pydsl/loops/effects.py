"""What statements change, their inner statements included: the memory they may write and the variables they assign."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Assign,
    Buffer,
    CallPython,
    Copy,
    Gemm,
    Release,
    SetPointer,
    Stmt,
    Store,
    Var,
)
from pydsl.loops.walk import blocks


@dataclass
class Effects:
    """Buffers that may hold something else afterwards (pointers themselves included), and variables that may."""

    buffers: set[Buffer] = field(default_factory=set)
    assigned: set[Var] = field(default_factory=set)

    def add(self, other: Effects) -> None:
        self.buffers |= other.buffers
        self.assigned |= other.assigned


class EffectsOf:
    """Effects of compound statements, each computed once."""

    def __init__(self) -> None:
        self._known: dict[int, Effects] = {}

    def body(self, body: list[Stmt]) -> Effects:
        """The effects of a statement list."""
        found = Effects()
        for stmt in body:
            self._collect(stmt, found)
        return found

    def statement(self, stmt: Stmt) -> Effects:
        """The effects of a statement that has inner ones."""
        known = self._known.get(id(stmt))
        if known is None:
            known = Effects()
            for block in blocks(stmt):
                known.add(self.body(block))
            self._known[id(stmt)] = known
        return known

    def _collect(self, stmt: Stmt, found: Effects) -> None:
        match stmt:
            case Assign():
                found.assigned.add(stmt.var)
            case Store() | Alloc() | AllocResult() | Release():
                found.buffers.add(stmt.buffer)
            case SetPointer():
                found.buffers.add(stmt.pointer)
            case Gemm():
                found.buffers.add(stmt.c)
            case Copy():
                found.buffers.add(stmt.dst)
            case CallPython():
                found.buffers.update(stmt.writes, stmt.reached)
            case _:
                if blocks(stmt):
                    found.add(self.statement(stmt))
