"""CUDA devices as a target of the emitter: no vectors, math from libdevice, no contraction that was not declared."""

from __future__ import annotations

from pydsl.jit.llvm.target import Target

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
"""What kernels are compiled for: A100, H100 and H200, B200."""


def cuda_target() -> Target:
    """The description of a device; it is the same for all architectures, which differ when PTX is made."""
    return Target(name="cuda", vector_bits=32, fma=False, math_prefix="__nv_")
