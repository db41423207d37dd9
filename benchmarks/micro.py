"""Small array functions of every kind against NumPy, each at three sizes: what is slower than NumPy is a defect.

Run `python -m benchmarks.micro [--match TEXT] [--below 1.0] [--size N]`; set `PYDSL_NUM_THREADS=1` and
`OPENBLAS_NUM_THREADS=1` to compare one thread with one thread. On one thread, the processor's time of the thread is
measured, so that other work on the machine does not count. `--below` prints only what has a smaller ratio than that.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.peers import plain
from pydsl import jit

Array = Any
SIZES = (100, 10_000, 1_000_000)

CASES: list[tuple[Callable[..., Any], Callable[[np.random.Generator, int], tuple[Any, ...]]]] = []


def case(make: Callable[[np.random.Generator, int], tuple[Any, ...]]) -> Callable[[Any], Any]:
    """A function of the table with what makes its arguments for about `n` elements."""

    def add(function: Any) -> Any:
        CASES.append((function, make))
        return function

    return add


# --- arguments ------------------------------------------------------------------------------------------------------


def vectors(count: int, dtype: str = "f4") -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    return lambda rng, n: tuple(rng.random(n).astype(dtype) for _ in range(count))


def matrices(count: int, dtype: str = "f4") -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    def make(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
        side = int(n**0.5)
        return tuple(rng.random((side, side)).astype(dtype) for _ in range(count))

    return make


def boxes(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return ((rng.random((max(1, n // 4), 4)) * 100).astype("f4"),)


def picture(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    side = max(2, int((n / 3) ** 0.5))
    return (rng.integers(0, 256, (side, side, 3), dtype=np.uint8),)


def integers(count: int, dtype: str = "i8") -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    return lambda rng, n: tuple(rng.integers(1, 1000, n).astype(dtype) for _ in range(count))


def logical(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return tuple(rng.random(n) > 0.5 for _ in range(3))


def indexed(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return rng.random(n).astype("f4"), rng.integers(0, n, n)


def table(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return rng.random((n // 4, 4)).astype("f4"), rng.integers(0, n // 4, n // 4)


def complexes(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return tuple((rng.random(n) + 1j * rng.random(n)).astype("c8") for _ in range(2))


# --- chains ---------------------------------------------------------------------------------------------------------


@case(vectors(2))
def add_two(a: Array, b: Array) -> Array:
    return a + b


@case(vectors(1))
def copied(a: Array) -> Array:
    return a.copy()


@case(vectors(3, "f8"))
def chain_f8(a: Array, b: Array, c: Array) -> Array:
    return (a * 2 + b) * (c - 1) / (1 + a * a)


@case(vectors(1))
def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


@case(vectors(1))
def gelu(a: Array) -> Array:
    return 0.5 * a * (1 + np.tanh(0.7978845608 * (a + 0.044715 * a**3)))


@case(vectors(2, "f8"))
def polar(a: Array, b: Array) -> Array:
    return np.hypot(a, b) + np.arctan2(b, a)


@case(vectors(1, "f8"))
def sin_cos(a: Array) -> Array:
    return np.sin(a) * np.cos(a)


@case(vectors(1, "f8"))
def log_sqrt(a: Array) -> Array:
    return np.log(a + 1) + np.sqrt(a)


@case(vectors(1, "f8"))
def power(a: Array) -> Array:
    return a**1.7


@case(vectors(1))
def rounding(a: Array) -> Array:
    return np.floor(a * 10) + np.round(a) + np.trunc(a * 3)


@case(vectors(1))
def clipped(a: Array) -> Array:
    return np.clip(a * 2 - 0.5, 0, 1)


@case(vectors(2, "f8"))
def distance(a: Array, b: Array) -> Any:
    return np.sqrt(((a - b) ** 2).sum())


@case(vectors(2, "f2"))
def halves(a: Array, b: Array) -> Array:
    return a * b + a


@case(complexes)
def complex_product(a: Array, b: Array) -> Array:
    return a * b + np.conj(a)


@case(complexes)
def complex_size(a: Array, b: Array) -> Array:
    return np.abs(a) + b.real


# --- in place -------------------------------------------------------------------------------------------------------


@case(vectors(2))
def in_place(a: Array, b: Array) -> None:
    a *= 0.5
    a += b


@case(vectors(1))
def shifted_store(a: Array) -> None:
    a[1:] = a[:-1]


@case(vectors(1))
def relu_store(a: Array) -> None:
    a[a < 0.5] = 0


@case(vectors(1))
def masked_update(a: Array) -> None:
    a[a > 0.5] *= 2


@case(vectors(2))
def where_both(a: Array, b: Array) -> Array:
    return np.where(a > b, a, b * 2)


@case(vectors(1))
def mask_load(a: Array) -> Array:
    return a[a > 0.5]


@case(vectors(1))
def reversed_copy(a: Array) -> Array:
    return a[::-1].copy()


@case(vectors(1))
def even_odd(a: Array) -> None:
    a[::2] += 1
    a[1::2] *= 3


# --- stencils -------------------------------------------------------------------------------------------------------


@case(vectors(1, "f8"))
def three_point(a: Array) -> Array:
    return (a[:-2] + a[1:-1] + a[2:]) / 3


@case(matrices(1, "f8"))
def laplace(u: Array) -> Array:
    return u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]


@case(matrices(1, "f8"))
def jacobi_step(u: Array) -> None:
    u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])


@case(matrices(1))
def sobel(u: Array) -> Array:
    gx = u[2:, 2:] - u[2:, :-2] + 2 * (u[1:-1, 2:] - u[1:-1, :-2]) + u[:-2, 2:] - u[:-2, :-2]
    gy = u[2:, 2:] - u[:-2, 2:] + 2 * (u[2:, 1:-1] - u[:-2, 1:-1]) + u[2:, :-2] - u[:-2, :-2]
    return np.sqrt(gx * gx + gy * gy)


@case(matrices(1))
def differences(u: Array) -> Array:
    return np.diff(u, axis=1)


# --- columns --------------------------------------------------------------------------------------------------------


@case(boxes)
def areas(b: Array) -> Array:
    return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])


@case(boxes)
def centres(b: Array) -> Array:
    out = np.empty_like(b)
    out[:, :2] = (b[:, :2] + b[:, 2:]) / 2
    out[:, 2:] = b[:, 2:] - b[:, :2]
    return out


@case(boxes)
def shift_columns(b: Array) -> None:
    b[:, 0::2] += 3
    b[:, 1::2] -= 2


@case(boxes)
def stacked(b: Array) -> Array:
    return np.stack([b[:, 0], b[:, 1] * 2, b[:, 2], b[:, 3]], axis=1)


@case(boxes)
def row_norms(b: Array) -> Array:
    return b / np.sqrt((b * b).sum(axis=1, keepdims=True))


@case(boxes)
def row_best(b: Array) -> Array:
    return b.argmax(axis=1)


# --- pictures and integers ------------------------------------------------------------------------------------------


@case(picture)
def to_float(p: Array) -> Array:
    return p.astype(np.float32) / 255


@case(picture)
def grey(p: Array) -> Array:
    return 0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2]


@case(picture)
def channels_first(p: Array) -> Array:
    return (p.astype(np.float32) - 127.5).transpose(2, 0, 1).copy()


@case(picture)
def invert(p: Array) -> Array:
    return 255 - p


@case(picture)
def brighten(p: Array) -> Array:
    return np.clip(p * 1.2 + 10, 0, 255).astype(np.uint8)


@case(picture)
def saturate(p: Array) -> Array:
    return np.minimum(p.astype(np.int16) + 40, 255).astype(np.uint8)


@case(integers(2))
def int_math(a: Array, b: Array) -> Array:
    return (a * 3 + b) % 17


@case(integers(2))
def int_divide(a: Array, b: Array) -> Array:
    return a // b


@case(integers(2, "i4"))
def int_divide_i4(a: Array, b: Array) -> Array:
    return a // b + a % 10


@case(integers(2, "u1"))
def bits(a: Array, b: Array) -> Array:
    return (a & b) ^ (a << 1) | ~b


@case(integers(1, "i4"))
def to_f8(a: Array) -> Array:
    return a.astype(np.float64)


@case(logical)
def boolean_logic(a: Array, b: Array, c: Array) -> Array:
    return a & b | ~c


@case(logical)
def counted(a: Array, b: Array, c: Array) -> Any:
    return (a & b).sum()


@case(logical)
def any_all(a: Array, b: Array, c: Array) -> Any:
    return (a & ~a).any(), (b | ~b).all()


@case(vectors(1))
def compared(a: Array) -> Array:
    return (a > 0.2) & (a < 0.8)


# --- reductions -----------------------------------------------------------------------------------------------------


@case(vectors(1))
def total(a: Array) -> Any:
    return a.sum()


@case(vectors(1, "f8"))
def total_f8(a: Array) -> Any:
    return a.sum()


@case(integers(1, "i4"))
def total_i4(a: Array) -> Any:
    return a.sum()


@case(integers(1, "u1"))
def total_u1(a: Array) -> Any:
    return a.sum()


@case(vectors(1))
def extremes(a: Array) -> Any:
    return a.max() - a.min()


@case(vectors(1))
def best(a: Array) -> Any:
    return a.argmax()


@case(integers(1))
def best_i8(a: Array) -> Any:
    return a.argmin()


@case(vectors(1, "f8"))
def deviation(a: Array) -> Any:
    return a.std()


@case(vectors(1))
def standardised(a: Array) -> Array:
    return (a - a.mean()) / (a.std() + 1e-6)


@case(matrices(1))
def sum_rows(u: Array) -> Array:
    return u.sum(axis=1)


@case(matrices(1))
def sum_columns(u: Array) -> Array:
    return u.sum(axis=0)


@case(matrices(1, "f8"))
def mean_columns(u: Array) -> Array:
    return u - u.mean(axis=0)


@case(matrices(1))
def max_columns(u: Array) -> Array:
    return u.max(axis=0)


@case(matrices(1))
def argmax_rows(u: Array) -> Array:
    return u.argmax(axis=1)


@case(matrices(1))
def argmax_columns(u: Array) -> Array:
    return u.argmax(axis=0)


@case(matrices(1))
def softmax(u: Array) -> Array:
    e = np.exp(u - u.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@case(matrices(1))
def layer_norm(u: Array) -> Array:
    d = u - u.mean(axis=-1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)


@case(vectors(1))
def running(a: Array) -> Array:
    return np.cumsum(a)


@case(integers(1))
def running_i8(a: Array) -> Array:
    return np.cumsum(a)


@case(matrices(1, "f8"))
def running_columns(u: Array) -> Array:
    return np.cumsum(u, axis=0)


@case(matrices(1, "f8"))
def running_rows(u: Array) -> Array:
    return np.cumsum(u, axis=1)


@case(vectors(1, "f8"))
def running_product(a: Array) -> Array:
    return np.cumprod(a)


# --- layout ---------------------------------------------------------------------------------------------------------


@case(matrices(1))
def transposed(u: Array) -> Array:
    return u.T.copy()


@case(matrices(1, "f8"))
def transposed_f8(u: Array) -> Array:
    return np.ascontiguousarray(u.T)


@case(matrices(1))
def plus_transpose(u: Array) -> Array:
    return u + u.T


@case(matrices(1, "f8"))
def symmetrise(u: Array) -> None:
    u += u.T


@case(matrices(2))
def side_by_side(u: Array, v: Array) -> Array:
    return np.concatenate([u, v], axis=1)


@case(matrices(1))
def tiled(u: Array) -> Array:
    return np.tile(u, (2, 2))


@case(matrices(1))
def padded(u: Array) -> Array:
    return np.pad(u, 1)


@case(matrices(1))
def flipped(u: Array) -> Array:
    return u[::-1, ::-1].copy()


@case(matrices(1))
def rolled(u: Array) -> Array:
    return np.roll(u, 1, axis=1)


@case(vectors(1))
def repeated(a: Array) -> Array:
    return np.repeat(a, 3)


@case(vectors(1))
def filled(a: Array) -> Array:
    return np.zeros_like(a)


@case(vectors(2, "f8"))
def outer_sum(a: Array, b: Array) -> Array:
    return a[:1000, None] + b[None, :1000]


# --- indices and order ----------------------------------------------------------------------------------------------


@case(indexed)
def gathered(a: Array, i: Array) -> Array:
    return a[i]


@case(table)
def gathered_rows(t: Array, i: Array) -> Array:
    return t[i]


@case(indexed)
def scattered(a: Array, i: Array) -> None:
    a[i] = 1


@case(indexed)
def histogram(a: Array, i: Array) -> Array:
    return np.bincount(i)


@case(vectors(1))
def nonzero(a: Array) -> Array:
    return np.flatnonzero(a > 0.9)


@case(vectors(1))
def in_order(a: Array) -> Array:
    return np.sort(a)


@case(vectors(1))
def order_of(a: Array) -> Array:
    return np.argsort(a, kind="stable")


@case(integers(1))
def in_order_i8(a: Array) -> Array:
    return np.sort(a)


@case(vectors(2, "f8"))
def looked_up(a: Array, b: Array) -> Array:
    return np.searchsorted(np.sort(a[:1000]), b)


@case(integers(1))
def distinct(a: Array) -> Array:
    return np.unique(a)


@case(matrices(1))
def median_rows(u: Array) -> Array:
    return np.median(u, axis=1)


@case(matrices(1))
def lower(u: Array) -> Array:
    return np.tril(u)


# --- measuring ------------------------------------------------------------------------------------------------------


def seconds(
    function: Callable[..., Any], args: Sequence[Any], repeats: int, clock: Callable[[], float]
) -> float:
    """Seconds of a call, averaged over some in a row."""
    start = clock()
    for _ in range(repeats):
        function(*args)
    return (clock() - start) / repeats


def fresh(args: Sequence[Any], saved: Sequence[Any]) -> None:
    """Written arguments as they were."""
    for x, y in zip(args, saved, strict=True):
        np.copyto(x, y)


def measure(function: Callable[..., Any], args: tuple[Any, ...], rounds: int) -> tuple[float, float, float]:
    """NumPy's and the compiled function's seconds (the least of the samples), and the median of the ratios."""
    ours, theirs = jit(function), plain(function)
    saved = [x.copy() for x in args]
    one_thread = os.environ.get("PYDSL_NUM_THREADS") == "1"
    clock = time.thread_time if one_thread else time.perf_counter
    ours(*args)
    once = min(seconds(theirs, args, 1, clock) for _ in range(3))
    repeats = max(1, min(500, int(0.002 / max(once, 1e-7))))
    numpy, compiled = [], []
    for _ in range(rounds):
        for target, times in ((theirs, numpy), (ours, compiled)):
            fresh(args, saved)
            target(*args)
            times.append(seconds(target, args, repeats, clock))
    ratios = [a / b for a, b in zip(numpy, compiled, strict=True)]
    return min(numpy), min(compiled), statistics.median(ratios)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Small array functions against NumPy.")
    parser.add_argument("--match", default="", help="only functions whose name contains this")
    parser.add_argument("--below", type=float, default=float("inf"), help="only what has a smaller ratio")
    parser.add_argument("--size", type=int, action="append", help="number of elements; may be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    print(f"{'function':<20}{'elements':>10}{'NumPy us':>12}{'pydsl us':>12}{'ratio':>8}")
    slower = 0
    for function, make in CASES:
        if options.match not in function.__name__:
            continue
        for size in options.size or SIZES:
            args = make(np.random.default_rng(0), size)
            numpy, compiled, ratio = measure(function, args, options.rounds)
            slower += ratio < 1
            if ratio < options.below:
                name = function.__name__
                row = f"{name:<20}{size:>10}{1e6 * numpy:>12.2f}{1e6 * compiled:>12.2f}{ratio:>8.2f}"
                print(row, flush=True)
    print(f"slower than NumPy: {slower}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
