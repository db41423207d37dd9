"""Running builder calls against NumPy: arrays in, a function built, the interpreter's answer out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend.builder import Builder
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Value
from pydsl.ir.interpreter import interpret
from pydsl.ir.ops.control import RETURN
from pydsl.ir.types import INDEX, Origin, ScalarType, Storage, TensorType

_WEAK = {bool: np.bool_, int: np.int64, float: np.float64, complex: np.complex128}


def base_of(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def argument(value: Any, storages: dict[int, Storage], symbolic: bool) -> Value:
    """A block argument for a value; arrays on one base share a storage."""
    if not isinstance(value, np.ndarray):
        weak = type(value) in _WEAK
        dtype = np.dtype(_WEAK[type(value)]) if weak else value.dtype
        return Value(ScalarType(dtype, weak))
    base = base_of(value)
    storage = storages.setdefault(
        id(base),
        Storage(Origin.ARG, f"a{len(storages)}", base.dtype, Affine.of(base.nbytes), value.flags.writeable),
    )
    if symbolic:
        dims = [Affine.of(Value(INDEX, "n", (0, None))) for _ in value.shape]
        strides = [Affine.of(value.itemsize)] if value.ndim else []
        for dim in reversed(dims[1:]):
            assert value.ndim <= 2 and value.flags.c_contiguous
            strides.append(dim * value.itemsize)
        return Value(TensorType(value.dtype, tuple(dims), tuple(reversed(strides)), Affine.of(0), storage))
    low = address(base) + sum(min(0, (d - 1) * s) for d, s in zip(base.shape, base.strides) if base.size)
    type_ = TensorType(
        value.dtype,
        tuple(map(Affine.of, value.shape)),
        tuple(map(Affine.of, value.strides)),
        Affine.of(address(value) - low),
        storage,
    )
    return Value(type_)


def build(
    fn: Callable[..., Any], args: Sequence[Any], symbolic: bool = False
) -> tuple[Function, Callable[[Sequence[Any]], Any], list[Value]]:
    """Build ``fn(builder, *values)``; the function, what puts results together, and its result values."""
    storages: dict[int, Storage] = {}
    params = [argument(arg, storages, symbolic) for arg in args]
    function = Function("f", Block(params), list(storages.values()))
    builder = Builder(function)
    result = fn(builder, *params)
    leaves: list[Value] = []

    def flatten(value: Any) -> Any:
        if isinstance(value, Value):
            leaves.append(value)
            position = len(leaves) - 1
            return lambda values: values[position]
        if isinstance(value, (list, tuple)):
            parts = [flatten(item) for item in value]
            kind = type(value)
            return lambda values: kind([part(values) for part in parts])
        return lambda values: value

    assemble = flatten(result)
    builder.emit(RETURN, leaves, site=0)
    return function, assemble, leaves


def run(fn: Callable[..., Any], *args: Any, symbolic: bool = False) -> Any:
    """The result of a builder function, computed by the interpreter on these arguments."""
    function, assemble, _ = build(fn, args, symbolic)
    return assemble(interpret(function, args).values)


def copies(args: Sequence[Any]) -> list[Any]:
    """The arguments on fresh memory, with the same layout and overlap."""
    bases: dict[int, np.ndarray] = {}
    result: list[Any] = []
    for arg in args:
        if not isinstance(arg, np.ndarray):
            result.append(arg)
            continue
        base = base_of(arg)
        if id(base) not in bases:
            bases[id(base)] = base.copy("K")
        clone = bases[id(base)]
        offset = address(arg) - address(base)
        fresh = np.ndarray(arg.shape, arg.dtype, buffer=_bytes(clone), offset=offset, strides=arg.strides)
        fresh.flags.writeable = arg.flags.writeable
        result.append(fresh)
    return result


def _bytes(array: np.ndarray) -> np.ndarray:
    return (
        array.T.reshape(-1).view(np.uint8)
        if not array.flags.c_contiguous
        else array.reshape(-1).view(np.uint8)
    )


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """The result of a call, or the class and first line of the message of its exception."""
    try:
        with np.errstate(all="ignore"):
            return "value", call()
    except NumpyError as failure:
        return "error", (failure.error, failure.message)
    except Unsupported:
        raise
    except Exception as error:
        return "error", (type(error), str(error))


def describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape} strides {value.strides}\n{value!r}"
    return repr(value)


def same(mine: Any, wanted: Any, where: str, exact: bool = True, layout: bool = True) -> None:
    """Assert that two results are the same: type, dtype, shape, layout and elements."""
    if isinstance(wanted, (list, tuple)):
        assert isinstance(mine, (list, tuple)) and len(mine) == len(wanted), (where, mine, wanted)
        for one, other in zip(mine, wanted):
            same(one, other, where, exact, layout)
        return
    text = f"{where}\nmine   {describe(mine)}\nwanted {describe(wanted)}"
    assert isinstance(mine, np.ndarray) == isinstance(wanted, np.ndarray), text
    if not isinstance(wanted, np.ndarray):
        assert type(mine) is type(wanted), text
    a, b = np.asarray(mine), np.asarray(wanted)
    assert a.dtype == b.dtype and a.shape == b.shape, text
    if exact:
        equal = (a == b) | ((a != a) & (b != b))
    else:
        equal = np.isclose(a, b, rtol=1e-5 if a.dtype.itemsize <= 4 else 1e-12, atol=1e-6, equal_nan=True)
    assert np.all(equal), text
    if exact and a.dtype.kind == "f":
        assert np.all(np.signbit(a[a == 0]) == np.signbit(b[b == 0])), f"signs of zeros: {text}"
    if layout and isinstance(wanted, np.ndarray) and a.size:
        dims = [k for k, n in enumerate(a.shape) if n > 1]
        assert [a.strides[k] for k in dims] == [b.strides[k] for k in dims], f"layout: {text}"


def check(
    mine: Callable[..., Any],
    numpy: Callable[..., Any],
    *args: Any,
    exact: bool = True,
    layout: bool = True,
    where: str = "",
    messages: bool = True,
) -> None:
    """Compare ``mine(builder, *values)`` with ``numpy(*args)``: results, errors, and what was written."""
    first, second = copies(args), copies(args)
    wanted = outcome(lambda: numpy(*second))
    got = outcome(lambda: run(mine, *first))
    if wanted[0] == "error":
        assert got[0] == "error", (where, got, wanted)
        classes = (wanted[1][0].__mro__, got[1][0])
        assert got[1][0] in wanted[1][0].__mro__ and got[1][0] is not Exception, (where, classes, got, wanted)
        if messages:
            assert got[1][1].split("\n")[0].strip() == wanted[1][1].split("\n")[0].strip(), (
                where,
                got,
                wanted,
            )
    else:
        assert got[0] == "value", (where, got, wanted)
        same(got[1], wanted[1], where, exact, layout)
    for one, other in zip(first, second):
        if isinstance(one, np.ndarray):
            same(one, other, f"argument after {where}", exact, False)


# --- random arguments ---------------------------------------------------------------------------------------------

DTYPES = [np.dtype(c) for c in "?bBhHiIlLefdFD"]


def values(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Small numbers, zeros, and for floats NaN and infinities."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
    numbers = rng.integers(-8, 9, shape) / 4
    special = rng.choice([np.nan, np.inf, -np.inf, -0.0], shape)
    numbers = np.where(rng.random(shape) < 0.1, special, numbers)
    if dtype.kind == "c":
        numbers = rng.integers(-8, 9, shape) / 4 + 1j * (rng.integers(-8, 9, shape) / 4)
    return np.asarray(numbers).astype(dtype)


def layouts(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same elements in a random layout: transposed, strided, reversed, offset."""
    if not array.ndim:
        return array
    order = rng.permutation(array.ndim)
    steps = [int(rng.choice([1, 1, 1, 2, -1])) for _ in range(array.ndim)]
    big = [n * abs(s) for n, s in zip(array.shape, steps)]
    memory = np.zeros([big[k] for k in order], array.dtype).transpose(np.argsort(order))
    view = memory[tuple(slice(None, None, s) for s in steps)]
    view[...] = array
    return view


