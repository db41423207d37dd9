"""Shadows: NumPy arrays that describe memory which NumPy must not touch.

A shadow has the dtype, shape, strides and address of an array on a device, so that NumPy's view arithmetic, and
everything that looks at arrays without reading their elements, works on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class _Holder:
    """What NumPy makes a shadow of; it stays the base of every view, and keeps `owner` alive."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__ = interface
        self.owner = owner


def shadow(
    address: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    owner: Any,
    *,
    read_only: bool = False,
) -> np.ndarray[Any, Any]:
    """The array of these elements from this address on; `owner` lives as long as it or a view of it."""
    interface = {
        "data": (address, read_only),
        "typestr": dtype.str,
        "shape": shape,
        "strides": strides,
        "version": 3,
    }
    return np.asarray(_Holder(interface, owner))


def shadow_of_interface(interface: Mapping[str, Any], owner: Any) -> np.ndarray[Any, Any]:
    """The shadow that a `__cuda_array_interface__` describes."""
    address, read_only = interface["data"]
    return shadow(
        address or 0,
        np.dtype(interface["typestr"]),
        tuple(interface["shape"]),
        interface.get("strides"),
        owner,
        read_only=bool(read_only),
    )


def owner_of(array: np.ndarray[Any, Any]) -> Any:
    """Who holds the memory of a shadow; None for an ordinary array."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.owner if isinstance(base, _Holder) else None
