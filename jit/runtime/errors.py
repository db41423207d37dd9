"""From an error number of a kernel to the exception the user sees, as if the user's own line had raised it."""

from __future__ import annotations

import ast
import ctypes
from types import TracebackType

from pydsl.errors import SourceLocation, user_error
from pydsl.jit.runtime.abi import ErrorEntry, Specialization


class ErrorFactory:
    """Makes the exceptions of one specialization. The native side calls it with the error's number and the
    address of the slots, and raises what it answers, so that no frame of the runtime shows."""

    def __init__(self, spec: Specialization) -> None:
        self._errors = spec.errors
        self._first_slot = spec.payload_slot
        self._count = spec.payload_count
        self._name = spec.name

    def __call__(self, number: int, slots: int) -> BaseException:
        entry = self._errors[number]
        message = entry.message
        if "{" in message:
            message = message.format(*self._payload(entry, slots))
        error = user_error(entry.exception, message, entry.location)
        if isinstance(entry.location, SourceLocation):
            return error.with_traceback(traceback_at(entry.location, self._name))
        return error

    def _payload(self, entry: ErrorEntry, slots: int) -> list[int | float]:
        values: list[int | float] = []
        for position in range(max(self._count, len(entry.kinds))):
            where = slots + 8 * (self._first_slot + position)
            is_float = position < len(entry.kinds) and entry.kinds[position] == "f64"
            ctype = ctypes.c_double if is_float else ctypes.c_int64
            values.append(ctype.from_address(where).value)
        return values


def traceback_at(location: SourceLocation, function: str) -> TracebackType | None:
    """A traceback with one entry, at this place of the user's source."""
    division = ast.BinOp(ast.Constant(1), ast.Div(), ast.Constant(0))
    for node in (division, division.left, division.right):
        node.lineno, node.col_offset = location.line, location.col
        node.end_lineno = location.end_line or location.line
        node.end_col_offset = location.end_col or location.col
    name = (location.function or function).rpartition(".")[2]
    code = compile(ast.Expression(division), location.file, "eval")
    code = code.replace(co_name=name if name.isidentifier() else "<lambda>")
    try:
        eval(code, {"__name__": "__main__"})
    except ZeroDivisionError as error:
        here = error.__traceback__
        return here.tb_next if here is not None else None
    return None
