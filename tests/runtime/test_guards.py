"""Every guard, hit and missed, natively and portably."""

from __future__ import annotations

import builtins
import collections
import dataclasses
from typing import Any

import numpy as np
import pytest

from pydsl.jit.runtime import abi
from tests.runtime.tools import array_guard, both, floats, ints, spec

Pair = collections.namedtuple("Pair", "first second")


@dataclasses.dataclass
class Box:
    data: Any
    scale: float = 1.0


def test_array_type_dtype_shape_and_strides() -> None:
    one = both(spec(array_guard(0, 3, 4)))
    good = np.zeros((3, 4))
    assert one.hits(good)
    assert one.hits(np.zeros((5, 6))[1:4, 1:5].copy())
    for bad in (
        np.zeros((4, 3)),
        np.zeros((3, 4, 1)),
        np.zeros(12),
        np.zeros(()),
        np.zeros((4, 3)).T,
        np.zeros((3, 8))[:, ::2],
        good[::-1],
        good.astype(np.float32),
        good.astype(">f8"),
        good.astype(np.int64),
        np.ma.masked_array(good),
        np.asmatrix(good),
        good.tolist(),
        None,
        1.0,
    ):
        assert not one.hits(bad)


def test_strided_and_reversed_and_broadcast_arrays() -> None:
    base = np.arange(60.0).reshape(6, 10)
    for view in (base.T, base[::-2, 3:1:-1], np.broadcast_to(base[0], (4, 10)), base[:, 2]):
        guard = array_guard(0, *view.shape, strides=view.strides)
        one = both(spec(guard, results=ints(0)))
        assert one.results(view) == [(view.__array_interface__["data"][0],)] * 2
        assert not one.hits(view.copy()) or view.copy().strides == view.strides


def test_zero_dimensional_array() -> None:
    one = both(spec(array_guard(0)))
    assert one.hits(np.array(1.0))
    assert not one.hits(np.float64(1.0))
    assert not one.hits(np.zeros(1))


def test_open_extents_are_passed_in_slots() -> None:
    guard = array_guard(1, 3, 4, shape=(None, 4), strides=(None, None))
    one = both(spec(guard, results=ints(2, 3, 4)))
    assert one.results(np.zeros((7, 4))) == [(7, 32, 8)] * 2
    assert one.results(np.zeros((4, 9)).T) == [(9, 8, 72)] * 2
    assert not one.hits(np.zeros((7, 5)))


def test_another_dtype_object_of_the_same_type_is_accepted() -> None:
    one = both(spec(array_guard(0, 3, dtype=np.int64)))
    assert one.hits(np.zeros(3, np.longlong))
    assert one.hits(np.zeros(3, np.dtype("i8", metadata={"unit": "m"})))
    assert not one.hits(np.zeros(3, np.ulonglong))


def test_flags() -> None:
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    raw = np.zeros(25, np.uint8)[1:].view(np.float64)
    assert both(spec(array_guard(0, 3))).hits(frozen)
    assert not both(spec(array_guard(0, 3, writes=True))).hits(frozen)
    assert not both(spec(array_guard(0, 3))).hits(raw)
    assert both(spec(array_guard(0, 3, aligned=False))).hits(raw)
    assert both(spec(array_guard(0, 3, aligned=False))).hits(np.zeros(3))


def test_python_numbers() -> None:
    one = both(spec(abi.IntGuard(0), abi.FloatGuard(1), abi.ComplexGuard(2), results=ints(0)))
    assert one.results(-7, 1.5, 2j) == [(-7,)] * 2
    assert one.hits(2**63 - 1, 1.5, 2j)
    assert one.results(-(2**63), 1.5, 2j) == [(-(2**63),)] * 2
    for bad in (2**63, True, 1.0, np.int64(1), "1", None):
        assert not one.hits(bad, 1.5, 2j)
    for bad in (1, True, np.float64(1.5), np.float32(1.5), 1j):
        assert not one.hits(1, bad, 2j)
    for bad in (1, 1.0, np.complex128(1)):
        assert not one.hits(1, 1.5, bad)
    values = both(spec(abi.FloatGuard(0), abi.ComplexGuard(1), results=floats(0, 1, 2)))
    assert values.results(-0.5, 3 - 4j) == [(-0.5, 3.0, -4.0)] * 2


def test_bool_and_none() -> None:
    one = both(spec(abi.BoolGuard(True), abi.NoneGuard()))
    assert one.hits(True, None)
    for bad in (False, 1, np.True_, None):
        assert not one.hits(bad, None)
    assert not one.hits(True, 0)


