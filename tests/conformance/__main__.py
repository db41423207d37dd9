"""Command line: run the cases, write ``docs/conformance.md``.

``python -m tests.conformance`` takes every call in every dtype in C order and, call by call in turn, two of the
other layouts; ``--all`` takes every layout (seven times as long as one).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.catalogue import calls
from tests.conformance.check import Case, Outcome, check
from tests.conformance.inputs import DTYPES, LAYOUTS
from tests.conformance.page import page
from tests.conformance.selection import chosen

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every layout")
    parser.add_argument("--function", action="append", help="only these functions")
    parser.add_argument("--dtype", action="append", help="only these dtypes")
    parser.add_argument("--layout", action="append", help="only these layouts")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th call, from number k on")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    options = parser.parse_args(arguments)
    part, parts = map(int, options.part.split("/"))
    start = time.monotonic()
    outcomes: list[Outcome] = []
    table = {
        name: listed
        for name, listed in calls().items()
        if options.function is None or name in options.function
    }
    for dtype in options.dtype or DTYPES:
        for layout in options.layout or LAYOUTS:
            picked = [
                case
                for case in chosen(table, dtype, layout, everything=options.all or options.layout is not None)
                if hash_of(case) % parts == part
            ]
            outcomes += check(picked)
            print(_line(dtype, layout, outcomes, time.monotonic() - start), file=sys.stderr, flush=True)
    for outcome in outcomes:
        if outcome.state == "wrong":
            case = outcome.case
            print(f"{case.call}  [{case.dtype}, {case.layout}]: {outcome.text}")
    counts = Counter(outcome.state for outcome in outcomes)
    print(f"{len(outcomes)} cases: {dict(counts)}, {time.monotonic() - start:.0f} s")
    if options.write:
        PAGE.write_text(page(outcomes, options.part), encoding="utf-8")
    return 1 if counts["wrong"] else 0


def hash_of(case: Case) -> int:
    """A number for a case that is the same in every process."""
    return sum(map(ord, case.call))


def _line(dtype: str, layout: str, outcomes: Sequence[Outcome], seconds: float) -> str:
    counts = Counter(outcome.state for outcome in outcomes)
    return f"{dtype:>4} {layout:<10} {dict(counts)} {seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
