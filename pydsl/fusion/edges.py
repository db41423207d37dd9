"""Dependency edges of a straight line of statements: derived, verified, printed.

The nodes are statements in program order. Edges come from memory (:mod:`pydsl.analysis.edges`), from scalar variables
(always RAW) and from checks: what the caller can see must not cross one (GUARD).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydsl.analysis.edges import Edge, EdgeKind, Touch, derive, reduced
from pydsl.errors import VerificationError
from pydsl.fusion.access import Access, reads, written
from pydsl.fusion.dead import used_scalars
from pydsl.fusion.nests import guarded, must_follow
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.loops.alias import roots
from pydsl.loops.ir import Buffer, Var

__all__ = ["Edge", "EdgeKind", "edges", "print_edges", "reduced", "touches", "verify_edges"]

Ranges = dict[Any, tuple[int | None, int | None]]
_ORDER = {kind: position for position, kind in enumerate(EdgeKind)}


def touches(statement: Statement) -> list[Touch]:
    """What a statement reads and writes in memory."""
    found = [_touch(access, False) for access in reads(statement)]
    write = written(statement)
    if write is not None:
        found.append(_touch(write, True))
    return found


def _touch(access: Access, writes: bool) -> Touch:
    return Touch(access.buffer, access.region(), writes)


def symbol_ranges(statements: Iterable[Statement]) -> Ranges:
    """The bounds of the scalar variables that the statements' addresses and extents mention."""
    return {var: var.bounds for statement in statements for var in used_scalars(statement)}


def edges(statements: Sequence[Statement], *, rar: bool = True) -> list[Edge]:
    """All dependency edges between statements in program order, sorted by target, source and kind.

    Parameters
    ----------
    rar: whether to list pairs that read the same data, too.
    """
    ranges = symbol_ranges(statements)
    found = derive([touches(s) for s in statements], roots, ranges, rar=rar)
    found += _scalar_edges(statements)
    found += _guard_edges(statements)
    return sorted(found, key=lambda e: (e.target, e.source, _ORDER[e.kind]))


def _scalar_edges(statements: Sequence[Statement]) -> list[Edge]:
    bound: dict[Var, int] = {}
    found: list[Edge] = []
    for number, statement in enumerate(statements):
        uses = sorted(used_scalars(statement), key=lambda var: var.id)
        found += [Edge(EdgeKind.RAW, bound[var], number, var, "value") for var in uses if var in bound]
        if statement.scalar is not None:
            bound[statement.scalar] = number
    return found


def _guard_edges(statements: Sequence[Statement]) -> list[Edge]:
    found: list[Edge] = []
    checks = [i for i, s in enumerate(statements) if s.kind is StatementKind.CHECK]
    for check in checks:
        for number in range(len(statements)):
            if number == check or (number in checks and number < check):
                continue
            first, second = (check, number) if check < number else (number, check)
            if _guards(statements[first], statements[second]):
                found.append(Edge(EdgeKind.GUARD, first, second, None, "may raise"))
    return found


def _guards(first: Statement, second: Statement) -> bool:
    """Whether a check orders the two, memory and scalars left aside."""
    bare_first, bare_second = (Statement(s.kind, buffer=s.buffer, terms=s.terms) for s in (first, second))
    return must_follow(bare_first, bare_second) or guarded(first, second)


def verify_edges(statements: Sequence[Statement], claimed: Sequence[Edge]) -> None:
    """Derives the edges again and compares.

    Raises
    ------
    VerificationError: an edge is missing, is not there in truth, says something else, or points backwards.
    """
    rar = any(edge.kind is EdgeKind.RAR for edge in claimed)
    truth = {_key(e): e for e in edges(statements, rar=rar)}
    told = {_key(e): e for e in claimed}
    problems = [f"points backwards: {e}" for e in claimed if e.source >= e.target]
    problems += [f"missing: {e}" for key, e in truth.items() if key not in told]
    problems += [f"not there: {e}" for key, e in told.items() if key not in truth]
    problems += [
        f"says ({e.relation}) where it is ({truth[key].relation}): {e}"
        for key, e in told.items()
        if key in truth and (e.relation, e.distance) != (truth[key].relation, truth[key].distance)
    ]
    if problems:
        raise VerificationError(problems, "dependency edges")


def _key(edge: Edge) -> tuple[EdgeKind, int, int, Any]:
    return edge.kind, edge.source, edge.target, edge.buffer


# --- text ---------------------------------------------------------------------------------------------------------


def print_edges(statements: Sequence[Statement], found: Sequence[Edge]) -> str:
    """The statements in topological order (which program order is), each with the edges that end in it."""
    lines: list[str] = []
    for number, statement in enumerate(statements):
        lines.append(f"{number:3}  {describe(statement)}")
        lines += [
            f"       {edge.kind.value:5} from {edge.source} on {name(edge.buffer)}: {edge.relation}"
            for edge in found
            if edge.target == number
        ]
    return "\n".join(lines) + "\n"


def describe(statement: Statement) -> str:
    """One line for a statement: ``add [4000, 4] -> @boxes``."""
    text = statement.label()
    if statement.extents:
        text += f" [{', '.join(e.text(name) for e in statement.extents)}]"
    if statement.reduce_extents:
        text += f" over [{', '.join(e.text(name) for e in statement.reduce_extents)}]"
    if statement.buffer is not None:
        text += f" -> {name(statement.buffer)}"
    elif statement.scalar is not None:
        text += f" -> {statement.scalar.name}"
    if statement.absorbed:
        text += f"  (with {', '.join(s.label() for s in absorbed(statement))})"
    return text


def absorbed(statement: Statement) -> list[Statement]:
    """The statements whose computation a statement contains, those inlined into them included, each once."""
    found: dict[Statement, None] = {}
    for inner in statement.absorbed:
        for one in (*absorbed(inner), inner):
            found[one] = None
    return list(found)


def name(memory: object) -> str:
    """A buffer or variable by its name; numbers that only tell apart are left out."""
    if isinstance(memory, Buffer):
        return f"@{memory.name}"
    return memory.name if isinstance(memory, Var) else str(memory or "order")
