"""What `PYDSL_LOG` and `PYDSL_DUMP` write about each compilation."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

from pydsl import knobs
from pydsl.report.graph import graph, signature
from pydsl.report.record import Compilation
from pydsl.report.stages import STAGES, inspect

_SUFFIXES = {"llvm": "ll", "asm": "s"}
_numbers = itertools.count(1)


def announce(compilation: Compilation) -> None:
    """Log and dump a compilation as the knobs say; nothing by default."""
    level = knobs.LOG.get()
    if level != "off":
        sys.stderr.write(log_text(compilation, level))
    dump = knobs.DUMP.get()
    if dump.stages:
        _dump(compilation, dump)


def log_text(compilation: Compilation, level: str = "info") -> str:
    """One line for a compilation; at level ``debug`` a line for each stage with its time after it."""
    total = 1e3 * sum(compilation.times.values())
    kernels = sum(len(segment.kernels) for segment in compilation.lowered.segments)
    stages = ", ".join(f"{stage} {1e3 * seconds:.1f}" for stage, seconds in compilation.times.items())
    noun = "kernel" if kernels == 1 else "kernels"
    text = f"pydsl: {signature(compilation)}: {kernels} {noun}, {total:.1f} ms ({stages})\n"
    if level == "debug":
        for stage, seconds in compilation.times.items():
            text += f"pydsl:   {stage:<10} {1e3 * seconds:8.2f} ms\n"
    return text


def _dump(compilation: Compilation, dump: knobs.Dump) -> None:
    stages = [stage for stage in STAGES if dump.wants(stage)]
    if dump.directory is None:
        for stage in stages:
            heading = f"=== {compilation.function.name}: {stage} ==="
            sys.stderr.write(f"{heading}\n{inspect(compilation, stage).rstrip()}\n")
        return
    folder = Path(dump.directory)
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{re.sub(r'[^0-9A-Za-z_.]', '_', compilation.function.name)}.{next(_numbers)}"
    for stage in stages:
        file = folder / f"{base}.{stage}.{_SUFFIXES.get(stage, 'txt')}"
        file.write_text(inspect(compilation, stage), encoding="utf-8")
        if stage == "dag":
            graph(compilation).save(folder / f"{base}.dag.svg")
