"""`@jit(schedule=...)`: the loops run as they were told to, results stay NumPy's, and wrong schedules are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import Schedule, ScheduleError, jit
from pydsl.loops.ir import For, LoopFunction, LoopKind


def both(a: Any, b: Any) -> Any:
    return a.T * 2 + b


def running(x: Any) -> Any:
    for i in range(1, len(x)):
        x[i] = x[i - 1] + 1
    return x


def arguments() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.random((50, 70)), rng.random((70, 50))


@pytest.mark.parametrize(
    "steps",
    [
        Schedule().tile("i0", (8, 16)).parallel("i0_t").vectorize("i1"),
        Schedule().reorder("i0", ("i1", "i0")),
        Schedule().split("i1", 8).unroll("i1_i"),
        Schedule().parallel("i0").vectorize("i1", 4),
    ],
    ids=["tile", "reorder", "unroll", "width"],
)
def test_results_stay(steps: Schedule) -> None:
    a, b = arguments()
    function = jit(schedule=steps)(both)
    np.testing.assert_array_equal(function(a, b), both(a, b))


def test_the_loops_are_as_told() -> None:
    text = jit(schedule=Schedule().tile("i0", (8, 16)).parallel("i0_t"))(both).inspect("loops", *arguments())
    assert "for i0_t in [0, 9) parallel independent" in text and "for i1_t in [0, 4)" in text


def test_a_wrong_schedule_is_refused_at_the_call() -> None:
    x = np.zeros(10)
    with pytest.raises(
        ScheduleError, match=r"its iterations depend on each other: the load of @x\[8\*i - 8\]"
    ):
        jit(schedule=Schedule().parallel("i"))(running)(x)
    with pytest.raises(ScheduleError, match="there is no such loop; there are"):
        jit(schedule=Schedule().parallel("q"))(running)(x)
    assert not x.any()


def test_a_function_as_a_schedule() -> None:
    seen: list[LoopKind] = []

    def mine(loops: LoopFunction) -> None:
        for stmt in loops.body:
            if isinstance(stmt, For):
                seen.append(stmt.kind)

    a, b = arguments()
    np.testing.assert_array_equal(jit(schedule=mine)(both)(a, b), both(a, b))
    assert seen == [LoopKind.SERIAL]
