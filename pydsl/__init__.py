"""pydsl: a JIT compiler for plain NumPy.

    from pydsl import jit

    @jit
    def f(x, y): ...      # NumPy, unchanged

Importing this package is cheap: the compiler is loaded by the first use of a name below, LLVM by the first decorated
function, and CUDA packages only where a CUDA target is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydsl.callbacks import Array as Array
    from pydsl.callbacks import callback as callback
    from pydsl.errors import (
        InternalCompilerError as InternalCompilerError,
    )
    from pydsl.errors import (
        PydslError as PydslError,
    )
    from pydsl.errors import (
        ScheduleError as ScheduleError,
    )
    from pydsl.errors import (
        SourceUnavailableError as SourceUnavailableError,
    )
    from pydsl.errors import (
        UnsupportedError as UnsupportedError,
    )
    from pydsl.jit.decorator import jit as jit
    from pydsl.loops.schedule.user import Schedule as Schedule

__version__ = "0.1.0"

__all__ = [
    "Array",
    "InternalCompilerError",
    "PydslError",
    "Schedule",
    "ScheduleError",
    "SourceUnavailableError",
    "UnsupportedError",
    "__version__",
    "callback",
    "jit",
]

# The home of each public name. `jit` is a sub-package that is itself callable (see its __init__): importing
# `pydsl.jit` binds the attribute `jit` to the module, and both meanings have to be one object.
_MODULES = {"jit", "knobs", "kernels", "numpy"}
_NAMES = {
    "Array": "pydsl.callbacks",
    "InternalCompilerError": "pydsl.errors",
    "PydslError": "pydsl.errors",
    "Schedule": "pydsl.loops.schedule.user",
    "ScheduleError": "pydsl.errors",
    "SourceUnavailableError": "pydsl.errors",
    "UnsupportedError": "pydsl.errors",
    "callback": "pydsl.callbacks",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
