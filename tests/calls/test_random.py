"""``np.random`` inside compiled functions: the same numbers in the same order, generators advanced alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import UnsupportedError, jit
from tests.calls.tools import check

WAYS = ("native",)
EVERY = ("ir", "loops", "portable", "native")
GLOBAL = np.random.default_rng(1)


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def test_generators_as_arguments() -> None:
    def f(rng, n, x):
        a = rng.random(n)
        rng.shuffle(x)
        b = rng.normal(a, 2.0) + x[:n]
        for _ in range(n):
            b += rng.standard_normal(n)
        return a, b, rng.integers(10), rng

    check(f, rng(), 3, np.arange(5.0), ways=EVERY)
    check(f, np.random.Generator(np.random.MT19937(3)), 4, np.arange(6.0)[::-1], ways=WAYS)


def test_a_new_generator_compiles_nothing() -> None:
    @jit
    def f(rng, n):
        return rng.random(n)

    for seed in range(20):
        np.testing.assert_array_equal(f(rng(seed), 4), rng(seed).random(4))
    with pytest.raises(UnsupportedError):
        f(np.random.PCG64(0), 3)


def test_generators_of_the_module_and_of_a_closure() -> None:
    closure = rng(2)

    def f(x):
        return GLOBAL.random(3) * x, closure.integers(0, 9, (2, 2)), GLOBAL.choice(x)

    def reset() -> None:
        GLOBAL.bit_generator.state = rng(1).bit_generator.state
        closure.bit_generator.state = rng(2).bit_generator.state

    check(f, np.arange(3.0), ways=EVERY, before=reset)


def test_generators_made_inside() -> None:
    def f(seed, n):
        r = np.random.default_rng(seed)
        s = np.random.default_rng(7)
        total = np.zeros(n)
        for _ in range(3):
            total += r.random(n) + s.standard_normal(n)
            total[0] += r.integers(0, 100)
        x = np.arange(n)
        r.shuffle(x)
        return (
            total,
            x,
            r.random(),
            s.integers(5, dtype=np.uint8),
            r.integers(5, dtype=np.uint8),
            r.permutation(4),
        )

    check(f, 5, 4, ways=EVERY)

    def helper(r, k):
        return r.random(k).sum()

    def g(seed):
        r = np.random.default_rng([seed, 3])
        return helper(r, 2) + helper(r, 3)

    check(g, 5, ways=WAYS)

    def back(seed):
        return np.random.default_rng(seed)

    with pytest.raises(UnsupportedError, match="returning a Generator"):
        jit(back)(3)


SCALARS = {
    "beta": (1.5, 2.0), "binomial": (9, 0.5), "chisquare": (2.0,), "exponential": (2.0,), "f": (2.0, 3.0),
    "gamma": (2.0, 3.0), "geometric": (0.3,), "gumbel": (0.0, 1.0), "hypergeometric": (5, 6, 7), "laplace": (0.0, 2.0),
    "logistic": (0.0, 1.0), "lognormal": (0.0, 1.0), "logseries": (0.5,), "negative_binomial": (3, 0.5),
    "noncentral_chisquare": (2.0, 1.0), "noncentral_f": (2.0, 3.0, 1.0), "normal": (1.0, 2.0), "pareto": (2.0,),
    "poisson": (4.0,), "power": (2.0,), "random": (), "rayleigh": (1.0,), "standard_cauchy": (),
    "standard_exponential": (), "standard_gamma": (2.0,), "standard_normal": (), "standard_t": (3.0,),
    "triangular": (0.0, 1.0, 2.0), "uniform": (1.0, 2.0), "vonmises": (0.0, 1.0), "wald": (1.0, 2.0), "weibull": (2.0,),
    "zipf": (3.0,), "integers": (3, 9),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_distributions(name: str) -> None:
    parameters = SCALARS[name]
    code = f"""
def f(rng, n, x, {", ".join(f"p{k}" for k in range(len(parameters)))}):
    one = rng.{name}({", ".join(map(repr, parameters))})
    several = rng.{name}({", ".join([*(f"p{k}" for k in range(len(parameters))), "size=(n, 2)"])})
    last = rng.{name}({", ".join([*(f"p{k}" for k in range(len(parameters))), "n"])})
    dynamic = rng.{name}({", ".join(f"p{k}" for k in range(len(parameters)))})
