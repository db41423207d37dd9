"""Every ViewBench kernel against plain NumPy: values, dtypes, layouts, effects, and what is a view of what."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.kernels.cases import CASES, Args, Case
from tests.kernels.memory import arrays_in, axis_order, clone, owner, relation
from tests.kernels.tolerance import EXACT, describe

BY_NAME = {case.name: case for case in CASES}


def rng_for(*key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(key).encode()))


def compare_calls(case: Case, args: Args) -> None:
    """Runs the plain function once and the compiled one twice (cold and warm), each on its own copy."""
    want_args = clone(args)
    with np.errstate(all="ignore"):
        want = case.function.__wrapped__(*want_args)  # type: ignore[attr-defined]
    for call in ("first call", "warm call"):
        got_args = clone(args)
        with np.errstate(all="ignore"):
            got = case.function(*got_args)
        where = f"{case.name} {case.title}, {call}, {describe(args)}"
        compare_results(case, got, want, where)
        compare_written(case, got_args, want_args, where)
        compare_arguments(got_args, want_args, where)
        compare_relations(got, got_args, want, want_args, where)


def compare_results(case: Case, got: Any, want: Any, where: str) -> None:
    assert type(got) is type(want), where
    got_arrays, want_arrays = arrays_in(got), arrays_in(want)
    assert len(got_arrays) == len(want_arrays) == len(case.tolerances), where
    for i, (g, w, tolerance) in enumerate(zip(got_arrays, want_arrays, case.tolerances, strict=False)):
        what = f"{where}, result {i}"
        tolerance.check(g, w, what)
        assert g.flags.c_contiguous == w.flags.c_contiguous, (
            f"{what}: strides {g.strides}, NumPy gives {w.strides}"
        )
        assert g.flags.f_contiguous == w.flags.f_contiguous, (
            f"{what}: strides {g.strides}, NumPy gives {w.strides}"
        )
        assert g.flags.writeable == w.flags.writeable, what
        if w.size:
            assert axis_order(g) == axis_order(w), f"{what}: strides {g.strides}, NumPy gives {w.strides}"


def compare_written(case: Case, got: Args, want: Args, where: str) -> None:
    """Arguments that may differ a little: checked, and then made equal, so that what lies around them can be."""
    if case.written == EXACT:
        return
    for i, (g, w) in enumerate(zip(arrays_in(got), arrays_in(want), strict=True)):
        case.written.check(g, w, f"{where}, argument {i}")
    for g, w in zip(arrays_in(got), arrays_in(want), strict=True):
        if g.flags.writeable:
            g[...] = w


def compare_arguments(got: Args, want: Args, where: str) -> None:
    """The whole memory behind the arguments, so that a write next to a view is noticed too."""
    for i, (g, w) in enumerate(zip(arrays_in(got), arrays_in(want), strict=False)):
        np.testing.assert_array_equal(owner(g), owner(w), err_msg=f"{where}, memory of argument {i}")


def compare_relations(got: Any, got_args: Args, want: Any, want_args: Args, where: str) -> None:
    got_arrays, want_arrays = arrays_in(got), arrays_in(want)
    for i, (g, w) in enumerate(zip(got_arrays, want_arrays, strict=False)):
        for j, (a, b) in enumerate(zip(arrays_in(got_args), arrays_in(want_args), strict=False)):
            assert relation(g, a) == relation(w, b), f"{where}: result {i} in argument {j}"
        for j in range(i):
            assert relation(g, got_arrays[j]) == relation(w, want_arrays[j]), (
                f"{where}: result {i} in result {j}"
            )


def plain_runs() -> Iterator[Any]:
    for case in CASES:
        for size in case.dims:
            for layout in case.layouts:
                if size != "batch4" or layout == "c":
                    yield pytest.param(case, size, layout, id=f"{case.name}-{size}-{layout}")


def overlap_runs() -> Iterator[Any]:
    for case in CASES:
        for overlap in case.overlaps:
            yield pytest.param(case, overlap, id=f"{case.name}-{overlap}")


def bad_runs() -> Iterator[Any]:
    for case in CASES:
        for bad in case.bad:
            yield pytest.param(case, bad, id=f"{case.name}-{bad}")


@pytest.mark.parametrize(("case", "size", "layout"), list(plain_runs()))
def test_equals_numpy(case: Case, size: str, layout: str) -> None:
    compare_calls(case, case.make(size, layout, rng_for(case.name, size)))


@pytest.mark.parametrize(("case", "overlap"), list(overlap_runs()))
def test_arguments_that_share_memory(case: Case, overlap: str) -> None:
    compare_calls(case, case.overlaps[overlap](rng_for(case.name, overlap)))


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if c.name != "P1"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 1e-42], ids=str)
def test_special_values(case: Case, value: float) -> None:
    """NaN propagates as in NumPy, infinities, negative zero and subnormal numbers are not lost."""
    rng = rng_for(case.name, str(value))
    args = case.make("small", "c", rng)
    for x in arrays_in(args):
        if x.dtype.kind == "f":
            x[rng.random(x.shape) < 0.1] = value
            x.flat[0] = value
    compare_calls(case, args)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if not c.writes])
def test_read_only_arguments(case: Case) -> None:
    args = case.make("small", "c", rng_for(case.name))
    for x in arrays_in(args):
        x.flags.writeable = False
    compare_calls(case, args)


@pytest.mark.parametrize(("case", "bad"), list(bad_runs()))
def test_bad_calls_raise_what_numpy_raises(case: Case, bad: str) -> None:
    error, make = case.bad[bad]
    args = clone(make(rng_for(case.name, bad)))
    before = clone(args)
    with pytest.raises(error):
        case.function.__wrapped__(*clone(args))  # type: ignore[attr-defined]
    with pytest.raises(error):
        case.function(*args)
    compare_arguments(args, before, f"{case.name}, {bad}")


def test_the_copy_keeps_layout_and_overlap() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    args = (x[:, 1:], (x[::-1, ::2], x.T), x, x, 3)
    copy = clone(args)
    for a, b in zip(arrays_in(args), arrays_in(copy), strict=False):
        np.testing.assert_array_equal(a, b)
        assert a.strides == b.strides
        assert not np.shares_memory(a, b)
    a, (b, c), d, e, n = copy
    assert d is e and n == 3
    d[...] = 7
    assert (a == 7).all() and (b == 7).all() and (c == 7).all()
    assert (x == np.arange(24).reshape(4, 6)).all()
