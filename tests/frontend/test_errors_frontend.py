"""What is refused, and what the program itself raises: text and position."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import numpy as np
import pytest

from pydsl.errors import SourceUnavailableError, UnsupportedError
from tests.frontend.tracing import check, run, traced

V = np.arange(12.0)


def refused(function: Any, *args: Any) -> UnsupportedError:
    with pytest.raises(UnsupportedError) as caught:
        traced(function, *args)
    return caught.value


def test_position_and_carets() -> None:
    def f(x):
        y = x + 1
        try:
            y += 1
        except ValueError:
            pass
        return y

    error = refused(f, V)
    text = str(error)
    assert "`try` with `except`" in text
    assert "write instead" in text
    (diagnostic,) = error.diagnostics
    assert diagnostic.location is not None
    assert diagnostic.location.source.strip() == "try:"
    assert diagnostic.location.file == __file__
    assert "^^^" in text


def test_all_findings_are_reported_together() -> None:
    def f(x):
        global V
        input("q")
        y = np.save("q", x)
        z = y + 1
        with open("x") as file:  # noqa: F841
            pass
        return x[True], z

    error = refused(f, V)
    lines = [d.location.source.strip() for d in error.diagnostics if d.location]
    assert lines == [
        "global V",
        'input("q")',
        'y = np.save("q", x)',
        'with open("x") as file:  # noqa: F841',
        "return x[True], z",
    ]
    assert "for 5 reasons" in str(error)


def test_joins_that_do_not_meet_name_both_definitions() -> None:
    def f(x):
        if x[0] > 0:
            y = x
        else:
            y = x[:, None]
        return y + 1

    error = refused(f, V)
    text = str(error)
    assert "`y` is float64 array of shape (12,) or float64 array of shape (12, 1)" in text
    assert text.count("here it is") == 2
    assert "y = x[:, None]" in text


def test_variable_of_one_branch() -> None:
    def f(x):
        if x[0] > 0:
            y = x * 2
        return y

    assert "`y` is not defined on every way" in str(refused(f, V))


def test_variable_of_one_branch_is_no_error_if_it_is_not_used() -> None:
    def f(x):
        if x[0] > 0:
            y = x * 2
            x += y
        return x

    check(f, V)


def test_scalar_of_one_branch_is_an_error_only_when_it_is_missing() -> None:
    def f(x, t):
        if x[1] > t:
            y = 2.0
        return x * y

    check(f, V, 0.0)
    assert isinstance(check(f, V, 5.0), UnboundLocalError)


def test_unassigned_local() -> None:
    def f(x):
        x[0] = 5
        z = y + x  # noqa: F821
        y = 1
        return z, y

    assert isinstance(check(f, V), UnboundLocalError)


def test_unknown_name() -> None:
    def f(x):
        x[0] = 7
        return x + no_such_name  # noqa: F821

    assert isinstance(check(f, V), NameError)


@pytest.mark.parametrize(
    "body, words",
    [
        ("yield x", "generator"),
        ("x.sort(order='a')", "sort"),
        ("return np.polynomial.polynomial.polyval(x, [1.0, 2.0])", "polyval"),
        ("class A: pass", "a class defined inside"),
        ("nonlocal_ = [i for i in range(3) if x[i] > 0]\n    return x", "the condition of a comprehension"),
        (
            "out = []\n    if x[0] > 0:\n        out.append(None)\n    return out",
            "appended to a list that grows",
        ),
        ("LIST.append(x)", "changing a list that was made outside"),
        ("for v in iter(x):\n        pass", "iter()"),
        ("return lambda: x", "returning a function"),
        ("return f(x)", "recursive call"),
        ("while x[0] > 0:\n        return sorted(x)", "sorted()"),
        ("return str(x[0])", "text made of values"),
        ("match x:\n        case 1:\n            pass", "`match`"),
        ("import os.path_of_nothing\n    return x", "import"),
        ("x.shape = (3, 4)", "assigning to `.shape`"),
        ("return {1: 2, x[0]: 3}", "the key of a dict"),
    ],
)
def test_refused_constructs(body: str, words: str, tmp_path: Any) -> None:
    function = from_file(tmp_path, f"import numpy as np\nLIST = []\ndef f(x):\n    {body}\n")
    assert words in str(refused(function, V))


def from_file(folder: Any, source: str, name: str = "f") -> Any:
    import importlib.util

    file = folder / f"module_{abs(hash(source))}.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_function_without_source() -> None:
    scope: dict[str, Any] = {}
    exec("def f(x):\n    return x", scope)
    with pytest.raises(SourceUnavailableError, match="its source is not available"):
        traced(scope["f"], V)


def test_helper_without_source() -> None:
    scope: dict[str, Any] = {}
    exec("def g(x):\n    return x", scope)
    g = scope["g"]

    def f(x):
        return g(x) + 1

    text = str(refused(f, V))
    assert "the call of `g`: its source is not available" in text
    assert "return g(x) + 1" in text


def test_generator_and_async() -> None:
    def generator(x):
        yield x

    async def coroutine(x):
        return x

    assert "generator" in str(refused(generator, V))
    assert "asynchronous" in str(refused(coroutine, V))
    assert asyncio.iscoroutinefunction(coroutine)


def test_lambda() -> None:
    f = lambda x: x * 2 + 1
    check(f, V)


def test_two_lambdas_on_a_line() -> None:
    f, _ = (lambda x: x * 2), (lambda x: x * 3)
    assert "cannot be told apart" in str(refused(f, V))


def test_errors_of_the_program_happen_at_their_place() -> None:
    def f(x, n):
        x[0] = -1
        if n > 3:
            x[1] = x[20]
        x[2] = -1
        return x

    check(f, V, 3)
    assert isinstance(check(f, V, 4), IndexError)


def test_python_errors_of_static_code() -> None:
    def f(x):
        x[0] = 3
        table = {"a": 1}
        return x + table["b"]

    assert isinstance(check(f, V, messages=False), KeyError)


def test_wrong_arguments_of_helpers() -> None:
    def g(a, b, *, c=1):
        return a + b + c

    def few(x):
        return g(x)

    def many(x):
        return g(x, 1, 2)

    def keyword(x):
        return g(x, 1, d=3)

    def twice(x):
        return g(x, 1, a=3)

    for function in (few, many, keyword, twice):
        error = check(function, V, messages=False)
        assert isinstance(error, TypeError)
        with pytest.raises(TypeError) as caught:
            run(function, V)
        assert str(error).replace("test_wrong_arguments_of_helpers.<locals>.", "") in str(caught.value)


def test_division_by_zero_of_python_ints() -> None:
    def f(x, n):
        x[0] = 5
        return x, 7 // n

    assert isinstance(check(f, V, 0), ZeroDivisionError)


def test_broadcast_error_after_an_effect() -> None:
    def f(x):
        x[0] = 5
        return x + x[:5]

    assert isinstance(check(f, V), ValueError)


def test_read_only_argument() -> None:
    def f(x):
        x[0] = 1

    x = V.copy()
    x.flags.writeable = False
    assert isinstance(check(f, x), ValueError)


def test_argument_list_cannot_be_changed() -> None:
    def f(items):
        items.append(1)

    assert "changing a list that was made outside" in str(refused(f, [V]))


def test_recursion_by_way_of_another_function(tmp_path: Any) -> None:
    function = from_file(tmp_path, "def g(x): return f(x)\ndef f(x): return g(x)\n")
    assert "recursive call" in str(refused(function, V))


def test_failure_inside_a_helper_points_there() -> None:
    def g(x):
        return x.nosuch

    def f(x):
        return g(x)

    with pytest.raises(AttributeError) as caught:
        run(f, V)
    assert "return x.nosuch" in str(caught.value)


def test_endless_unrolling() -> None:
    def f(x):
        items = [1]
        for item in items:
            items.append(item + 1)
        return x

    assert "evaluated too often" in str(refused(f, V))


@dataclasses.dataclass
class Holder:
    array: Any

    def __post_init__(self) -> None:
        self.array = self.array + 1


def test_post_init() -> None:
    def f(x):
        return Holder(x)

    assert "__post_init__" in str(refused(f, V))


def test_return_in_a_loop_of_a_helper_is_supported() -> None:
    def g(x, t):
        for i in range(x.shape[0]):
            if x[i] > t:
                return i
        return -1

    def f(x):
        return g(x, 3.0)

    check(f, V)
