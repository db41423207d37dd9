"""Device memory with an owner, and the shadows over it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from pydsl.errors import DeviceError
from pydsl.jit.cuda.driver import Driver
from pydsl.jit.shadows import owner_of, shadow


class Buffer:
    """Device memory that is freed, in stream order, with its last user."""

    __slots__ = ("address", "driver", "nbytes")

    def __init__(self, driver: Driver, nbytes: int, what: str = "an array") -> None:
        self.driver = driver
        self.nbytes = nbytes
        self.address = 0
        self.address = driver.allocate(nbytes, what)

    def __del__(self) -> None:
        if self.address:
            with contextlib.suppress(Exception):  # the interpreter may be going down
                self.driver.free(self.address)


def extent(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """First byte and byte after the last of an array with elements, from its data pointer."""
    low, high = 0, itemsize
    for size, stride in zip(shape, strides, strict=True):
        if stride < 0:
            low += (size - 1) * stride
        else:
            high += (size - 1) * stride
    return low, high


def new_array(
    driver: Driver, dtype: np.dtype[Any], shape: tuple[int, ...], strides: tuple[int, ...] | None = None
) -> np.ndarray[Any, Any]:
    """A shadow of new memory; in C order, or with these strides, of which none is negative."""
    if 0 in shape:
        return np.empty(shape, dtype)  # of no elements: there is no memory to be on any side
    if strides is None:
        made = np.lib.stride_tricks.as_strided(np.empty((), dtype), shape, (0,) * len(shape))
        nbytes = made.size * dtype.itemsize
    else:
        nbytes = extent(shape, strides, dtype.itemsize)[1]
    buffer = Buffer(driver, nbytes)
    return shadow(buffer.address, dtype, shape, strides, buffer)


def address_of(array: np.ndarray[Any, Any]) -> int:
    """The data pointer of an array or a shadow."""
    return int(array.__array_interface__["data"][0])


def check_driver(array: np.ndarray[Any, Any], driver: Driver, what: str) -> None:
    """Refuse an array whose memory another driver holds.

    Raises
    ------
    DeviceError: it is on the simulator, and this is the real device, or the other way round.
    """
    owner = owner_of(array)
    if isinstance(owner, Buffer) and owner.driver is not driver:
        raise DeviceError(
            f"{what}: an array is on the {owner.driver.name} device, the call is for the {driver.name} device",
            "arrays made under the same PYDSL_CUDA_SIM",
        )
