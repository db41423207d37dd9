"""Subscripts: every form as load, store and update, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.tracing import check

RNG = np.random.default_rng(2)
X = RNG.standard_normal((4, 5, 6))
IX = np.arange(120, dtype=np.int32).reshape(4, 5, 6)
I = np.array([0, -1, 2], dtype=np.int64)
J = np.array([1, 1, 4], dtype=np.int32)
M = X[:, :, 0] > 0
M3 = X > 0.5
M0 = np.array([True, False, True, True])
M1 = np.array([True, False, True, False, True])

EXPRESSIONS = """
x[0]
x[-1]
x[1, 2]
x[1, 2, 3]
x[-1, -2, -3]
x[1:3]
x[::2]
x[::-1]
x[:, ::-2]
x[3:0:-1, 1]
x[-3:-1]
x[10:]
x[:-10]
x[5:2]
x[..., 0]
x[0, ...]
x[0, ..., 1]
x[...]
x[()]
x[None]
x[:, None, 1]
x[..., None]
x[None, 0, None, :, 2]
x[1, 2, ...]
x[1, 2, 3, ...]
x[np.newaxis, ..., np.newaxis]
x[n]
x[-n]
x[n - 3]
x[n, n + 1]
x[n, 1, n]
x[n:]
x[:n]
x[n:n + 2]
x[-n:]
x[:-n]
x[n::-1]
x[:n:2]
x[n::2, ::-1, n]
x[i]
x[:, i]
x[..., i]
x[i, j]
x[i, :, j]
x[:, i, j]
x[0, :, i]
x[:, 0, i]
x[0, i]
x[i, 1:3]
x[i, None, j]
x[i[:, None], j]
x[[0, 2]]
x[:, [0, -1], 1]
x[[0, 1], [2, 3]]
x[[[0, 1], [2, 3]]]
x[[]]
x[range(2)]
x[m]
x[m3]
x[m0]
x[:, m1]
x[m0, 1]
x[m0, 1:3]
x[m0, :, 2]
x[m, 2]
x[m0, ..., 0]
x[1, m1]
x[None, m0]
x[m0, None]
x[..., m1, :]
x[i, n]
x[n, i]
x[[True, False, True, True]]
x[i][0]
x[1:][i]
x[m0][1]
""".split("\n")[1:-1]


def make(source: str, name: str = "f") -> Any:
    """A function with source, from text."""
    import linecache

    text = (
        f"def {name}(x, n, i, j, m, m0, m1, m3, v=None):\n"
        + "\n".join(f"    {line}" for line in source.split("\n"))
        + "\n"
    )
    file = f"/tmp/indexing_{abs(hash(text))}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    scope: dict[str, Any] = {"np": np}
    exec(compile(text, file, "exec"), scope)
    return scope[name]


ARGS = (2, I, J, M, M0, M1, M3)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_load(expression: str) -> None:
    check(make(f"return {expression}"), X, *ARGS)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_store_scalar(expression: str) -> None:
    if expression.startswith(("x[i][", "x[m0][")):
        return
    check(make(f"{expression} = n\nreturn x"), X, *ARGS)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_store_array(expression: str) -> None:
    if expression.startswith(("x[i][", "x[m0][")):
        return
    shape = np.shape(
        eval(expression, {"np": np, "x": X, "n": 2, "i": I, "j": J, "m": M, "m0": M0, "m1": M1, "m3": M3})
    )
    check(make(f"{expression} = v\nreturn x"), X, *ARGS, RNG.standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("op", ["+= n", "*= 0.5", "//= n", "-= x[0, 0, 0]"])
def test_update(expression: str, op: str) -> None:
    if expression.startswith(("x[i][", "x[m0][")):
        return
    check(make(f"{expression} {op}\nreturn x"), X, *ARGS)


@pytest.mark.parametrize(
    "statement",
    [
        "x[m0] += 0.5", "x[0, 0, 0] += 0.5", "x[m0] += v", "x[i] += 1", "x[m3] //= 3", "x[1:] += x[:-1]", "x[m3] = -1",
        "x[1, 2, 3] **= 2", "x[m3] = x[m3] * 2", "x[i, j] += np.int8(1)", "x += 0.5", "x[0] /= 2",
    ],
)  # fmt: skip
def test_integer_array(statement: str) -> None:
    check(make(f"{statement}\nreturn x"), IX, *ARGS, 0.25)


@pytest.mark.parametrize(
    "expression",
    [
        "x[4]", "x[-5]", "x[0, 5]", "x[n + 2]", "x[-n - 3]", "x[0, n * 3]", "x[0, 0, 0, 0]", "x[..., ...]", "x[1.0]",
        "x['a']", "x[i + 3]", "x[i - 4]", "x[0, i + 5]", "x[m1]", "x[m0, m0]", "x[[0, 7]]", "x[n, j, j + 3]",
        "x[::0]", "x[1.5:]",
        "x[i * 1.0]", "x[i, M]", "n[0]", "x[0, 0, 0][0]", "x[i, j[:2]]",
    ],
)  # fmt: skip
def test_errors(expression: str) -> None:
    error = check(make(f"x[0] = 1\nreturn {expression}"), X, *ARGS)
    assert isinstance(error, Exception)


@pytest.mark.parametrize("statement", ["x[m0] = v", "x[i] = v", "x[1:] = v", "x[0, 0, 0] = v", "x[m3] = v"])
def test_store_that_does_not_fit(statement: str) -> None:
    assert isinstance(
        check(make(f"{statement}\nreturn x"), X, *ARGS, np.zeros((7, 7)), messages=False), Exception
    )


def test_failed_store_has_no_effect_of_its_own() -> None:
    def f(x):
        x[0] = 1
        x[1] = x[:, 0, 0]
        x[2] = 5

    check(f, X[:, :, :5].copy())


def test_indices_from_data() -> None:
    def f(x, i):
        out = np.zeros((3, 6))
        for k in range(3):
            a = i[k]
            out[k] = x[a, a - 2]
            out[k, : a + 1] *= 2
            out[k, a - 3 : a + 3] += 1
            x[a, 1:3, a::2] = k
        return out, x

    check(f, X, I)


def test_index_from_data_out_of_bounds() -> None:
    def f(x, i):
        for k in range(12):
            x[i[k]] += 1
        return x

    error = check(f, np.zeros(5), np.array([0, 1, 4, -5, 2, 7, 1, 1, 1, 1, 1, 1]))
    assert isinstance(error, IndexError)


def test_views_of_views_reach_the_base() -> None:
    def f(x):
        z = x[:, 2]
        z += 1
        x[1:3].reshape(2, 5, 6)[..., 0] = -1
        y = x.T[0][::-1]
        y *= 2
        w = x[I]
        w += 100
        return x, w

    check(f, X)


def test_zero_dimensional() -> None:
    def f(x):
        s = x.sum()
        y = np.array(3.0)
        y[...] = s
        y += 1
        z = x[0, 0, 0]
        x[0, 0, 0] = 100
        return y, y[()], z, y + 1

    check(f, X)
