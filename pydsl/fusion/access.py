"""Accesses of statements as regions, and the questions that fusion asks about two of them.

Everything about memory is answered by :mod:`pydsl.analysis`; this page only translates statements into its terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydsl.analysis.overlap import Region, has_internal_overlap, index_map, may_share
from pydsl.fusion.statement import IndexedLoad, Statement
from pydsl.ir.affine import Affine
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import Buffer, Load, Product, Var

Ranges = dict[Any, tuple[int | None, int | None]]


@dataclass(frozen=True, slots=True)
class Access:
    """One access of a statement: ``address`` over its variables; ``whole`` if the address depends on loaded indices."""

    buffer: Buffer
    address: Affine
    itemsize: int
    vars: tuple[Var, ...]
    extents: tuple[Affine, ...]
    whole: bool = False

    def surely_inside(self) -> bool:
        """Whether every element lies within its buffer, whatever the numbers are that only the run knows."""
        size = self.buffer.nbytes
        if self.whole or size is None or not size.is_const:
            return False
        ranges: Ranges = {
            symbol: symbol.bounds for symbol in self.address.symbols() if isinstance(symbol, Var)
        }
        for var, extent in zip(self.vars, self.extents, strict=True):
            if not extent.is_const:
                return False
            ranges[var] = (0, extent.value - 1)
        low, high = self.address.bounds(ranges)
        return low is not None and low >= 0 and high is not None and high + self.itemsize <= size.value

    def region(self) -> Region | None:
        """The accessed elements as a strided region; None where they are not one."""
        if self.whole:
            return None
        variables = self.vars
        rest = self.address.without(variables)
        strides = [Affine.of(self.address.coeff(v)) for v in variables]
        for symbol, coeff in rest.terms:
            if isinstance(symbol, Product) and symbol.factor in variables:
                if any(v in variables for v in symbol.stride.symbols()):
                    return None
                rest = rest - Affine.of(symbol) * coeff
                axis = variables.index(symbol.factor)
                strides[axis] = strides[axis] + symbol.stride * coeff
        return Region(rest, self.extents, tuple(strides), self.itemsize)


def written(statement: Statement) -> Access | None:
    """The access a statement writes."""
    if statement.buffer is None or statement.dtype is None:
        return None
    return Access(
        statement.buffer,
        statement.address,
        statement.dtype.itemsize,
        statement.vars,
        statement.extents,
        whole=bool(statement.terms),
    )


def read(statement: Statement, load: Load | IndexedLoad) -> Access:
    """One access a statement reads."""
    return Access(
        load.buffer,
        load.offset,
        load.dtype.itemsize,
        statement.all_vars,
        statement.extents + statement.reduce_extents,
        whole=isinstance(load, IndexedLoad),
    )


def reads(statement: Statement) -> list[Access]:
    """What the statement loads."""
    return [read(statement, load) for load in statement.loads()]


def conflict(a: Access, b: Access, ranges: Ranges | None = None) -> bool:
    """Whether two accesses may touch a common byte, at any two points of their spaces."""
    if not may_alias(a.buffer, b.buffer):
        return False
    if a.buffer is not b.buffer:
        return True
    region_a, region_b = a.region(), b.region()
    if region_a is None or region_b is None:
        return True
    return may_share(region_a, region_b, ranges)


def element_map(reader: Access, writer: Access) -> list[Affine] | None:
    """Where the reader's element lies in the writer's space: one index expression per writer variable, or None."""
    if reader.buffer is not writer.buffer or reader.itemsize != writer.itemsize:
        return None
    region_r, region_w = reader.region(), writer.region()
    if region_r is None or region_w is None or has_internal_overlap(region_w):
        return None
    return index_map(region_r, region_w, reader.vars)


def points(extents: Sequence[Affine], default: int = 256) -> int:
    """Number of points of a space; a symbolic extent counts as ``default``."""
    total = 1
    for extent in extents:
        total *= extent.value if extent.is_const else default
    return total
