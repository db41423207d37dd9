"""One program, run by plain Python and by executors, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydsl.errors import UnsupportedError
from tests.generator.compare import Difference, compare, run
from tests.generator.generate import generate
from tests.generator.program import Program, forget
from tests.generator.shrink import dull, shrink
from tests.generator.validity import why_undefined

Executor = Callable[[Any], Callable[..., Any]]


@dataclass(frozen=True)
class Failure:
    """A program on which an executor differs from plain Python."""

    seed: int
    executor: str
    difference: Difference
    program: Program
    trace: str = ""

    def text(self) -> str:
        heading = (
            f"# seed {self.seed}, {self.executor}: {self.difference.kind}\n# {self.difference.text[:600]}\n"
        )
        frames = "".join(f"#   {line}\n" for line in self.trace.splitlines()[-8:])
        return f"{heading}{frames}{self.program.source()}"


@dataclass
class Report:
    """What the runs of one program showed."""

    seed: int
    raised: bool = False
    refusals: dict[str, list[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def difference(program: Program, executor: Executor) -> tuple[Difference | None, list[str], str]:
    """How an executor differs on a program; reasons, where it refuses it; the frames of an unexpected exception."""
    function = program.function()
    try:
        expected = run(program, function)
        actual = run(program, executor(function))
        if isinstance(actual.error, UnsupportedError):
            return None, [diagnostic.message for diagnostic in actual.error.diagnostics], ""
        found = compare(expected, actual, program.exact)
        frames = "".join(traceback.format_exception(actual.error)) if found and actual.error else ""
        return found, [], frames
    finally:
        forget(function)


def check_program(program: Program, executors: dict[str, Executor], shrinking: bool = True) -> Report:
    """Compare all executors with plain Python on one program."""
    function = program.function()
    report = Report(program.seed, raised=run(program, function).error is not None)
    forget(function)
    for name, executor in executors.items():
        found, reasons, frames = difference(program, executor)
        if reasons:
            report.refusals[name] = reasons
        if found is None:
            continue
        smaller = shrunk(program, executor, found) if shrinking else program
        final, _, final_frames = difference(smaller, executor)
        report.failures.append(
            Failure(program.seed, name, final or found, smaller, final_frames if final else frames)
        )
    return report


def check_seed(
    seed: int, executors: dict[str, Executor], exact: bool = True, shrinking: bool = True
) -> Report:
    """Generate the program of a seed and check it."""
    return check_program(generate(seed, exact), executors, shrinking)


def shrunk(program: Program, executor: Executor, found: Difference) -> Program:
    """The smallest program found that still differs in the same way."""

    def fails(candidate: Program) -> bool:
        again, _, _ = difference(candidate, executor)
        return again is not None and _alike(again, found) and not why_undefined(candidate)

    return dull(shrink(program, fails), fails)


def _alike(a: Difference, b: Difference) -> bool:
    if a.kind != b.kind:
        return False
    if a.kind in ("raises", "exception"):
        return _class(a.text) == _class(b.text)
    return True


def _class(text: str) -> str:
    return text.split("(")[0]


def summary(reports: Sequence[Report], executors: Sequence[str]) -> str:
    """Counts, refusals by reason, failures."""
    lines = [f"{len(reports)} programs, {sum(report.raised for report in reports)} of them raise"]
    for name in executors:
        refused = [reasons for report in reports if (reasons := report.refusals.get(name))]
        failed = sum(failure.executor == name for report in reports for failure in report.failures)
        agreed = len(reports) - len(refused) - failed
        lines.append(f"  {name}: {agreed} agree, {len(refused)} refused, {failed} FAIL")
    reasons: dict[str, list[int]] = {}
    for report in reports:
        for found in {_general(r) for refusal in report.refusals.values() for r in refusal}:
            reasons.setdefault(found, []).append(report.seed)
    if reasons:
        lines.append("refused because:")
    for reason, seeds in sorted(reasons.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {len(seeds):6d}  {reason}   (seed {seeds[0]})")
    return "\n".join(lines)


def _general(reason: str) -> str:
    """A reason without names and numbers, for counting."""
    import re

    return re.sub(r"\d+", "N", re.sub(r"`[^`]*`", "`...`", reason.splitlines()[0]))[:160]
