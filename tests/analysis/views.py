"""Random strided views and what they touch, by brute force."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pydsl.analysis.overlap import Region

#: the middle of a buffer that no view of this module leaves
ORIGIN = 4096
BUFFER = np.zeros(2 * ORIGIN, np.uint8)
DTYPES = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}


class View(NamedTuple):
    """A strided view of ``BUFFER``; the offset is relative to ``ORIGIN``."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int

    @property
    def region(self) -> Region:
        return Region.of(self.offset, self.shape, self.strides, self.itemsize)

    @property
    def array(self) -> np.ndarray[Any, Any]:
        return np.ndarray(self.shape, DTYPES[self.itemsize], BUFFER, ORIGIN + self.offset, self.strides)

    def addresses(self) -> np.ndarray[Any, Any]:
        """The first byte of each element."""
        total = np.full(self.shape, self.offset)
        for axis, (extent, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            total += (stride * np.arange(extent)).reshape((-1,) + (1,) * (len(self.shape) - axis - 1))
        return total

    def bytes(self) -> set[int]:
        return set((self.addresses()[..., None] + np.arange(self.itemsize)).ravel().tolist())


def of_array(array: np.ndarray[Any, Any], base: np.ndarray[Any, Any]) -> View:
    """A NumPy view as a view relative to the first element of its base."""
    offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return View(offset, array.shape, array.strides, array.itemsize)


def random_slice(rng: np.random.Generator, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Slices, steps of either sign, transposes and new axes of an array."""
    index: list[Any] = []
    for extent in array.shape:
        start, stop = sorted(rng.integers(0, extent + 1, 2).tolist())
        step = int(rng.integers(1, 4))
        choice = rng.integers(0, 8)
        if choice == 0 and extent:
            index.append(int(rng.integers(0, extent)))
        elif choice == 1:
            index += [None, slice(start, stop, step)]
        elif choice <= 3:
            index.append(slice(None, None, -step))
        elif choice <= 5:
            index.append(slice(start, stop, step))
        else:
            index.append(slice(None))
    view = array[(*index, ...)]
    return view.transpose(rng.permutation(view.ndim)) if rng.random() < 0.3 else view


def random_strided(rng: np.random.Generator) -> View:
    """Anything: strides of 0, overlapping windows, elements that are not aligned to each other, empty views."""
    rank = int(rng.integers(0, 4))
    itemsize = 8 if rng.random() < 0.6 else int(rng.choice([1, 2, 4, 8, 16]))
    least = 0 if rng.random() < 0.1 else 1
    shape = tuple(rng.integers(least, 6, rank).tolist())
    strides = tuple((rng.choice(STRIDES, rank) * rng.choice([1, 1, -1], rank)).tolist())
    return View(int(rng.integers(0, 40)) * int(rng.choice([1, 8])), shape, strides, itemsize)


STRIDES = [0, 1, 2, 3, 4, 5, 7, 8, 8, 8, 12, 16, 20, 24, 32, 40, 56, 64]


def random_pair(rng: np.random.Generator) -> tuple[View, View]:
    """Two views: slices of one array, real and imaginary parts, windows, or anything."""
    if rng.random() < 0.5:
        a, b = random_strided(rng), random_strided(rng)
        if rng.random() < 0.3:
            b = a._replace(offset=b.offset)
        return a, b
    shape = tuple(rng.integers(1, 7, rng.integers(1, 4)).tolist())
    base = np.zeros(shape, "c16" if rng.random() < 0.2 else "u8")
    pair = []
    for _ in range(2):
        array: np.ndarray[Any, Any] = base
        if base.dtype.kind == "c" and rng.random() < 0.8:
            array = base.real if rng.random() < 0.5 else base.imag
        elif rng.random() < 0.2:
            array = base.view("u2")
        array = random_slice(rng, array)
        if rng.random() < 0.2 and array.ndim and array.shape[-1] > 2:
            array = np.lib.stride_tricks.sliding_window_view(array, 2, axis=-1)
        if rng.random() < 0.1:
            array = np.broadcast_to(array, (2, *array.shape))
        pair.append(of_array(array, base))
    return pair[0], pair[1]


def elements(view: View) -> dict[tuple[int, ...], int]:
    """Index vector to address."""
    return {index: int(address) for index, address in np.ndenumerate(view.addresses())}


def overlaps_itself(view: View) -> bool:
    addresses = np.sort(view.addresses(), axis=None)
    return bool((np.diff(addresses) < view.itemsize).any())
