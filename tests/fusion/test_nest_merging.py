"""Nests that become one because of a later statement, and products that wait for what their epilogue reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit
from pydsl.loops.ir import Contract, Gemm
from pydsl.loops.walk import walk
from tests.fusion.test_kernel_counts import f32, nests, temporaries


def interleaved(x: Any, y: Any) -> Any:
    """The second store shares a loop with what it reads, which shares nothing with the first store."""
    out = np.empty((y.shape[0], x.shape[0], 3, 2), dtype=np.float32)
    out[..., 0] = np.exp(x)[None, :, None]
    out[..., 1] = np.exp(y)[:, None, None]
    return out


def shifted(x: Any, y: Any) -> Any:
    """As above, but the second store needs later elements of the first: two loops."""
    out = np.empty((y.shape[0] + 1, x.shape[0]), dtype=np.float32)
    out[:-1] = np.exp(x)[None]
    out[-1] = 0
    return out[1:] + np.exp(y)[:, None], out


def masked_product(a: Any, b: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-(a @ b)))
    p *= (x[None, :] >= y[:, None]) & (x[None, :] < 2 * y[:, None])
    return p


@pytest.mark.parametrize("step", [1, -1, 2])
@pytest.mark.parametrize("fn", [interleaved, shifted])
def test_merged_nests_compute_what_numpy_does(fn: Any, step: int) -> None:
    x, y = f32(40)[::step], f32(30)[::step]
    want, got = fn(x, y), jit(fn)(x, y)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-6)


def test_a_later_statement_joins_two_nests() -> None:
    # exp(x), then all of the result
    assert nests(jit(interleaved), f32(400), f32(300)) == 2
    assert temporaries(jit(interleaved), f32(400), f32(300)) == 1


def test_a_product_waits_for_what_its_epilogue_reads() -> None:
    args = f32(60, 24), f32(24, 50), f32(50), f32(60)
    fn = jit(masked_product)
    np.testing.assert_allclose(fn(*args), masked_product(*args), rtol=1e-5)
    body = fn.report(*args).loops.body
    assert [type(s) for s in walk(body) if isinstance(s, Contract | Gemm)] == [Contract]
    stores = [s for s in body if isinstance(s, Contract)]
    assert stores
    assert body.index(stores[0]) == max(
        i for i, s in enumerate(body) if isinstance(s, Contract) or hasattr(s, "body")
    )
    assert nests(fn, *args) <= 2
