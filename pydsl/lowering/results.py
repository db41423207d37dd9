"""What a lowered function hands back, in terms of ABI slots; the runtime's records are made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydsl.loops.ir import DType


@dataclass(frozen=True)
class SlotNumber:
    """An integer that is read from an ABI slot after the run."""

    index: int


Number = int | SlotNumber


@dataclass(frozen=True)
class StorageInfo:
    """Memory that leaves the function.

    made_by: "entry" (static size, allocated before the run), "kernel" (allocated during it), or the number of the
    argument leaf (or implicit array) whose memory it is. ``slot``: where its data pointer is kept.
    """

    dtype: DType
    shape: tuple[Number, ...]
    strides: tuple[Number, ...]
    made_by: Literal["entry", "kernel"] | int
    slot: int


@dataclass(frozen=True)
class ArrayLeaf:
    """An array over a storage; ``offset`` counts from the address in the storage's slot."""

    storage: int
    dtype: DType
    shape: tuple[Number, ...]
    strides: tuple[Number, ...]
    offset: Number
    writeable: bool = True


@dataclass(frozen=True)
class ScalarLeaf:
    """A scalar in ``slot``; ``weak`` ones are Python's."""

    dtype: DType
    weak: bool
    slot: int


ResultLeaf = ArrayLeaf | ScalarLeaf
