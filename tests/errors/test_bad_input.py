"""Bad input through the decorator: exception class, text, file, line, column and caret; and what happened before it.

Every case says which part of its own source the carets must be under. What NumPy or Python raises is compared with
what the undecorated function raises.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl import SourceUnavailableError, UnsupportedError, jit
from pydsl.errors import UnsupportedDtypeError

PLACE = re.compile(
    r'  File "(?P<file>.*)", line (?P<line>\d+), column (?P<column>\d+), in .*\n'
    r"    (?P<text>.*)\n    (?P<carets> *\^+)"
)


def vector() -> np.ndarray:
    return np.arange(12.0)


def marked(text: str, number: int = 0) -> tuple[str, int, str]:
    """File, line and the words above the carets of a message's place; the printed column agrees with the carets."""
    found = list(PLACE.finditer(text))[number]
    start = found["carets"].index("^")
    line = open(found["file"], encoding="utf-8").readlines()[int(found["line"]) - 1].rstrip("\n")
    assert line.strip() == found["text"]
    assert int(found["column"]) == len(line) - len(line.lstrip()) + start + 1
    return found["file"], int(found["line"]), found["text"][start : len(found["carets"])]


def fails(function: Callable[..., Any], under: str, *args: Any, **kwargs: Any) -> BaseException:
    """The error of a jitted function at its first and at a warm call: NumPy's class and text, carets under `under`, the
    traceback ending in that line, and the arguments left as Python leaves them."""
    plain = function.__wrapped__  # type: ignore[attr-defined]
    theirs, again = ([np.copy(a) if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
    with pytest.raises(Exception) as expected:
        plain(*theirs, **kwargs)
    # the error classes that ufuncs have for themselves are private to NumPy: the class below them is raised
    public = next(c for c in type(expected.value).__mro__ if not c.__module__.startswith("numpy._"))
    for mine in (list(args), again):
        with pytest.raises(public) as caught:
            function(*mine, **kwargs)
        assert type(caught.value) is public
        message = str(caught.value)
        assert message.startswith(str(expected.value).rstrip("\n")), message
        file, line, words = marked(message)
        assert (file, words) == (__file__, under)
        last = caught.traceback[-1]
        assert (str(last.path), last.lineno + 1) == (__file__, line)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    return caught.value


def refused(function: Callable[..., Any], under: str, *args: Any, **kwargs: Any) -> UnsupportedError:
    """The refusal of a function, the same at every call, with the arguments as they were."""
    before = [np.copy(a) if isinstance(a, np.ndarray) else a for a in args]
    texts = set()
    for _ in range(2):
        with pytest.raises(UnsupportedError) as caught:
            function(*args, **kwargs)
        texts.add(str(caught.value))
    (text,) = texts
    if under:
        file, _, words = marked(text)
        assert (file, words) == (__file__, under)
    for a, b in zip(args, before, strict=True):
        if isinstance(a, np.ndarray) and a.dtype.kind not in "OV":
            np.testing.assert_array_equal(a, b)
    return caught.value


# --- what NumPy raises --------------------------------------------------------------------------------------------


@jit
def add_late(x, y):
    z = x * 2
    return z + y


@jit
def overwrite(x, y):
    x[0] = -1
    x[:] = y
    x[1] = -2


@jit
def accumulate(x, y):
    x[0] = 100.0
    x += y
    x[1] = 100.0


@pytest.mark.parametrize("shape", [(5,), (2, 12, 2), (3, 4)])
def test_wrong_broadcast(shape: tuple[int, ...]) -> None:
    assert isinstance(fails(add_late, "z + y", vector(), np.zeros(shape)), ValueError)


def test_wrong_broadcast_of_an_assignment() -> None:
    x = vector()
    fails(overwrite, "x[:]", x, np.zeros(5))
    assert x[:2].tolist() == [-1, 1], "the statement before has happened, the one after has not"


def test_wrong_broadcast_of_an_update() -> None:
    x = vector()
    fails(accumulate, "x += y", x, np.zeros(5))
    assert x[:2].tolist() == [100, 1]
    fails(accumulate, "x += y", vector(), np.zeros((2, 12)))


@jit
def static_index(x):
    y = x * 2
    return y[12]


@jit
def dynamic_index(x, i):
    x[0] = 7
    x[i] = 5
    x[1] = 7


@jit
def index_in_a_loop(x, n):
    for i in range(n):
        x[i] += 1
    return x


@jit
def gather(x, index):
    return x[index] * 2


@jit
def scatter(x, index):
    x[0] = 3
    x[index] = 1.0
    return x


@jit
def two_axes(x):
    return x[0, 0]


@jit
def mask(x, m):
    return x[m]


def test_static_index() -> None:
    assert isinstance(fails(static_index, "y[12]", vector()), IndexError)


@pytest.mark.parametrize("i", [12, -13, 10**12])
def test_dynamic_index(i: int) -> None:
    x = vector()
    fails(dynamic_index, "x[i]", x, i)
    assert x[:2].tolist() == [7, 1]


def test_dynamic_index_in_bounds_of_the_same_specialization() -> None:
    for i in (-12, 0, 11):
        x = vector()
        dynamic_index(x, i)
        assert x[i] == 5 or i == -12


def test_index_in_a_loop_keeps_the_effects_of_earlier_turns() -> None:
    x = vector()
    fails(index_in_a_loop, "x[i] += 1", x, 14)
    np.testing.assert_array_equal(x, vector() + 1)


@pytest.mark.parametrize("index", [[0, 3, 40], [-13, 0], [[12]]])
def test_index_arrays(index: list[Any]) -> None:
    fails(gather, "x[index]", vector(), np.array(index))
    x = vector()
    fails(scatter, "x[index]", x, np.array(index))
    assert x[0] == 3, "nothing of the failing statement itself has happened"
    np.testing.assert_array_equal(x[1:], vector()[1:])


def test_too_many_indices() -> None:
    fails(two_axes, "x[0, 0]", vector())


def test_mask_of_another_size() -> None:
    fails(mask, "x[m]", vector(), np.zeros(5, bool))


@jit
def reshape(x):
    return x.reshape(5, -1)


@jit
def product(a, b):
    return a @ b


@jit
def join(a, b):
    return np.concatenate([a, b])


@jit
def attribute(x):
    return x.nosuch


@jit
def axis(x):
    return x.sum(axis=3)


@jit
def truth(x):
    if x > 0:
        return 1
    return 2


@jit
def half(x):
    x += 0.5


@jit
def largest(x):
    return x.max()


@jit
def divide(x, n):
    x[0] = -1
    return x[0], 7 // n


@jit
def unknown(x):
    return x + nosuch  # noqa: F821


@jit
def own(x):
    x[0] = 1
    if x[1] > 0:
        raise ValueError(f"bad size {x.shape[0]}")
    return x


@jit
def checked(x):
    assert x[0] > 0, "must be positive"
    return x


@pytest.mark.parametrize(
    "function, under, args",
    [
        (reshape, "x.reshape(5, -1)", (vector(),)),
        (product, "a @ b", (np.zeros((2, 3)), np.zeros((2, 3)))),
        (join, "np.concatenate([a, b])", (np.zeros((2, 3)), np.zeros((2, 4)))),
        (attribute, "x.nosuch", (vector(),)),
        (axis, "x.sum(axis=3)", (vector(),)),
        (truth, "if x > 0:", (vector(),)),
        (half, "x += 0.5", (np.arange(3),)),
        (largest, "x.max()", (np.zeros(0),)),
        (divide, "7 // n", (vector(), 0)),
        (unknown, "nosuch", (vector(),)),
        (own, 'raise ValueError(f"bad size {x.shape[0]}")', (vector(),)),
        (checked, 'assert x[0] > 0, "must be positive"', (vector(),)),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_errors_of_numpy_and_python(function: Any, under: str, args: tuple[Any, ...]) -> None:
    if function is checked:  # pytest rewrites the assertions of the plain function
        with pytest.raises(AssertionError) as caught:
            checked(*args)
        assert str(caught.value).startswith("must be positive\n") and marked(str(caught.value))[2] == under
        return
    fails(function, under, *args)


def helper(x):
    return x + x[:5]


@jit
def calls_helper(x):
    return helper(x)


def test_the_place_is_in_the_helper() -> None:
    error = fails(calls_helper, "x + x[:5]", vector())
    assert "in helper" in str(error)


@jit
def write_one(x):
    x[1] = -2
    return x


def test_read_only_memory_is_an_error_of_that_call_only() -> None:
    for size in (0, 1, 3):
        frozen = np.zeros(size)
        frozen.flags.writeable = False
        for _ in range(2):
            fails_read_only(frozen)
            if size > 1:
                assert write_one(np.zeros(size))[1] == -2
            else:
                with pytest.raises(IndexError):
                    write_one(np.zeros(size))
            fails_read_only(frozen)


def fails_read_only(x: np.ndarray) -> None:
    with pytest.raises(ValueError, match="assignment destination is read-only") as caught:
        write_one(x)
    assert marked(str(caught.value))[2] == "x[1]"


# --- unsupported constructs ---------------------------------------------------------------------------------------


@jit
def everything(x):
    x[0] = 99
    try:
        x[1] = 0
    except ValueError:
        pass
    with open("x"):
        pass
    y = np.save("q", x)
    x.tofile("q")
    z = y + 1  # depends on what was refused: no finding of its own
    return {v for v in x}, z


def test_all_findings_of_a_function_are_reported_together() -> None:
    error = refused(everything, "try:", vector())
    text = str(error)
    assert text.startswith("pydsl cannot compile `everything`, for 5 reasons:\n1. ")
    assert [marked(text, k)[2] for k in range(5)] == [
        "try:",
        'with open("x"):',
        'np.save("q", x)',
        'x.tofile("q")',
        "{v for v in x}",
    ]
    assert text.count("write instead: ") == 5
    lines = [d.location.line for d in error.diagnostics if d.location]
    assert lines == sorted(lines)


@jit
def polynomial(x):
    return np.polynomial.polynomial.polyfit(x, x, 1)


@jit
def own_mistake(x):
    return np.sum(x, axes=1)


@jit
def ranks(x):
    y = x
    if x[0] < 1:
        y = x[None]
    return y


@jit
def factorial(n):
    return 1 if n <= 1 else n * factorial(n - 1)


@jit
def writes_text(x):
    return f"{x[0]}"


@jit
def to_objects(x):
    return x.astype(object)


@jit
def to_strings(x):
    return np.zeros(3, dtype="U5")


@pytest.mark.parametrize(
    "function, under, words",
    [
        (
            polynomial,
            "np.polynomial.polynomial.polyfit(x, x, 1)",
            ("polyfit`", "pydsl.callback(f, result=...)"),
        ),
        (own_mistake, "np.sum(x, axes=1)", ("`np.sum`", "unexpected keyword argument 'axes'")),
        (ranks, "y", ("float64 array of shape (1, 12)", "float64 array of shape (12,)", "y = x[None]")),
        (factorial, "factorial(n - 1)", ("the recursive call of `factorial`", "write instead: a loop")),
        (writes_text, 'return f"{x[0]}"', ("returning a text",)),
        (to_objects, "x.astype(object)", ("dtype object", "write instead: bool, an integer")),
        (to_strings, 'np.zeros(3, dtype="U5")', ("dtype <U5",)),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_unsupported(function: Any, under: str, words: tuple[str, ...]) -> None:
    error = refused(function, under, 5 if function is factorial else vector())
    assert isinstance(error, NotImplementedError)
    for word in words:
        assert word in str(error)


# --- arguments ----------------------------------------------------------------------------------------------------


@jit
def same(x, y=None):
    return x


RECORD = np.dtype([("a", "f8"), ("b", "i4")])


@pytest.mark.parametrize(
    "argument, dtype",
    [
        (np.array([None, "x"]), "object"),
        (np.array(["text"]), "<U4"),
        (np.array([b"text"]), "|S4"),
        (np.zeros(2, RECORD), "[('a', '<f8'), ('b', '<i4')]"),
        (np.zeros(2, "M8[s]"), "datetime64[s]"),
        (np.zeros(2, ">f8"), ">f8"),
        (np.zeros(2, np.longdouble), str(np.dtype(np.longdouble))),
        (np.str_("text"), "<U4"),
    ],
    ids=str,
)
def test_unsupported_dtypes(argument: Any, dtype: str) -> None:
    error = refused(same, "x", argument)
    assert isinstance(error, UnsupportedDtypeError)
    assert str(error).startswith(f"pydsl cannot compile `same`: argument `x` has dtype {dtype}, which is not")
    assert "write instead: an array of booleans, integers, floats or complex numbers" in str(error)


def test_every_unsupported_argument_is_named_where_it_stands() -> None:
    error = refused(same, "x", np.array([None]), y=[{1, 2}])
    text = str(error)
    assert "for 2 reasons" in text
    assert marked(text, 1)[2] == "y" and "argument `y[0]` is an object of class builtins.set" in text


def test_a_supported_call_works_after_a_refused_one() -> None:
    refused(same, "x", np.array([None]))
    np.testing.assert_array_equal(same(vector()), vector())


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2})])
def test_wrong_calls(call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    args, kwargs = call
    with pytest.raises(TypeError) as expected:
        same.__wrapped__(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        same(*args, **kwargs)
    assert str(caught.value) == str(expected.value)


# --- what can be decorated ----------------------------------------------------------------------------------------


def test_functions_without_source() -> None:
    scope: dict[str, Any] = {}
    exec("def typed(x):\n    return x + 1", scope)
    for function, name in ((scope["typed"], "typed"), (eval("lambda x: x + 1"), "<lambda>")):
        error = refused(jit(function), "", vector())
        assert isinstance(error, SourceUnavailableError)
        assert f"cannot compile `{name}`: its source is not available" in str(error)
        assert 'File "<string>", line 1' in str(error)
        assert "the function in a file or a notebook cell" in str(error)


@jit
def generator(x):
    x += 1
    yield x


@jit
async def coroutine(x):
    return x


def test_generators_and_coroutines() -> None:
    assert "a generator function" in str(refused(generator, "yield x", vector()))
    assert "an asynchronous function" in str(refused(coroutine, "async def coroutine(x):", vector()))


def test_lambdas() -> None:
    one = jit(lambda x: x + 1)
    np.testing.assert_array_equal(one(vector()), vector() + 1)
    two, _ = jit(lambda x: x + 2), jit(lambda x: x + 3)
    assert "cannot be told apart from others on its line" in str(refused(two, "", vector()))


def test_things_that_are_no_functions() -> None:
    with pytest.raises(TypeError, match=r"not the class .*Plain: decorate its methods"):

        @jit
        class Plain:
            pass

    for wrapper in (staticmethod, classmethod):
        with pytest.raises(
            TypeError, match=f"not a {wrapper.__name__}: write @{wrapper.__name__} above @jit"
        ):
            jit(wrapper(helper))
    with pytest.raises(TypeError, match=r"not method .*: decorate `Methods.plain` itself"):
        jit(Methods().unwrapped)
    with pytest.raises(TypeError, match=r"not partial .*: decorate `helper` itself"):
        jit(functools.partial(helper, 1))
    with pytest.raises(TypeError, match="not int"):
        jit(3)  # type: ignore[call-overload]


def plain(self, x):
    return x + 1


plain.__qualname__ = "Methods.plain"


class Methods:
    def __init__(self) -> None:
        self.weight = 3.0

    unwrapped = plain

    @jit
    def scaled(self, x):
        return x * self.weight

    @staticmethod
    @jit
    def static(x):
        return x + 1

    @classmethod
    @jit
    def of_class(cls, x):
        return x + 2


@dataclasses.dataclass
class Layer:
    weight: np.ndarray
    bias: float = 0.5

    @jit
    def __call__(self, x):
        return x * self.weight + self.bias


def test_methods() -> None:
    np.testing.assert_array_equal(Methods.static(vector()), vector() + 1)
    np.testing.assert_array_equal(Methods().static(vector()), vector() + 1)
    np.testing.assert_array_equal(Methods.of_class(vector()), vector() + 2)
    np.testing.assert_array_equal(Layer(vector())(vector()), vector() ** 2 + 0.5)
    error = refused(Methods().scaled, "self", vector())
    assert "argument `self` is an object of class" in str(error) and "write instead: a dataclass" in str(
        error
    )


def test_nested_functions_read_their_closures() -> None:
    def make(k: Any) -> Any:
        @jit
        def inner(x):
            return x * k

        return inner

    x = vector()
    np.testing.assert_array_equal(make(3.0)(x), x * 3)
    np.testing.assert_array_equal(make(x)(x), x * x)  # one array by two ways, only read
    k = 2.0

    @jit
    def follows(x):
        return x * k

    assert follows(x)[1] == 2
    k = 5.0
    assert follows(x)[1] == 5, "a closure that changes is noticed"


def test_nonlocal_is_refused() -> None:
    count = 0

    @jit
    def counts(x):
        nonlocal count
        count += 1
        return x

    assert "`nonlocal` statements" in str(refused(counts, "nonlocal count", vector()))


def test_memory_shared_with_a_captured_array_that_is_written() -> None:
    shared = vector()

    @jit
    def writes(x):
        x[1:] = shared[:-1]

    error = refused(writes, "def writes(x):", shared)
    assert "a global array and an argument share" in str(error)
    np.testing.assert_array_equal(shared, vector())
    other = np.zeros(12)
    writes(other)
    np.testing.assert_array_equal(other[1:], shared[:-1])


@jit
def variadic(*args, **kwargs):
    return args[0] * len(args) + kwargs["b"]


@jit
def defaults(x, k=2, *, m=None):
    return x * k if m is None else x * m


def test_variadic_functions() -> None:
    x = vector()
    np.testing.assert_array_equal(variadic(x, b=x), x + x)
    np.testing.assert_array_equal(variadic(x, x, 3, b=0.5), x * 3 + 0.5)
    with pytest.raises(KeyError) as caught:
        variadic(x)
    assert str(caught.value).startswith("'b'\n") and marked(str(caught.value))[2] == 'kwargs["b"]'


def test_defaults_and_keywords() -> None:
    x = vector()
    for args, kwargs in (((x,), {}), ((x, 3), {}), ((x,), {"k": 4}), ((), {"x": x, "m": 5.0})):
        np.testing.assert_array_equal(defaults(*args, **kwargs), defaults.__wrapped__(*args, **kwargs))


def test_targets() -> None:
    with pytest.raises(ValueError, match=r"'tpu'.*expected one of cpu, cuda, simulator"):
        jit(target="tpu")


@jit
def by_axis(x, k, digits, q):
    return x.sum(axis=k), np.round(x, digits), np.percentile(x, q)


@jit
def axis_from_data(x):
    return x.sum(axis=int(x[0, 0]))


def test_axes_and_digits_may_be_arguments() -> None:
    x = np.linspace(0, 1, 6).reshape(2, 3)
    for k, digits, q in ((0, 1, 25.0), (1, 2, 50), (-1, 0, 75.0)):
        for mine, theirs in zip(by_axis(x, k, digits, q), by_axis.__wrapped__(x, k, digits, q), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-15)
    with pytest.raises(np.exceptions.AxisError) as caught:
        by_axis(x, 2, 1, 50)
    assert marked(str(caught.value))[2] == "x.sum(axis=k)"
    error = refused(axis_from_data, "x.sum(axis=int(x[0, 0]))", x)
    assert "an axis must be known at compile time" in str(error)
