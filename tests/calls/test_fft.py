"""``np.fft`` inside compiled functions: the same bits, layouts and errors as outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.calls.tools import check

RNG = np.random.default_rng(5)
LINES = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
PLANES = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
DTYPES = ["?", "i4", "f2", "f4", "c8", "c16"]
WAYS = ("native",)


def some(shape: tuple[int, ...], dtype: str = "f8") -> Any:
    """Random numbers of a dtype."""
    values = RNG.standard_normal(shape) * 3
    if dtype.startswith("c"):
        values = values + 1j * RNG.standard_normal(shape)
    return values.astype(dtype)


def _function(name: str) -> Callable[..., Any]:
    return getattr(np.fft, name)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(name: str, dtype: str) -> None:
    function = _function(name)

    def f(x):
        return function(x) * 2

    check(f, some((3, 6), dtype), ways=WAYS)


def _layouts() -> list[Any]:
    cube = some((4, 5, 6))
    return [
        some((1,)),
        np.asfortranarray(cube),
        cube.transpose(1, 0, 2)[::-1, ::2, ::-1],
        some((7, 3), "c16").T,
        np.broadcast_to(some((4,)), (3, 4)),
        some((2, 0, 3)),
    ]


@pytest.mark.parametrize("name", LINES)
def test_layouts_axes_lengths(name: str) -> None:
    function = _function(name)
    for x in _layouts():
        for axis in (0, -1, x.ndim):

            def f(x, axis=axis):
                return (
                    function(x, axis=axis),
                    function(x, 3, axis, norm="ortho"),
                    function(x, 8, axis, "forward"),
                )

            check(f, x, ways=("native",))
    for bad in (0, -1):

        def g(x, bad=bad):
            return function(x, bad)

        check(g, some((4,)), ways=WAYS)

    def h(x):
        return function(x)

    check(h, np.array(2.0))
    check(h, np.zeros((3, 0)))

    def bad_norm(x):
        return function(x, norm="no")

    check(bad_norm, some((4,)), ways=WAYS)


@pytest.mark.parametrize("name", PLANES)
def test_several_axes(name: str) -> None:
    function = _function(name)
    for x in (
        some((4, 6)),
        some((4, 5, 6)).transpose(2, 0, 1),
        some((3, 4), "c8").T,
        some((2, 3, 4, 3))[:, ::-1],
    ):

        def f(x):
            y = function(x)
            return y, function(x, axes=(0, 1)), function(x, (4, 3), (1, 0)), function(x, norm="forward")

        check(f, x, ways=WAYS)

    def bad(x):
        return function(x, axes=(0, 7))

    check(bad, some((3, 4)), ways=WAYS)

    def short(x):
        return function(x, (3,), (0, 1))

    check(short, some((3, 4)), ways=WAYS)

    def flat(x):
        return function(x)

    check(flat, some((5,)), ways=WAYS)


@pytest.mark.parametrize("dtype", ["?", "i4", "f4", "c16"])
def test_dtypes_of_several(dtype: str) -> None:
    def f(x):
        return np.fft.fft2(x), np.fft.rfftn(x.real), np.fft.irfftn(x)

    check(f, some((4, 6), dtype), ways=WAYS)


def test_lengths_known_at_run_time() -> None:
    def f(x, k):
        y = x[x > k]
        z = np.fft.rfft(y)
        back = np.fft.irfft(z, y.shape[0])
        return z, back, np.fft.fft(y, 4), np.fft.fftshift(y)

    for k in (-9.0, 0.0):
        check(f, some((12,)), k)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_frequencies(n: int) -> None:
    def f(d):
        return np.fft.fftfreq(n), np.fft.fftfreq(n, d), np.fft.rfftfreq(n, 0.25), np.fft.rfftfreq(n, d=d)

    check(f, 0.1)

    def g(n, d):
        return np.fft.fftfreq(n, d=d) + np.fft.fftfreq(n)

    check(g, n, 0.3)


def test_shifts() -> None:
    def f(x):
        return (
            np.fft.fftshift(x),
            np.fft.ifftshift(x),
            np.fft.fftshift(x, axes=0),
            np.fft.ifftshift(x, axes=(-1, 0)),
            np.fft.ifftshift(np.fft.fftshift(x)),
        )

    for x in (some((5,)), some((4, 5)), some((3, 4, 5))[:, ::-1].T):
        check(f, x)


def test_a_spectral_step() -> None:
    def step(u, dt):
        k = np.fft.fftfreq(u.shape[0], 1.0 / u.shape[0]) * 2j * np.pi
        for _ in range(3):
            v = np.fft.fft(u)
            u = np.real(np.fft.ifft(v * np.exp(k * k * dt)))
        return u

    check(step, some((32,)), 1e-3, rtol=1e-12)
