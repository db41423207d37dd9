"""Control flow: traced and interpreted, against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.tracing import check, traced

RNG = np.random.default_rng(1)
X = RNG.standard_normal((4, 5))
V = RNG.standard_normal(12)
K = np.array([3, 1, 0, 2, 5, 1], dtype=np.int64)


def names_of(function: Any, *args: Any) -> list[str]:
    result, _ = traced(function, *args)
    return [op.name for op in result.function.walk()]


def if_tensor(x, t):
    if x[0] > t:
        y = x * 2
        z = y + 1
    else:
        y = x - 1
        z = x
    return y + z


def if_view(x, t):
    y = x
    if x[0] > t:
        y = x[2:]
    else:
        y = x[:3]
    y += 10
    return x, y


def if_scalar(x, t):
    n = 1
    if x[0] > t:
        n = 2
    elif x[1] > t:
        n = 3
    return n, x * n


def if_store(x, t):
    if x[0] > t:
        x[1] = 100
        x[2:4] *= 2
    return x


def early_return(x, t):
    if x[0] > t:
        return x[1:], 1
    if x[1] > t:
        return x * 2, 2
    return x, 3


def early_return_shapes(x, t):
    if x[0] > t:
        return x[0]
    if x[1] > t:
        return None
    return x.reshape(3, 4), (x, "text")


def raises(x, t):
    x[0] = 5
    if x[1] > t:
        raise ValueError(f"too big: {t}")
    x[1] = 7
    return x


def helper_with_returns(v, t):
    if v > t:
        return v * 2
    w = v + 1
    if w > t:
        return w * 3
    return w


def calls_helper_with_returns(x, t):
    return helper_with_returns(x[0], t), helper_with_returns(x[1], t), helper_with_returns(x[2], t) + 1


def pick(x, t):
    if t > 0:
        return x[:3]
    return x[3:6]


def calls_pick(x, t):
    y = pick(x, t)
    y *= 2
    return y + 1, x


def sum_loop(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i]
    return s


def sum_loop_int(x):
    s = 0
    for i in range(x.shape[0]):
        s += x[i]
    return s


def row_loop(x):
    for i in range(1, x.shape[0]):
        x[i] += x[i - 1] * 0.5
    return x


def long_loop(x):
    for i in range(x.shape[0]):
        if x[i] > 0:
            x[i] = -x[i]
        elif i > 5:
            x[i] *= 10
            continue
        x[i] += 1
    return x


def negative_steps(x):
    s = 0.0
    for i in range(x.shape[0] - 1, -1, -1):
        s = s * 0.5 + x[i]
    return s


def nested(x):
    out = np.zeros((x.shape[0], x.shape[1]))
    total = 0.0
    for i in range(x.shape[0]):
        row = 0.0
        for j in range(x.shape[1]):
            if j > i:
                row += x[i, j]
            out[i, j] = row
        total += row
    return out, total


def matmul_loops(a, b):
    c = np.zeros((20, 20))
    for i in range(20):
        for j in range(20):
            s = 0.0
            for k in range(20):
                s += a[i, k] * b[k, j]
            c[i, j] = s
    return c


def loop_break(x, t):
    found = False
    where = -1
    for i in range(x.shape[0]):
        if x[i] > t:
            found = True
            where = i
            break
    return found, where


def loop_else(x, t):
    for i in range(x.shape[0]):
        if x[i] > t:
            r = 1
            break
    else:
        r = 2
    return r


def loop_return(x, t):
    for i in range(x.shape[0]):
        if x[i] > t:
            return i, x[i]
    return -1, t


def unrolled_break(x, y, t):
    total = 0.0
    for a in (x, y, x[::-1]):
        total += a[0]
        if a[1] > t:
            break
        total += 10
    return total


def unrolled_continue(x, y, t):
    total = 0.0
    for a in (x, y, x[::-1], y):
        if a[1] > t:
            continue
        total += a[2]
    return total


def unrolled_both(x, y, t):
    out = np.zeros(4)
    k = 0
    for a in (x, y, x[::-1], y[::-1]):
        if a[0] < t:
            continue
        if a[1] > 1:
            break
        out[k] = a[2]
        k += 1
    else:
        k = 100
    return out, k


def unrolled_return(x, y, t):
    for a in (x, y):
        if a[0] > t:
            return a * 2
    return x + y


def helper_loop(items, t):
    for a in items:
        if a[0] > t:
            return a * 2
        if a[1] > t:
            break
    else:
        return items[0] + 1
    return items[0] - 1


def calls_helper_loop(x, y, t):
    return helper_loop((x, y, x[::-1]), t) + 1


def while_simple(n):
    k = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        k += 1
    return k, n


def while_break(x, t):
    i = 0
    while True:
        if i >= x.shape[0] or x[i] > t:
            break
        i += 1
    return i


def while_condition(x, t):
    i = 0
    while i < x.shape[0] and x[i] <= t:
        i += 1
    return i


def while_views(x):
    total = 0.0
    rest = x
    while rest.size > 0:
        total += rest[0] * rest.size
        rest = rest[1:]
    return total


def while_stepping(x):
    rest = x
    count = 0
    while rest.shape[0] > 1:
        rest = rest[::2]
        count += 1
    return rest, count


def while_shrinking(order, x):
    keep = np.zeros(10, dtype=np.int64)
    count = 0
    while order.size > 0:
        best = order[0]
        keep[count] = best
        count += 1
        rest = order[1:]
        order = rest[x[rest] > x[best]]
    return keep[:count]


def swap_buffers(x):
    a = x.copy()
    b = np.zeros_like(x)
    for _ in range(20):
        b[1:-1] = (a[:-2] + a[2:]) * 0.5
        a, b = b, a
    return a, b


def swap_buffers_odd(x):
    a = x.copy()
    b = np.zeros_like(x)
    for _ in range(21):
        b[1:-1] = (a[:-2] + a[2:]) * 0.5
        a, b = b, a
    return a


def reassigned(x):
    y = x
    for _ in range(12):
        y = y * 0.5 + 1
    return y


def growing(x):
    y = x[:1]
    for i in range(2, 12):
        y = x[:i] + y[0]
    return y


def loop_variable_after(x):
    for i in range(10):
        last = x[i] * 2
    return i, last


def maybe_unbound(x, n):
    for i in range(n):
        last = x[i] * 2
    return last


def first_is_none(x):
    best = None
    for i in range(x.shape[0]):
        v = x[i]
        if best is None or v > best:
            best = v
    return best


def first_array_none(x):
    acc = None
    for i in range(x.shape[0]):
        if acc is None:
            acc = x[i] * 2
        else:
            acc = acc + x[i]
    return acc


def array_from_loop(x):
    for i in range(20):
        y = x * i
    return y


def over_rows(x):
    total = np.zeros(x.shape[1])
    for row in x:
        total += row
        row *= 2
    return total


def over_rows_long(x):
    s = 0.0
    for v in x:
        s += v * v
    return s


def over_enumerate(x):
    s = 0.0
    for i, v in enumerate(x):
        s += v * i
    for i, (a, b) in enumerate(zip(x, x[::-1])):
        s += a * b * i
    return s


def data_ranges(k, x):
    s = 0.0
    for i in range(k.shape[0]):
        for j in range(k[i]):
            s += x[j] * i
    return s


def data_slices(k, x):
    out = np.zeros((6, 4))
    for i in range(6):
        c = k[i]
        out[i, c - 1 : c + 2] = x[c : c + 4].sum()
    return out


def dynamic_count(x, n):
    s = 0.0
    for i in range(n):
        s += x[i]
    return s


def dynamic_step(x, n):
    s = 0.0
    for i in range(0, 12, n):
        s += x[i]
    return s


def needs_unroll(x):
    parts = []
    for i in range(10):
        parts.append(x[i] * i)
    return np.stack(parts)


def needs_unroll_inner(x, ws):
    s = 0.0
    for i in range(12):
        for k in range(2):
            s += x[i] * ws[k][0]
    return s


def type_widening(x):
    s = 0
    for i in range(12):
        s = s + x[i]
        if s > 2:
            s = 1
    return s * 1.0


def carried_from_outer(x):
    lo, hi = 0, x.shape[0]
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < 0.5:
            lo = mid + 1
        else:
            hi = mid
    return lo


def if_in_loop_views(x):
    v = x[0]
    for i in range(1, 4):
        if x[i, 0] > v[0]:
            v = x[i]
    v[:] = 9
    return x, v


def and_or(x, n):
    r = 0
    for i in range(12):
        if (i > n and x[i] > 0) or x[i] < -1:
            r += 1
    return r


def chained(x):
    r = 0
    for i in range(12):
        if -0.5 < x[i] < 0.5:
            r += 1
    return r


def continue_in_while(x):
    i, s = 0, 0.0
    while i < 12:
        i += 1
        if x[i - 1] < 0:
            continue
        s += x[i - 1]
    return s


def return_in_nested_loop(x, t):
    for i in range(4):
        for j in range(5):
            if x[i, j] > t:
                return i, j
            if x[i, j] < -t:
                break
    return -1, -1


def conditional_views(x, t):
    y = x[:3] if t > 0 else x[5:8]
    y += 1
    return x


def temporaries_of_different_types(x, k):
    for i in range(12):
        t = x[i] * 2
        x[i] = t
    for i in range(6):
        t = k[i] * 2
        k[i] = t
    return x, k


def loop_over_dict(x):
    table = {"a": 1.0, "b": 2.0}
    for name, w in table.items():
        if name == "a":
            x = x * w
        else:
            x = x + w
    return x


def local_function_in_loop(x):
    def f(v):
        if v > 0:
            return v
        return -v

    s = 0.0
    for i in range(12):
        s += f(x[i])
    return s


def lists_in_unrolled(x, n):
    out = []
    for i in range(3):
        if n > 2:
            v = x[i]
        else:
            v = x[i] * 0
        out.append(v)
    return out


def find(x, t):
    for i in range(x.shape[0]):
        if x[i] > t:
            return i
    return -1


def calls_find(x, t):
    a = find(x, t)
    b = find(x[::-1], t)
    return x[a] + x[b], a, b


def find_in_rows(x, t):
    for i in range(x.shape[0]):
        for j in range(x.shape[1] * 2):
            if x[i, j % 5] > t:
                return i * 10 + j
        if x[i, 0] < -100:
            return 5
    n = 0
    while n < 100:
        n += 7
        if n % 5 == 0:
            return n
    return -1


def calls_find_in_rows(x, t):
    total = 0
    for k in range(12):
        total += find_in_rows(x, t + k * 0.1)
    return total


def scan(x, t):
    for i in range(20):
        for a in (x, x[::-1]):
            if a[i % 12] > t:
                return a[0] + i
            if a[0] > 100:
                break
    return x[0]


def calls_scan(x, t):
    return scan(x, t) * 2


def none_result(x, t):
    if t > 0:
        x[0] = 1


def static_while(x):
    n = 5
    parts = []
    while n > 0:
        parts.append(x[n])
        n -= 2
    return np.stack(parts)


CASES = [
    (if_tensor, (V, 0.0)), (if_tensor, (V, 10.0)), (if_view, (V, 0.0)), (if_view, (V, 10.0)),
    (if_scalar, (V, -10.0)), (if_scalar, (V, 10.0)), (if_store, (V, -10.0)), (if_store, (V, 10.0)),
    (early_return, (V, -10.0)), (early_return, (V, 0.5)), (early_return, (V, 10.0)),
    (early_return_shapes, (V, -10.0)), (early_return_shapes, (V, 10.0)),
    (raises, (V, -10.0)), (raises, (V, 10.0)),
    (calls_helper_with_returns, (V, 0.0)), (calls_helper_with_returns, (V, 1.0)),
    (calls_pick, (V, 1.0)), (calls_pick, (V, -1.0)),
    (sum_loop, (V,)), (sum_loop_int, (V,)), (row_loop, (X,)), (long_loop, (V,)), (negative_steps, (V,)), (nested, (X,)),
    (matmul_loops, (RNG.standard_normal((20, 20)), RNG.standard_normal((20, 20)))),
    (loop_break, (V, 0.5)), (loop_break, (V, 50.0)), (loop_else, (V, 0.5)), (loop_else, (V, 50.0)),
    (loop_return, (V, 0.5)),
    (unrolled_break, (V, V + 1, 0.0)), (unrolled_break, (V, V + 1, 1.0)), (unrolled_break, (V, V + 1, 50.0)),
    (unrolled_continue, (V, V + 1, 0.0)), (unrolled_continue, (V, V + 1, 50.0)),
    (unrolled_both, (V, V + 1, 0.0)), (unrolled_both, (V, V + 1, -50.0)), (unrolled_both, (V, V + 1, 50.0)),
    (unrolled_return, (V, V + 1, 0.0)), (unrolled_return, (V, V + 1, 50.0)),
    (calls_helper_loop, (V, V + 1, 0.0)), (calls_helper_loop, (V, V + 1, 1.5)), (calls_helper_loop, (V, V + 1, 50.0)),
    (while_simple, (27,)), (while_break, (V, 0.5)), (while_break, (V, 50.0)), (while_condition, (V, 0.5)),
    (while_condition, (V, 50.0)), (while_views, (V,)), (while_stepping, (V,)),
    (while_shrinking, (np.argsort(V)[::-1][:6].copy(), V)), (while_shrinking, (np.arange(6), V)),
    (swap_buffers, (V,)), (swap_buffers_odd, (V,)), (reassigned, (V,)), (growing, (V,)),
    (loop_variable_after, (V,)), (maybe_unbound, (V, 3)), (maybe_unbound, (V, 0)),
    (first_is_none, (V,)), (first_array_none, (X,)), (first_array_none, (RNG.standard_normal((20, 3)),)),
    (array_from_loop, (V,)), (over_rows, (X,)), (over_rows_long, (V,)), (over_enumerate, (V,)),
    (data_ranges, (K, V)), (data_slices, (K, V)), (dynamic_count, (V, 5)),
    (dynamic_count, (V, 15)), (dynamic_step, (V, 3)), (dynamic_step, (V, 0)),
    (needs_unroll, (V,)), (needs_unroll_inner, (V, (V, V + 1))), (type_widening, (V,)),
    (carried_from_outer, (np.sort(V),)),
    (if_in_loop_views, (X,)), (and_or, (V, 4)), (chained, (V,)), (continue_in_while, (V,)),
    (return_in_nested_loop, (X, 1.0)), (return_in_nested_loop, (X, 100.0)),
    (conditional_views, (V, 1.0)), (conditional_views, (V, -1.0)),
    (temporaries_of_different_types, (V, K)), (loop_over_dict, (V,)), (local_function_in_loop, (V,)),
    (lists_in_unrolled, (V, 3)), (lists_in_unrolled, (V, 1)), (none_result, (V, 1.0)),
    (calls_find, (V, 0.5)), (calls_find, (V, 50.0)), (calls_find_in_rows, (X, 0.5)), (calls_find_in_rows, (X, 50.0)),
    (calls_scan, (V, 0.5)), (calls_scan, (V, 50.0)), (static_while, (V,)),
]  # fmt: skip


@pytest.mark.parametrize("function, args", CASES, ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(CASES)])
def test_same_as_python(function: Any, args: tuple[Any, ...]) -> None:
    check(function, *args)


@pytest.mark.parametrize("function, n", [(dynamic_count, 0), (dynamic_step, -3)])
def test_loops_without_a_turn(function: Any, n: int) -> None:
    """The value is right; its type is that of the other turns."""
    check(function, V, n, python_types=False)


def test_short_loops_are_unrolled_and_long_ones_are_not() -> None:
    def f(x):
        for i in range(3):
            x[i] += 1

    def g(x):
        for i in range(12):
            x[i] += 1

    assert "for" not in names_of(f, V)
    assert names_of(g, V).count("for") == 1


def test_loop_indices_within_bounds_need_no_check() -> None:
    def f(x):
        for i in range(x.shape[0]):
            x[i] += 1

    assert "check_bounds" not in names_of(f, V)


def test_in_place_update_in_a_loop_carries_nothing() -> None:
    def f(x):
        y = x.copy()
        for i in range(20):
            y += i
        return y

    result, _ = traced(f, V)
    (loop,) = [op for op in result.function.walk() if op.name == "for"]
    assert loop.results == []


def test_short_conditional_scalars_become_select() -> None:
    def f(x, n):
        m = n + 1 if n > 3 else n - 1
        return x * m

    assert "if" not in names_of(f, V, 4)


def test_inner_loops_of_a_nest_remember_their_variables() -> None:
    def f(x):
        s = 0
        for i in range(12):
            for j in range(12):
                for k in range(12):
                    for m in range(12):
                        s = s + x[i] * x[j] + x[k] * x[m]
        return s

    check(f, V[:12] * 0.1)
