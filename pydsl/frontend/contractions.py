"""Contractions: matmul and its relatives, all in terms of one operation on labelled axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend import dtypes
from pydsl.frontend.dtypes import DType
from pydsl.frontend.einsum_terms import Labels, contraction_path, kept_labels, parse_subscripts
from pydsl.frontend.emitter import Operand
from pydsl.frontend.failures import NeedStatic, NumpyError
from pydsl.frontend.reductions import FLOAT16, Reductions
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value
from pydsl.ir.ops.compute import CONTRACT
from pydsl.ir.ops.elementwise import UFUNCS

UINT16: DType = np.dtype(np.uint16)
UINT16_MAX = int(np.iinfo(UINT16).max)

_SIGNATURE = "(n?,k),(k,m?)->(n?,m?)"


class Contractions(Reductions):
    """Sums of products."""

    def contract(
        self,
        a: Value,
        a_labels: Labels,
        b: Value,
        b_labels: Labels,
        out: Labels,
        dtype: DType,
        order: Sequence[int] | None = None,
    ) -> Value:
        """Sum of products over the labels that ``out`` does not have; a tensor.

        Each label stands once per operand. Dims of one label are equal, or 1 in an operand that is then stretched.
        order: axes of the result from slowest to fastest (default: C order).
        """
        a, a_labels = self._without_units(a, a_labels, b, b_labels)
        b, b_labels = self._without_units(b, b_labels, a, a_labels)
        a, a_labels = self._summed_alone(a, a_labels, set(b_labels) | set(out), dtype)
        b, b_labels = self._summed_alone(b, b_labels, set(a_labels) | set(out), dtype)
        dims = dict(zip(b_labels, b.tensor.shape, strict=True))
        dims.update(zip(a_labels, a.tensor.shape, strict=True))
        work = self._work_dtype(dtype, [dims[label] for label in {*a_labels, *b_labels} - set(out)])
        if set(a_labels) | set(b_labels) <= set(out):
            return self._product(a, a_labels, b, b_labels, out, dtype, order)
        type_ = self.tensor_type(work, [dims[label] for label in out], order)
        operands = (self.cast(a, work), self.cast(b, work))
        names = {label: k for k, label in enumerate(dict.fromkeys((*a_labels, *b_labels)))}
        labels = {
            key: tuple(map(names.__getitem__, side))
            for key, side in (("a", a_labels), ("b", b_labels), ("out", out))
        }
        result = self.value(CONTRACT, operands, type_, bounds=(None, None), **labels)
        if dtype.kind == "b":
            return self.truth_tensor(result)
        return self.cast(result, dtype)

    @staticmethod
    def _work_dtype(dtype: DType, summed: Sequence[Affine]) -> DType:
        """In what sums are made; bools are counted, in an integer that the count fits into."""
        if dtype == FLOAT16:
            return dtypes.FLOAT32
        if dtype.kind != "b":
            return dtype
        known = all(dim.is_const for dim in summed)
        return UINT16 if known and prod(dim.value for dim in summed) <= UINT16_MAX else dtypes.INT64

    def _without_units(
        self, value: Value, labels: Labels, other: Value, other_labels: Labels
    ) -> tuple[Value, Labels]:
        """Drop axes of length 1 that the other operand has in full (they are broadcast)."""
        sizes = dict(zip(other_labels, other.tensor.shape, strict=True))
        unit = [
            k
            for k, (label, dim) in enumerate(zip(labels, value.tensor.shape, strict=True))
            if rules.is_one(dim) and label in sizes and not rules.is_one(sizes[label])
        ]
        if not unit:
            return value, labels
        return self.squeeze(value, tuple(unit)), tuple([x for k, x in enumerate(labels) if k not in unit])

    def _summed_alone(
        self, value: Value, labels: Labels, needed: set[int], dtype: DType
    ) -> tuple[Value, Labels]:
        """Sum over the axes whose label nobody else has."""
        axes = tuple([k for k, label in enumerate(labels) if label not in needed])
        if not axes:
            return value, labels
        work = dtypes.FLOAT32 if dtype == FLOAT16 else dtype
        kind = "any" if dtype.kind == "b" else "sum"
        return self._reduced(kind, value, axes, work, False), tuple([x for x in labels if x in needed])

    def _product(
        self,
        a: Value,
        a_labels: Labels,
        b: Value,
        b_labels: Labels,
        out: Labels,
        dtype: DType,
        order: Sequence[int] | None,
    ) -> Value:
        """A contraction that sums over nothing: a broadcast product."""
        sides = [self._arranged(v, labels, out) for v, labels in ((a, a_labels), (b, b_labels))]
        ready = [self.cast(side, dtype) for side in sides]
        record = UFUNCS["logical_and" if dtype.kind == "b" else "multiply"]
        shape = self.broadcast_shape([side.tensor.shape for side in ready])
        type_ = self.tensor_type(dtype, shape, order)
        return self.value(record, [self.broadcast_to(side, shape) for side in ready], type_)

    def _arranged(self, value: Value, labels: Labels, out: Labels) -> Value:
        """The axes of a value in the order of ``out``, with axes of length 1 for labels that it lacks."""
        order = sorted(range(len(labels)), key=lambda k: out.index(labels[k]))
        turned = self.transpose(value, order)
        missing = tuple([k for k, label in enumerate(out) if label not in labels])
        return self.expand_dims(turned, missing) if missing else turned

    # --- matmul ---------------------------------------------------------------------------------------------

    def matmul(self, a: Operand, b: Operand, out: Operand = None, dtype: Any = None) -> Operand:
        """``a @ b`` with all rank rules and batch broadcasting."""
        x, y = self._tensor_operand(a), self._tensor_operand(b)
        for position, side in enumerate((x, y)):
            if not (side.is_tensor and side.tensor.rank):
                raise NumpyError(
                    ValueError,
                    f"matmul: Input operand {position} does not have enough dimensions (has 0, gufunc core with "
                    f"signature {_SIGNATURE} requires 1)",
                )
        target = None if dtype is None else dtypes.as_dtype(dtype)
        result_dtype = dtypes.resolve(np.matmul, (x.tensor.dtype, y.tensor.dtype), None, target)[-1]
        xs, ys = x.tensor.shape, y.tensor.shape
        inner_axis = -2 if len(ys) > 1 else -1
        self._check_inner(xs[-1], ys[inner_axis])
        batch = max(len(xs), len(ys), 2) - 2
        k, n, m = batch, batch + 1, batch + 2
        x_labels = (*range(batch - len(xs) + 2, batch), n, k) if len(xs) > 1 else (k,)
        y_labels = (*range(batch - len(ys) + 2, batch), k, m) if len(ys) > 1 else (k,)
        out_labels = (*range(batch), *((n,) if len(xs) > 1 else ()), *((m,) if len(ys) > 1 else ()))
        order = self._batch_order(x, y, len(out_labels))
        return self.finish(self.contract(x, x_labels, y, y_labels, out_labels, result_dtype, order), out)

    def _tensor_operand(self, value: Operand) -> Value:
        return self.as_tensor(value) if isinstance(value, (list, tuple)) else self.as_value(value)

    def _check_inner(self, left: Affine, right: Affine) -> None:
        equal = self.compare_index("eq", left, right)
        sizes = [str(d) if d.is_const else "n" for d in (right, left)]
        message = (
            "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            f"{_SIGNATURE} (size {sizes[0]} is different from {sizes[1]})"
        )
        self.check(equal, ValueError, message)

    def _batch_order(self, x: Value, y: Value, rank: int) -> Sequence[int] | None:
        """The layout of a product of stacks of matrices: the stacks in the order of the operands' strides."""
        sides = [(v.tensor.shape, v.tensor.strides) for v in (x, y) if v.tensor.rank > 2]
        if not sides:
            return None
        shapes = " ".join(rules.shape_text(v.tensor.shape) for v in (x, y))
        message = (
            f"operands could not be broadcast together with remapped shapes [original->remapped]: {shapes} "
        )
        batch = self.broadcast_shape([shape[:-2] for shape, _ in sides], message)
        walk = rules.result_axis_order(batch, [(shape[:-2], strides[:-2]) for shape, strides in sides])
        return [*walk, *range(len(batch), rank)]

    # --- dot and its relatives ------------------------------------------------------------------------------

    def dot(self, a: Operand, b: Operand, out: Operand = None) -> Operand:
        """``np.dot``: last axis of ``a`` with the last but one of ``b``."""
        x, y = self._tensor_operand(a), self._tensor_operand(b)
        if not all(v.is_tensor and v.tensor.rank for v in (x, y)):
            return self._scaled(x, y, out)
        axis = max(y.tensor.rank - 2, 0)
        return self.finish(self.contract_axes(x, (x.tensor.rank - 1,), y, (axis,)), out)

    def _scaled(self, x: Value, y: Value, out: Operand) -> Operand:
        """The product with a scalar; in C order where NumPy hands it to BLAS."""
        shapes = [v.tensor.shape for v in (x, y) if v.is_tensor and v.tensor.rank]
        dtype = dtypes.result_type(x.type.dtype, y.type.dtype)
        if out is None and shapes and len(shapes[0]) <= 2 and dtype.kind in "fc" and dtype != FLOAT16:
            out = self.allocate(shapes[0], dtype)
        return self.ufunc(np.multiply, (x, y), out=out)

    def vdot(self, a: Operand, b: Operand) -> Operand:
        """``np.vdot``."""
        x, y = self.ravel(self.reducible(a)), self.ravel(self.reducible(b))
        if x.tensor.dtype.kind == "c":
            x = self.ufunc(np.conjugate, (x,))
        return self.finish(
            self.contract_axes(x, (0,), y, (0,), "cannot reshape array of different sizes"), None
        )

    def inner(self, a: Operand, b: Operand) -> Operand:
        """``np.inner``: last axes."""
        x, y = self._tensor_operand(a), self._tensor_operand(b)
        if not all(v.is_tensor and v.tensor.rank for v in (x, y)):
            # a Python number counts as the array that it would make
            return self.ufunc(np.multiply, [v if v.is_tensor else self.scalar_tensor(v) for v in (x, y)])
        return self.finish(self.contract_axes(x, (x.tensor.rank - 1,), y, (y.tensor.rank - 1,)), None)

    def outer(self, a: Operand, b: Operand, out: Operand = None) -> Operand:
        """``np.outer``."""
        x, y = self.ravel(self.reducible(a)), self.ravel(self.reducible(b))
        return self.ufunc(np.multiply, (self.expand_dims(x, 1), self.expand_dims(y, 0)), out=out)

    def contract_axes(
        self, x: Value, x_axes: Sequence[int], y: Value, y_axes: Sequence[int], message: str | None = None
    ) -> Value:
        """Sum of products over pairs of axes; the other axes of both follow each other."""
        xs, ys = x.tensor.shape, y.tensor.shape
        for i, j in zip(x_axes, y_axes, strict=True):
            texts = [str(d) if d.is_const else "n" for d in (xs[i], ys[j])]
            default = (
                f"shapes {rules.shape_text(xs)} and {rules.shape_text(ys)} not aligned: "
                f"{texts[0]} (dim {i}) != {texts[1]} (dim {j})"
            )
            self.check(self.compare_index("eq", xs[i], ys[j]), ValueError, message or default)
        x_labels = tuple(range(len(xs)))
        shared = dict(zip(y_axes, x_axes, strict=True))
        y_labels = tuple([shared.get(k, len(xs) + k) for k in range(len(ys))])
        out = tuple([k for k in x_labels if k not in x_axes] + [k for k in y_labels if k >= len(xs)])
        dtype = dtypes.result_type(x.tensor.dtype, y.tensor.dtype)
        return self.contract(x, x_labels, y, y_labels, out, dtype)

    def tensordot(self, a: Operand, b: Operand, axes: Operand = 2) -> Operand:
        """``np.tensordot``."""
        x, y = self.reducible(a), self.reducible(b)
        if isinstance(axes, (tuple, list)):
            left, right = axes
            x_axes = [self.normalize_axis(k, x.tensor.rank) for k in _listed(left)]
            y_axes = [self.normalize_axis(k, y.tensor.rank) for k in _listed(right)]
        else:
            if isinstance(axes, Value):
                raise NeedStatic(axes, "the axes of np.tensordot must be known at compile time")
            if int(axes) > min(x.tensor.rank, y.tensor.rank):
                raise NumpyError(IndexError, "tuple index out of range")
            x_axes = list(range(x.tensor.rank - int(axes), x.tensor.rank))
            y_axes = list(range(int(axes)))
        if len(x_axes) != len(y_axes):
            raise NumpyError(ValueError, "shape-mismatch for sum")
        if len(set(x_axes)) != len(x_axes) or len(set(y_axes)) != len(y_axes):
            raise NumpyError(ValueError, "duplicate axes are not allowed in tensordot")
        return self.contract_axes(x, x_axes, y, y_axes, "shape-mismatch for sum")

    # --- einsum ---------------------------------------------------------------------------------------------

    def einsum(
        self,
        subscripts: str,
        *operands: Operand,
        out: Operand = None,
        dtype: Any = None,
        layout: Sequence[int] | None = None,
    ) -> Operand:
        """``np.einsum`` with a subscripts string; two operands at a time, in the order that takes the fewest products.

        layout: axes of the result from slowest to fastest; default: as NumPy walks the operands.
        """
        values = [self.reducible(operand) for operand in operands]
        inputs, output = parse_subscripts(subscripts, [v.tensor.rank for v in values])
        target = (
            dtypes.result_type(*[v.tensor.dtype for v in values]) if dtype is None else dtypes.as_dtype(dtype)
        )
        terms = [self._diagonals(v, labels) for v, labels in zip(values, inputs, strict=True)]
        if len(terms) == 1:
            return self._einsum_one(*terms[0], output, target, out)
        self._check_terms(terms)
        order = self._einsum_order(terms, output) if layout is None else layout
        for first, second in contraction_path([labels for _, labels in terms], output, _sizes(terms)):
            (a, a_labels), (b, b_labels) = terms[first], terms[second]
            rest = [term for k, term in enumerate(terms) if k not in (first, second)]
            kept = kept_labels(a_labels, b_labels, [labels for _, labels in rest], output) if rest else output
            value = self.contract(a, a_labels, b, b_labels, kept, target, None if rest else order)
            terms = [*rest, (value, kept)]
        return self.finish(terms[0][0], out)

    def _check_terms(self, terms: Sequence[tuple[Value, Labels]]) -> None:
        """Labels that several operands have are equally long in all of them, or 1."""
        known: list[tuple[Value, Labels]] = []
        for value, labels in terms:
            for other, other_labels in known:
                self._check_labels(other, other_labels, value, labels)
            known.append((value, labels))

    @staticmethod
    def _einsum_order(terms: Sequence[tuple[Value, Labels]], output: Labels) -> list[int]:
        """The layout of the result: the order in which NumPy's iterator walks all labels of all operands."""
        every = [*output, *dict.fromkeys(x for _, labels in terms for x in labels if x not in output)]
        dims: dict[int, Affine] = {}
        operands = []
        for value, labels in terms:
            type_ = value.tensor
            own = {x: (d, s) for x, d, s in zip(labels, type_.shape, type_.strides, strict=True)}
            dims.update({x: d for x, (d, _) in own.items() if not rules.is_one(d)})
            sides = [own.get(x, (rules.ONE, rules.ZERO)) for x in every]
            operands.append((tuple([d for d, _ in sides]), tuple([s for _, s in sides])))
        shape = tuple([dims.get(x, rules.ONE) for x in every])
        walk = rules.result_axis_order(shape, operands)
        return [axis for axis in walk if axis < len(output)]

    def _einsum_one(
        self, value: Value, labels: Labels, output: Labels, dtype: DType, out: Operand
    ) -> Operand:
        summed, kept = self._summed_alone(value, labels, set(output), dtype)
        turned = self.transpose(summed, [kept.index(label) for label in output])
        viewed = turned.tensor.storage is value.tensor.storage and turned.tensor.dtype == dtype
        if viewed and out is None and turned.tensor.rank:
            return turned  # a view, as NumPy gives
        return self.finish(self.cast(turned, dtype), out)

    def _diagonals(self, value: Value, labels: Labels) -> tuple[Value, Labels]:
        """An operand in which no label stands twice: repeated ones are walked together."""
        if len(set(labels)) == len(labels):
            return value, labels
        old = value.tensor
        shape: dict[int, Affine] = {}
        strides: dict[int, Affine] = {}
        for label, dim, stride in zip(labels, old.shape, old.strides, strict=True):
            if label in shape:
                message = "dimensions in single operand for collapsing index don't match"
                self.check(self.compare_index("eq", shape[label], dim), ValueError, message)
                strides[label] = strides[label] + stride
            else:
                shape[label], strides[label] = dim, stride
        return self.view(value, list(shape.values()), list(strides.values()), old.offset, "diagonal"), tuple(
            shape
        )

    def _check_labels(self, a: Value, a_labels: Labels, b: Value, b_labels: Labels) -> None:
        sizes = dict(zip(a_labels, a.tensor.shape, strict=True))
        for label, dim in zip(b_labels, b.tensor.shape, strict=True):
            if label in sizes and not (rules.is_one(dim) or rules.is_one(sizes[label])):
                message = "operands could not be broadcast together with remapped shapes in einsum"
                self.require_equal(sizes[label], dim, message)


def _sizes(terms: Sequence[tuple[Value, Labels]]) -> dict[int, int]:
    """The length of each label; what is known at run time only counts as a hundred."""
    sizes: dict[int, int] = {}
    for value, labels in terms:
        for label, dim in zip(labels, value.tensor.shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), dim.const if dim.is_const else 100)
    return sizes


def _listed(axes: Any) -> Sequence[Any]:
    return axes if isinstance(axes, (tuple, list)) else (axes,)
