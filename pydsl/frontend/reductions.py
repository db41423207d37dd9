"""Reductions, with NumPy's accumulator dtypes, result layouts and refusals of empty input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.indexing_ops import Indexing
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.compute import REDUCE
from pydsl.ir.types import BOOL, INDEX

FLOAT16: DType = np.dtype(np.float16)

#: Reductions without identity: the ufunc that NumPy names when they see nothing.
_NEEDS_ELEMENTS = {
    "max": "maximum", "min": "minimum", "fmax": "fmax", "fmin": "fmin", "argmax": "argmax", "argmin": "argmin",
}  # fmt: skip
_IDENTITIES: dict[str, Any] = {"sum": 0, "prod": 1, "any": False, "all": True}
_COMBINE = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "any": np.logical_or,
    "all": np.logical_and, "fmax": np.fmax, "fmin": np.fmin,
}  # fmt: skip

#: ufunc -> reduction kind, for ``ufunc.reduce``.
UFUNC_KINDS: dict[np.ufunc, str] = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_or: "any",
    np.logical_and: "all", np.fmax: "fmax", np.fmin: "fmin", np.bitwise_and: "bitwise_and",
    np.bitwise_or: "bitwise_or", np.bitwise_xor: "bitwise_xor",
}  # fmt: skip

_COUNT_IS_PYTHON = not isinstance(np.count_nonzero(np.ones(1)), np.generic)
_EXACT_FLOAT32 = 2**24


class Reductions(Indexing):
    """Reductions."""

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
        source = self.reducible(tensor)
        target = self.result_dtype(
            kind, source.tensor.dtype, None if dtype is None else dtypes.as_dtype(dtype)
        )
        if where is not True:
            source = self._masked(kind, source, where, initial)
        if not source.tensor.rank and axis in (0, -1):
            axis = None  # as the reduce method of ufuncs allows
        axes = self.normalize_axes(axis, source.tensor.rank)
        if initial is None:
            self.require_elements(kind, source, axes)
        # fmax and fmin give the same in float32; LLVM's vectoriser fails on their float16 loops
        wide = target == FLOAT16 and kind in ("sum", "prod", "fmax", "fmin")
        work = dtypes.FLOAT32 if wide else target
        result = self._reduced(kind, source, axes, work, keepdims)
        if initial is not None:
            result = self.ufunc(_COMBINE[kind], (result, self._initial(initial, work)))
        return self.finish(self.as_dtype_of(result, target), out)

    def reducible(self, tensor: Operand) -> Value:
        """The operand of a reduction as a tensor (a scalar becomes a 0-d one)."""
        if isinstance(tensor, (list, tuple)):
            return self.as_tensor(tensor)
        if isinstance(tensor, np.ndarray):
            return self.as_value(tensor)
        if isinstance(tensor, Value) and tensor.is_tensor:
            return tensor
        return self.scalar_tensor(tensor)

    @staticmethod
    def result_dtype(kind: str, source: DType, dtype: DType | None) -> DType:
        if kind in ("any", "all"):
            return dtypes.BOOL_DTYPE
        if dtype is not None:
            return dtype
        if kind in ("sum", "prod") and source.kind in "bi":
            return dtypes.INT64
        if kind in ("sum", "prod") and source.kind == "u":
            return dtypes.UINT64
        return source

    def _initial(self, initial: Operand, dtype: DType) -> Operand:
        return self.for_loop(self.as_operand(initial), dtype)

    def _masked(self, kind: str, source: Value, where: Operand, initial: Operand) -> Value:
        """The elements that ``where`` leaves out replaced by what does not change the result."""
        if kind in _IDENTITIES:
            neutral = _IDENTITIES[kind]
        elif initial is not None:
            neutral = initial
        else:
            raise NumpyError(
                ValueError,
                f"reduction operation '{_NEEDS_ELEMENTS.get(kind, kind)}' does not have an identity, so to use a where "
                "mask one has to specify 'initial'",
            )
        return self.select(where, source, self.for_loop(self.as_operand(neutral), source.tensor.dtype))

    def require_elements(self, kind: str, source: Value, axes: Sequence[int]) -> None:
        """NumPy's error where a reduction without identity sees nothing (and has something to answer)."""
        name = _NEEDS_ELEMENTS.get(kind)
        if name is None:
            return
        shape = source.tensor.shape
        message = f"zero-size array to reduction operation {name} which has no identity"
        if kind.startswith("arg"):
            message = f"attempt to get {name} of an empty sequence"
        kept = [dim for k, dim in enumerate(shape) if k not in axes]
        if any(rules.is_zero(dim) for dim in kept):
            return
        for axis in axes:
            fine = self.compare_index("ne", shape[axis], rules.ZERO)
            for dim in kept:
                if fine is True:
                    break
                empty = self.compare_index("eq", dim, rules.ZERO)
                fine = self.either(fine, empty)
            self.check(fine, ValueError, message)

    def either(self, a: bool | Value, b: bool | Value) -> bool | Value:
        """``a or b`` of two bools, both known."""
        if not isinstance(a, Value):
            return True if a else b
        if not isinstance(b, Value):
            return True if b else a
        return self.scalar_op("logical_or", (a, b), BOOL)

    def _reduced(self, kind: str, source: Value, axes: Sequence[int], dtype: DType, keepdims: bool) -> Value:
        """The ``reduce`` op on a converted operand; a tensor (0-d when everything is reduced)."""
        old = source.tensor
        operand = source
        if kind in ("any", "all"):
            operand = self.truth_tensor(source)
        elif not kind.startswith("arg"):
            operand = self.cast(source, dtype)
            if dtype.kind == "b" and kind in ("max", "min", "fmax", "fmin"):
                kind = "any" if kind.endswith("max") else "all"
        if not axes:
            return self.copy(operand, "K") if operand is source else operand
        kept = [k for k in range(old.rank) if k not in axes]
        order: Sequence[int] | None = None
        if len(kept) > 1 and not kind.startswith("arg"):
            walk = rules.result_axis_order(old.shape, [(old.shape, old.strides)])
            order = [kept.index(axis) for axis in walk if axis in kept]
        type_ = self.tensor_type(dtype, [old.shape[k] for k in kept], order)
        result = self.value(REDUCE, (operand,), type_, kind=kind, axes=tuple(axes))
        return self.kept_axes(result, axes, old.rank) if keepdims else result

    def kept_axes(self, result: Value, axes: Sequence[int], rank: int) -> Value:
        """The result with the reduced axes put back as axes of length 1."""
        return self.expand_dims(result, tuple(axes)) if axes and rank else result

    def truth_tensor(self, source: Value) -> Value:
        """The truth of each element, as a bool tensor."""
        type_ = source.tensor
        if type_.dtype.kind == "b":
            return source
        zero = self.constant(0, dtypes.scalar_type(type_.dtype))
        loop = (type_.dtype, type_.dtype, dtypes.BOOL_DTYPE)
        return self._loop("not_equal", (source, zero), loop, [type_.shape])

    def as_dtype_of(self, result: Operand, dtype: DType) -> Value:
        return self.cast(self.as_value(result), dtype)

    def finish(self, result: Value, out: Operand) -> Operand:
        """A 0-d result as a scalar; or the result written to ``out``."""
        if isinstance(out, tuple):
            (out,) = out
        if out is None:
            return self.load(result) if result.is_tensor and not result.tensor.rank else result
        return self.write_out(out, result)

    def write_out(self, out: Operand, result: Value) -> Value:
        """Write a result into ``out=`` of the same shape, in whatever dtype that has."""
        if not isinstance(out, Value) or not out.is_tensor:
            raise NumpyError(TypeError, "return arrays must be of ArrayType")
        self.check_writeable(out, "output array")
        shape = result.tensor.shape if result.is_tensor else ()
        if len(shape) != out.tensor.rank:
            message = "output parameter has the wrong number of dimensions: "
            message += f"expected {len(shape)}, got {out.tensor.rank}"
            raise NumpyError(ValueError, message)
        for mine, wanted in zip(shape, out.tensor.shape, strict=True):
            self.require_equal(mine, wanted, "output array does not match result of reduction")
        self.store_result(out, result)
        return out

    def any_of(self, mask: Value) -> Value:
        """Whether any element of a bool tensor is true."""
        axes = tuple(range(mask.tensor.rank))
        return self.load(self._reduced("any", mask, axes, dtypes.BOOL_DTYPE, False))

    # --- argmax and counts ----------------------------------------------------------------------------------

    def arg_reduce(
        self, kind: str, tensor: Operand, axis: Operand = None, out: Operand = None, keepdims: bool = False
    ) -> Operand:
        """``argmax`` / ``argmin``: first occurrence, NaN wins."""
        source = self.reducible(tensor)
        rank = source.tensor.rank
        flat = source
        if axis is None:
            flat = self.ravel(source)
            chosen = 0
        else:
            chosen = self.normalize_axis(axis, rank or 1)
            flat = source if rank else self.ravel(source)
        self.require_elements(kind, flat, (chosen,))
        result = self._reduced(kind, flat, (chosen,), dtypes.INT64, False)
        size = flat.tensor.shape[chosen]
        if keepdims:
            result = self.kept_axes(result, range(rank) if axis is None else (chosen,), rank)
        finished = self.finish(result, out)
        return self.mark_in_range(finished, size) if out is None else finished

    def count_nonzero(self, tensor: Operand, axis: Operand = None, keepdims: bool = False) -> Operand:
        """``np.count_nonzero``: when everything is counted, a scalar (Python's or NumPy's, as the version has it)."""
        source = self.reducible(tensor)
        axes = (
            self.normalize_axes(axis, source.tensor.rank) if source.tensor.rank or axis not in (0, -1) else ()
        )
        ones = self.cast(self.truth_tensor(source), dtypes.INT64)
        if axis is not None or keepdims:
            return self.finish(self._reduced("sum", ones, axes, dtypes.INT64, keepdims), None)
        counted = self.load(self._reduced("sum", ones, axes, dtypes.INT64, False))
        result = self.convert_scalar(counted, INDEX) if _COUNT_IS_PYTHON else counted
        result.bounds = (0, self.index_bounds(self.size(source))[1])
        self.remember((Affine, result), Affine.of(result))
        return result

    # --- mean and variance ----------------------------------------------------------------------------------

    def reduced_count(self, source: Value, axes: Sequence[int]) -> Affine:
        """How many elements each result stands for."""
        return self.product_index([source.tensor.shape[k] for k in axes])

    def mean(
        self,
        tensor: Operand,
        axis: Operand = None,
        dtype: Any = None,
        out: Operand = None,
        keepdims: bool = False,
    ) -> Operand:
        """``np.mean``."""
        source = self.reducible(tensor)
        axes = self.normalize_axes(axis, source.tensor.rank)
        given = source.tensor.dtype
        work, final = self._mean_dtypes(given, dtype)
        total = self._reduced("sum", source, axes, work, keepdims)
        mean = self.divide_by_count(total, self.reduced_count(source, axes))
        return self.finish(self.as_dtype_of(mean, final), out)

    @staticmethod
    def _mean_dtypes(given: DType, dtype: Any) -> tuple[DType, DType]:
        """The dtype to sum in and that of the result."""
        if dtype is not None:
            target = dtypes.as_dtype(dtype)
            return (dtypes.FLOAT32, target) if target == FLOAT16 else (target, target)
        if given.kind in "biu":
            return dtypes.FLOAT64, dtypes.FLOAT64
        if given == FLOAT16:
            return dtypes.FLOAT32, FLOAT16
        return given, given

    def divide_by_count(self, total: Value, count: Affine) -> Value:
        """``total / count`` in the dtype of ``total``, rounded as NumPy rounds it."""
        value = total if total.tensor.rank else self.load(total)
        dtype = value.type.dtype
        high = self.index_bounds(count)[1]
        exact = dtype.itemsize > 4 or (high is not None and high <= _EXACT_FLOAT32)
        if dtype.kind in "fc" and exact:
            divisor = self.scalar_in(count, dtype)
            return self.ufunc(np.divide, (value, divisor))
        divisor = self.scalar_in(count, dtypes.FLOAT64)
        return self.cast(self.ufunc(np.divide, (value, divisor)), dtype)

    def scalar_in(self, count: Affine, dtype: DType) -> Operand:
        """An index expression as a NumPy scalar of a dtype (real for complex dtypes: a weak float)."""
        number = self.scalar_from_affine(count)
        if not isinstance(number, Value):
            return float(number) if dtype.kind == "c" else dtype.type(number)
        return self.convert_scalar(number, dtypes.scalar_type(np.dtype(dtype.type(0).real.dtype)))

    def variance(
        self,
        tensor: Operand,
        axis: Operand = None,
        dtype: Any = None,
        out: Operand = None,
        ddof: Operand = 0,
        keepdims: bool = False,
        root: bool = False,
    ) -> Operand:
        """``np.var`` (``root``: ``np.std``): NumPy's two passes."""
        source = self.reducible(tensor)
        axes = self.normalize_axes(axis, source.tensor.rank)
        work, final = self._mean_dtypes(source.tensor.dtype, dtype)
        if final.kind == "c":
            final = np.dtype(final.type(0).real.dtype)
        count = self.reduced_count(source, axes)
        mean = self.divide_by_count(self._reduced("sum", source, axes, work, True), count)
        deviation = self.reducible(self.ufunc(np.subtract, (self.cast(source, work), mean)))
        if work.kind == "c":
            parts = [self.complex_part(deviation, imag) for imag in (False, True)]
            squares = self.reducible(self.ufunc(np.add, [self.ufunc(np.multiply, (p, p)) for p in parts]))
        else:
            squares = self.reducible(self.ufunc(np.multiply, (deviation, deviation)))
        total = self._reduced("sum", squares, axes, squares.tensor.dtype, keepdims)
        result = self._divide_by_freedom(total, count, ddof)
        if root:
            result = self.ufunc(np.sqrt, (result,))
        return self.finish(self.as_dtype_of(result, final), out)

    def _divide_by_freedom(self, total: Value, count: Affine, ddof: Operand) -> Value:
        if isinstance(ddof, float) and not ddof.is_integer():
            if not count.is_const:
                raise Unsupported("a fractional ddof with a length that is not known at compile time")
            value = total if total.tensor.rank else self.load(total)
            return self.ufunc(np.divide, (value, float(max(count.const - ddof, 0))))
        freedom = count - self.as_affine(int(ddof) if isinstance(ddof, float) else ddof)
        return self.divide_by_count(total, self.max_index(freedom, rules.ZERO))
