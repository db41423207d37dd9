"""Functions whose sizes are known at run time only: loop-dependent slices, data-dependent lengths, integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []


def program(*args: Any) -> Callable[[Any], Any]:
    """Adds a function and the arguments of its call to the list."""

    def add(function: Any) -> Any:
        PROGRAMS.append((function, args))
        return function

    return add


def _rng() -> np.random.Generator:
    return np.random.default_rng(5)


def f64(*shape: int) -> Any:
    return _rng().random(shape)


def spd(n: int) -> Any:
    a = f64(n, n)
    return a @ a.T + n * np.eye(n)


def boxes(n: int) -> Any:
    b = f64(n, 4) * 60
    b[:, 2:] += b[:, :2]
    return b


PTR = np.array([0, 3, 3, 8, 9, 15])


# --- slices that depend on loops ---


@program(spd(12), f64(12))
def forward_substitution(a: Any, b: Any) -> Any:
    x = np.zeros_like(b)
    for i in range(len(b)):
        x[i] = (b[i] - a[i, :i] @ x[:i]) / a[i, i]
    return x


@program(spd(12))
def cholesky(a: Any) -> Any:
    n = a.shape[0]
    for k in range(n):
        a[k, k] = np.sqrt(a[k, k])
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k + 1 :, k])
    return np.tril(a)


@program(spd(11))
def elimination(a: Any) -> Any:
    for k in range(a.shape[0] - 1):
        factor = a[k + 1 :, k] / a[k, k]
        a[k + 1 :, k:] -= np.outer(factor, a[k, k:])
    return a


@program(f64(10, 7))
def gram_schmidt(a: Any) -> Any:
    q = np.zeros_like(a)
    for k in range(a.shape[1]):
        v = a[:, k] - q[:, :k] @ (q[:, :k].T @ a[:, k])
        q[:, k] = v / np.sqrt(v @ v)
    return q


@program(PTR, f64(15), f64(5))
def segments(ptr: Any, x: Any, w: Any) -> Any:
    out = np.zeros(len(ptr) - 1)
    for i in range(len(ptr) - 1):
        out[i] = (x[ptr[i] : ptr[i + 1]] * w[i]).sum()
    return out


@program(PTR, _rng().integers(0, 6, 15), f64(15), f64(6))
def sparse_product(ptr: Any, columns: Any, values: Any, x: Any) -> Any:
    y = np.empty(len(ptr) - 1)
    for i in range(len(ptr) - 1):
        s = slice(ptr[i], ptr[i + 1])
        y[i] = values[s] @ x[columns[s]]
    return y


@program(f64(20))
def prefix_means(x: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(1, len(x) + 1):
        out[i - 1] = x[:i].mean()
    return out


@program(f64(20), 4)
def windows_of_run_time(x: Any, k: int) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        lo, hi = max(0, i - k), min(len(x), i + k + 1)
        out[i] = x[lo:hi].min() + x[lo:hi].max()
    return out


@program(f64(9, 9))
def triangles(a: Any) -> Any:
    for i in range(9):
        a[i, i:] *= 2
        a[i:, i] += a[i, : 9 - i]
    return a


@program(f64(16))
def butterflies(x: Any) -> Any:
    h = 1
    while h < len(x):
        for i in range(0, len(x), 2 * h):
            a = x[i : i + h].copy()
            b = x[i + h : i + 2 * h].copy()
            x[i : i + h] = a + b
            x[i + h : i + 2 * h] = a - b
        h *= 2
    return x


@program(f64(12))
def reversed_prefixes(x: Any) -> Any:
    for i in range(2, len(x)):
        x[:i] = x[:i][::-1]
    return x


@program(f64(12), f64(12))
def levinson(r: Any, y: Any) -> Any:
    z = np.zeros(12)
    z[0] = y[0]
    for k in range(1, 12):
        a = (r[k] + r[:k][::-1] @ z[:k]) * 0.01
        z[:k] += a * z[:k][::-1]
        z[k] = a + y[k]
    return z


# --- sizes from data, carried on ---


@program(boxes(30), f64(30))
def nms(b: Any, s: Any) -> Any:
    order = np.argsort(-s)
    keep = np.zeros(len(s), dtype=np.int64)
    count = 0
    while order.size > 0:
        i = order[0]
        keep[count] = i
        count += 1
        rest = order[1:]
        lt = np.maximum(b[i, :2], b[rest, :2])
        rb = np.minimum(b[i, 2:], b[rest, 2:])
        wh = np.clip(rb - lt, 0, None)
        inter = wh[:, 0] * wh[:, 1]
        area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
        iou = inter / (area[i] + area[rest] - inter)
        order = rest[iou <= 0.3]
    return keep[:count]


@program(f64(40))
def shrinking(x: Any) -> Any:
    idx = np.arange(len(x))
    rounds = 0
    while idx.size > 1:
        idx = idx[x[idx] > x[idx].mean() - 1e-9]
        if idx.size == 1 or rounds > 20:
            break
        rounds += 1
    return idx, rounds


@program(f64(5), 6)
def growing(x: Any, n: int) -> Any:
    acc = x[:0]
    for i in range(n):
        acc = np.concatenate([acc, x[: i % 4] * i])
    return acc


@program(6)
def growing_by_append(n: int) -> Any:
    acc = np.zeros(1)
    for i in range(n):
        acc = np.append(acc, acc.sum() + i)
    return acc


@program(f64(3, 4), 5)
def stacking(x: Any, n: int) -> Any:
    y = x
    for i in range(n):
        y = np.vstack([y, x[:1] + i])
    return y, y.mean(axis=0)


@program(_rng().integers(0, 30, 60))
def sieve(x: Any) -> Any:
    left = np.unique(x[x > 1])
    primes = np.zeros(0, dtype=np.int64)
    while left.size:
        p = left[0]
        primes = np.concatenate([primes, left[:1]])
        left = left[left % p != 0]
    return primes


@program(f64(6, 5) > 0.5, f64(6, 5))
def masks(m: Any, x: Any) -> Any:
    chosen = x[m]
    rows, columns = np.nonzero(m)
    y = np.zeros((len(rows), 3))
    y[:, 0] = chosen
    y[:, 1] = rows
    y[:, 2] = columns * 2
    return y[y[:, 0] > 0.7], chosen.sum(), len(rows)


@program(f64(30))
def none_left(x: Any) -> Any:
    y = x[x > 2]
    return y, y * 2, y.sum(), np.concatenate([y, x[:2]]), y.size == 0


@program(f64(30))
def joined_lengths(x: Any) -> Any:
    if x[0] > 0.5:
        y = x[x > 0.5]
    else:
        y = x[:7]
    z = y * 2
    z[:3] = 0
    return z, y


@program(_rng().integers(0, 5, 25), f64(25, 3))
def group_means(labels: Any, x: Any) -> Any:
    groups = np.unique(labels)
    out = np.zeros((len(groups), x.shape[1]))
    for k in range(len(groups)):
        out[k] = x[labels == groups[k]].mean(axis=0)
    return out


@program(f64(40, 2))
def kmeans(x: Any) -> Any:
    centers = x[:3].copy()
    for _ in range(10):
        d = ((x[:, None] - centers[None]) ** 2).sum(axis=2)
        label = d.argmin(axis=1)
        for k in range(3):
            members = x[label == k]
            if len(members):
                centers[k] = members.mean(axis=0)
    return centers, label


@program(f64(30), f64(30))
def pareto(x: Any, y: Any) -> Any:
    order = np.argsort(x)
    best = -1.0
    keep = np.zeros(len(x), dtype=bool)
    for i in order:
        if y[i] > best:
            best = y[i]
            keep[i] = True
    return np.flatnonzero(keep), x[keep]


@program(_rng().integers(0, 2, 50).astype(bool))
def runs(m: Any) -> Any:
    change = np.flatnonzero(np.diff(m.astype(np.int8))) + 1
    start = np.concatenate([[0], change])
    stop = np.concatenate([change, [len(m)]])
    return stop - start, m[start]


@program(f64(20), 7)
def top_k(x: Any, k: int) -> Any:
    best = np.argpartition(-x, k)[:k]
    best = best[np.argsort(-x[best])]
    return best, x[best]


@program(np.array([2, 0, 3, 1]), f64(4))
def repeated(counts: Any, x: Any) -> Any:
    y = np.repeat(x, counts)
    return y, np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)


@program(f64(25), 5)
def chunks(x: Any, size: int) -> Any:
    total = np.zeros(size)
    for start in range(0, len(x), size):
        part = x[start : start + size]
        total[: len(part)] += part
    return total


@program(f64(23), 5)
def padded(x: Any, size: int) -> Any:
    n = -(-len(x) // size) * size
    y = np.zeros(n)
    y[: len(x)] = x
    return y.reshape(-1, size).sum(axis=1), y.reshape(size, -1)


@program(7, 3)
def grids(n: int, m: int) -> Any:
    x = np.linspace(0, 1, n)
    y = np.linspace(-1, 1, m)
    xx, yy = np.meshgrid(x, y)
    z = np.zeros((m, n, 2))
    z[..., 0] = xx
    z[..., 1] = yy
    return z.reshape(-1, 2), np.full((n, m), 3.0), np.ones((n, 1)) * y


@program(9)
def pascal(n: int) -> Any:
    row = np.ones(1)
    for _ in range(n):
        new = np.ones(len(row) + 1)
        new[1:-1] = row[1:] + row[:-1]
        row = new
    return row


@program(f64(12))
def halves(x: Any) -> Any:
    while len(x) > 1:
        n = len(x) // 2
        x = x[:n] + x[n : 2 * n]
    return x


@program(f64(17))
def tree_sum(x: Any) -> Any:
    y = x.copy()
    while y.size > 1:
        if y.size % 2:
            y = np.append(y, 0.0)
        y = y[0::2] + y[1::2]
    return y[0]


@program(np.array([3, 1, 2, 5, 4, 0]))
def cycles(p: Any) -> Any:
    seen = np.zeros(len(p), dtype=bool)
    lengths = np.zeros(0, dtype=np.int64)
    for i in range(len(p)):
        k = 0
        while not seen[i]:
            seen[i] = True
            i = p[i]
            k += 1
        if k:
            lengths = np.append(lengths, k)
    return lengths


@program(_rng().integers(0, 8, (14, 2)))
def components(edges: Any) -> Any:
    label = np.arange(8)
    changed = True
    while changed:
        low = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        before = label.copy()
        np.minimum.at(label, edges[:, 0], low)
        np.minimum.at(label, edges[:, 1], low)
        changed = bool((label != before).any())
    return label, np.unique(label)


@program(_rng().integers(0, 8, (14, 2)), 0)
def frontier(edges: Any, start: int) -> Any:
    distance = np.full(8, -1)
    distance[start] = 0
    front = np.array([start])
    step = 0
    while front.size:
        step += 1
        nearby = edges[np.isin(edges[:, 0], front), 1]
        front = np.unique(nearby[distance[nearby] < 0])
        distance[front] = step
    return distance


@program(f64(10), f64(6))
def merged(a: Any, b: Any) -> Any:
    both = np.sort(np.concatenate([a, b]))
    return both[np.searchsorted(both, 0.3) : np.searchsorted(both, 0.8)]


@program(f64(12, 6))
def rows_and_columns(x: Any) -> Any:
    rows = x.sum(axis=1) > 3
    columns = x.sum(axis=0) > 6
    y = x[rows][:, columns]
    y -= y.mean(axis=0)
    return y, y.T @ y


@program(boxes(12), boxes(5))
def matching(a: Any, b: Any) -> Any:
    big = a[(a[:, 2] - a[:, 0]) > 20]
    d = np.abs(big[:, None, :] - b[None]).sum(axis=-1)
    best = d.argmin(axis=1)
    good = d[np.arange(len(big)), best] < 80
    return big[good], best[good], d.max(axis=0)


@program(f64(30), np.array([0.2, 0.5, 0.8]))
def histogram_by_hand(x: Any, at: Any) -> Any:
    bins = np.digitize(x, at)
    parts = [x[bins == k] for k in range(4)]
    return [p.size for p in parts], np.concatenate(parts)


@program(f64(30))
def outliers(x: Any) -> Any:
    for _ in range(5):
        keep = np.abs(x - x.mean()) <= 1.2 * x.std()
        if keep.all():
            break
        x = x[keep]
    return x


@program(f64(15))
def compressed(x: Any) -> Any:
    m = x > 0.4
    y = np.cumsum(m)
    z = np.zeros(y[-1])
    z[y[m] - 1] = x[m]
    return z, np.zeros(len(x) - z.size)


@program(f64(8, 8), 3)
def blocks(a: Any, b: int) -> Any:
    n = a.shape[0]
    for i in range(0, n, b):
        for j in range(0, n, b):
            t = a[i : i + b, j : j + b]
            t -= t.mean()
    return a


@program(f64(6, 9), 4)
def crop(x: Any, k: int) -> Any:
    y0, x0 = k // 2, k
    part = x[y0 : y0 + k, x0 : x0 + k]
    out = np.zeros((k, k))
    out[: part.shape[0], : part.shape[1]] = part
    return out, part.T.copy()


@program(f64(10), 3)
def shifted(x: Any, k: int) -> Any:
    y = np.zeros_like(x)
    y[k:] = x[:-k]
    y[:k] += x[-k:]
    return y, np.concatenate([x[k:], x[:k]])


@program(f64(10), 3)
def overlapping_shift(x: Any, k: int) -> Any:
    x[k:] = x[:-k]
    x[: len(x) - k] += x[k:]
    return x


@program(f64(9), f64(4))
def convolved(x: Any, w: Any) -> Any:
    out = np.zeros(len(x) + len(w) - 1)
    for i in range(len(w)):
        out[i : i + len(x)] += w[i] * x
    return out


@program(f64(7), f64(9))
def edit_rows(a: Any, b: Any) -> Any:
    row = np.arange(len(b) + 1.0)
    for i in range(len(a)):
        new = np.empty_like(row)
        new[0] = i + 1
        for j in range(len(b)):
            cost = 0.0 if abs(a[i] - b[j]) < 0.2 else 1.0
            new[j + 1] = min(row[j] + cost, row[j + 1] + 1, new[j] + 1)
        row = new
    return row


@program(f64(8, 3), 5)
def broadcast_sizes(x: Any, n: int) -> Any:
    y = np.ones((n, 1)) * x[:, 0]
    z = x[: n - 4] + np.zeros((n, 3))
    return y, z, np.broadcast_to(x[0], (n, 3)).sum()


@program(f64(8), f64(5))
def wrong_sizes(x: Any, y: Any) -> Any:
    return x[x > 0.5] + y[y > 5]


@program(f64(8), 5)
def wrong_reshape(x: Any, n: int) -> Any:
    return x.reshape(n, -1)


@program(f64(8), -2)
def negative_size(x: Any, n: int) -> Any:
    return np.zeros(n)


@program(f64(8))
def empty_maximum(x: Any) -> Any:
    return x[x > 5].max()


@program(f64(9))
def out_of_bounds(x: Any) -> Any:
    idx = np.flatnonzero(x > 0.1) * 2
    return x[idx]


@program(f64(9, 4))
def loop_over_chosen(x: Any) -> Any:
    total = np.zeros(4)
    count = 0
    for row in x[x[:, 0] > 0.3]:
        total += row * row
        count += 1
    return total, count


@program(f64(9), f64(9))
def zip_of_chosen(x: Any, y: Any) -> Any:
    out = 0.0
    for a, b in zip(x[x > 0.4], y[x > 0.4]):
        out += a * b
    return out


@program(f64(20), f64(20))
def swap_lengths(x: Any, y: Any) -> Any:
    a, b = x[:5], y[:8]
    for _ in range(3):
        a, b = b, np.concatenate([a, b[:1]])
    return a, b


@program(f64(12))
def nested_shrink(x: Any) -> Any:
    count = 0
    y = x
    while y.size > 2:
        z = y
        while z.size > 1:
            z = z[1:]
            count += 1
        y = y[:-2]
    return count, y


@program(f64(6))
def ring(x: Any) -> Any:
    queue = x[:3]
    for i in range(10):
        queue = np.concatenate([queue[1:], queue[:1] + x[i % 6]])
    return queue


@program(f64(4, 4))
def powers(a: Any) -> Any:
    result = np.eye(a.shape[0])
    n = 5
    while n:
        if n & 1:
            result = result @ a
        a = a @ a
        n >>= 1
    return result


@program(f64(12), np.array([4, 3, 5]))
def split_by_sizes(x: Any, sizes: Any) -> Any:
    out = np.zeros((len(sizes), sizes.max()))
    at = 0
    for k in range(len(sizes)):
        out[k, : sizes[k]] = x[at : at + sizes[k]]
        at += sizes[k]
    return out


@program(f64(10, 3))
def argsort_then_trim(x: Any) -> Any:
    order = np.lexsort((x[:, 1], x[:, 0] > 0.5))
    y = x[order]
    first = np.argmax(y[:, 0] > 0.5)
    return y[:first], y[first:]
