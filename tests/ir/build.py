"""Small functions of the tensor IR, made by hand, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir import ops as _ops
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.record import RECORDS
from pydsl.ir.types import BOOL, INDEX, Origin, ScalarType, Storage, TensorType, Type, c_strides

_ = _ops
F8 = np.dtype(np.float64)
I8 = np.dtype(np.int64)
B1 = np.dtype(np.bool_)


def affines(values: Sequence[Any]) -> tuple[Affine, ...]:
    return tuple(Affine.of(v) for v in values)


class Maker:
    """Appends operations to the current block of a function."""

    def __init__(self, name: str = "f") -> None:
        self.function = Function(name, Block())
        self.block = self.function.body
        self.line = 1

    def storage(
        self, origin: Origin, name: str, dtype: np.dtype[Any], nbytes: Any = None, **more: Any
    ) -> Storage:
        storage = Storage(origin, name, dtype, None if nbytes is None else Affine.of(nbytes), **more)
        self.function.storages.append(storage)
        return storage

    def arg(self, type_: Type, hint: str = "") -> Value:
        value = Value(type_, hint)
        value.owner = self.function.body
        self.function.body.args.append(value)
        return value

    def array_args(self, hints: str, *arrays: np.ndarray[Any, Any], shared: bool = False) -> list[Value]:
        """One argument for each array; with `shared` all in one storage."""
        bounds = [np.lib.array_utils.byte_bounds(a) for a in arrays]
        names = hints.split()
        storages: list[Storage] = []
        bases: list[int] = []
        if shared:
            low, high = min(b[0] for b in bounds), max(b[1] for b in bounds)
            storages = [self.storage(Origin.ARG, "args", arrays[0].dtype, high - low)] * len(arrays)
            bases = [low] * len(arrays)
        else:
            for name, array, (low, high) in zip(names, arrays, bounds):
                storages.append(self.storage(Origin.ARG, name, array.dtype, high - low))
                bases.append(low)
        values = []
        for name, array, storage, base in zip(names, arrays, storages, bases):
            offset = Affine.of(array.ctypes.data - base)
            type_ = TensorType(array.dtype, affines(array.shape), affines(array.strides), offset, storage)
            values.append(self.arg(type_, name))
        return values

    def new(self, dtype: np.dtype[Any], shape: Sequence[Any], name: str = "t") -> TensorType:
        """The type of a new C-contiguous tensor."""
        dims = affines(shape)
        size = Affine.of(dtype.itemsize)
        for dim in dims:
            size = size.mul(dim)  # type: ignore[assignment]
        storage = self.storage(Origin.ALLOC, name, dtype, size)
        return TensorType(dtype, dims, c_strides(dims, dtype.itemsize), Affine.of(0), storage)

    def emit(
        self,
        name: str,
        operands: Sequence[Value] = (),
        results: Sequence[Type] = (),
        regions: Sequence[Block] = (),
        hint: str = "",
        **attrs: Any,
    ) -> Op:
        self.line += 1
        values = [Value(t, hint) for t in results]
        loc = SourceLocation("f.py", self.line, 4)
        op = Op(RECORDS[name], list(operands), values, attrs, list(regions), loc)
        self.block.ops.append(op)
        return op

    def op(self, name: str, *operands: Value, type: Type, hint: str = "", **attrs: Any) -> Value:
        return self.emit(name, operands, [type], hint=hint, **attrs).result

    def view(
        self, src: Value, shape: Sequence[Any], strides: Sequence[Any], offset: Any, how: str = "index"
    ) -> Value:
        type_ = src.tensor.with_view(affines(shape), affines(strides), Affine.of(offset))
        return self.op("view", src, type=type_, how=how)

    def const(self, value: Any, type_: ScalarType = INDEX) -> Value:
        return self.op("constant", type=type_, value=value)

    @contextmanager
    def at(self, block: Block) -> Iterator[Block]:
        saved, self.block = self.block, block
        yield block
        self.block = saved

    def ret(self, *values: Value, site: int = 0) -> Function:
        self.emit("return", values, site=site)
        return self.function


def shift_in_place(x: np.ndarray[Any, Any]) -> Function:
    """`x[1:] = x[:-1]; return x` for a contiguous vector."""
    m = Maker("shift")
    (a,) = m.array_args("x", x)
    n, s = x.size, x.itemsize
    m.emit("store", [m.view(a, [n - 1], [s], s), m.view(a, [n - 1], [s], 0)])
    return m.ret(a)


def loop_sum(x: np.ndarray[Any, Any]) -> Function:
    """`s = 0.0; for i in range(len(x)): s += x[i]; x[i] = s`."""
    m = Maker("loop_sum")
    (a,) = m.array_args("x", x)
    zero, n = m.const(0), m.const(x.size)
    start = m.const(0.0, ScalarType(F8))
    i, acc = Value(INDEX, "i", (0, x.size - 1)), Value(ScalarType(F8), "s")
    with m.at(Block([i, acc])) as body:
        cell = m.view(a, [], [], Affine.of(i) * 8)
        element = m.op("load", cell, type=ScalarType(F8))
        total = m.op("add", acc, element, type=ScalarType(F8), hint="s")
        m.emit("store", [cell, total])
        m.emit("yield", [total])
    loop = m.emit("for", [zero, n, start], [ScalarType(F8)], [body], step=1)
    return m.ret(loop.result, a)


def halving_view(x: np.ndarray[Any, Any]) -> Function:
    """`y = x; while len(y) > 1: y = y[::2] + 0` : a tensor carried through a join, with its length."""
    m = Maker("halving")
    (a,) = m.array_args("x", x)
    n0 = m.const(x.size)
    one = m.const(1)
    phi = m.storage(Origin.PHI, "y", F8, sources=[a.tensor.storage])
    n = Value(INDEX, "n", (0, x.size))
    stride = Value(INDEX, "stride")
    y = Value(TensorType(F8, affines([n]), affines([stride]), Affine.of(0), phi), "y")
    first_stride = m.const(8)
    with m.at(Block([n, stride, y])) as header:
        m.emit("yield", [m.op("greater", n, one, type=BOOL)])
    two = m.const(2)
    with m.at(Block()) as body:
        half = m.op("floor_divide", m.op("add", n, one, type=INDEX), two, type=INDEX, hint="n")
        double = m.op("multiply", stride, two, type=INDEX)
        m.emit("yield", [half, double, m.view(y, [half], [double], 0)])
    out_n, out_s = Value(INDEX, "n"), Value(INDEX)
    out_y = Value(TensorType(F8, affines([out_n]), affines([out_s]), Affine.of(0), phi), "y")
    loop = m.emit("while", [n0, first_stride, a], [], [header, body])
    loop.results = [out_n, out_s, out_y]
    for value in loop.results:
        value.owner = loop
    m.emit("store", [out_y, m.const(7.0, ScalarType(F8))])
    return m.ret(out_y)


def masked_and_indexed(x: np.ndarray[Any, Any], index: np.ndarray[Any, Any]) -> Function:
    """A negative elements become 0, `x[index] += 1`, `return x[index], x.sum(axis=0), np.arange(3)`."""
    m = Maker("masked")
    a, i = m.array_args("x index", x, index)
    rows, cols = x.shape
    zero = m.const(0.0, ScalarType(F8))
    mask = m.op("less", a, zero, type=m.new(B1, x.shape, "mask"))
    m.emit("masked_store", [a, mask, zero])
    m.emit("check_bounds", [i], size=Affine.of(rows), axis=0)
    picked = m.op("gather", a, i, type=m.new(F8, (index.size, cols)), axes=(0,), position=0)
    more = m.op("add", picked, m.const(1.0, ScalarType(F8)), type=m.new(F8, (index.size, cols)))
    m.emit("scatter", [a, more, i], axes=(0,), position=0, accumulate=None)
    total = m.op("reduce", a, type=m.new(F8, (cols,)), kind="sum", axes=(0,))
    three = m.op("iota", type=m.new(I8, (3,)))
    return m.ret(more, total, three)


def early_return(x: np.ndarray[Any, Any]) -> Function:
    """`if x[0] > 1: return x[::-1]` then `raise ValueError`, in a loop that is left by `break`."""
    m = Maker("early")
    (a,) = m.array_args("x", x)
    zero, n = m.const(0), m.const(x.size)
    i = Value(INDEX, "i", (0, x.size - 1))
    with m.at(Block([i])) as body:
        cell = m.op("load", m.view(a, [], [], Affine.of(i) * 8), type=ScalarType(F8))
        big = m.op("greater", cell, m.const(1.0, ScalarType(F8)), type=BOOL)
        with m.at(Block()) as then:
            back = m.view(a, x.shape, [-8], 8 * (x.size - 1))
            m.emit("return", [back], site=1)
        with m.at(Block()) as orelse:
            m.emit("yield", [])
        m.emit("if", [big], [], [then, orelse])
        small = m.op("less", cell, m.const(-1.0, ScalarType(F8)), type=BOOL)
        with m.at(Block()) as then:
            m.emit("break", [])
        with m.at(Block()) as orelse:
            m.emit("continue", [])
        m.emit("if", [small], [], [then, orelse])
        m.emit("yield", [])
    m.emit("for", [zero, n], [], [body], step=1)
    first = m.op("load", m.view(a, [], [], 0), type=ScalarType(F8))
    m.emit("raise", [first], error=ValueError, message="nothing but {0}")
    return m.function


def constants() -> Function:
    """Constant arrays, small and large, and scalar constants of many types."""
    m = Maker("constants")
    results = []
    for name, data in (
        ("small", np.array([[1.5, -0.0], [np.nan, np.inf]])),
        ("half", np.array([0.1, 65504], np.float16)),
        ("complex", np.array([1 + 2j, complex(-0.0, np.nan)], np.complex64)),
        ("flags", np.array([True, False])),
        ("large", np.arange(100, dtype=np.int16)),
        ("strided", np.arange(10)[::-2]),
    ):
        low, high = np.lib.array_utils.byte_bounds(data)
        storage = m.storage(Origin.CONST, name, data.dtype, high - low, writeable=False, data=data)
        offset = Affine.of(data.ctypes.data - low)
        type_ = TensorType(data.dtype, affines(data.shape), affines(data.strides), offset, storage)
        results.append(m.op("constant_array", type=type_))
    for value in (1, -7, 2**62, 0.1, -0.0, float("inf"), 1e300, True, 1j, complex(-0.0, 2.5)):
        results.append(m.const(value, ScalarType(np.asarray(value).dtype, weak=True)))
    for value in (np.float32(0.1), np.float16(-0.0), np.uint8(255), np.complex64(1 - 2j), np.bool_(True)):
        results.append(m.const(value, ScalarType(value.dtype)))
    return m.ret(*results)


VECTOR = np.array([0.5, -0.25, 3.0, -2.0, 5.0, 1.0])
MATRIX = np.array([[1.0, -2.0], [-3.0, 4.0], [5.0, 6.0]])

EXAMPLES: dict[str, tuple[Callable[..., Function], list[np.ndarray[Any, Any]]]] = {
    "shift": (shift_in_place, [VECTOR]),
    "loop": (loop_sum, [VECTOR]),
    "halving": (halving_view, [VECTOR]),
    "masked": (masked_and_indexed, [MATRIX, np.array([2, 0, 2])]),
    "early": (early_return, [VECTOR]),
    "constants": (constants, []),
}
