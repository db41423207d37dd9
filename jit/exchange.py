"""Arrays of other kinds at the border of a jitted function: `pydsl.numpy`'s, and any object that speaks the protocols.

`adopt` gives the NumPy array behind an object (on a device its *shadow*, see `Shadowed`); `Visit` replaces all of them
in the arguments of a call, and makes results of the kind that came in.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import DeviceError
from pydsl.jit import dlpack
from pydsl.jit.lazy import load
from pydsl.jit.shadows import shadow_of_interface

HostArray: TypeAlias = "np.ndarray[Any, Any]"
Maker: TypeAlias = "Callable[[HostArray, str], Any]"

CPU, CUDA = "cpu", "cuda"


class Shadowed:
    """The part of `pydsl.numpy.ndarray` that jitted functions need: a NumPy array and the device it stands for.

    On the host `_data` is the array itself. On a device it is a shadow: its dtype, shape, strides and flags are the
    array's and its data pointer is the device address. A shadow is never read or written through NumPy; its base
    holds the device memory.
    """

    __slots__ = ("__weakref__", "_data", "_device")

    def __init__(self, data: HostArray, device: str) -> None:
        self._data = data
        self._device = device

    def __init_subclass__(cls) -> None:
        _ADOPTERS[cls] = lambda array: (array._data, array._device)
        _array_classes.append(cls)

    # protocols ----------------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        if self._device != CPU:
            raise DeviceError("NumPy was asked for the memory of an array on a device", "x.to_numpy()")
        return np.array(self._data, dtype=dtype, copy=copy) if dtype or copy else self._data

    @property
    def __array_interface__(self) -> dict[str, Any]:
        if self._device != CPU:
            raise AttributeError("__array_interface__: the array is on a device")
        return self._data.__array_interface__

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self._device != CUDA:
            raise AttributeError("__cuda_array_interface__: the array is on the host")
        seen = self._data.__array_interface__
        flat = seen["strides"]
        return {
            "shape": seen["shape"],
            "typestr": seen["typestr"],
            "data": (seen["data"][0] if self._data.size else 0, seen["data"][1]),
            "strides": flat,
            "version": 3,
            "stream": 1,  # the legacy default stream, on which all work is done
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return (dlpack.CPU, 0) if self._device == CPU else (dlpack.CUDA, 0)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError("__dlpack__ moves nothing to another device: use to_device first")
        data = self._data
        if copy:
            data = getattr(self, "copy")()._data  # noqa: B009 - of the subclass
        if self._device == CUDA:
            _let_wait(stream)
        return dlpack.export(data, self.__dlpack_device__(), max_version)


_array_classes: list[type[Shadowed]] = []


def array_of(data: HostArray, device: str) -> Any:
    """A `pydsl.numpy.ndarray`."""
    if not _array_classes:
        load("arrays")
    return _array_classes[0](data, device)


def _let_wait(stream: Any) -> None:
    """The consumer's stream waits for the work of ours."""
    if stream not in (None, -1, 0, 1):
        load("cuda.driver").current().let_wait(int(stream))


# ------------------------------------------------------------------------------------------- adopting

_ADOPTERS: dict[type, Callable[[Any], tuple[HostArray, str] | None] | None] = {}
_PLAIN = (np.ndarray, np.generic, type, int, float, complex, str, bytes, np.dtype)


def adopt(value: Any) -> tuple[HostArray, str] | None:
    """The array behind an object that speaks a protocol for arrays, and its device; None for any other object.

    Raises
    ------
    DeviceError: it is on a device that nothing here can use.
    """
    cls = type(value)
    if cls in _ADOPTERS:
        adopter = _ADOPTERS[cls]
        return None if adopter is None else adopter(value)
    adopter = None
    if not issubclass(cls, _PLAIN) and any(
        hasattr(value, name) for name in ("__cuda_array_interface__", "__dlpack__", "__array_interface__")
    ):
        adopter = _adopt_foreign
    _ADOPTERS[cls] = adopter
    return None if adopter is None else adopter(value)


def _adopt_foreign(value: Any) -> tuple[HostArray, str] | None:
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is not None:
        return _adopt_interface(value, interface), CUDA
    if hasattr(value, "__dlpack__"):
        return import_dlpack(value)
    interface = getattr(value, "__array_interface__", None)
    return None if interface is None else (np.asarray(value), CPU)


