"""Python functions that are called by traced code: their body is evaluated in place, with bound arguments."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping, Sequence
from typing import Any

from pydsl.errors import UnsupportedError
from pydsl.frontend.evaluator import Completion, Evaluator, Flow, Resolved, Returned
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.frames import Frame, Namespace, list_states
from pydsl.frontend.request import Reads
from pydsl.frontend.scopes import FunctionScope
from pydsl.frontend.source import SourceFunction, load
from pydsl.frontend.values import Dead, LocalFunction, Operand
from pydsl.library import is_library, is_unchecked

MAX_DEPTH = 64


def local_function(ev: Evaluator, node: ast.FunctionDef | ast.Lambda, name: str) -> LocalFunction:
    """A function defined by the traced code; its defaults are evaluated now."""
    defaults = tuple(ev.eval(default) for default in node.args.defaults)
    kw_defaults = {
        arg.arg: ev.eval(default)
        for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is not None
    }
    return LocalFunction(name, node, ev.frame, defaults, kw_defaults)


def call_local(
    ev: Evaluator, function: LocalFunction, args: Sequence[Operand], kwargs: Mapping[str, Operand], site: Any
) -> Operand:
    """Inline a function of the traced code."""
    node, home = function.node, function.frame
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node)):
        raise Unsupported("a generator (`yield`)", "a function that returns a list")
    scope = _scope_of(node)
    source = SourceFunction(function.name, node, home.source.text, scope)
    names = bind_arguments(node.args, function.name, args, kwargs, function.defaults, function.kw_defaults)
    _own_extra(ev, node.args, names)
    frame = Frame(
        source,
        Namespace(names),
        home.globals,
        home.cells,
        lexical=home,
        local_names=scope.local_names,
        place=home.place,
    )
    return _run(ev, frame, node, site)


_SCOPE = "_pydsl_scope"


def _scope_of(node: ast.FunctionDef | ast.Lambda) -> FunctionScope:
    """The scope facts of a nested function, kept on its node."""
    scope: FunctionScope | None = getattr(node, _SCOPE, None)
    if scope is None:
        scope = FunctionScope.of(node)
        setattr(node, _SCOPE, scope)
    return scope


def call_function(
    ev: Evaluator,
    function: types.FunctionType,
    args: Sequence[Operand],
    kwargs: Mapping[str, Operand],
    site: Any,
) -> Operand:
    """Inline a plain Python function."""
    try:
        source = load(function)
    except UnsupportedError as error:
        diagnostic = error.diagnostics[0]
        failure = Unsupported(f"the call of `{function.__name__}`: {diagnostic.message}", diagnostic.hint)
        if diagnostic.location is not None:
            failure.related = (("it is defined here", diagnostic.location),)
        raise failure from None
    frame = make_frame(ev.reads, function, source)
    if is_library(function):
        frame.place = ev.frame.place or ev.builder.loc
    node = source.node
    defaults = tuple(ev.adopt(default) for default in function.__defaults__ or ())
    kw_defaults = {name: ev.adopt(default) for name, default in (function.__kwdefaults__ or {}).items()}
    names = bind_arguments(node.args, source.name, args, kwargs, defaults, kw_defaults)
    _own_extra(ev, node.args, names)
    frame.names.values.update(names)
    return _run(ev, frame, node, site)


def _own_extra(ev: Evaluator, spec: ast.arguments, names: dict[str, Operand]) -> None:
    """The dict of `**kwargs` is new at each call."""
    if spec.kwarg is not None:
        ev.own(names[spec.kwarg.arg])


def make_frame(reads: Reads, function: types.FunctionType, source: SourceFunction) -> Frame:
    """A frame for a function from outside, without arguments."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if not any(known is function for known, _ in reads.sources):
        reads.sources.append((function, source.location))
    return Frame(
        source,
        Namespace(),
        function.__globals__,
        cells,
        local_names=source.scope.local_names,
        unchecked=is_unchecked(function),
    )


