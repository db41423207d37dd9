"""Conditions: what only decides between two ways, so that only the truth of its parts matters."""

from __future__ import annotations

import ast

from pydsl.frontend import branches, operators
from pydsl.frontend.evaluator import Evaluator
from pydsl.ir.core import Value


def condition(ev: Evaluator, node: ast.expr) -> bool | Value:
    """The truth of an expression: `x and x[0] > 1` needs no common type of its parts."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ev.builder.negate(condition(ev, node.operand))
    if not isinstance(node, ast.BoolOp):
        value = ev.eval(node)
        ev.mark(node)
        return operators.truth(ev, value)
    is_and = isinstance(node.op, ast.And)

    def rest(index: int) -> bool | Value:
        value = condition(ev, node.values[index])
        if index == len(node.values) - 1:
            return value
        if is_and:
            decided = branches.choose(ev, value, lambda: rest(index + 1), lambda: False)
        else:
            decided = branches.choose(ev, value, lambda: True, lambda: rest(index + 1))
        return operators.truth(ev, decided)

    return rest(0)
