"""`pydsl.callback`: any Python function from compiled code, as if the code were plain Python."""

from __future__ import annotations

import dataclasses
import gc
import sys
import threading
import traceback
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from pydsl import Array, UnsupportedError, callback, jit
from pydsl.jit.pipeline import compile_specialization
from pydsl.loops.parser import parse_function
from pydsl.loops.printer import format_function, object_table
from tests.calls.tools import check
from tests.tracing import with_request

F8 = np.float64
WAYS = ("ir", "loops", "portable", "native")
Pair = namedtuple("Pair", "low high")


def test_outside_of_compiled_code_it_is_the_function() -> None:
    def add(x: Any, y: Any = 2) -> Any:
        """Adds."""
        return x + y

    wrapped = callback(add, result=int)
    assert wrapped(1) == 3 and wrapped("a", y="b") == "ab"
    assert wrapped.__name__ == "add" and wrapped.__doc__ == "Adds."


def test_decorator() -> None:
    @callback(result=float)
    def half(x: Any) -> float:
        return float(x) / 2

    def f(x):
        return half(x[0]) + x

    check(f, np.arange(3.0) + 5, ways=WAYS)


@pytest.mark.parametrize(
    "wrong", ["x", [1], {"a": 1}, np.dtype("O"), object, np.zeros(2, "U3"), np.longdouble]
)
def test_declarations_are_checked_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="callback"):
        callback(len, result=wrong)
    with pytest.raises(TypeError, match="result="):
        callback(len)


# --- arguments --------------------------------------------------------------------------------------------------------


def test_views_reach_the_base_in_order() -> None:
    def scale(x: Any, k: Any) -> None:
        x *= k

    twice = callback(scale, result=None)

    def f(x):
        y = x + 1
        twice(y[1::2], 10.0)
        z = y * 2
        twice(x[::-1][:2], 3.0)
        y[0] = x[-1]
        return y, z, x.sum()

    check(f, np.arange(6.0), ways=WAYS)
    check(f, np.arange(12.0)[::-2], ways=WAYS)


def test_scalars_arrive_with_their_types() -> None:
    seen: list[Any] = []
    note = callback(lambda *args, **kwargs: seen.append((args, kwargs)), result=None)

    def f(i, x, c, s, b):
        note(i, x.sum(), c, s, i > 2, k=x[1], t=(i, "a", None), n=len(x))
        note(i * 2, x[0] * 1, s + s, b=b, d=np.float32)
        return i

    args = (3, np.array([1.5, 2.5], "f4"), 1 + 2j, np.int16(7), True)
    for run in (f, jit(f)):
        seen.clear()
        run(*args)
        types = [[type(v) for v in (*a, *k.values())] for a, k in seen]
        if run is f:
            expected, expected_types = repr(seen), types
    assert repr(seen) == expected and types == expected_types


def test_read_only_memory_stays_read_only() -> None:
    def poke(x: Any) -> None:
        x[0] = 1

    write = callback(poke, result=None)

    def f(x):
        write(x)
        return x

    x = np.zeros(3)
    x.flags.writeable = False
    check(f, x, ways=WAYS)
    compiled = jit(f)
    with pytest.raises(ValueError, match="read-only"):
        compiled(x)
    assert compiled(np.zeros(3))[0] == 1

    def g(x):
        write(np.broadcast_to(x[:1], (4,)))
        return x

    check(g, np.zeros(3), ways=WAYS)


def test_closure_arrays_and_globals_are_reached() -> None:
    table = np.arange(4.0)

    def bump() -> None:
        table[1] += 10

    side = callback(bump, result=None)

    def f(x):
        a = table[1] * x[0]
        side()
        b = table[1] * x[0]
        return a, b, table + x

    def reset() -> None:
        table[:] = np.arange(4.0)

    check(f, np.full(4, 2.0), ways=WAYS, before=reset)


def test_an_argument_changed_behind_its_back() -> None:
    x = np.arange(4.0)

    def bump() -> None:
        x[:] += 1

    side = callback(bump, result=None)

    def f(a):
        first = a.sum()
        y = a * 2
        side()
        a[0] = 5.0
        side()
        return first, y, a.sum(), a[0]

    expected = f(x)
    x[:] = np.arange(4.0)
    compiled = jit(f)
    for _ in range(2):
        x[:] = np.arange(4.0)
        actual = compiled(x)
        assert actual[0] == expected[0] and actual[2] == expected[2] and actual[3] == expected[3] == 6.0
        np.testing.assert_array_equal(actual[1], expected[1])


