"""`print` in compiled code: a call of Python's own, in the order of the program, with what it prints as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydsl.callbacks import Callback
from pydsl.frontend import growing
from pydsl.frontend.call_python import call_back
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import Unsupported
from pydsl.frontend.values import Grown, Lazy, Operand, Text, decompose, describe, is_dynamic, is_tensor
from pydsl.ir.core import Value

_KEYWORDS = frozenset({"sep", "end", "file", "flush"})


def print_values(ev: Evaluator, args: Sequence[Operand], kwargs: Mapping[str, Operand]) -> None:
    """`print(*args, **kwargs)`. Arrays are copied first: nobody can write to them there.

    Raises
    ------
    Unsupported: something that only the compiler knows is to be printed.
    """
    passed: list[Operand] = []
    shown = [_shown(ev, arg, passed) for arg in args]
    fixed = {name: ev.static(value, f"`{name}` of print()") for name, value in kwargs.items()}
    if not _KEYWORDS.issuperset(fixed):
        raise Unsupported("this form of the call of print()", "sep=, end=, file= and flush= only")
    call_back(ev.builder, Callback(_Printer(shown, fixed), None), passed, {})


Show = Callable[[Sequence[Any]], Any]


class _Printer:
    """Prints values: called with what is known at run time only."""

    __qualname__ = "print"

    def __init__(self, shown: Sequence[Show], keywords: Mapping[str, Any]) -> None:
        self.shown = shown
        self.keywords = keywords

    def __call__(self, *values: Any) -> None:
        print(*[show(values) for show in self.shown], **self.keywords)  # noqa: T201


def _shown(ev: Evaluator, value: Operand, passed: list[Operand]) -> Show:
    """How an argument is found at run time; adds to what is passed."""
    first = len(passed)
    if isinstance(value, Value):
        passed.append(ev.builder.copy(value) if is_tensor(value) else value)
        return lambda values: values[first]
    if isinstance(value, Text):
        template, fields = value.template()
        passed += fields
        return lambda values: template.format(*values[first : first + len(fields)])
    if isinstance(value, Grown):
        make, columns = growing.result_columns(ev, value)
        passed += columns
        return lambda values: make(*[column.copy() for column in values[first : first + len(columns)]])
    if not is_dynamic(value):
        return lambda values: value
    parts = None if isinstance(value, Lazy) else decompose(value)
    if parts is None:
        raise Unsupported(f"print() of a {describe(value)}", "the values themselves")
    inner = [_shown(ev, item, passed) for item in parts.items]
    return lambda values: parts.rebuild([show(values) for show in inner])


__all__ = ["print_values"]
