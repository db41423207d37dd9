"""Running a Python function as tensor IR: trace, verify, print and parse, interpret. For differential tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydsl.errors import InternalCompilerError
from pydsl.frontend.failures import NeedStatic
from pydsl.frontend.request import (
    ReturnArgument,
    ReturnLeaf,
    ReturnMapping,
    ReturnObject,
    ReturnSequence,
    ReturnStatic,
    TraceResult,
)
from pydsl.frontend.trace import trace
from pydsl.ir.interpreter import interpret
from pydsl.ir.parser import parse_function
from pydsl.ir.printer import constant_table, print_function
from pydsl.ir.verifier import verify
from pydsl.jit.binding import Binder
from pydsl.jit.contract import dynamic_leaves, trace_request
from pydsl.jit.signature import CompileRequest, StaticsNeeded


def run_traced(function: Callable[..., Any], *args: Any) -> Any:
    """What the traced function returns for these arguments, which it may write."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    by_name = dict(zip(names, args))
    return with_request(function, args, lambda request: _interpret(request, by_name))


def with_request(function: Any, args: tuple[Any, ...], use: Callable[[CompileRequest], Any]) -> Any:
    """Describe a call and hand it on, again with more static leaves where the compiler asks for them."""
    binder = Binder(function)
    statics: frozenset[Any] = frozenset()
    for _ in range(5):
        bound = binder.bind(args, {}, statics)
        try:
            return use(CompileRequest(function, bound.signature, objects=bound.objects))
        except StaticsNeeded as needed:
            statics |= frozenset(needed.paths)
        except NeedStatic as needed:
            leaves = dynamic_leaves(CompileRequest(function, bound.signature))
            statics |= frozenset(leaves[leaf][0] for leaf in needed.leaves)
    raise InternalCompilerError("static leaves are asked for again and again")


def _interpret(request: CompileRequest, args: dict[str, Any]) -> Any:
    result = trace(trace_request(request))
    verify(result.function, "trace")
    text = print_function(result.function)
    again = print_function(parse_function(text, constant_table(result.function)))
    if again != text:
        raise InternalCompilerError(f"the text form does not read back:\n{text}\n{again}")
    leaves = [_at(args, path) for path, _ in dynamic_leaves(request)]
    outcome = interpret(result.function, leaves)
    return build(result, outcome.site, outcome.values, args)


def _at(args: dict[str, Any], path: tuple[Any, ...]) -> Any:
    value = args[path[0]]
    for step in path[1:]:
        value = getattr(value, step) if isinstance(step, str) and not isinstance(value, dict) else value[step]
    return value


def build(result: TraceResult, site: int, values: list[Any], args: dict[str, Any]) -> Any:
    """The Python object that a return site stands for."""

    def tree(node: Any) -> Any:
        match node:
            case None:
                return None
            case ReturnLeaf():
                value = values[node.operand_index]
                if not node.writeable:
                    value.flags.writeable = False
                return value
            case ReturnStatic():
                return node.value
            case ReturnArgument():
                return _at(args, node.path)
            case ReturnSequence():
                items = [tree(item) for item in node.items]
                return node.type(items) if node.type in (tuple, list) else node.type(*items)
            case ReturnMapping():
                return {key: tree(item) for key, item in node.items}
            case ReturnObject():
                return node.cls(**{key: tree(item) for key, item in node.items})
        raise TypeError(node)

    return tree(result.function.returns[site])
