"""From several calls with different sizes to one signature with symbols.

    float32[1000, 4] and float32[1200, 4]   ->   float32[n, 4], strides [16, 4]

Numbers that were the same in every call stay constants. Dimensions that varied become symbols, the same one for
dimensions that were equal in every call. Strides that varied must follow from the dimensions (C or F order of any
part of the axes) or be those of rows that do not overlap. Integers that are needed at compile time only because they
are sizes become run-time numbers.

A symbol is never 1: a dimension of 1 broadcasts, and does not take part in the layout. Calls with a dimension of 1,
and those that fail a condition that the compiler found necessary, have specializations of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pydsl.jit.signature import (
    Argument,
    ArrayLeaf,
    AttributesNode,
    DictNode,
    LeafPath,
    ListNode,
    Node,
    NumberLeaf,
    NumpyScalarLeaf,
    ObjectLeaf,
    OpenStride,
    ProductStride,
    Signature,
    StaticLeaf,
    Symbol,
    TupleNode,
)

_NAMES = "nmkpqrst"
LEAST_SIZE = 2
"""Integers below that are sizes have specializations of their own."""
_COMPONENTS = 4
"""Rows of at most so many elements are vectors with components, which are constants."""
_GROUP = 4
"""Longer rows whose length is a multiple of it are often groups of four (boxes), which code takes apart."""


class _DifferentError(Exception):
    """The calls have no common signature."""


def generalize(
    samples: Sequence[Signature], fixed: Collection[LeafPath] = (), bounded: bool = False
) -> Signature | None:
    """The signature that covers calls with these signatures (all constant): None where there is none.

    Parameters
    ----------
    fixed: integers that must be known at compile time.
    bounded: dimensions are at least about as large as in these calls, which tells more about slices of them.
    """
    first = samples[0]
    if any(
        s.call_form != first.call_form
        or s.overlaps != first.overlaps
        or s.defaulted != first.defaulted
        or len(s.passed) != len(first.passed)
        for s in samples
    ):
        return None
    merger = _Merger(frozenset(fixed), bounded)
    passed = []
    try:
        for position, argument in enumerate(first.passed):
            others = [s.passed[position] for s in samples]
            if any(o.path != argument.path for o in others):
                return None
            passed.append(Argument(argument.path, merger.node([o.node for o in others], argument.path)))
    except _DifferentError:
        return None
    return replace(first, passed=tuple(passed))


@dataclass
class _Merger:
    """Merges descriptions of one object in several calls."""

    fixed: frozenset[LeafPath]
    bounded: bool
    symbols: dict[tuple[int, ...], Symbol] = field(default_factory=dict)

    def node(self, nodes: Sequence[Node], path: LeafPath) -> Node:
        first = nodes[0]
        if any(type(node) is not type(first) for node in nodes):
            raise _DifferentError
        if isinstance(first, ArrayLeaf):
            return self._array([node for node in nodes if isinstance(node, ArrayLeaf)])
        if isinstance(first, StaticLeaf):
            return self._static([node for node in nodes if isinstance(node, StaticLeaf)], path)
        if isinstance(first, NumberLeaf | NumpyScalarLeaf | ObjectLeaf):
            return _same(nodes)
        return self._container(nodes, path)

    def _container(self, nodes: Sequence[Any], path: LeafPath) -> Node:
        first = nodes[0]
        if any(len(node.items) != len(first.items) for node in nodes):
            raise _DifferentError
        if isinstance(first, TupleNode | AttributesNode) and any(node.cls is not first.cls for node in nodes):
            raise _DifferentError
        if isinstance(first, TupleNode | ListNode):
            items = [
                self.node([node.items[k] for node in nodes], (*path, k)) for k in range(len(first.items))
            ]
            return (
                TupleNode(tuple(items), first.cls) if isinstance(first, TupleNode) else ListNode(tuple(items))
            )
        assert isinstance(first, DictNode | AttributesNode)
        keys = [key for key, _ in first.items]
        if any([key for key, _ in node.items] != keys for node in nodes):
            raise _DifferentError
        pairs = tuple(
            (key, self.node([node.items[k][1] for node in nodes], (*path, key))) for k, key in enumerate(keys)
        )
        return DictNode(pairs) if isinstance(first, DictNode) else AttributesNode(first.cls, pairs)

    def _static(self, leaves: Sequence[StaticLeaf], path: LeafPath) -> Node:
        first = leaves[0]
        if all(leaf == first for leaf in leaves):
            return first
        values = [leaf.value for leaf in leaves]
        cls = type(first.value)
        if path in self.fixed or any(type(v) is not cls or not _is_size(v) for v in values):
            raise _DifferentError
        return NumberLeaf(int, True) if cls is int else NumpyScalarLeaf(first.value.dtype, True)

    def _array(self, leaves: Sequence[ArrayLeaf]) -> ArrayLeaf:
        first = leaves[0]
        for leaf in leaves:
            if (leaf.dtype, len(leaf.shape)) != (first.dtype, len(first.shape)):
                raise _DifferentError
            if (leaf.writeable, leaf.aligned) != (first.writeable, first.aligned):
                raise _DifferentError
        rank = len(first.shape)
        dims = [
            self._dim([_number(leaf.shape[k]) for leaf in leaves], rank > 1 and k == rank - 1)
            for k in range(rank)
        ]
        if all(leaf.strides == first.strides for leaf in leaves):
            strides: tuple[Any, ...] = first.strides
        else:
            strides = _Strides(leaves, dims).all()
        return replace(first, shape=tuple(dims), strides=strides)

    def _dim(self, values: list[int], row: bool) -> int | Symbol:
        """row: the last of several axes."""
        if len(set(values)) == 1:
            return values[0]
        least = min(values)
        if 1 in values:
            raise _DifferentError
        key = (1, *values)
        factor = 1
        if row and key not in self.symbols:
            if 0 < least <= _COMPONENTS:
                raise _DifferentError
            factor = _GROUP if all(n % _GROUP == 0 for n in values) else 1
            key = (factor, *values)
        if key not in self.symbols:
            count = len(self.symbols)
            name = _NAMES[count] if count < len(_NAMES) else f"n{count}"
            low = 1 << least.bit_length() - 1 if self.bounded and least >= LEAST_SIZE else 0
            self.symbols[key] = Symbol(count, name, factor, low)
        return self.symbols[key]


def _same(nodes: Sequence[Node]) -> Node:
    if any(node != nodes[0] for node in nodes):
        raise _DifferentError
    return nodes[0]


def _is_size(value: Any) -> bool:
    """An integer that may be a dimension with a symbol."""
    return (type(value) is int or isinstance(value, np.integer)) and int(value) >= LEAST_SIZE


def _number(extent: Any) -> int:
    assert isinstance(extent, int), "samples have no symbols"
    return extent


class _Strides:
    """The strides of one array, as rules that hold in every sample."""

    def __init__(self, leaves: Sequence[ArrayLeaf], dims: Sequence[int | Symbol]) -> None:
        self.shapes = [[_number(n) for n in leaf.shape] for leaf in leaves]
        self.strides = [[_number(s) for s in leaf.strides] for leaf in leaves]
        self.dims = dims
        self.known: dict[int, int | ProductStride | OpenStride] = {}

    def all(self) -> tuple[int | ProductStride | OpenStride, ...]:
        return tuple(self._stride(axis, ()) for axis in range(len(self.dims)))

    def _stride(self, axis: int, visiting: tuple[int, ...]) -> int | ProductStride | OpenStride:
        if axis not in self.known:
            self.known[axis] = self._rule(axis, (*visiting, axis))
        return self.known[axis]

    def _rule(self, axis: int, visiting: tuple[int, ...]) -> int | ProductStride | OpenStride:
        values = {strides[axis] for strides in self.strides}
        if len(values) == 1:
            return values.pop()
        for inner in (axis + 1, axis - 1):
            if 0 <= inner < len(self.dims) and inner not in visiting and self._follows(axis, inner):
                below = self._stride(inner, visiting)
                dim = self.dims[inner]
                if isinstance(below, OpenStride):
                    continue
                factor, axes = (below, ()) if isinstance(below, int) else (below.factor, below.axes)
                if isinstance(dim, Symbol):
                    return ProductStride(factor, tuple(sorted((*axes, inner))))
                return ProductStride(factor * dim, axes)
        return self._open(axis)

    def _follows(self, axis: int, inner: int) -> bool:
        return all(
            strides[axis] == strides[inner] * shape[inner]
            for strides, shape in zip(self.strides, self.shapes, strict=True)
        )

    def _open(self, axis: int) -> OpenStride:
        """A row stride: at least as large as what the faster axes span, in every sample."""
        faster = [
            k
            for k in range(len(self.dims))
            if k != axis and all(0 < strides[k] < strides[axis] for strides in self.strides)
        ]
        slower = [k for k in range(len(self.dims)) if k != axis and k not in faster]
        for k in slower:
            if not all(strides[k] >= strides[axis] * max(shape[axis], 1) for strides, shape in self._pairs()):
                raise _DifferentError
        inner = max(faster, key=lambda k: self.strides[0][k], default=None)
        for strides, shape in self._pairs():
            if strides[axis] <= 0 or (inner is not None and strides[axis] < strides[inner] * shape[inner]):
                raise _DifferentError
        # one open stride, of the slowest axis, is what slices of rows have
        if slower or inner is None or not isinstance(self._stride(inner, (axis,)), int):
            raise _DifferentError
        return OpenStride(inner)

    def _pairs(self) -> list[tuple[list[int], list[int]]]:
        return list(zip(self.strides, self.shapes, strict=True))
