"""Index maps: at which index of one view an element of another view is found.

``address = offset + sum(stride * index)`` is solved for the index of the target view as an affine function of
the index of the source view. Constant views are decoded like mixed-radix numbers: the digits of the first
element give the constant part, those of its neighbour along each dimension the coefficients; the corners of
the box then decide whether the map stays in bounds. Where the target has no internal overlap the digits are
unique, so a map is found exactly when one exists.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydsl.analysis.diophantine import solutions
from pydsl.analysis.hierarchy import at_least, hierarchical
from pydsl.analysis.region import Ranges, Region
from pydsl.ir.affine import Affine, Symbol

Dim = tuple[int, int]
"""``(stride, extent)``"""
IntegerMap = tuple[list[int], list[list[int]]]
"""Constant part, and for each source dimension its coefficients, over the target's dimensions."""


#: steps of search for the index of one element, in views that are no mixed-radix numbers
_WORK = 500


def element_map(a: Region, b: Region, symbols: Sequence[Symbol], ranges: Ranges) -> list[Affine] | None:
    """The indices at which ``b`` has the elements of ``a``, over ``symbols`` (the indices of ``a``), or None."""
    if not (a.is_const and b.is_const):
        delta = a.offset - b.offset
        box = _symbol_box(delta, ranges) if _constant_grid(a) and _constant_grid(b) else None
        if box is None:
            return _symbolic_map(delta, a, b, symbols, ranges)
        first, variables, dims = box
        dims += [(s.const, n.const) for s, n in zip(a.strides, a.shape, strict=True)]
        forms = variables + [Affine.of(symbol) for symbol in symbols]
        outer = [(s.const, n.const) for s, n in zip(b.strides, b.shape, strict=True)]
    else:
        x, y = a.layout, b.layout
        if x.low != x.high and (x.low < y.low or x.high > y.high):
            return None
        first, forms = x.offset - y.offset, [Affine.of(symbol) for symbol in symbols]
        dims = list(zip(x.strides, x.shape, strict=True))
        outer = list(zip(y.strides, y.shape, strict=True))
    image = integer_map(first, dims, outer)
    if image is None:
        return None
    consts, rows = image
    out = []
    for k, const in enumerate(consts):
        form = Affine.of(const)
        for variable, row in zip(forms, rows, strict=True):
            if row[k]:
                form = form + variable * row[k]
        out.append(form)
    return out


def integer_map(first: int, source: Sequence[Dim], target: Sequence[Dim]) -> IntegerMap | None:
    """The map between constant views; ``first`` is the address of source element 0 relative to target element 0."""
    zeros = [0] * len(target)
    if any(extent <= 0 for _, extent in source):
        return zeros, [zeros] * len(source)
    decoder = _Decoder(target)
    const = decoder.decode(first)
    if const is None:
        return None
    low, high = list(const), list(const)
    rows = []
    for stride, extent in source:
        if extent == 1 or stride == 0:
            rows.append(zeros)
            continue
        neighbour = decoder.decode(first + stride)
        if neighbour is None:
            return None
        row = [q - p for p, q in zip(const, neighbour, strict=True)]
        rows.append(row)
        for k, step in enumerate(row):
            if step > 0:
                high[k] += step * (extent - 1)
            elif step:
                low[k] += step * (extent - 1)
    for (_, extent), least, most in zip(target, low, high, strict=True):
        if least < 0 or most >= extent:
            return None
    return const, rows


