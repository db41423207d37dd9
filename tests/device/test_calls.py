"""Jitted functions on the simulated device: the same results, the same memory relations, nothing moved unasked."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

import numpy as np
import pytest

import pydsl.numpy as pnp
from pydsl import jit, knobs
from pydsl.errors import CudaError, DeviceError, DeviceMemoryError, LostContextError
from pydsl.jit.cuda.driver import Driver
from pydsl.jit.cuda.sim import SimDriver

pytest.importorskip("pydsl.jit.cuda.pipeline")


def on_device(*arrays: Any) -> list[Any]:
    return [pnp.asarray(array, device="cuda") for array in arrays]


def update(x: Any, y: Any) -> Any:
    x[1:] = x[:-1] + y[1:]
    y *= 2
    return x, x[::2], (x + y).T, x.sum(axis=0), float(x[0, 0])


def test_results_are_of_the_kind_that_came(cuda: Driver) -> None:
    a, b = np.arange(12.0).reshape(3, 4), np.ones((3, 4))
    x, y = on_device(a, b)
    got = jit(update)(x, y)
    wanted = update(a, b)
    assert got[0] is x
    for one, other in zip(got[:-1], wanted[:-1], strict=True):
        assert type(one) is pnp.ndarray
        assert one.device == "cuda"
        assert one.strides == other.strides
        np.testing.assert_array_equal(one.to_numpy(), other)
    assert got[-1] == wanted[-1]
    np.testing.assert_array_equal(y.to_numpy(), b)
    got[1][...] = 5  # a view of the argument
    assert (x.to_numpy()[::2] == 5).all()


def test_nothing_moves_in_a_call_with_device_arrays(sim: SimDriver) -> None:
    @jit
    def step(x: Any, y: Any) -> Any:
        return np.sqrt(x * x + y) * 2

    x, y = on_device(np.ones((8, 8)), np.ones((8, 8)))
    step(x, y)
    sim.counters.reset()
    z = step(x, y)
    counted = sim.counters
    assert (counted.launches, counted.allocations) == (1, 1)
    assert counted.copies_in == counted.copies_out == counted.synchronizations == 0
    del z
    assert counted.frees == 1


def test_host_arrays_are_copied_in_and_written_ones_back(sim: SimDriver) -> None:
    on_cuda = jit(target="cuda")(update)
    a, b = np.arange(12.0).reshape(3, 4), np.ones((3, 4))
    c, d = a.copy(), b.copy()
    got, wanted = on_cuda(a, b), update(c, d)
    assert got[0] is a
    assert np.shares_memory(got[1], a)
    for one, other in zip(got[:-1], wanted[:-1], strict=True):
        assert type(one) is np.ndarray
        assert one.strides == other.strides
        np.testing.assert_array_equal(one, other)
    assert type(got[-1]) is float
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    assert sim.counters.copies_in == 2
    del got
    assert sim.space.used == 0


def test_no_memory_waits_for_the_garbage_collector(sim: SimDriver) -> None:
    on_cuda = jit(target="cuda")(update)
    gc.disable()
    try:
        for _ in range(3):
            on_cuda(np.zeros((3, 4)), np.zeros((3, 4)))
            x, y = on_device(np.zeros((3, 4)), np.zeros((3, 4)))
            jit(update)(x, y)
            _ = (x + y)[x > 0].sum()
            del x, y, _
            assert sim.space.used == 0
    finally:
        gc.enable()


def test_only_written_host_arrays_come_back(sim: SimDriver) -> None:
    @jit(target="cuda")
    def add_to(x: Any, y: Any) -> None:
        x += y

    x, y = np.ones(100, "f4"), np.ones(100, "f4")
    add_to(x, y)
    assert (x == 2).all()
    assert (sim.counters.bytes_in, sim.counters.bytes_out) == (800, 400)


@pytest.mark.parametrize("shift", [1, 3, 8])
def test_host_arrays_that_overlap(cuda: Driver, shift: int) -> None:
    @jit(target="cuda")
    def copy_over(x: Any, y: Any) -> Any:
        x[...] = y[::-1]
        return y

    base, other = np.arange(20), np.arange(20)
    answer = copy_over(base[:10], base[shift : shift + 10])
    wanted = copy_over.__wrapped__(other[:10], other[shift : shift + 10])
    np.testing.assert_array_equal(base, other)
    np.testing.assert_array_equal(answer, wanted)
    assert np.shares_memory(answer, base)


def test_strange_host_arrays(cuda: Driver) -> None:
    @jit(target="cuda")
    def twice(x: Any) -> Any:
        return x * 2

    base = np.arange(240.0).reshape(10, 24)
    for a in (
        base.T,
        base[::-2, 3::5],
        base[:, ::-1],
        base[2:2],
        np.broadcast_to(base[0], (3, 24)),
        base[3, 4, ...],
    ):
        got, wanted = twice(a), np.asarray(a * 2)
        np.testing.assert_array_equal(got, wanted)
        assert np.asarray(got).strides == wanted.strides
    raw = np.zeros(81, np.uint8)[1:].view("f8")
    raw[:] = base[0, :10]
    assert not raw.flags.aligned
    np.testing.assert_array_equal(twice(raw), raw * 2)


def test_pydsl_arrays_of_the_host_stay_what_they_are(cuda: Driver) -> None:
    x = pnp.asarray(np.arange(4.0))
    got = jit(target="cuda")(_doubled)(x)
    assert type(got) is pnp.ndarray
    assert got.device == "cpu"
    np.testing.assert_array_equal(got.to_numpy(), [0, 2, 4, 6])


def _doubled(x: Any) -> Any:
    return x * 2


SCALE = np.array([1.0, 2.0, 3.0])


def test_arrays_of_globals_are_copied_in_as_they_are_now(cuda: Driver) -> None:
    @jit
    def scaled(x: Any) -> Any:
        return x * SCALE

    (x,) = on_device(np.ones(3))
    np.testing.assert_array_equal(scaled(x).to_numpy(), [1, 2, 3])
    SCALE[0] = 7
    np.testing.assert_array_equal(scaled(x).to_numpy(), [7, 2, 3])
    SCALE[0] = 1


def test_the_target_of_the_environment(sim: SimDriver) -> None:
    doubled = jit(_doubled)
    for target in ("cuda", "simulator"):
        with knobs.scope(target=target):
            before = sim.counters.launches
            np.testing.assert_array_equal(doubled(np.arange(3.0)), [0, 2, 4])
            assert sim.counters.launches == before + 1
    np.testing.assert_array_equal(doubled(np.arange(3.0)), [0, 2, 4])
    assert len(doubled.signatures) == 1


def test_devices_are_not_mixed(cuda: Driver) -> None:
    (x,) = on_device(np.ones(3))
    both = jit(lambda_free_add)
    with pytest.raises(DeviceError, match=r"arrays are on cpu and cuda"):
        both(x, np.ones(3))
    with pytest.raises(DeviceError, match=r"arrays are on cpu and cuda"):
        both(x, pnp.ones(3))
    with pytest.raises(DeviceError, match=r"arrays are on cpu and cuda"):
        _ = x + np.ones(3)
    with pytest.raises(DeviceError, match=r"compiled for the host"):
        jit(target="cpu")(_doubled)(x)
    np.testing.assert_array_equal(both(x, np.float64(2)).to_numpy(), [3, 3, 3])


def lambda_free_add(x: Any, y: Any) -> Any:
    return x + y


def test_a_read_only_host_array_is_not_written(cuda: Driver) -> None:
    a, b = np.zeros((3, 4)), np.ones((3, 4))
    a.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only(.|\n)*x\[1:\] = x"):
        jit(target="cuda")(update)(a, b)
    assert (a == 0).all()


def test_errors_of_the_function(cuda: Driver) -> None:
    @jit
    def stop(x: Any, i: int) -> Any:
        x += 1
        if i > 2:
            raise ValueError("too far")
        return x

    (x,) = on_device(np.zeros(3))
    with pytest.raises(ValueError, match=r"too far(.|\n)*raise ValueError"):
        stop(x, 3)
    assert (x.to_numpy() == 1).all()  # the earlier statement stands
    host = np.zeros(3)
    with pytest.raises(ValueError, match="too far"):
        jit(target="cuda")(stop.__wrapped__)(host, 3)
    assert (host == 1).all()


def test_an_index_out_of_bounds_is_not_an_illegal_access(sim: SimDriver) -> None:
    @jit
    def pick(x: Any, i: int) -> Any:
        x += 1
        return x[i]

    (x,) = on_device(np.zeros(3))
    with pytest.raises(IndexError, match=r"out of bounds(.|\n)*return x\[i\]"):
        pick(x, 3)


def test_out_of_memory_loses_nothing(cuda: Driver) -> None:
    @jit
    def outer(x: Any) -> Any:
        return x[:, None] * x[None, :]

    (x,) = on_device(np.arange(50.0))
    outer(x)
    with knobs.scope(cuda_sim_memory=5000):
        with pytest.raises(DeviceMemoryError, match="out of device memory: 20,000 bytes"):
            outer(x)
        np.testing.assert_array_equal(x.to_numpy(), np.arange(50.0))
    np.testing.assert_array_equal(outer(x).to_numpy(), np.outer(np.arange(50.0), np.arange(50.0)))


def test_an_illegal_access_names_the_line_and_the_context_is_lost(sim: SimDriver) -> None:
    @jit
    def read(x: Any, y: Any) -> Any:
        return x + 1

    x, y = on_device(np.zeros(8), np.zeros(8))
    x = pnp.ndarray(np.lib.stride_tricks.as_strided(x._data, (9,)), "cuda")
    with pytest.raises(
        CudaError, match=r"`read`, launching(.|\n)*test_calls.py(.|\n)*in .*read(.|\n)*ILLEGAL_ADDRESS"
    ) as caught:
        read(x, y)
    assert "outside of all device memory" in str(caught.value)
    with pytest.raises(LostContextError, match=r"`read`"):
        read(y, y)
    with pytest.raises(LostContextError):
        y.to_numpy()


def test_a_loop_of_launches_allocates_nothing(sim: SimDriver) -> None:
    @jit
    def diffuse(u: Any, v: Any, steps: int) -> None:
        for _ in range(steps):
            v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
            u[1:-1, 1:-1] = v[1:-1, 1:-1]

    a = np.random.default_rng(0).random((12, 13))
    u, v = on_device(a, np.zeros_like(a))
    diffuse(u, v, 1)
    sim.counters.reset()
    diffuse(u, v, 50)
    assert sim.counters.launches <= 100
    assert sim.counters.allocations <= 1
    assert sim.counters.synchronizations == sim.counters.copies_out == 0
    b, c = a.copy(), np.zeros_like(a)
    diffuse.__wrapped__(b, c, 51)
    np.testing.assert_array_equal(u.to_numpy(), b)


def test_eager_arrays(cuda: Driver) -> None:
    a = np.random.default_rng(1).random((4, 6)).astype("f4")
    (x,) = on_device(a)
    for make in (
        lambda n, v: v * 2 + v.sum(axis=0),
        lambda n, v: n.exp(-v) / (1 + v.max()),
        lambda n, v: v[v > 0.5],
        lambda n, v: v[[0, 2], 1:],
        lambda n, v: n.where(v > 0.5, v, 0),
        lambda n, v: n.concatenate([v, v[::-1]], axis=1),
        lambda n, v: v.reshape(-1)[::5].astype("i4"),
        lambda n, v: n.argmax(v, axis=1),
        lambda n, v: v.T.copy(),
        lambda n, v: v.T.ravel(),
        lambda n, v: v.mean(),
        lambda n, v: n.nonzero(v > 0.9)[0],
    ):
        got, wanted = make(pnp, x), np.asarray(make(np, a))
        assert got.device == "cuda"
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(got.to_numpy(), wanted, rtol=2e-6)
    x[x < 0.5] = 0
    x[1:3, ::2] += 1
    x[-1] = pnp.arange(6, device="cuda")
    a[a < 0.5] = 0
    a[1:3, ::2] += 1
    a[-1] = np.arange(6)
    np.testing.assert_array_equal(x.to_numpy(), a)
    np.testing.assert_array_equal(pnp.zeros((2, 3), device="cuda").to_numpy(), np.zeros((2, 3)))
    np.testing.assert_array_equal(pnp.ones_like(x).to_numpy(), np.ones_like(a))
    np.testing.assert_array_equal(pnp.arange(2, 9, 3, device="cuda").to_numpy(), np.arange(2, 9, 3))
    assert np.add(x, x).device == "cuda"


def test_without_the_compiler_the_arrays_still_compute_on_the_device(cuda: Driver) -> None:
    (x,) = on_device(np.ones((3, 4)))
    with knobs.scope(disable_jit=True):
        got = jit(_doubled)(x)
    assert got.device == "cuda"
    np.testing.assert_array_equal(got.to_numpy(), np.full((3, 4), 2.0))


def test_threads_compile_and_call_at_once(cuda: Driver) -> None:
    doubled = jit(_doubled)
    failures: list[BaseException] = []

    def work(size: int) -> None:
        try:
            for _ in range(5):
                (x,) = on_device(np.arange(size))
                np.testing.assert_array_equal(doubled(x).to_numpy(), 2 * np.arange(size))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 5, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_reports_need_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYDSL_CUDA_SIM", raising=False)
    report = jit(target="cuda")(_doubled).report(np.arange(3.0))
    assert report is not None


def test_what_moves_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDSL_CUDA_SIM", "1")
    from_host = jit(target="cuda")(update).explain(np.zeros((3, 4)), np.zeros((3, 4)))
    assert (from_host.bytes_in, from_host.bytes_out) == (192, 192 + 96 + 32)
    assert "x: 96 bytes to the device" in str(from_host)
    assert "a result: 32 bytes from the device" in str(from_host)
    on_device_only = jit(update).explain(*on_device(np.zeros((3, 4)), np.zeros((3, 4))))
    assert on_device_only.transfers == ()
    assert "nothing is moved" in str(on_device_only)

    @jit
    def scaled(x: Any) -> Any:
        return x * SCALE

    assert scaled.explain(*on_device(np.zeros(3))).bytes_in == 24


class Interfaced:
    """An array of another library with a `__cuda_array_interface__` only."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__cuda_array_interface__ = array.__cuda_array_interface__


class Speaking:
    """One that speaks DLPack, from a package with `from_dlpack`."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


def test_arrays_of_other_libraries(sim: SimDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, z, w = on_device(*(np.ones((3, 4)) for _ in range(4)))
    sim.counters.reset()
    given = Interfaced(x)
    got = jit(update)(given, Interfaced(y))
    assert got[0] is given
    assert type(got[2]) is pnp.ndarray
    assert got[2].device == "cuda"
    monkeypatch.setattr(sys.modules["tests"], "from_dlpack", Speaking, raising=False)
    mine = Speaking(z)
    other = jit(update)(mine, Speaking(w))
    assert other[0] is mine
    assert type(other[2]) is Speaking
    assert sim.counters.copies_in == 0
    np.testing.assert_array_equal(other[2].array.to_numpy(), got[2].to_numpy())
    np.testing.assert_array_equal(z.to_numpy(), x.to_numpy())
