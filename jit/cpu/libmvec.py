"""glibc's vector math library: the functions that may stand for the scalar ones in a vectorised loop.

Measured against extended precision on normal numbers, denormals, huge arguments and special values, for all three
widths: every function below stays within 4 ULP and gives NaN, infinities and signed zeros like the scalar one. The
largest errors, over all float32: `log` 3.97, `tan` 3.95, `asin` 3.12. `tests/backend/test_math.py` repeats a part.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Mapping

import llvmlite.binding as llvm

from pydsl.jit.llvm.target import MathFunction

_LIBRARY = "libmvec.so.1"

_ONE_ARGUMENT = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt"),
    *("sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
_TWO_ARGUMENTS = ("pow", "atan2", "hypot")

_ISA = {128: "b", 256: "d", 512: "e"}
"""Width in bits to the letter of the instruction set in the name of a vector function: SSE, AVX2, AVX-512."""


@functools.cache
def vector_math(vector_bits: int) -> Mapping[tuple[str, str], MathFunction]:
    """The functions that the library on this machine has, for vectors of up to that many bits."""
    library = _library()
    if library is None:
        return {}
    found: dict[tuple[str, str], MathFunction] = {}
    for names, arguments in ((_ONE_ARGUMENT, "v"), (_TWO_ARGUMENTS, "vv")):
        for name in names:
            for type_, symbol, size in (("double", name, 8), ("float", f"{name}f", 4)):
                variants = tuple(
                    (bits // 8 // size, f"_ZGV{isa}N{bits // 8 // size}{arguments}_{symbol}")
                    for bits, isa in _ISA.items()
                    if bits <= vector_bits
                )
                present = tuple(variant for variant in variants if hasattr(library, variant[1]))
                if present:
                    found[name, type_] = MathFunction(symbol, present)
    return found


def load() -> None:
    """Make the functions known to the linker of compiled code."""
    _library()


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The library, loaded so that compiled code finds its functions; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        llvm.load_library_permanently(_LIBRARY)
        return ctypes.CDLL(_LIBRARY)
    except (OSError, RuntimeError):
        return None
