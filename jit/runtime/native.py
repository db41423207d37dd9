"""A specialization ready to be called: its machine code, its table, and calls of it from Python."""

from __future__ import annotations

import ctypes
import re
from typing import Any

from pydsl.jit.runtime import dispatch, loader
from pydsl.jit.runtime.abi import MISS, CompiledSpecialization, Specialization
from pydsl.jit.runtime.entry import ENTRY_NAME, KERNEL_NAME, MISS_VALUE, write_entry
from pydsl.jit.runtime.errors import ErrorFactory
from pydsl.jit.runtime.layout import Layout, native_layout
from pydsl.jit.runtime.portable import PortableSpecialization
from pydsl.jit.runtime.spectable import SpecTable

_ENTRY = ctypes.PYFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p
)


class NativeSpecialization:
    """Calls a specialization through its native entry."""

    def __init__(self, spec: Specialization, code: loader.LoadedCode, objects: SpecTable) -> None:
        self.spec = spec
        self.entry = code.address(ENTRY_NAME)
        self.table = objects.freeze()
        self._keep = (code, objects)
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
    objects = SpecTable(spec, ErrorFactory(spec))
    entry = write_entry(spec, layout, objects, _attributes(compiled.llvm_ir))
    code = loader.load(
        compiled.llvm_ir + entry.text, compiled.optimize, compiled.target_machine, internal=(KERNEL_NAME,)
    )
    return NativeSpecialization(spec, code, objects)


_KERNEL_HEAD = re.compile(rf"^define [^@]*@{KERNEL_NAME}\([^)]*\)([^{{]*){{", re.MULTILINE)


def _attributes(llvm_ir: str) -> str:
    """The function attributes of the kernel in this text."""
    found = _KERNEL_HEAD.search(llvm_ir)
    return found.group(1).strip() if found else ""


def load_portable(compiled: CompiledSpecialization) -> PortableSpecialization:
    """Load only the kernel, to be called from Python."""
    code = loader.load(compiled.llvm_ir, compiled.optimize, compiled.target_machine)
    return PortableSpecialization(compiled.spec, code.address(KERNEL_NAME), code)
