"""Products of matrices and vectors: the BLAS routines, alone and in chains."""

from __future__ import annotations

import numpy as np

from benchmarks.polybench.program import Args, Array, Program, ramp, sizes
from tests.kernels.tolerance import matmul_bound


def gemm(alpha: float, beta: float, c: Array, a: Array, b: Array) -> None:
    """`C = alpha * A @ B + beta * C`."""
    c *= beta
    c += alpha * (a @ b)


def init_gemm(ni: int, nj: int, nk: int) -> Args:
    return 1.5, 1.2, ramp(ni, nj), ramp(ni, nk, step=2), ramp(nk, nj, step=3)


def two_mm(alpha: float, beta: float, a: Array, b: Array, c: Array, d: Array) -> None:
    """`D = alpha * A @ B @ C + beta * D`."""
    tmp = alpha * a @ b
    d *= beta
    d += tmp @ c


def init_two_mm(ni: int, nj: int, nk: int, nl: int) -> Args:
    return 1.5, 1.2, ramp(ni, nk), ramp(nk, nj, step=2), ramp(nj, nl, step=3), ramp(ni, nl, step=4)


def three_mm(a: Array, b: Array, c: Array, d: Array) -> Array:
    """`(A @ B) @ (C @ D)`."""
    e = a @ b
    f = c @ d
    return e @ f


def init_three_mm(ni: int, nj: int, nk: int, nl: int, nm: int) -> Args:
    return ramp(ni, nk), ramp(nk, nj, step=2), ramp(nj, nm, step=3), ramp(nm, nl, step=4)


def atax(a: Array, x: Array) -> Array:
    """`A.T @ (A @ x)`."""
    return a.T @ (a @ x)


def init_atax(m: int, n: int) -> Args:
    return ramp(m, n), ramp(n)


def bicg(a: Array, p: Array, r: Array) -> tuple[Array, Array]:
    """`r @ A` and `A @ p`: the two products of a step of BiCG."""
    return r @ a, a @ p


def init_bicg(m: int, n: int) -> Args:
    return ramp(n, m), ramp(m), ramp(n)


def mvt(x1: Array, x2: Array, y1: Array, y2: Array, a: Array) -> None:
    """`x1 += A @ y1` and `x2 += A.T @ y2`."""
    x1 += a @ y1
    x2 += a.T @ y2


def init_mvt(n: int) -> Args:
    return ramp(n), ramp(n, offset=1), ramp(n, offset=3), ramp(n, offset=4), ramp(n, n)


def gemver(
    alpha: float,
    beta: float,
    a: Array,
    u1: Array,
    v1: Array,
    u2: Array,
    v2: Array,
    w: Array,
    x: Array,
    y: Array,
    z: Array,
) -> None:
    """Adds two outer products to A, then multiplies by it and by its transpose."""
    a += np.outer(u1, v1) + np.outer(u2, v2)
    x += beta * (a.T @ y) + z
    w += alpha * (a @ x)


def init_gemver(n: int) -> Args:
    vectors = [ramp(n, offset=k) for k in range(5)]
    return 1.5, 1.2, ramp(n, n), *vectors[:4], np.zeros(n), np.zeros(n), vectors[4], ramp(n, offset=5)


def gesummv(alpha: float, beta: float, a: Array, b: Array, x: Array) -> Array:
    """`alpha * A @ x + beta * B @ x`."""
    return alpha * (a @ x) + beta * (b @ x)


def init_gesummv(n: int) -> Args:
    return 1.5, 1.2, ramp(n, n), ramp(n, n, step=2), ramp(n)


def symm(alpha: float, beta: float, c: Array, a: Array, b: Array) -> None:
    """`C = alpha * A @ B + beta * C`, where only the lower triangle of the symmetric A is stored."""
    for i in range(c.shape[0]):
        c[:i] += alpha * a[i, :i, None] * b[i]
        c[i] = beta * c[i] + alpha * a[i, i] * b[i] + alpha * (a[i, :i] @ b[:i])


