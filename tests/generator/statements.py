"""Random simple statements. Each maker returns the text of one, or nothing where none fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.generator.expressions import (
    array_operand,
    binary,
    expression,
    fit,
    operand_for,
    random_index,
    view_chain,
)
from tests.generator.scope import Scope
from tests.generator.templates import function_call, python_form
from tests.generator.values import DTYPES, random_literal

Maker = Callable[[Scope], "str | None"]


def _writeable(value: Any) -> bool:
    return bool(value.flags.writeable)


def target(scope: Scope) -> tuple[str, Any] | None:
    """An array that can be written, through an index."""
    name = scope.pick_array(_writeable)
    if name is None:
        return None
    value = scope.env[name]
    for _ in range(5):
        text = f"{name}[{random_index(scope, value.shape)}]"
        found = scope.try_value(text)
        if found is not None and (np.size(found) or scope.chance(0.1)):
            return text, np.asarray(found)
    return f"{name}[...]", value


def value_for(scope: Scope, shape: tuple[int, ...], kind: str) -> str:
    """A value to write into a place of some shape."""
    found = expression(scope, 1)
    if found is not None:
        text, value = found
        try:
            if np.broadcast_shapes(np.shape(value), shape) == shape:
                return text
        except ValueError:
            pass
    first = operand_for(scope, shape, kind)
    if scope.chance(0.6):
        return binary(scope, first, operand_for(scope, shape, kind), kind)
    return first


def make_view(scope: Scope) -> str | None:
    name = scope.pick_array()
    if name is None:
        return None
    return f"{scope.fresh('v')} = {view_chain(scope, name, scope.env[name])}"


def make_temporary(scope: Scope) -> str | None:
    found = expression(scope, 3)
    if found is None:
        return None
    names = [n for n, v in scope.env.items() if type(v) is type(found[1]) and n not in scope.loops]
    name = scope.rng.choice(names) if names and scope.chance(0.15) else scope.fresh()
    return f"{name} = {found[0]}"


def store(scope: Scope) -> str | None:
    place = target(scope)
    if place is None:
        return None
    text, value = place
    return f"{text} = {value_for(scope, value.shape, value.dtype.kind)}"


def augmented(scope: Scope) -> str | None:
    rng = scope.rng
    if scope.chance(0.35):
        name = scope.pick_array(_writeable)
        if name is None:
            return None
        text, value = name, scope.env[name]
    else:
        place = target(scope)
        if place is None:
            return None
        text, value = place
    kind = value.dtype.kind
    operators = {
        "b": ["&=", "|=", "^="],
        "i": ["+=", "-=", "*=", "//=", "%=", "&=", "|=", "^=", "<<=", ">>="],
        "u": ["+=", "-=", "*=", "//=", "%=", "&=", "|=", "^="],
        "f": ["+=", "-=", "*=", "/=", "//=", "%="] if scope.exact else ["+=", "-=", "*="],
        "c": ["+=", "-=", "*=", "/="],
    }[kind]
    op = rng.choice(operators)
    operand = str(rng.randint(0, 3)) if op in ("<<=", ">>=") else value_for(scope, value.shape, kind)
    return f"{text} {op} {operand}"


def with_out(scope: Scope) -> str | None:
    place = target(scope)
    if place is None:
        return None
    text, value = place
    kind = value.dtype.kind
    first, second = (operand_for(scope, value.shape, kind) for _ in range(2))
    rng = scope.rng
    calls = ["np.add", "np.subtract", "np.multiply", "np.maximum", "np.minimum"]
    calls = {"b": ["np.logical_and", "np.logical_or"], "c": calls[:3]}.get(kind, calls)
    if kind == "f":
        calls = [*calls, "np.divide"]
    if scope.chance(0.25) and kind in "iuf":
        source = fit(scope, *_array(scope, value), value.shape, exactly=True)
        if source is not None:
            return f"np.clip({source}, 1, 4, out={text})"
    if scope.chance(0.3) and kind in "if":
        return f"np.{rng.choice(['negative', 'absolute', 'square', 'positive'])}({first}, out={text})"
    return f"{rng.choice(calls)}({first}, {second}, out={text})"


def _array(scope: Scope, like: Any) -> tuple[str, Any]:
    name = scope.pick_array(lambda v: v.dtype == like.dtype) or scope.pick_array()
    assert name is not None
    return name, scope.env[name]


def swap(scope: Scope) -> str | None:
    """Views exchanged by tuple assignment; without copies the second store sees the first one's effect."""
    name = scope.pick_array(lambda v: _writeable(v) and v.ndim > 0 and v.shape[-1] > 1)
    if name is None:
        return None
    value = scope.env[name]
    n = value.shape[-1]
    lead = "..., " if value.ndim > 1 or scope.chance(0.2) else ""
    half = scope.rng.randint(1, n // 2)
    pairs = [(f"{lead}:{half}", f"{lead}{n - half}:"), (f"{lead}0", f"{lead}-1")]
    if n % 2 == 0:
        pairs.append((f"{lead}0::2", f"{lead}1::2"))
    a, b = scope.rng.choice(pairs)
    copy = scope.rng.choice(["", ".copy()"])
    if scope.chance(0.3):
        k = random_literal(scope.rng, value.dtype.kind)
        if value.dtype.kind != "b":
            return f"{name}[{a}], {name}[{b}] = {k} - {name}[{b}], {k} - {name}[{a}]"
    return f"{name}[{a}], {name}[{b}] = {name}[{b}]{copy}, {name}[{a}]{copy}"


def masked(scope: Scope) -> str | None:
    rng = scope.rng
    name = scope.pick_array(lambda v: v.ndim > 0)
    if name is None:
        return None
    value = scope.env[name]
    masks = scope.arrays(lambda v: v.dtype.kind == "b" and 0 < v.ndim and v.shape == value.shape[: v.ndim])
    if masks and scope.chance(0.5):
        mask = rng.choice(masks)
    elif value.dtype.kind in "iuf":
        op = rng.choice(["<", ">", "==", ">="])
        lead = rng.choice(["", "", "[:, 0]" if value.ndim == 2 and value.shape[1] else ""])
        mask = f"{name}{lead} {op} {random_literal(rng, value.dtype.kind)}"
    else:
        mask = f"{name} == {name}"
    how = rng.random()
    if how < 0.35 or not _writeable(value):
        return f"{scope.fresh()} = {name}[{mask}]"
    literal = random_literal(rng, value.dtype.kind)
    if how < 0.7:
        return f"{name}[{mask}] = {literal}"
    if how < 0.8:
        return f"m = {mask}\n{name}[m] = {name}[m]{rng.choice([' * 2', '[::-1]', ''])}"
    op = "|=" if value.dtype.kind == "b" else rng.choice(["+=", "*=", "-="])
    return f"{name}[{mask}] {op} {literal}"


def indexed(scope: Scope) -> str | None:
    """Integer arrays as indices: literal lists, arguments reduced to the range, argsort."""
    rng = scope.rng
    name = scope.pick_array(lambda v: v.ndim > 0 and min(v.shape) > 0)
    if name is None:
        return None
    value = scope.env[name]
    axis = rng.randrange(value.ndim)
    n = value.shape[axis]
    ints = scope.arrays(
        lambda v: v.dtype.kind in "iu" and v.dtype.itemsize > 1 and 0 < v.ndim < 3 and v.size < 20
    )
    if ints and scope.chance(0.5):
        index = f"{rng.choice(ints)} % {n}"
        if scope.chance(0.1):
            index = index.split(" ")[0]
    else:
        items = [rng.randint(-n, n - 1) for _ in range(rng.randint(0, 4))] or [0]
        index = f"np.array({items})" if scope.chance(0.6) else str(items)
    entries = [":"] * axis + [index]
    if axis + 1 < value.ndim and scope.chance(0.3):
        entries.append(rng.choice([":", "::-1", "0", "None"]))
    place = f"{name}[{', '.join(entries)}]"
    how = rng.random()
    if how < 0.45 or not _writeable(value):
        return f"{scope.fresh()} = {place}"
    found = scope.try_value(place)
    if found is None:
        return None
    operand = value_for(scope, np.shape(found), value.dtype.kind)
    if how < 0.75:
        return f"{place} = {operand}"
    return f"{place} {'|=' if value.dtype.kind == 'b' else rng.choice(['+=', '*='])} {operand}"


def reduction(scope: Scope) -> str | None:
    rng = scope.rng
    found = array_operand(scope) if scope.chance(0.6) else expression(scope, 2)
    if found is None or not isinstance(found[1], np.ndarray) or scope.try_value(found[0]) is None:
        return None
    text, value = found
    kinds = ["sum", "sum", "sum", "max", "min", "mean", "prod", "any", "all", "argmax", "argmin", "cumsum"]
    if not scope.exact:
        kinds = ["sum", "mean", "max", "var", "std"]
    kind = rng.choice(kinds)
    options: list[str] = []
    if value.ndim and scope.chance(0.65):
        axis = rng.randint(-value.ndim, value.ndim - 1)
        if scope.chance(0.15) and value.ndim > 1 and kind not in ("argmax", "argmin", "cumsum"):
            options.append(f"axis={tuple(rng.sample(range(value.ndim), 2))}")
        else:
            options.append(f"axis={axis}")
    if kind != "cumsum" and scope.chance(0.3):
        options.append("keepdims=True")
    if kind in ("sum", "mean") and scope.chance(0.1):
        options.append(f"dtype=np.{rng.choice(['float64', 'float64', 'complex128'])}")
    arguments = ", ".join(options)
    if scope.chance(0.5) and text.isidentifier():
        return f"{scope.fresh('r')} = {text}.{kind}({arguments})"
    return f"{scope.fresh('r')} = np.{kind}({', '.join([text, *options])})"


def creation(scope: Scope) -> str | None:
    rng = scope.rng
    name = scope.fresh()
    source = scope.pick_array()
    if source is None:
        return None
    value = scope.env[source]
    dtype = rng.choice(DTYPES).name
    dtype = "bool_" if dtype == "bool" else dtype
    shape = f"{source}.shape" if scope.chance(0.4) else str(tuple(value.shape))
    literal = random_literal(rng, value.dtype.kind)
    n = rng.randint(0, 7)
    stepping = rng.choice([f"{n}", f"1, {n}", f"0, {n}, 2", f"{n}, 0, -1"])
    return rng.choice(
        [
            f"{name} = np.zeros({shape}, dtype=np.{dtype})",
            f"{name} = np.ones({shape})",
            f"{name} = np.full({shape}, {literal})",
            f"{name} = np.zeros_like({source})",
            f"{name} = np.ones_like({source})",
            f"{name} = np.full_like({source}, {random_literal(rng, 'u')})",
            f"{name} = np.empty({shape}, {source}.dtype)\n{name}[...] = {source}",
            f"{name} = np.empty_like({source})\n{name}[:] = {random_literal(rng, 'u')}",
            f"{name} = np.arange({stepping})",
            f"{name} = np.arange({stepping}).astype(np.float32)",
            f"{name} = {source}.copy()",
            f"{name} = np.copy({source})",
            f"{name} = np.ascontiguousarray({source})",
            f"{name} = {source}.flatten()",
            f"{name} = np.asarray({source})",
            f"{name} = {source}.astype({source}.dtype, copy={rng.choice(['True', 'False'])})",
        ]
    )


def combination(scope: Scope) -> str | None:
    rng = scope.rng
    source = scope.pick_array(lambda v: v.ndim > 0)
    if source is None:
        return None
    value = scope.env[source]
    other = fit(scope, *_array(scope, value), value.shape, exactly=True) or source
    name = scope.fresh()
    axis = rng.randrange(value.ndim)
    n = value.shape[axis]
    options = [
        f"np.concatenate([{source}, {other}], axis={axis})",
        f"np.concatenate(({source}, {other}))",
        f"np.stack([{source}, {other}], axis={rng.randint(-1, value.ndim)})",
        f"np.stack(({source}, {other}))",
        f"np.vstack([{source}, {other}])",
        f"np.hstack([{source}, {other}])",
        f"np.tile({source}, {rng.choice(['2', '(2, 1)', '3'])})",
        f"np.repeat({source}, {rng.randint(0, 3)}, axis={axis})",
        f"np.roll({source}, {rng.randint(-2, 2)}, axis={axis})",
        f"np.broadcast_to({source}, {(2, *value.shape)})",
        f"np.flip({source}, axis={axis})",
        f"np.lib.stride_tricks.sliding_window_view({source}, {rng.randint(1, max(n, 1))}, axis={axis})",
        f"np.outer({source}.ravel()[:4], {other}.ravel()[:3])",
        f"{source} @ {other}.T" if value.ndim == 2 else f"np.dot({source}, {other})",
    ]
    if value.ndim == 1 and scope.exact:
        options += [f"np.sort({source})", f"np.argsort({source}, kind='stable')", f"np.nonzero({source})[0]"]
    return f"{name} = {rng.choice(options)}"


def scalar(scope: Scope) -> str | None:
    rng = scope.rng
    names = scope.scalars()
    how = rng.random()
    if names and how < 0.4:
        name = rng.choice(names)
        op = rng.choice(["+", "-", "*", "+", "//", "%"] if scope.exact else ["+", "-", "*"])
        operand = rng.choice(names) if scope.chance(0.3) else random_literal(rng, "f")
        if scope.chance(0.4):
            return f"{name} {op}= {operand}"
        return f"{scope.fresh('s')} = {name} {op} {operand}"
    source = scope.pick_array(lambda v: v.size > 0)
    if source is None:
        return None
    value = scope.env[source]
    place = f"{source}[{', '.join(str(rng.randint(-n, n - 1)) for n in value.shape) or '()'}]"
    name = scope.fresh("s")
    if how < 0.6:
        return f"{name} = {place}"
    if how < 0.75:
        return f"{name} = {source}.shape[0]" if value.ndim else f"{name} = {source}.ndim"
    if value.dtype.kind == "c" or not scope.exact:
        return f"{name} = {place}"
    return f"{name} = {rng.choice(['float', 'int', 'bool'])}({place})"


def slices_by_variable(scope: Scope) -> str | None:
    """Slices whose bounds are a loop variable, or an integer from the data."""
    rng = scope.rng
    bounds = list(scope.loops)
    prefix = ""
    if not bounds or scope.chance(0.3):
        ints = scope.arrays(lambda v: v.dtype.kind in "iu" and v.size > 0)
        if not ints:
            return None
        source = rng.choice(ints)
        zeros = ", ".join("0" for _ in scope.env[source].shape) or "()"
        name = scope.fresh("k")
        prefix = f"{name} = int({source}[{zeros}]) % {rng.randint(2, 5)}\n"
        bounds = [name]
    k = rng.choice(bounds)
    name = scope.pick_array(lambda v: _writeable(v) and v.ndim > 0)
    if name is None:
        return None
    value = scope.env[name]
    others = scope.arrays(lambda v: v.ndim > 0 and v.shape == value.shape)
    other = rng.choice(others)
    cut = rng.choice(
        [f":{k}", f"{k}:", f":{k} + 1", f"{k}:{k} + 2", f"-{k} - 1:", f":-{k} - 1", f"{k}::2", f"{k}::-1"]
    )
    kind = value.dtype.kind
    op = "|=" if kind == "b" else rng.choice(["+=", "-=", "*="])
    literal = random_literal(rng, kind)
    return prefix + rng.choice(
        [
            f"{name}[{cut}] = {other}[{cut}]",
            f"{name}[{cut}] {op} {other}[{cut}]",
            f"{name}[{cut}] {op} {literal}",
            f"{name}[{cut}] = {literal}",
            f"{scope.fresh('r')} = {name}[{cut}].sum()",
            f"{name}[{cut}] = {other}[{cut}][::-1]",
        ]
    )


def helper_call(scope: Scope) -> str | None:
    helpers = [name for name, value in scope.env.items() if callable(value) and name.startswith("h")]
    name = scope.pick_array(_writeable)
    if not helpers or name is None:
        return None
    helper = scope.rng.choice(helpers)
    value = scope.env[name]
    text = name if scope.chance(0.4) else view_chain(scope, name, value)
    seen = scope.try_value(text)
    if not isinstance(seen, np.ndarray):
        return None
    other = operand_for(scope, seen.shape, seen.dtype.kind)
    if scope.chance(0.5):
        return f"{helper}({text}, {other})"
    return f"{scope.fresh()} = {helper}({text}, {other})"


def wrong(scope: Scope) -> str | None:
    """A statement that raises."""
    rng = scope.rng
    name = scope.pick_array(lambda v: v.ndim > 0)
    if name is None:
        return None
    value = scope.env[name]
    n = value.shape[0]
    literal = random_literal(rng, value.dtype.kind)
    return rng.choice(
        [
            f"{name}[{n + rng.randint(0, 2)}] = {literal}",
            f"{scope.fresh()} = {name}[{-n - 1}]",
            f"{scope.fresh()} = {name}[{', '.join(['0'] * (value.ndim + 1))}]",
            f"{scope.fresh()} = {name} + np.zeros({n + 2})",
            f"{name}[...] = np.zeros({(2, *value.shape[1:], 3)})",
            f"{scope.fresh()} = {name}.reshape({value.size + 1})",
            f"{scope.fresh()} = np.concatenate([{name}, np.zeros({(1,) * (value.ndim + 1)})])",
            f"{scope.fresh()} = {name}[np.array([0, {n}])]",
            f"{name}[[{n}, 0]] = {literal}",
            f"{scope.fresh()} = {name}.sum(axis={value.ndim})",
            f"{scope.fresh()} = np.zeros(0).max()",
            f"{scope.fresh()} = 1 // ({name}.shape[0] - {n})",
            f"{scope.fresh()} = {name}.transpose(0, 0)",
            "raise ValueError('no')",
            f"if {name}.size > {value.size - 1}:\n    raise IndexError('size')",
            f"{name} += 1j",
            f"{name} += 0.5",
        ]
    )


#: statement makers with their weights.
MAKERS: dict[str, tuple[Maker, float]] = {
    "view": (make_view, 3),
    "temporary": (make_temporary, 4),
    "store": (store, 4),
    "augmented": (augmented, 4),
    "out": (with_out, 1.5),
    "swap": (swap, 0.7),
    "masked": (masked, 1.5),
    "indexed": (indexed, 1.5),
    "reduction": (reduction, 2),
    "creation": (creation, 1.2),
    "combination": (combination, 1.5),
    "scalar": (scalar, 1.2),
    "slices": (slices_by_variable, 1.2),
    "helper": (helper_call, 1),
    "function": (function_call, 1.5),
    "python": (python_form, 1.2),
}
