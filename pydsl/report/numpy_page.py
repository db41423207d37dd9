"""The page ``docs/numpy.md``: what becomes of every public function of NumPy, from the front end's own tables.

``python -m pydsl.report.numpy_page`` prints it. Limits are read in the source of the handlers: every call of
``Unsupported`` or of ``refuse`` in them, and in what they call in their own module, is one.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pydsl.frontend import numpy_api
from pydsl.frontend.calls import ON_ARRAYS, WAY_OUT, WITH_EFFECTS
from pydsl.frontend.purity import is_pure
from pydsl.library.functions import all_functions

_HEAD = """# NumPy's functions

Generated for NumPy {} from the tables of the front end by `python -m pydsl.report.numpy_page`; do not edit.

- **yes**: compiled, like NumPy.
- **limits**: compiled; the forms named are refused with these words, at the line of the call.
- **constants**: evaluated while the function is compiled, on arguments known then; refused on others, with the words
  given.
- **refused**: with the words given.

"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD.format(np.__version__) + _counts(), "", "| function | | |", "|---|---|---|"]
    lines += [f"| `np.{name}` | {state} | {words} |" for name, state, words in rows()]
    lines += ["", "## Methods and attributes of arrays", "", "| name | | |", "|---|---|---|"]
    lines += [f"| `.{name}` | {state} | {words} |" for name, state, words in method_rows()]
    return "\n".join(lines) + "\n"


def _counts() -> str:
    states = [state for _, state, _ in rows()]
    shown = ", ".join(f"{states.count(s)} {s}" for s in ("yes", "limits", "constants", "refused"))
    return f"Of {len(states)} public functions: {shown}."


def rows() -> Iterator[tuple[str, str, str]]:
    """Name, state and words of every public function."""
    for name in sorted(dir(np)):
        function = getattr(np, name)
        if name.startswith("_") or isinstance(function, type | types.ModuleType) or not callable(function):
            continue
        yield (name, *state_of(function))


def method_rows() -> Iterator[tuple[str, str, str]]:
    """Name, state and words of every public method and attribute of arrays."""
    for name in sorted(dir(np.ndarray)):
        if name.startswith("_"):
            continue
        handler = numpy_api.method_handler(name)
        if handler is not None:
            yield (name, *_described(handler))
        elif numpy_api.is_attribute(name):
            yield (name, "yes", "")
        else:
            yield (name, "refused", f"`.{name}` of an array")


def state_of(function: Callable[..., Any]) -> tuple[str, str]:
    """State and words of a function."""
    handler = numpy_api.lookup(function)
    if handler is not None:
        return _described(_composed().get(id(function), handler))
    name = f"np.{getattr(function, '__name__', '?')}"
    if is_pure(function):
        return "constants", f"{ON_ARRAYS.format(name)}; {WAY_OUT}"
    return "refused", f"{WITH_EFFECTS.format(name)}; {WAY_OUT}"


def _composed() -> dict[int, Callable[..., Any]]:
    return {id(callable_): fn for callable_, fn in all_functions()}


def _described(handler: Callable[..., Any]) -> tuple[str, str]:
    refusals = list(dict.fromkeys(_refusals(handler, set())))
    if not refusals:
        return "yes", ""
    if _only_refuses(handler):
        return "refused", refusals[0]
    return "limits", "; ".join(refusals)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = tree.body[0]
    return found if isinstance(found, ast.FunctionDef) else None


def _only_refuses(handler: Callable[..., Any]) -> bool:
    tree = _tree(handler)
    return tree is not None and all(
        isinstance(s, ast.Raise) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in tree.body
    )


def _refusals(function: Callable[..., Any], seen: set[int]) -> Iterator[str]:
    """What a function, and those of its module and of the library that it names, say of what they cannot take."""
    if id(function) in seen:
        return
    seen.add(id(function))
    tree = _tree(function)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("Unsupported", "refuse") and node.args:
                yield _text(node.args[0], function)
                continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            called = getattr(function, "__globals__", {}).get(node.id)
            if isinstance(called, types.FunctionType) and called.__module__ == function.__module__:
                if node.id.startswith("_"):
                    yield from _refusals(called, seen)


def _text(node: ast.expr, function: Callable[..., Any]) -> str:
    """A message, with `...` for what only the call knows."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return "..."
    cells = inspect.getclosurevars(function).nonlocals if isinstance(function, types.FunctionType) else {}
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        elif isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name):
            parts.append(str(cells.get(value.value.id, "...")))
        else:
            attribute = value.value if isinstance(value, ast.FormattedValue) else None
            owner = cells.get("ufunc") if isinstance(attribute, ast.Attribute) else None
            parts.append(getattr(owner, "__name__", "..."))
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
