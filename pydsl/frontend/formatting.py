"""`%` formatting of values that are known at run time only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.values import Field, Operand, Text, is_dynamic, text_of
from pydsl.ir.core import Value

_PART = re.compile(r"%(?P<flags>[+ 0]?)(?P<width>\d*)(?P<precision>\.\d+)?(?P<kind>[a-zA-Z%])")


def percent(template: str, values: Sequence[Operand]) -> str | Text:
    """`template % values`, for the forms in which `%` and `format` agree.

    Raises
    ------
    NumpyError: the number of values is wrong.
    Unsupported: another form.
    """
    rest = list(values)
    parts: list[str | Field | Text] = []
    end = 0
    for found in _PART.finditer(template):
        parts.append(template[end : found.start()])
        end = found.end()
        if found["kind"] == "%":
            parts.append("%")
            continue
        if not rest:
            raise NumpyError(TypeError, "not enough arguments for format string")
        parts.append(_field(found, rest.pop(0)))
    parts.append(template[end:])
    if rest:
        raise NumpyError(TypeError, "not all arguments converted during string formatting")
    if (
        "%" in "".join(part for part in parts if isinstance(part, str)).replace("%%", "")
        and "%%" not in template
    ):
        raise Unsupported("this form of `%` formatting of values known at run time only", "an f-string")
    return text_of(parts)


def _field(found: re.Match[str], value: Operand) -> str | Field | Text:
    if not isinstance(value, Value):
        if is_dynamic(value):
            raise Unsupported("`%` formatting of this value", "an f-string of a scalar")
        return str(found[0] % (value,))
    kind = found["kind"]
    integer = not value.is_tensor and value.scalar.dtype.kind in "iu"
    real = integer or (not value.is_tensor and value.scalar.dtype.kind == "f")
    spec = f"{found['flags']}{found['width']}{found['precision'] or ''}"
    if kind in "fegEG" and real:
        return Field(value, f":{spec}{kind}")
    if kind in "di" and integer and not found["precision"]:
        return Field(value, f":{spec}d")
    if kind in "sr" and not spec and not value.is_tensor:
        return Field(value, "!r" if kind == "r" else "")
    raise Unsupported(f"`%{spec}{kind}` of this value, known at run time only", "an f-string")
