"""The loop IR: loop nests over affine byte addresses, typed scalar expressions, explicit buffers.

One :class:`LoopFunction` is what a backend compiles. It is imperative: variables may be mutable, statements run in
order. Memory is addressed in bytes relative to a buffer with :class:`~pydsl.ir.affine.Affine` expressions whose symbols
are :class:`Var` (int64); an index that is not affine is bound to a variable by :class:`Let` first. Distinct buffers
never share memory, except ``POINTER`` buffers, which may point into any of their ``targets``.

Scalar types are NumPy dtypes. A bool is a byte in memory and one bit in expressions.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.calls import CallSite

DType = np.dtype[Any]
INT64: DType = np.dtype(np.int64)
_ids = itertools.count()


class Var:
    """A scalar variable (loop index, binding, accumulator). Compared by identity; int64 ones are index symbols.

    bounds: inclusive range where known (either end None).
    """

    __slots__ = ("__weakref__", "bounds", "dtype", "id", "name")

    def __init__(self, name: str, dtype: DType, bounds: tuple[int | None, int | None] = (None, None)) -> None:
        self.name = name
        self.dtype = dtype
        self.bounds = bounds
        self.id = next(_ids)

    def __repr__(self) -> str:
        return f"{self.name}.{self.id}"


class Product(Var):
    """The product of a variable and an index expression that is not constant, used as a symbol of addresses.

    Interned by (factor, stride), so equal products are one symbol. A pass binds it with a ``Let`` where its parts are
    bound.
    """

    __slots__ = ("factor", "stride")
    _known: ClassVar[WeakValueDictionary[tuple[int, Affine], Product]] = WeakValueDictionary()

    factor: Var
    stride: Affine

    @staticmethod
    def of(factor: Var, stride: Affine) -> Product:
        key = (factor.id, stride)
        known = Product._known.get(key)
        if known is None:
            known = Product(f"{factor.name}_x", np.dtype(np.int64))
            known.factor, known.stride = factor, stride
            Product._known[key] = known
        return known


def substitute_index(expr: Affine, mapping: Mapping[Any, Affine]) -> Affine:
    """``expr.substitute`` that also follows the factors and strides of products."""
    extended: dict[Any, Affine] = {}
    for symbol in expr.symbols():
        if symbol in mapping:
            extended[symbol] = mapping[symbol]
        elif isinstance(symbol, Product):
            factor = substitute_index(Affine.of(symbol.factor), mapping)
            stride = substitute_index(symbol.stride, mapping)
            if factor != Affine.of(symbol.factor) or stride is not symbol.stride:
                extended[symbol] = product_of(factor, stride)
    return expr.substitute(extended) if extended else expr


def product_of(position: Affine, stride: Affine) -> Affine:
    """``position * stride``; where neither is constant, each variable of the position times the stride is a symbol."""
    known = position.mul(stride)
    if known is not None:
        return known
    total = stride * position.const
    for var, coeff in position.terms:
        assert isinstance(var, Var)
        total = total + Affine.of(Product.of(var, stride)) * coeff
    return total


class Space(enum.Enum):
    """Where a buffer lives and who owns it."""

    ARG = "arg"  # data pointer in argument/result slot `slot`
    CONST = "const"  # constant data, part of the code (`data`)
    GLOBAL = "global"  # an ndarray read by reference: pointer in slot `slot`, filled by the entry
    LOCAL = "local"  # automatic memory of static size, at most a few KiB, scope of the enclosing function
    ARENA = "arena"  # at byte `arena_offset` of the function's one arena
    HEAP = "heap"  # from `Alloc` until `Release` (reference counted)
    RESULT = "result"  # allocated by `AllocResult` through the runtime, owned by NumPy
    POINTER = "pointer"  # a mutable pointer, set by `SetPointer`
    SHARED = "shared"  # memory of a block of threads, of static size, alive inside one BLOCK loop


@dataclass(eq=False)
class Buffer:
    """A piece of memory. Compared by identity.

    Parameters
    ----------
    nbytes: size in bytes where known, for bounds checks of the interpreter and for LOCAL/ARENA.
    targets: for POINTER, what it may point into (HEAP buffers etc.).
    apart: for POINTER, other pointers that never point into the same memory at the same time (arrays that swap).
    readonly: never stored to.
    scratch: LOCAL: written before it is read in every iteration of the loops around its uses: it carries nothing.
    fresh: ARG: a result that the entry has allocated; the caller sees it only when the function returns.
    unaligned: ARG: its elements may lie at any address.
    slot_bias: ARG and GLOBAL: the buffer starts this many bytes before the address in its slot.
    """

    name: str
    space: Space
    dtype: DType
    nbytes: Affine | None = None
    slot: int | None = None
    arena_offset: int | None = None
    data: Any = None
    targets: list[Buffer] = field(default_factory=list)
    apart: set[Buffer] = field(default_factory=set, repr=False)
    readonly: bool = False
    alignment: int = 1
    slot_bias: int = 0
    fresh: bool = False
    scratch: bool = False
    unaligned: bool = False
    id: int = field(default_factory=_ids.__next__)

    def __repr__(self) -> str:
        return f"@{self.name}.{self.id}"


# --- expressions ----------------------------------------------------------------------------------------------------


class Expr:
    """A pure typed scalar expression. ``dtype`` is the type of its value."""

    __slots__ = ()
    dtype: DType


@dataclass(frozen=True, eq=False)
class Const(Expr):
    """A constant."""

    value: Any
    dtype: DType


@dataclass(frozen=True, eq=False)
class Read(Expr):
    """The value of a variable."""

    var: Var

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.var.dtype


@dataclass(frozen=True, eq=False)
class Index(Expr):
    """The value of an index expression, int64."""

    expr: Affine
    dtype: DType = INT64


@dataclass(frozen=True, eq=False)
class Load(Expr):
    """The element at byte address ``offset`` of a buffer."""

    buffer: Buffer
    offset: Affine
    dtype: DType


@dataclass(frozen=True, eq=False)
class Apply(Expr):
    """A scalar operation, named as in the elementwise op records (``add``, ``maximum``, ``exp``, ...), on operands of
    the ufunc's loop dtypes; ``select(c, a, b)``; ``cast(x)`` to ``dtype``.

    reassoc: a float addition, multiplication that a schedule has declared reorderable (reductions, contractions);
    contract: may be fused into a multiply-add (contractions, fastmath).
    """

    name: str
    args: tuple[Expr, ...]
    dtype: DType
    reassoc: bool = False
    contract: bool = False


# --- statements -----------------------------------------------------------------------------------------------------


class Stmt:
    """A statement."""

    __slots__ = ()


class LoopKind(enum.Enum):
    """How the iterations of a loop run."""

    SERIAL = "serial"
    PARALLEL = "parallel"  # iterations on threads; iterations are independent
    VECTOR = "vector"  # iterations are independent apart from reassoc accumulators: please vectorise
    UNROLL = "unroll"  # constant extent: fully unroll
    BLOCK = "block"  # a kernel: iterations are blocks of threads, independent; its body has THREAD loops
    THREAD = "thread"  # iterations are the threads of a block, independent; a barrier ends the loop


@dataclass(eq=False)
class For(Stmt):
    """``for var in range(start, stop)``, step 1. Bounds are index expressions evaluated once.

    independent: no iteration reads or writes memory that another one writes (proven), so accesses may be reordered
    across iterations; assignments to variables declared outside are reductions or make it dependent.
    kernel: the number of the fused nest that it belongs to, for reports; 0 for the user's loops.
    """

    var: Var
    start: Affine
    stop: Affine
    body: list[Stmt]
    kind: LoopKind = LoopKind.SERIAL
    independent: bool = False
    label: str = ""
    loc: SourceLocation | None = None
    kernel: int = 0


@dataclass(eq=False)
class While(Stmt):
    """Runs ``header`` (statements), then leaves unless ``condition``, then ``body``; ``Break``/``Continue`` refer to
    the nearest ``For`` or ``While`` of the user's program (``label='user'``) or this loop."""

    header: list[Stmt]
    condition: Expr
    body: list[Stmt]
    loc: SourceLocation | None = None


