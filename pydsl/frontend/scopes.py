"""The scope pre-pass: which names a piece of code assigns, and which are live where.

Runs once per function, on the syntax tree alone. It over-approximates: a name may be called live that is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Names = frozenset[str]
NOTHING: Names = frozenset()

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def assigned(nodes: Iterable[ast.AST]) -> list[str]:
    """Names bound by the code, in order of first appearance: loops, ifs, walrus, augmented and tuple targets included,
    the insides of nested functions and the variables of comprehensions not."""
    found: dict[str, None] = {}
    for node in nodes:
        _collect(node, found)
    return list(found)


def _collect(node: ast.AST, found: dict[str, None]) -> None:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            found[node.id] = None
        return
    if isinstance(node, _FUNCTIONS):
        if not isinstance(node, ast.Lambda):
            found[node.name] = None
        return
    if isinstance(node, _COMPREHENSIONS):
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                found[inner.target.id] = None
        return
    if isinstance(node, ast.alias):
        found[(node.asname or node.name).split(".")[0]] = None
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, found)


def updated(stmts: Sequence[ast.stmt]) -> Names:
    """Names that the code changes by a value of their own: `n += 1`, `n = n + 1`."""
    found: set[str] = set()
    for stmt in stmts:
        for node in ast.walk(stmt):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
            elif isinstance(node, ast.Assign):
                targets = set(assigned(node.targets))
                if targets:
                    found |= targets & loads(node.value)
    return frozenset(found)


def loads(node: ast.AST) -> set[str]:
    """Names read anywhere in the node."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def count_statements(stmts: Sequence[ast.stmt]) -> int:
    """Statements in the list and below."""
    return sum(1 for stmt in stmts for node in ast.walk(stmt) if isinstance(node, ast.stmt))


@dataclass(frozen=True)
class Jumps:
    """Which jumps leave a statement list: `return`, and `break` / `continue` of the loop around it."""

    returns: bool = False
    loop: bool = False

    @staticmethod
    def of(stmts: Sequence[ast.stmt]) -> Jumps:
        returns, loop = False, False
        work: list[tuple[ast.AST, bool]] = [(stmt, False) for stmt in stmts]
        while work:
            node, inner = work.pop()
            if isinstance(node, ast.Return):
                returns = True
            elif isinstance(node, ast.Break | ast.Continue):
                loop |= not inner
            elif isinstance(node, ast.For | ast.While):
                work.extend((child, True) for child in node.body)
                work.extend((child, inner) for child in node.orelse)
            elif isinstance(node, ast.stmt) and not isinstance(node, _FUNCTIONS):
                work.extend(
                    (child, inner) for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
                )
        return Jumps(returns, loop)


@dataclass
class FunctionScope:
    """Facts about one function.

    local_names: the names that are local to it.
    early_return: whether a `return` stands anywhere but at the end of the body.
    after: for each statement (by identity) the names that may be read after it.
    head: for each loop the names that may be read at the beginning of a turn, or after the loop.
    """

    local_names: Names
    early_return: bool
    after: dict[int, Names] = field(default_factory=dict)
    head: dict[int, Names] = field(default_factory=dict)
    refused: tuple[ast.stmt, ...] = ()

    @staticmethod
    def of(node: ast.FunctionDef | ast.Lambda) -> FunctionScope:
        params = [a.arg for a in parameters(node.args)]
        if isinstance(node, ast.Lambda):
            return FunctionScope(frozenset(params), False)
        scope = FunctionScope(
            frozenset([*params, *assigned(node.body)]),
            any(Jumps.of([s]).returns for s in node.body[:-1])
            or (not isinstance(node.body[-1], ast.Return) and Jumps.of(node.body[-1:]).returns),
        )
        _Liveness(scope, _captured(node)).block(node.body, NOTHING, NOTHING, NOTHING)
        return scope

    def live_after(self, stmt: ast.stmt) -> Names:
        return self.after.get(id(stmt), NOTHING)


def parameters(args: ast.arguments) -> list[ast.arg]:
    """All parameters, `*args` and `**kwargs` last."""
    extra = [a for a in (args.vararg, args.kwarg) if a is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


def _captured(function: ast.FunctionDef) -> Names:
    """Names read inside nested functions: live everywhere."""
    found: set[str] = set()
    for node in ast.walk(function):
        if node is not function and isinstance(node, _FUNCTIONS):
            found |= loads(node)
    return frozenset(found)


class _Liveness:
    """Backward data flow over structured code."""

    def __init__(self, scope: FunctionScope, always: Names) -> None:
        self.scope = scope
        self.always = always

    def block(self, stmts: Sequence[ast.stmt], out: Names, on_break: Names, on_continue: Names) -> Names:
        live = out | self.always
        for stmt in reversed(stmts):
            known = self.scope.after.get(id(stmt))
            self.scope.after[id(stmt)] = live if known is None else known | live
            live = self.statement(stmt, live, on_break, on_continue)
        return live

    def statement(self, stmt: ast.stmt, out: Names, on_break: Names, on_continue: Names) -> Names:
        match stmt:
            case ast.Return() | ast.Raise():
                return frozenset(self.always | loads(stmt))
            case ast.Break():
                return on_break
            case ast.Continue():
                return on_continue
            case ast.If():
                body = self.block(stmt.body, out, on_break, on_continue)
                return body | loads(stmt.test) | self.block(stmt.orelse, out, on_break, on_continue)
            case ast.For() | ast.While():
                return self.loop(stmt, out, on_break, on_continue)
            case ast.With():
                read = {name for item in stmt.items for name in loads(item.context_expr)}
                return self.block(stmt.body, out, on_break, on_continue) | read
            case ast.Try():
                parts = [stmt.body, stmt.orelse, stmt.finalbody, *(h.body for h in stmt.handlers)]
                return out.union(*(self.block(part, out, on_break, on_continue) for part in parts))
            case ast.Assign():
                bound = {n.id for t in stmt.targets for n in ast.walk(t) if _is_bound(n)}  # type: ignore[attr-defined]
                return (out - bound) | loads(stmt)
            case ast.AugAssign():
                return out | loads(stmt) | {n.id for n in ast.walk(stmt.target) if isinstance(n, ast.Name)}
            case _:
                return out | loads(stmt)

    def loop(self, stmt: ast.For | ast.While, out: Names, on_break: Names, on_continue: Names) -> Names:
        done = self.block(stmt.orelse, out, on_break, on_continue)
        bound: Iterable[str] = assigned([stmt.target]) if isinstance(stmt, ast.For) else ()
        read = loads(stmt.test) if isinstance(stmt, ast.While) else set()
        head = done | read
        while True:
            turn = self.block(stmt.body, head, out, head) - frozenset(bound)
            if turn <= head:
                break
            head = head | turn
        self.scope.head[id(stmt)] = head
        return head | loads(stmt.iter) if isinstance(stmt, ast.For) else head


def _is_bound(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
