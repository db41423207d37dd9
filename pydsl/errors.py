"""Every error that a user can meet, and how a place in the user's source is shown.

Three kinds, never confused:

- What NumPy or Python would raise (`user_error`): the same exception class, NumPy's message, then the user's line.
- What the compiler does not support (`UnsupportedError` and its kinds): all findings of a function in one exception.
- A bug of the compiler (`InternalCompilerError` and its kinds): says so and asks for a report.

Each class holds the template of its message; callers hand over facts, not sentences. Nothing here knows the IR.
"""

from __future__ import annotations

import linecache
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import ast

__all__ = [
    "CudaError",
    "CudaUnavailableError",
    "DeviceError",
    "DeviceMemoryError",
    "Diagnostic",
    "DriverTooOldError",
    "InternalCompilerError",
    "KnobError",
    "LostContextError",
    "PydslError",
    "SourceLocation",
    "SourceUnavailableError",
    "UnsupportedDtypeError",
    "UnsupportedError",
    "VerificationError",
    "render",
    "user_error",
]


# --- places in the source -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A span of the user's source.

    Lines count from 1. Columns are what `ast` gives: they count from 0, in bytes of the UTF-8 text of the line, and
    `end_col` is the first one after the span. Printed columns count characters from 1.
    """

    file: str
    line: int
    col: int = 0
    end_line: int | None = None
    end_col: int | None = None
    function: str = ""

    @classmethod
    def of(
        cls,
        node: ast.expr | ast.stmt | ast.arg | ast.keyword,
        file: str,
        function: str = "",
        *,
        first_line: int = 1,
        indent: int = 0,
    ) -> SourceLocation:
        """The span of a node of a tree that was parsed from a part of `file`.

        `first_line` is the line of the file on which the parsed text began, `indent` the number of columns that were
        removed from each of its lines.
        """
        end_line, end_col = node.end_lineno, node.end_col_offset
        return cls(
            file,
            node.lineno + first_line - 1,
            node.col_offset + indent,
            None if end_line is None else end_line + first_line - 1,
            None if end_col is None else end_col + indent,
            function,
        )

    @property
    def source(self) -> str:
        """The text of the first line, without its line end; empty if the file cannot be read."""
        return linecache.getline(self.file, self.line).rstrip("\r\n")

    @property
    def column(self) -> int:
        """The column to print: characters, from 1."""
        return _characters(self.source, self.col) + 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def render(self) -> str:
        """File, line, column and function, the source line, and carets under the span."""
        inside = f", in {self.function}" if self.function else ""
        heading = f'  File "{self.file}", line {self.line}, column {self.column}{inside}'
        text = self.source
        if not text.strip():
            return heading
        margin = len(text) - len(text.lstrip())
        start = max(_characters(text, self.col), margin)
        pad = "".join("\t" if char == "\t" else " " * _width(char) for char in text[margin:start])
        carets = "^" * max(1, sum(map(_width, text[start : self._last_character(text)])))
        return f"{heading}\n    {text[margin:]}\n    {pad}{carets}"

    def _last_character(self, text: str) -> int:
        if self.end_line is None or self.end_col is None:
            return 0
        if self.end_line > self.line:
            return len(text.rstrip())
        return _characters(text, self.end_col)


def _characters(text: str, byte_offset: int) -> int:
    """The number of characters in the first `byte_offset` bytes of the UTF-8 text; all ASCII if the text is unknown."""
    if not text:
        return byte_offset
    return len(text.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore"))


def _width(char: str) -> int:
    """The number of terminal cells that a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def render(message: str, location: SourceLocation | None) -> str:
    """A message followed by the place it is about."""
    return message if location is None else f"{message}\n{location.render()}"


# --- errors of pydsl itself ---------------------------------------------------------------------------------------


class PydslError(Exception):
    """The base of the errors that are pydsl's own."""


class KnobError(PydslError, ValueError):
    """A knob was given a value that it does not take."""

    template: ClassVar[str] = "{knob}={value!r}: expected {expected}"

    def __init__(self, knob: str, value: object, expected: str) -> None:
        super().__init__(knob, value, expected)
        self.knob = knob
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return self.template.format(knob=self.knob, value=self.value, expected=self.expected)


