"""Products of every kind against NumPy: einsum, tensordot, inner, vdot, kron, cross, trace, multi_dot and their kin."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

from pydsl.frontend.einsum_terms import chain_path, contraction_path
from tests.calls.tools import check

RNG = np.random.default_rng(3)
DTYPES = ["f4", "i4", "c16"]


def some(*shape: int, dtype: str = "f8") -> Any:
    return RNG.integers(-4, 5, shape).astype(dtype)


def same(expression: str, *args: Any, rtol: float = 1e-12, ways: tuple[str, ...] = ("native",)) -> None:
    """Compare a function of one expression over `a`, `b`, `c`, `d`."""
    names = "abcdefg"[: len(args)]
    source = f"def f({', '.join(names)}):\n    return {expression}\n"
    name = f"<{expression} {len(linecache.cache)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(source, name, "exec"), namespace)
    check(namespace["f"], *args, rtol=rtol, ways=ways)


# --- einsum -----------------------------------------------------------------------------------------------------------

SIZES = {"i": 3, "j": 4, "k": 5, "l": 2, "a": 3, "b": 4, "c": 5, "m": 3, "n": 2}


def operands(terms: str, dtype: str) -> list[Any]:
    return [
        some(
            *[
                n
                for letter in term.replace("...", "@")
                for n in ((2, 6) if letter == "@" else (SIZES.get(letter, 3),))
            ],
            dtype=dtype,
        )
        for term in terms.split(",")
    ]


EXPRESSIONS = [
    "ij,jk", "ij,jk->ki", "ij,jk,kl->il", "ij,jk,kl,li->", "ii", "ii->i", "iij->ij", "...ij,...jk->...ik", "i...->...",
    "ij->ji", "ij->", "ij,ij->ij", "i,j->ij", "ijk,ikl->ijl", "ij...,jk...->ik...", "bi,bj,bij->b", "...,...",
    "ij,kl->",
    "a,ab,abc->abc", "ijij->ij", "ii,ii->", "...ii->...i", "ij,j,jk,kl,lm,mn->in", "ijk->...", "...i,i...->...",
    "aab,abc,bcc->ac", "ijk,jl,km,lmn->in",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_einsum(expression: str) -> None:
    args = operands(expression.partition("->")[0], "f8")
    same(f"np.einsum({expression!r}, {', '.join('abcdefg'[: len(args)])})", *args)
    turned = [np.asfortranarray(arg) for arg in args]
    same(f"np.einsum({expression!r}, {', '.join('abcdefg'[: len(args)])})", *turned)


@pytest.mark.parametrize("dtype", [*DTYPES, "?"])
def test_einsum_dtypes(dtype: str) -> None:
    for expression in ("ij,jk,kl->il", "ii->i", "ij->j"):
        args = operands(expression.partition("->")[0], dtype)
        same(f"np.einsum({expression!r}, {', '.join('abcdefg'[: len(args)])})", *args)


def test_einsum_options() -> None:
    x, y, z = some(3, 4), some(4, 5), some(5, 3)
    for order in "CFAK":
        same(f"np.einsum('ij,jk->ik', a, b, order={order!r})", x, y)
        same(f"np.einsum('ij->ji', a, order={order!r})", x)
    same("np.einsum('ij,jk->ik', a, b, dtype=np.float32)", x, y)
    same("np.einsum('ij,jk->ik', a, b, dtype=np.float32, casting='same_kind')", x, y)
    same("np.einsum('ij,jk->ik', a, b, dtype=complex)", x, y)
    same("np.einsum(a, [0, 1], b, [1, 2])", x, y)
    same("np.einsum(a, [0, 1], b, [1, 2], [2, 0])", x, y)
    same("np.einsum(a, [Ellipsis, 1], b, [1, 2], [Ellipsis, 2])", x, y)
    same("np.einsum(a, [30, 2])", x)
    for optimize in (True, False, "greedy", "optimal"):
        same(f"np.einsum('ij,jk,kl->il', a, b, c, optimize={optimize!r})", x, y, z)
        same(f"np.einsum('ij,jk->ki', a, b, optimize={optimize!r})", x, y)
        same(
            f"np.einsum('bij,bjk,bk->bi', a, b, c, optimize={optimize!r})",
            some(2, 3, 4),
            some(2, 4, 5),
            some(2, 5),
        )
    same("np.einsum('ij,jk->ik', a, b, out=c)", x, y, np.zeros((3, 5)))
    same("np.einsum('', a)", np.array(3.0))
    same("np.einsum(',', a, b)", 2.0, 3.0)


@pytest.mark.parametrize(
    "expression, shapes",
    [
        ("i,i", [(3,), (4,)]), ("ii", [(3, 4)]), ("ij", [(3,)]), ("ij,jk", [(3, 4)]), ("i->ij", [(3,)]), ("i$", [(3,
        4)]), ("i..j", [(3, 4)]), ("...->", [(3, 4)]), ("ij->iij", [(3, 4)]), ("i.j->i", [(3, 4)]), ("ij,jk->iz",
        [(3, 4), (4, 2)]), ("ij,jk,ki->", [(3, 4), (4, 2), (2, 5)]),
    ],
)  # fmt: skip
def test_einsum_errors(expression: str, shapes: list[tuple[int, ...]]) -> None:
    same(f"np.einsum({expression!r}, {', '.join('abc'[: len(shapes)])})", *[some(*shape) for shape in shapes])


def test_einsum_into_an_array_of_another_shape() -> None:
    same("np.einsum('ij,jk->ik', a, b, out=c)", some(3, 4), some(4, 5), np.zeros((3, 4)))


def test_several_operands_take_the_cheap_order() -> None:
    chain = [(0, 1), (1, 2), (2, 3)]
    assert contraction_path(chain, (0, 3), {0: 100, 1: 100, 2: 100, 3: 1}) == [(1, 2), (0, 1)]
    assert contraction_path(chain, (0, 3), {0: 1, 1: 100, 2: 100, 3: 100}) == [(0, 1), (0, 1)]
    long = [(k, k + 1) for k in range(12)]
    path = contraction_path(long, (0, 12), dict.fromkeys(range(13), 10))
    assert len(path) == 11
    assert chain_path(chain, {0: 100, 1: 100, 2: 100, 3: 1}) == [(1, 2), (0, 1)]


def test_sizes_known_at_run_time() -> None:
    def f(x, m):
        y = x[m]
        return (
            np.einsum("ij,kj,kl->il", y, y, y),
            np.tensordot(y, y, 2),
            np.inner(y, y),
            np.linalg.multi_dot([y.T, y, y.T]),
        )

    x = some(5, 3)
    check(f, x, x[:, 0] > -2, rtol=1e-12, ways=("ir", "native"))


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_inner_outer_vdot(dtype: str) -> None:
    x, y, v, w = some(3, 4, dtype=dtype), some(2, 4, dtype=dtype), some(4, dtype=dtype), some(3, dtype=dtype)
    for a, b in ((x, y), (x, v), (v, v), (v, w), (v, 2), (2.0, v)):
        same("np.inner(a, b)", a, b)
    for a, b in ((x, x), (x.T, x), (x, v), (x, some(4, 3, dtype=dtype).T)):
        same("np.vdot(a, b)", a, b)
    for a, b in ((x, v), (v, w), (v, 2)):
        same("np.outer(a, b)", a, b)
    same("np.linalg.outer(a, b)", v, w)
    same("np.outer(a, b, out=c)", v, w, np.zeros((4, 3), dtype))
    for a, b in ((x, y), (v, x), (v, w), (v, 2), (some(2, 3, 2, dtype=dtype), x.T), (np.array(3.0), v)):
        same("np.kron(a, b)", a, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_trace_and_planes(dtype: str) -> None:
    x, cube = some(3, 4, dtype=dtype), some(2, 3, 4, dtype=dtype)
    for expression in (
        "np.trace(a)",
        "np.trace(a, 1)",
        "np.trace(a, -1, 1, 0)",
        "a.trace()",
        "np.trace(a, 9)",
    ):
        same(expression, x)
    same("np.trace(a), np.trace(a, 0, 1, 2), np.linalg.trace(a), np.linalg.trace(a, offset=1)", cube)
    same("np.linalg.diagonal(a), np.linalg.diagonal(a, offset=-1), np.linalg.matrix_transpose(a)", cube)
    same("np.trace(a)", x[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross(dtype: str) -> None:
    rows, columns, v = some(5, 3, dtype=dtype), some(3, 5, dtype=dtype), some(3, dtype=dtype)
    same("np.cross(a, b), np.linalg.cross(a, b), np.cross(a, b, axisc=0)", rows, rows)
    same("np.cross(a, b)", v, rows)
    same("np.cross(a, b, axis=0)", columns, columns)
    same("np.cross(a, b, 0, 1, 1)", columns, rows)
    for a, b in (
        (some(2, dtype=dtype), some(2, dtype=dtype)),
        (some(4, 2, dtype=dtype), v),
        (v, some(2, dtype=dtype)),
    ):
        same("np.cross(a, b)", a, b)
    same("np.cross(a, b)", some(4, dtype=dtype), some(4, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensordot_and_products(dtype: str) -> None:
    x, y, v, w = some(3, 4, dtype=dtype), some(2, 4, dtype=dtype), some(4, dtype=dtype), some(3, dtype=dtype)
    for axes in ("2", "1", "([1, 0], [1, 0])", "([0, 0], [0, 0])", "5", "((1,), (1,))", "(0, 0)"):
        same(f"np.tensordot(a, b, {axes})", x, x)
    same("np.tensordot(a, b, 0)", v, w)
    same("np.tensordot(a, b, ((1,), (1,)))", x, y)
    same("np.linalg.tensordot(a, b, axes=1), np.linalg.matmul(a, b)", x, x.T)
    same(
        "np.vecdot(a, b), np.vecdot(a, b, axis=0), np.linalg.vecdot(a, b, axis=0), np.linalg.vecdot(a, b)",
        x,
        x,
    )
    same("np.vecdot(a, b), np.matvec(a, b)", x, v)
    same("np.vecmat(a, b)", w, x)
    same("np.linalg.multi_dot([a, b, a])", x, x.T)
    same(
        "np.linalg.multi_dot([c, b, a, c]), np.linalg.multi_dot([c, b, a]), np.linalg.multi_dot((a, b))",
        x,
        x.T,
        v,
    )
    same("np.linalg.multi_dot([a])", x)
