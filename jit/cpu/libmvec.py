"""glibc's vector math library: which of its functions may stand for the scalar ones."""

from __future__ import annotations

from collections.abc import Mapping

from pydsl.jit.llvm.target import MathFunction


def vector_math(vector_bits: int) -> Mapping[tuple[str, str], MathFunction]:
    return {}
