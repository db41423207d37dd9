"""The generator itself: deterministic, diverse, and its comparison and shrinker find planted errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pydsl.errors import UnsupportedError
from tests.generator.check import check_program, check_seed, summary
from tests.generator.generate import generate
from tests.generator.program import Argument, Buffer, Line, Program
from tests.generator.validity import why_undefined


def program(body: str, **arrays: Any) -> Program:
    """A program on whole buffers."""
    buffers = tuple(Buffer(f"b_{name}", np.asarray(data).ravel()) for name, data in arrays.items())
    arguments = tuple(
        Argument(name, f"b_{name}.reshape({np.asarray(data).shape})") for name, data in arrays.items()
    )
    return Program(0, (), buffers, arguments, tuple(Line(line) for line in body.split("\n")))


def same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def test_a_seed_is_a_program() -> None:
    for seed in range(20):
        assert generate(seed).source() == generate(seed).source()
    assert len({generate(seed).source() for seed in range(50)}) == 50


def test_programs_are_diverse() -> None:
    source = "".join(generate(seed).source() for seed in range(400))
    words = [
        "::-1",
        "None",
        "...",
        ".T",
        ".reshape(",
        "out=",
        "while ",
        "for ",
        "if ",
        "else:",
        "np.where",
        "+=",
    ]
    words += [
        "axis=",
        "keepdims",
        "break",
        "continue",
        "def h",
        "np.array([",
        "raise",
        "nan",
        "[::2",
        ".copy()",
    ]
    assert [word for word in words if source.count(word) < 5] == []
    dtypes = Counter(word.split(")")[0] for word in source.split("dtype=np.")[1:])
    assert len(dtypes) >= 14


def test_python_agrees_with_itself() -> None:
    reports = [check_seed(seed, {"same": same}) for seed in range(100)]
    assert not any(report.failures for report in reports)
    assert 1 < sum(report.raised for report in reports) < 30
    assert "same: 100 agree, 0 refused, 0 FAIL" in summary(reports, ["same"])


X = np.arange(6.0).reshape(2, 3)

WRONG: dict[str, tuple[str, Callable[[Any], Callable[..., Any]]]] = {
    "effects": ("x[0] = 7", lambda f: lambda x: f(x.copy())),
    "dtype": ("return x + 1", lambda f: lambda x: f(x).astype(np.float32)),
    "shape": ("return x + 1", lambda f: lambda x: f(x)[None]),
    "value": ("return x * 0", lambda f: lambda x: -f(x)),
    "layout": ("return x.T + 1", lambda f: lambda x: f(x).copy()),
    "view": ("return x[1:]", lambda f: lambda x: f(x).copy()),
    "identity": ("return x", lambda f: lambda x: f(x)[...]),
    "type": ("return x.shape[0]", lambda f: lambda x: np.int64(f(x))),
    "raises": ("return x[5]", lambda f: lambda x: x),
    "exception": ("return x[5]", lambda f: lambda x: [].pop() if False else int("no")),
}


@pytest.mark.parametrize("kind", WRONG)
def test_differences_are_found(kind: str) -> None:
    body, executor = WRONG[kind]
    report = check_program(program(body, x=X), {"wrong": executor}, shrinking=False)
    assert [failure.difference.kind for failure in report.failures] == [kind]


def test_a_view_of_another_place_is_found() -> None:
    report = check_program(
        program("return x[1:, :]", x=np.ones((3, 3))), {"wrong": lambda f: lambda x: x[:2]}
    )
    assert "another place" in report.failures[0].difference.text


def test_a_failing_program_is_shrunk() -> None:
    def no_multiplication(function: Any) -> Any:
        source = function.__code__.co_filename
        import linecache

        text = "".join(linecache.getlines(source)).replace("*=", "+=")
        names: dict[str, Any] = {"np": np}
        exec(text, names)
        return names["f"]

    body = "t = y + 1\nfor i in range(2):\n    y[0] = i\nx[1:] *= y[1:] + t[1:]\nz = x - y\nreturn z, x, t"
    report = check_program(program(body, x=np.ones(4), y=np.full(4, 3.0)), {"wrong": no_multiplication})
    (failure,) = report.failures
    assert len(failure.program.body) == 1
    assert "*=" in failure.program.function_source
    assert "def inputs():" in failure.text()


def test_a_second_call_is_compared_where_there_is_state() -> None:
    def remember(function: Any) -> Any:
        answers: list[Any] = []

        def call(x: Any) -> Any:
            answers.append(function(x))
            return answers[0]

        return call

    assert not check_program(program("return x.sum()", x=X), {"remember": remember}).failures
    remember.stateful = True  # type: ignore[attr-defined]
    body = "return x[0, 0] + 0"
    (failure,) = check_program(program(body, x=X), {"remember": remember}, shrinking=False).failures
    assert failure.difference.kind == "value again with other data"


def test_refusals_are_counted() -> None:
    def refuse(function: Any) -> Any:
        def call(*args: Any) -> Any:
            raise UnsupportedError.at(None, "the operation 7")

        return call

    report = check_program(program("return x", x=X), {"refuses": refuse})
    assert not report.failures
    assert "the operation N" in summary([report], ["refuses"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return (x / 3).sum()", "depends on the order"),
        ("return x.sum()", ""),
        ("return (x / 0).astype(np.int32)", "cast to an integer"),
        ("x[0] = 1\nreturn np.maximum(-(x * 0), x * 0)", "two zeros"),
        ("k = 2\nfor i in range(9):\n    k = k * k\nreturn k", "beyond 64 bits"),
        ("while True:\n    pass", "too long"),
        ("return y", "NameError"),
        ("return x @ x.T", ""),
        ("return (x / 3) @ x.T", "depends on the order"),
        ("y = x / 3 + 1j\nreturn y * y", "complex"),
        ("y = x / 3 + 1j\ny *= y\nreturn y", "complex"),
        ("y = x + 1j\nreturn y * y", ""),
        ("y = x.ravel()\ny[::2] = y[:3]", "overlapping"),
        ("y = x.ravel()\ny[1:] = y[:-1]", ""),
        ("return abs(x + 1j)", "magnitude"),
        ("return x[7]", ""),
    ],
)
def test_what_numpy_leaves_open_is_not_compared(body: str, reason: str) -> None:
    found = why_undefined(program(body, x=X))
    assert reason in found
    assert bool(reason) == bool(found)
