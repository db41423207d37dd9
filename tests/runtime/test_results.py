"""Results of every kind: values, identity, base, ownership, flags; natively and portably."""

from __future__ import annotations

import collections
import dataclasses
import gc
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest

from pydsl.jit.runtime import abi
from tests.runtime.tools import F8, I8, array_guard, both, fill, spec

Pair = collections.namedtuple("Pair", "first second")


@dataclasses.dataclass
class Box:
    data: Any
    scale: float


def same_layout(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert type(ours) is np.ndarray
    assert (ours.dtype, ours.shape, ours.strides) == (theirs.dtype, theirs.shape, theirs.strides)
    assert ours.flags.num == theirs.flags.num
    assert (ours.base is None) == (theirs.base is None)


def storage(
    *shape: int, strides: tuple[int, ...] | None = None, by: Any = "entry", slot: int = 8
) -> abi.ResultStorage:
    return abi.ResultStorage(F8, shape, strides or np.empty(shape).strides, by, slot)


def whole(number: int, of: abi.ResultStorage) -> abi.ArrayResult:
    return abi.ArrayResult(number, of.dtype, of.shape, of.strides)


@pytest.mark.parametrize("by", ["entry", "kernel"])
@pytest.mark.parametrize(
    ("shape", "order"),
    [((6,), "C"), ((2, 3), "C"), ((2, 3), "F"), ((), "C"), ((1, 6, 1), "C"), ((2, 1, 3), "F")],
)
def test_new_array_owns_its_data(by: str, shape: tuple[int, ...], order: str) -> None:
    expected = np.empty(shape, order=order)
    n = expected.size
    store = storage(*shape, strides=expected.strides, by=by)
    kernel = fill(8, n, allocate=(0, 8 * n) if by == "kernel" else None)
    one = both(spec(results=whole(0, store), storages=(store,)), kernel)
    for answer in one.results():
        same_layout(answer, expected)
        assert answer.ravel("K").tolist() == list(range(n))


def test_permuted_layout() -> None:
    expected = np.empty((4, 2, 3)).transpose(1, 2, 0).copy("K")
    store = storage(2, 3, 4, strides=expected.strides)
    one = both(spec(results=whole(0, store), storages=(store,)), fill(8, 24))
    for answer in one.results():
        same_layout(answer, expected)
        assert answer.ravel("K").tolist() == list(range(24))


@pytest.mark.parametrize("by", ["entry", "kernel"])
def test_empty_result(by: str) -> None:
    store = storage(0, 5, by=by)
    one = both(
        spec(results=whole(0, store), storages=(store,)),
        fill(8, 0, allocate=(0, 0) if by == "kernel" else None),
    )
    for answer in one.results():
        assert answer.shape == (0, 5) and answer.base is None and answer.flags.owndata


def test_dynamic_size_shrinks_to_what_was_used() -> None:
    extra = """
  %np = getelementptr i64, ptr %slots, i64 9
  store i64 1000, ptr %np"""
    store = abi.ResultStorage(F8, (abi.Slot(9), 2), (16, 8), "kernel", 8)
    whole_of_it = abi.ArrayResult(0, F8, (abi.Slot(9), 2), (16, 8))
    first = abi.ArrayResult(0, F8, (abi.Slot(9),), (16,), 0)
    one = both(
        spec(results=abi.ResultTuple((whole_of_it, first)), storages=(store,)),
        fill(8, 2000, allocate=(0, 8 * 100_000), extra=extra),
    )
    for answer, view in one.results():
        same_layout(answer, np.empty((1000, 2)))
        assert answer.ravel().tolist() == list(range(2000))
        assert view.base is answer and view.tolist() == list(range(0, 2000, 2))


def test_views_of_a_new_array() -> None:
    store = storage(6)
    parts = (
        whole(0, store),
        abi.ArrayResult(0, F8, (3,), (-16,), 40),
        abi.ArrayResult(0, F8, (2, 3), (24, 8), 0, writeable=False),
        abi.ArrayResult(0, I8, (6,), (8,), 0),
        whole(0, store),
    )
    one = both(spec(results=abi.ResultTuple(parts), storages=(store,)), fill(8, 6))
    for a, reversed_, table, bits, again in one.results():
        assert a is again and a.base is None
        assert reversed_.tolist() == [5, 3, 1] and reversed_.base is a and reversed_.flags.writeable
        assert table.tolist() == [[0, 1, 2], [3, 4, 5]] and table.base is a and not table.flags.writeable
        assert bits.dtype == I8 and bits.base is a
        reversed_[0] = -1
        assert a[5] == -1 and table[1, 2] == -1


def test_views_of_arguments_have_numpys_base() -> None:
    owner = np.arange(12.0)
    argument = owner[2:8]
    store = abi.ResultStorage(F8, (), (), (0,), 8)
    view = abi.ArrayResult(0, F8, (3,), (8,), 8)
    before = abi.ArrayResult(0, F8, (2,), (8,), -16)
    one = both(spec(array_guard(0, 6), results=abi.ResultTuple((view, before)), storages=(store,)))
    for answer, in_front in one.results(argument):
        same_layout(answer, argument[1:4])
        assert answer.base is argument[1:4].base is owner
        assert answer.tolist() == [3, 4, 5] and in_front.tolist() == [0, 1]
        answer[0] = 3.0
    for answer, _ in one.results(owner[6:].copy()):
        assert answer.base is not None and answer.base.base is None
    argument.flags.writeable = False
    for answer, _ in one.results(argument):
        assert not answer.flags.writeable


def test_view_of_a_nested_argument() -> None:
    arrays = [np.zeros(2), np.arange(3.0)]
    guard = abi.TupleGuard(
        (abi.ListGuard((array_guard(0, 2), array_guard(1, 3))), abi.DictGuard((("k", array_guard(2, 2)),)))
    )
    storages = (abi.ResultStorage(F8, (), (), (0, 0, 1), 8), abi.ResultStorage(F8, (), (), (0, 1, "k"), 9))
    tree = abi.ResultTuple(
        (
            abi.ArrayResult(0, F8, (2,), (8,), 8),
            abi.ArrayResult(1, F8, (1,), (8,), 0),
            abi.ArgResult((0, 0, 1)),
            abi.ArgResult((0, 1)),
        )
    )
    one = both(spec(guard, results=tree, storages=storages))
    mapping = {"k": np.ones(2)}
    for view, other, array, same in one.results((arrays, mapping)):
        assert view.base is arrays[1] and view.tolist() == [1, 2]
        assert other.base is mapping["k"]
        assert array is arrays[1] and same is mapping


def test_scalars() -> None:
    guards = (abi.IntGuard(0), abi.FloatGuard(1), abi.ComplexGuard(2))
    kinds = [
        (abi.ScalarResult(I8, True, 0), -3),
        (abi.ScalarResult(np.dtype("u8"), True, 0), 2**64 - 3),
        (abi.ScalarResult(np.dtype("?"), True, 0), True),
        (abi.ScalarResult(F8, True, 1), 0.1),
        (abi.ScalarResult(np.dtype("c16"), True, 2), 1 - 2j),
        (abi.ScalarResult(np.dtype("i2"), False, 0), np.int16(-3)),
        (abi.ScalarResult(np.dtype("u8"), False, 0), np.uint64(2**64 - 3)),
        (abi.ScalarResult(np.dtype("?"), False, 0), np.True_),
        (abi.ScalarResult(F8, False, 1), np.float64(0.1)),
        (abi.ScalarResult(np.dtype("f4"), False, 1), np.float32(0.1)),
        (abi.ScalarResult(np.dtype("f2"), False, 1), np.float16(0.1)),
        (abi.ScalarResult(np.dtype("c8"), False, 2), np.complex64(1 - 2j)),
        (abi.ScalarResult(np.dtype("c16"), False, 2), np.complex128(1 - 2j)),
    ]
    tree = abi.ResultTuple(tuple(kind for kind, _ in kinds))
    for answers in both(spec(*guards, results=tree)).results(-3, 0.1, 1 - 2j):
        for answer, (_, expected) in zip(answers, kinds, strict=True):
            if expected is True:
                assert answer is True
            else:
                assert type(answer) is type(expected) and answer == expected


def test_containers_and_constants() -> None:
    marker = object()
    tree = abi.ResultDict(
        (
            ("list", abi.ResultList((abi.ConstResult(marker), abi.ScalarResult(I8, True, 0)))),
            ("pair", abi.ResultTuple((abi.ArgResult((0,)), abi.ConstResult("x")), Pair)),
            (
                "box",
                abi.ResultObject(
                    Box, (("scale", abi.ScalarResult(F8, True, 1)), ("data", abi.ConstResult(None)))
                ),
            ),
            ("empty", abi.ResultTuple((abi.ResultTuple(()), abi.ResultList(())))),
        )
    )
    for answer in both(spec(abi.IntGuard(0), abi.FloatGuard(1), results=tree)).results(7, 0.5):
        assert answer == {"list": [marker, 7], "pair": Pair(7, "x"), "box": Box(None, 0.5), "empty": ((), [])}
        assert list(answer) == ["list", "pair", "box", "empty"]
        assert type(answer["pair"]) is Pair


def test_return_sites() -> None:
    kernel = """
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {
  %which = load i64, ptr %slots
  ret i64 %which
}
"""
    store = storage(2)
    sites = (abi.ConstResult("zero"), whole(0, store), abi.ConstResult("two"))
    one = both(spec(abi.IntGuard(0), results=sites, storages=(store,)), kernel)
    assert one.results(0) == ["zero", "zero"]
    assert [answer.shape for answer in one.results(1)] == [(2,), (2,)]
    assert one.results(2) == ["two", "two"]


def test_allocation_with_the_gil_released() -> None:
    store = storage(1000, by="kernel")
    one = both(
        spec(results=whole(0, store), storages=(store,), release_gil=True), fill(8, 1000, allocate=(0, 8000))
    )
    for answer in one.results():
        assert answer.tolist() == list(range(1000)) and answer.flags.owndata


def test_failed_allocation_is_a_memory_error() -> None:
    store = storage(1000, by="kernel")
    entry = storage(10, slot=9)
    tree = abi.ResultTuple((whole(0, store), whole(1, entry)))
    one = both(spec(results=tree, storages=(store, entry)), fill(8, 10, allocate=(0, 1 << 60)))
    for way in one.ways():
        with pytest.raises(MemoryError):
            way.call((), {})


def test_failing_constructor_raises_its_own_error() -> None:
    @dataclasses.dataclass
    class Picky:
        value: float

        def __post_init__(self) -> None:
            raise LookupError("never satisfied")

    store = storage(3)
    tree = abi.ResultTuple((whole(0, store), abi.ResultObject(Picky, (("value", abi.ConstResult(1)),))))
    for way in both(spec(results=tree, storages=(store,)), fill(8, 3)).ways():
        with pytest.raises(LookupError, match="never satisfied"):
            way.call((), {})


def test_no_reference_is_lost_or_leaked() -> None:
    argument, marker = np.arange(6.0), object()
    mine, dynamic, theirs = (
        storage(6),
        storage(50, by="kernel", slot=9),
        abi.ResultStorage(F8, (), (), (0,), 10),
    )
    tree = abi.ResultTuple(
        (
            whole(0, mine),
            abi.ArrayResult(0, F8, (2,), (8,), 8),
            whole(1, dynamic),
            abi.ArrayResult(2, F8, (2,), (8,), 8),
            abi.ArgResult((0,)),
            abi.ResultTuple((abi.ConstResult(marker), abi.ScalarResult(F8, False, 10)), Pair),
            abi.ResultDict((("a", abi.ResultList((abi.ConstResult(marker),))),)),
            abi.ResultObject(
                Box, (("data", abi.ConstResult(marker)), ("scale", abi.ScalarResult(F8, True, 10)))
            ),
        )
    )
    kernel = fill(8, 6, allocate=(1, 400))
    one = both(spec(array_guard(0, 6), results=tree, storages=(mine, dynamic, theirs)), kernel).native
    for _ in range(3):
        one.call((argument,), {})
    gc.collect()
    dtype_count = sys.getrefcount(F8)
    before = sys.getrefcount(argument), sys.getrefcount(marker)
    tracemalloc.start()
    start = tracemalloc.take_snapshot()
    for _ in range(100_000):
        one.call((argument,), {})
    gc.collect()
    grown = sum(s.size_diff for s in tracemalloc.take_snapshot().compare_to(start, "filename"))
    tracemalloc.stop()
    assert (sys.getrefcount(argument), sys.getrefcount(marker)) == before
    assert abs(sys.getrefcount(F8) - dtype_count) < 10
    assert grown < 20_000


def test_results_outlive_everything() -> None:
    def make() -> Any:
        store = storage(6)
        view = abi.ArrayResult(0, F8, (3,), (16,), 8)
        return both(spec(results=view, storages=(store,)), fill(8, 6)).native.call((), {})

    answer = make()
    gc.collect()
    assert answer.tolist() == [1, 3, 5] and answer.base.shape == (6,)