def _run(ev: Evaluator, frame: Frame, node: ast.FunctionDef | ast.Lambda, site: Any) -> Operand:
    caller = ev.frame
    if node in ev.calls:
        raise Unsupported(
            f"the recursive call of `{frame.source.name}`",
            "a loop, with a list as its stack where the recursion branches: `stack = [root]; while stack: ...`",
        )
    if len(ev.calls) > MAX_DEPTH:
        raise Unsupported("calls nested this deeply")
    frame.path = (*caller.path, id(site))
    frame.names.values.update(list_states(caller.names))
    ev.calls.append(node)
    ev.pending.append(frame)
    depth = len(ev.pending)
    try:
        with ev.in_frame(frame):
            if isinstance(node, ast.Lambda):
                answer = ev.eval(node.body)
            else:
                answer = _result(frame, ev.exec_block(node.body))
        caller.names.values.update(list_states(frame.names))
        return answer
    finally:
        del ev.pending[depth - 1 :]
        ev.calls.pop()


def _result(frame: Frame, completion: Completion) -> Operand:
    if isinstance(completion, Resolved):
        assert completion.boundary is frame
        completion = completion.flow
    if isinstance(completion, Returned):
        return completion.value
    if completion is Flow.DEAD:
        raise Dead
    return None


# --- arguments ----------------------------------------------------------------------------------------------------


def bind_arguments(
    spec: ast.arguments,
    name: str,
    args: Sequence[Operand],
    kwargs: Mapping[str, Operand],
    defaults: Sequence[Operand],
    kw_defaults: Mapping[str, Operand],
) -> dict[str, Operand]:
    """Arguments to parameters, as Python binds them.

    Raises
    ------
    NumpyError: TypeError, with Python's message.
    """
    positional = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    only_positional = {a.arg for a in spec.posonlyargs}
    bound: dict[str, Operand] = dict(zip(positional, args))  # noqa: B905
    if len(args) > len(positional):
        if spec.vararg is None:
            raise NumpyError(TypeError, _too_many(name, positional, len(defaults), len(args)))
    if spec.vararg is not None:
        bound[spec.vararg.arg] = tuple(args[len(positional) :])
    extra: dict[str, Operand] = {}
    keyword_names = {a.arg for a in spec.kwonlyargs} | (set(positional) - only_positional)
    for key, value in kwargs.items():
        if key not in keyword_names:
            if spec.kwarg is None:
                raise NumpyError(TypeError, f"{name}() got an unexpected keyword argument '{key}'")
            extra[key] = value
        elif key in bound:
            raise NumpyError(TypeError, f"{name}() got multiple values for argument '{key}'")
        else:
            bound[key] = value
    first_default = len(positional) - len(defaults)
    for index, parameter in enumerate(positional):
        if parameter not in bound and index >= first_default:
            bound[parameter] = defaults[index - first_default]
    for key_only in spec.kwonlyargs:
        if key_only.arg not in bound and key_only.arg in kw_defaults:
            bound[key_only.arg] = kw_defaults[key_only.arg]
    _require(name, "positional", [p for p in positional if p not in bound])
    _require(name, "keyword-only", [a.arg for a in spec.kwonlyargs if a.arg not in bound])
    if spec.kwarg is not None:
        bound[spec.kwarg.arg] = extra
    return bound


def _too_many(name: str, positional: Sequence[str], defaults: int, given: int) -> str:
    most = len(positional)
    takes = f"from {most - defaults} to {most}" if defaults else str(most)
    plural = "" if most == 1 and not defaults else "s"
    return f"{name}() takes {takes} positional argument{plural} but {given} {'was' if given == 1 else 'were'} given"


def _require(name: str, kind: str, missing: Sequence[str]) -> None:
    if not missing:
        return
    quoted = [f"'{m}'" for m in missing]
    if len(quoted) > 2:
        listed = ", ".join(quoted[:-1]) + f", and {quoted[-1]}"
    else:
        listed = " and ".join(quoted)
    plural = "s" if len(missing) > 1 else ""
    raise NumpyError(TypeError, f"{name}() missing {len(missing)} required {kind} argument{plural}: {listed}")
