"""NumPy's functions that are made of others, written in the language itself.

Each is evaluated in place of the call, with everything that is known at compile time known: `isinstance`, shapes,
dtypes, axes and flags decide while the function is compiled. What is raised inside is shown at the caller's line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydsl.library import standing
from pydsl.library.functions import (
    applied,
    differences,
    grids,
    joins,
    masked,
    nans,
    numbers,
    quantiles,
    sets,
    signal,
    statistics,
    ufuncs,
)

__all__ = [
    "all_functions",
    "applied",
    "differences",
    "grids",
    "joins",
    "masked",
    "nans",
    "numbers",
    "quantiles",
    "sets",
    "signal",
    "statistics",
    "ufuncs",
]


def all_functions() -> list[tuple[Callable[..., Any], Callable[..., Any]]]:
    """Pairs (NumPy's function, ours)."""
    return standing()
