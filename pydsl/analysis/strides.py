"""The addresses of accesses taken apart by loop: how far each iteration moves, and over which range.

A symbol may stand for the product of a variable and an index expression: it then has attributes ``factor``
and ``stride`` and moves with its factor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pydsl.analysis.region import Ranges
from pydsl.ir.affine import Affine, Range, Symbol

Bound = Affine | int | None
LoopRanges = Mapping[Symbol, tuple[Bound, Bound]]
"""Inclusive first and last value of each loop variable, step 1; None where not known."""


class Side(NamedTuple):
    """An address taken apart.

    coeffs, products: the constant and the symbolic part of the stride of each loop variable.
    rest: what moves with no loop.
    ranges: the loops as integer intervals; constant: whether that is how they were given, and ``rest`` has no
    symbols.
    """

    coeffs: dict[Symbol, int]
    products: dict[Symbol, Affine]
    rest: Affine
    ranges: dict[Symbol, Range]
    constant: bool

    def stride(self, loop: Symbol) -> Affine:
        stride = Affine.of(self.coeffs.get(loop, 0))
        return stride + self.products[loop] if loop in self.products else stride


def side(form: Affine, loops: Collection[Symbol], ranges: LoopRanges, symbols: Ranges) -> Side | None:
    """An address taken apart; None where a stride itself changes from iteration to iteration."""
    coeffs: dict[Symbol, int] = {}
    products: dict[Symbol, Affine] = {}
    rest = []
    for term in form.terms:
        symbol, coeff = term
        if symbol in loops:
            coeffs[symbol] = coeff
            continue
        factor = getattr(symbol, "factor", None)
        if factor is None:
            rest.append(term)
            continue
        stride: Affine = symbol.stride  # type: ignore[attr-defined]
        if varies(stride, loops):
            return None
        if factor in loops:
            products[factor] = products.get(factor, Affine.of(0)) + stride * coeff
        else:
            rest.append(term)
    integer, constant = _intervals(ranges, symbols)
    return Side(coeffs, products, Affine.linear(form.const, rest), integer, constant)


def varies(form: Affine, loops: Collection[Symbol]) -> bool:
    """Whether a form changes with a loop variable."""
    for symbol, _ in form.terms:
        if symbol in loops:
            return True
        factor = getattr(symbol, "factor", None)
        if factor is not None and (factor in loops or varies(symbol.stride, loops)):  # type: ignore[attr-defined]
            return True
    return False


def _intervals(ranges: LoopRanges, symbols: Ranges) -> tuple[dict[Symbol, Range], bool]:
    """Loop ranges as integers: a bound that is an index expression is replaced by what it can be at most."""
    out: dict[Symbol, Range] = {}
    constant = True
    for loop, (first, last) in ranges.items():
        if type(first) is int and type(last) is int:
            out[loop] = (first, last)
            continue
        known = {**symbols, **out}
        low = first.bounds(known)[0] if isinstance(first, Affine) else first
        high = last.bounds(known)[1] if isinstance(last, Affine) else last
        out[loop] = (low, high)
        constant = constant and (_is_integer(first) and _is_integer(last))
    return out, constant


def _is_integer(bound: Bound) -> bool:
    return bound is not None and (not isinstance(bound, Affine) or bound.is_const)
