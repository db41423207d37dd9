"""Copies between the host and the device: only where the program asks for one."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.jit.lazy import load


def copy_to_device(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A shadow of new device memory with these elements, in the same order of axes."""
    made: np.ndarray[Any, Any] = load("cuda.transfer").to_device(data)
    return made


def to_host(shadow: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements of an array on the device; waits for them."""
    made: np.ndarray[Any, Any] = load("cuda.transfer").to_host(shadow)
    return made


def is_sparse(shadow: np.ndarray[Any, Any]) -> bool:
    """Whether a copy of the elements alone is worth making on the device first."""
    found: bool = load("cuda.transfer").is_sparse(shadow)
    return found


def empty_on_device(shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C") -> np.ndarray[Any, Any]:
    """A shadow of new device memory."""
    made: np.ndarray[Any, Any] = load("cuda.transfer").empty(shape, dtype, order)
    return made
