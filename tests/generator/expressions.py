"""Random expressions: indices and views, and arithmetic on operands that broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.generator.scope import Scope
from tests.generator.values import random_literal

# --- indices and views ----------------------------------------------------------------------------------------------


def random_slice(scope: Scope, n: int) -> str:
    """A slice of an axis of length n, in one of the ways in which people write it."""
    rng = scope.rng
    how = rng.random()
    if how < 0.2:
        return ":"
    if how < 0.32:
        return rng.choice(["::-1", "::2", "1::2", "::-2", "::3", "-1::-2"])
    if how < 0.38:
        return rng.choice([":100", "-100:", "2:1", ":0", f"{n}:", "5:0:-1", "-2:", ":-1", "1:"])
    start, stop = sorted((rng.randint(0, n), rng.randint(0, n)))
    step = rng.choices([1, 2, 3, -1, -2], [10, 3, 1, 3, 1])[0]
    if step < 0:
        text = f"{stop if stop < n else ''}:{start - 1 if start else ''}:{step}"
        return text
    first = rng.choice([str(start), str(start - n) if start < n else str(start)]) if start else ""
    last = rng.choice([str(stop), str(stop - n) if 0 < stop < n else str(stop)]) if stop < n else ""
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


def random_index(scope: Scope, shape: Sequence[int], integers: bool = True) -> str:
    """A basic index of an array of some shape, without the brackets."""
    rng = scope.rng
    entries: list[str] = []
    for n in shape:
        if integers and n and scope.chance(0.25):
            entries.append(_integer_index(scope, n))
        else:
            entries.append(random_slice(scope, n))
    while entries and entries[-1] == ":" and scope.chance(0.7):
        entries.pop()
    if scope.chance(0.08):
        entries.insert(rng.randint(0, len(entries)), rng.choice(["None", "np.newaxis"]))
    if scope.chance(0.1):
        plain = [k for k, entry in enumerate(entries) if entry == ":"]
        if plain:
            entries[rng.choice(plain)] = "..."
        elif sum(entry not in ("None", "np.newaxis") for entry in entries) == len(shape):
            entries.insert(rng.randint(0, len(entries)), "...")
    return ", ".join(entries) or "..."


def _integer_index(scope: Scope, n: int) -> str:
    fitting = [name for name, most in scope.loops.items() if most < n]
    if fitting and scope.chance(0.6):
        name = scope.rng.choice(fitting)
        return scope.rng.choice([name, name, f"-{name} - 1", f"{n - 1} - {name}"])
    return str(scope.rng.randint(-n, n - 1))


def fit(scope: Scope, text: str, value: Any, shape: tuple[int, ...], exactly: bool = False) -> str | None:
    """An index of an array that gives a shape (or, unless exactly, one that broadcasts to it)."""
    rng = scope.rng
    if value.shape == shape and scope.chance(0.3):
        return text
    entries: list[str] = []
    keep = min(value.ndim, len(shape))
    for n in value.shape[: value.ndim - keep]:
        if not n:
            return None
        entries.append(_integer_index(scope, n))
    for n, wanted in zip(value.shape[value.ndim - keep :], shape[len(shape) - keep :]):
        if n == 1 and wanted != 1 and not exactly:
            entries.append(":")
        elif n < wanted:
            return None
        else:
            entries.append(_exact_slice(scope, n, wanted))
    if exactly and value.ndim < len(shape):
        if any(n != 1 for n in shape[: len(shape) - keep]):
            return None
        entries = ["None"] * (len(shape) - keep) + entries
    while entries and entries[-1] == ":" and rng.random() < 0.8:
        entries.pop()
    return f"{text}[{', '.join(entries)}]" if entries else text


def _exact_slice(scope: Scope, n: int, wanted: int) -> str:
    """A slice of exactly some length."""
    rng = scope.rng
    if n == wanted:
        return "::-1" if n > 1 and rng.random() < 0.15 else ":"
    step = 2 if wanted and (wanted - 1) * 2 < n and rng.random() < 0.3 else 1
    start = rng.randint(0, n - (wanted - 1) * step - 1) if wanted else 0
    stop = start + (wanted - 1) * step + 1 if wanted else start
    if wanted and rng.random() < 0.2:
        return f"{stop - 1}:{start - 1 if start else ''}:{-step}"
    suffix = f":{step}" if step > 1 else ""
    return f"{start or ''}:{stop if stop < n else ''}{suffix}"


def view_chain(scope: Scope, text: str, value: Any) -> str:
    """One or two view-making operations on an array expression."""
    for _ in range(scope.rng.choice([1, 1, 2])):
        candidate = _view(scope, text, value)
        result = scope.try_value(candidate)
        if isinstance(result, np.ndarray):
            text, value = candidate, result
    return text


def _view(scope: Scope, text: str, value: Any) -> str:
    rng = scope.rng
    rank = value.ndim
    how = rng.random()
    if how < 0.55:
        return f"{text}[{random_index(scope, value.shape)}]"
    if how < 0.65 and rank:
        return f"{text}.T"
    if how < 0.72 and rank > 1:
        order = rng.sample(range(rank), rank)
        return rng.choice([f"{text}.transpose({order})", f"np.transpose({text}, {tuple(order)})"])
    if how < 0.77 and rank > 1:
        a, b = rng.sample(range(rank), 2)
        return rng.choice([f"{text}.swapaxes({a}, {b})", f"np.swapaxes({text}, {a}, {b - rank})"])
    if how < 0.87:
        return f"{text}{random_reshape(scope, value.shape)}"
    if how < 0.9:
        return rng.choice([f"np.expand_dims({text}, 0)", f"np.expand_dims({text}, -1)", f"{text}[..., None]"])
    if how < 0.92:
        return rng.choice([f"np.squeeze({text})", f"{text}.squeeze()"])
    if how < 0.95 and value.dtype.kind == "c":
        return rng.choice([f"{text}.real", f"{text}.imag"])
    if how < 0.97 and rank:
        return f"np.flip({text}, {rng.randrange(rank)})"
    if rank == 2:
        return f"np.diagonal({text})"
    return f"{text}.ravel()"


def random_reshape(scope: Scope, shape: Sequence[int]) -> str:
    """A reshape method call that fits."""
    rng = scope.rng
    size = int(np.prod(shape, dtype=np.int64))
    options = ["-1"]
    if size:
        for a in range(1, size + 1):
            if size % a == 0:
                options += [f"{a}, {size // a}", f"{a}, -1", f"({size // a}, {a})"]
    if len(shape) >= 2 and size:
        options += [f"({', '.join(map(str, [shape[0] * shape[1], *shape[2:]]))},)"] * 3
    return f".reshape({rng.choice(options)})"


# --- operands -------------------------------------------------------------------------------------------------------


def array_operand(scope: Scope, name: str | None = None) -> tuple[str, Any] | None:
    """A variable or a view of one."""
    name = name or scope.pick_array()
    if name is None:
        return None
    value = scope.env[name]
    text = name if scope.chance(0.5) else view_chain(scope, name, value)
    return text, scope.try_value(text)


def operand_for(scope: Scope, shape: tuple[int, ...], kind: str) -> str:
    """An operand that broadcasts to a shape."""
    rng = scope.rng
    if scope.chance(0.3):
        names = scope.scalars()
        if names and scope.chance(0.4):
            return rng.choice(names)
        if scope.loops and scope.chance(0.15):
            return rng.choice(list(scope.loops))
        return random_literal(rng, kind)
    for _ in range(6):
        name = scope.pick_array()
        if name is None:
            break
        value = scope.env[name]
        if value.ndim == 2 and value.shape[::-1] == shape and value.ndim == len(shape) and scope.chance(0.4):
            return f"{name}.T"
        text = fit(scope, name, value, shape)
        result = scope.try_value(text) if text is not None else None
        if isinstance(result, np.ndarray | np.generic):
            try:
                if np.broadcast_shapes(result.shape, shape) == shape:
                    return str(text)
            except ValueError:
                continue
    return random_literal(rng, kind)


# --- elementwise ----------------------------------------------------------------------------------------------------

_ARITHMETIC = ["+", "+", "-", "*", "*", "/", "//", "%"]
_COMPARISONS = ["<", "<=", ">", ">=", "==", "!="]
_FLOAT_UNARY = [
    "np.sqrt",
    "np.floor",
    "np.ceil",
    "np.rint",
    "np.trunc",
    "np.isnan",
    "np.isfinite",
    "np.isinf",
]
_FLOAT_UNARY += ["np.square", "np.reciprocal", "np.fabs", "np.sign", "abs", "-", "np.negative"]
_INT_UNARY = ["-", "abs", "~", "np.square", "np.invert", "np.sign", "np.sqrt", "np.negative", "np.positive"]
_TRANSCENDENTAL = ["np.exp", "np.tanh", "np.sin", "np.cos", "np.arctan", "np.expm1", "np.log1p", "np.log"]
_BINARY_CALLS = ["np.minimum", "np.maximum", "np.add", "np.subtract", "np.multiply", "np.divide"]
_BINARY_CALLS += ["np.fmin", "np.fmax", "np.floor_divide", "np.remainder", "np.fmod"]
_LOGICAL_CALLS = [
    "np.logical_and",
    "np.logical_or",
    "np.logical_xor",
    "np.equal",
    "np.less",
    "np.greater_equal",
]


def unary(scope: Scope, text: str, value: Any) -> str:
    rng = scope.rng
    kind = value.dtype.kind
    if not scope.exact and kind == "f" and scope.chance(0.5):
        return f"{rng.choice(_TRANSCENDENTAL)}({text})"
    if kind == "b":
        return rng.choice([f"~{_atom(text)}", f"np.logical_not({text})"])
    if kind == "c":
        return rng.choice(
            [f"-{_atom(text)}", f"np.conj({text})", f"{_atom(text)}.real", f"np.square({text})"]
        )
    choice = rng.choice(_FLOAT_UNARY if kind == "f" else _INT_UNARY)
    if not scope.exact and choice in ("np.floor", "np.ceil", "np.rint", "np.trunc", "np.sign"):
        choice = "np.square"
    return f"{choice}{_atom(text)}" if choice in "-~" else f"{choice}({text})"


def _atom(text: str) -> str:
    """An operand for a unary operator or an attribute."""
    plain = text.replace("_", "").replace(".", "").isalnum()
    closed = text[-1] in ")]" and text[0] not in "-~(" and " " not in text.split("[")[0].split("(")[0]
    return text if plain or closed else f"({text})"


def binary(scope: Scope, left: str, right: str, kind: str) -> str:
    """A binary operation on two operands, the first of a dtype kind."""
    rng = scope.rng
    how = rng.random()
    if how < 0.1 and scope.exact and kind != "c":
        return f"{_paren(left)} {rng.choice(_COMPARISONS)} {_paren(right)}"
    if kind == "b":
        if how < 0.7:
            return f"{_paren(left)} {rng.choice('&|^')} {_paren(right)}"
        return f"{rng.choice(_LOGICAL_CALLS)}({left}, {right})"
    if kind in "iu" and how < 0.25:
        if rng.random() < 0.3:
            return f"{_paren(left)} {rng.choice(['<<', '>>'])} {rng.randint(0, 4)}"
        return f"{_paren(left)} {rng.choice('&|^')} {_paren(right)}"
    if how < 0.4 and kind != "c":
        call = rng.choice(_BINARY_CALLS if scope.exact else _BINARY_CALLS[:8])
        return f"{call}({left}, {right})"
    if how < 0.44 and kind != "c" and scope.exact:
        return f"{rng.choice(_LOGICAL_CALLS)}({left}, {right})"
    if how < 0.48:
        return f"{_paren(left)} ** 2"
    operators = _ARITHMETIC if kind != "c" and scope.exact else _ARITHMETIC[:6]
    return f"{_paren(left)} {rng.choice(operators)} {_paren(right)}"


def _paren(text: str) -> str:
    """An operand of a binary operator."""
    plain = text.replace(".", "").replace("_", "").isalnum()
    closed = text[-1] in ")]" and text[0] not in "-~([" and " " not in text
    return text if plain or closed else f"({text})"


def expression(scope: Scope, depth: int = 2) -> tuple[str, Any] | None:
    """An array expression with its value."""
    operand = array_operand(scope)
    if operand is None or operand[1] is None:
        return None
    text, value = operand
    for _ in range(scope.rng.randint(0, depth)):
        candidate = grow(scope, text, value)
        result = scope.try_value(candidate)
        if isinstance(result, np.ndarray | np.generic):
            text, value = candidate, result
    return text, value


def grow(scope: Scope, text: str, value: Any) -> str:
    """An expression with one more operation."""
    rng = scope.rng
    how = rng.random()
    if how < 0.2:
        return unary(scope, text, value)
    if how < 0.28:
        return choice(scope, text, value)
    other = operand_for(scope, value.shape, value.dtype.kind)
    if rng.random() < 0.25:
        text, other = other, text
    return binary(scope, text, other, value.dtype.kind)


def choice(scope: Scope, text: str, value: Any) -> str:
    """where, clip, astype."""
    rng = scope.rng
    kind = value.dtype.kind
    how = rng.random()
    if how < 0.5:
        other = operand_for(scope, value.shape, kind)
        condition = (
            text if kind == "b" else f"{_paren(text)} {rng.choice(_COMPARISONS)} {random_literal(rng, 'i')}"
        )
        if kind == "c" or not scope.exact:
            masks = scope.arrays(lambda v: v.dtype.kind == "b")
            if not masks:
                return text
            name = rng.choice(masks)
            condition = fit(scope, name, scope.env[name], value.shape) or "True"
        first, second = (text, other) if rng.random() < 0.5 else (other, text)
        return f"np.where({condition}, {first}, {second})"
    if how < 0.75 and kind in "iuf":
        low, high = rng.choice([("-2", "2"), ("0", "3"), ("0.5", "4.0"), ("1", "5"), ("-1.5", "None")])
        return rng.choice([f"np.clip({text}, {low}, {high})", f"{_atom(text)}.clip({low}, {high})"])
    targets = [
        "np.float32",
        "np.float64",
        "np.int32",
        "np.int64",
        "np.uint8",
        "np.bool_",
        "float",
        "int",
        "bool",
    ]
    if not scope.exact:
        targets = ["np.float64"]
    return f"{_atom(text)}.astype({rng.choice(targets)})"
