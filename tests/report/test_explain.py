"""What `explain` says about small functions, and that its numbers are right."""

from __future__ import annotations

import pytest

from pydsl import knobs
from pydsl.report.explain import explain
from pydsl.report.output import log_text
from pydsl.report.stages import STAGES, inspect
from tests.report.samples import SAMPLES, record


@pytest.mark.parametrize("name", ["flip", "softmax", "steps", "loop"])
def test_text(name: str, golden) -> None:
    with knobs.scope(num_threads=2):
        golden(f"explain-{name}.txt", str(explain(record(SAMPLES[name]()))))


def test_traffic_of_one_fused_kernel_is_the_least_possible() -> None:
    found = explain(record(SAMPLES["softmax"]()))
    assert len(found.kernels) == 1
    assert found.traffic.least_read == found.traffic.least_written == 1000 * 80 * 4
    assert not found.traffic.rough


def test_plain_numpy_allocates_every_intermediate_result() -> None:
    found = explain(record(SAMPLES["softmax"]()))
    big, small = 1000 * 80 * 4, 1000 * 4
    assert found.plain.arrays == 5
    assert found.plain.total == 3 * big + 2 * small
    assert found.plain.peak == 2 * big + 2 * small  # the variables e and y, top and total


def test_temporaries_have_reasons() -> None:
    for name in SAMPLES:
        for temporary in explain(record(SAMPLES[name]())).temporaries:
            assert temporary.reason and temporary.where


def test_in_place_columns_are_read_and_written_once() -> None:
    found = explain(record(SAMPLES["flip"]()))
    assert found.traffic.least_read == found.traffic.least_written == 3 * 4000


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_stage_has_a_text(name: str, stage: str) -> None:
    text = inspect(record(SAMPLES[name](), source=inspect), stage)
    assert isinstance(text, str) and text.strip()
    assert repr(text) == str(text)


def test_stages_are_listed() -> None:
    text = inspect(record(SAMPLES["flip"]()))
    assert [line.split()[0] for line in text.splitlines()] == list(STAGES)


def test_an_unknown_stage_is_named() -> None:
    with pytest.raises(ValueError, match="no stage is called 'nest'; there are: stages, source"):
        inspect(record(SAMPLES["flip"]()), "nest")


def test_log_line() -> None:
    compilation = record(SAMPLES["softmax"]())
    compilation.times = {"trace": 0.0012, "lower": 0.0305}
    text = log_text(compilation)
    assert text == "pydsl: softmax(x: float32[1000, 80]): 1 kernel, 31.7 ms (trace 1.2, lower 30.5)\n"
    assert len(log_text(compilation, "debug").splitlines()) == 3
