"""Schedules by the user: loops found by name or line, steps applied in order, errors that say what there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.errors import ScheduleError, SourceLocation
from pydsl.loops.ir import For, LoopFunction, LoopKind, Return, Stmt
from pydsl.loops.printer import loop_names
from pydsl.loops.schedule.auto import schedule
from pydsl.loops.schedule.user import Schedule, apply_schedule
from pydsl.loops.verifier import verify
from tests.loops.build import (
    F64,
    add,
    apply,
    arg,
    const,
    function,
    load,
    loop,
    loops_of,
    run,
    store,
    sym,
    var,
)

A, B = arg("a", 0), arg("b", 1)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(400.0), np.zeros(400)]


def two_nests() -> LoopFunction:
    i, j, k = var("i"), var("j"), var("i")
    at = 160 * sym(i) + 8 * sym(j)
    first = loop(i, 20, loop(j, 18, store(B, at, add(load(A, 160 * sym(j) + 8 * sym(i)), load(B, at)))))
    second = loop(
        k, 20, store(B, 160 * sym(k), load(A, 8 * sym(k))), label="user", loc=SourceLocation("f.py", 7, 4)
    )
    return function([first, second, Return(0)])


def check(steps: Schedule) -> LoopFunction:
    made = two_nests()
    steps.apply(made)
    verify(made)
    run(two_nests(), arrays()).same(run(made, arrays(), backwards=True))
    return made


def names(made: LoopFunction) -> list[str]:
    return list(loop_names(made).values())


def test_names() -> None:
    assert names(two_nests()) == ["i", "j", "i_1"]


def test_steps_follow_each_other() -> None:
    made = check(
        Schedule().tile("i", (4, 6)).parallel("i_t").split("i_1", 8).vectorize("i_1_i").vectorize("j")
    )
    assert names(made) == ["i_t", "j_t", "i", "j", "i_1_o", "i_1_i", "i_1"]
    kinds = {name: f.kind for f, name in loop_names(made).items()}
    assert kinds["i_t"] is LoopKind.PARALLEL and kinds["j"] is LoopKind.VECTOR


def test_a_loop_by_its_line() -> None:
    made = check(Schedule().unroll(7, 4))
    assert names(made) == ["i", "j", "i_1_o"]


def test_every_primitive_has_a_method() -> None:
    check(Schedule().reorder("i", ("j", "i")))
    check(Schedule().split("i", 7, ("x", "y")).vectorize("y"))
    check(Schedule().unroll("j"))
    i, j = var("i"), var("j")
    flat = function([loop(i, 5, loop(j, 4, store(B, 32 * sym(i) + 8 * sym(j), const(1.0)))), Return(0)])
    Schedule().collapse("i").apply(flat)
    assert names(flat) == ["ij"]
    with pytest.raises(ScheduleError, match="no loop right inside"):
        Schedule().collapse("ij").apply(flat)
    k, m = var("k"), var("m")
    pair = function(
        [
            loop(k, 5, store(A, 8 * sym(k), const(1.0))),
            loop(m, 5, store(B, 8 * sym(m), load(A, 8 * sym(m)))),
            Return(0),
        ]
    )
    Schedule().fuse("k").apply(pair)
    assert names(pair) == ["k"]
    Schedule().distribute("k", 1).apply(pair)
    assert names(pair) == ["k", "k_1"]
    with pytest.raises(ScheduleError, match="fuse of the loop over k_1: no loop follows it"):
        Schedule().fuse("k_1").apply(pair)


def test_loops_that_are_not_there() -> None:
    with pytest.raises(
        ScheduleError, match="parallel of the loop over q: there is no such loop; there are i, j, i_1"
    ):
        Schedule().parallel("q").apply(two_nests())
    with pytest.raises(ScheduleError, match="parallel of the loop of line 8: there is no such loop"):
        Schedule().parallel(8).apply(two_nests())


def test_steps_are_checked() -> None:
    i = var("i")
    made = function([loop(i, 9, store(A, 8 * sym(i) + 8, add(load(A, 8 * sym(i)), const(1.0)))), Return(0)])
    with pytest.raises(ScheduleError, match=r"its iterations depend on each other: the load of @a\[8\*i\]"):
        Schedule().parallel("i").apply(made)


def test_schedules_are_values() -> None:
    steps = Schedule().split("i", 4)
    assert steps == Schedule().split("i", 4) and hash(steps) == hash(Schedule().split("i", 4))
    assert steps != steps.parallel("i_o") and Schedule() == Schedule(())
    assert "split" in repr(steps)


def slow() -> LoopFunction:
    nests: list[Stmt] = []
    for _ in range(2):
        i, j = var("i"), var("j")
        at = 8 * 4096 * sym(i) + 8 * sym(j)
        nests.append(loop(i, 4096, loop(j, 4096, store(B, at, apply("exp", load(A, at))))))
    return function([*nests, Return(0)])


def test_the_automatic_schedule_respects_what_was_said() -> None:
    made = slow()
    touched = apply_schedule(Schedule().reorder("i", ("j", "i")), made)
    schedule(made.body, 4, touched)
    kinds = [f.kind for f in loops_of(made.body)]
    assert kinds == [LoopKind.SERIAL, LoopKind.VECTOR, LoopKind.PARALLEL, LoopKind.VECTOR]


def test_marks_of_inner_loops_survive() -> None:
    made = slow()
    touched = apply_schedule(Schedule().parallel("j"), made)
    schedule(made.body, 4, touched)
    assert [f.kind for f in loops_of(made.body)][:2] == [LoopKind.SERIAL, LoopKind.PARALLEL]


def test_a_function_may_be_given() -> None:
    def mine(made: LoopFunction) -> None:
        first = made.body[0]
        assert isinstance(first, For)
        made.body[:1] = [For(first.var, first.start, first.stop, first.body)]

    made = slow()
    assert apply_schedule(mine, made) == {made.body[0]}
    assert apply_schedule(None, made) == set()
    assert F64.itemsize == 8
