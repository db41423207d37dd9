"""What reports are made from: the record that the pipeline keeps of one compilation."""

from __future__ import annotations

from typing import Any, Protocol

from pydsl.ir.core import Function
from pydsl.loops.ir import LoopFunction
from pydsl.loops.schedule.auto import ScheduleReport
from pydsl.lowering.function import Lowered
from pydsl.lowering.memory import MemoryPlan


class Compilation(Protocol):
    """Everything known about one compilation.

    Properties, so that any record with these attributes will do. ``source`` is the user's Python function, ``llvm`` the
    emitted LLVM IR; ``times`` has seconds by stage.
    """

    @property
    def source(self) -> Any: ...

    @property
    def function(self) -> Function: ...

    @property
    def lowered(self) -> Lowered: ...

    @property
    def loops(self) -> LoopFunction: ...

    @property
    def plan(self) -> MemoryPlan: ...

    @property
    def schedule(self) -> ScheduleReport: ...

    @property
    def llvm(self) -> str: ...

    @property
    def times(self) -> dict[str, float]: ...

    def optimized(self) -> str:
        """LLVM IR after the backend's passes."""
        ...

    def asm(self) -> str:
        """Assembly of the machine that it was compiled for."""
        ...
