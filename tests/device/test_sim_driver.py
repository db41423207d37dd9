"""The simulated driver: memory that is poisoned, checked and counted."""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import Any

import numpy as np
import pytest

import pydsl.numpy as pnp
from pydsl import knobs
from pydsl.errors import DeviceMemoryError, LostContextError, UnsupportedDtypeError
from pydsl.jit.cuda import api
from pydsl.jit.cuda.buffers import Buffer
from pydsl.jit.cuda.program import STATE_COUNT, STATE_TABLE
from pydsl.jit.cuda.sim import SimDriver


def test_fresh_memory_is_poison(sim: SimDriver) -> None:
    assert np.isnan(pnp.empty(5, "f4", device="cuda").to_numpy()).all()
    assert (pnp.empty(5, "i8", device="cuda").to_numpy() == -1).all()


def test_the_table_of_allocations(sim: SimDriver) -> None:
    buffers = [Buffer(sim, size) for size in (100, 7, 4000)]
    words = sim.space.state.words
    table = np.ctypeslib.as_array((ctypes.c_int64 * 9).from_address(int(words[STATE_TABLE]))).reshape(3, 3)
    assert words[STATE_COUNT] == 3
    assert sorted(table[:, 1].tolist()) == [7, 100, 4000]
    assert (np.diff(table[:, 0]) > 0).all()
    assert {b.address for b in buffers} == set(table[:, 0].tolist())
    assert all(b.address % 256 == 0 for b in buffers)
    first = buffers[0].address
    assert sim.space.covers(first, 100)
    assert not sim.space.covers(first, 101)
    assert not sim.space.covers(first - 1, 1)
    del buffers
    assert words[STATE_COUNT] == 0
    assert sim.space.used == 0


def test_bad_calls_are_refused_as_the_driver_does(sim: SimDriver) -> None:
    call = sim._functions
    buffer = Buffer(sim, 64)
    host = np.zeros(100, np.uint8).ctypes.data
    assert call["cuMemcpyHtoDAsync_v2"](buffer.address, host, 65, 0) == api.INVALID_VALUE
    assert call["cuMemcpyDtoHAsync_v2"](host, buffer.address + 60, 5, 0) == api.INVALID_VALUE
    assert call["cuMemcpyDtoDAsync_v2"](buffer.address, host, 5, 0) == api.INVALID_VALUE
    assert call["cuMemsetD8Async"](buffer.address, 0, 65, 0) == api.INVALID_VALUE
    assert call["cuMemsetD8Async"](buffer.address, 1, 64, 0) == api.SUCCESS
    assert call["cuMemFreeAsync"](buffer.address + 1, 0) == api.INVALID_VALUE
    assert call["cuLaunchKernel"](99, 1, 1, 1, 1, 1, 1, 0, None, host, None) == api.INVALID_VALUE
    pointer = ctypes.c_uint64()
    assert call["cuMemAllocAsync"](ctypes.addressof(pointer), 0, 0) == api.INVALID_VALUE


def test_copies_are_counted(sim: SimDriver) -> None:
    x = pnp.asarray(np.arange(10, dtype="f4"), device="cuda")
    assert (sim.counters.copies_in, sim.counters.bytes_in, sim.counters.synchronizations) == (1, 40, 0)
    y = x[2:]  # a view moves nothing
    x.to_numpy()
    assert (sim.counters.copies_out, sim.counters.bytes_out, sim.counters.synchronizations) == (1, 40, 1)
    del x
    assert sim.counters.frees == 0
    del y
    assert (sim.counters.allocations, sim.counters.frees, sim.space.used) == (1, 1, 0)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float32", "complex128"])
def test_round_trips(sim: SimDriver, dtype: str) -> None:
    a = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for host in (
        a,
        a.T,
        a[:, ::-1],
        a[..., ::2],
        a.transpose(1, 2, 0),
        a[:, :0],
        a[0, 0, 0, ...],
        np.asfortranarray(a),
    ):
        x = pnp.asarray(host, device="cuda")
        back = x.to_numpy()
        assert type(back) is np.ndarray
        np.testing.assert_array_equal(back, host)
        assert back.strides == np.empty_like(host, order="K").strides
        np.testing.assert_array_equal(pnp.from_dlpack(x).to_numpy(), host)


