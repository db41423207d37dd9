"""Wrong and unsupported programs, as a new user may write them; the messages are in ``golden.txt``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WRONG: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
COUNTER = 0
CACHE: dict[int, float] = {}
X = np.arange(6.0)
M = np.arange(12.0).reshape(3, 4)


def wrong(*args: Any) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        WRONG.append((function, args))
        return function

    return register


# --- statements -----------------------------------------------------------------------------------------------------


@wrong(X)
def try_except(x):
    try:
        return 1 / x[0]
    except ZeroDivisionError:
        return 0.0


@wrong(X)
def try_finally(x):
    try:
        x[0] = 1
    finally:
        x[1] = 2


@wrong(X)
def with_suppress(x):
    with contextlib.suppress(ValueError):
        x[0] = 1


@wrong(X)
def with_open(x):
    with open("log.txt", "w") as f:
        f.write("hello")


@wrong(X)
def errstate_raise(x):
    with np.errstate(divide="raise"):
        return 1 / x


@wrong(X)
def global_counter(x):
    global COUNTER
    COUNTER += 1
    return x


@wrong(X)
def nonlocal_counter(x):
    n = 0

    def count():
        nonlocal n
        n += 1

    count()
    return x + n


@wrong(X)
def generator(x):
    for v in x:
        yield v * 2


@wrong(X)
def inner_generator(x):
    def pairs():
        for i in range(3):
            yield i

    return sum(pairs())


@wrong(X)
async def asynchronous(x):
    return x


@wrong(X)
def inner_class(x):
    class Point:
        pass

    return x


@wrong(X, 5)
def recursion(x, n):
    if n == 0:
        return x
    return recursion(x * 2, n - 1)


@wrong(X)
def match_array(x):
    match x:
        case [a, b]:
            return a + b
    return x


@wrong(X)
def bare_raise(x):
    if x[0] == 0:
        raise
    return x


@wrong(X)
def raise_with_two_arguments(x):
    if x[0] == 0:
        raise ValueError("bad", x[0])
    return x


@wrong(X)
def raise_interrupt(x):
    if x[0] == 0:
        raise KeyboardInterrupt
    return x


# --- values that meet -------------------------------------------------------------------------------------------------


@wrong(X)
def none_or_array(x):
    best = None
    if x[0] > 1:
        best = x * 2
    return best + 1


@wrong(X)
def rank_changes(x):
    y = x
    if x[0] > 1:
        y = x.reshape(2, 3)
    return y.sum()


@wrong(X)
def dtype_changes(x):
    y = x
    if x[0] > 1:
        y = x > 2
    return y.sum()


@wrong(X)
def text_changes(x):
    name = "small"
    if x.sum() > 10:
        name = "large"
    return 1 if name == "large" else 0


@wrong(X)
def maybe_undefined_array(x):
    if x[0] > 1:
        y = x * 2
    return y


@wrong(X)
def tuple_length_changes(x):
    t = (1, 2)
    if x[0] > 1:
        t = (1, 2, 3)
    return len(t)


@wrong(X)
def function_chosen_at_run_time(x):
    f = np.sin
    if x[0] > 1:
        f = np.cos
    return f(x)


@wrong(X)
def helper_returns_none_or_number(x):
    def find(v):
        for i in range(len(v)):
            if v[i] > 3:
                return i
        return None

    k = find(x)
    return x[k] if k is not None else 0.0


# --- containers -------------------------------------------------------------------------------------------------------


@wrong(X)
def dict_of_run_time_keys(x):
    counts = {}
    for v in x:
        counts[v] = counts.get(v, 0) + 1
    return len(counts)


@wrong(X)
def dict_grows_in_loop(x):
    found = {}
    i = 0
    while i < x[2]:
        found["a"] = i
        i += 1
    return found


@wrong(X)
def set_of_values(x):
    seen = set()
    for v in x:
        seen.add(v)
    return len(seen)


@wrong(X)
def set_display(x):
    return len({x[0], x[1]})


@wrong(X)
def outside_cache(x):
    CACHE[0] = x[0]
    return x


@wrong(X)
def append_different_shapes(x):
    parts = []
    n = 0
    while n < x[3]:
        parts.append(x[:n])
        n += 1
    return np.concatenate(parts)


@wrong(X)
def append_none(x):
    out = []
    for v in x:
        out.append(v if v > 2 else None)
    return out


@wrong(X)
def append_texts(x):
    out = []
    i = 0
    while i < x[3]:
        out.append("a")
        i += 1
    return out


@wrong(X)
def append_two_kinds(x):
    out = []
    i = 0
    while i < x[3]:
        out.append(x)
        out.append(1.0)
        i += 1
    return out


@wrong(X)
def append_then_write(x):
    history = []
    state = np.zeros(3)
    i = 0
    while i < x[3]:
        state += i
        history.append(state)
        i += 1
    return np.array(history)


@wrong(X)
def list_changed_while_read(x):
    queue = [1]
    for v in queue:
        if x[v] < 4:
            queue.append(v + 1)
    return len(queue)


@wrong(X)
def list_plus_list(x):
    out = []
    for v in x:
        if v > 2:
            out = out + [v]
    return out


@wrong(X)
def list_rebound(x):
    out = []
    for k in range(3):
        for v in x:
            if v > 2:
                out.append(v)
        if len(out) > 4:
            out = []
    return out


@wrong(X)
def lists_swapped(x):
    current = [1.0]
    n = 0
    while n < x[3]:
        following = []
        for v in current:
            following.append(v * 2)
            if x[n] > 1:
                following.append(v)
        current = following
        n += 1
    return current


@wrong(X.astype(np.float32))
def float32_and_python_floats(x):
    out = []
    for v in x:
        if v > 2:
            out.append(v)
        else:
            out.append(0.0)
    return np.array(out)


@wrong([3, 1, 2])
def sort_argument_list(items):
    items.sort()
    return items


@wrong(X)
def index_list_at_run_time(x):
    names = [np.sin, np.cos]
    i = int(x[1])
    return names[i](x)


@wrong(X)
def value_in_list(x):
    out = []
    for v in x:
        if v > 2:
            out.append(v)
    return 3.0 in out


# --- calls ------------------------------------------------------------------------------------------------------------


@wrong(X)
def scipy_like(x):
    return np.poly1d([1, 2, 3])(x)


@wrong(X)
def input_call(x):
    return x * float(input("factor? "))


@wrong(X)
def eval_text(x):
    return eval("x + 1")


@wrong(X)
def np_polynomial(x):
    return x + np.polynomial.polynomial.polyval(x, [1.0, 2.0])


@wrong(X)
def save_file(x):
    np.save("x.npy", x)


@wrong(X)
def vectorize(x):
    f = np.vectorize(lambda v: v * 2, signature="()->()")
    return f(x)


@wrong(X)
def sorted_values(x):
    return sorted(x)


@wrong(X)
def min_with_key(x):
    return min(x, key=lambda v: -v)


@wrong(X)
def text_of_value(x):
    label = str(x[0])
    return len(label)


@wrong(X)
def percent_format(x):
    if x[0] < 1:
        raise ValueError("too small: %f" % x[0])
    return x


@wrong(X)
def next_of_iterator(x):
    it = iter(x)
    return next(it)


@wrong(X)
def setattr_call(x):
    setattr(x, "name", 1)
    return x


@wrong(X)
def wrong_keyword(x):
    return np.sum(x, axes=0)


@wrong(X)
def unknown_method(x):
    return x.norm()


@wrong(X)
def misspelled(x):
    return np.summ(x)


@wrong(X)
def undefined_name(x):
    return x * factr


@wrong(X, X)
def wrong_argument_count(x, y):
    def scale(v, a, b):
        return v * a + b

    return scale(x, 2)


# --- arrays -----------------------------------------------------------------------------------------------------------


@wrong(M, X)
def shapes_do_not_fit(m, x):
    return m + x


@wrong(M, X)
def product_does_not_fit(m, x):
    return m @ x


@wrong(X)
def index_too_large(x):
    return x[10]


@wrong(X)
def index_runs_out(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i + 1]
    return total


@wrong(M)
def too_many_indices(m):
    return m[0, 1, 2]


@wrong(X)
def float_index(x):
    return x[len(x) / 2]


@wrong(X)
def array_as_condition(x):
    if x > 2:
        return 1
    return 0


@wrong(X)
def store_wrong_shape(x):
    x[1:4] = np.zeros(2)


@wrong(X)
def in_place_wrong_dtype(x):
    n = np.zeros(6, int)
    n += x
    return n


@wrong(M)
def reshape_wrong(m):
    return m.reshape(5, 2)


@wrong(X)
def axis_wrong(x):
    return x.sum(axis=1)


@wrong(M)
def concatenate_wrong(m):
    return np.concatenate([m, m[:, :2]])


@wrong(X)
def shape_assigned(x):
    x.shape = (2, 3)
    return x


@wrong(X)
def object_array(x):
    return np.array([x, None])


@wrong(X)
def text_array(x):
    return np.array(["a", "b"])


@wrong(X)
def size_from_data(x):
    rows = [x] * int(x[3])
    return np.array(rows)


@wrong(X)
def unpack_unknown(x):
    a, b = x[x > 3]
    return a + b


@wrong(X)
def flags_written(x):
    x.flags.writeable = False


# --- arguments --------------------------------------------------------------------------------------------------------


@dataclass
class State:
    values: np.ndarray
    steps: int = 0
    names: list[str] = field(default_factory=list)


class Model:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


@wrong(np.array(["a", "b"]))
def text_argument(x):
    return x


@wrong(np.array([1, None]))
def object_argument(x):
    return x


@wrong(np.zeros(3, dtype=[("a", float), ("b", int)]))
def record_argument(x):
    return x["a"]


@wrong(np.array(["2020-01-01"], "datetime64[D]"))
def date_argument(x):
    return x


@wrong(np.longdouble(1) * X)
def longdouble_argument(x):
    return x


@wrong(X.astype(">f8"))
def byte_swapped_argument(x):
    return x


@wrong(np.ma.masked_array(X, X > 2))
def masked_argument(x):
    return x.sum()


@wrong({1: X})
def dict_with_numbers(d):
    return d[1]


@wrong({1, 2})
def set_argument(s):
    return 1 in s


@wrong(Model(X))
def slots_argument(m):
    return m.x.sum()


@wrong(iter([1, 2]))
def iterator_argument(it):
    return 1
