"""What the front end raises while it builds a function.

Three different things can go wrong during abstract evaluation, and they end in three different places:
:class:`NumpyError` is the user's program raising (the evaluator turns it into a run-time ``raise`` at that point),
:class:`Unsupported` is a limit of the compiler (collected, reported together as ``UnsupportedError``), and
:class:`NeedStatic` asks for a specialisation on the value of an argument.
"""

from __future__ import annotations

from typing import Any

from pydsl.errors import SourceLocation


class FrontendFailure(Exception):  # noqa: N818
    """Base of the three.

    location: the innermost expression or statement that failed; the evaluator fills it in.
    related: further places, each with a few words.
    """

    location: SourceLocation | None = None
    related: tuple[tuple[str, SourceLocation], ...] = ()


class NumpyError(FrontendFailure):
    """The program raises here, whatever the values are: NumPy's (or Python's) own exception.

    Parameters
    ----------
    error: the exception class.
    message: its text, as NumPy gives it.
    """

    def __init__(self, error: type[Exception], message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


class Unsupported(FrontendFailure):
    """The compiler cannot do this.

    Parameters
    ----------
    construct: what was met, as the user would name it.
    hint: what to write instead ("" where there is nothing to suggest).
    """

    def __init__(self, construct: str, hint: str = "") -> None:
        super().__init__(f"{construct}{'; ' + hint if hint else ''}")
        self.construct = construct
        self.hint = hint


class NeedStatic(FrontendFailure):
    """A dynamic value is needed at compile time: specialise on it.

    Parameters
    ----------
    leaf: the dynamic value (an IR value that is a function argument or is computed from one).
    """

    def __init__(self, leaf: Any, why: str = "") -> None:
        super().__init__(why or f"{leaf!r} must be known at compile time")
        self.leaf = leaf
        self.why = why
        self.hint = ""
