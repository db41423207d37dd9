"""`inspect()`: the text of every stage of a compilation."""

from __future__ import annotations

import ast
import inspect as python_inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any

from pydsl.fusion.edges import print_edges
from pydsl.ir.printer import print_function
from pydsl.loops.printer import format_function
from pydsl.lowering.function import Segment
from pydsl.report import names
from pydsl.report.explain import explain
from pydsl.report.graph import graph
from pydsl.report.kernels import buffer_names, user_loops
from pydsl.report.reasons import carried_edges
from pydsl.report.record import Compilation


class Text(str):
    """A text that shows itself in a prompt or a notebook as it is, line by line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def inspect(compilation: Compilation, stage: str = "stages") -> Text:
    """The text of one stage.

    Parameters
    ----------
    stage: one of :data:`STAGES`, or ``"stages"`` for a list of them.

    Raises
    ------
    ValueError: there is no such stage.
    """
    if stage == "stages":
        return Text(_listing())
    if stage not in STAGES:
        raise ValueError(f"no stage is called {stage!r}; there are: stages, {', '.join(STAGES)}")
    _, make = STAGES[stage]
    return Text(make(compilation))


def _listing() -> str:
    width = max(map(len, STAGES))
    return "".join(f"{name:<{width}}  {about}\n" for name, (about, _) in STAGES.items())


# --- stages -------------------------------------------------------------------------------------------------------


def _source(compilation: Compilation) -> str:
    try:
        return dedent(python_inspect.getsource(compilation.source))
    except (OSError, TypeError):
        return "(the source is not available)\n"


def _ast(compilation: Compilation) -> str:
    try:
        tree = ast.parse(_source(compilation))
    except SyntaxError:  # a lambda inside of an expression
        return "(the source is not a statement of its own)\n"
    return _ast_text(tree) + "\n"


def _ast_text(tree: ast.AST) -> str:
    """The tree by astunparse; by the standard library where astunparse does not know this Python's nodes."""
    try:
        import astunparse  # noqa: PLC0415 - only here, and it need not work on a new Python

        text: Any = astunparse.dump(tree)
        return str(text)
    except Exception:  # whatever an old library does with new nodes
        return ast.dump(tree, indent=2)


def _dag(compilation: Compilation) -> str:
    parts = [
        "Operations, in topological order, each with the edges that end in it\n\n",
        graph(compilation).text,
    ]
    for number, segment in enumerate(compilation.lowered.segments, 1):
        if segment.statements:
            kernels = ", ".join(map(str, segment.kernels)) or "none"
            parts.append(f"\nStraight line {number}: statements after forwarding (kernels: {kernels})\n\n")
            parts.append(print_dag(segment))
    namer = buffer_names(compilation)
    for loop in user_loops(compilation.loops.body):
        parts.append(f"\nYour loop over {loop.var.name} ({names.line(loop.loc)})\n\n")
        parts += [
            f"  {text}\n" for text in carried_edges(loop, namer) or ["no dependences between iterations"]
        ]
    return "".join(parts)


def print_dag(segment: Segment) -> str:
    """The statements of a straight line in topological order, each with the edges that end in it."""
    return print_edges(segment.statements, segment.edges)


Maker = Callable[[Compilation], str]

#: what `inspect` knows, in the order of the pipeline: a line about the stage, and how its text is made
STAGES: dict[str, tuple[str, Maker]] = {
    "source": ("the Python source of the function", _source),
    "ast": ("its syntax tree", _ast),
    "ir": (
        "tensor IR: operations on references, with versions of storages",
        lambda c: print_function(c.function),
    ),
    "dag": ("the operations with their dependency edges, and the statements that fusion made of them", _dag),
    "loops": ("loop IR after all passes and the schedule", lambda c: format_function(c.loops)),
    "llvm": ("LLVM IR as it was emitted", lambda c: c.llvm),
    "optimized": ("LLVM IR after LLVM's passes", lambda c: c.optimized()),
    "asm": ("assembly of this machine", lambda c: c.asm()),
    "explain": ("what was done, in words", lambda c: str(explain(c))),
}
