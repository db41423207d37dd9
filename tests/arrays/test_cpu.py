"""`pydsl.numpy` on the host against NumPy: the same values, dtypes, shapes and the same memory."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pydsl.numpy as pnp
from pydsl import jit
from pydsl.errors import DeviceError, UnsupportedError

RNG = np.random.default_rng(7)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Every test draws the same operands, in whatever order tests run."""
    RNG.bit_generator.state = START


def operand(dtype: str, shape: tuple[int, ...] = (3, 4)) -> Any:
    if dtype == "bool":
        return RNG.random(shape) > 0.5
    kind = np.dtype(dtype).kind
    if kind in "iu":
        return RNG.integers(0, 50, shape).astype(dtype)
    values = RNG.standard_normal(shape) * 4
    return (values + 1j * RNG.standard_normal(shape)).astype(dtype) if kind == "c" else values.astype(dtype)


def same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple | list):
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            same(one, other)
        return
    if not isinstance(wanted, np.ndarray | np.generic):
        assert got == wanted
        return
    assert type(got) is pnp.ndarray
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got.to_numpy(), wanted, rtol=1e-6, atol=1e-6)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "divmod": divmod,
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "uint8"])
def test_operators(name: str, dtype: str) -> None:
    apply = OPERATORS[name]
    a, b = operand(dtype), operand(dtype) % 5 + 1
    x, y = pnp.asarray(a), pnp.asarray(b)
    with np.errstate(all="ignore"):
        same(apply(abs(x), y), apply(abs(a), b))
        same(apply(abs(x), b), apply(abs(a), b))  # NumPy's arrays on either side
        same(apply(abs(a), y), apply(abs(a), b))
        same(apply(abs(x), 3), apply(abs(a), 3))
        same(apply(2, y), apply(2, b))


def test_bit_operators() -> None:
    a, b = operand("int64"), operand("int64") % 7
    x, y = pnp.asarray(a), pnp.asarray(b)
    same((x & y, x | y, x ^ y, ~x, x << y, x >> y, 5 | x), (a & b, a | b, a ^ b, ~a, a << b, a >> b, 5 | a))


def test_in_place_operators_write_the_shared_memory() -> None:
    a = operand("float64")
    kept, x = a.copy(), pnp.asarray(a)
    y = x
    x += 1
    x *= pnp.asarray(kept)
    assert y is x
    np.testing.assert_array_equal(a, (kept + 1) * kept)
    with pytest.raises(TypeError, match="Cannot cast"):
        pnp.asarray(np.arange(3)).__iadd__(0.5)


def test_views_are_views_and_copies_are_not() -> None:
    a = operand("float64", (4, 6))
    x = pnp.asarray(a)
    for index in [
        1,
        (slice(None), 2),
        (slice(None, None, -2), None),
        (..., 1),
        slice(1, 3),
        (2, 3),
        np.int8(1),
    ]:
        assert np.shares_memory(x[index].to_numpy(), a), index
        same(x[index], np.asarray(a[index]))
    for index in [[0, 1], a > 0, (np.array([0, 2]), 1)]:
        assert not np.shares_memory(x[index].to_numpy(), a), index
        same(x[index], a[index])
    for view in [
        x.T,
        x.reshape(2, 12),
        x.ravel(),
        pnp.swapaxes(x, 0, 1),
        x.diagonal(),
        pnp.flip(x, 1),
        x.real,
    ]:
        assert np.shares_memory(view.to_numpy(), a)
    for made in [x.T.reshape(-1), x.flatten(), x.copy(), x.astype("f4"), x[::2].ravel(), +x]:
        assert not np.shares_memory(made.to_numpy(), a)
    same(x.T.reshape(-1), a.T.reshape(-1))
    x[1:3, ::2] = 0
    x[x < 0] = 9
    x[[0, 3], 1] = pnp.asarray([1.0, 2.0])
    b = pnp.asarray(operand("float64", (4, 6)))
    b.to_numpy()[...] = a
    assert (a[1:3, ::2] == 0).all()
    assert a.min() >= 0
    assert a[0, 1] == 1
    assert a[3, 1] == 2


