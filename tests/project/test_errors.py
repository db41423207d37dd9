"""How errors read, and that they survive pickling and the odd exception class."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

from pydsl.errors import (
    Diagnostic,
    InternalCompilerError,
    KnobError,
    PydslError,
    SourceLocation,
    SourceUnavailableError,
    UnsupportedDtypeError,
    UnsupportedError,
    VerificationError,
    render,
    user_error,
)


def locate(tmp_path: Path, source: str, part: str, function: str = "") -> SourceLocation:
    """The location of the first expression or statement whose text is `part`."""
    file = tmp_path / "user.py"
    file.write_text(source, encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.expr, ast.stmt)) and ast.get_source_segment(source, node) == part:
            return SourceLocation.of(node, str(file), function)
    raise AssertionError(part)


SOURCE = "def f(x, y):\n    z = x + y @ x\n    return z\n"


def test_the_caret_is_under_the_span(tmp_path: Path) -> None:
    place = locate(tmp_path, SOURCE, "y @ x", "f")
    assert str(place) == f"{place.file}:2:13"
    assert render("shapes do not match", place).splitlines() == [
        "shapes do not match",
        f'  File "{place.file}", line 2, column 13, in f',
        "    z = x + y @ x",
        "            ^^^^^",
    ]


def test_columns_count_characters_not_bytes(tmp_path: Path) -> None:
    place = locate(tmp_path, "größe = ä + bad(1)\n", "bad(1)")
    assert place.col == 15  # bytes
    assert place.column == 13
    assert place.render().splitlines()[1:] == ["    größe = ä + bad(1)", "                ^^^^^^"]


def test_tabs_and_wide_characters_keep_the_caret_in_place(tmp_path: Path) -> None:
    place = locate(tmp_path, "x = '漢字' + bad\n", "bad")
    assert place.render().splitlines()[-1] == "    " + " " * 13 + "^^^"
    place = SourceLocation(str(tmp_path / "tabs.py"), 1, 4, 1, 7)
    (tmp_path / "tabs.py").write_text("x\t=\tbad\n")
    assert place.render().splitlines()[-1] == "     \t \t^^^"


def test_a_span_over_lines_ends_with_its_first_line(tmp_path: Path) -> None:
    place = locate(tmp_path, "x = f(1,\n      2)\n", "f(1,\n      2)")
    assert place.render().splitlines()[-1] == "        ^^^^"


def test_a_part_of_a_file_is_shifted_back(tmp_path: Path) -> None:
    file = tmp_path / "user.py"
    file.write_text("class A:\n    def f(x):\n        return bad\n")
    tree = ast.parse("def f(x):\n    return bad\n")  # as a front end sees it: dedented
    (node,) = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    place = SourceLocation.of(node, str(file), "A.f", first_line=2, indent=4)
    assert (place.line, place.col, place.end_line, place.end_col) == (3, 15, 3, 18)
    assert place.render().splitlines()[1:] == ["    return bad", "           ^^^"]


def test_a_missing_source_leaves_the_heading() -> None:
    place = SourceLocation("<stdin>", 3, 4, 3, 6, "f")
    assert place.render() == '  File "<stdin>", line 3, column 5, in f'
    assert render("text", None) == "text"


def test_locations_without_an_end_get_one_caret(tmp_path: Path) -> None:
    place = locate(tmp_path, SOURCE, "y @ x")
    assert SourceLocation(place.file, 2, 12).render().splitlines()[-1] == "            ^"


def test_one_unsupported_construct(tmp_path: Path) -> None:
    place = locate(tmp_path, SOURCE, "y @ x", "f")
    error = UnsupportedError.at(place, "matrix product of objects", "np.dot(y, x)")
    assert isinstance(error, NotImplementedError)
    assert isinstance(error, PydslError)
    assert str(error).splitlines() == [
        "pydsl cannot compile `f`: matrix product of objects",
        f'  File "{place.file}", line 2, column 13, in f',
        "    z = x + y @ x",
        "            ^^^^^",
        "  write instead: np.dot(y, x)",
    ]


def test_all_unsupported_constructs_are_reported_in_source_order(tmp_path: Path) -> None:
    first, second = locate(tmp_path, SOURCE, "z = x + y @ x"), locate(tmp_path, SOURCE, "return z")
    late = Diagnostic(second, "late", related=(("first defined here", first),))
    early = Diagnostic(first, "early", "something else")
    error = UnsupportedError([late, early, late], "f")
    assert error.diagnostics == (early, late)
    assert str(error).splitlines() == [
        "pydsl cannot compile `f`, for 2 reasons:",
        "1. early",
        *first.render().splitlines(),
        "  write instead: something else",
        "2. late",
        *second.render().splitlines(),
        "  first defined here:",
        *first.render().splitlines(),
    ]


def test_kinds_of_unsupported() -> None:
    dtype = UnsupportedDtypeError("argument `x`", np.dtype(object), function="f")
    assert "argument `x` has dtype object, which is not supported" in str(dtype)
    source = SourceUnavailableError("f", "it was typed at the prompt")
    assert "pydsl cannot compile `f`: its source is not available (it was typed at the prompt)" in str(source)
    assert "write instead: the function in a file" in str(source)


def test_internal_errors_ask_for_a_report() -> None:
    error = InternalCompilerError("no such value", stage="fusion")
    assert str(error).startswith("internal compiler error in fusion: no such value\nThis is a bug in pydsl")
    assert not isinstance(error, UnsupportedError)
    invalid = VerificationError(["%1 is used before it is defined", "the block has no end"], "canonicalise")
    assert isinstance(invalid, InternalCompilerError)
    assert (
        "in canonicalise: the program is not valid (2 found)\n  - %1 is used before it is defined\n  - the"
        in str(invalid)
    )


PLACE = SourceLocation("<stdin>", 1)


@pytest.mark.parametrize(
    "error",
    [
        KnobError("PYDSL_LOG", "x", "one of"),
        UnsupportedError([Diagnostic(PLACE, "m", "h")], "f"),
        UnsupportedDtypeError("argument `x`", "object", PLACE, "f"),
        SourceUnavailableError("f", "why", PLACE),
        InternalCompilerError("m", PLACE, "s"),
        VerificationError(["a", "b"], "s", PLACE),
        user_error(ValueError, "m", PLACE),
        user_error(KeyError, "m", PLACE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, type(error).__mro__[1] if isinstance(error, KeyError) else type(error))
    if not isinstance(error, KeyError):
        assert str(copy) == str(error)


@pytest.mark.parametrize(
    "exc_class",
    [
        ValueError,
        IndexError,
        TypeError,
        ZeroDivisionError,
        OverflowError,
        AssertionError,
        FloatingPointError,
        MemoryError,
        KeyError,
        np.exceptions.AxisError,
        np.linalg.LinAlgError,
    ],
)
def test_errors_of_numpy_keep_their_class(exc_class: type[BaseException], tmp_path: Path) -> None:
    place = locate(tmp_path, SOURCE, "y @ x", "f")
    error = user_error(exc_class, "NumPy's words", place)
    assert isinstance(error, exc_class)
    assert type(error).__name__ == exc_class.__name__ or exc_class is KeyError
    assert str(error) == "NumPy's words\n" + place.render()
    assert error.location is place


def test_private_classes_of_numpy_fall_back_to_their_public_base(tmp_path: Path) -> None:
    place = locate(tmp_path, SOURCE, "y @ x")
    with pytest.raises(TypeError) as caught:
        np.add(np.zeros(2), "text", casting="no")
    error = user_error(type(caught.value), str(caught.value), place)
    assert type(error) is TypeError
    assert str(error).startswith(str(caught.value))


def test_user_errors_without_a_place() -> None:
    assert str(user_error(IndexError, "out of bounds")) == "out of bounds"
