"""ViewBench, the detector's post-processing and generated programs on the simulated device, every access checked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from examples.mtcnn import stages
from pydsl import jit, knobs
from pydsl.jit.cuda.driver import current
from pydsl.jit.cuda.sim import SimDriver
from pydsl.jit.decorator import JitFunction
from tests.cuda.simulated import Simulated, simulate
from tests.generator.check import check_seed
from tests.kernels.cases import CASES, Args, Case
from tests.kernels.memory import clone
from tests.kernels.test_viewbench import (
    compare_arguments,
    compare_relations,
    compare_results,
    compare_written,
    overlap_runs,
    rng_for,
)

PROGRAMS = int(os.environ.get("PYDSL_TEST_CUDA_PROGRAMS", "100"))
"""Generated programs; the issue's 5,000 are run with this variable."""
STEP = 10
ALL_LAYOUTS = "PYDSL_TEST_CUDA_LAYOUTS" in os.environ
"""Every case in every memory layout; else each in one of them."""


def check_case(case: Case, args: Args) -> Simulated:
    """The plain function and the simulated one, each on its own copy."""
    want_args, got_args = clone(args), clone(args)
    with np.errstate(all="ignore"):
        want = case.function.__wrapped__(*want_args)  # type: ignore[attr-defined]
    got, simulated = simulate(case.function, *got_args)
    compare_results(case, got, want, case.name)
    compare_written(case, got_args, want_args, case.name)
    compare_arguments(got_args, want_args, case.name)
    compare_relations(got, got_args, want, want_args, case.name)
    return simulated


@pytest.mark.parametrize("size", ["small", "empty"])
@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_viewbench(case: Case, size: str) -> None:
    turn = CASES.index(case) % len(case.layouts)
    layouts = case.layouts if ALL_LAYOUTS else case.layouts[turn : turn + 1]
    for layout in layouts if size == "small" else case.layouts[:1]:
        check_case(case, case.make(size, layout, rng_for(case.name, size)))


@pytest.mark.parametrize(("case", "overlap"), list(overlap_runs()))
def test_arguments_that_share_memory(case: Case, overlap: str) -> None:
    check_case(case, case.overlaps[overlap](rng_for(case.name, overlap)))


LAUNCHES = {"P1": 7, "P2": 1, "P3": 1, "P4": 1, "P5": 4, "P6": 1, "P7": 1, "P8": 1}
"""At most one launch for each space of results; P1 makes two rows and two grids of flags first."""


@pytest.mark.parametrize("name", LAUNCHES)
def test_launches_are_pinned(name: str) -> None:
    (case,) = [c for c in CASES if c.name == name]
    simulated = check_case(case, case.make("small", "c", rng_for(name, "launches")))
    assert simulated.counts.launches == LAUNCHES[name]
    assert simulated.counts.fetches == 0


def on_simulator(function: Any) -> Any:
    return lambda *args: simulate(JitFunction(function), *args)[0]


@pytest.mark.parametrize("first", range(0, PROGRAMS, STEP))
def test_generated_programs(first: int) -> None:
    failures = []
    for seed in range(first, first + STEP):
        failures += check_seed(seed, {"simulator": on_simulator}, shrinking=False).failures
    assert not failures, "\n\n".join(failure.text() for failure in failures)


# --- sequences of launches --------------------------------------------------------------------------------------------


@jit
def diffuse(a, b, steps):  # type: ignore[no-untyped-def]
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a, b = b, a
    return a


def test_a_time_loop_is_one_launch_a_step_and_allocates_nothing() -> None:
    a = np.random.default_rng(1).random((64, 48))
    want = diffuse.__wrapped__(a.copy(), a.copy(), 100)
    got, simulated = simulate(diffuse, a.copy(), a.copy(), 100)
    np.testing.assert_array_equal(got, want)
    assert simulated.counts.launches == 100
    assert simulated.counts.allocations == 0
    assert simulated.counts.fetches == 0


def test_a_time_loop_over_one_array_is_right() -> None:
    @jit
    def smooth(x, steps):  # type: ignore[no-untyped-def]
        for _ in range(steps):
            x[1:-1] = 0.5 * x[1:-1] + 0.25 * (x[:-2] + x[2:])

    x = np.random.default_rng(1).random(300)
    want = x.copy()
    smooth.__wrapped__(want, 20)
    _, simulated = simulate(smooth, x, 20)
    np.testing.assert_array_equal(x, want)
    assert simulated.counts.launches <= 40
    assert simulated.counts.allocations == 1


# --- reductions -------------------------------------------------------------------------------------------------------


def test_rows_are_shared_by_the_threads_of_a_block() -> None:
    @jit
    def softmax(x):  # type: ignore[no-untyped-def]
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    x = np.random.default_rng(2).standard_normal((37, 1000)).astype(np.float32)
    got, simulated = simulate(softmax, x)
    np.testing.assert_allclose(got, softmax.__wrapped__(x), rtol=1e-6)
    (kernel,) = simulated.program.kernels
    assert (kernel.grid, kernel.block) == (37, 256)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8])
