"""Names of devices, as callers write them."""

from __future__ import annotations

from typing import Any

from pydsl.errors import DeviceError
from pydsl.jit.exchange import CPU, CUDA


def device_name(device: Any) -> str:
    """ "cpu" or "cuda" for what a caller may write (`None` is the host).

    Raises
    ------
    DeviceError: there is no such device, or it is one that arrays cannot live on yet.
    """
    text = CPU if device is None else str(device).lower()
    if text in (CPU, "cpu:0"):
        return CPU
    if text in (CUDA, "cuda:0", "gpu"):
        return CUDA
    raise DeviceError(f"there is no device {device!r}", 'device="cpu" or device="cuda"')