@pytest.mark.parametrize("code", "? b B h H i I l L e f d F D".split())
def test_numpy_scalars(code: str) -> None:
    dtype = np.dtype(code)
    extreme = {"b": True, "i": None, "u": None, "f": -0.125, "c": 0.5 - 2j}[dtype.kind]
    if extreme is None:
        extreme = np.iinfo(dtype).min or np.iinfo(dtype).max
    value = dtype.type(extreme)
    guard = abi.NumpyScalarGuard(dtype, 0)
    one = both(spec(guard, results=abi.ScalarResult(dtype, False, 0)))
    for answer in one.results(value):
        assert type(answer) is type(value) and answer == value
    for bad in (value.item(), np.array(value), None):
        assert not one.hits(bad)
    other = np.float32(1) if code == "d" else np.float64(1)
    assert not one.hits(other)


def test_identity() -> None:
    def marker() -> None: ...

    one = both(spec(abi.IdentityGuard(marker), abi.IdentityGuard(np.float64)))
    assert one.hits(marker, np.float64)
    assert not one.hits(lambda: None, np.float64)
    assert not one.hits(marker, np.float32)


@pytest.mark.parametrize(
    ("static", "same", "others"),
    [
        ("reflect pad", "".join(["reflect ", "pad"]), ["reflect", b"reflect pad", 3]),
        (1 << 80, (1 << 79) * 2, [(1 << 80) + 1, 5]),
        (7000, int("7000"), [7001, 7000.0, np.int64(7000)]),
        (0.0, float("0"), [-0.0, 0, False, np.float64(0)]),
        (float("nan"), float("nan"), [1.0]),
        (1 + 0j, complex("1"), [complex(1, -0.0), 1]),
        (slice(1, 7, 2), slice(1, 7, 2), [slice(1, 7), slice(1.0, 7, 2), slice(True, 7, 2)]),
        (range(0, 6, 2), range(0, 6, 2), [range(0, 5, 2), [0, 2, 4]]),
        (np.dtype("f8"), np.dtype("<f8"), [np.dtype("f4"), "f8"]),
        (np.float64(2.5), np.float64(2.5), [2.5, np.float32(2.5), np.float64(3)]),
        (b"abc", b"".join([b"ab", b"c"]), ["abc", b"abd"]),
    ],
)
def test_equal(static: Any, same: Any, others: list[Any]) -> None:
    one = both(spec(abi.EqualGuard(static)))
    assert one.hits(static)
    assert one.hits(same)
    for other in others:
        assert not one.hits(other)


def test_tuples_and_lists() -> None:
    guard = abi.TupleGuard((abi.IntGuard(0), abi.ListGuard((abi.FloatGuard(1), array_guard(2, 2)))))
    one = both(spec(guard, results=ints(0)))
    assert one.results((4, [1.0, np.zeros(2)])) == [(4,)] * 2
    for bad in (
        (4,),
        (4, [1.0]),
        (4, (1.0, np.zeros(2))),
        [4, [1.0, np.zeros(2)]],
        (4, [1, np.zeros(2)]),
        None,
    ):
        assert not one.hits(bad)
    assert not one.hits(Pair(4, [1.0, np.zeros(2)]))
    named = both(spec(abi.TupleGuard((abi.IntGuard(0), abi.IntGuard(1)), Pair), results=ints(1)))
    assert named.results(Pair(1, 2)) == [(2,)] * 2
    assert not named.hits((1, 2))


def test_dicts_and_dataclasses() -> None:
    one = both(spec(abi.DictGuard((("w", array_guard(0, 2)), ("n", abi.IntGuard(1)))), results=ints(1)))
    assert one.results({"n": 3, "w": np.zeros(2)}) == [(3,)] * 2
    for bad in (
        {"n": 3},
        {"n": 3, "v": np.zeros(2)},
        {"n": 3, "w": np.zeros(2), "x": 1},
        {"n": 3, "w": 1},
        None,
    ):
        assert not one.hits(bad)
    assert not one.hits(collections.OrderedDict(n=3, w=np.zeros(2)))
    box = both(
        spec(
            abi.AttributesGuard(Box, (("data", array_guard(0, 2)), ("scale", abi.FloatGuard(1)))),
            results=floats(1),
        )
    )
    assert box.results(Box(np.zeros(2), 2.5)) == [(2.5,)] * 2
    assert not box.hits(Box(None, 2.5))
    assert not box.hits(Box(np.zeros(2), 2))
    broken = Box(np.zeros(2), 2.0)
    del broken.data
    assert not box.hits(broken)


