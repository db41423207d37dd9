"""The text form: what is printed is read back as the same function, and what is wrong is said with its line."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pydsl.errors import SourceLocation
from pydsl.loops.ir import (
    AllocResult,
    Apply,
    Assign,
    Buffer,
    Const,
    Contract,
    Declare,
    ErrorRecord,
    Fail,
    Gemm,
    If,
    Let,
    LoopFunction,
    LoopKind,
    Product,
    Read,
    Release,
    Return,
    Space,
    Store,
    StoreSlot,
)
from pydsl.loops.parser import IRSyntaxError, parse_function
from pydsl.loops.passes.collapse import collapse
from pydsl.loops.passes.dead_code import remove_unread
from pydsl.loops.passes.products import bind_products
from pydsl.loops.passes.scalar_replacement import scalar_replacement
from pydsl.loops.passes.unroll import unroll_short
from pydsl.loops.printer import format_function, object_table
from pydsl.loops.schedule.auto import schedule
from tests.loops.build import (
    BOOL,
    F32,
    F64,
    I64,
    add,
    apply,
    arg,
    const,
    function,
    index,
    load,
    loop,
    run,
    store,
    sym,
    var,
)
from tests.loops.random_loops import Generator, data

A, B = arg("a", 0), arg("b", 1)

SCALE = """\
loops scale(n: int64 = slot 2) slots=3
  buffer @x: arg float64 slot 0 readonly
  buffer @y: arg float64 slot 1
  for i in [0, n) vector independent
    @y[8*i] = multiply(@x[8*i]: float64, 2.0: float64)
  return 0
