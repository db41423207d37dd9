"""Texts of compiled code, for `inspect`: LLVM IR after the passes, and assembly."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

from pydsl.jit.cpu.passes import optimize
from pydsl.jit.runtime.loader import host_machine, locked


def optimized_ir(text: str) -> str:
    """A kernel's LLVM IR after the backend's passes."""
    with locked():
        return str(_optimized(text)[0])


def assembly(text: str) -> str:
    """A kernel's assembly for this machine."""
    with locked():
        module, machine = _optimized(text)
        return str(machine.emit_assembly(module))


def _optimized(text: str) -> tuple[Any, Any]:
    machine = host_machine()
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    optimize(module, machine)
    return module, machine