@dataclass(eq=False)
class If(Stmt):
    """A branch."""

    condition: Expr
    then: list[Stmt]
    orelse: list[Stmt] = field(default_factory=list)


@dataclass(eq=False)
class Let(Stmt):
    """Declares an immutable variable with its value."""

    var: Var
    value: Expr


@dataclass(eq=False)
class Declare(Stmt):
    """Declares a mutable variable with its first value."""

    var: Var
    value: Expr


@dataclass(eq=False)
class Assign(Stmt):
    """Assigns a mutable variable."""

    var: Var
    value: Expr


@dataclass(eq=False)
class Store(Stmt):
    """Writes the element at byte address ``offset`` of a buffer."""

    buffer: Buffer
    offset: Affine
    value: Expr


@dataclass(eq=False)
class Break(Stmt):
    """Leaves the nearest enclosing While, or For."""


@dataclass(eq=False)
class Continue(Stmt):
    """Next iteration of the nearest enclosing While, or For."""


@dataclass(eq=False)
class Alloc(Stmt):
    """Allocates a HEAP buffer of ``nbytes`` with reference count 1 (64-byte aligned); the buffer is its owner.

    A HEAP buffer starts as null; if it already holds a block (an earlier iteration of a loop), that is released first.
    Whatever HEAP and POINTER buffers hold is released on every exit of the function.
    """

    buffer: Buffer
    nbytes: Affine


@dataclass(eq=False)
class AllocResult(Stmt):
    """Allocates a RESULT buffer through the runtime: storage ``index`` of the specialisation's result storages."""

    buffer: Buffer
    index: int
    nbytes: Affine


@dataclass(eq=False)
class SetPointer(Stmt):
    """Points a POINTER buffer at the start of another buffer, retaining the new block if it is reference counted and
    releasing the old one. (Offsets live in index variables, so the base pointer is enough.)"""

    pointer: Buffer
    target: Buffer


@dataclass(eq=False)
class Release(Stmt):
    """Gives up a HEAP or POINTER buffer's reference; the block is freed when none is left."""

    buffer: Buffer


