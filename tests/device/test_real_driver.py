"""The real driver's calls, against a driver library without a device (`fake_libcuda.c`)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydsl.errors import (
    CudaError,
    CudaUnavailableError,
    DeviceMemoryError,
    DriverTooOldError,
    LostContextError,
)
from pydsl.jit.cuda import driver as drivers
from pydsl.jit.cuda import real
from pydsl.jit.cuda.buffers import Buffer

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

INIT, ALLOCATE, MODULE, LAUNCH, SYNCHRONIZE, COUNT = range(6)
ALLOCATED, FREED, LAUNCHED, TRIMMED, WAITED, EVENTS, THRESHOLD, ENTERED = range(8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fake") / "libfakecuda.so"
    source = Path(__file__).with_name("fake_libcuda.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(source)], check=True)
    return made


@pytest.fixture
def library(file: Path, tmp_path: Path) -> Any:
    """A fresh copy: its counters start at zero."""
    copy = tmp_path / "libcuda.so"
    shutil.copy(file, copy)
    return ctypes.CDLL(str(copy))


@pytest.fixture
def device(library: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[real.RealDriver]:
    made = real.RealDriver(library)
    monkeypatch.setitem(drivers._drivers, "real", made)
    monkeypatch.setenv("PYDSL_CUDA_SIM", "0")
    yield made


def test_the_device_is_opened(device: real.RealDriver, library: Any) -> None:
    assert device.arch == "sm_90"
    assert device.device_name == "Fake GPU"
    assert not device.is_simulated
    assert library.fake_count(THRESHOLD) == 1
    assert device.memory() == (1000, 5_000_000_000)


def test_memory_and_copies(device: real.RealDriver, library: Any) -> None:
    import pydsl.numpy as pnp

    a = np.arange(12, dtype="f4").reshape(3, 4)
    x = pnp.asarray(a.T, device="cuda")
    assert x.device == "cuda"
    np.testing.assert_array_equal(x.to_numpy(), a.T)
    np.testing.assert_array_equal(x[::2, 1:].to_numpy(), a.T[::2, 1:])
    assert library.fake_count(ALLOCATED) == 1
    del x
    assert library.fake_count(FREED) == 1


def test_out_of_memory_trims_and_tries_again(device: real.RealDriver, library: Any) -> None:
    library.fake_fail(ALLOCATE, 2)
    buffer = Buffer(device, 64)
    assert buffer.address
    assert library.fake_count(TRIMMED) == 1
    with pytest.raises(
        DeviceMemoryError, match=r"out of device memory: 2,199,023,255,552 bytes for an array, 1,000 free"
    ):
        Buffer(device, 1 << 41)
    assert library.fake_count(TRIMMED) == 3
    assert issubclass(DeviceMemoryError, MemoryError)
    assert Buffer(device, 64).address  # nothing was lost


def test_a_lost_context_is_remembered(device: real.RealDriver, library: Any) -> None:
    buffer = Buffer(device, 64)
    library.fake_fail(SYNCHRONIZE, 700)
    with pytest.raises(CudaError, match="CUDA_ERROR_ILLEGAL_ADDRESS") as caught:
        device.synchronize()
    assert "CUDA_LAUNCH_BLOCKING" in str(caught.value)
    with pytest.raises(LostContextError, match="start a new process"):
        device.require("the next call")
    del buffer  # freeing does not disturb


def test_a_driver_older_than_the_ptx(device: real.RealDriver, library: Any) -> None:
    library.fake_fail(MODULE, 222)
    with pytest.raises(DriverTooOldError, match=r"older than the PTX.*\n.*CUDA 12\.4"):
        device._load_module(".version 8.6", "f")
    library.fake_fail(MODULE, 218)
    with pytest.raises(CudaError, match=r"`f` for sm_90: CUDA_ERROR_INVALID_PTX\nptxas fatal: line 7"):
        device._load_module(".version 8.6", "f")
    assert device._load_module(".version 8.6", "f")
    library.fake_ptx.restype = ctypes.c_char_p
    assert library.fake_ptx() == b".version 8.6"


def test_other_streams(device: real.RealDriver, library: Any) -> None:
    device.wait_for(0x55)
    device.let_wait(0x55)
    assert library.fake_count(EVENTS) == 0  # each was destroyed


def test_no_device(library: Any) -> None:
    library.fake_fail(COUNT, 1)
    with pytest.raises(CudaUnavailableError, match=r"no device(.|\n)*PYDSL_CUDA_SIM=1"):
        real.RealDriver(library)
    library.fake_fail(COUNT, 0)
    library.fake_fail(INIT, 100)
    with pytest.raises(CudaUnavailableError, match="CUDA_ERROR_NO_DEVICE"):
        real.RealDriver(library)


def test_no_driver_library(monkeypatch: pytest.MonkeyPatch) -> None:
    pathfinder = pytest.importorskip("cuda.pathfinder")

    def refuse(name: str) -> Any:
        raise RuntimeError(name)

    def missing(name: str) -> Any:
        raise OSError(name)

    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", refuse)
    monkeypatch.setattr(real.ctypes, "CDLL", missing)
    with pytest.raises(CudaUnavailableError, match=r"no NVIDIA driver(.|\n)*PYDSL_CUDA_SIM=1"):
        real.make()


def test_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CudaUnavailableError, match=r"pip install \"pydsl-jit\[cuda\]\""):
        real.make()
