"""Where the symbols of a signature are at run time: slots, and the conditions under which one kernel serves a call.

Every open dimension and stride of an array has a slot; a symbol is read from the first that has it, and a condition
compares the others with it. Products of dimensions, of which strides are multiples, have slots as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from pydsl.jit.runtime.abi import Condition
from pydsl.jit.signature import (
    ArrayLeaf,
    LeafPath,
    NumberLeaf,
    NumpyScalarLeaf,
    ObjectLeaf,
    OpenStride,
    ProductStride,
    Signature,
    StaticLeaf,
    Symbol,
)
from pydsl.jit.symbolic import LEAST_SIZE


@dataclass(frozen=True)
class Number:
    """A number known at run time only: its slot, least value, and the numbers (by index) that it is the product of."""

    name: str
    slot: int
    low: int
    factors: tuple[int, ...] = ()


Term = tuple[int, int]
"""A coefficient and the index of a number."""


@dataclass
class SymbolPlan:
    """The numbers of a signature. `terms` has each symbolic dimension and stride: leaf path, "shape" or "strides",
    axis."""

    numbers: list[Number] = field(default_factory=list)
    terms: dict[tuple[LeafPath, str, int], Term] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    leaf_slots: list[int] = field(default_factory=list)
    n_slots: int = 0


def products_of(leaf: ArrayLeaf) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Products of dimensions that the strides need, and dimensions that are a multiple of a number: axes, divisor."""
    found: list[tuple[int, ...]] = [
        (axis,) for axis, dim in enumerate(leaf.shape) if isinstance(dim, Symbol) and dim.factor != 1
    ]
    found += [s.axes for s in leaf.strides if isinstance(s, ProductStride) and len(s.axes) > 1]
    return tuple((axes, _factor(leaf, axes)) for axes in dict.fromkeys(found))


def _factor(leaf: ArrayLeaf, axes: tuple[int, ...]) -> int:
    """What the product of these dimensions is a multiple of."""
    return prod(dim.factor for dim in (leaf.shape[axis] for axis in axes) if isinstance(dim, Symbol))


def slots_of(leaf: ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf) -> int:
    """How many slots a leaf takes."""
    if isinstance(leaf, ArrayLeaf):
        opened = sum(not isinstance(number, int) for number in (*leaf.shape, *leaf.strides))
        return 1 + opened + len(products_of(leaf))
    if isinstance(leaf, ObjectLeaf):
        return 1
    if isinstance(leaf, NumpyScalarLeaf):
        return 2 if leaf.dtype.kind == "c" else 1
    return 2 if leaf.cls is complex else 1


def plan_symbols(signature: Signature) -> SymbolPlan:
    """Numbers, slots and conditions of a signature."""
    planner = _Planner(SymbolPlan())
    for path, leaf in signature.leaves():
        if not isinstance(leaf, StaticLeaf):
            planner.leaf(path, leaf)
    return planner.plan