def test_views_on_the_device(sim: SimDriver) -> None:
    pytest.importorskip("pydsl.jit.cuda.pipeline")
    a = np.arange(24.0).reshape(4, 6)
    x = pnp.asarray(a, device="cuda")
    allocated = sim.counters.allocations
    for made, wanted in [
        (x[1:3, ::-2], a[1:3, ::-2]),
        (x.T, a.T),
        (x.reshape(2, 12), a.reshape(2, 12)),
        (x[..., None], a[..., None]),
        (x[2, 3], a[2, 3]),
        (pnp.broadcast_to(x[0], (3, 6)), np.broadcast_to(a[0], (3, 6))),
        (x.diagonal(), a.diagonal()),
        (x.view("i8"), a.view("i8")),
        (pnp.flip(x, 0), a[::-1]),
        (x.ravel(), a.ravel()),
    ]:
        assert made.device == "cuda"
        assert sim.counters.allocations == allocated
        np.testing.assert_array_equal(made.to_numpy(), wanted)
        assert made.strides == wanted.strides
        allocated = sim.counters.allocations


def test_interfaces(sim: SimDriver) -> None:
    x = pnp.asarray(np.arange(6.0), device="cuda")
    seen = x[1:].__cuda_array_interface__
    assert seen["data"][0] == x.__cuda_array_interface__["data"][0] + 8
    assert (seen["shape"], seen["typestr"], seen["version"], seen["stream"]) == ((5,), "<f8", 3, 1)
    assert x.__dlpack_device__() == (2, 0)
    with pytest.raises(AttributeError, match="on a device"):
        _ = x.__array_interface__
    with pytest.raises(AttributeError, match="on the host"):
        _ = pnp.ones(2).__cuda_array_interface__
    with pytest.raises(Exception, match=r"to_numpy"):
        np.asarray(x)

    class Foreign:
        __cuda_array_interface__ = seen
        keep = x

    y = pnp.asarray(Foreign())
    assert y.device == "cuda"
    np.testing.assert_array_equal(y.to_numpy(), [1, 2, 3, 4, 5])
    assert repr(y) == "array([1., 2., 3., 4., 5.], device='cuda')"


def test_a_limit_of_memory(sim: SimDriver) -> None:
    with knobs.scope(cuda_sim_memory=1000):
        x = pnp.asarray(np.zeros(100), device="cuda")
        with pytest.raises(DeviceMemoryError, match=r"800 bytes for an array, 200 free of 1,000"):
            pnp.asarray(np.zeros(100), device="cuda")
        np.testing.assert_array_equal(x.to_numpy(), np.zeros(100))
        del x
        pnp.asarray(np.zeros(100), device="cuda")


def test_a_lost_context(sim: SimDriver) -> None:
    x = pnp.asarray(np.zeros(3), device="cuda")
    sim.error(api.ILLEGAL_ADDRESS, "f")
    with pytest.raises(LostContextError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        x.to_numpy()
    with pytest.raises(LostContextError):
        pnp.empty(3, device="cuda")


def test_other_dtypes_stay_on_the_host(sim: SimDriver) -> None:
    for value in (np.array(["a"]), np.array([1], "datetime64[s]"), np.array([1], ">f8")):
        with pytest.raises(UnsupportedDtypeError):
            pnp.asarray(value, device="cuda")


def test_a_product_of_cublas(sim: SimDriver) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    x, y = pnp.asarray(np.asfortranarray(a), device="cuda"), pnp.asarray(np.asfortranarray(b), device="cuda")
    out = pnp.asarray(np.zeros((3, 5), order="F"), device="cuda")
    one, zero = ctypes.c_double(2), ctypes.c_double(0)

    def pointer(z: Any) -> int:
        return int(z.__cuda_array_interface__["data"][0])

    gemm = sim._gemms["cublasDgemm_v2"]
    parts = (ctypes.addressof(one), pointer(x), 3, pointer(y), 4, ctypes.addressof(zero))
    assert gemm(1, 0, 0, 3, 5, 4, *parts, pointer(out), 3) == 0
    np.testing.assert_allclose(out.to_numpy(), 2 * a @ b)
    assert gemm(1, 0, 0, 3, 6, 4, *parts, pointer(out), 3) != 0


def test_threads(sim: SimDriver) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for step in range(30):
                a = np.full(seed + step + 1, seed)
                np.testing.assert_array_equal(pnp.asarray(a, device="cuda").to_numpy(), a)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    gc.collect()
    assert sim.space.used == 0
