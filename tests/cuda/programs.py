"""Compiling functions for CUDA in tests, and assembling what comes out."""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydsl import knobs
from pydsl.jit.cuda.pipeline import compile_program
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.cuda.ptx import ptx
from pydsl.jit.cuda.tools import find_tool
from pydsl.jit.signature import CompileRequest, StaticsNeeded


def program(function: Any, *args: Any) -> CudaProgram:
    """The program of a jitted function for these arguments; the loops are verified."""
    while True:
        bound = function._bind(args, {})
        request = CompileRequest(function._function, bound.signature, function._options, list(bound.objects))
        try:
            with knobs.scope(verify=True):
                return compile_program(request)
        except StaticsNeeded as needed:
            function._promote(needed.paths)


@dataclass(frozen=True)
class Usage:
    """What `ptxas` says about a kernel."""

    registers: int
    spills: int
    stack: int


@functools.cache
def ptxas() -> Path | None:
    return find_tool("ptxas")


def assemble(text: str, arch: str) -> dict[str, Usage]:
    """Runs `ptxas`; its report for each kernel."""
    assembler = ptxas()
    assert assembler is not None
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.ptx"
        source.write_text(text)
        run = subprocess.run(
            [assembler, "-v", f"-arch={arch}", source, "-o", Path(folder) / "kernels.cubin"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    found: dict[str, Usage] = {}
    for part in run.stderr.split("Compiling entry function")[1:]:
        name = re.search(r"'(\w+)'", part)
        registers = re.search(r"Used (\d+) registers", part)
        sizes = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        assert name and registers and sizes, part
        found[name[1]] = Usage(int(registers[1]), int(sizes[2]) + int(sizes[3]), int(sizes[1]))
    return found


def check_assembly(made: CudaProgram, arch: str) -> dict[str, Usage]:
    """PTX and machine code of a program; elementwise kernels keep everything in registers."""
    if not made.kernels:
        return {}
    usage = assemble(ptx(made.device_ir, arch), arch)
    for kernel in made.kernels:
        if kernel.elementwise:
            assert usage[kernel.name].spills == 0, (kernel, usage[kernel.name])
    return usage
