"""Expressions, simple statements and calls: traced and interpreted, against plain Python."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from pydsl.errors import UnsupportedError
from tests.frontend.tracing import check, run, traced

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5)).astype(np.float32)
V = RNG.standard_normal(6)
I = np.array([3, -1, 4, 1, -5], dtype=np.int64)
TABLE = np.arange(12.0).reshape(3, 4)
CONSTANTS = {"scale": 2.5, "names": ("a", "b")}


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Box:
    corner: Any
    size: float = 1.0

    def area(self) -> Any:
        return self.corner * self.size

    @property
    def double(self) -> Any:
        return self.corner * 2


def arithmetic(x, n, f):
    a = x + n
    b = x * f - 1
    return (
        a,
        b,
        -x,
        n + 1,
        f / 2,
        n // 2,
        n % 3,
        n**2,
        abs(n - 100),
        +n,
        ~n,
        not n,
        n << 2,
        n & 6,
        n | 1,
        n ^ 3,
    )


def comparisons(x, n, f):
    return (
        x > 0,
        n < 3,
        0 < n < 10,
        0 < n > f,
        n == 7,
        x != x,
        f is None,
        f is not None,
        n in (1, 7),
        n not in (1, 7),
    )


def short_circuit(x, n):
    a = n > 0 and x[n - 1] > 0
    b = n < 0 or x[n] > 0
    c = n and 5
    d = n or 6
    return a, b, c, d


def conditional(x, n):
    return (x if n > 3 else -x), (1.0 if n > 3 else 2.5), (n if n > 3 else n - 1)


def containers(x, n):
    items = [x, n]
    items.append(x * 2)
    items += [n + 1]
    table = {"x": x, "n": n}
    table["y"] = x + n
    first, *rest = items
    (p, q), r = (x[0], x[1]), x[2]
    return items, table, first, rest, p, q, r, tuple(items), len(items), items[1], items[::2], table["y"]


def comprehensions(x, n):
    a = [x[i] * n for i in range(3)]
    b = {k: x + k for k in (1, 2)}
    c = sum(x[i] for i in range(3))
    d = [i * j for i in range(3) for j in range(i) if i != 1]
    e = tuple(v + 1 for v in (n, n + 1))
    return a, b, c, d, e


def enumerate_zip(x, y):
    out = []
    for i, (a, b) in enumerate(zip((x, y), (y, x))):
        out.append(a * i + b)
    for a in reversed([x, y]):
        out.append(a + 0)
    return out


def walrus(x):
    if (n := x.shape[0]) > 2:
        return x[n - 1], n
    return x[0], n


def unpack_rows(x):
    a, b, c, d = x
    a[0] = 7
    return b, c + d


def global_array(x):
    return x + TABLE[0, 1], TABLE.shape, TABLE[1] * CONSTANTS["scale"]


def lambdas(x):
    double = lambda v, k=2: v * k

    def add(v, *more, scale=1, **rest):
        for m in more:
            v = v + m
        return v * scale + len(rest)

    return double(x), double(x, 3), add(x, 1, 2, scale=3), add(x, extra=1)


def closures(x):
    total = []

    def push(v):
        total.append(v + n)

    n = 5
    push(x)
    push(x * 2)
    return total


def helper_mutates(column):
    column *= 2
    column[0] = -1


def calls_helper(x):
    helper_mutates(x[:, 1])
    helper_mutates(column=x[2])
    return x


def math_static(x):
    return x * math.sqrt(2.0) + math.pi + np.log(62.5) + float(np.float32(0.1)), int(2.7), math.floor(3.5)


def static_args(x, mode="a", flag=True):
    if mode == "a" and flag:
        return x + 1
    elif mode in ("b", "c"):
        return x - 1
    return x


def named(p):
    q = p._replace(first=p.first + 1)
    return Pair(q.second, q.first), p.first


def dataclass_argument(box):
    return Box(box.corner + 1, box.size), box.size * 2, box.area(), box.double


def formatted(x, n):
    if n < 0:
        raise ValueError(f"n is {n}, shape {x.shape}, {n:>5} {n!r} {'s'!r}")
    return x


def asserts(x, n):
    assert n > 0, f"bad n {n}"
    assert x.ndim == 2
    return x


def swap(x):
    x[0], x[1] = x[1], x[0]
    return x


def swap_copies(x):
    x[0], x[1] = x[1] + 0, x[0] + 0
    x[:, 0::2], x[:, 1::2] = 1 - x[:, 1:4:2].copy()[:, :1], 5
    return x


def augmented(x, n):
    y = x
    y += n
    z = x[1:]
    z *= 2
    x[0] -= 1
    x[1, 2] += 10
    n += 1
    n *= 2
    return y, n


def deleted(x):
    y = x + 1
    del y
    y = x + 2
    return y


def scalar_types(x, n, s):
    return (
        x[0, 0],
        x[0, 0] + 1,
        x[0, 0] * n,
        s + 1,
        s * 2.0,
        float(x[0, 0]),
        int(x[0, 0] * 10),
        bool(n),
        x.sum(),
    )


def attributes(x):
    return x.shape, x.ndim, x.size, x.dtype, x.T, x.itemsize, x.nbytes, len(x), x.strides


def dtype_dispatch(x):
    if x.dtype == np.float32:
        return x + 1
    return x - 1


def isinstance_dispatch(x, n):
    if isinstance(x, np.ndarray) and isinstance(n, int) and not isinstance(n, float) and hasattr(x, "shape"):
        return getattr(x, "shape"), type(n) is int
    return None


def creators(n):
    a = np.zeros(3)
    b = np.array([1, 2, 3])
    c = np.arange(4)
    a[0] = 1
    b[1] = 7
    c += 1
    d = np.array([n, n + 1])
    return a, b, c, d, np.eye(2), np.full((2, 2), 7)


def partials(x):
    f = functools.partial(np.add, x)
    g = functools.partial(static_args, flag=False)
    return f(1), g(x, mode="b"), functools.reduce(lambda a, b: a + b, [1, 2, 3])


def ufunc_methods(x, i):
    out = np.zeros(5)
    np.add.at(out, i, 1.0)
    return (
        np.add.reduce(x),
        np.maximum.reduce(x, axis=1),
        np.multiply.outer(x[0], x[1]),
        out,
        np.add.accumulate(x, axis=0),
    )


def starred_calls(x):
    args = (x, 1)
    kwargs = {"dtype": np.float64}
    return np.add(*args, **kwargs)


def iterators(x):
    total = 0.0
    for i, j in itertools.product(range(2), range(3)):
        total += x[i, j]
    for index in np.ndindex(2, 2):
        x[index] += index[0]
    return total, any(v > 1 for v in x[0]), all([True, x[0, 0] > 0]), 3.0 in x


def min_max(n, m, f):
    return (
        min(n, m),
        max(n, m),
        min(n, m, 3),
        max([n, 2]),
        min(f, 1.5),
        sum([n, m, 1]),
        sum((n, f)),
        round(f),
        divmod(n, 3),
    )


def sorted_static(x):
    order = sorted([3, 1, 2], key=lambda v: -v)
    return x * order[0], max((1, 5, 2), key=lambda v: -v)


def np_scalar_static(x):
    eps = np.finfo(np.float32).eps
    return x + eps, np.float32(1.5) * x, np.int64(3) * x, np.result_type(np.float32, np.int64)


def augmented_list(x):
    out = [0] * 3
    out[1] = x
    out[-1] = x + 1
    return out


def dict_iteration(d):
    total = 0
    for key in d:
        total = total + d[key]
    for key, value in d.items():
        total = total + value
    return total, {k: v * 2 for k, v in d.items()}


def errstate(x):
    with np.errstate(divide="ignore", invalid="ignore"):
        y = x / 0
    return y


def local_import(x):
    import math as m
    from math import pi

    return x * m.e + pi


CASES = [
    (arithmetic, (X, 7, 1.5)),
    (comparisons, (X, 7, 1.5)),
    (short_circuit, (V, 2)),
    (short_circuit, (V, 1)),
    (conditional, (X, 7)),
    (conditional, (X, 2)),
    (containers, (V, 3)),
    (comprehensions, (V, 3)),
    (enumerate_zip, (X, X[:, ::-1])),
    (walrus, (X,)),
    (unpack_rows, (X,)),
    (global_array, (X,)),
    (lambdas, (X,)),
    (closures, (X,)),
    (calls_helper, (X,)),
    (math_static, (X,)),
    (static_args, (X,)),
    (static_args, (X, "c")),
    (named, (Pair(X, V),)),
    (dataclass_argument, (Box(X, 2.0),)),
    (formatted, (X, 3)),
    (formatted, (X, -3)),
    (asserts, (X, 3)),
    (asserts, (X, -3)),
    (swap, (X,)),
    (augmented, (X, 3)),
    (deleted, (X,)),
    (scalar_types, (X, 3, np.float32(2))),
    (attributes, (X,)),
    (dtype_dispatch, (X,)),
    (isinstance_dispatch, (X, 3)),
    (creators, (3,)),
    (partials, (X,)),
    (ufunc_methods, (X, np.array([0, 1, 1, 4]))),
    (starred_calls, (X,)),
    (iterators, (X,)),
    (min_max, (7, 3, 2.5)),
    (sorted_static, (X,)),
    (np_scalar_static, (X,)),
    (augmented_list, (X,)),
    (dict_iteration, ({"a": X, "b": X + 1},)),
    (errstate, (X,)),
    (local_import, (X,)),
]


@pytest.mark.parametrize("function, args", CASES, ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(CASES)])
def test_same_as_python(function: Any, args: tuple[Any, ...]) -> None:
    check(function, *args)


def test_swap_of_overlapping_views_aliases_as_in_numpy() -> None:
    def f(x):
        x[1:], x[:-1] = x[:-1], x[1:]

    check(f, np.arange(6.0))


def test_returned_argument_is_the_argument() -> None:
    def f(x, y):
        y[0] = 1
        return y

    x, y = np.zeros(3), np.zeros(3)
    assert run(f, x, y) is y


def test_returned_view_is_a_view() -> None:
    def f(x):
        return x[1:]

    x = np.zeros(3)
    assert np.shares_memory(run(f, x), x)


def test_overlapping_arguments() -> None:
    def f(x, y):
        x += y
        return x * 2

    base = np.arange(10.0)
    check(f, base[1:], base[:-1])
    check(f, base, base[::-1])


def test_reads_are_recorded() -> None:
    def f(x):
        return x * CONSTANTS["scale"] + offset + len(x)

    offset = 3
    result, _ = traced(f, V)
    assert [name for _, name, _ in result.read_globals] == ["CONSTANTS", "scale"]
    assert [value for _, value in result.read_cells] == [3]
    assert [name for _, name in result.reads.absent] == ["len"]


def test_shape_arguments_become_static() -> None:
    def f(n, m):
        return np.zeros((n, m + 1)), n

    _, leaves = traced(f, 3, 4)
    assert leaves == []
    check(f, 3, 4)


def test_unused_dynamic_scalar_stays_dynamic() -> None:
    def f(x, n):
        return x + n

    _, leaves = traced(f, V, 4)
    assert len(leaves) == 2


class Model:
    def __init__(self) -> None:
        self.weight = np.arange(6.0)
        self.scale = 2.0

    def apply(self, x):
        return x * self.weight * self.scale


MODEL = Model()


def test_attributes_of_objects_are_recorded() -> None:
    def f(x):
        return MODEL.apply(x) + CONSTANTS["scale"]

    check(f, V)
    result, _ = traced(f, V)
    assert {name for _, name, _ in result.read_globals} == {
        "MODEL",
        "weight",
        "scale",
        "CONSTANTS",
        "apply",
    } - {"apply"}


def test_a_loop_without_end_needs_no_return_behind_it() -> None:
    def f(x):
        i = 0
        while True:
            i += 1
            if x[i] > 0.2:
                return x[i], i

    check(f, np.arange(6.0))


def test_trip_counts_from_arguments_give_arrays_their_first_value() -> None:
    def f(x, n):
        for i in range(n):
            y = x * i
        best = None
        for i in range(n + 10):
            best = y if best is None else best + y
        return y, best

    check(f, V, 12)
    check(f, V, 2)


def test_text_of_dynamic_values_is_not_compared() -> None:
    def f(x, n):
        return x if f"{n}" == "3" else -x

    with pytest.raises(UnsupportedError):
        traced(f, V, 3)
