"""What all functions emitted for one loop function share: the module, facts about variables, alias information."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pydsl.jit.llvm.target import Target
from pydsl.jit.llvm.text import ModuleText
from pydsl.loops.ir import Buffer, Declare, For, LoopFunction, LoopKind, Space, Stmt, Var
from pydsl.loops.walk import blocks, buffers

_MOST_SCOPES = 64
_COUNTED = (Space.HEAP, Space.POINTER)
_PRIVATE = (Space.LOCAL, Space.HEAP, Space.POINTER)


class Unit:
    """The state shared by the functions that one loop function is compiled to.

    mutable: variables that are assigned after their declaration may have changed, so that nothing computed from them
        is kept.
    home: the outermost parallel loop that holds every use of a buffer, where there is one: the buffer is then
        private to each of its threads.
    """

    def __init__(self, function: LoopFunction, target: Target) -> None:
        self.function = function
        self.target = target
        self.module = ModuleText(target)
        self.mutable: set[Var] = set()
        self.home: dict[Buffer, For | None] = {}
        self._scan(function.body, None)
        self.counted = [buffer for buffer in self.home if buffer.space in _COUNTED]
        self._alias = _alias_metadata(
            self.module, [b for b in function.buffers if b.space is not Space.POINTER]
        )
        self._constants: dict[Buffer, str] = {}

    def alias(self, buffer: Buffer) -> str:
        """The alias metadata of an access to a buffer, ready to append to the instruction."""
        return self._alias.get(buffer, "")

    def constant(self, buffer: Buffer) -> str:
        """The global that holds the data of a CONST buffer."""
        if buffer not in self._constants:
            data = np.asarray(buffer.data)
            content = data.tobytes(order="A")
            text = "".join(f"\\{byte:02X}" for byte in content)
            alignment = max(64, buffer.alignment)
            self._constants[buffer] = self.module.constant(
                f"pydsl.const.{len(self._constants)}",
                f'private unnamed_addr constant [{len(content)} x i8] c"{text}", align {alignment}',
            )
        return self._constants[buffer]

    # --- scan -----------------------------------------------------------------------------------------------

    def _scan(self, body: Sequence[Stmt], parallel: For | None) -> None:
        for stmt in body:
            if isinstance(stmt, Declare):
                self.mutable.add(stmt.var)
            for buffer in buffers(stmt):
                if buffer.space in _PRIVATE:
                    known = self.home.setdefault(buffer, parallel)
                    if known is not parallel:
                        self.home[buffer] = None
            inside = parallel
            if parallel is None and isinstance(stmt, For) and stmt.kind is LoopKind.PARALLEL:
                inside = stmt
            for child in blocks(stmt):
                self._scan(child, inside)


def _alias_metadata(module: ModuleText, buffers: Sequence[Buffer]) -> dict[Buffer, str]:
    """One alias scope for each buffer. Two buffers planned on the same bytes of the arena at different times are not
    declared distinct: their accesses must keep their order."""
    if not 1 < len(buffers) <= _MOST_SCOPES:
        return {}
    domain = module.distinct(self_first=True)
    scopes = {buffer: module.distinct(domain, self_first=True) for buffer in buffers}
    found: dict[Buffer, str] = {}
    for buffer in buffers:
        others = [
            scopes[other] for other in buffers if other is not buffer and not _share_arena(buffer, other)
        ]
        own = module.node(scopes[buffer])
        found[buffer] = f", !alias.scope {own}, !noalias {module.node(', '.join(others))}" if others else ""
    return found


def _share_arena(first: Buffer, second: Buffer) -> bool:
    if first.space is not Space.ARENA or second.space is not Space.ARENA:
        return False
    spans = []
    for buffer in (first, second):
        if buffer.nbytes is None or not buffer.nbytes.is_const or buffer.arena_offset is None:
            return True
        spans.append((buffer.arena_offset, buffer.arena_offset + buffer.nbytes.value))
    return spans[0][0] < spans[1][1] and spans[1][0] < spans[0][1]
