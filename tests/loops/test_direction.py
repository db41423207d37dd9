"""Vector loops whose strided accesses go downwards are turned around; others keep their direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.loops.ir import Assign, Declare, For, Read, Stmt, Store
from pydsl.loops.schedule.auto import schedule
from pydsl.loops.walk import loads, walk
from tests.loops.build import F64, add, arg, bump, const, load, loop, loops_of, run, store, sym, var

A, B = arg("a", 0), arg("b", 1)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(100.0), np.zeros(100)]


def pairs(stride: int, first: int) -> list[Stmt]:
    i = var("i")
    at = first + stride * sym(i)
    return [loop(i, 20, store(B, 8 * sym(i), add(load(A, at), load(A, at + 8))))]


def strides(body: list[Stmt]) -> set[int]:
    (only,) = loops_of(body)
    return {x.offset.coeff(only.var) for s in walk(body) for x in loads(s)}


@pytest.mark.parametrize(("stride", "first"), [(16, 0), (-16, 304)])
def test_strided_loads_go_upwards(stride: int, first: int) -> None:
    body = pairs(stride, first)
    schedule(body, 1)
    assert strides(body) == {16}
    run(pairs(stride, first), arrays()).same(run(body, arrays()))


def test_contiguous_accesses_keep_their_direction() -> None:
    body = pairs(-8, 160)
    schedule(body, 1)
    assert strides(body) == {-8}


def test_what_accumulates_keeps_its_direction() -> None:
    i, total = var("i"), var("s", F64)
    inner = loop(i, 20, bump(total, load(A, 320 - 16 * sym(i))), independent=True)
    body: list[Stmt] = [Declare(total, const(0.0)), inner, store(B, 0, Read(total))]
    schedule(body, 1)
    assert strides(body) == {-16}
    assert isinstance(inner, For) and isinstance(inner.body[0], Assign)
    assert not isinstance(inner.body[0], Store)


@pytest.mark.parametrize("rows", range(17, 27))
def test_areas_of_reversed_boxes(rows: int) -> None:
    """LLVM's vectoriser stopped the process at 20 to 23 rows."""

    def areas(boxes: Any) -> Any:
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    boxes = np.arange(rows * 4.0, dtype=np.float32).reshape(rows, 4)[::-1, ::-1] ** 2
    backwards = boxes[::-1, ::-1].copy()[::-1, ::-1]
    np.testing.assert_array_equal(jit(areas)(backwards), areas(backwards))