class ScheduleError(PydslError, ValueError):
    """A schedule asks for a loop that is not there, or for an order of work that would change results."""

    template: ClassVar[str] = "{primitive} of {loop}: {reason}"

    def __init__(self, primitive: str, loop: str, reason: str) -> None:
        super().__init__(primitive, loop, reason)
        self.primitive = primitive
        self.loop = loop
        self.reason = reason

    def __str__(self) -> str:
        return self.template.format(primitive=self.primitive, loop=self.loop, reason=self.reason)


class DeviceError(PydslError, ValueError):
    """An array is on a device where it cannot be used, or a device is named that does not exist."""

    template: ClassVar[str] = "{message}\n  write instead: {hint}"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.template.format(message=self.message, hint=self.hint)


class CudaUnavailableError(PydslError, RuntimeError):
    """A CUDA target was asked for on a machine, or in an environment, that has none. `reason` says what is missing,
    `remedy` what to do about it."""

    template: ClassVar[str] = (
        "no CUDA target here: {reason}\n  {remedy}\n"
        "  PYDSL_CUDA_SIM=1 runs the whole CUDA path on the host, for tests, without a device"
    )

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return self.template.format(reason=self.reason, remedy=self.remedy)


class CudaError(PydslError, RuntimeError):
    """The CUDA driver (or a library on it) refused something: `what` was being done, `status` is its name for why."""

    template: ClassVar[str] = "{what}: {status}{details}"

    def __init__(self, what: str, status: str, details: str = "") -> None:
        super().__init__(what, status, details)
        self.what = what
        self.status = status
        self.details = details

    def __str__(self) -> str:
        details = f"\n{self.details}" if self.details else ""
        return self.template.format(what=self.what, status=self.status, details=details)


class DriverTooOldError(CudaError):
    """The driver does not know the version of PTX that a kernel is written in."""

    template: ClassVar[str] = (
        "{what}: the driver is older than the PTX of the kernel ({status}); update the NVIDIA driver, or set "
        "PYDSL_CUDA_ARCH to an architecture that it knows{details}"
    )


class LostContextError(CudaError):
    """An earlier error destroyed the CUDA context: nothing on the device can be used any more in this process."""

    template: ClassVar[str] = (
        "{what}: the CUDA context was lost ({status}), and with it every array on the device; "
        "start a new process{details}"
    )


class DeviceMemoryError(PydslError, MemoryError):
    """There is not enough free memory on the device. The pool has been trimmed, and no array was lost."""

    template: ClassVar[str] = "out of device memory: {nbytes:,} bytes for {what}, {free:,} free of {total:,}"

    def __init__(self, what: str, nbytes: int, free: int, total: int) -> None:
        super().__init__(what, nbytes, free, total)
        self.what = what
        self.nbytes = nbytes
        self.free = free
        self.total = total

    def __str__(self) -> str:
        return self.template.format(what=self.what, nbytes=self.nbytes, free=self.free, total=self.total)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing in the user's source that cannot be compiled.

    `message` names the construct, `hint` completes the sentence "write instead: ...", and `related` are further places
    that belong to it (the two definitions whose types do not meet), each with a few words.
    """

    location: SourceLocation | None
    message: str
    hint: str = ""
    related: tuple[tuple[str, SourceLocation], ...] = ()

    def render(self) -> str:
        lines = [render(self.message, self.location)]
        lines += [render(f"  {words}:", place) for words, place in self.related]
        if self.hint:
            lines.append(f"  write instead: {self.hint}")
        return "\n".join(lines)


class UnsupportedError(PydslError, NotImplementedError):
    """The function uses something that pydsl does not compile. Nothing was executed.

    Carries every finding of the function, not only the first, in the order of the source.
    """

    one: ClassVar[str] = "pydsl cannot compile {subject}: {findings}"
    many: ClassVar[str] = "pydsl cannot compile {subject}, for {count} reasons:\n{findings}"

    def __init__(self, diagnostics: Iterable[Diagnostic], function: str = "") -> None:
        self.diagnostics = _in_order(diagnostics)
        self.function = function
        super().__init__(self.diagnostics, function)

    @classmethod
    def at(cls, location: SourceLocation | None, message: str, hint: str = "") -> UnsupportedError:
        """The error with a single finding."""
        return UnsupportedError([Diagnostic(location, message, hint)], location.function if location else "")

    def __str__(self) -> str:
        subject = f"`{self.function}`" if self.function else "this function"
        texts = [diagnostic.render() for diagnostic in self.diagnostics]
        if len(texts) == 1:
            return self.one.format(subject=subject, findings=texts[0])
        findings = "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
        return self.many.format(subject=subject, count=len(texts), findings=findings)


def _in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Without repetitions, by file in the order of appearance, then by position."""
    unique = list(dict.fromkeys(diagnostics))
    files = {d.location.file: None for d in unique if d.location}
    rank = {file: index for index, file in enumerate(files)}

    def position(diagnostic: Diagnostic) -> tuple[int, int, int]:
        place = diagnostic.location
        return (-1, 0, 0) if place is None else (rank[place.file], place.line, place.col)

    return tuple(sorted(unique, key=position))


