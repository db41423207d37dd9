"""How references are written: an index that NumPy reads back as the same view."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pydsl.ir.affine import Affine
from pydsl.ir.types import Origin, Storage, TensorType
from pydsl.report.names import lines, number, size, view_text


def reference(array: np.ndarray, storage: Storage, base: int) -> TensorType:
    return TensorType(
        array.dtype,
        tuple(map(Affine.of, array.shape)),
        tuple(map(Affine.of, array.strides)),
        Affine.of(array.ctypes.data - base),
        storage,
    )


def random_entry(rng: random.Random, n: int):
    if rng.random() < 0.3:
        return rng.randrange(n)
    ends = rng.choice([None, rng.randrange(n)]), rng.choice([None, rng.randrange(n + 1)])
    return slice(*ends, rng.choice([None, 1, 2, 3, -1, -2]))


@pytest.mark.parametrize("part", range(8))
def test_random_views_read_back(part: int) -> None:
    rng = random.Random(part)
    described = 0
    for _ in range(500):
        shape = [rng.randint(1, 6) for _ in range(rng.randint(1, 3))]
        x = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        index = []
        for n in shape:
            index += [None] if rng.random() < 0.2 else []
            index.append(random_entry(rng, n))
        view = np.asarray(x[tuple(index)])
        view = view.T if rng.random() < 0.2 else view
        if view.size == 0 or view.base is None:
            continue
        storage = Storage(Origin.ARG, "x", x.dtype, Affine.of(x.nbytes))
        whole = reference(x, storage, x.ctypes.data)
        text = view_text(reference(view, storage, x.ctypes.data), whole)
        if text is not None:
            described += 1
            np.testing.assert_array_equal(eval(f"x{text}"), view)
            assert eval(f"x{text}").shape == view.shape
    assert described > 250


def test_what_is_no_basic_index_has_no_text() -> None:
    x = np.zeros((4, 6), np.int32)
    storage = Storage(Origin.ARG, "x", x.dtype, Affine.of(x.nbytes))
    whole = reference(x, storage, x.ctypes.data)
    for view in (x.reshape(3, 8), x.reshape(-1)[::5], np.broadcast_to(x, (2, 4, 6)), x.view(np.int16)):
        assert view_text(reference(view, storage, x.ctypes.data), whole) is None


def test_numbers() -> None:
    assert [size(n) for n in (0, 999, 1024, 1536, 10**6, 3 << 20, 5 << 30)] == [
        "0 B",
        "999 B",
        "1 kB",
        "1.5 kB",
        "977 kB",
        "3 MB",
        "5 GB",
    ]
    assert lines([3, 4, 5, 9]) == "lines 3-5, 9"
    assert lines([7]) == "line 7"
    assert number(4.135166556742356) == "4.13517"