@dataclass
class _Planner:
    plan: SymbolPlan
    symbols: dict[Symbol, int] = field(default_factory=dict)
    products: dict[tuple[int, ...], int] = field(default_factory=dict)

    def leaf(self, path: LeafPath, leaf: ArrayLeaf | NumberLeaf | NumpyScalarLeaf | ObjectLeaf) -> None:
        plan = self.plan
        slot = plan.n_slots
        plan.leaf_slots.append(slot)
        plan.n_slots += slots_of(leaf)
        if isinstance(leaf, ArrayLeaf):
            self._array(path, leaf, slot + 1)
        elif not isinstance(leaf, ObjectLeaf) and leaf.size:
            plan.conditions.append(Condition("ge", -LEAST_SIZE, ((slot, 1),)))

    def _array(self, path: LeafPath, leaf: ArrayLeaf, slot: int) -> None:
        dims = [(axis, dim) for axis, dim in enumerate(leaf.shape) if isinstance(dim, Symbol)]
        own = {axis: slot + k for k, (axis, _) in enumerate(dims)}
        slot += len(dims)
        strides = [(axis, s) for axis, s in enumerate(leaf.strides) if not isinstance(s, int)]
        stride_slots = {axis: slot + k for k, (axis, _) in enumerate(strides)}
        slot += len(strides)
        product_slots = {axes: slot + k for k, (axes, _) in enumerate(products_of(leaf))}
        for axis, dim in dims:
            index = self._symbol(dim, own[axis], product_slots.get((axis,)))
            self.plan.terms[path, "shape", axis] = (dim.factor, index)
        for axis, stride in strides:
            if isinstance(stride, ProductStride):
                self._product(path, leaf, axis, stride, stride_slots[axis], own, product_slots)
        for axis, stride in strides:
            if isinstance(stride, OpenStride):
                self._open(path, leaf, axis, stride, stride_slots[axis], own)

    def _symbol(self, symbol: Symbol, slot: int, quotient: int | None) -> int:
        """The number of a symbol: a dimension, or the quotient that it is a multiple of."""
        plan = self.plan
        known = self.symbols.get(symbol)
        if known is not None:
            plan.conditions.append(
                Condition("eq", 0, ((slot, 1), (plan.numbers[known].slot, -symbol.factor)))
            )
            return known
        if quotient is None:
            plan.conditions.append(Condition("ne", -1, ((slot, 1),)))
        else:
            plan.conditions.append(Condition("eq", 0, ((slot, 1), (quotient, -symbol.factor))))
        if symbol.low:
            plan.conditions.append(Condition("ge", -symbol.low, ((slot, 1),)))
        low = -(-symbol.low // symbol.factor)
        return self._number(Number(symbol.name, slot if quotient is None else quotient, low), symbol)

    def _number(self, number: Number, symbol: Symbol | None = None) -> int:
        self.plan.numbers.append(number)
        index = len(self.plan.numbers) - 1
        if symbol is not None:
            self.symbols[symbol] = index
        return index

    def _product(
        self,
        path: LeafPath,
        leaf: ArrayLeaf,
        axis: int,
        stride: ProductStride,
        slot: int,
        own: dict[int, int],
        product_slots: dict[tuple[int, ...], int],
    ) -> None:
        plan = self.plan
        dims = [leaf.shape[k] for k in stride.axes]
        factors = tuple(sorted(self.symbols[d] for d in dims if isinstance(d, Symbol)))
        multiple = stride.factor * _factor(leaf, stride.axes)
        if len(factors) == 1:
            index = factors[0]
            base = product_slots.get(stride.axes, own[stride.axes[0]])
        else:
            base = product_slots[stride.axes]
            if factors not in self.products:
                name = "".join(plan.numbers[f].name for f in factors)
                self.products[factors] = self._number(Number(name, base, 0, factors))
            index = self.products[factors]
        plan.conditions.append(Condition("eq", 0, ((slot, 1), (base, -multiple)), tuple(own.values())))
        plan.terms[path, "strides", axis] = (multiple, index)

    def _open(
        self, path: LeafPath, leaf: ArrayLeaf, axis: int, stride: OpenStride, slot: int, own: dict[int, int]
    ) -> None:
        """At least what the faster axis spans; the bound of a number is a constant."""
        plan = self.plan
        empty = tuple(own.values())
        below, dim = leaf.strides[stride.inner], leaf.shape[stride.inner]
        low = leaf.dtype.itemsize
        if isinstance(below, int) and isinstance(dim, int):
            low = max(low, below * dim)
            plan.conditions.append(Condition("ge", -low, ((slot, 1),), empty))
        elif isinstance(below, int):
            plan.conditions.append(Condition("ge", 0, ((slot, 1), (own[stride.inner], -below)), empty))
            plan.conditions.append(Condition("ge", -low, ((slot, 1),), empty))
        else:
            # stride times dimension of the faster axis is not linear: it must be larger than its stride alone
            # times the dimension, which the entry cannot check; such arrays keep constant strides
            raise AssertionError("an open stride above a symbolic one")
        plan.terms[path, "strides", axis] = (1, self._number(Number(f"s{slot}", slot, low)))
