"""This host as a target of the emitter."""

from __future__ import annotations

import functools
from dataclasses import replace

import llvmlite.binding as llvm

from pydsl.jit.cpu.libmvec import vector_math
from pydsl.jit.cpu.threads import thread_count
from pydsl.jit.llvm.target import Target


def host_target() -> Target:
    """The description of the processor that this process runs on, with the threads that the knob allows now."""
    return replace(_processor(), threads=thread_count())


@functools.cache
def _processor() -> Target:
    features = _features()
    bits = 512 if _avx512(features) else 256 if features.get("avx2") else 128
    attributes = f'nounwind "prefer-vector-width"="{bits}" "min-legal-vector-width"="0"'
    return Target(
        name="cpu",
        vector_bits=bits,
        vector_registers=32 if bits == 512 else 16,
        masked=bits == 512,
        fma=bool(features.get("fma")),
        complex_fma=bool(features.get("fma")) and bits >= 256,
        math=vector_math(bits),
        function_attributes=attributes,
    )


@functools.cache
def _features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())


def _avx512(features: dict[str, bool]) -> bool:
    return all(features.get(name, False) for name in ("avx512f", "avx512dq", "avx512vl", "avx512bw"))
