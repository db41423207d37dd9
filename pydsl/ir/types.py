"""Types of the tensor IR: scalars and tensor references.

A value of the tensor IR is either a scalar or a *tensor reference*: dtype, shape, strides and offset over a
:class:`Storage`. Shapes, strides and offsets are :class:`~pydsl.ir.affine.Affine` index expressions whose symbols are
scalar SSA values (loop variables, integer arguments, data-dependent counts); strides and offsets are in **bytes**, as
in NumPy, so that views of another dtype (``.real``, ``.view``) need nothing special.

A view is nothing but another tensor reference on the same storage; no code is generated for it.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pydsl.ir.affine import Affine

DType = np.dtype[Any]


class Origin(enum.Enum):
    """Where the memory of a storage comes from."""

    ARG = "arg"  # memory of the caller's arrays
    ALLOC = "alloc"  # made by the function
    CONST = "const"  # a constant array of the compiled function (read-only)
    GLOBAL = "global"  # a NumPy array read from a global or closure, by reference
    PHI = "phi"  # a join of several storages (loop-carried or if-merged reference)


_storage_ids = itertools.count()


@dataclass(eq=False)
class Storage:
    """A piece of memory that tensor references point into. Compared by identity.

    Parameters
    ----------
    origin: where it comes from.
    name: for printing.
    nbytes: size in bytes, where known.
    dtype: element type of the array that owns it (results are allocated with it).
    writeable: False for read-only arguments and constants.
    accumulated: written by a ``ufunc.at``, which NumPy does into read-only memory as well.
    sources: for ``PHI``: the storages it may stand for. Two storages may share memory only when their
        :meth:`roots` intersect.
    data: for ``CONST`` and ``GLOBAL``: the array.
    """

    origin: Origin
    name: str
    dtype: DType
    nbytes: Affine | None = None
    writeable: bool = True
    sources: list[Storage] = field(default_factory=list)
    data: Any = None
    accumulated: bool = False
    id: int = field(default_factory=_storage_ids.__next__)

    def roots(self) -> frozenset[Storage]:
        """The storages, other than joins, whose memory this one may stand for."""
        if self.origin is not Origin.PHI:
            return frozenset((self,))
        seen: set[Storage] = set()
        roots: set[Storage] = set()
        work = [self]
        while work:
            storage = work.pop()
            if storage in seen:
                continue
            seen.add(storage)
            if storage.origin is Origin.PHI:
                work.extend(storage.sources)
            else:
                roots.add(storage)
        return frozenset(roots)

    def may_alias(self, other: Storage) -> bool:
        """Whether the two may share memory at all."""
        if self is other:
            return True
        if self.origin is not Origin.PHI and other.origin is not Origin.PHI:
            return False
        return bool(self.roots() & other.roots())

    def __repr__(self) -> str:
        return f"@{self.name}"


@dataclass(frozen=True)
class ScalarType:
    """A scalar. ``weak`` scalars are Python's (int, float, complex, bool), the others are NumPy's (NEP 50)."""

    dtype: DType
    weak: bool = False

    def __str__(self) -> str:
        return ("py_" if self.weak else "") + self.dtype.name


INDEX = ScalarType(np.dtype(np.int64), weak=True)
BOOL = ScalarType(np.dtype(np.bool_), weak=True)
FLOAT = ScalarType(np.dtype(np.float64), weak=True)


@dataclass(frozen=True)
class TensorType:
    """A tensor reference: element ``[i0, i1, ...]`` is at ``storage + offset + sum(strides[k] * ik)`` bytes."""

    dtype: DType
    shape: tuple[Affine, ...]
    strides: tuple[Affine, ...]
    offset: Affine
    storage: Storage

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def is_static(self) -> bool:
        """Whether shape, strides and offset are constants."""
        return (
            self.offset.is_const
            and all(d.is_const for d in self.shape)
            and all(s.is_const for s in self.strides)
        )

    def static_shape(self) -> tuple[int, ...] | None:
        """The shape as integers, or None where a dimension is symbolic."""
        if all(d.is_const for d in self.shape):
            return tuple(d.value for d in self.shape)
        return None

    @property
    def size(self) -> Affine | None:
        """Number of elements, or None where it is not affine."""
        return product(self.shape)

    def covers_storage(self) -> bool:
        """Whether the reference is a contiguous picture of its whole storage."""
        return (
            self.storage.nbytes is not None
            and self.offset == Affine.of(0)
            and self.is_contiguous()
            and self.size is not None
            and self.size * self.itemsize == self.storage.nbytes
        )

    def is_contiguous(self) -> bool:
        """Whether it is C-contiguous (unit dimensions may have any stride, empty arrays are contiguous)."""
        return _packed(self.shape, self.strides, self.itemsize)

    def is_f_contiguous(self) -> bool:
        return _packed(self.shape[::-1], self.strides[::-1], self.itemsize)

    def with_view(self, shape: Sequence[Affine], strides: Sequence[Affine], offset: Affine) -> TensorType:
        return TensorType(self.dtype, tuple(shape), tuple(strides), offset, self.storage)

    def __str__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        strides = ", ".join(map(str, self.strides))
        return f"{self.dtype.name}[{shape}] strides [{strides}] offset {self.offset} in {self.storage!r}"


Type = ScalarType | TensorType


def product(dims: Iterable[Affine]) -> Affine | None:
    """The product of index expressions, or None where it is not affine."""
    total: Affine | None = Affine.of(1)
    for dim in dims:
        if dim.is_const and dim.value == 0:
            return Affine.of(0)
        total = total.mul(dim) if total is not None else None
    return total


def _packed(shape: Sequence[Affine], strides: Sequence[Affine], itemsize: int) -> bool:
    expected: Affine | None = Affine.of(itemsize)
    packed = True
    for dim, stride in zip(reversed(shape), reversed(strides), strict=True):
        if dim.is_const and dim.value == 0:
            return True
        if dim.is_const and dim.value == 1:
            continue
        if expected is None or stride != expected:
            packed = False
        expected = expected.mul(dim) if expected is not None else None
    return packed


def c_strides(shape: Sequence[Affine], itemsize: int) -> tuple[Affine, ...]:
    """Row-major strides in bytes. Products that are not affine must have been named by a symbol before.

    Raises
    ------
    ValueError: a stride is not affine in the symbols.
    """
    strides: list[Affine] = []
    step: Affine | None = Affine.of(itemsize)
    for dim in reversed(shape):
        if step is None:
            raise ValueError("stride is not affine")
        strides.append(step)
        # NumPy gives an empty array the strides it would have with that dimension 1
        step = step if dim.is_const and dim.value == 0 else step.mul(dim)
    return tuple(reversed(strides))
