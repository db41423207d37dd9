"""What a call of a CUDA function moves between host and device, for `explain()`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.jit.cuda.buffers import extent
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.runtime.abi import (
    ArrayGuard,
    ArrayResult,
    AttributesGuard,
    DictGuard,
    Guard,
    ListGuard,
    Result,
    ResultDict,
    ResultList,
    ResultObject,
    ResultTuple,
    TupleGuard,
)
from pydsl.jit.signature import Signature


@dataclass(frozen=True)
class Transfer:
    """One copy of a call.

    Parameters
    ----------
    what: the argument or result.
    to_device: the direction.
    nbytes: None where only the run knows.
    """

    what: str
    to_device: bool
    nbytes: int | None

    def __str__(self) -> str:
        size = "a size that only the run knows" if self.nbytes is None else f"{self.nbytes:,} bytes"
        return f"{self.what}: {size} {'to' if self.to_device else 'from'} the device"


@dataclass(frozen=True)
class CudaExplanation:
    """What is known about a CUDA program, and what its calls move. Other attributes are those of the explanation of the
    compilation.

    Parameters
    ----------
    compilation: the explanation of the pipeline.
    transfers: the copies of one call.
    """

    compilation: Any
    transfers: tuple[Transfer, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.compilation, name)

    @property
    def bytes_in(self) -> int:
        """Bytes that are copied to the device, where they are known."""
        return sum(t.nbytes or 0 for t in self.transfers if t.to_device)

    @property
    def bytes_out(self) -> int:
        """Bytes that are copied from the device, where they are known."""
        return sum(t.nbytes or 0 for t in self.transfers if not t.to_device)

    def __str__(self) -> str:
        if not self.transfers:
            moved = ["Between host and device nothing is moved."]
        else:
            moved = ["Moved between host and device in each call:", *(f"  {t}" for t in self.transfers)]
        return "\n".join([str(self.compilation), "", *moved])


def transfers(program: CudaProgram, signature: Signature, from_host: bool) -> tuple[Transfer, ...]:
    """The copies of a call whose arguments are on the host, or on the device."""
    spec = program.spec
    found: list[Transfer] = []
    names = [".".join(map(str, argument.path)) for argument in signature.arguments]
    names += ["an array of a global"] * (len(spec.guards) - len(names))
    passed = len(signature.passed)
    for position, guard in enumerate(spec.guards):
        if position >= passed or from_host:
            for array in _arrays(guard):
                nbytes = _span(array)
                if nbytes:
                    found.append(Transfer(names[position], True, nbytes))
                    if array.needs_writeable and position < passed:
                        found.append(Transfer(names[position], False, nbytes))
    if from_host:
        storages = {r.storage for result in spec.results for r in _results(result)}
        for number in sorted(storages):
            storage = spec.storages[number]
            if storage.allocated_by in ("entry", "kernel"):
                sizes = [n for n in storage.shape if isinstance(n, int)]
                known = len(sizes) == len(storage.shape)
                nbytes = math.prod(sizes) * storage.dtype.itemsize if known else None
                found.append(Transfer("a result", False, nbytes))
    return tuple(found)


def _arrays(guard: Guard) -> Iterator[ArrayGuard]:
    if isinstance(guard, ArrayGuard):
        yield guard
    elif isinstance(guard, TupleGuard | ListGuard):
        for item in guard.items:
            yield from _arrays(item)
    elif isinstance(guard, DictGuard | AttributesGuard):
        for _, item in guard.items:
            yield from _arrays(item)


def _span(guard: ArrayGuard) -> int | None:
    if None in (*guard.shape, *guard.strides):
        return None
    if guard.is_empty:
        return 0
    shape = tuple(n for n in guard.shape if n is not None)
    strides = tuple(n for n in guard.strides if n is not None)
    low, high = extent(shape, strides, np.dtype(guard.dtype).itemsize)
    return high - low


def _results(result: Result) -> Iterator[ArrayResult]:
    if isinstance(result, ArrayResult):
        yield result
    elif isinstance(result, ResultTuple | ResultList):
        for item in result.items:
            yield from _results(item)
    elif isinstance(result, ResultDict | ResultObject):
        for _, item in result.items:
            yield from _results(item)
