"""Timing of calls: peers are measured in turns within one process, written arguments are restored between
samples.
"""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.kernels.memory import arrays_in, clone

Args = tuple[Any, ...]


class Contestant:
    """One peer with its own copy of the arguments, which every sample finds as they were at the start."""

    def __init__(self, function: Callable[..., Any], args: Args) -> None:
        self.args = clone(args)
        self.written = [x for x in arrays_in(self.args) if x.flags.writeable]
        self.saved = [x.copy() for x in self.written]
        names = [f"a{i}" for i in range(len(args))]
        setup = "f = function\n" + "\n".join(f"{name} = args[{i}]" for i, name in enumerate(names))
        self.timer = timeit.Timer(
            f"f({', '.join(names)})", setup, globals={"function": function, "args": self.args}
        )

    def sample(self, repeats: int) -> float:
        """Seconds for one call, averaged over `repeats` calls in a row."""
        for x, saved in zip(self.written, self.saved, strict=True):
            np.copyto(x, saved)
        return self.timer.timeit(repeats) / repeats


def repeats_for(contestant: Contestant, seconds: float) -> int:
    """How many calls in a row take about `seconds`."""
    contestant.sample(1)
    once = contestant.sample(3)
    if once < seconds / 50:
        once = contestant.sample(max(1, int(seconds / 10 / once)))
    return max(1, int(seconds / once))


def warm_calls(
    functions: Mapping[str, Callable[..., Any]], args: Args, rounds: int, seconds: float
) -> dict[str, float]:
    """Median seconds of a call with shapes seen before, for each peer; the order changes from round to round."""
    contestants = {name: Contestant(function, args) for name, function in functions.items()}
    repeats = {name: repeats_for(c, seconds) for name, c in contestants.items()}
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            samples[name].append(contestants[name].sample(repeats[name]))
    return {name: statistics.median(times) for name, times in samples.items()}


def single_calls(
    functions: Mapping[str, Callable[..., Any]], argument_sets: Sequence[Args]
) -> dict[str, float]:
    """Median seconds of calls that are made once each, with other arguments every time."""
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for args in argument_sets:
        for name, function in functions.items():
            samples[name].append(one_call(function, args))
    return {name: statistics.median(times) for name, times in samples.items()}


def one_call(function: Callable[..., Any], args: Args) -> float:
    """Seconds of one call on a copy of the arguments."""
    own = clone(args)
    start = time.perf_counter()
    function(*own)
    return time.perf_counter() - start