def test_containers_are_passed_and_must_not_be_changed() -> None:
    @dataclasses.dataclass
    class Box:
        data: Any
        name: str

    total = callback(lambda xs, d, box: float(sum(x.sum() for x in xs) + d["a"] + box.data[0]), result=float)

    def f(x):
        return total([x, x[1:]], {"a": x[0], "b": 1}, Box(x, "n"))

    check(f, np.arange(3.0), ways=WAYS)

    grow = callback(lambda xs: xs.append(1), result=None)

    def g(x):
        grow([x])
        return x

    with pytest.raises(RuntimeError, match="changed a list"):
        jit(g)(np.zeros(2))


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        -1.5,
        2j,
        np.int8(-3),
        np.uint64(2**63),
        np.float16(1.5),
        np.float32(np.nan),
        np.complex64(1j),
        np.bool_(1),
    ],
)
def test_scalar_results(value: Any) -> None:
    give = callback(lambda: value, result=type(value))
    also = callback(lambda: value, result=value)

    def f(x):
        y = give()
        return y, also(), y * x

    check(f, np.arange(3.0), ways=WAYS)


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 2)])
def test_array_results_like(dtype: str, shape: tuple[int, ...]) -> None:
    like = (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(dtype)
    give = callback(lambda: like.copy(), result=like)
    free = callback(lambda: like.copy(), result=Array(dtype, len(shape)))

    def f(x):
        a = give()
        b = free()
        a[...] = b
        return a, b, b.size

    check(f, np.zeros(1), ways=WAYS)


def test_layouts_of_results_do_not_matter() -> None:
    give = callback(lambda x: np.asfortranarray(x), result=Array(F8, (None, 3)))

    def f(x):
        return give(x + 1) * 2.0

    np.testing.assert_array_equal(jit(f)(np.ones((2, 3))), np.full((2, 3), 4.0))


def test_tuples_of_results() -> None:
    split = callback(
        lambda x: Pair((x.min(), x.size), (x[x > 1], None, x.copy())),
        result=Pair((np.float64, int), (Array(F8, 1), None, Array(F8, (None,)))),
    )

    def f(x):
        p = split(x)
        (low, n), (big, nothing, whole) = p
        return low + n, big * 2, p.high[0].shape[0], nothing is None, whole[::-1]

    for data in ([3.0, 1.0, 2.0], [0.0], [1.0, 2.0]):
        check(f, np.array(data), ways=WAYS)


def test_open_shapes_in_loops() -> None:
    keep = callback(lambda x, i: x[x > i].copy(), result=Array(F8, 1))

    def f(x):
        total = np.float64(0.0)
        y = x * 1
        for i in range(5):
            y = keep(y, i)
            if y.size == 0:
                break
            total += y.sum() * y.size
        return total, y

    for n in (0, 3, 8):
        check(f, np.arange(float(n)), ways=WAYS)


def test_results_are_of_the_declared_kind() -> None:
    answer: list[Any] = [None]
    give = callback(lambda: answer[0], result=Array(F8, (2, None)))
    number = callback(lambda: answer[0], result=float)
    several = callback(lambda: answer[0], result=(float, None))
    fixed = callback(lambda: answer[0], result=np.zeros(3))
    nothing = callback(lambda: answer[0], result=None)
    calls = {
        give: [1.0, np.zeros(3), np.zeros((2, 3), "f4"), np.zeros((3, 2)), None, np.ma.zeros((2, 2))],
        number: [1, np.float64(1), True, None, "1"],
        several: [1.0, (1.0,), [1.0, None], (1, None), (1.0, 0)],
        fixed: [np.zeros(2), np.zeros((3, 1)), np.zeros(3, int)],
        nothing: [0, False, ()],
    }
    for function, values in calls.items():

        def f(x, function=function):
            return function()

        compiled = jit(f)
        for value in values:
            answer[0] = value
            with pytest.raises((TypeError, ValueError), match=r"the callback .* returned"):
                compiled(np.zeros(1))


def test_large_integers_do_not_wrap() -> None:
    give = callback(lambda: 2**70, result=int)

    def f():
        return give() + 1

    with pytest.raises(OverflowError):
        jit(f)()


# --- errors -----------------------------------------------------------------------------------------------------------


class OwnError(Exception):
    pass


def _raise(x: Any) -> None:
    raise OwnError("no", 3) from ValueError("why")


def test_exceptions_come_unchanged_with_the_users_line() -> None:
    fail = callback(_raise, result=None)

    def f(x):
        x[0] = 5
        y = x + 1
        fail(y)
        x[0] = 6
        return y

    compiled = jit(f)
    for _ in range(2):
        x = np.zeros(3)
        with pytest.raises(OwnError) as caught:
            compiled(x)
        assert caught.value.args == ("no", 3) and isinstance(caught.value.__cause__, ValueError)
        assert x[0] == 5
    lines = [(entry.name, entry.line) for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert lines[-2:] == [("f", "fail(y)"), ("_raise", 'raise OwnError("no", 3) from ValueError("why")')]
    assert caught.value.__traceback__ is not None
    check(f, np.zeros(3), ways=WAYS)


def test_keyboard_interrupts_pass() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    stop = callback(interrupt, result=None)

    def f(n):
        for _ in range(n):
            stop()
        return n

    with pytest.raises(KeyboardInterrupt):
        jit(f)(1000)


def test_arguments_must_not_be_kept_or_returned() -> None:
    kept: list[Any] = []

    def f(function: Any) -> Any:
        def run(x):
            y = x + 1
            function(y)
            return y

        return jit(run)

    for keep in (
        lambda x: kept.append(x),
        lambda x: kept.append(x[1:]),
        lambda x: kept.append(x.reshape(3, 1).T),
    ):
        with pytest.raises(RuntimeError, match="kept an array"):
            f(callback(keep, result=None))(np.zeros(3))
        kept.clear()
    copies = f(callback(lambda x: kept.append(x.copy()), result=None))
    assert copies(np.zeros(3))[0] == 1 and kept[0][0] == 1
    for back in (lambda x: x, lambda x: x[::-1]):
        with pytest.raises(RuntimeError, match="returned memory"):
            f(callback(back, result=Array(F8, 1)))(np.zeros(3))


def test_a_traceback_does_not_hold_the_memory() -> None:
    def fail(x: Any) -> None:
        view = x[1:]
        raise OwnError(view.shape)

    function = callback(fail, result=None)

    @jit
    def f(x):
        y = x + 1
        function(y)
        return y.sum()

    with pytest.raises(OwnError) as caught:
        f(np.zeros(5))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not frames[-1].f_locals


def test_what_cannot_be_passed_is_refused() -> None:
    use = callback(lambda *args: None, result=None)

    def f(x):
        use(lambda: x)
        return x

    with pytest.raises(UnsupportedError, match="as an argument of"):
        jit(f)(np.zeros(2))


# --- the world around -------------------------------------------------------------------------------------------------


def test_no_references_leak() -> None:
    marker = np.zeros(3)
    swap = callback(lambda x: (x * 2, 1), result=(Array(F8, 1), int))

    @jit
    def f(x):
        a, n = swap(x)
        return a + n

    f(marker)
    gc.collect()
    before = sys.getrefcount(marker), sys.getrefcount(marker.dtype), sys.getrefcount(swap.function)
    for _ in range(100):
        f(marker)
    after = sys.getrefcount(marker), sys.getrefcount(marker.dtype), sys.getrefcount(swap.function)
    assert all(abs(a - b) < 10 for a, b in zip(after, before))


def test_with_the_lock_given_up_and_from_threads() -> None:
    counts: list[int] = []

    def note(x: Any) -> float:
        counts.append(threading.get_ident())
        return float(x[0])

    look = callback(note, result=float)

    @jit
    def f(x):
        y = np.sin(x) + np.cos(x)
        a = look(y)
        z = np.sin(y) * np.exp(x)
        return a + look(z), z.sum()

    x = np.linspace(0, 1, 200_000)
    expected = f(x)
    counts.clear()
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.extend(f(x) for _ in range(5))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 15
    assert len(counts) == 30 and len(set(counts)) == 3


def test_compiled_functions_inside() -> None:
    @jit
    def inner(x):
        return x * 2 + 1

    back = callback(lambda x, n: inner(x) + (outer(x, n - 1) if n else 0.0), result=Array(F8, 1))

    @jit
    def outer(x, n):
        return back(x, n) + 1

    np.testing.assert_array_equal(outer(np.ones(3), 2), np.full(3, 12.0))


def test_changed_callbacks_are_noticed() -> None:
    namespace: dict[str, Any] = {"cb": callback(lambda: 1, result=int)}
    exec("def f(): return cb()", namespace)
    with pytest.raises(
        UnsupportedError
    ):  # no source: only to see that names are resolved at run time elsewhere
        jit(namespace["f"])()

    chosen = callback(lambda: 1, result=int)

    def f():
        return chosen()

    compiled = jit(f)
    assert compiled() == 1
    chosen = callback(lambda: 2, result=int)
    assert compiled() == 2


def test_in_a_loop_that_could_be_parallel() -> None:
    order: list[float] = []
    note = callback(lambda i, row: order.append(float(i)), result=None)

    @jit
    def f(x):
        out = np.empty_like(x)
        for i in range(x.shape[0]):
            out[i] = np.exp(x[i]) + np.sin(x[i])
            note(i, out[i])
        return out

    x = np.random.default_rng(0).random((64, 4000))
    np.testing.assert_allclose(f(x), np.exp(x) + np.sin(x), rtol=1e-14)
    assert order == list(range(64))


def test_reports_and_text() -> None:
    look = callback(lambda x: (x * 2.0, 1.5), result=(Array(F8, (None, 2)), float))

    @jit
    def f(x):
        y = x + 1
        a, s = look(y[::2])
        return a * s + 1

    x = np.arange(8.0).reshape(4, 2)
    f(x)
    assert "call" in str(f.explain(x))
    for stage in ("ir", "dag", "loops", "llvm"):
        assert f.inspect(stage, x)
    assert "look" in f.inspect("loops", x) or "lambda" in f.inspect("loops", x)
    f.graph(x)


def test_the_loop_text_reads_back() -> None:
    look = callback(lambda x: (x * 2.0, 1.5), result=(np.zeros((2, 2)), float))

    def f(x):
        a, s = look((x + 1)[::2])
        return a * s + 1

    loops = with_request(f, (np.arange(8.0).reshape(4, 2),), compile_specialization).report.loops
    text = format_function(loops, exact=True)
    again = parse_function(text, object_table(loops))
    assert format_function(again, exact=True) == text
