"""The cost model: rough, but ordered as the work is."""

from __future__ import annotations

from pydsl.loops.cost import estimate
from pydsl.loops.ir import Contract, Copy, Gemm, If, Read, Stmt, Var
from tests.loops.build import BOOL, F64, Const, apply, arg, const, load, loop, store, sym, var

A, B = arg("a", 0), arg("b", 1)


def sweep(name: str, extent: object) -> list[Stmt]:
    i = var("i")
    return [loop(i, extent, store(B, 8 * sym(i), apply(name, load(A, 8 * sym(i)))))]


def test_cost_grows_with_the_work() -> None:
    assert estimate(sweep("exp", 100)) > 3 * estimate(sweep("negative", 100))
    assert estimate(sweep("sqrt", 100)) > estimate(sweep("negative", 100))
    assert estimate(sweep("exp", 200)) == 2 * estimate(sweep("exp", 100))
    assert estimate(sweep("exp", 0)) == 0.0
    assert estimate([loop(var("i"), -3, store(A, 0, const(1.0)))]) == 0.0


def test_symbolic_extents_count_as_something() -> None:
    n = var("n")
    assert estimate(sweep("exp", 10)) < estimate(sweep("exp", n)) < estimate(sweep("exp", 10_000))


def test_branches_products_and_copies() -> None:
    i = var("i")
    inner = store(B, 8 * sym(i), load(A, 8 * sym(i)))
    assert estimate([If(Const(True, BOOL), [inner])]) == estimate([inner])
    two, k = sym(100), sym(200)
    gemm = Gemm(F64, two, two, k, A, sym(0), k, False, A, sym(0), two, False, B, sym(0), two)
    m, n, acc = var("m"), var("n"), Var("acc", F64)
    tiles = Contract(
        F64,
        ((m, 100, 8),),
        (n, 100, 8),
        ((200, 8, 8),),
        A,
        sym(0),
        A,
        sym(0),
        acc,
        [store(B, 8 * sym(m), Read(acc))],
    )
    assert 50_000 < estimate([gemm]) < estimate([tiles]) < 200_000
    assert estimate([Copy(B, sym(0), A, sym(0), sym(8000))]) > 100
