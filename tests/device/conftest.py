"""The simulated device for tests, and the real one where there is one and `--gpu` asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pydsl.jit.cuda import driver as drivers
from pydsl.jit.cuda.sim import SimDriver


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimDriver]:
    """A fresh simulated device."""
    monkeypatch.setenv("PYDSL_CUDA_SIM", "1")
    drivers.forget("sim")
    made = drivers.current()
    assert isinstance(made, SimDriver)
    yield made
    drivers.forget("sim")
