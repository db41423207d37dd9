"""What each kind of simple statement means. Compound statements are in :mod:`control` and :mod:`loops`."""

from __future__ import annotations

import ast
import sys
from typing import Any

import numpy as np

from pydsl.frontend import calls, growing, operators
from pydsl.frontend.attributes import attribute, set_attribute
from pydsl.frontend.conditions import condition as decide
from pydsl.frontend.control import if_statement
from pydsl.frontend.evaluator import Completion, Evaluator, Flow, Returned, StatementHandler
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.frames import RESULT, RETURNS, Edge
from pydsl.frontend.functions import local_function
from pydsl.frontend.indexing import delete_item
from pydsl.frontend.iteration import all_items
from pydsl.frontend.returns import emit_return
from pydsl.frontend.subscripts import update_item
from pydsl.frontend.targets import assign
from pydsl.frontend.values import ExceptionValue, Grown, Operand, Text, is_tensor
from pydsl.ir.core import Value


def _expression(ev: Evaluator, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):  # a docstring
        ev.eval(node.value)


def _assign(ev: Evaluator, node: ast.Assign) -> None:
    value = ev.eval(node.value)
    for target in node.targets:
        assign(ev, target, value)


def _annotated(ev: Evaluator, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(ev, node.target, ev.eval(node.value))


def _augmented(ev: Evaluator, node: ast.AugAssign) -> None:
    """`target op= value`: the target is read before the value is evaluated; tensors are changed in place."""
    target = node.target

    def value() -> Operand:
        right = ev.eval(node.value)
        ev.mark(node)
        return right

    if isinstance(target, ast.Name):
        old = ev.eval(target)
        assign(ev, target, _update(ev, node.op, old, value()))
    elif isinstance(target, ast.Attribute):
        base = ev.eval(target.value)
        old = attribute(ev, base, target.attr)
        new = _update(ev, node.op, old, value())
        if new is not old:
            set_attribute(ev, base, target.attr, new)
    else:
        base = ev.eval(target.value)
        index = ev.eval(target.slice)
        ev.mark(node)
        name = operators.BINARY[type(node.op)][0]
        plain = not any(isinstance(n, ast.Call | ast.NamedExpr) for n in ast.walk(node.value))
        update_item(ev, base, index, name, lambda old: _update(ev, node.op, old, value()), value, plain)


def _update(ev: Evaluator, op: ast.operator, old: Operand, value: Operand) -> Operand:
    name, _, in_place = operators.BINARY[type(op)]
    if is_tensor(old):
        return ev.builder.inplace(name, old, value)
    if isinstance(op, ast.Add) and (isinstance(old, Grown) or (type(old) is list and ev.grows(old))):
        grown = old if isinstance(old, Grown) else ev.grown(old)
        growing.call_method(ev, grown, "extend", (value,), {})
        return grown
    if isinstance(old, list) and isinstance(op, ast.Add | ast.Mult) and not isinstance(value, Value):
        ev.check_mutable(old)
        if isinstance(op, ast.Add):
            old += all_items(ev, value)
            return old
        return ev.python(in_place, old, value)
    return operators.binary(ev, op, old, value)


def _delete(ev: Evaluator, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            if ev.frame.names.values.pop(target.id, None) is None:
                ev.load(target.id)
        elif isinstance(target, ast.Subscript):
            base = ev.eval(target.value)
            delete_item(ev, base, ev.eval(target.slice))
        else:
            raise Unsupported("`del` of this target")


def _pass(ev: Evaluator, node: ast.Pass) -> None:
    return None


def _function(ev: Evaluator, node: ast.FunctionDef) -> None:
    value: Operand = local_function(ev, node, node.name)
    for decorator in reversed(node.decorator_list):
        value = calls.call(ev, ev.eval(decorator), [value], {}, decorator)
    ev.bind(node.name, value)


def _import(ev: Evaluator, node: ast.Import) -> None:
    for alias in node.names:
        module = _module(alias.name)
        if alias.asname:
            ev.bind(alias.asname, module)
        else:
            root = alias.name.partition(".")[0]
            ev.bind(root, _module(root))


def _import_from(ev: Evaluator, node: ast.ImportFrom) -> None:
    if node.level or node.module is None:
        raise Unsupported("a relative import inside of a function", "an import at the top of the file")
    module = _module(node.module)
    for alias in node.names:
        ev.bind(alias.asname or alias.name, attribute(ev, module, alias.name))


def _module(name: str) -> Any:
    module = sys.modules.get(name)
    if module is None:
        raise Unsupported(f"the import of `{name}` inside of a function", "an import at the top of the file")
    return module


# --- leaving ------------------------------------------------------------------------------------------------------


def _return(ev: Evaluator, node: ast.Return) -> Completion:
    if isinstance(node.value, ast.IfExp) and ev.frame.main:
        return _return_one_of(ev, node, node.value)
    value = None if node.value is None else ev.eval(node.value)
    ev.mark(node)
    if not ev.frame.main:
        return _return_from_call(ev, node, value)
    emit_return(ev, value)
    return Flow.DEAD


def _return_one_of(ev: Evaluator, node: ast.Return, value: ast.IfExp) -> Completion:
    """`return a if c else b` is two returns: the values need nothing in common."""
    ways = [ast.copy_location(ast.Return(way), way) for way in (value.body, value.orelse)]
    return if_statement(ev, ast.copy_location(ast.If(value.test, [ways[0]], [ways[1]]), node))


def _return_from_call(ev: Evaluator, node: ast.Return, value: Operand) -> Completion:
    """Out of a loop of the IR: the loop is left, and the code behind it returns."""
    loop = next((loop for loop in reversed(ev.frame.loops) if loop.in_ir), None)
    if loop is None:
        return Returned(value)
    names = ev.frame.names.copy()
    names.values.update({RETURNS: True, RESULT: value})
    place = ev.frame.locate(node)
    names.places.update({RETURNS: place, RESULT: place})
    loop.edges.append(Edge(ev.builder.block, names, "break", place))
    return Flow.DEAD


def _break(ev: Evaluator, node: ast.Break) -> Completion:
    return _leave(ev, node, "break", Flow.BREAK)


def _continue(ev: Evaluator, node: ast.Continue) -> Completion:
    return _leave(ev, node, "continue", Flow.CONTINUE)


def _leave(ev: Evaluator, node: ast.stmt, kind: str, flow: Flow) -> Completion:
    loop = ev.frame.loops[-1]
    if not loop.in_ir:
        return flow
    loop.edges.append(Edge(ev.builder.block, ev.frame.names.copy(), kind, ev.frame.locate(node)))
    return Flow.DEAD


def _raise(ev: Evaluator, node: ast.Raise) -> Completion:
    if node.exc is None:
        raise Unsupported("`raise` without an exception", "the exception: `raise ValueError(...)`")
    error = ev.eval(node.exc)
    ev.mark(node)
    if isinstance(error, type) and issubclass(error, BaseException):
        error = ExceptionValue(error, ())
    if isinstance(error, BaseException):
        error = ExceptionValue(type(error), error.args)
    if not isinstance(error, ExceptionValue):
        raise NumpyError(TypeError, "exceptions must derive from BaseException")
    if not issubclass(error.cls, Exception):
        raise Unsupported(f"raising {error.cls.__name__}", "an ordinary exception class")
    message, values = _message(error.args)
    ev.builder.raise_(error.cls, message, *values)
    return Flow.DEAD


def _message(args: tuple[Operand, ...]) -> tuple[str, tuple[Value, ...]]:
    """The arguments of an exception as a format template and values."""
    if not args:
        return "", ()
    if len(args) > 1:
        raise Unsupported(
            "an exception with several arguments", "one message; an f-string holds several values"
        )
    (text,) = args
    if isinstance(text, Text):
        return text.template()
    if isinstance(text, Value):
        if text.is_tensor:
            raise Unsupported("an array as the message of an exception", "a text")
        return "{0}", (text,)
    return str(text).replace("{", "{{").replace("}", "}}"), ()


def _assert(ev: Evaluator, node: ast.Assert) -> Completion:
    condition = decide(ev, node.test)
    if condition is True:
        return Flow.NEXT
    message: tuple[str, tuple[Value, ...]] = ("", ())
    if node.msg is not None:
        message = _message((ev.eval(node.msg),))
    ev.mark(node)
    if condition is False:
        ev.builder.raise_(AssertionError, message[0], *message[1])
        return Flow.DEAD
    ev.builder.check(condition, AssertionError, message[0], *message[1])
    return Flow.NEXT


def _with(ev: Evaluator, node: ast.With) -> Completion:
    """Only `np.errstate` and `warnings.catch_warnings`, which change nothing here: compiled code never warns."""
    for item in node.items:
        manager = item.context_expr
        function = ev.eval(manager.func) if isinstance(manager, ast.Call) else None
        if function is not np.errstate or item.optional_vars is not None:
            raise Unsupported(
                "`with` statements",
                "the `with` around the call of the compiled function (inside, only `np.errstate(...)` is known)",
            )
        assert isinstance(manager, ast.Call)
        if any(ev.eval(keyword.value) == "raise" for keyword in manager.keywords):
            raise Unsupported("np.errstate with 'raise'", "a test: `if not np.isfinite(y).all(): raise ...`")
    return ev.exec_block(node.body)


def _try(ev: Evaluator, node: ast.Try) -> Completion:
    """Only what does nothing: an empty `finally`."""
    if node.handlers:
        raise Unsupported(
            "`try` with `except`",
            "a test before what may fail (`if d != 0:`), or `try` around the call of the compiled function",
        )
    raise Unsupported(
        "`try` with `finally`", "the statements one after the other, or `try` around the call of the function"
    )


def _refused(construct: str, hint: str) -> StatementHandler:
    def refuse(ev: Evaluator, node: ast.stmt) -> None:
        raise Unsupported(construct, hint)

    return refuse


STATEMENTS: dict[type[ast.stmt], StatementHandler] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.Pass: _pass,
    ast.FunctionDef: _function,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Return: _return,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.With: _with,
    ast.Try: _try,
    ast.Global: _refused("`global` statements", "an argument and a return value"),
    ast.Nonlocal: _refused(
        "`nonlocal` statements", "a value that the inner function returns: `n = count(n)`"
    ),
    ast.ClassDef: _refused("a class defined inside of a function", "a class defined outside"),
    ast.AsyncFunctionDef: _refused("an asynchronous function", "a plain `def`"),
    ast.AsyncFor: _refused("`async for`", "a plain `for`"),
    ast.AsyncWith: _refused("`async with`", "the body alone"),
    ast.Match: _refused("`match` statements", "`if` and `elif` with comparisons"),
}
