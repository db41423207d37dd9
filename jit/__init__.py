"""The decorator `jit`, and the package of everything behind it: code generation, runtime, targets.

This package is callable. ``from pydsl import jit`` has to give the decorator, but the import system binds the attribute
``jit`` of ``pydsl`` to this module as soon as anything imports ``pydsl.jit``. So the module is the decorator: in every
order of imports ``pydsl.jit`` is one object, which can be called and whose sub-modules can be imported. The
implementation is in `pydsl.jit.decorator`, loaded (with LLVM) by the first call.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """A module that forwards a call to the function `jit` of its sub-module `decorator`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module(f"{__name__}.decorator").jit(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
