"""What each kind of expression means."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from pydsl.frontend import branches, calls, operators
from pydsl.frontend.attributes import attribute
from pydsl.frontend.conditions import condition
from pydsl.frontend.evaluator import Evaluator, ExpressionHandler
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.frames import Frame, Namespace, list_states
from pydsl.frontend.functions import local_function
from pydsl.frontend.indexing import static_key
from pydsl.frontend.iteration import all_items, iterable
from pydsl.frontend.scopes import assigned
from pydsl.frontend.subscripts import get_item
from pydsl.frontend.targets import assign
from pydsl.frontend.values import Field, Grown, Lazy, Operand, Silenced, Text, is_dynamic, text_of
from pydsl.ir.core import Value


def _constant(ev: Evaluator, node: ast.Constant) -> Operand:
    return node.value


def _name(ev: Evaluator, node: ast.Name) -> Operand:
    ev.mark(node)
    return ev.load(node.id)


def _attribute(ev: Evaluator, node: ast.Attribute) -> Operand:
    base = ev.eval(node.value)
    ev.mark(node)
    return attribute(ev, base, node.attr)


def _binary(ev: Evaluator, node: ast.BinOp) -> Operand:
    left = ev.eval(node.left)
    right = ev.eval(node.right)
    ev.mark(node)
    return operators.binary(ev, node.op, left, right)


def _unary(ev: Evaluator, node: ast.UnaryOp) -> Operand:
    operand = ev.eval(node.operand)
    ev.mark(node)
    return operators.unary(ev, node.op, operand)


def _boolean(ev: Evaluator, node: ast.BoolOp) -> Operand:
    """`and`, `or`: the right side is evaluated only where the left one does not decide."""
    is_and = isinstance(node.op, ast.And)

    def rest(index: int) -> Operand:
        value = ev.eval(node.values[index])
        if index == len(node.values) - 1:
            return value
        ev.mark(node)
        condition = operators.truth(ev, value)
        if is_and:
            return branches.choose(ev, condition, lambda: rest(index + 1), lambda: value)
        return branches.choose(ev, condition, lambda: value, lambda: rest(index + 1))

    return rest(0)


def _compare(ev: Evaluator, node: ast.Compare) -> Operand:
    """A chain of comparisons: each operand is evaluated at most once, and only as far as needed."""

    def rest(left: Operand, index: int) -> Operand:
        right = ev.eval(node.comparators[index])
        ev.mark(node)
        value = operators.compare(ev, node.ops[index], left, right)
        if index == len(node.ops) - 1:
            return value
        return branches.choose(ev, operators.truth(ev, value), lambda: rest(right, index + 1), lambda: value)

    return rest(ev.eval(node.left), 0)


def _conditional(ev: Evaluator, node: ast.IfExp) -> Operand:
    decided = condition(ev, node.test)
    ev.mark(node)
    return branches.choose(ev, decided, lambda: ev.eval(node.body), lambda: ev.eval(node.orelse))


def _call(ev: Evaluator, node: ast.Call) -> Operand:
    function = ev.eval(node.func)
    args: list[Operand] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            args += all_items(ev, ev.eval(arg.value))
        else:
            args.append(ev.eval(arg))
    kwargs: dict[str, Operand] = {}
    for keyword in node.keywords:
        value = ev.eval(keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, dict):
            kwargs |= value
        else:
            raise Unsupported("`**` of anything but a dict")
    ev.mark(node)
    return calls.call(ev, function, args, kwargs, node)


def _subscript(ev: Evaluator, node: ast.Subscript) -> Operand:
    base = ev.eval(node.value)
    index = ev.eval(node.slice)
    ev.mark(node)
    return get_item(ev, base, index)


def _slice(ev: Evaluator, node: ast.Slice) -> Operand:
    parts = [None if part is None else ev.eval(part) for part in (node.lower, node.upper, node.step)]
    return slice(*parts)


def _display(ev: Evaluator, nodes: Sequence[ast.expr]) -> list[Operand]:
    items: list[Operand] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            items += all_items(ev, ev.eval(node.value))
        else:
            items.append(ev.eval(node))
    return items


def _tuple(ev: Evaluator, node: ast.Tuple) -> Operand:
    return tuple(_display(ev, node.elts))


def _list(ev: Evaluator, node: ast.List) -> Operand:
    return ev.own(_display(ev, node.elts))


def _set(ev: Evaluator, node: ast.Set) -> Operand:
    items = _display(ev, node.elts)
    if is_dynamic(items):
        raise Unsupported("a set of values known at run time only", "a tuple or an array")
    return ev.own(ev.python(set, items))


def _dict(ev: Evaluator, node: ast.Dict) -> Operand:
    made: dict[Any, Operand] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        if key_node is None:
            made |= ev.eval(value_node)
            continue
        key = static_key(ev, ev.eval(key_node))
        made[key] = ev.eval(value_node)
    return ev.own(made)


def _lambda(ev: Evaluator, node: ast.Lambda) -> Operand:
    return local_function(ev, node, "<lambda>")


def _walrus(ev: Evaluator, node: ast.NamedExpr) -> Operand:
    value = ev.eval(node.value)
    place = ev.mark(node.target)
    frame = ev.frame
    while frame.lexical is not None and frame.names.places.get("<comprehension>") is not None:
        frame = frame.lexical
    with ev.in_frame(frame):
        ev.bind(node.target.id, value, place)
    return value


# --- strings ------------------------------------------------------------------------------------------------------

_CONVERSIONS: dict[int, tuple[str, Callable[[Any], str]]] = {
    -1: ("", format), ord("s"): ("!s", str), ord("r"): ("!r", repr), ord("a"): ("!a", ascii),
}  # fmt: skip


def _joined_string(ev: Evaluator, node: ast.JoinedStr) -> Operand:
    return text_of([ev.eval(part) for part in node.values])


def _formatted(ev: Evaluator, node: ast.FormattedValue) -> Operand:
    value = ev.eval(node.value)
    spec = "" if node.format_spec is None else ev.eval(node.format_spec)
    ev.mark(node)
    mark, convert = _CONVERSIONS[node.conversion]
    if isinstance(spec, Text):
        raise Unsupported("a format that is known at run time only")
    if isinstance(value, Text) and not spec:
        return value
    if isinstance(value, Value) and not value.is_tensor:
        return Text((Field(value, mark + (f":{spec}" if spec else "")),))
    if is_dynamic(value):
        if type(value) is tuple and not spec:
            return _formatted_tuple(value)
        raise Unsupported("text made of an array", "only its shape, dtype or a scalar in the message")
    if node.conversion == -1:
        return ev.python(format, value, spec)
    return ev.python(format, ev.python(convert, value), spec)


def _formatted_tuple(items: tuple[Operand, ...]) -> str | Text:
    parts: list[str | Field | Text] = []
    for item in items:
        if isinstance(item, Value) and not item.is_tensor:
            parts += [Field(item, "!r"), ", "]
        elif is_dynamic(item):
            raise Unsupported("text made of an array", "only its shape, dtype or a scalar in the message")
        else:
            parts += [repr(item), ", "]
    end = [",)"] if len(items) == 1 else [")"]
    return text_of(["(", *parts[:-1], *end])


# --- comprehensions -----------------------------------------------------------------------------------------------


def _comprehend(
    ev: Evaluator,
    generators: Sequence[ast.comprehension],
    node: ast.expr,
    emit: Callable[[], None],
    first: Operand,
) -> None:
    """Run the loops of a comprehension at compile time, in a scope of their own; `emit` is called at each turn."""
    outer = ev.frame
    variables = frozenset(assigned([g.target for g in generators]))
    names = Namespace({}, {"<comprehension>": ev.mark(node)})
    inner = Frame(
        outer.source, names, outer.globals, outer.cells, outer.path, outer, outer.main, outer.loops, variables
    )

    def run(index: int) -> None:
        if index == len(generators):
            emit()
            return
        generator = generators[index]
        if generator.is_async:
            raise Unsupported("an asynchronous comprehension", "a plain one")
        iterable = first if index == 0 else ev.eval(generator.iter)
        for item in all_items(ev, iterable):
            assign(ev, generator.target, item)
            if all(_filter(ev, condition) for condition in generator.ifs):
                run(index + 1)

    names.values.update(list_states(outer.names))
    with ev.in_frame(inner):
        run(0)
    outer.names.values.update(list_states(inner.names))


def _filter(ev: Evaluator, node: ast.expr) -> bool:
    decided = condition(ev, node)
    if isinstance(decided, Value):
        ev.mark(node)
        ev.static(decided, "the condition of a comprehension")
    return bool(decided)


def _list_comprehension(ev: Evaluator, node: ast.ListComp | ast.GeneratorExp) -> Operand:
    first = ev.eval(node.generators[0].iter)  # evaluated outside, as Python does
    if _is_long(ev, first, bool(node.generators[0].ifs)):
        return _collected(ev, node, first)
    items: list[Operand] = []
    _comprehend(ev, node.generators, node, lambda: items.append(ev.eval(node.elt)), first)
    return ev.own(items)


_LONG = 256
_COLLECTED, _SOURCE = "<collected>", "<source>"


def _is_long(ev: Evaluator, source: Operand, chooses: bool) -> bool:
    """Whether a comprehension over this is a loop of the IR: its length is known at run time only, or large, or it
    chooses among the items of an array."""
    items = iterable(ev, source) if isinstance(source, (Grown, Lazy, Value)) else source
    if isinstance(items, range):
        return len(items) > _LONG
    if not isinstance(items, Lazy):
        return False
    return chooses or isinstance(items.length, Value) or items.length > _LONG


def _collected(ev: Evaluator, node: ast.ListComp | ast.GeneratorExp, first: Operand) -> Operand:
    """A loop that appends to a list::

    [f(x) for x in xs if c]   ->   for x in xs: if c: collected.append(f(x))
    """
    made: list[Operand] = []
    ev.own(made)
    append = ast.Attribute(ast.Name(_COLLECTED, ast.Load()), "append", ast.Load())
    body: ast.stmt = ast.Expr(ast.Call(append, [node.elt], []))
    for number, generator in reversed(list(enumerate(node.generators))):
        for test in reversed(generator.ifs):
            body = ast.If(test, [body], [])
        source = generator.iter if number else ast.Name(_SOURCE, ast.Load())
        body = ast.For(generator.target, source, [body], [])
    for new in ast.walk(body):
        if not hasattr(new, "lineno"):
            ast.copy_location(new, node)
    outer = ev.frame
    variables = frozenset(assigned([g.target for g in node.generators]))
    names = Namespace(
        {**list_states(outer.names), _COLLECTED: made, _SOURCE: first}, {"<comprehension>": ev.mark(node)}
    )
    inner = Frame(
        outer.source, names, outer.globals, outer.cells, outer.path, outer, outer.main, outer.loops, variables
    )
    noted = len(ev.diagnostics)
    with ev.in_frame(inner):
        ev.exec_block([body])
        result = ev.load(_COLLECTED)
    outer.names.values.update(list_states(inner.names))
    if len(ev.diagnostics) > noted:
        raise Silenced
    return result


def _set_comprehension(ev: Evaluator, node: ast.SetComp) -> Operand:
    items: list[Operand] = []
    first = ev.eval(node.generators[0].iter)
    _comprehend(ev, node.generators, node, lambda: items.append(ev.eval(node.elt)), first)
    if is_dynamic(items):
        raise Unsupported("a set of values known at run time only", "a list")
    return ev.own(ev.python(set, items))


def _dict_comprehension(ev: Evaluator, node: ast.DictComp) -> Operand:
    made: dict[Any, Operand] = {}

    def emit() -> None:
        key = static_key(ev, ev.eval(node.key))
        made[key] = ev.eval(node.value)

    _comprehend(ev, node.generators, node, emit, ev.eval(node.generators[0].iter))
    return ev.own(made)


def _starred(ev: Evaluator, node: ast.Starred) -> Operand:
    raise NumpyError(SyntaxError, "can't use starred expression here")


def _yield(ev: Evaluator, node: ast.expr) -> Operand:
    raise Unsupported("a generator (`yield`)", "a list that is returned")


def _await(ev: Evaluator, node: ast.Await) -> Operand:
    raise Unsupported("`await`", "plain calls")


EXPRESSIONS: dict[type[ast.expr], ExpressionHandler] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.JoinedStr: _joined_string,
    ast.FormattedValue: _formatted,
    ast.ListComp: _list_comprehension,
    ast.GeneratorExp: _list_comprehension,
    ast.SetComp: _set_comprehension,
    ast.DictComp: _dict_comprehension,
    ast.Starred: _starred,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.Await: _await,
}