def test_masks_and_integers_of_this_kind_index() -> None:
    a = np.arange(12).reshape(3, 4)
    x = pnp.asarray(a)
    same(x[x % 2 == 0], a[a % 2 == 0])
    same(x[pnp.asarray([2, 0])], a[[2, 0]])
    position = pnp.asarray(np.array(1))
    same(x[position], a[1])


REDUCTIONS = ["sum", "prod", "min", "max", "mean", "std", "var", "any", "all", "argmin", "argmax", "cumsum"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    a = operand("float32")
    x = pnp.asarray(a)
    for keywords in [{}, {"axis": 0}, {"axis": -1}]:
        wanted = np.asarray(getattr(a, name)(**keywords))
        same(getattr(x, name)(**keywords), wanted)
        same(getattr(np, name)(x, **keywords), wanted)
        same(getattr(pnp, name)(x, **keywords), wanted)


def test_methods_of_ufuncs() -> None:
    a = operand("int32")
    x = pnp.asarray(a)
    same(np.add.reduce(x), np.add.reduce(a))
    same(np.maximum.reduce(x, axis=1), np.maximum.reduce(a, axis=1))
    same(np.add.accumulate(x, axis=1), np.add.accumulate(a, axis=1))
    same(np.multiply.outer(x, x[0]), np.multiply.outer(a, a[0]))
    with pytest.raises(UnsupportedError, match=r"np\.add\.at"):
        np.add.at(x, [1], 2)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ufuncs": lambda np_, x: np_.exp(np_.minimum(x, 1)) + np_.sqrt(np_.abs(x)),
    "where": lambda np_, x: np_.where(x > 0, x, -1),
    "concatenate": lambda np_, x: np_.concatenate([x, x * 2], axis=1),
    "stack": lambda np_, x: np_.stack((x, x), axis=-1),
    "split": lambda np_, x: np_.split(x, 2, axis=1),
    "sort": lambda np_, x: np_.sort(x, axis=0),
    "argsort": lambda np_, x: np_.argsort(x, axis=1, kind="stable"),
    "nonzero": lambda np_, x: np_.nonzero(x > 0),
    "take": lambda np_, x: np_.take(x, [2, 0], axis=0),
    "matmul": lambda np_, x: x @ x.T,
    "einsum": lambda np_, x: np_.einsum("ij,kj->ik", x, x),
    "norm": lambda np_, x: np_.linalg.norm(x, axis=1),
    "clip": lambda np_, x: np_.clip(x, -1, 1),
    "pad": lambda np_, x: np_.pad(x, 1),
    "broadcast": lambda np_, x: np_.broadcast_to(x, (2, *x.shape)),
    "meshgrid": lambda np_, x: np_.meshgrid(x[0], x[:, 0]),
    "shape": lambda np_, x: np_.shape(x),
    "array_equal": lambda np_, x: np_.array_equal(x, x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    a = operand("float64")
    same(FUNCTIONS[name](pnp, pnp.asarray(a)), FUNCTIONS[name](np, a))
    if name not in ("meshgrid",):  # NumPy's own names, through its protocol
        same(FUNCTIONS[name](np, pnp.asarray(a)), FUNCTIONS[name](np, a))


def test_out() -> None:
    a = operand("float64")
    x, out = pnp.asarray(a), pnp.empty((3, 4))
    assert np.add(x, 1, out=out) is out
    assert pnp.clip(out, 0, 1, out=out) is out
    same(out, np.clip(a + 1, 0, 1))
    total = pnp.empty(4)
    assert x.sum(axis=0, out=total) is total
    same(total, a.sum(axis=0))


def test_creation() -> None:
    same(pnp.zeros((2, 3)), np.zeros((2, 3)))
    same(pnp.ones(3, dtype="i4"), np.ones(3, dtype="i4"))
    same(pnp.full((2,), 2.5), np.full((2,), 2.5))
    same(pnp.arange(2, 9, 3), np.arange(2, 9, 3))
    same(pnp.linspace(0, 1, 5), np.linspace(0, 1, 5))
    same(pnp.eye(3), np.eye(3))
    fortran = pnp.asarray(np.zeros((3, 4), order="F"))
    assert pnp.ones_like(fortran).flags.f_contiguous
    same(pnp.full_like(fortran, 7, dtype=int), np.full((3, 4), 7))
    same(pnp.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]]))
    same(pnp.array([pnp.ones(2), pnp.zeros(2)]), np.array([[1.0, 1], [0, 0]]))
    same(pnp.array(5, ndmin=2), np.array(5, ndmin=2))
    assert pnp.empty((2, 2), np.float32).shape == (2, 2)


