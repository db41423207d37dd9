"""Stencils: every element of a grid is made from its neighbours, step after step."""

from __future__ import annotations

import numpy as np

from benchmarks.polybench.program import Args, Array, Program, ramp, sizes


def adi(steps: int, u: Array) -> None:
    """Heat in a plate by Peaceman and Rachford's alternating directions: a tridiagonal system for each column, then one
    for each row.
    """
    n = u.shape[0]
    step = 1.0 / n
    time_step = 1.0 / steps
    mul1 = 2.0 * time_step / (step * step)
    mul2 = 1.0 * time_step / (step * step)
    a = -mul1 / 2.0
    b = 1.0 + mul1
    d = -mul2 / 2.0
    e = 1.0 + mul2
    v = np.zeros_like(u)
    p = np.zeros_like(u)
    q = np.zeros_like(u)
    for _ in range(steps):
        v[0, 1:-1] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = v[0, 1:-1]
        for j in range(1, n - 1):
            pivot = a * p[1:-1, j - 1] + b
            p[1:-1, j] = -a / pivot
            q[1:-1, j] = (
                -d * u[j, :-2] + (1.0 + 2.0 * d) * u[j, 1:-1] - d * u[j, 2:] - a * q[1:-1, j - 1]
            ) / pivot
        v[-1, 1:-1] = 1.0
        for j in range(n - 2, 0, -1):
            v[j, 1:-1] = p[1:-1, j] * v[j + 1, 1:-1] + q[1:-1, j]

        u[1:-1, 0] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = u[1:-1, 0]
        for j in range(1, n - 1):
            pivot = d * p[1:-1, j - 1] + e
            p[1:-1, j] = -d / pivot
            q[1:-1, j] = (
                -a * v[:-2, j] + (1.0 + 2.0 * a) * v[1:-1, j] - a * v[2:, j] - d * q[1:-1, j - 1]
            ) / pivot
        u[1:-1, -1] = 1.0
        for j in range(n - 2, 0, -1):
            u[1:-1, j] = p[1:-1, j] * u[1:-1, j + 1] + q[1:-1, j]


def init_adi(steps: int, n: int) -> Args:
    return steps, ramp(n, n)


def fdtd_2d(ex: Array, ey: Array, hz: Array, pulse: Array) -> None:
    """Maxwell's equations in the plane by Yee's scheme, with a pulse entering at the upper edge."""
    for t in range(pulse.shape[0]):
        ey[0] = pulse[t]
        ey[1:] -= 0.5 * (hz[1:] - hz[:-1])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


def init_fdtd_2d(steps: int, nx: int, ny: int) -> Args:
    return ramp(nx, ny), ramp(nx, ny, step=2), ramp(nx, ny, step=3), np.arange(steps, dtype=np.float64)


def heat_3d(steps: int, a: Array, b: Array) -> None:
    """Heat in a cube, from one array to the other and back."""
    for _ in range(steps):
        b[1:-1, 1:-1, 1:-1] = (
            0.125 * (a[2:, 1:-1, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[:-2, 1:-1, 1:-1])
            + 0.125 * (a[1:-1, 2:, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, :-2, 1:-1])
            + 0.125 * (a[1:-1, 1:-1, 2:] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, 1:-1, :-2])
            + a[1:-1, 1:-1, 1:-1]
        )
        a[1:-1, 1:-1, 1:-1] = (
            0.125 * (b[2:, 1:-1, 1:-1] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[:-2, 1:-1, 1:-1])
            + 0.125 * (b[1:-1, 2:, 1:-1] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[1:-1, :-2, 1:-1])
            + 0.125 * (b[1:-1, 1:-1, 2:] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[1:-1, 1:-1, :-2])
            + b[1:-1, 1:-1, 1:-1]
        )


def init_heat_3d(steps: int, n: int) -> Args:
    a = ramp(n, n, n)
    return steps, a, a.copy()


def jacobi_1d(steps: int, a: Array, b: Array) -> None:
    """The mean of three neighbours, from one array to the other and back."""
    for _ in range(steps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])


def init_jacobi_1d(steps: int, n: int) -> Args:
    return steps, ramp(n), ramp(n, offset=1)


def jacobi_2d(steps: int, a: Array, b: Array) -> None:
    """The mean of five neighbours, from one array to the other and back."""
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])


def init_jacobi_2d(steps: int, n: int) -> Args:
    return steps, ramp(n, n), ramp(n, n, offset=1)


def seidel_2d(steps: int, a: Array) -> None:
    """The mean of nine neighbours in place: every element sees those before it renewed."""
    n = a.shape[0]
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                a[i, j] = (
                    a[i - 1, j - 1] + a[i - 1, j] + a[i - 1, j + 1]
                    + a[i, j - 1] + a[i, j] + a[i, j + 1]
                    + a[i + 1, j - 1] + a[i + 1, j] + a[i + 1, j + 1]
                ) / 9.0  # fmt: skip


def init_seidel_2d(steps: int, n: int) -> Args:
    return steps, ramp(n, n)


PROGRAMS = (
    Program("adi", adi, init_adi, sizes(steps=(3, 40, 100), n=(9, 60, 200))),
    Program("fdtd-2d", fdtd_2d, init_fdtd_2d, sizes(steps=(4, 40, 100), nx=(9, 60, 200), ny=(11, 80, 240))),
    Program("heat-3d", heat_3d, init_heat_3d, sizes(steps=(3, 40, 100), n=(7, 20, 40))),
    Program("jacobi-1d", jacobi_1d, init_jacobi_1d, sizes(steps=(5, 40, 100), n=(19, 120, 400))),
    Program("jacobi-2d", jacobi_2d, init_jacobi_2d, sizes(steps=(4, 40, 100), n=(11, 90, 250))),
    Program("seidel-2d", seidel_2d, init_seidel_2d, sizes(steps=(3, 10, 20), n=(9, 60, 200))),
)