class _Decoder:
    """Addresses of a constant view, relative to its element 0, as indices."""

    __slots__ = ("flip", "order", "separable", "target")

    def __init__(self, target: Sequence[Dim]) -> None:
        self.target = target
        self.order = sorted(
            [
                (abs(stride), extent - 1, k, stride < 0)
                for k, (stride, extent) in enumerate(target)
                if stride and extent > 1
            ],
            reverse=True,
        )
        # a dimension of negative stride counts from its end
        self.flip = sum([size * bound for size, bound, _, negative in self.order if negative])
        self.separable: bool | None = None

    def decode(self, address: int) -> list[int] | None:
        index = [0] * len(self.target)
        rest = address + self.flip
        for size, bound, k, negative in self.order:
            digit = min(rest // size, bound)
            rest -= digit * size
            index[k] = bound - digit if negative else digit
            if digit < 0:
                return None
        if rest == 0:
            return index
        if self.separable is None:
            self.separable = hierarchical([(size, bound) for size, bound, _, _ in self.order], 1)
        if self.separable:
            return None
        terms = [(stride, 0, extent - 1) for stride, extent in self.target]
        found = solutions(terms, address, address, 1, _WORK)
        return list(found[0]) if found else None


# --- symbols ------------------------------------------------------------------------------------------------


def _constant_grid(region: Region) -> bool:
    return all(form.is_const for form in region.shape + region.strides)


def _symbol_box(delta: Affine, ranges: Ranges) -> tuple[int, list[Affine], list[Dim]] | None:
    """Bounded symbols as further source dimensions: the constant rest, the variables from 0, their (stride, extent)."""
    const = delta.const
    variables, dims = [], []
    for symbol, coeff in delta.terms:
        low, high = ranges.get(symbol, (None, None))
        if low is None or high is None:
            return None
        const += coeff * low
        variables.append(Affine.of(symbol) - low)
        dims.append((coeff, high - low + 1))
    return const, variables, dims


def _symbolic_map(
    delta: Affine, a: Region, b: Region, symbols: Sequence[Symbol], ranges: Ranges
) -> list[Affine] | None:
    live = [k for k, extent in enumerate(b.shape) if not (extent.is_const and extent.const == 1)]
    strides = [b.strides[k] for k in live]
    image = digits(delta, strides)
    if image is None:
        return None
    low, high = list(image), list(image)
    for symbol, stride, extent in zip(symbols, a.strides, a.shape, strict=True):
        if extent.is_const and extent.const == 1:
            continue
        row = digits(stride, strides)
        if row is None:
            return None
        for k, step in enumerate(row):
            if not step.is_const:
                return None
            if step.const:
                image[k] = image[k] + Affine.of(symbol) * step.const
                bound = high if step.const > 0 else low
                bound[k] = bound[k] + (extent - 1) * step.const
    out = [Affine.of(0)] * len(b.shape)
    for k, form, least, most in zip(live, image, low, high, strict=True):
        if not (at_least(least, 0, ranges) and at_least(b.shape[k] - most, 1, ranges)):
            return None
        out[k] = form
    return out


def digits(form: Affine, strides: Sequence[Affine]) -> list[Affine] | None:
    """Index expressions with ``sum(digit * stride) == form``, or None where none were found."""
    order = sorted(range(len(strides)), key=lambda k: (-len(strides[k].terms), -abs(strides[k].const)))
    out = [Affine.of(0)] * len(strides)
    if not form.terms and form.const == 0:
        return out
    for k in order:
        quotient = _ratio(form, strides[k])
        if quotient is not None:
            out[k] = quotient
            return out
    for k in order:
        quotient = _leading(form, strides[k])
        if quotient is not None:
            taken = strides[k].mul(quotient)
            if taken is not None:
                form = form - taken
                out[k] = quotient
    return out if form.is_const and form.const == 0 else None


def _ratio(form: Affine, stride: Affine) -> Affine | None:
    """``form / stride`` where that is affine."""
    if stride.is_const:
        return form.divide_exact(stride.const) if stride.const else None
    symbol, coeff = stride.terms[0]
    factor, rest = divmod(form.coeff(symbol), coeff)
    return Affine.of(factor) if factor and not rest and stride * factor == form else None


def _leading(form: Affine, stride: Affine) -> Affine | None:
    """How often a stride goes into a form, from the terms that it divides."""
    if not stride.is_const:
        symbol, coeff = stride.terms[0]
        factor, rest = divmod(form.coeff(symbol), coeff)
        return None if rest else Affine.of(factor)
    if not stride.const:
        return None
    terms = [(symbol, coeff // stride.const) for symbol, coeff in form.terms if coeff % stride.const == 0]
    return Affine.linear(form.const // stride.const, terms)