def test_asarray_shares_and_array_copies() -> None:
    a = operand("float64")
    assert pnp.asarray(a).to_numpy() is a
    assert np.shares_memory(np.asarray(pnp.asarray(a)), a)
    assert not np.shares_memory(pnp.array(a).to_numpy(), a)
    x = pnp.asarray(a)
    assert pnp.asarray(x) is x
    assert pnp.asarray(a, dtype="f4").dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        pnp.asarray(a, dtype="f4", copy=False)
    with pytest.raises(ValueError, match="copy"):
        pnp.asarray([1, 2], copy=False)


def test_one_number() -> None:
    total = pnp.asarray(np.arange(4)).sum()
    assert (int(total), float(total), bool(total), total.item(), f"{total:03d}") == (6, 6.0, True, 6, "006")
    assert [10, 20][pnp.asarray(np.array(1))] == 20
    with pytest.raises(ValueError, match="ambiguous"):
        bool(pnp.ones(2))
    with pytest.raises(TypeError, match="0-d"):
        iter(total)
    with pytest.raises(TypeError, match="unhashable"):
        hash(total)


def test_looks() -> None:
    x = pnp.asarray(np.arange(3))
    assert repr(x) == "array([0, 1, 2])"
    assert str(x) == "[0 1 2]"
    assert x.tolist() == [0, 1, 2]
    assert 2 in x
    assert [int(item) for item in x] == [0, 1, 2]
    assert x.device == "cpu"
    assert x.to_device("cpu") is x
    assert x.__array_namespace__().asarray is pnp.asarray


def test_copying_and_pickling() -> None:
    x = pnp.asarray(operand("float32"))
    for made in [copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))]:
        same(made, x.to_numpy())
        assert not np.shares_memory(made.to_numpy(), x.to_numpy())


def test_errors_are_numpys_without_the_templates() -> None:
    x = pnp.ones((3, 4))
    with pytest.raises(ValueError, match="broadcast") as caught:
        _ = x + pnp.ones(7)
    assert "operations.py" not in str(caught.value)
    with pytest.raises(IndexError, match="out of bounds"):
        x[pnp.asarray([9])]
    with pytest.raises(IndexError):
        x[5]
    with pytest.raises(UnsupportedError, match="busday_count") as refused:
        np.busday_count(x, x)
    assert "to_numpy" in str(refused.value)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pnp.nothing
    with pytest.raises(DeviceError, match="no device 'tpu'"):
        pnp.zeros(3, device="tpu")
    frozen = operand("float64")
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        pnp.asarray(frozen)[0] = 1


def test_every_name_can_be_had() -> None:
    for name in dir(pnp):
        assert hasattr(pnp, name)


OUTSIDE = pnp.ones(3)


def test_the_namespace_inside_jitted_functions() -> None:
    @jit
    def mixed(x: Any) -> Any:
        y = pnp.zeros_like(x) + pnp.arange(3)
        return pnp.where(pnp.exp(x) > 2, y, pnp.float32(1)), pnp.linalg.norm(x), pnp.sum(x, axis=0)

    x = np.array([0.0, 1.0, 2.0])
    for given in (x, pnp.asarray(x)):
        chosen, norm, total = mixed(given)
        np.testing.assert_array_equal(np.asarray(chosen), [1, 1, 2])
        assert (norm, total) == (np.sqrt(5), 3)

    @jit
    def outside(x: Any) -> Any:
        return x + OUTSIDE

    with pytest.raises(UnsupportedError, match=r"array of class ndarray from outside(.|\n)*as an argument"):
        outside(x)
