"""Strided regions of a storage: what an access touches, in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pydsl.ir.affine import Affine, Range, Symbol

Ranges = Mapping[Symbol, Range]
NO_RANGES: Ranges = {}


class Layout(NamedTuple):
    """The facts of a constant region.

    offset, shape, strides: as in the region; dimensions of extent 1 have stride 0.
    low, high: the first byte and one past the last (equal when the region is empty).
    dense: whether every byte in between belongs to the region.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    low: int
    high: int
    dense: bool


class Region:
    """The elements ``offset + sum(strides[k] * i[k])``, ``0 <= i[k] < shape[k]``, of ``itemsize`` bytes. Immutable.

    All in bytes relative to the storage. :meth:`of` takes integers too.
    """

    __slots__ = ("_layout", "is_const", "itemsize", "offset", "shape", "strides")

    offset: Final[Affine]
    shape: Final[tuple[Affine, ...]]
    strides: Final[tuple[Affine, ...]]
    itemsize: Final[int]
    is_const: Final[bool]
    _layout: Layout | None

    def __init__(
        self, offset: Affine, shape: tuple[Affine, ...], strides: tuple[Affine, ...], itemsize: int
    ) -> None:
        self.offset = offset
        self.shape = shape
        self.strides = strides
        self.itemsize = itemsize
        const = offset.is_const
        for form in shape:
            const = const and form.is_const
        for form in strides:
            const = const and form.is_const
        self.is_const = const
        self._layout = None

    @staticmethod
    def of(
        offset: Affine | int, shape: Iterable[Affine | int], strides: Iterable[Affine | int], itemsize: int
    ) -> Region:
        """A region from integers or index expressions."""
        return Region(
            Affine.of(offset),
            tuple([Affine.of(extent) for extent in shape]),
            tuple([Affine.of(stride) for stride in strides]),
            itemsize,
        )

    @property
    def layout(self) -> Layout:
        """The facts of a constant region, computed once.

        Raises
        ------
        ValueError: the region has symbols.
        """
        if self._layout is None:
            shape = [extent.value for extent in self.shape]
            strides = [stride.value for stride in self.strides]
            self._layout = _layout(self.offset.value, shape, strides, self.itemsize)
        return self._layout

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return (
            self.offset == other.offset
            and self.itemsize == other.itemsize
            and self.shape == other.shape
            and self.strides == other.strides
        )

    def __hash__(self) -> int:
        return hash((self.offset, self.shape, self.strides, self.itemsize))

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        strides = ", ".join(map(str, self.strides))
        return f"Region({self.offset}, [{shape}], [{strides}], {self.itemsize})"


def _layout(offset: int, shape: list[int], strides: list[int], itemsize: int) -> Layout:
    if 0 in shape:
        return Layout(offset, tuple(shape), (0,) * len(shape), offset, offset, True)
    low = high = offset
    steps = []
    for k, (extent, stride) in enumerate(zip(shape, strides, strict=True)):
        if extent == 1:
            strides[k] = 0
        elif stride < 0:
            low += stride * (extent - 1)
            steps.append((-stride, extent))
        else:
            high += stride * (extent - 1)
            steps.append((stride, extent))
    steps.sort()
    reach = itemsize
    dense = True
    for stride, extent in steps:
        if stride > reach:
            dense = False
            break
        reach += stride * (extent - 1)
    return Layout(offset, tuple(shape), tuple(strides), low, high + itemsize, dense)