"""


def there_and_back(made: LoopFunction) -> LoopFunction:
    """The exact text is read back as a function with the same exact text."""
    text = format_function(made, exact=True)
    again = parse_function(text, object_table(made))
    assert format_function(again, exact=True) == text
    return again


def test_the_example() -> None:
    made = parse_function(SCALE)
    assert format_function(made) == SCALE
    assert made.name == "scale" and made.payload_slot == 3
    n, _ = made.scalars[0]
    made.n_slots = 3
    result = run(made, [np.arange(4.0), np.zeros(4)], [(n, 4)])
    np.testing.assert_array_equal(result.arrays[1], [0.0, 2.0, 4.0, 6.0])


def test_random_functions() -> None:
    for seed in range(60):
        generator = Generator(seed)
        body = generator.body()
        there_and_back(function(body, [(generator.n, 4)]))  # products have no binding yet
        body = remove_unread(scalar_replacement(unroll_short(collapse(body))), set(generator.temps))
        body = bind_products(body, [generator.n])
        schedule(body, 2)
        made = function(body, [(generator.n, 4)])
        again = there_and_back(made)
        plain = parse_function(format_function(made))
        assert format_function(plain) == format_function(made)
        n = again.scalars[0][0]
        run(made, data(seed), [(generator.n, 6)]).same(run(again, data(seed), [(n, 6)]))


def test_every_statement() -> None:
    h = Buffer("h", Space.HEAP, F64, sym(64))
    r = Buffer("r", Space.RESULT, F64, sym(64), slot=4)
    c = Buffer("c", Space.CONST, F64, sym(16), data=np.array([1.0, 2.0]), readonly=True, alignment=64)
    g = Buffer("g", Space.GLOBAL, F32, slot=5, slot_bias=-8, data=np.ones(3, np.float32), readonly=True)
    t = Buffer("t", Space.LOCAL, F64, sym(64), scratch=True, fresh=True)
    i, n, m, acc, total = (
        var("i"),
        var("n", I64, 0, None),
        var("m", I64, 3, 9),
        var("acc", F64),
        var("i", F64),
    )
    two, three = sym(2), 3 * sym(n)
    less = apply("less", load(A, 0), const(float("nan")), dtype=BOOL)
    tiles = Contract(
        F64,
        ((i, 2, 16),),
        (m, 3, -8),
        ((2, 8, 0), (1, 0, 8)),
        A,
        sym(8),
        B,
        three,
        acc,
        [store(B, 0, Read(acc))],
        kernel=2,
        parallel=True,
    )
    body = [
        Let(m, index(4 * sym(n) - 3)),
        Declare(total, const(-0.0)),
        AllocResult(r, 0, 8 * sym(n)),
        Gemm(
            F64, two, three, two, A, sym(0), two, True, B, sym(8), three, False, h, sym(0), two, 1.5, kernel=3
        ),
        tiles,
        If(less, [Fail(1, (Read(total), index(7)))], [Release(h)]),
        Store(B, sym(0), Apply("cast", (Const(1 + 2j, np.dtype(np.complex64)),), F64)),
        Assign(total, apply("add", Read(total), const(float("inf")), reassoc=True, contract=True)),
        StoreSlot(3, apply("select", less, Const(True, BOOL), Const(False, BOOL))),
        store(B, 8, apply("cast", load(g, 4), dtype=F64)),
        store(t, 0, load(c, 8)),
        loop(
            i,
            4,
            start=-2,
            kind=LoopKind.PARALLEL,
            independent=True,
            label="user",
            kernel=4,
            loc=SourceLocation("a b.py", 3, 7),
        ),
        Return(1),
    ]
    made = function(body, [(n, 2)], more=[h, r, c, g, t])
    made.errors = [
        ErrorRecord(IndexError, "it's {0}", None),
        ErrorRecord(Mine, 'a "quoted" text', SourceLocation("f.py", 1, 2), (F64, I64)),
    ]
    made.cost_ns = 12.5
    again = there_and_back(made)
    assert again.errors[1].error is Mine and again.errors[1].payload == (F64, I64)
    assert [b.slot_bias for b in again.buffers if b.name == "g"] == [-8]
    assert again.scalars[0][0].bounds == (0, None)


class Mine(Exception):
    pass


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.1, F64),
        (0.1, F32),
        (-0.0, F64),
        (float("inf"), F32),
        (-(2**63), I64),
        (255, np.dtype(np.uint8)),
        (1e300, F64),
    ],
)
def test_constants_keep_their_bits(value: Any, dtype: np.dtype[Any]) -> None:
    made = there_and_back(function([Store(B, sym(0), Const(value, dtype)), Return(0)]))
    stmt = made.body[0]
    assert isinstance(stmt, Store) and isinstance(stmt.value, Const)
    assert np.asarray(stmt.value.value).astype(dtype).tobytes() == np.asarray(value).astype(dtype).tobytes()


def test_names_that_are_words() -> None:
    names = [var(name, F64) for name in ("let", "for", "index", "nan", "inf", "True", "add", "copy", "slot")]
    body: list[Any] = [Let(names[0], const(1.0))]
    for before, after in pairwise(names):
        body += [Declare(after, add(Read(before), const(2.0))), Assign(after, Read(before))]
    there_and_back(function([*body, store(B, 0, Read(names[-1])), Return(0)]))


def test_products() -> None:
    i, j, n = var("i"), var("j"), var("n")
    nested = Product.of(Product.of(i, 8 * sym(n)), 2 * sym(n) + 1)
    at = sym(nested) + 3 * sym(Product.of(j, sym(n))) + 8
    body = [loop(i, n, loop(j, n, store(B, at, const(1.0))))]
    text = format_function(function(body, [(n, 2)]), exact=True)
    assert "{{i*[8*n]}*[2*n + 1]} + 3*{j*[n]} + 8" in text
    there_and_back(function(body, [(n, 2)]))
    there_and_back(function(bind_products(body, [n]), [(n, 2)]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("multiply", "mul"), "line 5: expected the dtype of mul"),
        (
            ("@x[8*i]: float64", "@z[8*i]: float64"),
            "line 5: expected a name that is declared before, found '@z'",
        ),
        (("8*i] = ", "8*k] = "), "line 5: expected a name that is declared before, found 'k'"),
        (("    @y", "      @y"), "line 5: expected a statement that is not deeper"),
        (("return 0", "return"), "line 6: expected a number"),
        (("return 0", "retrun 0"), "line 6: expected a statement, found 'retrun'"),
        (("2.0: float64", "2.0"), "line 5: expected the dtype of a constant"),
        (("loops scale", "loop scale"), "line 1: expected 'loops', found 'loop'"),
        (("[0, n)", "[0, n]"), r"line 4: expected '\)', found '\]'"),
    ],
)
def test_errors_name_the_line(wrong: tuple[str, str], message: str) -> None:
    assert wrong[0] in SCALE
    with pytest.raises(IRSyntaxError, match=message):
        parse_function(SCALE.replace(*wrong, 1))


def test_no_text() -> None:
    with pytest.raises(IRSyntaxError, match="found nothing"):
        parse_function("\n")
