"""The Viterbi algorithm: which of a casino's dice was thrown, from the numbers that were seen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pydsl import jit

if not __package__:  # started as a script: make this folder's parent importable, behind what is installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from examples.showing import Args, Arrays, Example, picture, show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@jit
def decode(seen: Ints, start: Floats, change: Floats, emit: Floats) -> tuple[Ints, float]:
    """The likeliest states `(T,)` of a hidden Markov model, and the logarithm of their probability.

    `seen` is `(T,)`; `start` `(S,)`, `change` `(S, S)`, from row to column, and `emit` `(S, E)` are probabilities.
    """
    steps, states = seen.shape[0], start.shape[0]
    log_change = np.log(change)
    log_emit = np.log(emit)
    back = np.zeros((steps, states), dtype=np.int64)
    score = np.log(start) + log_emit[:, seen[0]]
    for t in range(1, steps):
        reach = score[:, None] + log_change
        back[t] = reach.argmax(axis=0)
        score = reach.max(axis=0) + log_emit[:, seen[t]]
    path = np.empty(steps, dtype=np.int64)
    path[-1] = score.argmax()
    for t in range(steps - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path, score.max()


def arguments(size: str) -> Args:
    """Arguments at one size, always the same ones."""
    steps, states = {"small": (40, 2), "full": (3000, 4)}[size]
    rng = np.random.default_rng(6)
    emit = np.ones((states, 6))
    emit[np.arange(states), 5 - np.arange(states)] += np.arange(states) * 3
    emit /= emit.sum(axis=1, keepdims=True)
    change = np.full((states, states), 0.05 / (states - 1))
    np.fill_diagonal(change, 0.95)
    state, seen = 0, np.empty(steps, dtype=np.int64)
    for t in range(steps):
        state = rng.choice(states, p=change[state])
        seen[t] = rng.choice(6, p=emit[state])
    return seen, np.full(states, 1 / states), change, emit


def describe(arrays: Arrays) -> str:
    """What came out, in words."""
    path, score = arrays[:2]
    changes = np.count_nonzero(np.diff(path))
    return f"{path.size} throws, {changes} changes of dice found, log probability {float(score):.2f}"


def draw(arrays: Arrays, path: Path) -> None:
    """Writes the picture."""
    states, _, seen = arrays[:3]
    figure, axes = picture(10, 3)
    shown = slice(0, 400)
    axes.plot(seen[shown] + 1, "k.", markersize=3, label="number seen")
    axes.step(np.arange(states[shown].size), states[shown] + 1, label="dice, as decoded")
    axes.legend(loc="upper right")
    axes.set_title("Viterbi: the first 400 throws")
    figure.savefig(path, dpi=120)


EXAMPLE = Example("viterbi", decode, arguments, describe, draw, rtol=1e-13)

if __name__ == "__main__":
    sys.exit(show(EXAMPLE))
