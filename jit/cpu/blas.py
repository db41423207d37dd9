"""GEMM for compiled code: scipy-openblas32, whose functions have a prefix of their own, through the runtime table.

The library works on one thread; products run on threads in panels, on the same pool as all other loops. Its own threads
would wait actively for the next product, beside those of NumPy's copy of the library, on the same cores.
"""

from __future__ import annotations

import ctypes
import functools

import scipy_openblas32

from pydsl.jit.runtime import table

_PREFIX = "scipy_"
_FUNCTIONS = (
    *("cblas_sgemm", "cblas_dgemm", "cblas_cgemm", "cblas_zgemm"),
    *("cblas_sgemv", "cblas_dgemv", "cblas_cgemv", "cblas_zgemv"),
    *("cblas_sdot", "cblas_ddot"),
)


@functools.cache
def library() -> ctypes.CDLL:
    """The library that the wheel brings."""
    folder, name = scipy_openblas32.get_lib_dir(), scipy_openblas32.get_library(fullname=True)
    return ctypes.CDLL(f"{folder}/{name}")


@functools.cache
def install() -> None:
    """Fill the entries of the runtime table for GEMM. Loading the library takes a while: only when code needs it."""
    blas = library()
    for name in _FUNCTIONS:
        address = ctypes.cast(getattr(blas, _PREFIX + name), ctypes.c_void_p).value
        table.provide(name, address or 0, blas)
    getattr(blas, f"{_PREFIX}openblas_set_num_threads")(ctypes.c_int(1))
