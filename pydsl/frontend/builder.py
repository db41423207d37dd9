"""The builder: what the evaluator calls to make tensor IR out of abstract values.

A front-end value is a *static* Python object, a *dynamic* IR :class:`~pydsl.ir.core.Value` (scalar or tensor), or a
list or tuple of these. Every method takes both; what is static is folded, what is dynamic becomes operations in
:attr:`Builder.block`. Index expressions (:class:`~pydsl.ir.affine.Affine`) stand for dims, offsets and integer scalars.

A method raises :class:`NumpyError` where the program would raise whatever the data are, :class:`Unsupported` where the
compiler cannot follow; it never prints, and never falls back.

The builder is made of layers, each a class that uses only those below it::

    Emitter          emission, constants, storages, checks                     emitter.py
    IndexMath        index expressions and their bounds                        index_math.py
    Scalars          Python's arithmetic                                       scalars.py
    Tensors          allocation, copies, conversions                           tensors.py
    Views            references: indexing, axes, reshape, broadcasting         views.py
    Writes           assignment                                                writes.py
    Elementwise      ufuncs                                                    elementwise.py
    Indexing         integer-array and mask indexing                           indexing_ops.py
    Reductions       reductions                                                reductions.py
    Contractions     matmul, dot, einsum                                       contractions.py
    Builder          operators on any operands, arrays from nested lists       (here)
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.contractions import Contractions
from pydsl.frontend.dtypes import DType
from pydsl.frontend.emitter import Emitter, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.scalars import OPERATOR_UFUNCS
from pydsl.frontend.views import IndexEntry, SliceEntry
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.types import BOOL

__all__ = ["Builder", "Emitter", "IndexEntry", "Operand", "SliceEntry"]

_UNARY_UFUNCS = {"neg": np.negative, "pos": np.positive, "invert": np.invert, "abs": np.absolute}
_STATIC_UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "not": operator.not_, "abs": abs,
}  # fmt: skip


class Builder(Contractions):
    """Makes the operations of one function."""

    # --- operators ------------------------------------------------------------------------------------------

    def binary(self, op: str, a: Operand, b: Operand) -> Operand:
        """A Python operator on any two operands: Python arithmetic for two Python scalars, else the ufunc or matmul.

        op: as in :meth:`python_binary`, or ``matmul``.
        """
        if op == "matmul":
            return self.matmul(a, b)
        if self.is_python_scalar(a) and self.is_python_scalar(b):
            return self.python_binary(op, a, b)
        if op == "pow" and type(b) is int and b == 2:
            if isinstance(a, Value) and a.is_tensor and a.tensor.dtype.kind == "b":
                return self.ufunc(np.square, (a,))  # int8, where np.power gives int64
        return self.ufunc(OPERATOR_UFUNCS[op], (a, b))

    def unary(self, op: str, a: Operand) -> Operand:
        """A Python unary operator (neg pos invert not, abs) on any operand."""
        if not isinstance(a, Value):
            return _STATIC_UNARY[op](a)
        if op == "not":
            return self.negate(self.truth(a))
        if self.is_python_scalar(a):
            return self.python_unary(op, a)
        return self.ufunc(_UNARY_UFUNCS[op], (a,))

    def truth(self, value: Operand) -> bool | Value:
        """``bool(value)``: a static bool or a bool scalar. NumPy's error for arrays with several elements."""
        if not isinstance(value, Value) or not value.is_tensor:
            return self.truth_of_scalar(value)
        size = self.size(value)
        several = (
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
        )
        self.check(
            self.compare_index("ne", size, rules.ZERO),
            ValueError,
            "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array is not empty.",
        )
        self.check(self.compare_index("eq", size, rules.ONE), ValueError, several)
        return self.truth_of_scalar(self.load(self.only_element(value)))

    def only_element(self, tensor: Value) -> Value:
        """The 0-d view of the element of an array of size 1."""
        return self.basic_index(tensor, [rules.ZERO] * tensor.tensor.rank)

    def inplace(self, op: str | np.ufunc, dst: Operand, value: Operand) -> Operand:
        """``dst op= value`` (op: a ufunc, or an operator name as in :meth:`binary`).

        A tensor is written and returned; a scalar gives the new scalar.
        """
        if not (isinstance(dst, Value) and dst.is_tensor):
            return self.binary(op, dst, value) if isinstance(op, str) else self.ufunc(op, (dst, value))
        if op == "matmul":
            return self.matmul(dst, value, out=dst)
        ufunc = OPERATOR_UFUNCS[op] if isinstance(op, str) else op
        return self.inplace_ufunc(ufunc, dst, value)

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
        if ufunc is np.matmul:
            target = out[0] if isinstance(out, tuple) else out
            return self.matmul(operands[0], operands[1], target, dtype)
        if ufunc.nout == 1:
            return super().ufunc(ufunc, operands, out, where, dtype, casting)
        if out not in (None, (None,) * ufunc.nout) or where is not True or dtype is not None:
            raise Unsupported(f"np.{ufunc.__name__} with out=, where= or dtype=")
        if ufunc is np.divmod:
            return self.ufunc(np.floor_divide, operands), self.ufunc(np.remainder, operands)
        if ufunc is np.modf:
            return self._modf(*operands)
        raise Unsupported(f"np.{ufunc.__name__}")

    def _modf(self, operand: Operand) -> tuple[Operand, Operand]:
        """Fraction and whole part, both with the sign of the operand; the fraction of an infinity is 0."""
        dtype = dtypes.resolve(np.modf, (dtypes.promoted(self.as_operand(operand)),))[-1]
        value = self.as_value(self.as_operand(operand))
        if value.is_tensor and value.tensor.dtype != dtype:
            value = self.ufunc(np.positive, (value,), dtype=dtype)  # a cast would keep the layout
        else:
            value = self.cast(value, dtype)
        whole = self.ufunc(np.trunc, (value,))
        infinite = self.ufunc(np.isinf, (value,))
        rest = self.ufunc(np.subtract, (value, whole))
        zero = dtype.type(0)
        fraction = self.choose(infinite, zero, rest)
        return self.ufunc(np.copysign, (fraction, value)), whole

    # --- arrays from nested sequences -----------------------------------------------------------------------

    def as_value(self, value: Operand) -> Value:
        """An operand as an IR value: scalars become constants, arrays references to them, lists new tensors."""
        return self.as_tensor(value) if isinstance(value, (list, tuple)) else super().as_value(value)

    def as_tensor(self, value: Operand, dtype: DType | None = None) -> Value:
        """An array-like (nested lists and tuples included) as a tensor; tensors of the right dtype as they are."""
        if isinstance(value, np.ndarray):
            value = self.as_value(value)
        if isinstance(value, Value) and value.is_tensor:
            return value if dtype is None else self.cast(value, dtype)
        if not isinstance(value, (list, tuple)):
            return self.scalar_tensor(value, dtype)
        if is_static_nest(value):
            return self.constant_array(static_array(value, dtype))
        return self.new_array(value, dtype)

    def new_array(self, value: Operand, dtype: DType | None = None) -> Value:
        """A new tensor with the values of an array-like (``np.array``)."""
        if isinstance(value, (list, tuple)):
            if is_static_nest(value):
                return self.copy(self.constant_array(static_array(value, dtype)))
            shape = self._nest_shape(value)
            target = dtype if dtype is not None else self._nest_dtype(value)
            result = self.allocate(shape, target)
            self._fill(result, value)
            return result
        if isinstance(value, Value) and value.is_tensor:
            return self.copy(value, "K") if dtype is None else self.astype(value, dtype)
        if isinstance(value, np.ndarray):
            return self.new_array(self.as_value(value), dtype)
        return self.scalar_tensor(value, dtype)

    def _nest_shape(self, value: Operand) -> tuple[Affine, ...]:
        if not isinstance(value, (list, tuple)):
            if isinstance(value, Value):
                return value.tensor.shape if value.is_tensor else ()
            return tuple(map(Affine.of, np.shape(value)))
        if not value:
            return (rules.ZERO,)
        shapes = [self._nest_shape(item) for item in value]
        first = shapes[0]
        message = (
            "setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 "
            f"dimensions. The detected shape was ({len(value)},) + inhomogeneous part."
        )
        for other in shapes[1:]:
            if len(other) != len(first):
                raise NumpyError(ValueError, message)
            for a, b in zip(first, other, strict=True):
                self.require_equal(a, b, message)
        return (Affine.of(len(value)), *first)

    def _nest_dtype(self, value: Operand) -> DType:
        leaves = [
            dtypes.dtype_of(leaf) if not isinstance(leaf, np.ndarray) else leaf.dtype
            for leaf in _leaves(value)
        ]
        return dtypes.result_type(*leaves) if leaves else dtypes.FLOAT64

    def _fill(self, target: Value, value: Operand) -> None:
        if not isinstance(value, (list, tuple)):
            self.store(target, value)
            return
        if is_static_nest(value) and value:
            self.store(target, self.constant_array(np.asarray(value, target.tensor.dtype)))
            return
        for position, item in enumerate(value):
            self._fill(self.basic_index(target, [Affine.of(position)]), item)

    # --- bools of several -----------------------------------------------------------------------------------

    def both(self, a: bool | Value, b: bool | Value) -> bool | Value:
        """``a and b`` of two bools, both known."""
        if not isinstance(a, Value):
            return b if a else False
        if not isinstance(b, Value):
            return a if b else False
        return self.scalar_op("logical_and", (a, b), BOOL)

    def either(self, a: bool | Value, b: bool | Value) -> bool | Value:
        """``a or b`` of two bools, both known."""
        if not isinstance(a, Value):
            return True if a else b
        if not isinstance(b, Value):
            return True if b else a
        return self.scalar_op("logical_or", (a, b), BOOL)

    # --- sequences of integers ------------------------------------------------------------------------------

    def as_integers(self, value: Operand) -> Operand:
        """An argument that may be a number or a sequence of numbers: an array of known length as a tuple."""
        if not (isinstance(value, Value) and value.is_tensor and value.tensor.rank == 1):
            return value
        (length,) = value.tensor.shape
        if value.tensor.dtype.kind not in "iu":
            raise NumpyError(
                TypeError, f"'numpy.{value.tensor.dtype.name}' object cannot be interpreted as an integer"
            )
        if not length.is_const:
            raise Unsupported("an array of unknown length as a sequence of numbers", "a tuple of numbers")
        return tuple([self.load(self.basic_index(value, [Affine.of(k)])) for k in range(length.const)])


def is_static_nest(value: Operand) -> bool:
    """Whether a nested sequence holds only static scalars and arrays."""
    if isinstance(value, (list, tuple)):
        return all(map(is_static_nest, value))
    return dtypes.is_static_scalar(value)


def static_array(value: Any, dtype: DType | None) -> np.ndarray[Any, Any]:
    """``np.array`` of static scalars."""
    try:
        array = np.array(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise NumpyError(type(error), str(error)) from error
    dtypes.as_dtype(array.dtype)
    return array


def _leaves(value: Operand) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
