"""Comparing a function with plain NumPy over a sequence of calls: results, written arguments, exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pydsl import knobs
from pydsl.jit.decorator import JitFunction
from tests.kernels.memory import clone


def outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Any]:
    """What a call returns, or the class of what it raises; and the arguments afterwards."""
    own = clone(args)
    try:
        with np.errstate(all="ignore"):
            return function(*own), own
    except Exception as error:
        return type(error), own


def assert_same(got: Any, want: Any, where: str) -> None:
    """Equal, dtype and layout included; floats within a few ULP."""
    if isinstance(want, tuple | list):
        assert type(got) is type(want) and len(got) == len(want), f"{where}: {got!r} instead of {want!r}"
        for k, (g, w) in enumerate(zip(got, want, strict=True)):
            assert_same(g, w, f"{where}[{k}]")
    elif isinstance(want, np.ndarray):
        assert isinstance(got, np.ndarray), f"{where}: {got!r} instead of {want!r}"
        assert (got.shape, got.dtype) == (want.shape, want.dtype), (
            f"{where}: {got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
        )
        for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS"):
            assert got.flags[flag] == want.flags[flag], (
                f"{where}: {flag}, strides {got.strides}, {want.strides}"
            )
        if want.dtype.kind in "fc":
            np.testing.assert_allclose(got, want, rtol=3e-6 if want.itemsize == 4 else 1e-12, err_msg=where)
        else:
            np.testing.assert_array_equal(got, want, err_msg=where)
    else:
        assert type(got) is type(want), f"{where}: {got!r} instead of {want!r}"
        if isinstance(want, float | np.floating | complex):
            np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=where)
        else:
            assert got == want, f"{where}: {got!r} instead of {want!r}"


def check_calls(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], most: int | None = None
) -> JitFunction[..., Any]:
    """Runs all calls through one jitted function; at most `most` specializations may come of it."""
    jitted: JitFunction[..., Any] = JitFunction(function)  # type: ignore[arg-type]
    with knobs.scope(verify=True):
        for number, args in enumerate(calls):
            where = f"{function.__name__}, call {number}"
            want, want_args = outcome(function, args)
            got, got_args = outcome(jitted, args)
            assert_same(got, want, where)
            assert_same(list(got_args), list(want_args), f"{where}, arguments")
    if most is not None:
        made = [str(s) for s in jitted.signatures]
        assert len(made) <= most, "\n".join(made)
    return jitted
