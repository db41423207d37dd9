"""`explain`, `graph` and `inspect` of jitted functions: the ViewBench kernels, and what the knobs write."""

from __future__ import annotations

import tracemalloc
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pydsl import jit, knobs
from pydsl.fusion.edges import verify_edges
from pydsl.report.stages import STAGES
from tests.kernels.cases import CASES


def scale(x, factor):
    y = x * factor
    y[1:] += x[:-1]
    return np.sqrt(y)


X = np.linspace(1.0, 2.0, 50)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_viewbench(case) -> None:
    args = case.make("small", "c", np.random.default_rng(0))
    found = case.function.explain(*args)
    assert found.kernels
    assert found.times["machine code"] > 0
    assert all(fact.lines for fact in found.kernels)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 160
    picture = case.function.graph(*args)
    root = ElementTree.fromstring(picture.svg)
    assert root.tag.endswith("svg")
    for segment in case.function.report(*args).lowered.segments:
        verify_edges(segment.statements, segment.edges)


@pytest.mark.parametrize("name", ["P3", "P4", "P6", "P8", "P13"])
def test_memory_of_plain_numpy_is_what_plain_numpy_takes(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    args = case.make("batch1", "c", np.random.default_rng(0))
    plain = jit(case.function.__wrapped__).explain(*args).plain  # for these sizes, whatever ran before
    case.function.__wrapped__(*args)
    tracemalloc.start()
    case.function.__wrapped__(*args)
    measured = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.8 * measured < plain.peak < 1.1 * measured


def test_every_stage_of_a_jitted_function() -> None:
    f = jit(scale)
    texts = {stage: f.inspect(stage, X, 2.0) for stage in STAGES}
    assert "def scale(x, factor):" in texts["source"]
    assert "FunctionDef" in texts["ast"]
    assert "func @scale" in texts["ir"]
    assert "RAW" in texts["dag"]
    assert "loops scale" in texts["loops"]
    assert "define" in texts["llvm"] and "define" in texts["optimized"]
    assert "ret" in texts["asm"]
    assert [line.split()[0] for line in f.inspect("stages", X, 2.0).splitlines()] == list(STAGES)


def test_seeing_does_not_run_the_function() -> None:
    @jit
    def clear(x):
        x[:] = 0.0

    x = X.copy()
    clear.explain(x)
    clear.graph(x)
    clear.inspect("ir", x)
    assert np.array_equal(x, X)


def test_lines_are_the_users() -> None:
    found = jit(scale).explain(X, 2.0)
    first = scale.__code__.co_firstlineno
    assert found.place.endswith(f"test_methods.py:{first}")
    lines = {work.line: work.source for fact in found.kernels for work in fact.work}
    assert lines[first + 1] == "y = x * factor"
    assert lines[first + 2] == "y[1:] += x[:-1]"


def test_log_writes_one_line(capfd) -> None:
    with knobs.scope(log="info"):
        jit(scale)(X, 2.0)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("pydsl: scale(x: float64[50], factor: float): ")
    assert "machine code" in line and " ms (" in line


def test_nothing_is_written_by_default(capfd) -> None:
    jit(scale)(X, 2.0)
    assert capfd.readouterr() == ("", "")


def test_dump_to_the_error_stream(capfd) -> None:
    with knobs.scope(dump="ir,loops"):
        jit(scale)(X, 2.0)
    text = capfd.readouterr().err
    assert "=== scale: ir ===" in text and "=== scale: loops ===" in text
    assert "llvm" not in text


def test_dump_to_a_directory(tmp_path) -> None:
    with knobs.scope(dump=f"ir,dag,llvm,{tmp_path}/"):
        jit(scale)(X, 2.0)
    names = sorted(file.name.split(".", 2)[2] for file in tmp_path.iterdir())
    assert names == ["dag.svg", "dag.txt", "ir.txt", "llvm.ll"]
    assert all(file.read_text().strip() for file in tmp_path.iterdir())
