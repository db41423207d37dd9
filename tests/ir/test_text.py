"""The text form: what it looks like, and that it reads back to the same function."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl.ir.affine import Affine
from pydsl.ir.core import Function
from pydsl.ir.interpreter import interpret
from pydsl.ir.parser import IRSyntaxError, parse_function
from pydsl.ir.printer import constant_table, print_function, print_op
from tests.ir import build


def round_trip(function: Function) -> Function:
    text = print_function(function)
    again = parse_function(text, constant_table(function))
    assert print_function(again) == text
    return again


@pytest.mark.parametrize("name", build.EXAMPLES)
def test_every_print_parses_to_the_same_text(name: str) -> None:
    make, args = build.EXAMPLES[name]
    function = make(*args)
    round_trip(function)
    bare = print_function(function, locations=False, versions=False)
    table = constant_table(function)
    assert print_function(parse_function(bare, table), locations=False, versions=False) == bare


@pytest.mark.parametrize("name", build.EXAMPLES)
def test_a_parsed_function_computes_the_same(name: str) -> None:
    make, args = build.EXAMPLES[name]
    first, second = [a.copy() for a in args], [a.copy() for a in args]
    function = make(*first)
    expected = interpret(function, first)
    actual = interpret(round_trip(function), second)
    assert actual.site == expected.site
    for a, b in zip(first + expected.values, second + actual.values, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


def test_the_text_of_a_store_shows_versions() -> None:
    assert print_function(build.shift_in_place(build.VECTOR)).splitlines() == [
        "func @shift {",
        "  storage @x : arg float64 nbytes 48",
        "^(%x.0 : float64[6] in @x):",
        "  %1 = view %x.0 <how = 'index'> : float64[5] offset 8 in @x loc('f.py':2:4)",
        "  %2 = view %x.0 <how = 'index'> : float64[5] in @x loc('f.py':3:4)",
        "  store %1, %2 reads @x v0 -> @x v1 loc('f.py':4:4)",
        "  return %x.0 <site = 0> loc('f.py':5:4)",
        "}",
    ]


def test_a_loop_begins_with_a_version_and_ends_with_another() -> None:
    text = print_function(build.loop_sum(build.VECTOR), locations=False)
    assert "-> @x v3 {" in text
    assert "within [0, 5], %s.6 : float64) -> @x v1:" in text
    assert "reads @x v1" in text
    assert "store %7, %s.9 -> @x v2" in text


def test_one_operation() -> None:
    function = build.shift_in_place(build.VECTOR)
    assert print_op(function, function.body.ops[2]).startswith("store %1, %2")


VALUES = [
    *(None, True, 7, -(2**70), 0.1, -0.0, float("nan"), -float("inf"), 1e-300, 3j, 'it\'s "so"\n', (), (1,)),
    *((1, (2.5, "a")), [1, None], np.dtype(np.float16), np.float32(1e-45), np.int8(-3), np.bool_(False)),
    *(
        np.uint32(0xFFC00001).view(np.float32),
        np.complex128(complex(-0.0, float("nan"))),
        np.hypot,
        IndexError,
    ),
    *(np.linalg.LinAlgError, np.exceptions.AxisError, Affine.of(3), type("Mine", (Exception,), {})),
    float(np.uint64(0xFFF8000000000000).view(np.float64)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_attribute_values(value: object) -> None:
    m = build.Maker()
    m.emit("view", [], [], how=value)
    again = round_trip(m.ret()).body.ops[0].attrs["how"]
    assert type(again) is type(value)
    if isinstance(value, float | np.inexact):
        assert np.asarray(again).tobytes() == np.asarray(value).tobytes()
    else:
        assert again == value


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reads @x v0", "reads @x v1", "line 6: the versions after 'reads' should be @x v0"),
        ("-> @x v1", "-> @x v7", "should be @x v1"),
        ("in @x):", "in @z):", "line 3: expected a storage of the function"),
        ("store", "stroe", "line 6: expected the name of an operation, found 'stroe'"),
        ("%1, %2", "%1, %9", "used but not defined: %9"),
        ("%2 = view", "%1 = view", "defined already"),
        ("float64[6]", "float65[6]", "expected a dtype"),
        ("offset 8 in", "offset ! in", "unknown text"),
        ("^(", "(", "expected '^'"),
    ],
)
def test_a_wrong_text_is_refused(old: str, new: str, message: str) -> None:
    text = print_function(build.shift_in_place(build.VECTOR))
    with pytest.raises(IRSyntaxError) as error:
        parse_function(text.replace(old, new, 1))
    assert message in str(error.value)
