"""The passes that turn emitted LLVM IR into what is compiled.

LLVM's own pipeline for -O3. It unrolls only the loops that ask for it: left to itself it doubles the time and the code
of a kernel whose loops are vectorised anyway, and unrolls short loops before its vectoriser sees them.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Any

import llvmlite.binding as llvm

from pydsl.jit.cpu import blas, libmvec, threads
from pydsl.jit.llvm.gemm import GEMM_PREFIX
from pydsl.jit.llvm.parallel import BODY_PREFIX
from pydsl.jit.runtime import table


def optimize(module: Any, machine: Any) -> None:
    """Run the pipeline over a parsed module, in place, and load the libraries that its code calls."""
    provide_libraries(module)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_interleaving = True
    options.loop_unrolling = False
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def provide_libraries(module: Any) -> None:
    """Load what the functions of a module call at run time and cannot be linked: vector math, threads, GEMM."""
    libmvec.load()
    _provide_huge_pages()
    names = [function.name for function in module.functions]
    if any(name.startswith(BODY_PREFIX) for name in names):
        threads.install()
    if any(name.startswith(GEMM_PREFIX) for name in names):
        blas.install()


@functools.cache
def _provide_huge_pages() -> None:
    if sys.platform.startswith("linux"):
        table.provide("madvise", ctypes.cast(ctypes.CDLL(None).madvise, ctypes.c_void_p).value or 0)
