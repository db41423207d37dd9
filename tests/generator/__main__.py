"""Command line: generate programs, compare, print a summary and the failures, shrunk."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.generator.check import Report, check_seed, summary
from tests.generator.generate import generate


def _chunk(seeds: range, names: list[str], exact: bool, shrinking: bool) -> list[Report]:
    from tests.generator.executors import EXECUTORS

    chosen = {name: EXECUTORS[name] for name in names}
    return [check_seed(seed, chosen, exact, shrinking) for seed in seeds]


def _reports(options: argparse.Namespace, names: list[str]) -> Iterator[list[Report]]:
    seeds = range(options.seed, options.seed + options.count)
    step = 25
    chunks = [seeds[k : k + step] for k in range(0, len(seeds), step)]
    exact, shrinking = not options.approximate, not options.no_shrink
    if options.jobs == 1:
        for chunk in chunks:
            yield _chunk(chunk, names, exact, shrinking)
        return
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=40) as pool:
        futures = [pool.submit(_chunk, chunk, names, exact, shrinking) for chunk in chunks]
        for chunk, future in zip(chunks, futures):
            try:
                yield future.result()
            except Exception as error:  # a crash of the worker
                print(f"# seeds {chunk.start} to {chunk.stop - 1}: {error!r}", flush=True)


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
    parser.add_argument("--most", type=int, default=20, help="failures to print")
    options = parser.parse_args()
    if options.show:
        for seed in range(options.seed, options.seed + options.count):
            print(f"# seed {seed}\n{generate(seed, not options.approximate).source()}\n")
        return 0
    names = options.executors.split(",")
    reports: list[Report] = []
    printed, start = 0, time.monotonic()
    for chunk in _reports(options, names):
        reports += chunk
        for report in chunk:
            for failure in report.failures:
                printed += 1
                if printed <= options.most:
                    print(failure.text(), flush=True)
        if sys.stderr.isatty():
            print(f"\r{len(reports)} programs, {printed} failures", end="", file=sys.stderr)
    print(summary(reports, names))
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if printed else 0


if __name__ == "__main__":
    sys.exit(main())
