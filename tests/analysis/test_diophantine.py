"""Bounded Diophantine problems by enumeration."""

from __future__ import annotations

import itertools
import random

from pydsl.analysis.diophantine import first_multiple_within, solutions, solvable


def test_solvable_and_solutions() -> None:
    rng = random.Random(10)
    for _ in range(4000):
        count = rng.randint(0, 5)
        terms = [
            (rng.choice([0, 1, 2, 3, 4, 6, 7, 8, 12, 15, 30]) * rng.choice([1, -1]), rng.randint(0, 4))
            for _ in range(count)
        ]
        low = rng.randint(-60, 90)
        high = low + rng.choice([0, 0, 0, 1, 3, 7])
        values = [
            sum(c * x for (c, _), x in zip(terms, point, strict=True))
            for point in itertools.product(*[range(b + 1) for _, b in terms])
        ]
        hits = sum(low <= value <= high for value in values)
        assert solvable(terms, low, high) == (hits > 0)
        found = solutions([(c, 0, b) for c, b in terms], low, high, 3)
        assert found is not None and len(set(found)) == len(found) == min(hits, 3)
        for point in found:
            assert low <= sum(c * x for (c, _), x in zip(terms, point, strict=True)) <= high


def test_no_box_no_solution() -> None:
    assert solvable([(1, -1)], 0, 0) is False
    assert solvable([], 0, 0) is True
    assert solutions([(1, 2, 1)], 0, 5, 1) == []


def test_a_limit_of_work_is_kept() -> None:
    weights = (90001, 91009, 92003, 93001, 94007, 95003, 96001, 97001, 98009, 99013)
    sums = {sum(chosen) for count in range(11) for chosen in itertools.combinations(weights, count)}
    terms = [(weight, 1) for weight in weights]
    boxes = [(weight, 0, 1) for weight in weights]
    for target in [*sorted(sums)[::100], *range(470_000, 471_000, 97)]:
        assert solvable(terms, target, target) == (target in sums)
        assert solutions(boxes, target, target, 1) is not None
    assert solvable(terms, 470_000, 470_000, work=2) is None
    assert solutions(boxes, 470_000, 470_000, 1, work=2) is None


def test_first_multiple_within() -> None:
    for modulus in range(1, 24):
        for factor in range(modulus):
            for low in range(modulus):
                for high in range(low, modulus):
                    hits = [x for x in range(modulus) if low <= factor * x % modulus <= high]
                    assert first_multiple_within(factor, modulus, low, high) == (hits[0] if hits else None)
