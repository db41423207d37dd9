"""Affine forms: arithmetic, substitution and bounds against evaluation at points."""

from __future__ import annotations

import copy
import itertools
import pickle
import random

import pytest

from pydsl.ir.affine import Affine

SYMBOLS = ("i", "j", "n")


def random_form(rng: random.Random) -> Affine:
    return Affine.linear(
        rng.randint(-5, 5), [(rng.choice(SYMBOLS), rng.randint(-4, 4)) for _ in range(rng.randint(0, 4))]
    )


def test_arithmetic_is_that_of_values() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        a, b, k = random_form(rng), random_form(rng), rng.randint(-3, 3)
        point = {s: rng.randint(-9, 9) for s in SYMBOLS}
        va, vb = a.evaluate(point), b.evaluate(point)
        assert (a + b).evaluate(point) == va + vb
        assert (a - b).evaluate(point) == va - vb
        assert (a * k).evaluate(point) == (k * a).evaluate(point) == va * k
        assert (a + k).evaluate(point) == (k + a).evaluate(point) == va + k
        assert (k - a).evaluate(point) == k - va
        assert (-a).evaluate(point) == -va
        assert (a - a) == 0 and (a - a).is_const
        product = a.mul(b)
        if a.is_const or b.is_const:
            assert product is not None and product.evaluate(point) == va * vb
        else:
            assert product is None
        inside, rest = a.split(("i", "n"))
        assert inside + rest == a and set(inside.symbols()) <= {"i", "n"} and rest == a.without(("i", "n"))
        assert inside.const == 0


def test_substitution_is_simultaneous() -> None:
    rng = random.Random(2)
    assert (Affine.of("i") - Affine.of("j")).substitute(
        {"i": Affine.of("j"), "j": Affine.of("i")}
    ) == Affine.of("j") - Affine.of("i")
    for _ in range(1000):
        a = random_form(rng)
        mapping = {s: random_form(rng) for s in rng.sample(SYMBOLS, 2)}
        point = {s: rng.randint(-9, 9) for s in SYMBOLS}
        moved = point | {s: form.evaluate(point) for s, form in mapping.items()}
        assert a.substitute(mapping).evaluate(point) == a.evaluate(moved)


def test_bounds_are_exact() -> None:
    rng = random.Random(3)
    for _ in range(500):
        a = random_form(rng)
        ranges = {s: (lo := rng.randint(-3, 3), lo + rng.randint(0, 3)) for s in SYMBOLS}
        boxes = [range(lo, hi + 1) for lo, hi in ranges.values()]
        values = [a.evaluate(dict(zip(SYMBOLS, p, strict=True))) for p in itertools.product(*boxes)]
        assert a.bounds(dict(ranges)) == (min(values), max(values))
    assert (Affine.of("i") * 2 + 1).bounds({"i": (0, None)}) == (1, None)
    assert (Affine.of("i") * -2 + 1).bounds({"i": (0, None)}) == (None, 1)
    assert (Affine.of("i") + Affine.of("n")).bounds({"i": (0, 3)}) == (None, None)


def test_divide_exact() -> None:
    form = Affine.linear(16, [("i", 4), ("j", -8)])
    assert form.divide_exact(4) == Affine.linear(4, [("i", 1), ("j", -2)])
    assert form.divide_exact(-4) == Affine.linear(-4, [("i", -1), ("j", 2)])
    assert form.divide_exact(8) is None and (form + 1).divide_exact(4) is None
    assert form.content() == 4 and Affine.of(3).content() == 0


def test_equality_and_hash_ignore_the_order_of_terms() -> None:
    a, b = Affine.linear(1, [("i", 2), ("j", 3)]), Affine.linear(1, [("j", 3), ("i", 2)])
    assert a == b and hash(a) == hash(b) and a.terms != b.terms
    assert Affine.of(3) == 3 and hash(Affine.of(3)) == hash(3) and Affine.of("i") != "i"
    assert a != a + 1 and a != Affine.linear(1, [("i", 2), ("n", 3)])
    assert pickle.loads(pickle.dumps(a)) == a and copy.deepcopy(a) == a


def test_values_and_text() -> None:
    assert Affine.of(7).value == 7
    with pytest.raises(ValueError, match="not constant"):
        _ = Affine.of("n").value
    with pytest.raises(TypeError, match="truth value"):
        bool(Affine.of(1))
    assert str(Affine.linear(16, [("i", 4)])) == "4*i + 16"
    assert str(Affine.linear(-1, [("i", -1), ("j", -3), ("n", 1)])) == "-i - 3*j + n - 1"
    assert str(Affine.of(-4)) == "-4"
    assert Affine.linear(0, [("i", 4)]).text(lambda s: f"%{s}") == "4*%i"
    assert Affine.linear(1, [("i", 4)]).coeff("i") == 4 and Affine.of(1).coeff("i") == 0
