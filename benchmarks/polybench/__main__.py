"""Measures the thirty PolyBench programs: NumPy, pydsl and, where installed, Numba, in turns within one process.

Run `python -m benchmarks.polybench [--program lu] [--size small] [--quick]`. Results go to `benchmarks/results/` as
JSON, with a chart beside it. A peer that cannot compile a program, or computes something else than NumPy, is recorded
as such.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, environment, peers, timing
from benchmarks.polybench.program import SIZES, Program
from benchmarks.polybench.suite import choose, compare

RESULTS = Path(__file__).resolve().parent.parent / "results"
LONG_S = 0.2
"""Programs whose slowest peer takes longer than this are measured in fewer rounds."""

Record = dict[str, Any]


def measure(program: Program, size: str, rounds: int, seconds: float) -> Record:
    """First and warm calls of one program at one size, for every peer."""
    args = program.make(size)
    record: Record = {"case": program.name, "title": "", "size": size, "peers": {}}
    working: dict[str, Callable[..., Any]] = {}
    slowest = 0.0
    for name, make in peers.available().items():
        entry: Record = {}
        record["peers"][name] = entry
        try:
            function = make(program.function)
            entry["first_s"] = timing.one_call(function, args)
            entry["wrong"] = difference(program, function, args)
            slowest = max(slowest, timing.one_call(function, args))
        except Exception as error:
            text = str(error).strip().splitlines()
            entry["failed"] = f"{type(error).__name__}: {text[0] if text else ''}"[:200]
            continue
        working[name] = function
    if slowest > LONG_S:
        rounds, seconds = max(2, rounds // 5), 0.0
    for name, value in timing.warm_calls(working, args, rounds, seconds).items():
        record["peers"][name]["warm_s"] = value
    return record


def difference(program: Program, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """What differs from plain NumPy; empty if nothing does."""
    try:
        compare(program, function, args)
    except AssertionError as error:
        return str(error)[:200]
    return ""


def line(record: Record) -> str:
    """One line of the table."""
    base = record["peers"]["numpy"]["warm_s"]
    text = f"{record['case']:<16}{record['size']:<8}{1e6 * base:>12.1f}"
    for entry in list(record["peers"].values())[1:]:
        if "warm_s" not in entry:
            text += f"{'-':>12}{'-':>9}{'-':>9}"
            continue
        mark = "!" if entry["wrong"] else " "
        text += f"{1e6 * entry['warm_s']:>12.1f}{base / entry['warm_s']:>8.2f}x"
        text += f"{1e3 * entry['first_s']:>8.0f}{mark}"
    return text


def summary(records: Sequence[Record]) -> list[str]:
    """The geometric means over all programs, and where a peer is slower than NumPy."""
    out = []
    for name in list(records[0]["peers"])[1:]:
        ratios = {
            f"{r['case']} {r['size']}": v for r in records if (v := charts.speedup(r, name)) is not None
        }
        if not ratios:
            continue
        slower = ", ".join(f"{case} {v:.2f}" for case, v in ratios.items() if v < 1)
        mean = statistics.geometric_mean(ratios.values())
        out.append(f"{name}: {len(ratios)} of {len(records)} run, {mean:.2f}x in the geometric mean")
        out.append(f"  slower than NumPy: {slower or 'none'}")
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the suite; returns 1 if pydsl failed or was wrong somewhere."""
    parser = argparse.ArgumentParser(description="PolyBench in NumPy.")
    parser.add_argument("--program", action="append", help="a program, such as lu; may be repeated")
    parser.add_argument("--size", action="append", help=f"a size; {', '.join(SIZES)} if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for JSON and chart")
    options = parser.parse_args(arguments)
    rounds, seconds = (5, 0.002) if options.quick else (15, 0.02)

    records = []
    names = [name for name in peers.available() if name != "numpy"]
    heads = "".join(f"{name + ' us':>12}{'ratio':>9}{'first ms':>9}" for name in names)
    print(f"{'program':<16}{'size':<8}{'NumPy us':>12}{heads}")
    for program in choose(options.program):
        for size in options.size or SIZES:
            with np.errstate(all="ignore"):
                records.append(measure(program, size, rounds, seconds))
            print(line(records[-1]), flush=True)
    print()
    print("\n".join(summary(records)))

    options.output.mkdir(parents=True, exist_ok=True)
    document = {"suite": "polybench", "environment": environment.describe(), "records": records}
    (options.output / "polybench.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (options.output / "polybench.svg").write_text(charts.speedup_chart(records), encoding="utf-8")
    print(f"\nwrote {options.output / 'polybench.json'} and {options.output / 'polybench.svg'}")
    failed = [r["case"] for r in records if r["peers"]["pydsl"].get("wrong", "failed")]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
