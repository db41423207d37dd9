"""PTX from the device module: libdevice linked in, LLVM's passes, LLVM's NVPTX back end."""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as llvm

from pydsl.errors import InternalCompilerError
from pydsl.jit.cuda.tools import package_file
from pydsl.jit.runtime.loader import locked

TRIPLE = "nvptx64-nvidia-cuda"
_FEATURES = {"sm_80": "+ptx70", "sm_90": "+ptx78", "sm_100": "+ptx86"}
_LIBDEVICE = "libdevice.10.bc"


class LibdeviceMissingError(ImportError):
    """The bit code of CUDA's math library is not installed."""


@functools.cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def machine(arch: str) -> Any:
    """A target machine for an architecture."""
    _initialize()
    target = llvm.Target.from_triple(TRIPLE)
    return target.create_target_machine(cpu=arch, features=_FEATURES.get(arch, "+ptx78"), opt=3)


@functools.cache
def _libdevice() -> bytes:
    path = package_file(_LIBDEVICE)
    if path is None:
        raise LibdeviceMissingError("math functions on CUDA need libdevice: pip install pydsl-jit[cuda]")
    return path.read_bytes()


@functools.lru_cache(maxsize=256)
def ptx(device_ir: str, arch: str) -> str:
    """PTX of a device module for one architecture.

    Raises
    ------
    LibdeviceMissingError: a kernel calls a math function, and the wheel `nvidia-nvvm` is not installed.
    """
    with locked():
        target = machine(arch)
        module = optimized_module(device_ir, target)
        return str(target.emit_assembly(module))


def optimized_module(device_ir: str, target: Any) -> Any:
    """The module after linking and LLVM's passes."""
    try:
        module = llvm.parse_assembly(device_ir)
        module.triple = TRIPLE
        module.data_layout = str(target.target_data)
        if any(f.is_declaration and f.name.startswith("__nv_") for f in module.functions):
            _link_libdevice(module)
        module.verify()
    except RuntimeError as error:
        raise InternalCompilerError(f"invalid LLVM IR for the device: {error}", stage="ptx") from error
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = True
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _link_libdevice(module: Any) -> None:
    own = {f.name for f in module.functions if not f.is_declaration}
    library = llvm.parse_bitcode(_libdevice())
    library.data_layout = module.data_layout
    library.triple = module.triple
    module.link_in(library)
    for function in module.functions:
        if not function.is_declaration and function.name not in own:
            function.linkage = "internal"
