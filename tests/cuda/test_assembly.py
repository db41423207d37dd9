"""Every kernel of the suite becomes PTX, and machine code where `ptxas` is installed.

`PYDSL_TEST_ARCHS=sm_80,sm_90,sm_100` assembles for these; the default run takes one of them for each case.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from pydsl import UnsupportedError, jit
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


@needs_ptxas
def test_blocks_that_work_together_assemble() -> None:
    """Barriers, shared memory, two stages; sums of all kinds."""

    @jit
    def f(x, y):  # type: ignore[no-untyped-def]
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True), y.sum(), y.std(), x.argmax(axis=1), np.cumsum(y), y[y > 0]

    x = np.ones((40, 1000), np.float32)
    made = program(f, x, np.ones(100_000))
    text = ptx(made.device_ir, "sm_90")
    assert "bar.sync" in text and "ld.shared" in text
    assert "shared.b8" not in text  # no access byte by byte
    assert ".extern" not in text
    check_assembly(made, "sm_90")


def test_arithmetic_is_that_of_ieee() -> None:
    """Quotients and roots are rounded correctly, products of matrices may be contracted."""

    @jit
    def f(x, y, a):  # type: ignore[no-untyped-def]
        return x / y, np.sqrt(x), a @ a

    text = ptx(program(f, np.ones(9, np.float32), np.ones(9, np.float32), np.ones((8, 8))).device_ir, "sm_90")
    assert "div.rn.f32" in text and "sqrt.rn.f32" in text and "fma.rn.f64" in text
    assert "ftz" not in text and "approx" not in text


def test_complex_functions_are_refused_with_the_line() -> None:
    @jit
    def f(z):  # type: ignore[no-untyped-def]
        return np.exp(z)

    with pytest.raises(UnsupportedError, match=r"np\.exp of complex numbers on CUDA"):
        program(f, np.ones(3, np.complex128))


def test_what_inspect_and_explain_show() -> None:
    @jit
    def f(x):  # type: ignore[no-untyped-def]
        return x * 2 + 1

    report = program(f, np.ones(1000, np.float32)).report
    assert "ptx" in report.inspect() and ".visible .entry k0" in report.inspect("ptx")
    assert report.inspect("launches") == "k0: 4 blocks of 256 threads, a thread for each iteration, " + (
        "at most 8000 bytes moved\n"
    )
    assert "Launches" in str(report.explain())
    assert "block" in report.inspect("loops")


def test_arrays_that_are_not_aligned_are_read_by_bytes() -> None:
    """A device would stop at the first access of a whole element."""

    @jit
    def f(x):  # type: ignore[no-untyped-def]
        return x + 1

    odd = np.zeros(41, np.uint8)[1:].view(np.float32)
    assert "ld.global.b8" in ptx(program(f, odd).device_ir, "sm_90")
    assert "ld.global.b8" not in ptx(program(f, odd.copy()).device_ir, "sm_90")
