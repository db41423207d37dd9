"""All thirty PolyBench programs, compiled, against plain Python: contiguous arrays, and views in other layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.polybench import __main__ as command
from benchmarks.polybench.program import Program
from benchmarks.polybench.suite import PROGRAMS, compare
from pydsl import jit
from tests.kernels.memory import arrays_in, lay_out

NAMES = (
    "2mm 3mm adi atax bicg cholesky correlation covariance deriche doitgen durbin fdtd-2d floyd-warshall gemm "
    "gemver gesummv gramschmidt heat-3d jacobi-1d jacobi-2d lu ludcmp mvt nussinov seidel-2d "
    "symm syr2k syrk trisolv trmm"
)


def test_all_thirty_are_there() -> None:
    assert [p.name for p in PROGRAMS] == NAMES.split()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_equals_numpy(program: Program) -> None:
    compiled = jit(program.function)
    compare(program, compiled, program.make("test"))
    compare(program, compiled, program.make("test"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_other_layouts(program: Program) -> None:
    """Arrays alternate between rows backwards in every other column, and transposed."""
    layouts = iter(["strided", "transposed", "reversed"] * 4)
    args = tuple(lay_out(x, next(layouts)) if isinstance(x, np.ndarray) else x for x in program.make("test"))
    compare(program, jit(program.function), args)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_the_arguments_are_sound(program: Program) -> None:
    """Sizes grow, the same arguments come every time, and results are finite."""
    small, again = program.make("small"), program.make("small")
    for a, b in zip(arrays_in(small), arrays_in(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(x.size for x in arrays_in(small)) > sum(x.size for x in arrays_in(program.make("test")))
    args = program.make("test")
    result: Any = program.function(*args)
    for x in (*arrays_in(result), *arrays_in(args)):
        assert np.isfinite(x).all()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--program", "trisolv", "--size", "test", "--output", str(tmp_path)]
    assert command.main(arguments) == 0
    assert "geometric mean" in capsys.readouterr().out
    document = json.loads((tmp_path / "polybench.json").read_text())
    (record,) = document["records"]
    assert record["peers"]["pydsl"]["warm_s"] > 0
    assert (tmp_path / "polybench.svg").read_text().startswith("<svg")