class UnsupportedDtypeError(UnsupportedError):
    """An array or scalar of a dtype that cannot be compiled (objects, strings, dates, records)."""

    template: ClassVar[str] = "{subject} has dtype {dtype}, which is not supported"
    hint: ClassVar[str] = "an array of booleans, integers, floats or complex numbers"

    def __init__(
        self, subject: str, dtype: object, location: SourceLocation | None = None, function: str = ""
    ) -> None:
        message = self.template.format(subject=subject, dtype=dtype)
        super().__init__([Diagnostic(location, message, self.hint)], function)
        self.args = (subject, dtype, location, function)


class SourceUnavailableError(UnsupportedError):
    """The source text of the function cannot be read, so there is nothing to compile."""

    template: ClassVar[str] = "its source is not available ({reason})"
    hint: ClassVar[str] = (
        "the function in a file or a notebook cell; `exec` and the plain prompt keep no source"
    )

    def __init__(self, function: str, reason: str, location: SourceLocation | None = None) -> None:
        super().__init__([Diagnostic(location, self.template.format(reason=reason), self.hint)], function)
        self.args = (function, reason, location)


class InternalCompilerError(PydslError):
    """A bug of pydsl. Never raised for a mistake in the user's program or for something unsupported."""

    template: ClassVar[str] = (
        "internal compiler error{stage}: {message}\n"
        "This is a bug in pydsl, not in your program. Please report it with this text, the function and the dtypes,\n"
        "shapes and strides of its arguments. PYDSL_DISABLE_JIT=1 runs the program without the compiler."
    )

    def __init__(self, message: str, location: SourceLocation | None = None, stage: str = "") -> None:
        super().__init__(message, location, stage)
        self.message = message
        self.location = location
        self.stage = stage

    def __str__(self) -> str:
        stage = f" in {self.stage}" if self.stage else ""
        return self.template.format(stage=stage, message=render(self.message, self.location))


class VerificationError(InternalCompilerError):
    """A stage left a program that its verifier rejects; carries every problem that was found."""

    heading: ClassVar[str] = "the program is not valid ({count} found)\n{problems}"

    def __init__(
        self, problems: Iterable[str], stage: str = "", location: SourceLocation | None = None
    ) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(self.heading.format(count=len(self.problems), problems=listed), location, stage)
        self.args = (self.problems, stage, location)


# --- errors of NumPy and Python ------------------------------------------------------------------------------------


class _LocatedKeyError(KeyError):
    """A KeyError whose text may have several lines: KeyError itself shows the repr of its argument."""

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[KeyError], tuple[object, ...]]:
        return KeyError, self.args


_LocatedKeyError.__module__, _LocatedKeyError.__name__ = "builtins", "KeyError"
_LocatedKeyError.__qualname__ = "KeyError"  # as a traceback shows it


def user_error(
    exc_class: type[BaseException], message: str, location: SourceLocation | None = None
) -> BaseException:
    """The exception that NumPy or Python would raise, its message followed by the user's line and carets.

    `exc_class` may be a private class of NumPy (which want a ufunc and dtypes) or otherwise not take a bare message:
    then the nearest base class that does is used. The place is also kept as the attribute `location`.
    """
    if issubclass(exc_class, UnsupportedError):
        construct, _, hint = message.partition("; write instead: ")
        return UnsupportedError.at(location, construct, hint)
    text = render(message, location)
    error = _instance(exc_class, text)
    error.location = location  # type: ignore[attr-defined]
    return error


def _instance(exc_class: type[BaseException], text: str) -> BaseException:
    if issubclass(exc_class, KeyError):
        return _LocatedKeyError(text)
    for candidate in exc_class.__mro__:
        if candidate.__module__.startswith("numpy._"):
            continue
        try:
            error: BaseException = candidate(text)
        except TypeError:
            continue
        if str(error) == text:
            return error
    raise InternalCompilerError(f"no exception can be made of {exc_class!r}")