def test_call_forms() -> None:
    a, b = np.zeros(2), np.ones(2)
    plain = both(spec(array_guard(0, 2), array_guard(1, 2)))
    assert plain.hits(a, b)
    assert not plain.hits(a)
    assert not plain.hits(a, b, b)
    assert not plain.hits(a, y=b)
    named = both(
        spec(array_guard(0, 2), abi.IntGuard(1), abi.IntGuard(2), kwnames=("p", "q"), results=ints(1, 2))
    )
    assert named.results(a, p=5, q=6) == [(5, 6)] * 2
    assert not named.hits(a, q=6, p=5)
    assert not named.hits(a, p=5)
    assert not named.hits(a, 5, 6)
    fresh = {"".join(["p"]): 5, bytes([113]).decode(): 6}
    assert named.results(a, **fresh) == [(5, 6)] * 2
    nothing = both(spec())
    assert nothing.hits()
    assert not nothing.hits(1)
    assert not nothing.hits(x=1)


def test_implicit_objects() -> None:
    table = np.arange(3.0)
    one = both(spec(abi.IntGuard(0), array_guard(1, 3), implicit=(table,), results=ints(0, 1)))
    assert one.results(5) == [(5, table.__array_interface__["data"][0])] * 2
    assert not one.hits(5, table)


def test_globals() -> None:
    namespace: dict[str, Any] = {"k": 1, "other": 2}
    guards = (
        abi.GlobalGuard(namespace, "k", namespace["k"]),
        abi.GlobalGuard(namespace, "len", abi.MISSING),
        abi.GlobalGuard(builtins.__dict__, "len", len),
    )
    one = both(spec(name_guards=guards))
    assert one.hits()
    namespace["unrelated"] = 3
    assert one.hits()
    namespace["k"] = 2
    assert not one.hits()
    namespace["k"] = 1
    assert one.hits()
    namespace["len"] = max
    assert not one.hits()
    del namespace["len"]
    assert one.hits()
    del namespace["k"]
    assert not one.hits()


def test_closure_cells() -> None:
    def outer() -> Any:
        def inner() -> Any:
            return value

        value = np

        def change(new: Any) -> None:
            nonlocal value
            value = new

        def clear() -> None:
            nonlocal value
            del value

        return inner, change, clear

    inner, change, clear = outer()
    one = both(spec(name_guards=(abi.CellGuard(inner.__closure__[0], np),)))
    assert one.hits()
    change(dataclasses)
    assert not one.hits()
    clear()
    assert not one.hits()
    empty = both(spec(name_guards=(abi.CellGuard(inner.__closure__[0], abi.MISSING),)))
    assert empty.hits()
    change(np)
    assert one.hits()
    assert not empty.hits()


def test_disjoint_and_same_offset() -> None:
    base = np.zeros(10)
    apart = both(spec(array_guard(0, 3), array_guard(1, 3), overlaps=(abi.Disjoint(0, 1),)))
    shifted = both(spec(array_guard(0, 3), array_guard(1, 3), overlaps=(abi.SameOffset(0, 1, 8),)))
    for first in range(8):
        for second in range(8):
            pair = base[first : first + 3], base[second : second + 3]
            assert apart.hits(*pair) == (abs(first - second) >= 3)
            assert shifted.hits(*pair) == (second - first == 1)
    assert apart.hits(base[:3], np.zeros(3))


def test_disjoint_with_open_extents_and_negative_strides() -> None:
    base = np.zeros(40)
    guards = [array_guard(slot, 1, shape=(None,), strides=(None,)) for slot in (0, 3)]
    one = both(spec(*guards, overlaps=(abi.Disjoint(0, 3),)))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        cuts = []
        for _ in range(2):
            start, stop = rng.integers(0, 41, 2)
            cuts.append(base[start : stop : int(rng.choice([-3, -1, 1, 2]))])
        expected = not np.may_share_memory(*cuts)
        assert one.hits(*cuts) == expected
        seen.add(expected)
    assert seen == {True, False}


def test_empty_arrays_overlap_nothing() -> None:
    base = np.zeros((4, 5))
    guards = [array_guard(0, 0, 5), array_guard(1, 4, 5)]
    one = both(spec(*guards, overlaps=(abi.Disjoint(0, 1),)))
    assert one.hits(base[2:2], base)


def test_guards_drop_what_they_held() -> None:
    import sys

    array = np.zeros(2)
    box = Box([array, {"k": array}], 2.0)
    guard = abi.AttributesGuard(
        Box,
        (
            ("data", abi.ListGuard((array_guard(0, 2), abi.DictGuard((("k", array_guard(1, 2)),))))),
            ("scale", abi.FloatGuard(2)),
        ),
    )
    one = both(spec(guard, results=floats(2)))
    before = sys.getrefcount(array), sys.getrefcount(box.data)
    for _ in range(1000):
        assert one.native.call((box,), {}) == (2.0,)
        box.scale = 2
        assert one.native.call((box,), {}) is abi.MISS
        box.scale = 2.0
    assert (sys.getrefcount(array), sys.getrefcount(box.data)) == before