def broadcastable(rng: np.random.Generator, count: int, rank: int = 3) -> list[tuple[int, ...]]:
    """Shapes that broadcast with each other."""
    full = [int(rng.integers(1, 5)) for _ in range(int(rng.integers(0, rank + 1)))]
    shapes = []
    for _ in range(count):
        shape = [1 if rng.random() < 0.2 else n for n in full]
        shapes.append(tuple(shape[int(rng.integers(0, len(shape) + 1)) if rng.random() < 0.2 else 0 :]))
    return shapes


def random_array(
    rng: np.random.Generator, dtypes: Sequence[Any] = DTYPES, rank: int | None = None
) -> np.ndarray:
    """Random shape (sometimes empty), dtype and layout."""
    count = int(rng.integers(0, 4)) if rank is None else rank
    shape = tuple(int(rng.integers(0 if rng.random() < 0.05 else 1, 5)) for _ in range(count))
    return layouts(rng, values(rng, shape, dtypes[rng.integers(len(dtypes))]))


def check_call(
    fn: Any, handler: Callable[..., Any], args: Sequence[Any], rest: Any = (), view: bool = True, **how: Any
) -> None:
    """Compare a NumPy function and its handler on dynamic `args` and static `rest` (a tuple, or keywords); and whether
    the result shares memory with an argument."""
    names = rest if isinstance(rest, dict) else {}
    more = () if isinstance(rest, dict) else tuple(rest)
    text = [(a.dtype.name, a.shape, a.strides) if isinstance(a, np.ndarray) else a for a in args]
    how.setdefault("where", f"{getattr(fn, '__name__', fn)}{text}{rest}")
    check(lambda B, *v: handler(B, *v, *more, **names), lambda *v: fn(*v, *more, **names), *args, **how)
    if not view:
        return
    first, second = copies(args), copies(args)
    try:
        wanted = fn(*second, *more, **names)
    except Exception:
        return
    if isinstance(wanted, np.ndarray) and wanted.size:
        mine = run(lambda B, *v: handler(B, *v, *more, **names), *first)
        shared = [
            [np.shares_memory(result, arg) for arg in given if isinstance(arg, np.ndarray)]
            for result, given in ((mine, first), (wanted, second))
        ]
        assert shared[0] == shared[1], (how["where"], "view relation", shared)
