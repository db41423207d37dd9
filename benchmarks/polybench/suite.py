"""All thirty programs, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.polybench import blas, medley, solvers, stencils
from benchmarks.polybench.program import Args, Program
from tests.kernels.memory import arrays_in, clone

PROGRAMS = tuple(
    sorted((*blas.PROGRAMS, *solvers.PROGRAMS, *medley.PROGRAMS, *stencils.PROGRAMS), key=lambda p: p.name)
)


def outcome(function: Callable[..., Any], args: Args) -> list[np.ndarray[Any, Any]]:
    """The results of a call on a copy of the arguments, and the arguments as they are afterwards."""
    own = clone(args)
    with np.errstate(all="ignore"):
        result = function(*own)
    return [*arrays_in(result), *arrays_in(own)]


def compare(program: Program, function: Callable[..., Any], args: Args) -> None:
    """Compares a call with plain NumPy.

    Raises
    ------
    AssertionError: a result or a written argument differs by more than the program's tolerance.
    """
    want, got = outcome(program.function, args), outcome(function, args)
    assert len(got) == len(want), f"{program.name}: {len(got)} arrays instead of {len(want)}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        program.tolerance.check(g, w, f"{program.name}, array {i}")


def choose(names: Iterable[str] | None) -> list[Program]:
    """The programs of these names; all without names."""
    if not names:
        return list(PROGRAMS)
    known = {program.name: program for program in PROGRAMS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"unknown program: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]
