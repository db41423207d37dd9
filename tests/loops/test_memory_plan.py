"""Temporaries share the arena when their lifetimes allow it, and never otherwise."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np

from pydsl.loops.ir import Buffer, SetPointer, Space, Stmt
from pydsl.lowering.memory import ALIGNMENT, plan_memory
from tests.loops.build import F64, add, arg, const, function, load, loop, run, store, sym, temp, var

A, B = arg("a", 0), arg("b", 1)


def overlap(x: Buffer, y: Buffer) -> bool:
    assert (
        x.nbytes is not None
        and y.nbytes is not None
        and x.arena_offset is not None
        and y.arena_offset is not None
    )
    return (
        x.arena_offset < y.arena_offset + y.nbytes.value and y.arena_offset < x.arena_offset + x.nbytes.value
    )


def test_one_after_the_other_share() -> None:
    t, u = temp("t", 100), temp("u", 100)
    body: list[Stmt] = [
        store(t, 0, const(1.0)),
        store(B, 0, load(t, 0)),
        store(u, 0, const(2.0)),
        store(B, 8, load(u, 0)),
    ]
    plan, used = plan_memory(body)
    assert (t.arena_offset, u.arena_offset) == (0, 0)
    assert (plan.arena, plan.total, plan.count) == (832, 1664, 2)
    assert used == [t, B, u]


def test_overlapping_lives_do_not() -> None:
    t, u = temp("t", 100), temp("u", 100)
    plan, _ = plan_memory([store(t, 0, const(1.0)), store(u, 0, load(t, 0)), store(B, 0, load(u, 0))])
    assert not overlap(t, u) and plan.arena == 1664


def test_everything_in_one_loop_lives_together() -> None:
    t, u, i = temp("t", 4), temp("u", 4), var("i")
    inner = [
        store(t, 0, const(1.0)),
        store(B, 0, load(t, 0)),
        store(u, 0, const(1.0)),
        store(B, 8, load(u, 0)),
    ]
    plan_memory([loop(i, 3, *inner)])
    assert not overlap(t, u)


def test_a_hole_is_filled() -> None:
    t, u, w, x = (temp(name, 32) for name in "tuwx")
    body: list[Stmt] = [
        store(t, 0, const(1.0)),
        store(u, 0, const(1.0)),
        store(w, 0, load(t, 0)),
        store(x, 0, load(u, 0)),  # t is dead
        store(B, 0, add(load(w, 0), load(x, 0))),
    ]
    plan, _ = plan_memory(body)
    assert x.arena_offset == t.arena_offset == 0 and plan.arena == 3 * 256


def test_offsets_are_aligned_and_empty_buffers_have_a_place() -> None:
    t, u = temp("t", 3), temp("u", 0)
    plan, _ = plan_memory(
        [store(t, 0, const(1.0)), loop(var("i"), 0, store(u, 0, const(1.0))), store(B, 0, load(t, 0))]
    )
    assert plan.arena == 2 * ALIGNMENT and t.alignment == ALIGNMENT
    assert t.arena_offset is not None and t.arena_offset % ALIGNMENT == 0


def test_what_a_pointer_sees_lives_as_long_as_the_pointer() -> None:
    t, u = temp("t", 8), temp("u", 8)
    p = Buffer("p", Space.POINTER, F64, targets=[t])
    body: list[Stmt] = [
        store(t, 0, const(1.0)),
        SetPointer(p, t),
        store(u, 0, const(2.0)),
        store(B, 0, load(u, 0)),
        store(B, 8, load(p, 0)),
    ]
    plan_memory(body)
    assert not overlap(t, u)


def test_random_plans_keep_live_buffers_apart() -> None:
    for seed in range(200):
        r = random.Random(seed)
        temps = [temp(f"t{k}", r.choice((1, 3, 8, 20, 100))) for k in range(8)]
        body: list[Stmt] = []
        spans: dict[Buffer, list[int]] = {}
        for position in range(14):
            src, dst = r.sample(temps, 2)
            body.append(store(dst, 0, load(src, 0)))
            for buffer in (src, dst):
                spans.setdefault(buffer, []).append(position)
        plan, _ = plan_memory(body)
        for x, y in combinations(spans, 2):
            if min(spans[x]) <= max(spans[y]) and min(spans[y]) <= max(spans[x]):
                assert not overlap(x, y), seed
        assert plan.arena <= plan.total and plan.count == len(spans)


def test_planned_functions_run() -> None:
    t, u, i, j = temp("t", 8), temp("u", 8), var("i"), var("j")
    body: list[Stmt] = [
        loop(i, 8, store(t, 8 * sym(i), load(A, 8 * sym(i)))),
        loop(i, 8, store(B, 8 * sym(i), load(t, 56 - 8 * sym(i)))),
        loop(j, 8, store(u, 8 * sym(j), load(B, 8 * sym(j)))),
        loop(j, 8, store(B, 8 * sym(j) + 64, load(u, 8 * sym(j)))),
    ]
    made = function(body)
    assert made.arena == 64
    result = run(made, [np.arange(8.0), np.zeros(16)])
    np.testing.assert_array_equal(result.arrays[1], [*range(7, -1, -1), *range(7, -1, -1)])
