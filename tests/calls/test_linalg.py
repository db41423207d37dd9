"""``np.linalg`` inside compiled functions: results, tuples, layouts and errors as outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import UnsupportedError, jit
from tests.calls.tools import check, same

RNG = np.random.default_rng(7)
DTYPES = ["?", "i2", "f2", "f4", "c8", "c16"]
WAYS = ("native",)


def some(shape: tuple[int, ...], dtype: str = "f8") -> Any:
    """Random matrices of a dtype, far from singular where they are square."""
    values = RNG.standard_normal(shape)
    if dtype[0] in "?iu":
        values = np.abs(values) * 3
    if dtype.startswith("c"):
        values = values + 1j * RNG.standard_normal(shape)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        values = values + 4 * np.eye(shape[-1])
    return values.astype(dtype)


def symmetric(shape: tuple[int, ...], dtype: str = "f8") -> Any:
    a = some(shape, dtype)
    with np.errstate(all="ignore"):
        return (
            (a + np.swapaxes(a, -1, -2).conj()).astype(dtype) if dtype != "?" else a | np.swapaxes(a, -1, -2)
        )


ONE_MATRIX: dict[str, Callable[..., Any]] = {
    "inv": lambda a: np.linalg.inv(a),
    "det": lambda a: np.linalg.det(a) + 1,
    "slogdet": lambda a: (np.linalg.slogdet(a), np.linalg.slogdet(a)[1], np.linalg.slogdet(a).sign),
    "qr": lambda a: (
        np.linalg.qr(a),
        np.linalg.qr(a, "complete").Q,
        np.linalg.qr(a, mode="r"),
        np.linalg.qr(a, "raw"),
    ),
    "svd": lambda a: (np.linalg.svd(a), np.linalg.svd(a, False).Vh, np.linalg.svd(a, compute_uv=False)),
    "svdvals": lambda a: (
        np.linalg.svdvals(a),
        np.linalg.cond(a),
        np.linalg.cond(a, 1),
        np.linalg.matrix_rank(a),
    ),
    "pinv": lambda a: (np.linalg.pinv(a), np.linalg.pinv(a, 0.1), np.linalg.pinv(a, rtol=0.1)),
    "power": lambda a: (
        np.linalg.matrix_power(a, 3),
        np.linalg.matrix_power(a, 0),
        np.linalg.matrix_power(a, -2),
    ),
}
SYMMETRIC: dict[str, Callable[..., Any]] = {
    "cholesky": lambda a: (np.linalg.cholesky(a), np.linalg.cholesky(a, upper=True)),
    "eigh": lambda a: (np.linalg.eigh(a), np.linalg.eigh(a, "U").eigenvalues, np.linalg.eigvalsh(a)),
    "hermitian": lambda a: (np.linalg.pinv(a, hermitian=True), np.linalg.matrix_rank(a, hermitian=True)),
}


@pytest.mark.parametrize("name", [*ONE_MATRIX, *SYMMETRIC])
def test_dtypes(name: str) -> None:
    for dtype in DTYPES:
        if name in SYMMETRIC:
            check(SYMMETRIC[name], symmetric((3, 3), dtype) + (np.eye(3) * 9).astype(dtype), ways=WAYS)
        else:
            check(ONE_MATRIX[name], some((3, 3), dtype), ways=WAYS)


@pytest.mark.parametrize("name", [*ONE_MATRIX, *SYMMETRIC])
def test_layouts_and_stacks(name: str) -> None:
    function = {**ONE_MATRIX, **SYMMETRIC}[name]
    make = symmetric if name in SYMMETRIC else some
    for x in (
        np.asfortranarray(make((3, 3))),
        make((4, 4))[::-1, ::-1],
        make((2, 3, 3)).transpose(0, 2, 1),
        make((1, 1)),
        make((0, 3, 3)),
        make((0, 0)),
        some((3, 2)),
        some((2, 3, 5)),
        some((4,)),
        np.array(2.0),
        np.zeros((2, 2)),
        np.full((2, 2), np.nan),
    ):
        check(function, x, ways=WAYS)


def test_stages() -> None:
    def f(a):
        q, r = np.linalg.qr(a)
        return np.linalg.inv(q @ r) * np.linalg.det(a), np.linalg.norm(r, 2)

    check(f, some((3, 3)), ways=("ir", "loops", "portable", "native"), rtol=1e-10)


def test_solve() -> None:
    def f(a, b):
        return np.linalg.solve(a, b)

    shapes: list[tuple[Any, Any]] = [
        ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((2, 3, 3), (2, 3, 4)), ((3, 3), (2, 3, 1)),
        ((2, 1, 3, 3), (5, 3, 2)), ((2, 3, 3), (3,)), ((3, 3), (4,)), ((3, 3), (4, 2)), ((3, 2), (3,)), ((3,), (3,)),
        ((3, 3), ()), ((2, 3, 3), (4, 3, 2)), ((0, 0), (0,)), ((3, 3), (3, 0)),
    ]  # fmt: skip
    for a, b in shapes:
        check(f, some(a), some(b), ways=WAYS)
    for dtype in DTYPES:
        check(f, some((3, 3), dtype), some((3,)), ways=WAYS)
        check(f, some((3, 3), "f4"), some((3, 1), dtype), ways=WAYS)
    check(f, np.zeros((2, 2)), np.ones(2), ways=("ir", "loops", "native"))

    def keywords(x, y):
        return np.linalg.solve(a=x.T, b=y[::-1])

    check(keywords, some((3, 3)), some((3,)), ways=WAYS)


def test_lstsq() -> None:
    def f(a, b):
        x, residuals, rank, s = np.linalg.lstsq(a, b)
        return x, residuals, rank, s, residuals.size, np.linalg.lstsq(a, b, rcond=0.5)[0]

    for a, b in (
        ((5, 3), (5,)),
        ((5, 3), (5, 2)),
        ((3, 5), (3, 2)),
        ((3, 3), (3,)),
        ((5, 3), (4,)),
        ((4,), (4,)),
        ((2, 4, 3), (4,)),
    ):
        check(f, some(a), some(b), ways=WAYS)
    check(f, np.ones((5, 3)), some((5, 2)), ways=WAYS)
    check(f, some((5, 3), "f4"), some((5,), "f4"), ways=("ir", "native"))
    check(f, some((5, 3), "i2"), some((5,), "c8"), ways=WAYS)


def test_eig_of_complex_matrices() -> None:
    def f(a):
        return np.linalg.eig(a), np.linalg.eigvals(a)

    for x in (some((3, 3), "c16"), some((2, 3, 3), "c8")):
        check(f, x, ways=WAYS)
    with pytest.raises(UnsupportedError, match="real or complex"):
        jit(f)(some((3, 3)))


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf, 0, 3, 0.5, -3, "no"])
def test_norms(ord: Any) -> None:
    def f(x):
        return np.linalg.norm(x, ord), np.linalg.norm(x, ord=ord, keepdims=True)

    def along(x):
        return np.linalg.norm(x, ord, axis=0), np.linalg.norm(x, ord, axis=-1, keepdims=True)

    def planes(x):
        return np.linalg.norm(x, ord, axis=(0, 1)), np.linalg.norm(x, ord, axis=(-1, 0), keepdims=True)

    for x in (
        some((4,)),
        some((3, 4)),
        some((3, 4), "f4").T,
        some((2, 3), "c8"),
        some((2, 3), "i2"),
        some((2, 3, 2)),
    ):
        tolerance = 1e-5 if x.dtype.itemsize < 8 or x.dtype == "c8" else 1e-12
        check(f, x, rtol=tolerance, ways=WAYS)
        check(along, x, rtol=tolerance, ways=WAYS)
    for x in (some((2, 3)), some((2, 4, 3), "f4")[:, ::-1]):
        check(planes, x, rtol=1e-5, ways=WAYS)


def test_array_api_norms() -> None:
    def f(x):
        return (
            np.linalg.vector_norm(x),
            np.linalg.vector_norm(x, axis=0, ord=3),
            np.linalg.vector_norm(x, keepdims=True),
            np.linalg.matrix_norm(x),
            np.linalg.matrix_norm(x, ord=1, keepdims=True),
            np.linalg.matrix_norm(x, ord="nuc"),
        )

    for x in (some((3, 4)), some((2, 3, 4))):
        check(f, x, rtol=1e-12, ways=WAYS)


def test_tensor_equations() -> None:
    def f(a, b):
        return np.linalg.tensorinv(a, ind=2), np.linalg.tensorsolve(a, b), np.linalg.tensorsolve(a, b, (0, 2))

    check(f, some((4, 6, 8, 3)), some((4, 6)), ways=WAYS)
    check(f, some((4, 6, 8, 2)), some((4, 6)), ways=WAYS)


def test_sizes_known_at_run_time() -> None:
    def f(a, n):
        total = 0.0
        for k in range(1, n):
            block = a[:k, :k]
            total += np.linalg.det(block) + np.linalg.norm(np.linalg.inv(block), 2)
            u, s, v = np.linalg.svd(a[:k], full_matrices=False)
            total += s.sum() + (u @ v).sum()
        return total

    check(f, some((5, 5)), 5, rtol=1e-9, ways=("ir", "native"))

    def masked(a, m):
        b = a[m]
        return np.linalg.qr(b)[1], np.linalg.solve(b.T @ b, b.sum(0))

    x = some((6, 3))
    check(masked, x, x[:, 0] > -9, rtol=1e-9, ways=("ir", "native"))

    def not_square(a, m):
        return np.linalg.inv(a[m])

    check(not_square, x, x[:, 0] > -9, ways=WAYS)


def test_many_sizes_through_one_function() -> None:
    def f(a):
        product = np.linalg.inv(a) @ a
        values = np.linalg.svd(a, full_matrices=False).S
        row = np.linalg.solve(a, a[0])
        return (
            product.sum(),
            values,
            row,
            np.linalg.qr(a),
            np.fft.rfft(a, axis=0),
            np.einsum("ij,jk,k->i", a, a, row),
        )

    compiled = jit(f)
    for n in (3, 4, 5, 6, 7, 9, 3, 20):
        a = some((n, n))
        same(compiled(a), f(a), f"size {n}", 1e-9)


def test_powers_of_dynamic_scalars() -> None:
    def f(a, n):
        return np.linalg.matrix_power(a, n)

    for n in (0, 2, 5, -1):
        check(f, some((3, 3)), n, ways=WAYS)
        check(f, some((3, 3), "i2"), n, ways=WAYS)
    check(f, some((3, 3)), 1.5, ways=WAYS)


def test_constant_arguments_make_new_arrays() -> None:
    def f(x):
        a = np.linalg.inv([[2.0, 0.0], [0.0, 4.0]])
        a[0, 0] += x
        return a

    check(f, 1.0)


def test_effects_are_kept_before_an_error() -> None:
    def f(a, out):
        out[0] = 1
        b = np.linalg.inv(a)
        out[1] = 2
        return b

    check(f, np.zeros((2, 2)), np.zeros(2), ways=("ir", "loops", "portable", "native"))
