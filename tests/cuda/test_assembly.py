"""Every kernel of the suite becomes PTX, and machine code where `ptxas` is installed.

`PYDSL_TEST_ARCHS=sm_80,sm_90,sm_100` assembles for these; the default run takes one of them for each case.
"""

from __future__ import annotations

import os

import pytest

from pydsl import jit
from pydsl.jit.cuda.ptx import ptx
from pydsl.jit.cuda.target import ARCHITECTURES
from tests.cuda.programs import check_assembly, program, ptxas
from tests.kernels.cases import CASES, Case
from tests.kernels.test_viewbench import rng_for

needs_ptxas = pytest.mark.skipif(ptxas() is None, reason="ptxas is not installed")


def architectures(position: int) -> list[str]:
    wanted = os.environ.get("PYDSL_TEST_ARCHS")
    return wanted.split(",") if wanted else [ARCHITECTURES[position % len(ARCHITECTURES)]]


@needs_ptxas
@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_viewbench_assembles(case: Case) -> None:
    made = program(case.function, *case.make("small", "c", rng_for(case.name, "small")))
    for arch in architectures(CASES.index(case)):
        check_assembly(made, arch)


def test_nothing_is_contracted() -> None:
    """A product and a sum stay two roundings, in PTX and for the assembler, which contracts what has no `.rn`."""
    import numpy as np

    @jit
    def f(x, y, z):  # type: ignore[no-untyped-def]
        return x * y + z

    x = np.ones(1000, np.float32)
    text = ptx(program(f, x, x, x).device_ir, "sm_90")
    assert "mul.rn.f32" in text and "add.rn.f32" in text
    assert "fma" not in text and "mad.f32" not in text
