"""From LLVM IR text to code in memory.

Parsing, verifying, optimising and loading happen under one lock (LLVM's context is shared); the code itself runs
without it. Which passes run is the backend's business: it hands in a function. The code stays in memory as long as
its `LoadedCode`, and for ever once the interpreter shuts down: idle threads of a parallel runtime may still
return into it.
"""

from __future__ import annotations

import atexit
import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from pydsl.errors import InternalCompilerError

Optimizer = Callable[[Any, Any], None]

_LOCK = threading.RLock()


class LoadedCode:
    """Machine code of one module. Keeps the memory of the code alive."""

    def __init__(self, engine: Any, module: Any) -> None:
        self._engine = engine
        self._module = module
        _alive.add(self)

    def address(self, name: str) -> int:
        """Where a function of the module begins."""
        found = int(self._engine.get_function_address(name))
        if not found:
            raise InternalCompilerError(f"the compiled module has no function {name!r}", stage="loading")
        return found

    def leak(self) -> None:
        """Never free this code."""
        self._engine.detach()


_alive: weakref.WeakSet[LoadedCode] = weakref.WeakSet()


@atexit.register
def _keep_code_at_exit() -> None:
    for code in list(_alive):
        code.leak()


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def _host() -> tuple[Any, str, str]:
    _initialize()
    return llvm.Target.from_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def host_machine(opt: int = 3) -> Any:
    """A new target machine of this host: its CPU, its features. An engine takes the ownership of its machine, so
    that each `load` needs another one."""
    target, cpu, features = _host()
    return target.create_target_machine(cpu=cpu, features=features, opt=opt, jit=True)


def locked() -> Any:
    """The lock under which LLVM is used."""
    return _LOCK


def load(
    text: str,
    optimize: Optimizer | None = None,
    target_machine: Any = None,
    level: int = 3,
) -> LoadedCode:
    """Parse, verify, optimise and load a module. `target_machine` is what `optimize` gets; code is generated with
    effort `level` (0 to 3)."""
    with _LOCK:
        machine = host_machine(level)
        module = _parse(text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        if optimize is not None:
            optimize(module, machine if target_machine is None else target_machine)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return LoadedCode(engine, module)


def _parse(text: str) -> Any:
    _initialize()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InternalCompilerError(f"invalid LLVM IR: {error}", stage="loading") from error
    return module
