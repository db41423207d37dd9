"""Control flow, reductions, scalars in slots, errors: native code beside the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl.errors import InternalCompilerError
from pydsl.jit.cpu.compile import assembly, optimized_ir
from pydsl.jit.cpu.target import host_target
from pydsl.jit.llvm.kernel import emit_kernel
from pydsl.loops.ir import (
    Apply,
    Assign,
    Break,
    Continue,
    Declare,
    ErrorRecord,
    Fail,
    For,
    If,
    Index,
    Let,
    LoopFunction,
    LoopKind,
    Product,
    Read,
    Return,
    StoreSlot,
    While,
)
from tests.backend.harness import (
    BOOL,
    F4,
    F8,
    INT64,
    af,
    arg,
    both,
    const,
    elem,
    function,
    op,
    put,
    run_interpreted,
    run_native,
    total_of,
    var,
)

KINDS = [LoopKind.SERIAL, LoopKind.VECTOR]


@pytest.mark.parametrize("kind", [*KINDS, LoopKind.PARALLEL])
@pytest.mark.parametrize("n", [0, 1, 5, 100])
def test_symbolic_bounds(n: int, kind: LoopKind) -> None:
    x, y, i, size = arg("x", 0, readonly=True), arg("y", 1), var(), var("n")
    loop = For(i, af(0), af(size), [put(y, i, op("add", elem(x, i), const(1.0)))], kind, independent=True)
    both(function([loop, Return(3)], [x, y], [(size, 2)]), np.arange(100.0), np.zeros(100), n)


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (3, 4), (5, 5), (-3, 3), (4, 1)])
@pytest.mark.parametrize("kind", [*KINDS, LoopKind.UNROLL, LoopKind.PARALLEL])
def test_constant_bounds(start: int, stop: int, kind: LoopKind) -> None:
    y, i = arg("y", 0, np.int64), var()
    loop = For(i, af(start), af(stop), [put(y, af(i) + 3, Index(af(i) * 10))], kind, independent=True)
    both(function([loop, Return(0)], [y]), np.zeros(10, np.int64))


def test_negative_strides_and_views() -> None:
    """The data pointer of a reversed view is not the lowest address."""
    x, y, i = arg("x", 0), arg("y", 1), var()
    body = [put(y, i, op("multiply", elem(x, af(i) * -2), const(2.0)))]
    made = function([For(i, af(0), af(5), body), Return(0)], [x, y])
    data, out = np.arange(10.0), np.zeros(5)
    status, _ = run_native(made, data[::-2], out)
    assert status == 0
    np.testing.assert_array_equal(out, data[::-2] * 2)
    other = np.zeros(5)
    run_interpreted(made, data[::-2], other)
    np.testing.assert_array_equal(out, other)


def test_nested_loops_and_products() -> None:
    """A symbolic stride is a variable of its own, bound where its factor is."""
    y, i, j, n = arg("y", 0, np.int64), var("i"), var("j"), var("n")
    row = Product.of(i, af(n))
    inner = For(
        j,
        af(0),
        af(n),
        [put(y, af(row) + af(j), Index(af(i) * 100 + af(j)))],
        LoopKind.VECTOR,
        independent=True,
    )
    bind = Let(row, Apply("multiply", (Read(i), Read(n)), INT64))
    made = function([For(i, af(0), af(4), [bind, inner]), Return(0)], [y], [(n, 1)])
    both(made, np.zeros(4 * 6, np.int64), 6)


def test_if_and_mutable_variables() -> None:
    x, y, i, s = arg("x", 0), arg("y", 1), var(), var("s", F8)
    positive = op("greater", elem(x, i), const(0.0), dtype=BOOL)
    body = [
        If(positive, [Assign(s, op("add", Read(s), elem(x, i)))], [Assign(s, op("negative", Read(s)))]),
        put(y, i, Read(s)),
    ]
    made = function(
        [Declare(s, const(0.5)), For(i, af(0), af(20), body), StoreSlot(2, Read(s)), Return(1)], [x, y]
    )
    both(made, np.random.default_rng(0).standard_normal(20), np.zeros(20))


def test_break_and_continue() -> None:
    x, y, i, count = arg("x", 0, np.int64), arg("y", 1, np.int64), var(), var("count")
    odd = op("not_equal", op("bitwise_and", elem(x, i), const(1, INT64)), const(0, INT64), dtype=BOOL)
    large = op("greater", elem(x, i), const(50, INT64), dtype=BOOL)
    body = [
        If(odd, [Continue()]),
        If(large, [Break()]),
        put(y, af(count), elem(x, i)),
        Assign(count, op("add", Read(count), const(1, INT64))),
    ]
    made = function(
        [Declare(count, const(0, INT64)), For(i, af(0), af(30), body), StoreSlot(2, Read(count)), Return(0)],
        [x, y],
    )
    both(made, np.random.default_rng(1).integers(0, 60, 30), np.zeros(30, np.int64))


def test_while_with_header() -> None:
    """The Collatz sequence, counting."""
    n, steps, even = var("n"), var("steps"), var("even", BOOL)
    body = [
        If(
            Read(even),
            [Assign(n, op("floor_divide", Read(n), const(2, INT64)))],
            [Assign(n, op("add", op("multiply", Read(n), const(3, INT64)), const(1, INT64)))],
        ),
        Assign(steps, op("add", Read(steps), const(1, INT64))),
        If(op("greater", Read(steps), const(1000, INT64), dtype=BOOL), [Break()]),
    ]
    header = [
        Let(even, op("equal", op("bitwise_and", Read(n), const(1, INT64)), const(0, INT64), dtype=BOOL)),
    ]
    loop = While(header, op("not_equal", Read(n), const(1, INT64), dtype=BOOL), body)
    start = var("start")
    made = function(
        [
            Declare(n, Read(start)),
            Declare(steps, const(0, INT64)),
            loop,
            StoreSlot(1, Read(steps)),
            Return(0),
        ],
        [],
        [(start, 0)],
    )
    _, slots = both(made, 27)
    assert slots[1] == 111


def test_index_arithmetic_wraps() -> None:
    """No undefined overflow, also when the result is only compared."""
    n = var("n")
    less = op("less", Index(af(n) * 8), const(0, INT64), dtype=BOOL)
    made = function([If(less, [Return(1)]), Return(2)], [], [(n, 0)])
    for value in (1, -1, 2**60, 2**61, 2**63 - 1):
        status, _ = both(made, value)
        assert status == (1 if np.array(value * 8 % 2**64, np.uint64).view(np.int64) < 0 else 2)


# --- reductions -----------------------------------------------------------------------------------------------------


def reduction(name: str, dtype: np.dtype, first: object) -> LoopFunction:
    x, i, n, acc = arg("x", 0, dtype, readonly=True), var(), var("n"), var("acc", dtype)
    step = Assign(acc, total_of(acc, elem(x, i), name))
    loop = For(i, af(0), af(n), [step], LoopKind.VECTOR)
    return function(
        [Declare(acc, const(first, dtype)), loop, StoreSlot(2, Read(acc)), Return(0)], [x], [(n, 1)]
    )


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u8"])
@pytest.mark.parametrize(
    ("name", "first"), [("add", 0), ("multiply", 1), ("maximum", 0), ("minimum", 0), ("fmax", 0), ("fmin", 0)]
)
def test_reductions(name: str, first: int, dtype: str) -> None:
    kind = np.dtype(dtype)
    rng = np.random.default_rng(3)
    for n in (0, 1, 3, 64, 1000):
        x = rng.integers(1, 9, n).astype(kind)
        _, slots = run_native(reduction(name, kind, first), x, n)
        result = (
            slots[2:3].view(np.float64)[0]
            if kind.kind == "f"
            else slots[2:3].view(np.dtype(kind.kind + "8"))[0]
        )
        with np.errstate(over="ignore"):
            wanted = getattr(np, name).reduce(x, initial=kind.type(first), dtype=kind)
        assert (
            result == wanted
            or (np.isinf(wanted) and np.isinf(result))
            or result == pytest.approx(wanted, rel=1e-4)
        )


@pytest.mark.parametrize("where", [0, 17, 99])
@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "add"])
def test_reductions_and_nan(name: str, where: int) -> None:
    x = np.random.default_rng(4).standard_normal(100)
    x[where] = np.nan
    _, slots = run_native(reduction(name, F8, float(x[0])), x, 100)
    wanted = getattr(np, name).reduce(np.append(x[0], x))
    np.testing.assert_allclose(slots[2:3].view(np.float64)[0], wanted)


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum"])
def test_float_reductions_use_vectors(name: str) -> None:
    if host_target().vector_bits < 256:
        pytest.skip("no wide vectors")
    text = optimized_ir(emit_kernel(reduction(name, F4, 1), host_target()))
    assert " x float>" in text


def test_an_ordered_sum_stays_ordered() -> None:
    """Without `reassoc` the order of additions is that of the program."""
    x, i, acc = arg("x", 0, F4, readonly=True), var(), var("acc", F4)
    loop = For(i, af(0), af(1000), [Assign(acc, op("add", Read(acc), elem(x, i)))], LoopKind.VECTOR)
    made = function([Declare(acc, const(0, F4)), loop, StoreSlot(1, Read(acc)), Return(0)], [x])
    both(made, np.random.default_rng(5).standard_normal(1000).astype(F4))


def test_nothing_is_fused_into_multiply_adds_by_itself() -> None:
    x, y, i = arg("x", 0, readonly=True), arg("y", 1), var()
    value = op("add", op("multiply", elem(x, i), elem(x, i)), const(0.1))
    made = function(
        [For(i, af(0), af(64), [put(y, i, value)], LoopKind.VECTOR, independent=True), Return(0)], [x, y]
    )
    both(made, np.random.default_rng(6).standard_normal(64), np.zeros(64))
    assert "vfmadd" not in assembly(emit_kernel(made, host_target()))


# --- scalars, slots, errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"])
def test_scalars_in_slots(dtype: str) -> None:
    kind = np.dtype(dtype)
    value = {"b": True, "i": -5, "u": 200, "f": 1.5, "c": 1.5 - 2.25j}[kind.kind]
    x = var("x", kind)
    made = function([StoreSlot(4, Read(x)), Return(0)], [], [(x, 0)])
    _, slots = both(made, kind.type(value))
    words = slots[4:6].view(np.float64) if kind.kind in "fc" else slots[4:5]
    assert complex(*words) == value if kind.kind == "c" else words[0] == value


def test_fail_carries_its_payload() -> None:
    x, i = arg("x", 0, np.int64, readonly=True), var()
    bad = op("less", elem(x, i), const(0, INT64), dtype=BOOL)
    body = [If(bad, [Fail(1, (elem(x, i), op("cast", Index(af(i)), dtype=F8)))])]
    records = [ErrorRecord(ValueError, "?", None), ErrorRecord(IndexError, "{0} at {1}", None)]
    made = function([For(i, af(0), af(10), body), Return(0)], [x], errors=records)
    data = np.arange(10)
    assert both(made, data)[0] == 0
    data[6] = -44
    status, slots = both(made, data)
    assert status == -2
    assert slots[8] == -44
    assert slots[9:10].view(np.float64)[0] == 6.0


def test_code_after_the_end_is_dropped() -> None:
    made = LoopFunction("f", [Return(1), StoreSlot(0, const(1, INT64)), Return(2)], [], [], 4, 0)
    assert run_native(made)[0] == 1


def test_shared_subexpressions_are_written_once() -> None:
    """An expression is a graph: its text must not grow with the number of paths."""
    y = arg("y", 0)
    value = elem(y, 0)
    for _ in range(60):
        value = op("add", value, value)
    text = emit_kernel(function([put(y, 0, value), Return(0)], [y]), host_target())
    assert text.count("fadd") == 60


def test_deep_expressions() -> None:
    x, y = arg("x", 0), arg("y", 1)
    value = elem(x, 0)
    for _ in range(5000):
        value = op("add", value, const(1.0))
    data, out = np.zeros(1), np.zeros(1)
    assert run_native(function([put(y, 0, value), Return(0)], [x, y]), data, out)[0] == 0
    assert out[0] == 5000


def test_what_the_interpreter_finds() -> None:
    y, i = arg("y", 0), var()
    made = function([For(i, af(0), af(11), [put(y, i, const(1.0))]), Return(0)], [y])
    with pytest.raises(InternalCompilerError, match="outside of @y"):
        run_interpreted(made, np.zeros(10))
    x = arg("x", 0)
    shifted = For(i, af(0), af(9), [put(x, af(i) + 1, elem(x, i))], independent=True)
    forward, backward = np.arange(10.0), np.arange(10.0)
    run_interpreted(function([shifted, Return(0)], [x]), forward)
    run_interpreted(function([shifted, Return(0)], [x]), backward, backwards=True)
    assert not np.array_equal(forward, backward)
