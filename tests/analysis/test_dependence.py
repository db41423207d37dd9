"""Dependence distances against enumeration of small loop nests, and the usual nests by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydsl.analysis.dependence import (
    Access,
    Dependence,
    distances,
    lexicographically_nonnegative,
    only_same_iteration,
)
from pydsl.ir.affine import Affine, Range

Vector = tuple[int, ...]
Hits = list[tuple[Vector, Vector]]


def sign(vector: Iterable[int]) -> int:
    return next((1 if x > 0 else -1 for x in vector if x), 0)


@dataclass
class Nests:
    """Two accesses with the integer ranges of their loops, common ones first."""

    src: Access
    dst: Access
    common: tuple[str, ...]
    src_ranges: dict[str, tuple[int, int]]
    dst_ranges: dict[str, tuple[int, int]]

    def solve(self) -> Dependence:
        return distances(self.src, self.dst, self.common, self.src_ranges, self.dst_ranges)

    def hits(self, **symbols: int) -> Hits:
        """The pairs of common iterations at which the accesses share bytes."""
        sides = []
        for access, ranges in ((self.src, self.src_ranges), (self.dst, self.dst_ranges)):
            points = list(itertools.product(*[range(low, high + 1) for low, high in ranges.values()]))
            values = [
                access.address.evaluate({**dict(zip(ranges, p, strict=True)), **symbols}) for p in points
            ]
            sides.append((points, np.array(values, dtype=int)))
        (points_s, at_s), (points_d, at_d) = sides
        gap = at_s[:, None] - at_d[None, :]
        close = np.argwhere((gap > -self.src.itemsize) & (gap < self.dst.itemsize))
        depth = len(self.common)
        return [(points_s[i][:depth], points_d[j][:depth]) for i, j in close.tolist()]


def difference(p: Vector, q: Vector) -> Vector:
    return tuple(b - a for a, b in zip(p, q, strict=True))


def inside(vector: Vector, box: Sequence[Range]) -> bool:
    return all(
        (lo is None or lo <= x) and (hi is None or x <= hi) for x, (lo, hi) in zip(vector, box, strict=True)
    )


def random_nests(rng: np.random.Generator) -> Nests:
    common = tuple("abc"[: int(rng.integers(1, 4))])
    src_ranges, dst_ranges = {}, {}
    for loop in common:
        low = int(rng.integers(-2, 3))
        src_ranges[loop] = dst_ranges[loop] = (low, low + int(rng.integers(0, 4)))
        if rng.random() < 0.2:
            dst_ranges[loop] = (low + 1, low + 1 + int(rng.integers(-1, 4)))
    if rng.random() < 0.5:
        src_ranges["s"] = (0, int(rng.integers(0, 4)))
    if rng.random() < 0.5:
        dst_ranges["d"] = (0, int(rng.integers(0, 4)))
    uniform = rng.random() < 0.7
    strides = [0, 1, 2, 4, 8, 8, 16, 24, 32, -8, -4, -16, 40, 64, 12]
    src_coeffs = {v: int(rng.choice(strides)) for v in src_ranges}
    dst_coeffs = {
        v: src_coeffs[v] if v in common and uniform else int(rng.choice(strides)) for v in dst_ranges
    }
    sizes = [(8, 8), (8, 8), (4, 8), (1, 1)][int(rng.integers(4))]
    offsets = (rng.integers(-10, 10, 2) * rng.choice([1, 4, 8], 2)).tolist()
    return Nests(
        Access(Affine.linear(offsets[0], src_coeffs.items()), sizes[0]),
        Access(Affine.linear(offsets[1], dst_coeffs.items()), sizes[1]),
        common,
        src_ranges,
        dst_ranges,
    )


def check(nests: Nests, answer: Dependence, hits: Hits) -> bool:
    """Everything that an answer says, against the pairs that conflict; whether it was as sharp as can be."""
    vectors = {difference(p, q) for p, q in hits}
    assert all(any(inside(v, box) for box in answer.boxes) for v in vectors)
    carried = tuple(
        loop for k, loop in enumerate(nests.common) if any(v[k] and not any(v[:k]) for v in vectors)
    )
    truth = {
        "is_none": not vectors,
        "only_same_iteration": not any(map(any, vectors)),
        "lexicographically_nonnegative": all(sign(v) >= 0 for v in vectors),
    }
    sharp = carried == answer.carried_by()
    assert set(carried) <= set(answer.carried_by())
    for name, expected in truth.items():
        got = getattr(answer, name)
        assert expected or not got, name
        sharp = sharp and got == expected
    for loop in nests.common:
        assert answer.allows_parallel(loop) == (loop not in answer.carried_by())
    for order in itertools.permutations(range(len(nests.common))):
        expected = all(sign(v) == sign([v[k] for k in order]) for v in vectors)
        got = answer.allows_order([nests.common[k] for k in order])
        assert expected or not got
        sharp = sharp and got == expected
    if answer.exact:
        assert sharp
        assert all(any(inside(v, box) for v in vectors) for box in answer.boxes)
        assert answer.vector is None or vectors == {answer.vector}
    return sharp


def check_vector(nests: Nests, answer: Dependence, hits: Hits) -> None:
    """Lockstep execution keeps the order of every pair that conflicts."""
    for place, loop in enumerate(nests.common):
        first = nests.src_ranges[loop][0]
        for width in (None, 2, 3):

            def time(iteration: Vector, statement: int) -> tuple[int, ...]:
                lane = iteration[place] - first
                strip = 0 if width is None else lane // width
                return (*iteration[:place], strip, *iteration[place + 1 :], statement, lane)

            expected = all(
                sign(difference((*p, 0), (*q, 1))) == sign(difference(time(p, 0), time(q, 1)))
                for p, q in hits
            )
            got = answer.allows_vector(loop, width)
            assert expected or not got
            assert got == expected or width is not None or not answer.exact


def test_random_nests() -> None:
    rng = np.random.default_rng(50)
    sharp = exact = 0
    count = 3000
    for _ in range(count):
        nests = random_nests(rng)
        answer, hits = nests.solve(), nests.hits()
        sharp += check(nests, answer, hits)
        exact += answer.exact
        check_vector(nests, answer, hits)
        arguments = (nests.src, nests.dst, nests.common, nests.src_ranges, nests.dst_ranges)
        assert only_same_iteration(*arguments) == answer.only_same_iteration
        assert lexicographically_nonnegative(*arguments) == answer.lexicographically_nonnegative
    assert exact > 0.8 * count
    assert sharp > 0.99 * count


# --- symbols ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """A symbol that is a product."""

    factor: str
    stride: Affine


N, M, T = map(Affine.of, "nmt")
I, J, K = map(Affine.of, "ijk")


def expand(form: Affine, m: int) -> Affine:
    """The form with ``m`` known, products included."""
    total = Affine.of(form.const)
    for symbol, coeff in form.terms:
        if isinstance(symbol, Times):
            total = total + Affine.of(symbol.factor) * (symbol.stride.evaluate({"m": m}) * coeff)
        else:
            total = total + (m if symbol == "m" else Affine.of(symbol)) * coeff
    return total


def random_symbolic(rng: np.random.Generator) -> tuple[Access, Access, tuple[str, ...], Any, Any]:
    common = ("i", "j")[: int(rng.integers(1, 3))]
    ends: list[Any] = [N - 1, M - 1, M - 2, None, 2, 3]

    def pick() -> tuple[Any, Any]:
        return 0, ends[int(rng.integers(0, len(ends)))]

    src_ranges: dict[str, Any] = {loop: pick() for loop in common}
    dst_ranges = src_ranges.copy()
    if rng.random() < 0.4:
        src_ranges["s"] = pick()
    if rng.random() < 0.4:
        dst_ranges["d"] = src_ranges["s"] if "s" in src_ranges and rng.random() < 0.6 else pick()
    row = Affine.of(Times("i", M * 8))
    moves = {
        "i": [I * 8, I * 32, row, row, row, row * 2, Affine.of(0)],
        "j": [J * 8, J * 8, J * -8, J * 16, Affine.of(0)],
        "s": [Affine.of("s") * 8, Affine.of("s") * 8, Affine.of("s") * 64],
        "d": [Affine.of("d") * 8, Affine.of("d") * 8, Affine.of("d") * 64],
    }
    chosen = {v: forms[int(rng.integers(0, len(forms)))] for v, forms in moves.items()}
    other = chosen | {v: moves[v][int(rng.integers(0, len(moves[v])))] for v in common if rng.random() < 0.2}

    def access(ranges: dict[str, Any], parts: dict[str, Affine]) -> Access:
        offsets = [Affine.of(0), Affine.of(8), N * 8, M * 8, T * 8, T * -8, Affine.of(-32)]
        total = offsets[int(rng.integers(0, len(offsets)))]
        for v in ranges:
            total = total + parts[v]
        return Access(total, 8)

    return access(src_ranges, chosen), access(dst_ranges, other), common, src_ranges, dst_ranges


def test_random_symbolic_nests() -> None:
    rng = np.random.default_rng(51)
    known: dict[object, Range] = {"n": (1, None), "m": (2, 5), "t": (0, None)}
    proven = 0
    for _ in range(2500):
        src, dst, common, src_ranges, dst_ranges = random_symbolic(rng)
        answer = distances(src, dst, common, src_ranges, dst_ranges, known if rng.random() < 0.7 else None)
        proven += all(box_is_vector(box) for box in answer.boxes)
        for _ in range(4):
            values = {
                "n": int(rng.integers(1, 5)),
                "m": int(rng.integers(2, 6)),
                "t": int(rng.integers(0, 4)),
            }
            nests = Nests(
                Access(expand(src.address, values["m"]), 8),
                Access(expand(dst.address, values["m"]), 8),
                common,
                {v: known_range(r, values) for v, r in src_ranges.items()},
                {v: known_range(r, values) for v, r in dst_ranges.items()},
            )
            check(
                nests,
                Dependence(answer.common, answer.boxes, exact=False),
                nests.hits(n=values["n"], t=values["t"]),
            )
    assert proven > 150


def box_is_vector(box: Sequence[Range]) -> bool:
    return all(low is not None and low == high for low, high in box)


def known_range(bounds: tuple[Any, Any], values: dict[str, int]) -> tuple[int, int]:
    first, last = bounds
    return first, 5 if last is None else Affine.of(last).evaluate(values)  # type: ignore[arg-type]


ROW = Affine.of(Times("i", M * 8))
SQUARE: dict[str, Any] = {"i": (0, 99), "j": (0, 99)}
OPEN: dict[str, Any] = {"i": (0, N - 1), "j": (0, M - 1)}
WINDOW = "(-8..-1, 1..8) | (0, 0) | (1..8, -8..-1)"
INNER: dict[str, Any] = {"i": (1, 9), "j": (1, 9)}
OPEN_ALONE = {"i": OPEN["i"], "k": OPEN["j"]}
ALONE = {"i": SQUARE["i"], "k": SQUARE["j"]}


@pytest.mark.parametrize(
    ("src", "dst", "common", "src_ranges", "dst_ranges", "expected"),
    [
        pytest.param(I * 8, I * 8, "i", SQUARE, SQUARE, "(0)", id="same"),
        pytest.param(I * 800 + J * 8, I * 800 + J * 8, "ij", SQUARE, SQUARE, "(0, 0)", id="same 2-d"),
        pytest.param(I * 8 + T * 8, I * 8 + T * 8, "i", SQUARE, SQUARE, "(0)", id="same place of a symbol"),
        pytest.param(I * 8, I * 8 + 8, "i", SQUARE, SQUARE, "(-1)", id="next"),
        pytest.param(I * 8, I * 8 + 800, "i", SQUARE, SQUARE, "none", id="beyond"),
        pytest.param(I * 16, I * 16 + 8, "i", SQUARE, SQUARE, "none", id="interleaved"),
        pytest.param(I * 800 + J * 8, I * 800 + J * 8 - 808, "ij", INNER, INNER, "(1, 1)", id="stencil"),
        pytest.param(I * 8, I * 8, "ij", SQUARE, SQUARE, "(0, -99..99)", id="reduction"),
        pytest.param(I * 800 + J * 8, I * 800 + K * 8, "i", SQUARE, ALONE, "(0)", id="rows"),
        pytest.param(I * 800 + J * 8, I * 800 + K * 8 - 800, "i", SQUARE, ALONE, "(1)", id="rows, next"),
        pytest.param(I * 800 + J * 8, I * 800 + K * 8 + 8, "i", SQUARE, ALONE, "(-1) | (0)", id="rows, overhanging"),
        pytest.param(I * 8 + J * 8, I * 8 + J * 8, "ij", INNER, INNER, WINDOW, id="window"),
        pytest.param(I * 8, I * -8 + 8 * 99, "i", SQUARE, SQUARE, "(-99..-1) | (1..99)", id="reversed"),
        pytest.param(I * 8, I * 16 + 1000, "i", SQUARE, SQUARE, "none", id="faster, apart"),
        pytest.param(I * 8, I * 8, "i", OPEN, OPEN, "(0)", id="open, same"),
        pytest.param(I * 8, I * 8 + 8, "i", {"i": (0, None)}, {"i": (0, None)}, "(-1)", id="open, next"),
        pytest.param(I * 8, I * 8 + N * 8, "i", OPEN, OPEN, "none", id="second half"),
        pytest.param(ROW + J * 8, ROW + J * 8, "ij", OPEN, OPEN, "(0, 0)", id="symbolic rows"),
        pytest.param(ROW + J * 8, ROW + J * 8 + M * 8, "ij", OPEN, OPEN, "(-1, 0)", id="symbolic rows, next"),
        pytest.param(ROW + J * 8, ROW + K * 8, "i", OPEN, OPEN_ALONE, "(0)", id="symbolic rows, alone"),
        pytest.param(ROW + J * 8, ROW + J * 8, "j", OPEN, OPEN, "(0)", id="symbolic columns"),
        pytest.param(I * 8, I * 8, "i", {"i": (0, -1)}, {"i": (0, -1)}, "none", id="no iteration"),
    ],
)  # fmt: skip
def test_usual_nests(
    src: Affine, dst: Affine, common: str, src_ranges: Any, dst_ranges: Any, expected: str
) -> None:
    answer = distances(Access(src, 8), Access(dst, 8), tuple(common), src_ranges, dst_ranges)
    assert str(answer) == expected


def test_a_stride_that_changes_with_a_loop_is_not_known() -> None:
    address = Affine.of(Times("i", J * 8))
    answer = distances(Access(address, 8), Access(address, 8), ("i", "j"), SQUARE, SQUARE)
    assert str(answer) == "(*, *)" and not answer.exact
    assert not answer.only_same_iteration and answer.vector is None and answer.carried_by() == ("i", "j")


def test_predicates_of_a_wavefront() -> None:
    """``a[i, j] = a[i - 1, j + 1]``: carried by i; the loops must not be interchanged."""
    ranges: dict[str, Any] = {"i": (1, 9), "j": (1, 9)}
    load, store = Access(I * 800 + J * 8 - 792, 8), Access(I * 800 + J * 8, 8)
    answer = distances(store, load, ("i", "j"), ranges, ranges)
    assert answer.vector == (1, -1)
    assert answer.carried_by() == ("i",) and answer.allows_parallel("j") and not answer.allows_parallel("i")
    assert not answer.allows_order(("j", "i")) and answer.allows_order(("i", "j"))
    assert answer.allows_vector("j") and not answer.allows_vector("i")
    assert answer.lexicographically_nonnegative and not answer.only_same_iteration
    back = distances(load, store, ("i", "j"), ranges, ranges)
    assert back.vector == (-1, 1) and not back.lexicographically_nonnegative
