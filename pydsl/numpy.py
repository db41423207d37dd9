"""`import pydsl.numpy as pnp`: arrays like NumPy's that live on the host or on a device, computed by the compiler.

Everything is in `pydsl.jit.arrays`; this module is its public name, and loads it with the first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = f"{__name__.partition('.')[0]}.jit.arrays.namespace"


def __getattr__(name: str) -> Any:
    """A function, a dtype or a constant of the namespace."""
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = import_module(_HOME).find(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    names: list[str] = import_module(_HOME).names()
    return names