@pytest.mark.parametrize("shape", [(100_003,), (70, 500), (3000, 9), (5,)])
def test_reductions_along_every_axis(shape: tuple[int, ...], dtype: Any) -> None:
    """Exact where NumPy is; sums of floats no further from the truth than NumPy's."""

    @jit
    def reductions(x):  # type: ignore[no-untyped-def]
        return x.max(), x.max(axis=0), x.argmax(axis=-1), x.sum(), x.sum(axis=0), x.sum(axis=-1)

    x = (np.random.default_rng(3).standard_normal(shape) * 50).astype(dtype)
    got, want = simulate(reductions, x)[0], reductions.__wrapped__(x)
    for g, w in zip(got, want, strict=True):
        assert np.asarray(g).dtype == np.asarray(w).dtype and np.shape(g) == np.shape(w)
    for g, w in zip(got[: 3 if x.dtype.kind == "f" else 6], want, strict=False):
        np.testing.assert_array_equal(g, w)
    if x.dtype.kind == "f":
        for g, w, axis in zip(got[3:], want[3:], (None, 0, -1), strict=True):
            exact = np.sum(x.astype(np.longdouble), axis=axis)
            allowed = np.abs(w - exact).max() + np.finfo(dtype).eps * np.abs(exact).max()
            assert np.abs(g - exact).max() <= allowed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_products_are_the_library_or_a_kernel(dtype: Any) -> None:
    """Transposed operands, an epilogue; without the library's handle a kernel of our own."""

    @jit
    def layer(a, b, bias):  # type: ignore[no-untyped-def]
        return np.maximum(a @ b.T + bias, 0), a.T @ a

    rng = np.random.default_rng(6)
    args = (
        rng.standard_normal((160, 130)).astype(dtype),
        rng.standard_normal((140, 130)).astype(dtype),
        rng.standard_normal(140).astype(dtype),
    )
    got, simulated = simulate(layer, *args)
    for g, w in zip(got, layer.__wrapped__(*args), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-3 if dtype == np.float32 else 1e-9, atol=1e-3)
    assert "gemm" in simulated.program.report.inspect("loops")
    with knobs.scope(cuda_sim=True):
        on_device = jit(target="cuda")(layer.__wrapped__)
        driver = current()
        assert isinstance(driver, SimDriver)
        before = driver.counters.products
        for g, w in zip(on_device(*args), layer.__wrapped__(*args), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-3 if dtype == np.float32 else 1e-9, atol=1e-3)
        assert driver.counters.products == before + 2


def test_a_sum_of_doubles_is_compensated() -> None:
    @jit
    def total(x):  # type: ignore[no-untyped-def]
        return x.sum()

    x = np.random.default_rng(4).random(200_000) * np.array([1.0, 1e10, -1e10, 1e-5] * 50_000)
    exact = float(np.sum(x.astype(np.longdouble)))
    got = float(simulate(total, x)[0])
    assert abs(got - exact) <= abs(float(x.sum()) - exact) + abs(exact) * 1e-15


# --- the detector -----------------------------------------------------------------------------------------------------


def detector_runs() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    rng = np.random.default_rng(5)
    corner = rng.random((20, 2)) * 60
    boxes = np.concatenate([corner, corner + 4 + rng.random((20, 2)) * 20, rng.random((20, 1))], 1)
    boxes = boxes.astype(np.float32)
    prob, offsets = rng.random(20, dtype=np.float32), rng.standard_normal((20, 4)).astype(np.float32) / 10
    photograph = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    image = stages.normalise.__wrapped__(photograph)  # type: ignore[attr-defined]
    level = rng.random((9, 11), dtype=np.float32), rng.standard_normal((9, 11, 4)).astype(np.float32)
    return {
        "normalise": (stages.normalise, (photograph,)),
        "pad_border": (stages.pad_border, (image,)),
        "shrink": (stages.shrink, (image, 17, 23)),
        "candidates": (stages.candidates, (*level, 0.6, 0.7)),
        "suppress": (stages.suppress, (boxes, 0.3, "union")),
        "suppress smaller": (stages.suppress, (boxes, 0.3, "smaller")),
        "square": (stages.square, (boxes,)),
        "crop": (stages.crop, (stages.pad_border.__wrapped__(image), boxes[:3] / 2, 12)),  # type: ignore[attr-defined]
        "refine": (stages.refine, (boxes, prob, offsets, 0.5)),
        "finish": (stages.finish, (boxes, prob, offsets, rng.random((20, 10), dtype=np.float32), 0.5)),
        "join": (stages.join, ((boxes[:3], boxes[3:3], boxes[4:]),)),
    }


@pytest.mark.parametrize("stage", detector_runs())
def test_the_detector(stage: str) -> None:
    function, args = detector_runs()[stage]
    want = function.__wrapped__(*clone(args))
    got, _ = simulate(function, *clone(args))
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
