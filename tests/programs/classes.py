"""Objects with array attributes, methods, closures, dictionaries, flags."""

from __future__ import annotations

import numpy as np

from tests.programs.case import Collection

program = Collection()
later = Collection()  # refused, with a remedy

TABLE = np.array([1.0, 2.0, 4.0, 8.0])
OPTIONS = {"scale": 3, "kind": "linear"}


class Grid:
    """A plain class."""

    order = 2

    def __init__(self, values, dx):
        self.values = values
        self.dx = dx
        self.steps = 0

    @property
    def n(self):
        return len(self.values)

    def laplacian(self):
        v = self.values
        return (v[2:] - 2 * v[1:-1] + v[:-2]) / self.dx**self.order

    def step(self, dt):
        self.values[1:-1] += dt * self.laplacian()

    @staticmethod
    def mean(x):
        return x.mean()


@later(lambda rng: (Grid(rng.random(12), 0.5), 0.1, 4))
def diffuse(grid, dt, steps):
    for _ in range(steps):
        grid.step(dt)
    return grid.values.max(), grid.n, Grid.mean(grid.values)


@later(lambda rng: (Grid(rng.random(12), 0.5), 5))
def count_steps(grid, steps):
    for _ in range(steps):
        grid.step(0.05)
        grid.steps += 1
    return grid.steps


@later(lambda rng: (rng.random(9),))
def local_object(x):
    g = Grid(x.copy(), 1.0)
    g.step(0.1)
    g.step(0.1)
    return g.values


@program(lambda rng: (rng.random(9), 2.5))
def closures(x, k):
    def scale(v):
        return v * k

    def compose(f, g):
        return lambda v: f(g(v))

    twice = compose(scale, scale)
    return twice(x), [scale(1.0), twice(2.0)]


@program(lambda rng: (rng.integers(0, 4, 10),))
def table_lookup(i):
    return TABLE[i] * OPTIONS["scale"] if OPTIONS["kind"] == "linear" else TABLE[i]


@program(lambda rng: ({"w": rng.random((3, 4)), "b": rng.random(3)}, rng.random(4)))
def layer(params, x):
    y = params["w"] @ x + params["b"]
    params["b"][:] = 0
    return {"y": y, "relu": np.maximum(y, 0)}


@program(lambda rng: ([rng.random((4, 3)), rng.random((2, 4))], rng.random(3)))
def mlp(weights, x):
    for i, w in enumerate(weights):
        x = w @ x
        if i < len(weights) - 1:
            x = np.tanh(x)
    return x


@program(
    lambda rng: (rng.random(6), "sum"), lambda rng: (rng.random(6), "max"), lambda rng: (rng.random(6), "no")
)
def dispatch_table(x, name):
    functions = {"sum": np.sum, "max": np.max, "mean": lambda v: v.mean()}
    if name not in functions:
        raise KeyError(name)
    return functions[name](x)


@program(lambda rng: (rng.random((3, 5)),))
def statistics(x, *, ddof=1):
    results = {}
    for name, row in zip(("a", "b", "c"), x):
        results[name] = (row.mean(), row.std(ddof=ddof))
    return results


@program(lambda rng: (rng.random(7),))
def starred(x):
    first, *middle, last = x
    a, (b, *c) = 1, (2, 3, 4)
    return first, last, len(middle), sum(middle), a, b, c


@program(lambda rng: (rng.random(20),))
def walrus(x):
    if (n := len(x)) > 10 and (m := x.mean()) > 0.1:
        return n * m
    return 0.0


@program(lambda rng: (rng.random(20), 3))
def star_args(x, k):
    def f(a, *rest, scale=1.0, **named):
        return a * scale + sum(rest) + named.get("extra", 0)

    args = (1, 2)
    kw = {"extra": 4}
    return f(x, *args, scale=k, **kw)


@program(lambda rng: (rng.random((6, 3)),))
def returned_tuple(x):
    def bounds(v):
        lo, hi = v.min(), v.max()
        if lo == hi:
            return lo, lo + 1, False
        return lo, hi, True

    out = np.zeros((len(x), 2))
    flags = 0
    for i, row in enumerate(x):
        lo, hi, ok = bounds(row)
        flags += ok
        out[i] = lo, hi
    return out, flags


@program(lambda rng: (rng.random((6, 3)), 0.5), lambda rng: (rng.random((6, 3)), 5.0))
def early_exit_helper(x, limit):
    def first_over(v):
        for i in range(len(v)):
            if v[i] > limit:
                return i, float(v[i])
        return -1, 0.0

    total = 0.0
    where = np.zeros(len(x), int)
    for k in range(len(x)):
        i, value = first_over(x[k])
        where[k] = i
        total += value
    return where, total


@program(lambda rng: (5, 3), lambda rng: (-7, 2), lambda rng: (7, -2))
def integer_semantics(a, b):
    return (
        a // b,
        a % b,
        divmod(a, b),
        a / b,
        -a // b,
        a << 2,
        a >> 1,
        a & b,
        a | b,
        a ^ b,
        ~a,
        abs(a),
        a**2,
        a**b if b > 0 else 0.0,
    )


@program(lambda rng: (2.5,), lambda rng: (-3.5,), lambda rng: (1e18,))
def float_semantics(x):
    return (
        int(x),
        round(x),
        round(x, 1),
        x // 1,
        x % 3,
        x // -2,
        divmod(x, 2),
        -x % 3,
        bool(x),
        abs(x),
        x**2,
        x.is_integer(),
    )


@program(lambda rng: (3 + 4j,))
def complex_semantics(z):
    return abs(z), z.real, z.imag, z.conjugate(), z * z, z / 2, z**2, complex(1, 2) + z


@program(lambda rng: (np.float32(1.5), np.int8(100), np.uint8(200)))
def numpy_scalars(f, i, u):
    return f * 2, f * np.float64(2), i + 1, u + u, f + i, i * 1.5, u // 7, -u, i**2


@program(lambda rng: (np.array(3.0), np.array(4)))
def zero_d(a, b):
    c = a * b
    d = np.asarray(a)
    a[()] += 1
    return c, a + 1, float(a), d.ndim, b.item()
