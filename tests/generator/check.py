"""One program, run by plain Python and by executors, and what came of it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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

    @property
    def group(self) -> tuple[str, str, str]:
        """Failures with one group probably have one cause."""
        return self.executor, self.difference.kind, _general(_cause(self.difference, self.trace))

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


@dataclass(frozen=True)
class Comparison:
    """How an executor compares: a difference, or reasons for a refusal, or neither; frames of an exception."""

    found: Difference | None = None
    reasons: tuple[str, ...] = ()
    frames: str = ""


def difference(program: Program, executor: Executor) -> Comparison:
    """Compare an executor on a program; a stateful one again with other data, and with other memory."""
    function = program.function()
    try:
        call = executor(function)
        result = _compared(program, function, call)
        if result.found is not None or result.reasons or not getattr(executor, "stateful", False):
            return result
        for variant, words in ((1, "again with other data"), (2, "again with arrays that do not overlap")):
            other = replace(program, variant=variant)
            if why_undefined(other):
                continue
            result = _compared(other, function, call)
            if result.found is not None:
                text = f"{words}: {result.found.text}"
                return replace(result, found=Difference(f"{result.found.kind} {words}", text))
        return Comparison()
    finally:
        forget(function)


def _compared(program: Program, function: Callable[..., Any], call: Callable[..., Any]) -> Comparison:
    expected, actual = run(program, function), run(program, call)
    if isinstance(actual.error, UnsupportedError):
        return Comparison(reasons=tuple(diagnostic.message for diagnostic in actual.error.diagnostics))
    if isinstance(actual.error, NotImplementedError):
        return Comparison(reasons=(f"at run time: {actual.error}",))
    found = compare(expected, actual, program.exact, identity=not program.joins)
    frames = "".join(traceback.format_exception(actual.error)) if found and actual.error else ""
    return Comparison(found, frames=frames)


def check_program(program: Program, executors: dict[str, Executor], shrinking: bool = True) -> Report:
    """Compare all executors with plain Python on one program."""
    function = program.function()
    report = Report(program.seed, raised=run(program, function).error is not None)
    forget(function)
    for name, executor in executors.items():
        result = difference(program, executor)
        if result.reasons:
            report.refusals[name] = list(result.reasons)
        if result.found is None:
            continue
        failure = Failure(program.seed, name, result.found, program, result.frames)
        report.failures.append(smaller(failure, executor) if shrinking else failure)
    return report


def check_seed(
    seed: int, executors: dict[str, Executor], exact: bool = True, shrinking: bool = True
) -> Report:
    """Generate the program of a seed and check it."""
    return check_program(generate(seed, exact), executors, shrinking)


def shrunk(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program found that still fails and has one right answer."""

    def fails_soundly(candidate: Program) -> bool:
        return not why_undefined(candidate) and fails(candidate)

    return dull(shrink(program, fails_soundly), fails_soundly)


def _alike(a: Difference, b: Difference) -> bool:
    if a.kind != b.kind:
        return False
    if a.kind.startswith(("raises", "exception")):
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


def smaller(failure: Failure, executor: Executor) -> Failure:
    """The failure with its program shrunk."""

    def fails(candidate: Program) -> bool:
        again = difference(candidate, executor).found
        return again is not None and _alike(again, failure.difference)

    program = shrunk(failure.program, fails)
    result = difference(program, executor)
    return replace(
        failure, program=program, difference=result.found or failure.difference, trace=result.frames
    )


def _cause(found: Difference, trace: str) -> str:
    """What an unexpected exception says, with the innermost frame; nothing for wrong answers."""
    frames = [line.strip() for line in trace.splitlines() if line.strip().startswith("File ")]
    if not frames:
        return ""
    where = [frame for frame in frames if "<generated" not in frame]
    return f"{found.text.split(' instead of ')[0]} {where[-1] if where else ''}"


def _general(reason: str) -> str:
    """A reason without names and numbers, for counting."""
    first = reason.splitlines()[0] if reason else ""
    return re.sub(r"\d+", "N", re.sub(r"`[^`]*`", "`...`", first))[:240]
