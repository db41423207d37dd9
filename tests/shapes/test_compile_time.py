"""The compiler's own work grows in proportion to the program: counted in function calls, which do not depend on the
machine."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path
from typing import Any

import numpy as np

from pydsl.jit.pipeline import compile_specialization
from tests.tracing import with_request

STATEMENTS = (
    "a = x * 1.5 + y",
    "x = a - y * 0.5",
    "y[1:] = x[:-1]",
    "x[::2] += 1.0",
    "y = np.maximum(x, y)",
)


def straight_line(count: int, folder: Path) -> Any:
    """A function of so many array statements."""
    lines = [f"    {STATEMENTS[k % len(STATEMENTS)]}" for k in range(count)]
    text = "\n".join(["def program(x, y):", *lines, "    return x + y", ""])
    path = folder / f"program_{count}.py"
    path.write_text(text)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(text, str(path), "exec"), namespace)
    return namespace["program"]


def calls(count: int, folder: Path) -> int:
    """Calls of Python functions while such a function is compiled down to LLVM IR."""
    function = straight_line(count, folder)
    args = (np.ones(1000), np.ones(1000))
    profile = cProfile.Profile()
    profile.runcall(with_request, function, args, compile_specialization)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_the_work_of_the_compiler_is_near_linear(tmp_path: Path) -> None:
    calls(20, tmp_path)  # what is done once
    few, many = calls(100, tmp_path), calls(400, tmp_path)
    assert many < 4 * 1.6 * few, f"{few} calls for 100 statements, {many} for 400"
