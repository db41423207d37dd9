"""Constants in the text form: attribute values and elements of constant arrays, as text and back.

What has no text (an exception class of the user's, a large array) goes into a table beside the text, and the text names
its position.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine, Symbol
from pydsl.ir.types import DType

#: modules whose exception classes are written by name.
ERROR_MODULES: dict[str, ModuleType] = {
    "builtins": builtins,
    "numpy.exceptions": np.exceptions,
    "numpy.linalg": np.linalg,
}


def literal(value: object, symbol: Callable[[Symbol], str], table: list[Any]) -> str:
    """The text of an attribute value; what has none is appended to ``table``."""
    if value is None or isinstance(value, bool | str):
        return repr(value)
    if isinstance(value, np.generic):
        return f"{value.dtype.name}({element(value)})"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = element(np.float64(value))
        return f"float({text})" if text.startswith("bits") else text
    if isinstance(value, complex):
        return f"complex({element(np.complex128(value))})"
    if isinstance(value, tuple):
        inside = ", ".join(literal(item, symbol, table) for item in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, symbol, table) for item in value) + "]"
    return _object(value, symbol, table)


def _object(value: object, symbol: Callable[[Symbol], str], table: list[Any]) -> str:
    if isinstance(value, Affine):
        return f"affine({value.text(symbol)})"
    if isinstance(value, np.dtype):
        return f"dtype({value.name})"
    name: str = getattr(value, "__name__", "")
    if isinstance(value, np.ufunc) and getattr(np, name, None) is value:
        return f"ufunc({name})"
    if isinstance(value, type) and issubclass(value, BaseException):
        if any(getattr(module, name, None) is value for module in ERROR_MODULES.values()):
            return f"error({name})"
    table.append(value)
    return f"object({len(table) - 1})"


def element(value: np.generic) -> str:
    """The shortest text of a NumPy scalar that gives the same bits in its dtype."""
    if isinstance(value, np.bool_ | np.integer):
        return str(value)
    if isinstance(value, np.complexfloating):
        return f"{element(value.real)}, {element(value.imag)}"
    text = str(value)
    same = value.dtype.type(text).tobytes() == value.tobytes()
    return text if same else "bits 0x" + value.tobytes()[::-1].hex()


def from_text(dtype: DType, parts: list[str]) -> np.generic:
    """The scalar of a dtype that :func:`element` wrote as these parts (two for a complex number).

    Raises
    ------
    ValueError: the text is no number of that dtype.
    """
    if dtype.kind == "b":
        (text,) = parts
        if text not in ("True", "False"):
            raise ValueError(f"{text} is not a bool")
        return np.bool_(text == "True")
    if dtype.kind == "c":
        real, imag = (from_text(np.dtype(f"f{dtype.itemsize // 2}"), [part]) for part in parts)
        pair: np.generic = np.array([real, imag]).view(dtype)[0]
        return pair
    (text,) = parts
    if text.startswith("bits "):
        raw = bytes.fromhex(text.removeprefix("bits 0x"))[::-1]
        bits: np.generic = np.frombuffer(raw, dtype)[0]
        return bits
    scalar: np.generic = dtype.type(int(text) if dtype.kind in "iu" else text)
    return scalar


def error_class(name: str) -> type[BaseException]:
    """The exception class that ``error(name)`` stands for.

    Raises
    ------
    KeyError: there is none of that name.
    """
    for module in ERROR_MODULES.values():
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    raise KeyError(name)
