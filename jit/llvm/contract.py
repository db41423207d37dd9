"""Contractions."""

from __future__ import annotations

from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.loops import EmitBody
from pydsl.loops.ir import Contract


def emit_contract(frame: Frame, stmt: Contract, emit_body: EmitBody) -> None:
    raise NotImplementedError
