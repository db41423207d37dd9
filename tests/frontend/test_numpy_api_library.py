"""What the self-hosted library computes: positions, sorts, scans, sets; traced from Python functions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.building import layouts, same, values
from tests.tracing import run_traced

DTYPES = [np.dtype(c) for c in ("f8", "f4", "i8", "u1", "?", "i2")]


def both(fn, *args, exact=True):
    """Traced and plain, on copies."""
    mine = run_traced(fn, *[a.copy("K") if isinstance(a, np.ndarray) else a for a in args])
    same(mine, fn(*args), fn.__name__, exact, layout=False)


def arrays(seed, count=6, rank=1):
    """Random arrays with NaN and infinities; no negative zero (which of two equal zeros sorts first is open)."""
    rng = np.random.default_rng(seed)
    for turn in range(count):
        shape = [int(rng.integers(0, 40)) if rank == 1 else int(rng.integers(1, 7)) for _ in range(rank)]
        x = values(rng, shape, DTYPES[turn % len(DTYPES)])
        yield rng, layouts(rng, np.where(x == 0, x.dtype.type(0), x))


def nonzero(x):
    return np.nonzero(x)


def flatnonzero(x):
    return np.flatnonzero(x)


def argwhere(x):
    return np.argwhere(x)


def where(x):
    return np.where(x)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("fn", [nonzero, flatnonzero, argwhere, where])
def test_positions(fn, rank):
    for _, x in arrays(rank, rank=rank):
        both(fn, x)


def mask_load(x, m):
    return x[m]


def mask_store(x, m, v):
    x[m] = v
    return x


def test_masks():
    for rng, x in arrays(4, 6, rank=2):
        for mask in (values(rng, x.shape, "?"), values(rng, x.shape[:1], "?")):
            both(mask_load, x, mask)
            both(mask_store, x, mask, x[mask][::-1].copy())


def argsort(x):
    return np.argsort(x, kind="stable")


def argsort_0(x):
    return np.argsort(x, axis=0, kind="stable")


def sort(x):
    return np.sort(x)


def sort_0(x):
    return np.sort(x, axis=0)


def sort_method(x):
    x.sort()
    return x


def argsort_method(x):
    return x.argsort(kind="stable")[::-1]


@pytest.mark.parametrize("fn", [argsort, sort, sort_method, argsort_method, argsort_0, sort_0])
def test_sorting_rows(fn):
    for _, x in arrays(5, 12):
        both(fn, x)


@pytest.mark.parametrize("fn", [argsort, argsort_0, sort, sort_0, sort_method])
def test_sorting_matrices(fn):
    for _, x in arrays(6, 6, rank=2):
        both(fn, x)


def search(a, v):
    return np.searchsorted(a, v), np.searchsorted(a, v, side="right")


def test_searchsorted():
    for rng, x in arrays(7, 5):
        both(search, np.sort(x), values(rng, (9,), x.dtype))
        both(search, np.sort(x), x.dtype.type(2))


def unique(x):
    return np.unique(x)


def unique_all(x):
    return np.unique(x, return_index=True, return_inverse=True, return_counts=True)


@pytest.mark.parametrize("fn", [unique, unique_all])
def test_unique(fn):
    for _, x in arrays(8, 6):
        both(fn, x)


def cumsum(x):
    return np.cumsum(x)


def cumsum_0(x):
    return np.cumsum(x, axis=0)


def cumprod_1(x):
    return np.cumprod(x, axis=-1)


@pytest.mark.parametrize("fn", [cumsum, cumsum_0, cumprod_1])
def test_scans(fn):
    for rank in (1, 2, 3):
        for _, x in arrays(9, 4, rank=rank):
            both(fn, x, exact=False)


def bincount(x):
    return np.bincount(x)


def bincount_more(x, w):
    return np.bincount(x, minlength=9), np.bincount(x, weights=w)


def test_bincount():
    rng = np.random.default_rng(10)
    for n in (0, 1, 30):
        x = rng.integers(0, 6, n)
        both(bincount, x)
        both(bincount_more, x, rng.random(n), exact=False)


def isin(x, t):
    return np.isin(x, t), np.isin(x, t, invert=True)


def test_isin():
    rng = np.random.default_rng(11)
    for n in (1, 3, 40):
        both(isin, rng.integers(0, 50, (4, 5)), rng.integers(0, 50, n))


def repeat(x, r):
    return np.repeat(x, r, axis=0)


def test_repeat_with_counts():
    rng = np.random.default_rng(12)
    both(repeat, rng.random((4, 2)), np.array([1, 0, 3, 2]))


def median(x):
    return np.median(x), np.median(x, axis=0), np.median(x, axis=1, keepdims=True)


def test_median():
    rng = np.random.default_rng(13)
    for shape in ((3, 4), (5, 5), (1, 2)):
        both(median, rng.random(shape), exact=False)
    both(median, np.array([[1, np.nan], [2, 3.0]]), exact=False)


def take(x, i):
    return np.take(x, i), np.take(x, i, axis=0), np.take_along_axis(x, i, axis=1)


def test_take():
    rng = np.random.default_rng(14)
    both(take, rng.random((3, 4)), rng.integers(0, 3, (3, 2)))


def delete(x):
    return np.delete(x, 1), np.delete(x, [0, -1]), np.delete(x, slice(1, 3))


def test_delete():
    both(delete, np.arange(6.0))


def lexsort(a, c):
    return np.lexsort((a, c))


def test_lexsort():
    rng = np.random.default_rng(15)
    both(lexsort, rng.integers(0, 3, 20), rng.integers(0, 3, 20))


def union(x, y):
    return np.union1d(x, y), np.intersect1d(x, y), np.setdiff1d(x, y), np.setxor1d(x, y)


def test_sets():
    rng = np.random.default_rng(16)
    for n in (0, 1, 20):
        both(union, rng.integers(0, 9, 15), rng.integers(3, 14, n))


def histogram(x):
    return np.histogram(x, bins=7, range=(-1, 2))


def histogram_of_all(x):
    return np.histogram(x)


def histogram_edges(x, e):
    return np.histogram(x, e)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_histogram(dtype):
    x = (np.random.default_rng(17).standard_normal(60) * 2).astype(dtype)
    both(histogram, x)
    both(histogram_of_all, x)
    both(histogram_edges, x, np.array([-2.0, -1, 0.5, 2]))


def interp(x, p, f):
    return np.interp(x, p, f), np.interp(x, p, f, left=-1, right=9)


def test_interp():
    rng = np.random.default_rng(18)
    both(
        interp,
        np.append(rng.random(9) * 5 - 1, [0.0, 3.0, np.nan]),
        np.arange(4.0),
        rng.random(4),
        exact=False,
    )


def quantile(x):
    return (
        np.quantile(x, 0.3),
        np.percentile(x, [25, 50, 90], axis=0),
        np.quantile(x, 0.75, axis=1),
        np.percentile(x, 40),
    )


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_quantile(dtype):
    both(quantile, (np.random.default_rng(19).random((4, 5)) * 10).astype(dtype), exact=False)


def unravel(i):
    return np.unravel_index(i, (3, 4, 5))


def ravel_index(i, j):
    return np.ravel_multi_index((i, j), (3, 4))


def test_flat_positions():
    rng = np.random.default_rng(20)
    both(unravel, rng.integers(0, 60, 7))
    both(ravel_index, rng.integers(0, 3, 5), rng.integers(0, 4, 5))
