"""The page ``docs/conformance.md`` of the outcomes of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tests.conformance.check import Outcome
from tests.conformance.inputs import DTYPES

_HEAD = """# Conformance with NumPy

Written by `python -m tests.conformance --write` with NumPy {version}; do not edit.

Each function of the catalogue (`tests/conformance/catalogue.py`) is called in its usual forms (axis, keepdims, out,
scalars) with arrays of every dtype in C order, and each call with two of the layouts F order, strided, reversed,
broadcast, 0-d and empty, in turn (`--all`: with all of them). Values, dtype, shape, contiguity, whether the result is a
view, and the class of exceptions are compared with NumPy's; floats may differ by 4 units in the last place of the
largest element of the result.

A cell is the number of cases that agree; `r` and a number: so many refused with an `UnsupportedError`; `!`: so many
disagree.

{counts}

"""


def page(outcomes: Sequence[Outcome], part: str = "0/1") -> str:
    """The whole page."""
    counts = Counter(outcome.state for outcome in outcomes)
    total = "" if part == "0/1" else f"This table is of part {part} of the calls. "
    total += f"{len(outcomes)} cases: {counts['ok']} agree, {counts['refused']} refused, {counts['wrong']} disagree."
    lines = [_HEAD.format(version=np.__version__, counts=total) + f"| function | {' | '.join(DTYPES)} |"]
    lines.append("|---|" + "---|" * len(DTYPES))
    table: dict[str, dict[str, Counter[str]]] = {}
    for outcome in outcomes:
        row = table.setdefault(outcome.case.function, {})
        row.setdefault(outcome.case.dtype, Counter())[outcome.state] += 1
    for name, row in table.items():
        lines.append(f"| {name} | {' | '.join(_cell(row.get(dtype, Counter())) for dtype in DTYPES)} |")
    lines += ["", "## Refused", "", "| function | dtypes | words |", "|---|---|---|"]
    lines += _reasons(outcomes, "refused")
    lines += ["", "## Disagreements", ""]
    lines += _reasons(outcomes, "wrong") or ["None."]
    return "\n".join(lines) + "\n"


def _cell(counts: Counter[str]) -> str:
    parts = [str(counts["ok"])] if counts["ok"] else []
    if counts["refused"]:
        parts.append(f"r{counts['refused']}")
    if counts["wrong"]:
        parts.append(f"!{counts['wrong']}")
    return " ".join(parts)


def _reasons(outcomes: Sequence[Outcome], state: str) -> list[str]:
    found: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.state == state:
            words = outcome.text.replace("|", "\\|").replace("\n", " ")[:160]
            dtypes = found.setdefault((outcome.case.function, words), [])
            if outcome.case.dtype not in dtypes:
                dtypes.append(outcome.case.dtype)
    return [f"| {name} | {' '.join(dtypes)} | {words} |" for (name, words), dtypes in found.items()]
