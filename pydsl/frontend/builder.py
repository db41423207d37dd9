"""The builder: what the evaluator calls to make tensor IR out of abstract values.

A front-end value is a *static* Python object, a *dynamic* IR :class:`~pydsl.ir.core.Value` (scalar or tensor), or a list
or tuple of these. Every method takes both; what is static is folded, what is dynamic becomes operations in
:attr:`Builder.block`. Index expressions (:class:`~pydsl.ir.affine.Affine`) stand for dims, offsets and integer scalars.

A method raises :class:`NumpyError` where the program would raise whatever the data are, :class:`Unsupported` where the
compiler cannot follow; it never prints, and never falls back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.record import OpRecord
from pydsl.ir.types import ScalarType, Storage, TensorType, Type

Operand = Any
"""A static Python object or an IR value."""


@dataclass(frozen=True)
class SliceEntry:
    """A normalised slice of one axis: ``length`` elements from ``start`` with ``step`` (clipped already)."""

    start: Affine
    step: int
    length: Affine


IndexEntry = Affine | int | SliceEntry | None
"""One entry of a basic index: an integer (already in [0, n)), a slice, or None (a new axis)."""


class Builder:
    """Makes the operations of one function.

    function: the function that is built.
    block: where operations go (its end).
    loc: source location put on every operation.
    inline: called by :meth:`call_library`; the evaluator sets it.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.block: Block = function.body
        self.loc: SourceLocation | None = None
        self.inline: Callable[..., Any] | None = None

    @contextmanager
    def at(self, block: Block) -> Iterator[None]:
        """Operations go to ``block`` within."""
        raise NotImplementedError
        yield

    # --- emission -------------------------------------------------------------------------------------------

    def emit(
        self,
        record: OpRecord,
        operands: Sequence[Value],
        results: Sequence[Type] = (),
        regions: Sequence[Block] = (),
        **attrs: Any,
    ) -> Op:
        """Append one operation."""
        raise NotImplementedError

    def call_library(self, fn: Callable[..., Any], *args: Operand, **kwargs: Operand) -> Any:
        """Inline a self-hosted library function."""
        raise NotImplementedError

    def new_storage(self, dtype: np.dtype[Any], nbytes: Affine | None, name: str = "") -> Storage:
        """A storage of origin ALLOC, registered with the function."""
        raise NotImplementedError

    # --- scalars and index expressions ----------------------------------------------------------------------

    def constant(self, value: Any, type: ScalarType | None = None) -> Value:
        """A static scalar as a value (a Python scalar is weak, a NumPy scalar strong); ``type`` converts it."""
        raise NotImplementedError

    def as_value(self, value: Operand) -> Value:
        """An operand as an IR value: scalars become constants, NumPy arrays constant arrays, lists new tensors."""
        raise NotImplementedError

    def as_affine(self, value: Operand) -> Affine:
        """An integer operand as an index expression; follows integer arithmetic back. TypeError -> NumpyError."""
        raise NotImplementedError

    def scalar_from_affine(self, expr: Affine | int) -> int | Value:
        """An index expression as a Python int operand: a static int, or an ``index`` op with its bounds."""
        raise NotImplementedError

    def mul_index(self, a: Affine, b: Affine) -> Affine:
        """The product; where it is not affine, a symbol (the same one for the same factors)."""
        raise NotImplementedError

    def floordiv_index(self, a: Affine, b: Affine) -> Affine:
        """``a // b`` for ``b != 0``; a symbol where it is not affine."""
        raise NotImplementedError

    def mod_index(self, a: Affine, b: Affine) -> Affine:
        """``a % b`` for ``b != 0``."""
        raise NotImplementedError

    def min_index(self, a: Affine, b: Affine) -> Affine:
        """The smaller; one of the two where bounds decide."""
        raise NotImplementedError

    def max_index(self, a: Affine, b: Affine) -> Affine:
        """The larger; one of the two where bounds decide."""
        raise NotImplementedError

    def index_bounds(self, expr: Affine) -> tuple[int | None, int | None]:
        """Inclusive bounds from the bounds of the symbols."""
        raise NotImplementedError

    def decide(self, op: str, a: Affine, b: Affine) -> bool | None:
        """Whether ``a op b`` holds (op: lt le gt ge eq ne), where bounds decide it; else None."""
        raise NotImplementedError

    def compare_index(self, op: str, a: Affine, b: Affine) -> bool | Value:
        """``a op b``: a static bool where decided, else a bool scalar."""
        raise NotImplementedError

    def python_binary(self, op: str, a: Operand, b: Operand) -> Operand:
        """Python's arithmetic on two Python scalars (at least one dynamic).

        op: name in :mod:`operator` without underscores: add sub mul truediv floordiv mod pow lshift rshift and or xor
        lt le gt ge eq ne.
        """
        raise NotImplementedError

    def python_unary(self, op: str, a: Operand) -> Operand:
        """neg, pos, invert, not, abs on a dynamic Python scalar."""
        raise NotImplementedError

    def binary(self, op: str, a: Operand, b: Operand) -> Operand:
        """A Python operator on any two operands: Python arithmetic for two Python scalars, else the ufunc or matmul."""
        raise NotImplementedError

    def unary(self, op: str, a: Operand) -> Operand:
        """A Python unary operator (neg pos invert not) on any operand."""
        raise NotImplementedError

    def truth(self, value: Operand) -> bool | Value:
        """``bool(value)``: a static bool or a bool scalar. NumPy's error for arrays with several elements."""
        raise NotImplementedError

    def to_python(self, value: Operand, kind: type) -> Operand:
        """``int(x)``, ``float(x)``, ``bool(x)``, ``complex(x)``: a Python (weak) scalar."""
        raise NotImplementedError

    def convert_scalar(self, value: Operand, type: ScalarType) -> Value:
        """A scalar converted to a scalar type (unsafe casting)."""
        raise NotImplementedError

    # --- tensors --------------------------------------------------------------------------------------------

    def tensor_type(
        self, dtype: np.dtype[Any], shape: Sequence[Affine], axis_order: Sequence[int] | None = None
    ) -> TensorType:
        """The type of a new tensor with its own storage.

        axis_order: axes from slowest to fastest (default: C order).
        """
        raise NotImplementedError

    def empty(self, shape: Operand, dtype: Any = float, order: str = "C") -> Value:
        """``np.empty``."""
        raise NotImplementedError

    def constant_array(self, array: np.ndarray[Any, Any], writeable: bool = False) -> Value:
        """A reference to a constant array (copied at compile time, read-only)."""
        raise NotImplementedError

    def global_array(self, array: np.ndarray[Any, Any], name: str = "") -> Value:
        """A reference to an array that the program reads from a global or closure, by identity."""
        raise NotImplementedError

    def load(self, tensor: Value) -> Value:
        """The element of a 0-d tensor, as a NumPy scalar."""
        raise NotImplementedError

    def copy(self, tensor: Value, order: str = "C") -> Value:
        """``np.copy`` / ``ndarray.copy``: a new tensor with the values (order C, F, A or K)."""
        raise NotImplementedError

    def astype(self, value: Operand, dtype: Any, order: str = "K", casting: str = "unsafe", copy: bool = True) -> Value:
        """``ndarray.astype``, also of scalars."""
        raise NotImplementedError

    # --- views ----------------------------------------------------------------------------------------------

    def view(
        self, tensor: Value, shape: Sequence[Affine], strides: Sequence[Affine], offset: Affine, how: str
    ) -> Value:
        """Another reference on the storage of ``tensor``; the tensor itself where nothing changes."""
        raise NotImplementedError

    def basic_index(self, tensor: Value, entries: Sequence[IndexEntry]) -> Value:
        """A basic index: a view (0-d where all entries are integers; :meth:`load` gives the scalar).

        Axes beyond the entries are taken whole. Integers and slices are normalised and in bounds already.
        """
        raise NotImplementedError

    def reshape(self, tensor: Value, shape: Operand, order: str = "C") -> Value:
        """``reshape``: a view where NumPy makes one, else a copy."""
        raise NotImplementedError

    def transpose(self, tensor: Value, axes: Sequence[int] | None = None) -> Value:
        raise NotImplementedError

    def broadcast_to(self, tensor: Value, shape: Sequence[Affine], message: str | None = None) -> Value:
        """A view of the given shape with stride 0 where a dimension is repeated; ``message`` replaces NumPy's."""
        raise NotImplementedError

    # --- elementwise ----------------------------------------------------------------------------------------

    def ufunc(
        self,
        ufunc: np.ufunc,
        operands: Sequence[Operand],
        out: Operand = None,
        where: Operand = True,
        dtype: Any = None,
        casting: str = "same_kind",
    ) -> Any:
        """A ufunc call with NumPy's type resolution, broadcasting and result layout.

        A scalar for scalars and 0-d tensors, a new tensor otherwise; ``out`` where that is given; a tuple for ufuncs
        with several outputs.
        """
        raise NotImplementedError

    def select(self, condition: Operand, a: Operand, b: Operand) -> Value:
        """``np.where(condition, a, b)``."""
        raise NotImplementedError

    # --- writes ---------------------------------------------------------------------------------------------

    def store(self, dst: Value, value: Operand, casting: str = "unsafe") -> None:
        """``dst[...] = value``."""
        raise NotImplementedError

    def inplace(self, op: str | np.ufunc, dst: Operand, value: Operand) -> Operand:
        """``dst op= value`` (op: a ufunc, or an operator name as in :meth:`python_binary`).

        A tensor is written and returned; a scalar gives the new scalar.
        """
        raise NotImplementedError

    def masked_store(self, dst: Value, mask: Value, value: Operand) -> None:
        """``dst[mask] = value`` for a value that broadcasts against ``dst[mask]`` as a scalar or along trailing axes.

        ``mask`` is a bool tensor over the leading axes of ``dst``; a value with an element per selected position is
        written through :meth:`scatter`.
        """
        raise NotImplementedError

    def mask_load(self, tensor: Value, mask: Value) -> Value:
        """``tensor[mask]`` for a bool mask over the leading axes: a new tensor of data-dependent length."""
        raise NotImplementedError

    def mask_to_index(self, mask: Value) -> tuple[Value, ...]:
        """The index tensors of the true elements (``np.nonzero``)."""
        raise NotImplementedError

    def gather(self, src: Value, indices: Sequence[Operand], axes: Sequence[int], position: int) -> Value:
        """Integer-array load. ``indices`` (tensors, scalars, lists) are broadcast, checked and converted to int64.

        ``position``: where the broadcast index shape goes among the remaining axes of ``src``.
        """
        raise NotImplementedError

    def scatter(
        self,
        dst: Value,
        value: Operand,
        indices: Sequence[Operand],
        axes: Sequence[int],
        position: int,
        accumulate: np.ufunc | None = None,
    ) -> None:
        """Integer-array store; ``accumulate`` as ``ufunc.at``."""
        raise NotImplementedError

    def check(self, condition: Operand, error: type[Exception], message: str, *values: Operand) -> None:
        """Raise at run time unless the condition holds; nothing where it is statically true.

        message: a format string over ``values`` (``{0}``, ...).

        Raises
        ------
        NumpyError: the condition is statically false.
        """
        raise NotImplementedError

    def raise_(self, error: type[Exception], message: str, *values: Operand) -> None:
        """A ``raise`` terminator."""
        raise NotImplementedError

    # --- reductions and contractions ------------------------------------------------------------------------

    def reduce(
        self,
        kind: str,
        tensor: Operand,
        axis: Operand = None,
        keepdims: bool = False,
        dtype: Any = None,
        out: Operand = None,
        initial: Operand = None,
        where: Operand = True,
    ) -> Operand:
        """A reduction (kind: a key of :data:`pydsl.ir.ops.compute.REDUCTIONS`) with NumPy's accumulator dtype."""
        raise NotImplementedError

    def matmul(self, a: Operand, b: Operand, out: Operand = None) -> Operand:
        """``a @ b`` with all rank rules and batch broadcasting."""
        raise NotImplementedError

    def einsum(self, subscripts: str, *operands: Operand) -> Operand:
        raise NotImplementedError
