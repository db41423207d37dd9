"""Every example under `@jit` and as plain Python, at a small size: results and written arguments agree."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.showing import Example, arrays_of, copied, difference, show

NAMES = (
    "edges",
    "game_of_life",
    "gray_scott",
    "k_means",
    "kalman",
    "lorenz",
    "mandelbrot",
    "shallow_water",
    "smith_waterman",
    "viterbi",
    "wave_equation",
)
FOLDER = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> Example:
    found: Example = importlib.import_module(f"examples.{name}").EXAMPLE
    return found


def test_every_example_is_tested_and_listed() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "showing", "face_detection"}
    assert files == set(NAMES)
    gallery = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in (*NAMES, "face_detection"):
        assert f"[`{name}.py`]({name}.py)" in gallery


@pytest.mark.parametrize("name", NAMES)
def test_equals_plain_python(name: str) -> None:
    program = example(name)
    args = program.arguments("small")
    plain: Any = program.function.__wrapped__  # type: ignore[attr-defined]
    want_args = copied(args)
    want = arrays_of(plain(*want_args), want_args)
    for call in ("first call", "warm call"):
        got_args = copied(args)
        got = arrays_of(program.function(*got_args), got_args)
        assert difference(got, want) <= program.rtol, call
    assert program.describe(got)


@pytest.mark.parametrize("name", ["edges", "smith_waterman"])
def test_the_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert show(example(name), ["--size", "small", "--runs", "1", "--output", str(tmp_path)]) == 0
    assert "times faster" in capsys.readouterr().out
    assert (tmp_path / f"{name}.png").stat().st_size > 2000


def test_differences_are_found() -> None:
    a = np.array([1.0, 2.0, np.nan])
    assert difference([a], [a.copy()]) == 0
    assert difference([a], [np.array([1.0, 2.5, np.nan])]) == pytest.approx(0.2)
    assert difference([a], [np.array([1.0, 2.0, np.inf])]) == np.inf
    assert difference([a], [a.astype(np.float32)]) == np.inf