def _adopt_interface(value: Any, interface: dict[str, Any]) -> HostArray:
    if interface.get("mask") is not None:
        raise DeviceError("an array with a mask", "the array and its mask as two arguments")
    stream = interface.get("stream")
    if stream not in (None, 1):
        load("cuda.driver").current().wait_for(int(stream))
    return shadow_of_interface(interface, value)


def import_dlpack(value: Any) -> tuple[HostArray, str]:
    """The memory behind an object with `__dlpack__`, and its device."""
    kind, number = (int(part) for part in value.__dlpack_device__())
    if kind in dlpack.HOST_KINDS:
        return dlpack.import_from(value, {}), CPU
    if kind in dlpack.CUDA_KINDS and number == 0:
        return dlpack.import_from(value, {"stream": 1}), CUDA
    raise DeviceError(
        f"an array of {type(value).__module__}.{type(value).__qualname__} is on DLPack device ({kind}, {number})",
        "an array on the host or on CUDA device 0",
    )


# -------------------------------------------------------------------------------------- a call's objects


class Visit:
    """One call: the arguments with plain arrays in the place of adopted ones, and the way back for its results.

    devices: the devices of all arrays.
    is_needed: whether anything was adopted.
    """

    def __init__(self) -> None:
        self.devices: set[str] = set()
        self.is_needed = False
        self._originals: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._maker: Maker | None = None

    def enter(self, value: Any) -> Any:
        """The object that stands for an argument."""
        cls = type(value)
        if cls in (int, float, bool, str) or value is None:
            return value
        if cls is np.ndarray:
            self.devices.add(CPU)
            self._originals[id(value)] = value
            return value
        adopted = adopt(value)
        if adopted is not None:
            return self._adopted(value, *adopted)
        made = rebuilt(value, self.enter)
        if made is not value:
            self._originals[id(made)] = value
            self._kept.append(made)
        return made

    def _adopted(self, value: Any, data: HostArray, device: str) -> HostArray:
        known = self._originals.get(id(data))
        if known is not None and known is not value:
            data = data.view()  # two objects over one NumPy array stay two
        self.devices.add(device)
        self.is_needed = True
        self._originals[id(data)] = value
        self._kept.append(data)
        if self._maker is None:
            self._maker = _maker_like(value)
        return data

    def device(self, what: str) -> str:
        """The device of all arrays; the host if there are none.

        Raises
        ------
        DeviceError: they are on different ones.
        """
        if len(self.devices) > 1:
            raise DeviceError(
                f"{what}: its arrays are on {' and '.join(sorted(self.devices))}, and nothing is moved unasked",
                'pydsl.numpy.asarray(x, device="cuda"), or x.to_numpy() for the host',
            )
        return next(iter(self.devices), CPU)

    def original(self, data: HostArray) -> Any:
        """The very object that was passed, for the array that stands for it; None for any other array."""
        found = self._originals.get(id(data))
        return None if found is data and not self.is_needed else found

    def given(self, value: Any) -> Any:
        """A result of a call without arrays of other kinds, with the very objects that were passed."""
        found = self._originals.get(id(value))
        return value if found is None else found

    def leave(self, value: Any, device: str) -> Any:
        """A result, with the very objects that were passed and new arrays of their kind."""
        if id(value) in self._originals:
            return self._originals[id(value)]
        if type(value) is np.ndarray:
            return (self._maker or array_of)(value, device)
        return rebuilt(value, lambda item: self.leave(item, device))


def rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    """The container with its items changed; itself if none changes."""
    cls = type(value)
    if cls is list or isinstance(value, tuple):
        items = [change(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if cls is list else (tuple(items) if cls is tuple else cls(*items))
    if cls is dict:
        made = {key: change(item) for key, item in value.items()}
        return value if all(made[key] is value[key] for key in value) else made
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        changed = {name: change(getattr(value, name)) for name in names}
        if all(changed[name] is getattr(value, name) for name in names):
            return value
        return dataclasses.replace(value, **changed)
    return value


def _maker_like(value: Any) -> Maker:
    """What makes arrays of the kind of `value`: its package's `from_dlpack` where it has one."""
    if isinstance(value, Shadowed):
        return array_of
    package_of = sys.modules.get(type(value).__module__.partition(".")[0])
    from_dlpack = getattr(package_of, "from_dlpack", None)
    if from_dlpack is None:
        return array_of
    return lambda data, device: from_dlpack(array_of(data, device))
