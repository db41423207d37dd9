"""The builder where dims are symbols: shapes, layouts and errors must come out as with constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl.frontend import numpy_api
from pydsl.frontend.builder import Builder
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Value
from pydsl.ir.types import INDEX
from tests.frontend.building import copies, outcome, run, same, values

#: function, number of arguments (all of shape (p, q)), static arguments
CALLS: list[tuple[Any, int, dict[str, Any]]] = [
    (np.add, 2, {}), (np.negative, 1, {}), (np.transpose, 1, {}), (np.ravel, 1, {}), (np.count_nonzero, 1, {}),
    *((fn, 1, {"axis": k}) for fn in (np.sum, np.mean, np.var, np.max, np.argmax, np.flip) for k in (None, 0, 1)),
    *((np.reshape, 1, {"shape": s}) for s in ((-1,), (2, -1), (-1, 1), (7, -1), (2, 3))),
    *((np.tile, 1, {"reps": r}) for r in (2, (2, 3), (0, 1), (2, 1, 2))),
    *((np.repeat, 1, {"repeats": 3, "axis": k}) for k in (None, 0, 1)),
    *((np.roll, 1, {"shift": s, "axis": k}) for s in (-3, 0, 1, 9) for k in (None, 0, 1)),
    (np.pad, 1, {"pad_width": ((1, 2), (0, 1))}), (np.pad, 1, {"pad_width": 1, "mode": "edge"}),
    (np.where, 3, {}), (np.tril, 1, {}), (np.triu, 1, {"k": 1}), (np.ones_like, 1, {}), (np.copy, 1, {"order": "F"}),
    *((np.array_split, 1, {"indices_or_sections": n, "axis": k}) for n in (3, [1, 3], [-1]) for k in (0, 1)),
    (np.split, 1, {"indices_or_sections": 2}), (np.kron, 2, {}), (np.diagonal, 1, {"offset": 1}),
    *((np.lib.stride_tricks.sliding_window_view, 1, {"window_shape": 2, "axis": k}) for k in (0, 1)),
    *((np.take, 1, {"indices": [0, -1, 1], "axis": k}) for k in (None, 0, 1)),
    (np.diff, 1, {}), (np.clip, 1, {"a_min": 0, "a_max": 2}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("index", range(len(CALLS)))
def test_calls(index):
    fn, count, rest = CALLS[index]
    handler = numpy_api.lookup(fn)
    rng = np.random.default_rng(index)
    for p, q in ((2, 3), (4, 4), (3, 5), (5, 2), (2, 2)):
        args = [values(rng, (p, q), ["f8", "f4", "i4"][rng.integers(3)]) for _ in range(count)]
        if fn is np.where:
            args[0] = args[0] > 0
        agree(
            lambda B, *v: handler(B, *v, **rest),
            lambda *v: fn(*v, **rest),
            args,
            f"{fn.__name__} {p}x{q} {rest}",
        )


def agree(mine, numpy, args, where):
    first, second = copies(args), copies(args)
    wanted = outcome(lambda: numpy(*second))
    got = outcome(lambda: run(mine, *first, symbolic=True))
    if wanted[0] == "error":
        assert got[0] == "error" and got[1][0] in wanted[1][0].__mro__, (where, got, wanted)
        return
    assert got[0] == "value", (where, got, wanted)
    same(got[1], wanted[1], where, exact=False)


def test_joining_and_products():
    rng = np.random.default_rng(0)
    shapes = [((2, 3), (4, 3)), ((2, 3), (2, 3)), ((2, 3), (3, 4)), ((2, 3), (2, 4))]
    concatenate, matmul = numpy_api.lookup(np.concatenate), numpy_api.lookup(np.matmul)
    for s, t in shapes:
        pair = [values(rng, s, "i4"), values(rng, t, "i4")]
        for axis in (0, 1):
            agree(
                lambda B, x, y: concatenate(B, [x, y], axis), lambda x, y: np.concatenate([x, y], axis),
                pair, f"{s} {t} {axis}",
            )  # fmt: skip
        agree(matmul, np.matmul, pair, f"{s} @ {t}")
        agree(numpy_api.lookup(np.outer), np.outer, [pair[0][0], pair[1][0]], "outer")


def test_a_shape_mismatch_is_found_at_run_time():
    for other in ((3, 3), (2, 4)):
        agree(numpy_api.lookup(np.add), np.add, [np.ones((2, 3)), np.ones(other)], str(other))


def symbolic(*bounds):
    params = [Value(INDEX, "n", b) for b in bounds]
    return Builder(Function("f", Block(list(params)))), [Affine.of(p) for p in params]


def test_a_contiguous_array_of_unknown_dims_is_recognised():
    B, (n, m, k) = symbolic((0, None), (0, None), (0, None))
    x = B.allocate((n, m, k), np.dtype("f4"))
    assert B.is_contiguous(x) and not B.is_f_contiguous(x)
    flat = B.ravel(x)
    assert flat.tensor.storage is x.tensor.storage and flat.tensor.rank == 1
    back = B.reshape(flat, (B.scalar_from_affine(n), B.scalar_from_affine(m), -1))
    assert back.tensor == x.tensor


def test_fortran_order_is_kept():
    B, (n, m) = symbolic((0, None), (0, None))
    x = B.transpose(B.allocate((n, m), np.dtype("f4")))
    y = B.ufunc(np.add, (x, 1))
    assert B.is_f_contiguous(y) and not B.is_contiguous(y)
