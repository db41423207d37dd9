"""Finds the face in a photograph with MTCNN, a cascade of networks written in plain NumPy and compiled by
pydsl.

Run `python examples/face_detection.py [--output FOLDER] [--runs N]` with the extra `examples` installed. It
prints the faces, the number of boxes after each step and the times of every function, compiled and as plain
NumPy, and writes `face_detection.png` and the operation DAG of one function as `face_detection.svg`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.mtcnn import stages
from examples.mtcnn.data import load_networks, load_photograph
from examples.mtcnn.drawing import draw_faces
from examples.mtcnn.pipeline import Detection, Runner, detect

LANDMARKS = ("left eye", "right eye", "nose", "mouth left", "mouth right")
GROUPS = {
    "preparation": ("normalise", "pad_border", "shrink"),
    "networks": ("pnet", "rnet", "onet"),
    "post-processing": ("candidates", "suppress", "join", "square", "crop", "refine", "finish"),
}
Times = dict[str, float]


def print_faces(detection: Detection) -> None:
    """Prints boxes and landmarks."""
    for face in detection.faces:
        x1, y1, x2, y2, score = face[:5]
        print(f"face   x {x1:.1f} to {x2:.1f}, y {y1:.1f} to {y2:.1f}, score {score:.4f}")
        for name, (x, y) in zip(LANDMARKS, face[5:].reshape(5, 2), strict=True):
            print(f"       {name:<12} ({x:.1f}, {y:.1f})")


def print_counts(plain: Detection, compiled: Detection) -> None:
    """Prints how many boxes were left after each step, beside plain NumPy's number."""
    print(f"\n{'boxes after each step':<28}{'NumPy':>8}{'pydsl':>8}")
    for step, count in plain.counts.items():
        print(f"{step:<28}{count:>8}{compiled.counts[step]:>8}")


def medians(runs: Sequence[Times]) -> Times:
    """The median time of each function over several runs of the cascade."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def print_times(plain: Times, warm: Times, first: Times) -> None:
    """Prints milliseconds for each function, for groups of them, and for the whole cascade."""
    print(f"\n{'milliseconds':<20}{'NumPy':>10}{'pydsl':>10}{'ratio':>8}{'first call':>12}")
    for group, names in GROUPS.items():
        for name in names:
            print_row("  " + name, [name], plain, warm, first)
        print_row(group, names, plain, warm, first)
    print_row("whole cascade", list(plain), plain, warm, first)


def print_row(label: str, names: Sequence[str], plain: Times, warm: Times, first: Times) -> None:
    """Prints one line: the sum over some functions."""
    a, b, c = (1e3 * sum(times[name] for name in names) for times in (plain, warm, first))
    print(f"{label:<20}{a:>10.3f}{b:>10.3f}{a / b:>7.1f}x{c:>12.1f}")


def save_graph(runner: Runner, path: Path) -> bool:
    """Draws the operation DAG of one function of the cascade, for the arguments of its last call."""
    graph = getattr(stages.refine, "graph", None)
    if graph is None:
        return False
    drawing = graph(*runner.last_arguments["refine"])
    if hasattr(drawing, "save"):
        drawing.save(path)
    else:
        path.write_text(str(drawing), encoding="utf-8")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demonstration; returns 1 if the compiled cascade and plain NumPy disagree."""
    parser = argparse.ArgumentParser(
        description="Face detection with MTCNN in plain NumPy, compiled by pydsl."
    )
    parser.add_argument("--output", type=Path, default=Path(), help="where to write the pictures")
    parser.add_argument(
        "--runs", type=int, default=5, help="how often each way is timed; medians are printed"
    )
    options = parser.parse_args(arguments)

    photograph, networks = load_photograph(), load_networks()
    first = Runner(plain=False)
    compiled = detect(photograph, networks, first)
    plain = detect(photograph, networks, Runner(plain=True))
    plain_runs: list[Times] = []
    warm_runs: list[Times] = []
    for _ in range(options.runs):  # taken in turns, so that both see the same machine
        for is_plain, runs in ((True, plain_runs), (False, warm_runs)):
            runner = Runner(is_plain)
            detect(photograph, networks, runner)
            runs.append(runner.seconds)

    print_faces(compiled)
    print_counts(plain, compiled)
    print_times(medians(plain_runs), medians(warm_runs), first.seconds)

    options.output.mkdir(parents=True, exist_ok=True)
    picture = options.output / "face_detection.png"
    draw_faces(photograph, compiled.faces, picture)
    print(f"\nwrote {picture}")
    if save_graph(first, picture.with_name("face_detection.svg")):
        print(f"wrote {picture.with_name('face_detection.svg')}")

    if compiled.counts != plain.counts:
        print("the compiled cascade and plain NumPy found different numbers of boxes")
        return 1
    difference = np.abs(compiled.faces - plain.faces).max(initial=0)
    print(f"largest difference from plain NumPy: {difference:.2g} px")
    return 0


if __name__ == "__main__":
    sys.exit(main())
