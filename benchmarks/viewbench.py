"""ViewBench: first call, warm call, and call with shapes not seen before, against NumPy and, where installed,
Numba.

Run `python -m benchmarks.viewbench [--case P3] [--size small] [--quick]`. Results go to `benchmarks/results/`
as JSON, with a chart beside it. A peer that cannot compile a function, or computes something else than NumPy,
is recorded as such.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, environment, peers, timing
from tests.kernels.cases import CASES, SIZES, Args, Case
from tests.kernels.memory import arrays_in, clone

RESULTS = Path(__file__).resolve().parent / "results"
GROWING = {
    "P1": ("h", "w"),
    "P2": ("ratios",),
    "P5": ("sizes",),
    "P8": ("n",),
    "P10": ("h", "w"),
    "P11": ("sides",),
    "P12": ("sides",),
    "P15": ("steps",),
    "P16": ("steps",),
    "R1": ("n",),
    "R3": ("h", "w"),
    "R5": ("h", "w"),
    "R7": ("h", "w"),
    "R6": ("n", "m"),
}
"""The dimensions that change when a case is called with shapes not seen before; `n` for the others."""
TRAINING_SHAPES = 6
"""So many other shapes are called first, so that a compiler can notice that they vary."""
NEW_SHAPES = 9
"""So many further shapes are then timed, one call each."""

Record = dict[str, Any]


def grown(value: Any, by: int) -> Any:
    """A dimension, or a tuple of dimensions, made larger."""
    return tuple(grown(v, by) for v in value) if isinstance(value, tuple) else value + by


def other_shapes(case: Case, size: str, step: int) -> Args:
    """Arguments like those of `size`, but with other shapes."""
    names = GROWING.get(case.name, ("n",))
    dims = {k: grown(v, step) if k in names else v for k, v in case.dims[size].items()}
    return case.build(np.random.default_rng(step), **dims)


def same_results(case: Case, function: Callable[..., Any], args: Args) -> str:
    """Compares one call with plain NumPy: empty if results and written arguments are equal, else what
    differs.
    """
    want_args, got_args = clone(args), clone(args)
    want = arrays_in(peers.plain(case.function)(*want_args))
    got = arrays_in(function(*got_args))
    if len(got) != len(want):
        return f"{len(got)} results instead of {len(want)}"
    try:
        for i, (g, w, tolerance) in enumerate(zip(got, want, case.tolerances, strict=True)):
            tolerance.check(g, w, f"result {i}")
        for i, (g, w) in enumerate(zip(arrays_in(got_args), arrays_in(want_args), strict=True)):
            case.written.check(g, w, f"argument {i}")
    except AssertionError as error:
        return environment.first_message(error)
    return ""


def measure(case: Case, size: str, rounds: int, seconds: float) -> Record:
    """All numbers of one case at one size."""
    args = case.make(size, "c", np.random.default_rng(0))
    record: Record = {"case": case.name, "title": case.title, "size": size, "peers": {}}
    working: dict[str, Callable[..., Any]] = {}
    for name, make in peers.available().items():
        entry: Record = {}
        record["peers"][name] = entry
        try:
            function = make(case.function)
            entry["first_s"] = timing.one_call(function, args)
            entry["wrong"] = same_results(case, function, args)
        except Exception as error:
            entry["failed"] = environment.first_message(error)
            continue
        working[name] = function
    for name, value in timing.warm_calls(working, args, rounds, seconds).items():
        record["peers"][name]["warm_s"] = value
    for name, value in new_shape_calls(case, size, working, record).items():
        record["peers"][name]["new_shapes_s"] = value
    return record


def new_shape_calls(
    case: Case, size: str, functions: Mapping[str, Callable[..., Any]], record: Record
) -> dict[str, float]:
    """Median seconds of a call with shapes that have not been seen, after some others have."""
    training = [other_shapes(case, size, step) for step in range(1, TRAINING_SHAPES + 1)]
    able = dict(functions)
    for name, function in functions.items():
        try:
            for args in training:
                function(*clone(args))
        except Exception as error:
            record["peers"][name]["new_shapes_failed"] = environment.first_message(error)
            del able[name]
    last = TRAINING_SHAPES + NEW_SHAPES
    return timing.single_calls(
        able, [other_shapes(case, size, s) for s in range(TRAINING_SHAPES + 1, last + 1)]
    )


def line(record: Record) -> str:
    """One line of the table."""
    base = record["peers"]["numpy"]
    text = f"{record['case']:<4}{record['title']:<18}{record['size']:<8}{1e6 * base['warm_s']:>11.2f}"
    for name in ("pydsl", "numba"):
        entry = record["peers"].get(name, {"failed": "not installed"})
        if "failed" in entry:
            text += f"{'-':>11}{'-':>8}{'-':>9}{'-':>11}  {entry['failed'][:20]:<20}"
            continue
        new = entry.get("new_shapes_s")
        text += f"{1e6 * entry['warm_s']:>11.2f}{base['warm_s'] / entry['warm_s']:>7.1f}x"
        text += f"{1e3 * entry['first_s']:>9.0f}{'-' if new is None else f'{1e6 * new:.1f}':>11}"
        text += f"  {'WRONG' if entry['wrong'] else '':<20}"
    return text.rstrip()


def header() -> str:
    """The heading of the table."""
    peer = "{:>11}{:>8}{:>9}{:>11}  {:<20}"
    text = f"{'case':<22}{'size':<8}{'NumPy us':>11}"
    return text + "".join(
        peer.format(name + " us", "ratio", "first ms", "new us", "") for name in ("pydsl", "Numba")
    )


def choose(names: Sequence[str] | None) -> list[Case]:
    """The cases of these names or titles; all without names."""
    if not names:
        return list(CASES)
    wanted = {name.lower() for name in names}
    found = [case for case in CASES if {case.name.lower(), case.title} & wanted]
    unknown = wanted - {case.name.lower() for case in found} - {case.title for case in found}
    if unknown:
        raise SystemExit(
            f"unknown case: {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in CASES)}"
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the suite."""
    parser = argparse.ArgumentParser(description="ViewBench: view-heavy functions in plain NumPy.")
    parser.add_argument("--case", action="append", help="a case, such as P3; may be repeated")
    parser.add_argument("--size", action="append", help=f"a size; {', '.join(SIZES)} if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for JSON and chart")
    options = parser.parse_args(arguments)
    rounds, seconds = (5, 0.002) if options.quick else (15, 0.02)

    records = []
    print(header())
    for case in choose(options.case):
        for size in options.size or SIZES:
            if size not in case.dims:
                continue
            with np.errstate(all="ignore"):
                records.append(measure(case, size, rounds, seconds))
            print(line(records[-1]), flush=True)

    options.output.mkdir(parents=True, exist_ok=True)
    document = {"suite": "viewbench", "environment": environment.describe(), "records": records}
    (options.output / "viewbench.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (options.output / "viewbench.svg").write_text(charts.speedup_chart(records), encoding="utf-8")
    print(f"\nwrote {options.output / 'viewbench.json'} and {options.output / 'viewbench.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
