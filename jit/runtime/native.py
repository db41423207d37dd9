"""A specialization ready to be called: its machine code, its table, and calls of it from Python."""

from __future__ import annotations

import ctypes
from typing import Any

from pydsl.jit.runtime import dispatch, loader
from pydsl.jit.runtime.abi import KERNEL_NAME, MISS, CompiledSpecialization, Specialization
from pydsl.jit.runtime.calls import PythonCaller
from pydsl.jit.runtime.entry import ENTRY_NAME, MISS_VALUE, write_entry
from pydsl.jit.runtime.errors import ErrorFactory
from pydsl.jit.runtime.layout import Layout, native_layout
from pydsl.jit.runtime.portable import PortableSpecialization
from pydsl.jit.runtime.spectable import SpecTable

_ENTRY = ctypes.PYFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p
)


class NativeSpecialization:
    """Calls a specialization through its native entry."""

    def __init__(
        self,
        spec: Specialization,
        kernel: loader.LoadedCode,
        entry: loader.LoadedCode,
        objects: SpecTable,
    ) -> None:
        self.spec = spec
        self.entry = entry.address(ENTRY_NAME)
        self.table = objects.freeze()
        self._keep = (kernel, entry, objects)
        self._call = _ENTRY(self.entry)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the call, or `MISS` if a guard does not hold."""
        objects = (*args, *kwargs.values())
        pointers = (ctypes.c_void_p * len(objects))(*map(id, objects))
        names = tuple(kwargs)
        answer = self._call(self.table, pointers, len(args), id(names) if names else None)
        if answer == MISS_VALUE:
            return MISS
        result = ctypes.cast(answer, ctypes.py_object).value
        ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(answer))  # the entry's reference; `result` holds its own
        return result


def materialize(
    compiled: CompiledSpecialization, layout: Layout | None = None
) -> NativeSpecialization | PortableSpecialization:
    """Load a compiled specialization: natively where the interpreter's layout is known."""
    spec = compiled.spec
    layout = native_layout() if layout is None else layout
    if layout is None:
        return load_portable(compiled)
    dispatch.ensure_support()
    kernel = load_kernel(compiled)
    objects = SpecTable(spec, ErrorFactory(spec), kernel.address(KERNEL_NAME), PythonCaller(spec))
    entry = loader.load(write_entry(spec, layout, objects), level=0)
    return NativeSpecialization(spec, kernel, entry, objects)


def load_kernel(compiled: CompiledSpecialization) -> loader.LoadedCode:
    """Load the kernel's module."""
    return loader.load(compiled.llvm_ir, compiled.optimize, compiled.target_machine)


def load_portable(compiled: CompiledSpecialization) -> PortableSpecialization:
    """Load only the kernel, to be called from Python."""
    code = load_kernel(compiled)
    return PortableSpecialization(compiled.spec, code.address(KERNEL_NAME), code)