def init_symm(m: int, n: int) -> Args:
    return 1.5, 1.2, ramp(m, n), np.tril(ramp(m, m, step=2)), ramp(m, n, step=3)


def syrk(alpha: float, beta: float, c: Array, a: Array) -> None:
    """`C = alpha * A @ A.T + beta * C`, the lower triangle only."""
    for i in range(c.shape[0]):
        c[i, : i + 1] *= beta
        c[i, : i + 1] += alpha * (a[: i + 1] @ a[i])


def init_syrk(m: int, n: int) -> Args:
    return 1.5, 1.2, ramp(n, n), ramp(n, m, step=2)


def syr2k(alpha: float, beta: float, c: Array, a: Array, b: Array) -> None:
    """`C = alpha * (A @ B.T + B @ A.T) + beta * C`, the lower triangle only."""
    for i in range(c.shape[0]):
        c[i, : i + 1] *= beta
        c[i, : i + 1] += alpha * (a[: i + 1] @ b[i]) + alpha * (b[: i + 1] @ a[i])


def init_syr2k(m: int, n: int) -> Args:
    return 1.5, 1.2, ramp(n, n), ramp(n, m, step=2), ramp(n, m, step=3)


def trmm(alpha: float, a: Array, b: Array) -> None:
    """`B = alpha * A.T @ B`, where A is lower triangular with ones on its diagonal."""
    for i in range(b.shape[0]):
        b[i] += a[i + 1 :, i] @ b[i + 1 :]
        b[i] *= alpha


def init_trmm(m: int, n: int) -> Args:
    return 1.5, np.tril(ramp(m, m)), ramp(m, n, step=2)


def doitgen(a: Array, c4: Array) -> None:
    """`A[r, q, :] = A[r, q, :] @ C4` for every r and q: the inner step of a multiresolution analysis."""
    for r in range(a.shape[0]):
        a[r] = a[r] @ c4


def init_doitgen(nq: int, nr: int, np_: int) -> Args:
    return ramp(nr, nq, np_), ramp(np_, np_)


SUMS = matmul_bound(600)

PROGRAMS = (
    Program("2mm", two_mm, init_two_mm,
            sizes(ni=(7, 40, 180), nj=(9, 50, 190), nk=(8, 70, 210), nl=(6, 80, 220)), SUMS),
    Program("3mm", three_mm, init_three_mm,
            sizes(ni=(7, 40, 180), nj=(9, 50, 190), nk=(8, 60, 200), nl=(6, 70, 210), nm=(5, 80, 220)), SUMS),
    Program("atax", atax, init_atax, sizes(m=(13, 116, 390), n=(17, 124, 410)), SUMS),
    Program("bicg", bicg, init_bicg, sizes(m=(13, 116, 390), n=(17, 124, 410)), SUMS),
    Program("doitgen", doitgen, init_doitgen, sizes(nq=(5, 20, 40), nr=(6, 25, 50), np_=(7, 30, 60)), SUMS),
    Program("gemm", gemm, init_gemm, sizes(ni=(7, 60, 200), nj=(9, 70, 220), nk=(11, 80, 240)), SUMS),
    Program("gemver", gemver, init_gemver, sizes(n=(19, 120, 400)), SUMS),
    Program("gesummv", gesummv, init_gesummv, sizes(n=(17, 90, 250)), SUMS),
    Program("mvt", mvt, init_mvt, sizes(n=(19, 120, 400)), SUMS),
    Program("symm", symm, init_symm, sizes(m=(11, 60, 200), n=(13, 80, 240)), SUMS),
    Program("syr2k", syr2k, init_syr2k, sizes(m=(9, 60, 200), n=(13, 80, 240)), SUMS),
    Program("syrk", syrk, init_syrk, sizes(m=(9, 60, 200), n=(13, 80, 240)), SUMS),
    Program("trmm", trmm, init_trmm, sizes(m=(11, 60, 200), n=(13, 80, 240)), SUMS),
)  # fmt: skip
