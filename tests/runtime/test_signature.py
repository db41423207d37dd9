"""Signatures: binding, leaves, keys, overlap patterns, and the guards planned from them."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import math
from typing import Any

import numpy as np
import pytest

from pydsl.errors import UnsupportedError
from pydsl.jit.binding import Binder, BoundCall
from pydsl.jit.guard_plan import Captured, plan_guards
from pydsl.jit.runtime import abi
from pydsl.jit.signature import (
    ArrayLeaf,
    AttributesNode,
    CompileRequest,
    DictNode,
    ListNode,
    NumberLeaf,
    NumpyScalarLeaf,
    StaticLeaf,
    TupleNode,
)
from tests.runtime.tools import both, ints, spec

Pair = collections.namedtuple("Pair", "first second")
DEFAULT = np.arange(4.0)


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Box:
    data: Any
    scale: float = 1.0


def plain(x: Any, y: Any = 2, *rest: Any, table: Any = DEFAULT, flag: Any = None, **named: Any) -> None: ...


def bind(*args: Any, **kwargs: Any) -> BoundCall:
    return Binder(plain).bind(args, kwargs, frozenset())


def leaf(value: Any) -> Any:
    return bind(value).signature.passed[0].node


def request(call: BoundCall) -> CompileRequest:
    return CompileRequest(plain, call.signature, objects=list(call.objects))


def test_binding_keeps_the_order_of_the_call() -> None:
    call = bind(1, 2.0, 3j, 4, flag=True, extra="x", table=0)
    assert [a.path for a in call.signature.passed] == [
        ("x",),
        ("y",),
        ("rest", 0),
        ("rest", 1),
        ("flag",),
        ("named", "extra"),
        ("table",),
    ]
    assert call.signature.defaulted == ()
    assert call.objects == (1, 2.0, 3j, 4, True, "x", 0)
    assert call.signature.call_form == abi.CallForm(4, ("flag", "extra", "table"))
    parameters = request(call).parameters()
    assert parameters["rest"] == TupleNode((NumberLeaf(complex), NumberLeaf(int)))
    assert parameters["named"] == DictNode((("extra", StaticLeaf("x")),))
    assert parameters["flag"] == StaticLeaf(True)


def test_defaults() -> None:
    call = bind(1)
    assert [a.path for a in call.signature.defaulted] == [("y",), ("table",), ("flag",)]
    assert call.objects[1] == 2 and call.objects[2] is DEFAULT
    y, table, flag = (a.node for a in call.signature.defaulted)
    assert y == StaticLeaf(2) and flag == StaticLeaf(None) and isinstance(table, ArrayLeaf)
    assert request(call).parameters()["rest"] == TupleNode(())
    plan = plan_guards(request(call), ())
    assert plan.implicit == (2, DEFAULT, None)
    assert plan.slots == {("x",): 0, ("table",): 1}
    one = both(spec(*plan.guards, implicit=plan.implicit, n_slots=plan.n_slots, results=ints(0)))
    assert one.results(7) == [(7,)] * 2


def test_a_parameter_named_like_a_positional_only_one() -> None:
    def function(x: Any, /, **named: Any) -> None: ...

    call = Binder(function).bind((1,), {"x": 2.0}, frozenset())
    assert [a.path for a in call.signature.passed] == [("x",), ("named", "x")]
    assert [type(v) for v in call.objects] == [int, float]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "mode",
        b"raw",
        slice(1, None),
        range(4),
        np.dtype("f4"),
        np.float32,
        int,
        math.sin,
        np.add,
        np,
        plain,
        Colour.RED,
        functools.partial(plain, 1),
        ...,
        1 << 70,
    ],
)
def test_static_leaves(value: Any) -> None:
    node = leaf(value)
    assert isinstance(node, StaticLeaf) and node.value is value
    assert node == leaf(value) and hash(node) == hash(leaf(value))
    assert node != leaf("something else")


def test_static_leaves_differ_by_type_and_bits() -> None:
    def static(value: Any) -> Any:
        return Binder(plain).bind((value,), {}, frozenset({("x",)})).signature

    values = [0, 0.0, -0.0, False, 0j, np.float64(0), np.float32(0), np.int64(0), "0", float("nan")]
    keys = [static(v) for v in values]
    assert len(set(keys)) == len(values)
    assert static(float("nan")) == static(float("nan"))
    assert leaf(slice(0, 1)) != leaf(slice(False, 1)) and leaf(slice(0, 1)) != leaf(slice(0.0, 1))
    assert leaf(True) != leaf(1)


def test_dynamic_leaves() -> None:
    assert leaf(3) == leaf(4) == NumberLeaf(int)
    assert leaf(3.0) == NumberLeaf(float) and leaf(3j) == NumberLeaf(complex)
    assert leaf(np.float32(1)) == NumpyScalarLeaf(np.dtype("f4"))
    assert leaf(np.True_) == NumpyScalarLeaf(np.dtype("?"))
    array = np.zeros((3, 4))[:, ::2]
    assert leaf(array) == ArrayLeaf(np.dtype("f8"), (3, 2), (32, 16), True, True)
    assert leaf(np.zeros(3, np.longlong)) == leaf(np.zeros(3, np.int64))


def test_containers() -> None:
    a = np.zeros(2)
    assert isinstance(leaf([a, (1, "s")]), ListNode)
    assert leaf((1, 2)) != leaf([1, 2])
    assert leaf(Pair(1, 2)) == TupleNode((NumberLeaf(int),) * 2, Pair) != leaf((1, 2))
    assert leaf({"a": 1}) == DictNode((("a", NumberLeaf(int)),))
    box = leaf(Box(a))
    assert isinstance(box, AttributesNode) and [key for key, _ in box.items] == ["data", "scale"]
    signature = bind([a, {"k": Box(a, 2.0)}]).signature
    assert [path for path, _ in signature.leaves() if path[0] == "x"] == [
        ("x", 0),
        ("x", 1, "k", "data"),
        ("x", 1, "k", "scale"),
    ]
    assert signature.arg_path(("x", 1, "k", "data")) == (0, 1, "k", "data")
    assert signature.arg_path(("y",)) == (1,)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array(["a"]), "has dtype <U1"),
        (np.array([None]), "has dtype object"),
        (np.zeros(2, "M8[s]"), "has dtype datetime64"),
        (np.zeros(2, [("a", "f8")]), "has dtype"),
        (np.zeros(2, ">f8"), "has dtype >f8"),
        (np.zeros(2, np.longdouble), "has dtype float128"),
        (np.longdouble(1), "has dtype float128"),
        (np.str_("x"), "has dtype <U1"),
        (np.ma.zeros(3), "is a MaskedArray"),
        ({1: 2}, "keys that are not strings"),
        ({1, 2}, "is an object of class builtins.set"),
        (object(), "is an object of class builtins.object"),
        (slice("a", 1), None),
        (slice([], 1), "is the slice"),
        (iter([]), "is an object of class builtins.list_iterator"),
    ],
)
def test_unsupported(value: Any, words: str | None) -> None:
    if words is None:
        leaf(value)
        return
    with pytest.raises(UnsupportedError) as caught:
        leaf(value)
    text = str(caught.value)
    assert words in text and "argument `x`" in text and "write instead" in text
    assert "test_signature.py" in text and "`plain`" in text
    with pytest.raises(UnsupportedError, match=r"argument `x\[1\]\['k'\]`"):
        leaf([1, {"k": value}])


def test_a_list_that_contains_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        leaf(loop)


def test_overlap_patterns() -> None:
    base = np.arange(20.0)
    parts = [base[0:5], base[3:8], base[8:10], base[::-1][0:3], np.zeros(3), base[4:4], base[2:4]]
    signature = bind(parts).signature
    found = {(o.first[1], o.second[1]): o.delta for o in signature.overlaps}
    assert found == {(0, 1): 24, (0, 6): 16, (1, 6): -8}
    same = bind([base, base]).signature.overlaps
    assert [(o.first, o.second, o.delta) for o in same] == [(("x", 0), ("x", 1), 0)]


def test_overlaps_agree_with_numpy() -> None:
    rng = np.random.default_rng(1)
    base = np.zeros((12, 12))
    for _ in range(100):
        views = []
        for _ in range(4):
            i, j, k, m = rng.integers(0, 12, 4)
            views.append(base[i : j : int(rng.choice([-2, -1, 1, 3])), k : m : int(rng.choice([-1, 1, 2]))])
        found = {(o.first[1], o.second[1]) for o in bind(views).signature.overlaps}
        expected = {
            (i, j) for i in range(4) for j in range(i + 1, 4) if np.may_share_memory(views[i], views[j])
        }
        assert found == expected


def test_planned_overlap_guards() -> None:
    base = np.arange(20.0)
    call = bind([base[0:5], base[3:8], base[10:], np.zeros(3), base[1:1]])
    plan = plan_guards(request(call), [("x", 0)])
    slots = [plan.slots["x", i] for i in range(5)]
    table = plan.slots["table",]
    assert plan.overlaps == (
        abi.SameOffset(slots[0], slots[1], 24),
        abi.Disjoint(slots[0], slots[2]),
        abi.Disjoint(slots[0], slots[3]),
        abi.Disjoint(slots[0], table),
    )
    assert plan_guards(request(call), ()).overlaps == (abi.SameOffset(slots[0], slots[1], 24),)


def test_captured_arrays_take_part() -> None:
    base = np.arange(6.0)
    call = bind(base[:3])
    plan = plan_guards(request(call), [("x",)], (Captured(("<global>", 0), base[1:4]),))
    assert plan.slots == {("x",): 0, ("table",): 1, ("<global>", 0): 2}
    assert plan.paths["<global>", 0] == (4,)
    assert plan.overlaps == (abi.Disjoint(0, 1), abi.SameOffset(0, 2, 8))


def test_every_signature_passes_its_own_guards() -> None:
    values = (
        3,
        2.5,
        1j,
        None,
        False,
        "s",
        slice(2),
        np.float32(1),
        np.int16(1),
        np.zeros((2, 3)).T,
        [np.zeros(2), (1, {"k": Box(np.ones(3), 0.5)})],
        Pair(1, plain),
        np.dtype("i4"),
        1 << 90,
        Colour.RED,
    )
    call = bind(values, 1.0, *values, flag=values)
    plan = plan_guards(request(call), ())
    one = both(
        abi.Specialization(
            "f",
            call.signature.call_form,
            plan.guards,
            (abi.ConstResult(None),),
            plan.n_slots,
            implicit=plan.implicit,
        )
    )
    assert one.hits(values, 1.0, *values, flag=values)
    other = [*values]
    other[5] = "t"
    assert not one.hits(values, 1.0, *other, flag=values)
