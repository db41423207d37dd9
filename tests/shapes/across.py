"""Functions that are called with many sizes, and their calls: `PROGRAMS` has name, function, calls, and the most
specializations that the calls may make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Calls = list[tuple[Any, ...]]
PROGRAMS: list[tuple[Callable[..., Any], Callable[[], Calls], int]] = []
COUNTS = (7, 12, 30, 2, 3, 1, 0, 65, 12, 64, 101)


def program(calls: Callable[[], Calls], most: int = 3) -> Callable[[Any], Any]:
    """Adds a function to the list."""

    def add(function: Any) -> Any:
        PROGRAMS.append((function, calls, most))
        return function

    return add


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def f32(*shape: int) -> Any:
    return rng().random(shape, dtype=np.float32) + np.float32(0.25)


def boxes(n: int) -> Any:
    at = rng().random((n, 4)) * 50
    at[:, 2:] += at[:, :2]
    return at


def one_count(*make: Callable[[int], Any]) -> Callable[[], Calls]:
    return lambda: [tuple(m(n) for m in make) for n in COUNTS]


@program(one_count(boxes))
def areas(b: Any) -> Any:
    return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])


@program(one_count(boxes, boxes))
def in_place(b: Any, d: Any) -> Any:
    b[:, :2] *= 2.0
    b[:, 2:] += d[:, :2]
    np.clip(b[:, 0::2], 0, 40, out=b[:, 0::2])
    return b


@program(
    lambda: [(boxes(n), boxes(m)) for n, m in [(5, 3), (6, 4), (30, 2), (2, 30), (8, 8), (0, 5), (5, 0)]]
)
def pairwise(a: Any, b: Any) -> Any:
    lt = np.maximum(a[:, None, :2], b[None, :, :2])
    rb = np.minimum(a[:, None, 2:], b[None, :, 2:])
    wh = np.clip(rb - lt, 0, None)
    return wh[..., 0] * wh[..., 1]


@program(one_count(lambda n: f32(n), lambda n: f32(n + 1)), 4)
def differences(x: Any, y: Any) -> Any:
    return (y[1:] - y[:-1]) * x


@program(lambda: [(f32(h, w), 2.0) for h, w in [(5, 7), (9, 11), (3, 30), (30, 3), (12, 12), (3, 3)]])
def stencil(x: Any, k: Any) -> Any:
    y = np.zeros_like(x)
    y[1:-1, 1:-1] = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    x[1:-1, 1:-1] += k * y[1:-1, 1:-1]
    return x.mean(), y


@program(lambda: [(f32(c, h, w),) for c, h, w in [(3, 5, 7), (3, 9, 11), (3, 6, 6), (3, 2, 9), (3, 14, 15)]])
def channels_last(x: Any) -> Any:
    y = x.transpose(1, 2, 0).reshape(-1, 3)
    return y, y.sum(axis=0), x.reshape(3, -1).max(axis=1)


@program(lambda: [(f32(c, h, w),) for c, h, w in [(2, 5, 7), (3, 9, 11), (4, 6, 6), (9, 4, 9), (2, 14, 15)]])
def flatten_all(x: Any) -> Any:
    return x.ravel(), x.reshape(x.shape[0], -1), x.T


@program(lambda: [(f32(n, n),) for n in (4, 6, 9, 2, 30)])
def symmetric(x: Any) -> Any:
    x += x.T
    return np.trace(x), x.T.copy()


@program(lambda: [(n,) for n in (5, 9, 2, 40, 12, 100)])
def sizes_from_integers(n: int) -> Any:
    x = np.arange(n, dtype=np.float64)
    y = np.zeros((n, 3))
    y[:, 1] = x * 2
    return y, np.ones(n) / n, x.reshape(n, -1)


@program(lambda: [(h, w, a) for h, w, a in [(5, 4, 3), (7, 9, 3), (20, 30, 3), (6, 6, 3), (2, 3, 3)]], 4)
def flags(h: int, w: int, a: int) -> Any:
    x = np.zeros(w, dtype=bool)
    y = np.zeros(h, dtype=bool)
    x[: w - 1] = True
    y[: h - 2] = True
    xx = np.tile(x, h)
    yy = np.repeat(y, w)
    v = xx & yy
    return np.broadcast_to(v[:, None], (v.size, a)).reshape(-1)


@program(one_count(boxes))
def kept(b: Any) -> Any:
    keep = b[:, 2] > b[:, 0] + 10
    chosen = b[keep]
    order = np.argsort(-chosen[:, 0], kind="stable")
    return chosen[order], np.nonzero(keep)[0]


@program(lambda: [(f32(40, 90)[:n, 3:m],) for n, m in [(5, 9), (7, 9), (9, 30), (40, 90), (3, 5)]])
def windows(x: Any) -> Any:
    y = x * 2
    x -= 1
    return y, x.sum(axis=1)


@program(lambda: [(f32(n, m)[:, : m - 3],) for n, m in [(5, 9), (7, 15), (9, 30), (40, 90), (3, 7)]])
def rows_with_gaps(x: Any) -> Any:
    y = x.reshape(-1) + 1
    return x * 2, y, x[::2, ::-1]


def _neighbours(n: int) -> tuple[Any, ...]:
    x = f32(n + 1, 4)
    return x[:-1], x[1:]


@program(lambda: [_neighbours(n) for n in (5, 9, 2, 30, 7)])
def overlapping(a: Any, b: Any) -> None:
    a[...] = b * 2
    b += a


def _same_twice(n: int) -> tuple[Any, ...]:
    x = f32(n, 4)
    return x[:, :2], x[:, 2:]


@program(lambda: [_same_twice(n) for n in (5, 9, 2, 30, 7)])
def interleaved(a: Any, b: Any) -> Any:
    a, b[:, 0] = a - b / 2, a[:, 1]
    return a


@program(lambda: [(f32(n, 4)[::-1],) for n in (5, 9, 2, 30, 7)])
def backwards(x: Any) -> Any:
    x[1:] += x[:-1]
    return x[0], x[:, ::-1]


@program(lambda: [(f32(n, 6).T,) for n in (5, 9, 2, 30, 7)])
def fortran(x: Any) -> Any:
    y = x + 1
    return y, x.reshape(-1), y.sum(axis=0)


@program(lambda: [([f32(a, 3), f32(b, 3)],) for a, b in [(2, 5), (7, 9), (3, 30), (4, 4), (5, 2)]])
def levels(xs: Any) -> Any:
    return np.concatenate([x * k for k, x in enumerate(xs)])


@program(lambda: [(f32(n, 8), f32(8, 5)) for n in (5, 9, 2, 300, 7)])
def product(a: Any, b: Any) -> Any:
    return np.maximum(a @ b, 1) - a[:, :5]


@program(lambda: [(f32(n), f32(n)) for n in (5, 9, 2, 300, 7)])
def dots(a: Any, b: Any) -> Any:
    return a @ b, np.outer(a, b), (a * b).sum()


@program(lambda: [(f32(n, 12), f32(m, 12)) for n, m in [(5, 3), (6, 4), (30, 2), (2, 30), (8, 8)]])
def softmax_rows(a: Any, b: Any) -> Any:
    s = a @ b.T
    s -= s.max(axis=1, keepdims=True)
    np.exp(s, out=s)
    s /= s.sum(axis=1, keepdims=True)
    return s


@program(lambda: [(f32(n), k) for n, k in [(5, 2), (9, 3), (12, 2), (40, 7), (8, 100)]], 4)
def top(x: Any, k: int) -> Any:
    order = np.argsort(-x)[:k]
    return x[order], order


@program(lambda: [(f32(n, 16),) for n in (5, 9, 2, 300, 1, 7)])
def branches(x: Any) -> Any:
    if x.shape[0] > 5:
        y = x[:5] * 2
    else:
        y = x * 3
    return y.sum(axis=0)


@program(lambda: [(f32(n), f32(m)) for n, m in [(5, 5), (9, 9), (7, 8), (30, 30), (3, 9)]], 4)
def mismatched(a: Any, b: Any) -> Any:
    return a + b


@program(lambda: [(f32(n, 5),) for n in (6, 9, 12, 15, 7)])
def reshaped(x: Any) -> Any:
    return x.reshape(-1, 3, 5).sum(axis=1)


@program(lambda: [(np.arange(n) * 3, f32(n * 4)) for n in (6, 9, 12, 15, 7)])
def gathered(i: Any, x: Any) -> Any:
    y = x[i]
    x[i] = 0
    return y, x.nonzero()[0]


@program(lambda: [(f32(n), f32(3 * n)) for n in (6, 9, 12, 15, 7)])
def loops(x: Any, y: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        y[3 * i : 3 * i + 3] *= x[i]
        total += float(y[3 * i])
    return y, total


@program(lambda: [(rng().integers(0, 9, n), 9) for n in (6, 9, 12, 15, 7)])
def histogram(labels: Any, k: int) -> Any:
    return np.bincount(labels, minlength=k), np.unique(labels)


@program(lambda: [(f32(n, 4), f32(n, k)) for n, k in [(5, 8), (6, 12), (9, 16), (3, 20), (7, 12)]])
def column_groups(a: Any, d: Any) -> Any:
    out = np.empty_like(d)
    w = (a[:, 2] - a[:, 0])[:, None]
    out[:, 0::4] = d[:, 0::4] * w
    out[:, 1::4] = d[:, 1::4] + w
    out[:, 2::4] = np.exp(np.minimum(d[:, 2::4], 2))
    out[:, 3::4] = -d[:, 3::4]
    return out


@program(lambda: [(f32(n, 3) > 0.6, f32(n, 3)) for n in (5, 9, 2, 30, 1, 0)])
def masked_store(m: Any, x: Any) -> Any:
    x[m] = 0
    x[~m] += 1
    return x[m.any(axis=1)], np.where(m, x, -x)
