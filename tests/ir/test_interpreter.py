"""The reference interpreter on functions made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pydsl.ir.affine import Affine
from pydsl.ir.interpreter import IRExecutionError, interpret
from pydsl.ir.memory import OutOfStorageError
from pydsl.ir.types import ScalarType
from tests.ir import build


def test_overlapping_store_is_complete_first() -> None:
    x = build.VECTOR.copy()
    expected = x.copy()
    expected[1:] = expected[:-1].copy()
    out = interpret(build.shift_in_place(x), [x])
    np.testing.assert_array_equal(x, expected)
    assert np.shares_memory(out.values[0], x)


def test_loop_carries_a_scalar_and_writes() -> None:
    x = build.VECTOR.copy()
    expected = np.cumsum(x)
    out = interpret(build.loop_sum(x), [x])
    np.testing.assert_array_equal(x, expected)
    assert out.values[0] == expected[-1]
    assert type(out.values[0]) is np.float64


def test_carried_reference_follows_its_memory() -> None:
    x = build.VECTOR.copy()
    (y,) = interpret(build.halving_view(x), [x]).values
    assert y.shape == (1,)
    assert np.shares_memory(y, x)
    assert x[0] == 7.0


def test_masks_and_indices() -> None:
    x, index = build.MATRIX.copy(), np.array([2, 0, 2])
    expected = x.copy()
    expected[expected < 0] = 0
    expected[index] += 1
    more, total, three = interpret(build.masked_and_indexed(x, index), [x, index]).values
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(more, expected[index])
    np.testing.assert_array_equal(total, expected.sum(axis=0))
    np.testing.assert_array_equal(three, np.arange(3))


def test_return_break_and_raise() -> None:
    x = build.VECTOR.copy()
    f = build.early_return(x)
    out = interpret(f, [x])
    assert out.site == 1
    np.testing.assert_array_equal(out.values[0], x[::-1])
    x[:] = [0, -2, 4, 4, 4, 4]
    with pytest.raises(ValueError, match=r"nothing but 0.0"):
        interpret(f, [x])


def test_overlapping_arguments_share_memory() -> None:
    base = np.arange(6.0)
    m = build.Maker()
    x, y = m.array_args("x y", base[:4], base[::-1], shared=True)
    m.emit(
        "store", [m.view(x, [4], [8], 0), m.op("copy", m.view(y, [4], [-8], 40), type=m.new(build.F8, (4,)))]
    )
    f = m.ret(y)
    (out,) = interpret(f, [base[:4], base[::-1]]).values
    np.testing.assert_array_equal(base, [5, 4, 3, 2, 4, 5])
    assert out.ctypes.data == base[::-1].ctypes.data
    with pytest.raises(IRExecutionError, match="offsets"):
        interpret(f, [base[1:5], base[::-1]])


def test_new_memory_is_poisoned_and_read_only_stays_read_only() -> None:
    m = build.Maker()
    (fresh,) = interpret(m.ret(m.op("alloc", type=m.new(build.F8, (3,)))), []).values
    assert np.isnan(fresh).all()
    for value in interpret(build.constants(), []).values[:6]:
        assert not value.flags.writeable


def test_a_view_outside_its_storage_is_found() -> None:
    x = np.arange(4.0)
    m = build.Maker()
    (a,) = m.array_args("x", x)
    f = m.ret(m.view(a, [4], [8], 8))
    with pytest.raises(OutOfStorageError):
        interpret(f, [x])


def test_wrong_types_are_found() -> None:
    x = np.arange(4.0)
    m = build.Maker()
    (a,) = m.array_args("x", x)
    with pytest.raises(IRExecutionError, match="the type says"):
        interpret(m.ret(m.op("add", a, a, type=m.new(build.F8, (3,)))), [x])
    m = build.Maker()
    (a,) = m.array_args("x", x)
    m.emit("store", [a, m.const(1, ScalarType(np.dtype(np.int64)))])
    with pytest.raises(IRExecutionError, match="writes int64"):
        interpret(m.ret(), [x])


def test_symbols_of_arguments_are_solved() -> None:
    m = build.Maker()
    from pydsl.ir.core import Value
    from pydsl.ir.types import INDEX, Origin, TensorType

    n = Value(INDEX, "n")
    storage = m.storage(Origin.ARG, "x", build.F8, Affine.of(n) * 8)
    x = m.arg(TensorType(build.F8, (Affine.of(n),), (Affine.of(8),), Affine.of(0), storage), "x")
    out = m.op("index", type=INDEX, expr=Affine.of(n) + 1)
    assert interpret(m.ret(out, x), [np.arange(5.0)]).values[0] == 6
