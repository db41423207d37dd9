"""What the CPU backend makes of a module's text: for `inspect`, dumps and tests. Running code is the loader's
business."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

from pydsl.jit.cpu.passes import optimize
from pydsl.jit.runtime.loader import host_machine, locked


def optimized_ir(text: str) -> str:
    """LLVM IR after the passes."""
    with locked():
        return str(_optimized(text)[0])


def assembly(text: str) -> str:
    """Assembly for this host."""
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
