"""Factorisations, triangular solves, and the statistics that are products of a matrix with itself."""

from __future__ import annotations

import numpy as np

from benchmarks.polybench.program import Args, Array, Program, positive_definite, ramp, sizes
from tests.kernels.tolerance import matmul_bound


def cholesky(a: Array) -> None:
    """`A = L @ L.T` of a positive definite matrix, row by row, in the lower triangle."""
    for i in range(a.shape[0]):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[j, :j]) / a[j, j]
        a[i, i] = np.sqrt(a[i, i] - a[i, :i] @ a[i, :i])


def init_cholesky(n: int) -> Args:
    return (positive_definite(n),)


def durbin(r: Array) -> Array:
    """Solves the Yule-Walker equations of a Toeplitz matrix by Levinson and Durbin's recursion."""
    n = r.shape[0]
    y = np.empty_like(r)
    y[0] = -r[0]
    alpha = -r[0]
    beta = 1.0
    for k in range(1, n):
        beta = (1 - alpha * alpha) * beta
        alpha = -(r[k] + r[:k][::-1] @ y[:k]) / beta
        y[:k] += alpha * y[:k][::-1]
        y[k] = alpha
    return y


def init_durbin(n: int) -> Args:
    return (0.5 ** np.arange(1, n + 1) * (1 + ramp(n)) / 4,)


def gramschmidt(a: Array, r: Array, q: Array) -> None:
    """`A = Q @ R` by the modified Gram-Schmidt process."""
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(a[:, k] @ a[:, k])
        q[:, k] = a[:, k] / r[k, k]
        r[k, k + 1 :] = q[:, k] @ a[:, k + 1 :]
        a[:, k + 1 :] -= np.outer(q[:, k], r[k, k + 1 :])


def init_gramschmidt(m: int, n: int) -> Args:
    return ramp(m, n) + 2 * np.eye(m, n), np.zeros((n, n)), np.zeros((m, n))


def lu(a: Array) -> None:
    """`A = L @ U` without pivoting, in place, column by column."""
    n = a.shape[0]
    for k in range(n):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k, None] * a[k, k + 1 :]


def init_lu(n: int) -> Args:
    return (positive_definite(n),)


def ludcmp(a: Array, b: Array) -> Array:
    """Solves `A @ x = b`: LU by rows, then a forward and a backward substitution."""
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[:j, j]) / a[j, j]
        for j in range(i, n):
            a[i, j] -= a[i, :i] @ a[:i, j]
    y = np.zeros(n)
    for i in range(n):
        y[i] = b[i] - a[i, :i] @ y[:i]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (y[i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


def init_ludcmp(n: int) -> Args:
    return positive_definite(n), ramp(n) + 4


def trisolv(lower: Array, b: Array) -> Array:
    """Solves `L @ x = b` for a lower triangular L."""
    x = np.empty_like(b)
    for i in range(b.shape[0]):
        x[i] = (b[i] - lower[i, :i] @ x[:i]) / lower[i, i]
    return x


def init_trisolv(n: int) -> Args:
    return np.tril(ramp(n, n) / n) + np.eye(n), ramp(n)


def correlation(data: Array) -> Array:
    """Pearson correlation of all pairs of columns; the data are centred and reduced in place."""
    n, m = data.shape
    mean = data.mean(axis=0)
    deviation = np.sqrt(((data - mean) ** 2).mean(axis=0))
    deviation[deviation <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(float(n)) * deviation
    corr = np.eye(m)
    for i in range(m - 1):
        corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
        corr[i + 1 :, i] = corr[i, i + 1 :]
    return corr


def covariance(data: Array) -> Array:
    """Covariance of all pairs of columns; the data are centred in place."""
    n, m = data.shape
    data -= data.mean(axis=0)
    cov = np.zeros((m, m))
    for i in range(m):
        cov[i, i:] = data[:, i] @ data[:, i:] / (n - 1.0)
        cov[i:, i] = cov[i, i:]
    return cov


def init_data(m: int, n: int) -> Args:
    return (ramp(n, m) + np.arange(n)[:, None] / n,)


SUMS = matmul_bound(600)

PROGRAMS = (
    Program("cholesky", cholesky, init_cholesky, sizes(n=(14, 120, 400)), SUMS),
    Program("correlation", correlation, init_data, sizes(m=(9, 80, 240), n=(13, 100, 260)), SUMS),
    Program("covariance", covariance, init_data, sizes(m=(9, 80, 240), n=(13, 100, 260)), SUMS),
    Program("durbin", durbin, init_durbin, sizes(n=(17, 120, 400)), SUMS),
    Program("gramschmidt", gramschmidt, init_gramschmidt, sizes(m=(15, 80, 240), n=(9, 60, 200)), SUMS),
    Program("lu", lu, init_lu, sizes(n=(14, 120, 400))),
    Program("ludcmp", ludcmp, init_ludcmp, sizes(n=(14, 120, 400)), SUMS),
    Program("trisolv", trisolv, init_trisolv, sizes(n=(17, 120, 400)), SUMS),
)
