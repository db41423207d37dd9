"""What the emitter must know about a target, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MathFunction:
    """A scalar math function of the target and the vector forms that the loop vectoriser may use for it.

    symbol: name of the scalar function.
    variants: ``(lanes, symbol)`` of its vector forms.
    """

    symbol: str
    variants: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Target:
    """A description of one target.

    name: for messages.
    vector_bits: width of the widest vector registers worth using.
    vector_registers: how many there are.
    masked: vector loads and stores may be masked at no cost.
    fma: a fused multiply-add instruction exists.
    complex_fma: NumPy itself multiplies complex numbers with fused multiply-adds on this machine.
    math: function name and LLVM type ("exp", "double") to the function that computes it.
    function_attributes: attributes of every function.
    threads: the most threads of a parallel loop.
    math_prefix: what the names of the target's math functions begin with, where they are not those of C.
    """

    name: str
    vector_bits: int = 128
    vector_registers: int = 16
    masked: bool = False
    fma: bool = False
    complex_fma: bool = False
    math: Mapping[tuple[str, str], MathFunction] = field(default_factory=dict)
    function_attributes: str = "nounwind"
    threads: int = 1
    math_prefix: str = ""

    def lanes(self, itemsize: int) -> int:
        """Elements of that many bytes in one vector register."""
        return max(1, self.vector_bits // (8 * itemsize))
