"""The schedule primitives keep the meaning where they apply, and refuse, naming the accesses, where they do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from pydsl.errors import ScheduleError
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Break,
    Continue,
    Copy,
    Declare,
    For,
    If,
    Let,
    Load,
    LoopKind,
    Product,
    Read,
    Stmt,
    Store,
    StoreSlot,
    Var,
)
from pydsl.loops.passes.products import bind_products
from pydsl.loops.schedule.fuse import distribute, fuse
from pydsl.loops.schedule.marks import parallel, unroll, vectorize
from pydsl.loops.schedule.reorder import reorder
from pydsl.loops.schedule.split import split
from pydsl.loops.schedule.tile import tile
from tests.loops.build import (
    BOOL,
    F64,
    I64,
    add,
    apply,
    arg,
    bump,
    const,
    index,
    load,
    loop,
    loops_of,
    mul,
    run,
    store,
    sym,
    var,
)

A, B = arg("a", 0), arg("b", 1)
N = var("n", I64, 0, None)
ONE = const(1.0)


def arrays() -> list[np.ndarray[Any, Any]]:
    return [np.arange(400.0) % 17, np.zeros(400)]


def only(body: Sequence[Stmt]) -> For:
    (found,) = (s for s in body if isinstance(s, For))
    return found


def check(before: Sequence[Stmt], after: Sequence[Stmt], values: Sequence[int] = (0, 1, 5, 8, 19)) -> None:
    """The same arrays and slots for several values of the scalar n."""
    before, after = bind_products(list(before), [N]), bind_products(list(after), [N])
    for value in values:
        run(before, arrays(), [(N, value)]).same(run(after, arrays(), [(N, value)], backwards=True))


def nest(*extents: Any, body: Callable[..., list[Stmt]]) -> For:
    """Perfectly nested loops i, j, k."""
    variables = [var(name) for name in "ijk"[: len(extents)]]
    inner = body(*variables)
    for v, extent in zip(reversed(variables), reversed(extents), strict=True):
        inner = [loop(v, extent, *inner)]
    return only(inner)


# --- split ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extent", [0, 1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("start", [0, 3])
def test_split_with_constant_extents(extent: int, start: int) -> None:
    def body() -> For:
        i = var("i")
        return loop(i, start + extent, bump_at(i), start=start)

    after = split(body(), 4)
    main = [x for x in loops_of(after) if x.var.name == "i_o"]
    rest = [x for x in loops_of(after) if x.var.name == "i"]
    assert len(main) == (extent >= 4) and len(rest) == (extent % 4 > 0)
    check([body()], after)


def bump_at(i: Var) -> Stmt:
    """A statement whose result depends on the order of iterations."""
    at = 8 * sym(i)
    return store(B, at + 8, add(mul(load(B, at), const(0.5)), load(A, at)))


@pytest.mark.parametrize("factor", [1, 3, 4, 100])
def test_split_with_symbolic_extents(factor: int) -> None:
    def body() -> For:
        i = var("i")
        return loop(i, N, bump_at(i), start=2)

    check([body()], split(body(), factor))


def test_split_of_an_inner_loop_with_symbolic_strides() -> None:
    def body() -> For:
        i, j = var("i"), var("j")
        at = sym(Product.of(j, 8 * sym(N))) + 8 * sym(i)
        return loop(i, N, loop(j, N, store(B, at, add(load(A, at), load(B, at)))))

    after = body()
    after.body[:] = split(only(after.body), 4)
    check([body()], [after])


def test_split_keeps_values_that_use_the_index() -> None:
    def body() -> For:
        i, x = var("i"), var("x", F64)
        value = apply("cast", Read(i), dtype=F64)
        twice = apply("cast", index(2 * sym(i)), dtype=F64)
        return loop(
            i, 10, Let(x, add(value, twice)), store(B, 8 * sym(i), Read(x)), store(A, 8 * sym(i), Read(x))
        )

    check([body()], split(body(), 4))


def test_split_refuses_early_ends() -> None:
    i = var("i")
    less = apply("less", load(A, 8 * sym(i)), ONE, dtype=BOOL)
    for jump in (Break(), Continue()):
        with pytest.raises(ScheduleError, match="end or skip"):
            split(loop(i, 10, If(less, [jump]), bump_at(i)), 4)
    with pytest.raises(ScheduleError, match="split of the loop over i: the factor 0 is less than 1"):
        split(loop(i, 10, bump_at(i)), 0)


# --- reorder --------------------------------------------------------------------------------------------------------


def transpose(i: Var, j: Var) -> list[Stmt]:
    return [store(B, 160 * sym(i) + 8 * sym(j), load(A, 160 * sym(j) + 8 * sym(i)))]


def test_reorder_of_independent_loops() -> None:
    after = reorder(nest(7, 9, body=transpose), ["j", "i"])
    assert [x.var.name for x in loops_of([after])] == ["j", "i"]
    check([nest(7, 9, body=transpose)], [after])


def test_reorder_of_symbolic_loops() -> None:
    def body(i: Var, j: Var) -> list[Stmt]:
        at = sym(Product.of(i, 8 * sym(N))) + 8 * sym(j)
        return [store(B, at, add(load(A, at), load(B, at)))]

    check([nest(N, N, body=body)], [reorder(nest(N, N, body=body), ["j", "i"])])


def test_reorder_moves_a_recurrence_inwards() -> None:
    """Along the first axis each row depends on the one before: the columns may go outside."""

    def body(i: Var, j: Var) -> list[Stmt]:
        at = 80 * sym(i) + 8 * sym(j)
        return [store(B, at + 80, add(mul(load(B, at), const(0.5)), load(A, at)))]

    check([nest(9, 10, body=body)], [reorder(nest(9, 10, body=body), ["j", "i"])])


def test_reorder_refuses_to_turn_a_dependence_around() -> None:
    def body(i: Var, j: Var) -> list[Stmt]:
        at = 80 * sym(i) + 8 * sym(j)
        return [store(B, at + 80, add(load(B, at + 8), ONE))]  # distance (1, -1)

    with pytest.raises(ScheduleError) as caught:
        reorder(nest(9, 8, body=body), ["j", "i"])
    assert str(caught.value) == (
        "reorder of the loops over i, j: (j, i) would turn around the load of @b[80*i + 8*j + 8] and the store to "
        "@b[80*i + 8*j + 80] at distance (-1, 1)"
    )


def test_reorder_of_reductions() -> None:
    total = var("s", F64)

    def body(**flags: bool) -> Callable[[Var, Var], list[Stmt]]:
        def inner(i: Var, j: Var) -> list[Stmt]:
            step = bump(total, load(A, 80 * sym(i) + 8 * sym(j)))
            step.value = apply("add", *step.value.args, **flags)  # type: ignore[attr-defined]
            return [step]

        return inner

    def whole(inner: For) -> list[Stmt]:
        return [Declare(total, const(0.0)), inner, StoreSlot(5, Read(total))]

    with pytest.raises(ScheduleError, match="assign the variable s in an order that matters"):
        reorder(nest(4, 5, body=body()), ["j", "i"])
    check(whole(nest(4, 5, body=body())), whole(reorder(nest(4, 5, body=body(reassoc=True)), ["j", "i"])))


def test_reorder_refuses_other_shapes() -> None:
    i, j = var("i"), var("j")
    with pytest.raises(ScheduleError, match="2 perfectly nested loops are needed, there are 1"):
        reorder(loop(i, 4, store(A, 0, ONE), loop(j, 4, bump_at(j))), ["j", "i"])
    with pytest.raises(ScheduleError, match="the bounds of j depend on a loop around it"):
        reorder(loop(i, 4, loop(j, sym(i) + 1, bump_at(j))), ["j", "i"])
    with pytest.raises(ScheduleError, match=r"\(j, k\) is not an order of \(i, j\)"):
        reorder(nest(4, 4, body=transpose), ["j", "k"])
    with pytest.raises(ScheduleError, match="a copy inside"):
        reorder(nest(4, 4, body=lambda i, j: [Copy(A, 8 * sym(i), B, 8 * sym(j), sym(8))]), ["j", "i"])
    marked = nest(4, 4, body=transpose)
    loops_of([marked])[1].kind = LoopKind.VECTOR
    with pytest.raises(ScheduleError, match="marked vector already"):
        reorder(marked, ["j", "i"])


# --- tile -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4, 5), (3, 4), (1, 9), (20, 20)])
def test_tile(sizes: tuple[int, int]) -> None:
    after = tile(nest(8, 10, body=transpose), sizes)
    assert [x.var.name for x in loops_of(after)] == ["i_t", "j_t", "i", "j"]
    check([nest(8, 10, body=transpose)], after)


def test_tile_of_symbolic_loops() -> None:
    def body(i: Var, j: Var) -> list[Stmt]:
        at = sym(Product.of(i, 8 * sym(N))) + 8 * sym(j)
        return [store(B, at, add(load(B, at), load(A, sym(Product.of(j, 8 * sym(N))) + 8 * sym(i))))]

    check([nest(N, N, body=body)], tile(nest(N, N, body=body), (4, 3)))
    # rows of 20 elements and any number of columns: rows may overlap
    with pytest.raises(ScheduleError, match=r"the store to @b\[160\*i \+ 8\*j\] and the store to"):
        tile(nest(N, N, body=transpose), (4, 3))


def test_blocks_may_run_on_threads() -> None:
    after = tile(nest(8, 10, body=transpose), (4, 4))
    after = [parallel(only(after))]
    assert loops_of(after)[0].kind is LoopKind.PARALLEL
    check([nest(8, 10, body=transpose)], after)


def test_blocks_that_do_not_fit_may_run_on_threads() -> None:
    """That rows of blocks are apart is known from the rows."""
    after = tile(nest(8, 10, body=transpose), (3, 4))
    check([nest(8, 10, body=transpose)], [parallel(only(after))])

    def body(i: Var, j: Var) -> list[Stmt]:
        at = 80 * sym(i) + 8 * sym(j)
        return [store(B, at + 80, add(mul(load(B, at), const(0.5)), load(A, at)))]

    blocks = tile(nest(8, 10, body=body), (3, 4))
    assert [x.independent for x in loops_of(blocks)] == [False, True, False, True]
    with pytest.raises(ScheduleError, match="depend on each other"):
        parallel(only(blocks))


def test_tile_refuses_mixed_directions() -> None:
    def body(i: Var, j: Var) -> list[Stmt]:
        at = 80 * sym(i) + 8 * sym(j)
        return [store(B, at + 80, add(load(B, at + 8), ONE))]

    with pytest.raises(ScheduleError, match=r"blocks would turn around .* at distance \(-1, 1\)"):
        tile(nest(9, 8, body=body), (4, 4))
    with pytest.raises(ScheduleError, match="a size of 0 is less than 1"):
        tile(nest(4, 4, body=transpose), (2, 0))


def test_tile_of_a_stencil_that_only_looks_back() -> None:
    def body(i: Var, j: Var) -> list[Stmt]:
        at = 80 * sym(i) + 8 * sym(j)
        return [store(B, at + 88, add(add(load(B, at), load(B, at + 8)), add(load(B, at + 80), ONE)))]

    check([nest(9, 9, body=body)], tile(nest(9, 9, body=body), (3, 4)))


# --- vectorize, parallel, unroll --------------------------------------------------------------------------------------


def shifted(distance: int, extent: Any = 20) -> For:
    """``a[i] = a[i - distance] + 1``."""
    i = var("i")
    at = 8 * sym(i)
    return loop(i, extent, store(A, at + 8 * max(distance, 0), add(load(A, at - 8 * min(distance, 0)), ONE)))


@pytest.mark.parametrize("mark", [parallel, vectorize])
def test_marks_refuse_a_recurrence(mark: Callable[[For], Any]) -> None:
    with pytest.raises(ScheduleError) as caught:
        mark(shifted(1))
    assert "its iterations depend on each other: the load of @a[8*i] and the store to @a[8*i + 8]" in str(
        caught.value
    )
    assert str(caught.value).endswith("at distance (-1)")
    for distance in (-1, 3):
        with pytest.raises(ScheduleError, match="at distance"):
            mark(shifted(distance))


def test_marks_of_independent_loops() -> None:
    assert parallel(shifted(0)).kind is LoopKind.PARALLEL
    (vector,) = vectorize(shifted(0))
    assert isinstance(vector, For) and vector.kind is LoopKind.VECTOR and vector.independent
    check([shifted(0)], [vector])
    check([shifted(30)], [parallel(shifted(30))])


def test_vectors_no_longer_than_the_distance() -> None:
    for extent in (20, 21, N):
        after = vectorize(shifted(4, extent), 4)
        assert [x.kind for x in loops_of(after) if x.var.name == "i_i"] == [LoopKind.VECTOR]
        check([shifted(4, extent)], after)
    with pytest.raises(ScheduleError, match="depend on each other"):
        vectorize(shifted(4), 8)


def test_marks_and_scalars() -> None:
    i, total, last = var("i"), var("s", F64), var("last", F64)
    counting = loop(i, 8, bump(total, load(A, 8 * sym(i))))
    with pytest.raises(ScheduleError, match="assign the variable s in an order that matters"):
        vectorize(counting)
    counting.body[0].value = apply("maximum", Read(total), load(A, 8 * sym(i)))  # type: ignore[attr-defined]
    assert vectorize(counting)
    with pytest.raises(ScheduleError, match="threads would share the variable s"):
        parallel(counting)
    inner = loop(
        i, 8, Declare(last, const(0.0)), bump(last, load(A, 8 * sym(i))), store(B, 8 * sym(i), Read(last))
    )
    check([inner], [parallel(inner)])


def test_marks_refuse_early_ends_results_and_loaded_addresses() -> None:
    i, at = var("i"), var("at")
    less = apply("less", load(A, 8 * sym(i)), ONE, dtype=BOOL)
    with pytest.raises(ScheduleError, match="may end the loop"):
        vectorize(loop(i, 8, If(less, [Break()])))
    with pytest.raises(ScheduleError, match="assign a result"):
        parallel(loop(i, 8, StoreSlot(5, load(A, 8 * sym(i)))))
    scatter = loop(i, 8, Let(at, Load(arg("ix", 2, I64), 8 * sym(i), I64)), Store(B, 8 * sym(at), ONE))
    with pytest.raises(ScheduleError, match="depend on each other"):
        parallel(scatter)
    gather = loop(
        i, 8, Let(at, Load(arg("ix", 2, I64), 8 * sym(i), I64)), store(B, 8 * sym(i), load(A, 8 * sym(at)))
    )
    assert parallel(gather)


def test_threads_inside_of_threads() -> None:
    outer = nest(4, 5, body=transpose)
    outer.body[:] = [parallel(only(outer.body))]
    with pytest.raises(ScheduleError, match="runs on threads already"):
        parallel(outer)


@pytest.mark.parametrize("extent", [0, 1, 5])
def test_unroll(extent: int) -> None:
    i = var("i")
    after = unroll(loop(i, extent, bump_at(i)))
    assert not loops_of(after)
    check([loop(i, extent, bump_at(i))], after)


@pytest.mark.parametrize("extent", [0, 3, 4, 10, N])
def test_unroll_by_a_factor(extent: Any) -> None:
    def body() -> For:
        i = var("i")
        return loop(i, extent, bump_at(i))

    check([body()], unroll(body(), 4))


def test_unroll_refuses() -> None:
    i = var("i")
    with pytest.raises(
        ScheduleError, match=r"unroll of the loop over i: its number of iterations .* give a factor"
    ):
        unroll(loop(i, N, bump_at(i)))
    with pytest.raises(ScheduleError, match="1000 iterations are more than"):
        unroll(loop(i, 1000, bump_at(i)))


# --- fuse, distribute -----------------------------------------------------------------------------------------------


def two(shift: int, second_start: int = 0) -> tuple[For, For]:
    """``b[i] = a[i]; a[j + shift] = b[j] + b[...]``."""
    i, j = var("i"), var("j")
    first = loop(i, 12, store(B, 80 + 8 * sym(i), load(A, 8 * sym(i))))
    use = add(load(B, 80 + 8 * (sym(j) - second_start) + 8 * shift), ONE)
    second = loop(j, 12 + second_start, store(A, 1000 + 8 * sym(j), use), start=second_start)
    return first, second


@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.parametrize("shift", [0, -1, -5])
def test_fuse(shift: int, start: int) -> None:
    after = fuse(*two(shift, start))
    assert len(after.body) == 2
    check(two(shift, start), [after])


def test_fuse_refuses_to_read_what_comes_later() -> None:
    with pytest.raises(ScheduleError) as caught:
        fuse(*two(1))
    assert "fuse of the loops over i, j: this would turn around the store to @b[8*i + 80]" in str(
        caught.value
    )
    assert str(caught.value).endswith("at distance (-1)")


def test_fuse_refuses_other_ranges_and_shared_variables() -> None:
    i, j, total = var("i"), var("j"), var("s", F64)
    with pytest.raises(ScheduleError, match="12 and 13 iterations"):
        fuse(loop(i, 12, bump_at(i)), loop(j, 13, bump_at(j)))
    first, second = (
        loop(i, 4, bump(total, load(A, 8 * sym(i)))),
        loop(j, 4, store(B, 8 * sym(j), Read(total))),
    )
    with pytest.raises(ScheduleError, match="both use the variable s"):
        fuse(first, second)


def test_distribute_is_the_inverse() -> None:
    for shift in (0, -1):
        fused = fuse(*two(shift))
        after = distribute(fused, 1)
        assert len(after) == 2
        check([fused], after)


def test_distribute_refuses() -> None:
    i, x = var("i"), var("x", F64)
    at = 8 * sym(i)
    recurrence = loop(i, 8, store(B, at, load(A, at)), store(A, at + 8, load(B, at)))
    with pytest.raises(ScheduleError, match="this would turn around the load of @a"):
        distribute(recurrence, 1)
    with pytest.raises(ScheduleError, match="uses the variable x of the first"):
        distribute(loop(i, 8, Let(x, load(A, at)), store(B, at, Read(x))), 1)
    with pytest.raises(ScheduleError, match="no position 2"):
        distribute(recurrence, 2)


# --- random nests ---------------------------------------------------------------------------------------------------


def random_nest(r: random.Random) -> Callable[[], For]:
    """Two or three loops over accesses of one or two buffers at random affine addresses."""
    depth = r.choice((2, 2, 3))
    extents = [r.choice((1, 2, 3, 4, 5)) for _ in range(depth)]
    strides = (r.choice((1, 5, 20)), r.choice((1, 4, 5)), r.choice((1, 2)))
    accesses = []
    for _ in range(r.choice((1, 1, 2))):
        accesses.append(tuple(r.choice((0, 0, 1, -1, 6, 20)) + 100 for _ in range(3)))
    flip = [r.random() < 0.15 for _ in range(3)]
    buffers = [(A, B), (B, B), (B, A)][r.randrange(3)]

    def make() -> For:
        def body(*loops: Var) -> list[Stmt]:
            base = Affine.of(0)
            for v, stride in zip(loops, strides):
                base = base + 8 * stride * sym(v)
            other = Affine.of(0)
            for v, stride, turned in zip(loops, strides, flip):
                other = other + (-8 if turned else 8) * stride * sym(v)
            out: list[Stmt] = []
            for read, second, written in accesses:
                value = add(mul(load(buffers[0], other + 8 * read), const(0.5)), load(B, base + 8 * second))
                out.append(store(buffers[1], base + 8 * written, value))
            return out

        return nest(*extents, body=body)

    return make


def same(before: For, after: Sequence[Stmt]) -> bool:
    left, right = run([before], arrays()), run(list(after), arrays(), backwards=True)
    return all(np.array_equal(x, y) for x, y in zip(left.arrays, right.arrays))


@pytest.mark.parametrize("part", range(4))
def test_random_nests(part: int) -> None:
    """Whatever a primitive accepts gives the same result; some are accepted and some are not."""
    accepted = refused = 0
    for seed in range(60):
        r = random.Random(part * 1000 + seed)
        make = random_nest(r)
        names = [x.var.name for x in loops_of([make()])]
        changes: list[Callable[[], Sequence[Stmt]]] = []
        for order in permutations(names):
            changes.append(lambda order=order: [reorder(make(), order)])
        sizes = [r.choice((1, 2, 3)) for _ in names]
        changes += [
            lambda: tile(make(), sizes),
            lambda: [parallel(make())],
            lambda: vectorize(make(), 2),
            lambda: split(make(), 3),
            lambda: unroll(make(), 2),
        ]
        for change in changes:
            try:
                after = change()
            except ScheduleError:
                refused += 1
                continue
            accepted += 1
            assert same(make(), after), seed
    assert accepted > 100 and refused > 20


@pytest.mark.parametrize("part", range(2))
def test_random_fusions(part: int) -> None:
    accepted = refused = 0
    for seed in range(150):
        r = random.Random(part * 1000 + seed)
        read, written, again = (8 * r.randrange(-2, 3) + 800 for _ in range(3))
        step = r.choice((8, 8, 16, -8))
        extent = r.choice((1, 4, 9))

        def pair() -> list[Stmt]:
            i, j = var("i"), var("j")
            return [
                loop(i, extent, store(A, written + 8 * sym(i), load(B, read + 8 * sym(i)))),
                loop(j, extent, store(B, again + step * sym(j), add(load(A, read + 8 * sym(j)), ONE))),
            ]

        first, second = loops_of(pair())
        try:
            fused = fuse(first, second)
        except ScheduleError:
            refused += 1
            continue
        accepted += 1
        check(pair(), [fused], [0])
        try:
            check([fused], distribute(fused, 1), [0])
        except ScheduleError:
            refused += 1
    assert accepted > 20 and refused > 20
