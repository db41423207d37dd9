"""Assignment targets: names, tuples with a star, items, attributes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pydsl.frontend.attributes import set_attribute
from pydsl.frontend.evaluator import Evaluator
from pydsl.frontend.failures import FrontendFailure, NumpyError, Unsupported
from pydsl.frontend.iteration import all_items
from pydsl.frontend.subscripts import set_item
from pydsl.frontend.values import Operand


def assign(ev: Evaluator, target: ast.expr, value: Operand) -> None:
    """`target = value`."""
    try:
        _assign(ev, target, value)
    except FrontendFailure as failure:
        if failure.location is None:
            failure.location = ev.frame.locate(target)
        raise


def _assign(ev: Evaluator, target: ast.expr, value: Operand) -> None:
    if isinstance(target, ast.Name):
        ev.bind(target.id, value, ev.mark(target))
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(ev, target.elts, value)
    elif isinstance(target, ast.Subscript):
        base = ev.eval(target.value)
        index = ev.eval(target.slice)
        ev.mark(target)
        set_item(ev, base, index, value)
    elif isinstance(target, ast.Attribute):
        base = ev.eval(target.value)
        ev.mark(target)
        set_attribute(ev, base, target.attr, value)
    else:
        raise Unsupported(f"assignment to `{type(target).__name__}`")


def _unpack(ev: Evaluator, targets: Sequence[ast.expr], value: Operand) -> None:
    items = all_items(ev, value, "the number of items to unpack")
    star = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if star is None:
        if len(items) < len(targets):
            raise NumpyError(
                ValueError, f"not enough values to unpack (expected {len(targets)}, got {len(items)})"
            )
        if len(items) > len(targets):
            raise NumpyError(ValueError, f"too many values to unpack (expected {len(targets)})")
        for target, item in zip(targets, items, strict=True):
            assign(ev, target, item)
        return
    after = len(targets) - star - 1
    if len(items) < star + after:
        message = f"not enough values to unpack (expected at least {star + after}, got {len(items)})"
        raise NumpyError(ValueError, message)
    middle = ev.own(list(items[star : len(items) - after]))
    starred = targets[star]
    assert isinstance(starred, ast.Starred)
    for target, item in zip(targets[:star], items[:star], strict=True):
        assign(ev, target, item)
    assign(ev, starred.value, middle)
    for target, item in zip(targets[star + 1 :], items[len(items) - after :], strict=True):
        assign(ev, target, item)
