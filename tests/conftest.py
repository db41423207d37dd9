"""Set-up of the test suite: knobs for tests, hypothesis profiles, golden files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Before anything is compiled: verify after every pass, and leave the user's cache alone.
os.environ.setdefault("PYDSL_VERIFY", "1")
os.environ.setdefault("PYDSL_CACHE_DIR", "off")

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=5000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


GPU = Path("/dev/nvidiactl")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gpu", action="store_true", help="run tests with the fixture `cuda` on a CUDA device, too, or fail"
    )
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests with the fixture `cuda` run on the simulator, and on the device where there is one (`--gpu` demands it)."""
    if "cuda" in metafunc.fixturenames:
        drivers = [pytest.param("sim", id="sim")]
        if GPU.exists() or metafunc.config.getoption("--gpu"):
            drivers.append(pytest.param("real", id="gpu", marks=pytest.mark.gpu))
        metafunc.parametrize("cuda", drivers, indirect=True)


@pytest.fixture
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A CUDA driver: a fresh simulated device, or the device of this machine."""
    from pydsl.jit.cuda import driver as drivers  # loaded where it is used: most tests are not about CUDA

    simulated = request.param == "sim"
    monkeypatch.setenv("PYDSL_CUDA_SIM", "1" if simulated else "0")
    if simulated:
        drivers.forget("sim")
    yield drivers.current()
    if simulated:
        drivers.forget("sim")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)` compares a text with the file `golden/<name>` beside the test."""
    folder: Path = request.path.parent / "golden"

    def compare(name: str, text: str) -> None:
        file = folder / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing; run pytest --update-golden"
        assert text == file.read_text(encoding="utf-8"), f"{file} differs; see pytest --update-golden"

    return compare
