"""Relations of constant regions against NumPy and against sets of bytes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydsl.analysis.overlap import (
    DISJOINT,
    IDENTICAL,
    Kind,
    Region,
    Relation,
    covers,
    has_internal_overlap,
    may_share,
    relate,
)
from tests.analysis.views import DTYPES, STRIDES, View, elements, of_array, overlaps_itself, random_pair

PAIRS = 12_000


def check_pair(a: View, b: View) -> Relation:
    """Everything that is said about a pair, against enumeration."""
    relation = relate(a.region, b.region)
    bytes_a, bytes_b = a.bytes(), b.bytes()
    share = bool(bytes_a & bytes_b)
    assert relation.may_share == share
    assert may_share(a.region, b.region) == share
    small = max(a.addresses().size * a.itemsize, b.addresses().size * b.itemsize) <= 1024
    inside = covers(a.region, b.region)
    assert inside == (bytes_b <= bytes_a) if small else not inside or bytes_b <= bytes_a
    assert has_internal_overlap(a.region) == overlaps_itself(a)
    if relation.kind is Kind.IDENTICAL:
        assert elements(a) == elements(b)
    elif relation.kind is Kind.SHIFTED:
        check_shift(a, b, relation)
    elif relation.kind is Kind.COVERS:
        assert bytes_b <= bytes_a
    elif relation.kind is Kind.COVERED:
        assert bytes_a <= bytes_b
    elif relation.kind is Kind.OVERLAPS:
        assert not small or (not bytes_a <= bytes_b and not bytes_b <= bytes_a)
    else:
        assert relation == DISJOINT
    return relation


def check_shift(a: View, b: View, relation: Relation) -> None:
    assert relation.shift is not None and a.itemsize == b.itemsize
    there = elements(b)
    for index, address in elements(a).items():
        twin = tuple(i + d for i, d in zip(index, relation.shift, strict=True))
        for other, other_address in there.items():
            if other == twin:
                assert address == other_address
            else:
                assert abs(address - other_address) >= a.itemsize


def test_random_pairs_agree_with_numpy_and_enumeration() -> None:
    rng = np.random.default_rng(20)
    kinds: Counter[Kind] = Counter()
    for _ in range(PAIRS):
        a, b = random_pair(rng)
        relation = check_pair(a, b)
        assert relation.may_share == np.shares_memory(a.array, b.array), (a, b)
        kinds[relation.kind] += 1
    assert kinds[Kind.UNKNOWN] == 0
    assert all(kinds[kind] > 100 for kind in Kind if kind is not Kind.UNKNOWN), kinds


sizes = st.sampled_from([1, 2, 4, 8, 16])


@st.composite
def views(draw: st.DrawFn) -> View:
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    strides = [draw(st.sampled_from(STRIDES)) * draw(st.sampled_from([1, -1])) for _ in shape]
    return View(draw(st.integers(-40, 40)), tuple(shape), tuple(strides), draw(sizes))


@given(views(), views())
def test_shrinkable_pairs(a: View, b: View) -> None:
    check_pair(a, b)


#: one real byte
MEMORY = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1 << 40,), (1,))


def unreadable(view: View) -> np.ndarray[Any, Any]:
    """The view as a NumPy array over addresses that do not exist; only good for asking about sharing."""
    first = MEMORY[view.offset : view.offset + view.itemsize].view(DTYPES[view.itemsize])
    return np.lib.stride_tricks.as_strided(first, view.shape, view.strides)


def test_large_views_agree_with_numpy() -> None:
    """Too large to enumerate, up to rank 8; NumPy solves the same problem."""
    rng = np.random.default_rng(21)
    answers: Counter[bool] = Counter()
    for _ in range(1500):
        pair = []
        for _ in range(2):
            rank = int(rng.integers(1, 9 if rng.random() < 0.3 else 4))
            shape = rng.integers(1, 400 if rank < 4 else 9, rank)
            strides = rng.integers(1, 4000, rank) * rng.choice([1, 8, 64]) * rng.choice([1, -1], rank)
            offset = int(rng.integers(0, 10**6)) + (1 << 38)
            pair.append(View(offset, tuple(shape.tolist()), tuple(strides.tolist()), 4))
        a, b = pair
        kind = relate(a.region, b.region).kind
        try:
            expected = np.shares_memory(unreadable(a), unreadable(b), max_work=200_000)
        except np.exceptions.TooHardError:
            continue
        assert (kind is not Kind.DISJOINT) == expected
        assert kind is not Kind.UNKNOWN
        answers[expected] += 1
    assert min(answers.values()) > 200, answers


def named(text: str) -> tuple[View, View]:
    t = np.zeros((6, 8))
    left, right = text.split(" / ")
    return of_array(eval(left, {"t": t, "np": np}), t), of_array(eval(right, {"t": t, "np": np}), t)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("t / t", "identical"),
        ("t[:3] / t[3:]", "disjoint"),
        ("t[:, ::2] / t[:, 1::2]", "disjoint"),
        ("t[:, 3] / t[:, 4]", "disjoint"),
        ("t[1:] / t[:-1]", "shifted by [1, 0]"),
        ("t[1:-1, 1:-1] / t[2:, :-2]", "shifted by [-1, 1]"),
        ("t[2:5] / t", "shifted by [2, 0]"),
        ("t / t[::-1]", "covers"),
        ("t[:, ::2] / t.T", "covered"),
        ("t[3] / t[:, 3]", "overlaps"),
        ("t[:0] / t", "disjoint"),
        ("t[None, 0] / t[:1]", "identical"),
        ("t.view('c16').real / t.view('c16').imag", "disjoint"),
        ("t.view('f4')[:, 1::2] / t", "covered"),
        ("np.broadcast_to(t[0], (3, 8)) / np.broadcast_to(t[0], (3, 8))", "identical"),
        ("np.lib.stride_tricks.sliding_window_view(t[0], 3) / t[0, 1:]", "covers"),
    ],
)
def test_named_pairs(pair: str, expected: str) -> None:
    a, b = named(pair)
    assert str(check_pair(a, b)) == expected


def test_a_row_that_wraps_is_not_shifted() -> None:
    """Element [0, 2] of one is [1, -1] and [0, 3] of the other: two index differences share bytes."""
    a, b = View(8, (3, 3), (24, 8), 8), View(0, (3, 3), (24, 8), 8)
    assert relate(a.region, b.region).kind is Kind.OVERLAPS


def test_regions() -> None:
    region = Region.of(8, (2, 3), (24, 8), 8)
    assert region == Region.of(8, (2, 3), (24, 8), 8) and hash(region) == hash(
        Region.of(8, (2, 3), (24, 8), 8)
    )
    assert region != Region.of(8, (2, 3), (24, 8), 4)
    assert repr(region) == "Region(8, [2, 3], [24, 8], 8)"
    assert region.is_const and region.layout.dense and (region.layout.low, region.layout.high) == (8, 56)
    assert relate(region, region) is IDENTICAL
    with pytest.raises(ValueError, match="not constant"):
        _ = Region.of(0, ("n",), (8,), 8).layout  # type: ignore[arg-type]