@dataclass(eq=False)
class Copy(Stmt):
    """memmove of ``nbytes`` bytes between two buffers."""

    dst: Buffer
    dst_offset: Affine
    src: Buffer
    src_offset: Affine
    nbytes: Affine


GEMM_DTYPES = ("float32", "float64", "complex64", "complex128")
"""What the library multiplies."""


@dataclass(eq=False)
class Gemm(Stmt):
    """Library GEMM, row-major, of one of `GEMM_DTYPES`: ``C[m, n] = A[m, k] @ B[k, n] + beta * C``.

    Strides in elements: ``lda`` etc. are the leading dimensions; ``trans_a`` means that A is stored (k, m).
    """

    dtype: DType
    m: Affine
    n: Affine
    k: Affine
    a: Buffer
    a_offset: Affine
    lda: Affine
    trans_a: bool
    b: Buffer
    b_offset: Affine
    ldb: Affine
    trans_b: bool
    c: Buffer
    c_offset: Affine
    ldc: Affine
    beta: float = 0.0
    kernel: int = 0


@dataclass(frozen=True, eq=False)
class Operand:
    """An array in a buffer: byte offset of its first element, dtype, shape, strides in bytes."""

    buffer: Buffer
    offset: Affine
    dtype: DType
    shape: tuple[Affine, ...]
    strides: tuple[Affine, ...]


@dataclass(eq=False)
class CallPython(Stmt):
    """Calls a Python function: :class:`pydsl.ir.calls.CallSite` number ``site`` of the function, on these operands.

    reached: buffers beside the operands' that the function may read and write.
    """

    site: int
    operands: tuple[Operand, ...]
    writes: tuple[Buffer, ...]
    reached: tuple[Buffer, ...] = ()


@dataclass(eq=False)
class Contract(Stmt):
    """A register-tiled contraction: ``acc[m..., n] = sum over k... of a[m..., k...] * b[k..., n]`` and, per element,
    ``epilogue``.

    All extents are constants. Dimensions are ``(var, extent, byte strides)``: the m dims have a stride on a; the one n
    dim has a stride on b (the element size when contiguous, else gathered); the k dims have strides on a and b.
    ``epilogue`` is run once per (m..., n) with ``acc`` (a Var of ``dtype``) holding the sum and the m and n vars bound;
    it holds the final ``Store``s and is independent over m and n. Sums may be reordered and use fused multiply-adds.
    ``parallel``: its rows may be shared among threads.
    """

    dtype: DType
    m: tuple[tuple[Var, int, int], ...]
    n: tuple[Var, int, int]
    k: tuple[tuple[int, int, int], ...]
    a: Buffer
    a_offset: Affine
    b: Buffer
    b_offset: Affine
    acc: Var
    epilogue: list[Stmt]
    kernel: int = 0
    parallel: bool = False


@dataclass(eq=False)
class Fetch(Stmt):
    """Declares immutable variables with values that lie in device memory one after the other from byte ``offset`` on,
    each in a cell of ``cell_bytes`` of its dtype: one copy to the host, which waits for it."""

    vars: tuple[Var, ...]
    buffer: Buffer
    offset: Affine


def cell_bytes(dtype: DType) -> int:
    """Bytes of the cell that a scalar takes in device memory."""
    return 8 if dtype.itemsize <= 8 else 16


@dataclass(eq=False)
class StoreSlot(Stmt):
    """Writes a scalar result (or a result dimension) into an ABI slot; ints widen to i64, floats to f64, complex takes
    two."""

    slot: int
    value: Expr


@dataclass(eq=False)
class Return(Stmt):
    """Ends the function through a return site."""

    site: int


@dataclass(eq=False)
class Fail(Stmt):
    """Ends the function with error number ``error``; ``payload`` goes to the error payload slots."""

    error: int
    payload: tuple[Expr, ...] = ()


# --- function -------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class ErrorRecord:
    """One way to fail: exception class, message (a format string over the payload), the user's location."""

    error: type[BaseException]
    message: str
    loc: SourceLocation | None
    payload: tuple[DType, ...] = ()


@dataclass(eq=False)
class LoopFunction:
    """What a backend compiles to ``i64 kernel(ptr rt, ptr slots)``.

    Parameters
    ----------
    scalars: variables that are loaded from ABI slots on entry: ``(var, slot)``.
    buffers: every buffer that is used; ARG and GLOBAL ones name the slot of their pointer.
    arena: size in bytes of the one arena for planned temporaries (0: none), allocated on entry, freed on every exit.
    n_slots: number of ABI slots; ``payload_slot``: first slot of the error payload.
    cost_ns: estimated run time, decides about the GIL and threads.
    calls: the Python functions that it calls.
    """

    name: str
    body: list[Stmt]
    scalars: list[tuple[Var, int]]
    buffers: list[Buffer]
    n_slots: int
    payload_slot: int
    errors: list[ErrorRecord] = field(default_factory=list)
    arena: int = 0
    cost_ns: float = 0.0
    calls: list[CallSite] = field(default_factory=list)
