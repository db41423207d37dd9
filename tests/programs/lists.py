"""Lists that grow in loops and branches which are decided at run time."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from tests.programs.case import Collection

program = Collection()

Peak = namedtuple("Peak", "position value")


@program(lambda rng: (rng.random(40), 0.5))
def returned_list(x, limit):
    found = []
    for i in range(len(x)):
        if x[i] > limit:
            found.append(i)
    return found


@program(lambda rng: (rng.random(40), 0.5), lambda rng: (rng.random(40), 2.0))
def list_of_numpy_scalars(x, limit):
    found = []
    for v in x:
        if v > limit:
            found.append(v)
    return found, len(found)


@program(lambda rng: (rng.random(40), 0.7))
def list_of_tuples(x, limit):
    found = []
    for i, v in enumerate(x):
        if v > limit:
            found.append((i, v))
    return found, np.array(found)


@program(lambda rng: (rng.random(40), 0.7))
def list_of_named_tuples(x, limit):
    peaks = []
    for i in range(1, 39):
        if x[i] > limit and x[i - 1] < x[i] > x[i + 1]:
            peaks.append(Peak(i, x[i]))
    best = 0.0
    for p in peaks:
        best = max(best, p.value * p.position)
    return peaks, best


@program(lambda rng: (np.array([[1, 2], [3, 4], [-1, 5], [-1, -1], [6, -1], [-1, -1], [-1, -1]]), 0))
def depth_first(children, root):
    stack = [root]
    order = []
    while stack:
        node = stack.pop()
        order.append(node)
        for k in range(children.shape[1] - 1, -1, -1):
            if children[node, k] >= 0:
                stack.append(int(children[node, k]))
    return np.array(order)


@program(lambda rng: ((rng.random((9, 9)) < 0.75).astype(np.int8), (4, 4)))
def flood_fill(grid, start):
    queue = [start]
    seen = np.zeros(grid.shape, bool)
    seen[start] = True
    while len(queue) > 0:
        y, x = queue.pop(0)
        for dy, dx in [(0, 1), (1, 0), (0, -1), (-1, 0)]:
            ny, nx = y + dy, x + dx
            if 0 <= ny < grid.shape[0] and 0 <= nx < grid.shape[1]:
                if grid[ny, nx] and not seen[ny, nx]:
                    seen[ny, nx] = True
                    queue.append((ny, nx))
    return seen


@program(lambda rng: (rng.random((30, 3)),))
def rows_kept(x):
    kept = []
    for row in x:
        if row.sum() > 1.5:
            kept.append(row * 2)
    return np.array(kept), np.stack(kept), np.vstack(kept), np.concatenate(kept), np.mean(kept, axis=0)


@program(lambda rng: (rng.integers(0, 9, 50),))
def methods(x):
    out = [100]
    for v in x:
        if v > 4:
            out.append(int(v))
        elif v == 0 and len(out) > 1:
            out.pop()
        elif v == 1:
            out.insert(0, 7)
        elif v == 2:
            out.extend([1, 2])
        elif v == 3:
            out += [int(v) + 1, 4]
        else:
            out[-1] += 1
    copy = out[:]
    out.reverse()
    first, last = out[0], out[-1]
    tail = out[1:4]
    out.sort()
    return (
        out,
        copy,
        first,
        last,
        tail,
        sum(out),
        min(out),
        max(out),
        sorted(copy, reverse=True),
        out.index(100),
    )


@program(lambda rng: (rng.integers(0, 9, 50),))
def helper_appends(x):
    found = []

    def note(v):
        if v % 2 == 0:
            found.append(v)

    def note_in(items, v):
        items.append(v + 1)

    other = []
    for v in x:
        note(v)
        if v > 5:
            note_in(other, v)
    return np.array(found), np.array(other)


@program(lambda rng: (rng.random(20), True), lambda rng: (rng.random(20), False))
def only_sometimes(x, flag):
    out = []
    if x[0] > 0.1:
        out.append(x[0])
        out.append(x[1])
    if flag:
        for k in range(3):
            if x[k] > 0.3:
                out.append(x[k])
    return out


@program(lambda rng: (rng.random(20),))
def int_then_float(x):
    out = []
    for i in range(len(x)):
        if x[i] > 0.5:
            out.append(x[i])
        else:
            out.append(0)
    return np.array(out)


@program(lambda rng: (rng.random(400),))
def long_comprehension(x):
    y = [v * v for v in x if v > 0.5]
    z = [i * v for i, v in enumerate(x)]
    return np.array(y), np.array(z), sum(v for v in x), any(v > 2 for v in x), all(v < 2 for v in x)


@program(lambda rng: (rng.random((12, 3)),))
def nested_growth(points):
    groups = np.zeros(len(points), int)
    centres = []
    for i, p in enumerate(points):
        best, where = np.inf, -1
        for k in range(len(centres)):
            d = np.sum((centres[k] - p) ** 2)
            if d < best:
                best, where = d, k
        if best > 0.1:
            centres.append(p.copy())
            where = len(centres) - 1
        groups[i] = where
    return groups, np.array(centres)


@program(lambda rng: (rng.random(9),), lambda rng: (np.zeros(0),))
def errors(x):
    out = []
    for v in x:
        if v > 0.2:
            out.append(v)
    out.pop()
    return out[1]


@program(lambda rng: (rng.random((4, 30)),))
def list_in_a_loop(x):
    counts = np.zeros(len(x), int)
    total = 0.0
    for r in range(len(x)):
        big = []
        for v in x[r]:
            if v > 0.5:
                big.append(v)
        while big and big[-1] < 0.7:
            big.pop()
        counts[r] = len(big)
        for v in big:
            total += v
    return counts, total


@program(lambda rng: (rng.random(30),))
def mean_and_median(x):
    times, events = [0.0], 0
    t = 0.0
    for u in x:
        t += -np.log(u)
        if t > 5.0:
            break
        times.append(t)
        events += 1
    gaps = np.diff(times)
    return np.mean(times), np.sum(gaps), events, times[-1]


@program(lambda rng: (rng.random(20),))
def chosen(x):
    out = [v for v in x if v > 0.5]
    pairs = [(i, v) for i, v in enumerate(x) if v < 0.5]
    return len(out), out, pairs, np.array([v * 2 for v in x if 0.2 < v < 0.8])