"""
    if parameters:
        code += f"    many = rng.{name}({', '.join(f'p{k} + x' for k in range(len(parameters)))})\n"
    code += f"    return one, several, last, dynamic{', many' if parameters else ''}, one * 2\n"
    check(
        _made(code),
        rng(),
        3,
        np.zeros((2, 1)) if name != "integers" else np.zeros((2, 1), int),
        *parameters,
        ways=WAYS,
    )


def _made(code: str) -> Any:
    import linecache

    name = f"<random {hash(code)}>"
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(code, name, "exec"), namespace)
    return namespace["f"]


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "u8", "i8"])
def test_integers(dtype: str) -> None:
    kind = np.dtype(dtype).type

    def f(rng, high):
        return (
            rng.integers(0, high, 5, kind),
            rng.integers(high, dtype=kind),
            rng.integers(0, high, size=(2, 3), dtype=kind, endpoint=True),
            rng.integers(np.array([1, 2]), dtype=kind),
        )

    check(f, rng(), 1 if dtype == "?" else 100, ways=WAYS)

    def python_types(rng):
        return rng.integers(5, dtype=int), rng.integers(2, dtype=bool), rng.integers(7)

    check(python_types, rng(), ways=WAYS)


def test_float32_and_out() -> None:
    def f(rng, x, y):
        a = rng.random(3, np.float32), rng.standard_normal(4, dtype="f4"), rng.standard_normal(dtype="f4")
        rng.random(out=x)
        z = rng.standard_exponential(out=y[1:3]) * 2
        rng.random(dtype=np.float32, out=x.astype("f4"))
        return a, x, z, rng.standard_gamma(2.0, 3, np.float32), rng.standard_exponential(3, method="inv")

    check(f, rng(), np.zeros(3), np.zeros(4), ways=("ir", "native"))


def test_choices_and_orders() -> None:
    def f(rng, n, x, m):
        return (
            rng.choice(n),
            rng.choice(n, 3),
            rng.choice(n, (2, 2), replace=False),
            rng.choice(x),
            rng.choice(x, 4),
            rng.choice(x, (2, 2), p=np.full(x.shape, 1 / x.size)),
            rng.choice(m, 2, axis=1),
            rng.choice(m, 2, False, None, 0, False),
            rng.choice(m),
            rng.choice(n, ()),
            rng.permutation(n),
            rng.permutation(m),
            rng.permutation(m, axis=1),
            rng.permuted(m, axis=1),
            rng.permuted(m),
        )

    for m in (
        np.arange(12.0).reshape(3, 4),
        np.arange(12).reshape(4, 3).T,
        np.arange(24.0).reshape(4, 6)[::2, ::-2],
    ):
        check(f, rng(), 5, np.arange(4), m, ways=WAYS)

    def shuffles(rng, x, m):
        rng.shuffle(x[::2])
        rng.shuffle(m, axis=1)
        rng.permuted(m, out=m)
        return x

    check(shuffles, rng(), np.arange(7), np.arange(12.0).reshape(3, 4).T, ways=("ir", "native"))


def test_vectors() -> None:
    def f(rng, mean, cov, p):
        return (
            rng.multivariate_normal(mean, cov),
            rng.multivariate_normal(mean, cov, 3),
            rng.multivariate_normal(mean, cov, (2, 2), method="eigh"),
            rng.multinomial(9, p),
            rng.multinomial(9, p, size=2),
            rng.dirichlet(p * 3),
            rng.dirichlet(p * 3, (2, 1)),
            rng.multivariate_hypergeometric([3, 4, 5], 6, 2),
        )

    check(f, rng(), np.zeros(2), np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.2, 0.3, 0.5]), ways=WAYS)


def test_errors() -> None:
    def f(rng, x):
        x[0] = 1
        a = rng.normal(0, -1.0, 3)
        x[1] = 1
        return a

    check(f, rng(), np.zeros(2), ways=EVERY)

    def g(rng):
        return rng.choice(3, 5, replace=False)

    check(g, rng(), ways=WAYS)

    def h(rng, x):
        rng.shuffle(x)

    frozen = np.arange(4)
    frozen.flags.writeable = False
    check(h, rng(), frozen, ways=WAYS)

    def no_such(rng):
        return rng.randn(3)

    check(no_such, rng(), ways=WAYS)


def test_the_older_functions() -> None:
    def f(n, x):
        np.random.seed(n)
        a = np.random.rand(), np.random.rand(2, n), np.random.randn(3), np.random.randn()
        b = np.random.randint(5), np.random.randint(0, 9, 3), np.random.randint(0, 9, (2, 2), dtype=np.uint8)
        c = np.random.uniform(0, 2, n), np.random.normal(size=2), np.random.choice(n), np.random.choice(x, 2)
        np.random.shuffle(x)
        return (
            a,
            b,
            c,
            np.random.permutation(n),
            np.random.random(2),
            np.random.random_sample(),
            np.random.poisson(3.0),
        )

    check(f, 4, np.arange(5.0), ways=("ir", "native"))

    def g(state, n):
        return state.rand(n), state.randint(7), state.standard_normal(2), state.choice(n, 2)

    check(g, np.random.RandomState(3), 4, ways=("ir", "native"))


def test_monte_carlo() -> None:
    def price(rng, s0, k, paths, steps):
        s = np.full(paths, s0)
        for _ in range(steps):
            z = rng.standard_normal(paths)
            s *= np.exp(-0.005 + 0.1 * z)
        return np.maximum(s - k, 0.0).mean()

    check(price, rng(), 100.0, 95.0, 500, 6, rtol=1e-12)
