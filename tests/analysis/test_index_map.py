"""Index maps of constant regions, by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl.analysis.overlap import index_map
from tests.analysis.views import View, elements, of_array, overlaps_itself, random_pair

INDICES = "ijklmnop"


def check_map(a: View, b: View) -> bool:
    """Checks a map where there is one; the caller hears whether there is."""
    symbols = INDICES[: len(a.shape)]
    image = index_map(a.region, b.region, symbols)
    if image is None:
        assert affine_image(a, b) is None
        return False
    assert a.itemsize == b.itemsize and len(image) == len(b.shape)
    target = elements(b)
    for index, address in elements(a).items():
        point = dict(zip(symbols, index, strict=True))
        assert target[tuple(form.evaluate(point) for form in image)] == address
    return True


def affine_image(a: View, b: View) -> object:
    """The affine map by enumeration, where the target has no element twice; None where there is none."""
    source = elements(a)
    if a.itemsize != b.itemsize or not source or overlaps_itself(b):
        return None
    place = {address: np.array(index) for index, address in elements(b).items()}
    if not set(source.values()) <= place.keys():
        return None
    origin = place[source[(0,) * len(a.shape)]]
    steps = []
    for axis, extent in enumerate(a.shape):
        unit = tuple(int(k == axis) for k in range(len(a.shape)))
        steps.append(place[source[unit]] - origin if extent > 1 else origin * 0)
    for index, address in source.items():
        moved = origin + sum((i * step for i, step in zip(index, steps, strict=True)), origin * 0)
        if (moved != place[address]).any():
            return None
    return origin, steps


def test_random_pairs() -> None:
    rng = np.random.default_rng(30)
    found = sum(check_map(*random_pair(rng)) for _ in range(6000))
    assert found > 500


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("t", "t", "i, j"),
        ("t[:, ::2]", "t", "i, 2*j"),
        ("t.T", "t", "j, i"),
        ("t[::-1]", "t", "-i + 5, j"),
        ("t", "t[::-1, ::-1]", "-i + 5, -j + 7"),
        ("t[2:, 1:]", "t", "i + 2, j + 1"),
        ("t[3]", "t", "3, i"),
        ("t[:, -1]", "t", "i, 7"),
        ("t[:, None, 2:4]", "t", "i, k + 2"),
        ("np.diagonal(t)", "t", "i, i"),
        ("np.broadcast_to(t[1], (3, 8))", "t", "1, j"),
        ("t", "t.reshape(-1)", "8*i + j"),
        ("t[:, :2]", "t.reshape(6, 4, 2)", "i, 0, j"),
        ("t.reshape(6, 4, 2)", "t", "i, 2*j + k"),
        ("t.reshape(-1)", "t", "none"),
        ("t[:1].reshape(-1)", "t", "0, i"),
        ("t", "t[:, ::2]", "none"),
        ("t", "t[1:]", "none"),
        ("t[1:]", "t[:-1]", "none"),
        ("t[:, ::2]", "t[:, 1::2]", "none"),
        ("np.lib.stride_tricks.sliding_window_view(t, 3, axis=1)", "t", "i, j + k"),
        ("t.view('f4')[:, ::2]", "t", "none"),
    ],
)
def test_named_views(source: str, target: str, expected: str) -> None:
    t = np.zeros((6, 8))
    names = {"t": t, "np": np}
    a, b = of_array(eval(source, names), t), of_array(eval(target, names), t)
    image = index_map(a.region, b.region, INDICES[: len(a.shape)])
    assert ("none" if image is None else ", ".join(map(str, image))) == expected
    check_map(a, b)
