"""Host arrays in a call of a CUDA function: copied in before, those that are written copied back afterwards.

Arrays that overlap on the host are copied as one range of bytes, so that they overlap on the device in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pydsl.jit.cuda.buffers import Buffer, address_of, extent
from pydsl.jit.cuda.driver import Driver
from pydsl.jit.shadows import shadow

Array: TypeAlias = "np.ndarray[Any, Any]"

_PHASE = 64
"""Data lies as far from a multiple of this on the device as on the host, so that alignment is the same."""


@dataclass
class _Group:
    """A range of host memory and its copy."""

    low: int
    high: int
    buffer: Buffer | None = None

    @property
    def shift(self) -> int:
        """Device address minus host address."""
        assert self.buffer is not None
        return self.buffer.address + self.low % _PHASE - self.low


class Staging:
    """The host arrays of one call.

    bytes_in, bytes_out: what was copied.
    """

    def __init__(self, driver: Driver, arrays: list[Array]) -> None:
        self._driver = driver
        self.bytes_in = self.bytes_out = 0
        self._hosts: dict[int, Array] = {}
        self._shadows: dict[int, Array] = {}
        unique = list({id(array): array for array in arrays}.values())
        groups = self._grouped([array for array in unique if array.size])
        for group in groups:
            self._copy_in(group)
        for array in unique:
            self._shadow(array, groups)

    @staticmethod
    def _grouped(arrays: list[Array]) -> list[_Group]:
        spans = []
        for array in arrays:
            low, high = extent(array.shape, array.strides, array.itemsize)
            address = address_of(array)
            spans.append((address + low, address + high))
        groups: list[_Group] = []
        for low, high in sorted(spans):
            if groups and low < groups[-1].high:
                groups[-1].high = max(groups[-1].high, high)
            else:
                groups.append(_Group(low, high))
        return groups

    def _copy_in(self, group: _Group) -> None:
        size = group.high - group.low
        group.buffer = Buffer(self._driver, size + group.low % _PHASE, "a host array")
        self._driver.copy_in(group.low + group.shift, group.low, size)
        self.bytes_in += size

    def _shadow(self, array: Array, groups: list[_Group]) -> None:
        address = address_of(array)
        group = next((g for g in groups if g.low <= address < g.high), None) if array.size else None
        if group is None:
            made = np.empty(array.shape, array.dtype)
            made.flags.writeable = array.flags.writeable
        else:
            made = shadow(
                address + group.shift,
                array.dtype,
                array.shape,
                array.strides,
                group.buffer,
                read_only=not array.flags.writeable,
            )
        self._shadows[id(array)] = made
        self._hosts[id(made)] = array

    def shadow_of(self, array: Array) -> Array:
        """What stands for a host array on the device."""
        return self._shadows[id(array)]

    def host_of(self, made: Any) -> Array | None:
        """The host array that a shadow stands for; None for anything else."""
        return self._hosts.get(id(made))

    def copy_back(self, made: Array) -> None:
        """Copy the elements of a shadow to its host array."""
        host = self._hosts[id(made)]
        if not host.size:
            return
        low, high = extent(host.shape, host.strides, host.itemsize)
        span = np.empty(high - low, np.uint8)
        self._driver.copy_out(address_of(span), address_of(made) + low, span.nbytes)
        host[...] = np.ndarray(host.shape, host.dtype, span, -low, host.strides)
        self.bytes_out += span.nbytes
