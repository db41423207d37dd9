"""Kernels run on the host: the launch, and what is known about a fault.

The kernels are the same loop IR as on the device, emitted as plain loops over blocks and threads with a check of every
access (`checks.py`). One block runs after the other, and between two barriers one thread after the other.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydsl.jit.cuda.program import (
    CUDA_ERROR_ILLEGAL_ADDRESS,
    CUDA_ERROR_LAUNCH_FAILED,
    CUDA_SUCCESS,
    KernelImage,
)
from pydsl.jit.runtime.loader import LoadedCode, load

STATE_EPOCH, STATE_SHARED, STATE_SHARED_SIZE, STATE_SHARED_SHADOW = 2, 3, 4, 5
STATE_FAULT, STATE_SITE, STATE_ADDRESS, STATE_BLOCK, STATE_THREAD, STATE_OTHER = 6, 7, 8, 9, 10, 11
STATE_SCRATCH, STATE_WORDS = 16, 48
"""Words of a `SimState`; an access that failed its check goes to the scratch words instead."""

FAULT_OUTSIDE, FAULT_RACE = 1, 2
EPOCHS = (1 << 16) - 1
"""Launches that shadows can tell apart; then they are cleared."""


@dataclass(frozen=True)
class Fault:
    """The first access of a launch that failed its check.

    Parameters
    ----------
    kind: "outside" of all allocations, or "race": two threads of one launch touched a byte between barriers, one of
        them writing.
    other: block and thread of the other access of a race.
    """

    kind: str
    site: int
    address: int
    block: int
    thread: int
    other: tuple[int, int] | None

    def describe(self, kernel: KernelImage) -> str:
        """The fault in words."""
        what = kernel.sites[self.site] if self.site < len(kernel.sites) else "an access"
        who = f"thread {self.thread} of block {self.block}"
        if self.other is None:
            return f"{kernel.name}: {what} by {who} is outside of all device memory"
        return f"{kernel.name}: {what} by {who} races with thread {self.other[1]} of block {self.other[0]}"


class SimState:
    """The words that checking code works with. `words[STATE_COUNT]` and `words[STATE_TABLE]` are the driver's."""

    def __init__(self) -> None:
        self.words = np.zeros(STATE_WORDS, np.int64)

    @property
    def address(self) -> int:
        return int(self.words.ctypes.data)

    def fault(self) -> Fault | None:
        """What went wrong in the last launch."""
        kind = int(self.words[STATE_FAULT])
        if not kind:
            return None
        other = int(self.words[STATE_OTHER])
        return Fault(
            "race" if kind == FAULT_RACE else "outside",
            int(self.words[STATE_SITE]),
            int(self.words[STATE_ADDRESS]),
            int(self.words[STATE_BLOCK]),
            int(self.words[STATE_THREAD]),
            (other >> 10, other & 1023) if kind == FAULT_RACE else None,
        )

    def begin(self) -> None:
        """A new launch: shadows of earlier ones mean nothing."""
        words = self.words
        words[STATE_FAULT] = 0
        words[STATE_EPOCH] += 1
        if words[STATE_EPOCH] > EPOCHS:
            words[STATE_EPOCH] = 1
            table = _words_at(int(words[1]), 3 * int(words[0]))
            for _, size, shadow in table.reshape(-1, 3).tolist():
                ctypes.memset(shadow, 0, 8 * size)


def _words_at(address: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if not count:
        return np.zeros(0, np.int64)
    return np.ctypeslib.as_array((ctypes.c_int64 * count).from_address(address))


_RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class SimKernel:
    """One kernel in memory, ready to be launched on the host."""

    def __init__(self, image: KernelImage, code: LoadedCode) -> None:
        self.image = image
        self._code = code
        self._run = _RUN(code.address(image.name))

    def launch(self, state: SimState, grid: int, block: int, params: int) -> int:
        """Run all blocks; answers a `CUresult`.

        Parameters
        ----------
        params: address of the array of addresses of the parameters (`kernelParams`).
        """
        image = self.image
        if block != image.block or not 0 < grid < 1 << 31 or (image.grid is not None and grid != image.grid):
            return 1  # CUDA_ERROR_INVALID_VALUE
        state.begin()
        shared = np.full(image.shared + 64, 0xFF, np.uint8)
        shadow = np.zeros(image.shared + 64, np.int64)
        words = state.words
        words[STATE_SHARED], words[STATE_SHARED_SIZE] = -(-shared.ctypes.data // 64) * 64, image.shared
        words[STATE_SHARED_SHADOW] = shadow.ctypes.data
        self._run(params, state.address, grid)
        kind = int(words[STATE_FAULT])
        if not kind:
            return CUDA_SUCCESS
        return CUDA_ERROR_LAUNCH_FAILED if kind == FAULT_RACE else CUDA_ERROR_ILLEGAL_ADDRESS


@functools.lru_cache(maxsize=512)
def _code(sim_ir: str) -> LoadedCode:
    return load(sim_ir, level=1)


def load_kernels(sim_ir: str, kernels: Sequence[KernelImage]) -> tuple[SimKernel, ...]:
    """The kernels of a program as host code."""
    if not kernels:
        return ()
    code = _code(sim_ir)
    return tuple(SimKernel(image, code) for image in kernels)
