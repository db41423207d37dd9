"""Regions with symbols: what is said must hold for every value of the symbols, and the usual cases must be seen."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from pydsl.analysis.overlap import (
    Kind,
    Region,
    Relation,
    covers,
    has_internal_overlap,
    index_map,
    may_share,
    relate,
)
from pydsl.ir.affine import Affine, Range
from tests.analysis.views import View, elements, overlaps_itself

N, M, T, U = map(Affine.of, "nmtu")
VALUES = {"n": (1, 4), "m": (2, 4), "t": (0, 3), "u": (-1, 2)}
RANGES: dict[object, Range] = {"n": (1, None), "m": (2, None), "t": (0, 3), "u": (None, 2)}
POINTS = [
    dict(zip(VALUES, point, strict=True))
    for point in itertools.product(*[range(low, high + 1) for low, high in VALUES.values()])
]


def random_region(rng: np.random.Generator, itemsize: int) -> Region:
    rank = int(rng.integers(1, 3))
    extents = [N, M, N - 1, M - 1, M + 1, Affine.of(1), Affine.of(2), Affine.of(3), Affine.of(4), M - T]
    strides = [
        M * 8,
        M * 8,
        N * 8,
        M * -8,
        M * 16,
        N * 16,
        M * 8 + 8,
        *[Affine.of(s) for s in (8, 8, 16, 4, 0, -8, 32)],
    ]
    offset = Affine.of(int(rng.integers(-4, 5)) * int(rng.choice([4, 8])))
    for symbol in (N, M, T, U):
        if rng.random() < 0.3:
            offset = offset + symbol * (8 * int(rng.integers(-2, 3)))
    shape = [extents[k] for k in rng.integers(0, len(extents), rank)]
    return Region.of(offset, shape, [strides[k] for k in rng.integers(0, len(strides), rank)], itemsize)


def random_view(rng: np.random.Generator, region: Region) -> Region:
    """A slice along one dimension, or the same region shifted."""
    offset, shape, strides = region.offset, list(region.shape), list(region.strides)
    axis = int(rng.integers(0, len(shape)))
    choice = rng.integers(0, 6)
    if choice == 0:
        offset, shape[axis] = offset + strides[axis], shape[axis] - 1
    elif choice == 1:
        shape[axis] = shape[axis] - 1
    elif choice == 2:
        offset = offset + 8
    elif choice == 3:
        shape.reverse()
        strides.reverse()
    elif choice == 4 and strides[axis].is_const:
        offset, shape[axis] = offset + T * strides[axis].value, Affine.of(1)
    return Region.of(offset, shape, strides, region.itemsize)


def at(region: Region, point: dict[object, int]) -> View:
    return View(
        region.offset.evaluate(point),
        tuple(max(d.evaluate(point), 0) for d in region.shape),
        tuple(s.evaluate(point) for s in region.strides),
        region.itemsize,
    )


def check_at(a: View, b: View, relation: Relation) -> None:
    bytes_a, bytes_b = a.bytes(), b.bytes()
    if not bytes_a or not bytes_b:
        return
    if relation.kind is Kind.DISJOINT:
        assert not bytes_a & bytes_b
    elif relation.kind is Kind.IDENTICAL:
        assert elements(a) == elements(b)
    elif relation.kind is Kind.COVERS:
        assert bytes_b <= bytes_a
    elif relation.kind is Kind.COVERED:
        assert bytes_a <= bytes_b
    elif relation.kind is Kind.SHIFTED:
        assert relation.shift is not None
        there = elements(b)
        for index, address in elements(a).items():
            twin = tuple(i + d for i, d in zip(index, relation.shift, strict=True))
            for other, other_address in there.items():
                assert (
                    address == other_address if other == twin else abs(address - other_address) >= a.itemsize
                )


def test_random_regions_at_random_points() -> None:
    rng = np.random.default_rng(40)
    kinds: Counter[Kind] = Counter()
    maps = 0
    for _ in range(3000):
        itemsize = int(rng.choice([8, 8, 8, 4]))
        a = random_region(rng, itemsize)
        b = random_view(rng, a) if rng.random() < 0.6 else random_region(rng, itemsize)
        relation = relate(a, b, RANGES)
        kinds[relation.kind] += 1
        assert may_share(a, b, RANGES) == relation.may_share
        inside = covers(a, b, RANGES)
        separate = not has_internal_overlap(a, RANGES)
        symbols = ["i", "j"][: len(a.shape)]
        image = index_map(a, b, symbols, RANGES)
        maps += image is not None
        for k in rng.integers(0, len(POINTS), 8):
            point: dict[object, int] = dict(POINTS[k])
            if any(d.evaluate(point) < 0 for d in a.shape + b.shape):
                continue
            view_a, view_b = at(a, point), at(b, point)
            check_at(view_a, view_b, relation)
            assert not inside or view_b.bytes() <= view_a.bytes()
            assert not separate or not overlaps_itself(view_a)
            if image is not None:
                target = elements(view_b)
                for index, address in elements(view_a).items():
                    where = point | dict(zip(symbols, index, strict=True))
                    assert target[tuple(form.evaluate(where) for form in image)] == address
    assert all(kinds[kind] > 10 for kind in Kind if kind is not Kind.OVERLAPS), kinds
    assert maps > 200


DENSE = Region.of(0, (N, M), (M * 8, 8), 8)
WIDE = Region.of(0, (N, 8), (64, 8), 8)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(DENSE, DENSE, "identical", id="same"),
        pytest.param(Region.of(0, (N,), (8,), 8), Region.of(N * 8, (M,), (8,), 8), "disjoint", id="halves"),
        pytest.param(
            Region.of(0, (N,), (16,), 8), Region.of(8, (N,), (16,), 8), "disjoint", id="interleaved"
        ),
        pytest.param(
            Region.of(0, (N, M), (M * 8, 8), 4),
            Region.of(4, (N, M), (M * 8, 8), 4),
            "disjoint",
            id="real, imag",
        ),
        pytest.param(
            Region.of(T * 8, (N,), (64,), 8), Region.of(T * 8 + 8, (N,), (64,), 8), "disjoint", id="columns"
        ),
        pytest.param(
            Region.of(0, (N,), (M * 8,), 8),
            Region.of(8, (N,), (M * 8,), 8),
            "disjoint",
            id="symbolic columns",
        ),
        pytest.param(
            Region.of(M * 8, (N - 1, M), (M * 8, 8), 8),
            Region.of(0, (N - 1, M), (M * 8, 8), 8),
            "shifted by [1, 0]",
            id="rows",
        ),
        pytest.param(
            Region.of(8, (N - 1,), (8,), 8), Region.of(0, (N - 1,), (8,), 8), "shifted by [1]", id="next"
        ),
        pytest.param(DENSE, Region.of(8, (N, M - 1), (M * 8, 8), 8), "shifted by [0, -1]", id="inner slice"),
        pytest.param(WIDE, Region.of(T * 8, (N,), (64,), 8), "covers", id="a column"),
        pytest.param(
            Region.of(T * 64, (8,), (8,), 8), Region.of(0, (4, 8), (64, 8), 8), "covered", id="a row"
        ),
        pytest.param(
            Region.of(0, (N,), (8,), 8), Region.of(U * 8, (N,), (8,), 8), "unknown", id="open symbol"
        ),
        pytest.param(Region.of(0, (0, N), (8, 8), 8), DENSE, "disjoint", id="empty"),
    ],
)
def test_usual_cases(a: Region, b: Region, expected: str) -> None:
    assert str(relate(a, b, RANGES)) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(Region.of(T * 8, (N,), (64,), 8), WIDE, "i, t", id="a column"),
        pytest.param(Region.of(T * 64, (8,), (8,), 8), Region.of(0, (4, 8), (64, 8), 8), "t, i", id="a row"),
        pytest.param(Region.of(0, (M, N), (8, M * 8), 8), DENSE, "j, i", id="transposed"),
        pytest.param(Region.of(M * 8, (N - 1, M), (M * 8, 8), 8), DENSE, "i + 1, j", id="rows"),
        pytest.param(
            Region.of(N * 8 - 8, (N,), (-8,), 8), Region.of(0, (N,), (8,), 8), "n - i - 1", id="reversed"
        ),
        pytest.param(Region.of(0, (N,), (16,), 8), Region.of(0, (N,), (8,), 8), "none", id="out of bounds"),
        pytest.param(Region.of(U * 8, (N,), (64,), 8), WIDE, "none", id="not known to be inside"),
    ],
)
def test_usual_maps(a: Region, b: Region, expected: str) -> None:
    image = index_map(a, b, ["i", "j"][: len(a.shape)], RANGES)
    assert ("none" if image is None else ", ".join(map(str, image))) == expected


def test_internal_overlap() -> None:
    assert not has_internal_overlap(DENSE, RANGES)
    assert not has_internal_overlap(Region.of(0, (N, M - 1), (M * -8, 8), 8), RANGES)
    assert has_internal_overlap(Region.of(0, (N, M), (0, 8), 8), RANGES)
    assert has_internal_overlap(Region.of(0, (N, M), (8, 8), 8), RANGES)
    assert has_internal_overlap(Region.of(0, (N, N), (M * 8, 8), 8), RANGES)
