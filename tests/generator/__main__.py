"""Command line: generate programs, compare, print a summary and the failures, shrunk."""

from __future__ import annotations

import argparse
import sys
import time

from tests.generator.check import Failure, Report, summary
from tests.generator.generate import generate
from tests.generator.runs import check_seeds, made_smaller


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.generator", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="number of programs")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--executors", default="ir,loops,native", help="any of ir, loops, backwards, native")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--approximate", action="store_true", help="with transcendental functions, within a tolerance"
    )
    parser.add_argument("--no-shrink", action="store_true", help="print failing programs as they are")
    parser.add_argument("--show", action="store_true", help="only print the programs")
    parser.add_argument("--most", type=int, default=20, help="kinds of failures to print")
    options = parser.parse_args()
    if options.show:
        for seed in range(options.seed, options.seed + options.count):
            print(f"# seed {seed}\n{generate(seed, not options.approximate).source()}\n")
        return 0
    names = options.executors.split(",")
    reports: list[Report] = []
    groups: dict[tuple[str, ...], list[Failure]] = {}
    start = time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    for chunk in check_seeds(seeds, names, not options.approximate, options.jobs):
        reports += chunk
        for report in chunk:
            known: set[tuple[str, str]] = set()  # what fails in one stage alike in the next has one cause
            for failure in report.failures:
                executor, *cause = failure.group
                if (failure.difference.kind, failure.difference.text) not in known:
                    groups.setdefault((executor, *cause), []).append(failure)
                known.add((failure.difference.kind, failure.difference.text))
        if sys.stderr.isatty():
            print(f"\r{len(reports)} programs, {len(groups)} kinds of failures", end="", file=sys.stderr)
    for failures in sorted(groups.values(), key=len, reverse=True)[: options.most]:
        print(f"# ---- {len(failures)} failures like this one; seeds {[f.seed for f in failures[:8]]}")
        best = min(failures, key=lambda failure: failure.program.size())
        print((best if options.no_shrink else made_smaller(best)).text(), flush=True)
    print(summary(reports, names))
    print(f"{len(groups)} kinds of failures, {time.monotonic() - start:.0f} s")
    return 1 if groups else 0


if __name__ == "__main__":
    sys.exit(main())
