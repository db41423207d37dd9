"""`pydsl.numpy.ndarray`: an array on the host or on a device, computed eagerly by the compiler.

`_data` is a NumPy array. On the host it is the memory itself, shared, never copied. On a device it is a *shadow*: its
dtype, shape, strides and flags are the array's and its data pointer is the device address, so that NumPy's own view
arithmetic (slices, transposes, broadcasts) is right for both. A shadow is never read or written through NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pydsl.jit.arrays import indexing, operations
from pydsl.jit.arrays.devices import device_name
from pydsl.jit.arrays.eager import execute, run
from pydsl.jit.arrays.transfer import copy_to_device, is_sparse, to_host
from pydsl.jit.exchange import CPU, Shadowed


def _binary(function: Callable[..., Any]) -> Any:
    def method(self: ndarray, other: Any) -> Any:
        return execute(function, (self, other)) if _is_operand(other) else NotImplemented

    return method


def _reflected(function: Callable[..., Any]) -> Any:
    def method(self: ndarray, other: Any) -> Any:
        return execute(function, (other, self)) if _is_operand(other) else NotImplemented

    return method


def _in_place(function: Callable[..., Any]) -> Any:
    def method(self: ndarray, other: Any) -> Any:
        execute(function, (self, other), {"out": self})
        return self

    return method


def _unary(function: Callable[..., Any]) -> Any:
    def method(self: ndarray) -> Any:
        return execute(function, (self,))

    return method


def _method(function: Callable[..., Any], name: str | None = None) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        return execute(function, (self, *args), kwargs)

    method.__name__ = method.__qualname__ = name or function.__name__
    method.__doc__ = (
        f"`np.{function.__name__}` of this array; a single number is an array without dimensions."
    )
    return method


def _is_operand(other: Any) -> bool:
    return isinstance(other, ndarray | np.ndarray | np.generic | int | float | complex | list | tuple)


class ndarray(Shadowed):  # noqa: N801 - NumPy's name for it
    """An array on "cpu" or "cuda". Made by `asarray`, `zeros` and their like, not by calling the class.

    Operators, methods, and NumPy's functions called with it compute on its device and give arrays there; a result that
    is one number is an array without dimensions, so that nothing waits for the device until `item`, `float` or
    `to_numpy` asks. Views share memory exactly where NumPy's do.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    # what it is ---------------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def strides(self) -> tuple[int, ...]:
        return self._data.strides

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def itemsize(self) -> int:
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    @property
    def flags(self) -> Any:
        return self._data.flags

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return self._device

    def to_device(self, device: Any, /, *, stream: Any = None) -> ndarray:
        """This array if it is there already, else a copy on that device."""
        del stream  # transfers are in the order of the device's stream
        name = device_name(device)
        if name == self._device:
            return self
        if name == CPU:
            return ndarray(self.to_numpy(), name)
        return ndarray(copy_to_device(self._data), name)

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """On the host the very memory, as a NumPy array; from a device a copy, which waits for the device."""
        if self._device == CPU:
            return self._data
        return to_host(self.copy()._data if is_sparse(self._data) else self._data)

    # as the host sees it ------------------------------------------------------------------------------

    def item(self, *index: Any) -> Any:
        """One element as a Python number; waits for the device."""
        return (
            (self[index[0] if len(index) == 1 and isinstance(index[0], tuple) else index] if index else self)
            .to_numpy()
            .item()
        )

    def tolist(self) -> Any:
        """Nested lists of Python numbers; waits for the device."""
        return self.to_numpy().tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        """The elements as bytes; waits for the device."""
        return self.to_numpy().tobytes(order)

    def __bool__(self) -> bool:
        return bool(self.to_numpy())

    def __int__(self) -> int:
        return int(self.to_numpy())

    def __float__(self) -> float:
        return float(self.to_numpy())

    def __complex__(self) -> complex:
        return complex(self.to_numpy())

    def __index__(self) -> int:
        return self.to_numpy().__index__()

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[ndarray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[position] for position in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(execute(np.any, (self == value,)))

    def __repr__(self) -> str:
        text = repr(self.to_numpy())
        return text if self._device == CPU else f"{text[:-1]}, device={self._device!r})"

    def __str__(self) -> str:
        return str(self.to_numpy())

    def __format__(self, spec: str) -> str:
        return format(self.to_numpy()[()] if self.ndim == 0 else self.to_numpy(), spec)

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.to_numpy(), self._device)

    # NumPy's protocols --------------------------------------------------------------------------------

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from pydsl import numpy as namespace  # noqa: PLC0415 - loads nothing, but is above this module

        return namespace

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        if isinstance(out, tuple) and len(out) == 1:
            kwargs["out"] = out[0]
        function, inputs, kwargs = indexing.ufunc_method(ufunc, method, inputs, kwargs)
        return execute(function, inputs, kwargs)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return execute(function, args, kwargs)

    # elements -----------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> ndarray:
        made: ndarray = indexing.load(self, index)
        return made

    def __setitem__(self, index: Any, value: Any) -> None:
        indexing.store(self, index, value)

    def fill(self, value: Any) -> None:
        """Every element becomes `value`."""
        indexing.store(self, ..., value)

    # views and copies ---------------------------------------------------------------------------------

    @property
    def T(self) -> ndarray:  # noqa: N802 - NumPy's name
        return ndarray(self._data.T, self._device)

    @property
    def mT(self) -> ndarray:  # noqa: N802 - NumPy's name
        return execute(np.matrix_transpose, (self,))

    @property
    def real(self) -> ndarray:
        return execute(np.real, (self,))

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> ndarray:
        return execute(np.imag, (self,))

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        self.imag[...] = value

    @property
    def flat(self) -> ndarray:
        return self.ravel()

    def view(self, dtype: Any = None) -> ndarray:
        """The same memory, as elements of `dtype`."""
        return ndarray(self._data.view() if dtype is None else self._data.view(dtype), self._device)

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> ndarray:
        """A view where one can be had, else a copy."""
        wanted = shape[0] if len(shape) == 1 else shape
        made: ndarray = execute(np.reshape, (self, wanted), {"order": order})
        if copy:
            return made if not np.may_share_memory(made._data, self._data) else made.copy()
        if copy is False and self.size and not np.may_share_memory(made._data, self._data):
            raise ValueError("Unable to avoid creating a copy while reshaping.")
        return made

    def transpose(self, *axes: Any) -> ndarray:
        """A view with its axes permuted."""
        return ndarray(self._data.transpose(*axes), self._device)

    def flatten(self, order: Any = "C") -> ndarray:
        """A copy with one dimension."""
        flat: ndarray = execute(np.ravel, (self,), {"order": order})
        return flat.copy() if np.may_share_memory(flat._data, self._data) else flat

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe", copy: bool = True) -> ndarray:
        """The elements converted; this array itself if `copy` is false and nothing has to change."""
        dtype = np.dtype(dtype)
        if not copy and dtype == self.dtype:
            return self
        return run(operations.cast, "ndarray.astype", self, dtype, order, casting)

    def copy(self, order: Any = "C") -> ndarray:
        """A copy on the same device."""
        return run(operations.copied, "ndarray.copy", self, order)

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        """Sorts in place."""
        self[...] = execute(np.sort, (self, axis, kind))

    # computed by the compiler -------------------------------------------------------------------------

    swapaxes = _method(np.swapaxes)
    squeeze = _method(np.squeeze)
    ravel = _method(np.ravel)
    diagonal = _method(np.diagonal)
    sum = _method(np.sum)
    prod = _method(np.prod)
    min = _method(np.min)
    max = _method(np.max)
    mean = _method(np.mean)
    var = _method(np.var)
    std = _method(np.std)
    any = _method(np.any)
    all = _method(np.all)
    argmin = _method(np.argmin)
    argmax = _method(np.argmax)
    argsort = _method(np.argsort)
    argpartition = _method(np.argpartition)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    clip = _method(np.clip)
    round = _method(np.round)
    dot = _method(np.dot)
    trace = _method(np.trace)
    take = _method(np.take)
    repeat = _method(np.repeat)
    nonzero = _method(np.nonzero)
    searchsorted = _method(np.searchsorted)
    conj = conjugate = _method(np.conjugate)

    __neg__, __pos__, __abs__, __invert__ = map(_unary, (np.negative, np.positive, np.absolute, np.invert))
    __add__, __radd__, __iadd__ = _binary(np.add), _reflected(np.add), _in_place(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract), _reflected(np.subtract), _in_place(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply), _reflected(np.multiply), _in_place(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.divide), _reflected(np.divide), _in_place(np.divide)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _reflected(np.floor_divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __mod__, __rmod__, __imod__ = _binary(np.remainder), _reflected(np.remainder), _in_place(np.remainder)
    __pow__, __rpow__, __ipow__ = _binary(np.power), _reflected(np.power), _in_place(np.power)
    __divmod__, __rdivmod__ = _binary(np.divmod), _reflected(np.divmod)
    __matmul__, __rmatmul__, __imatmul__ = _binary(np.matmul), _reflected(np.matmul), _in_place(np.matmul)
    __and__, __rand__, __iand__ = (
        _binary(np.bitwise_and),
        _reflected(np.bitwise_and),
        _in_place(np.bitwise_and),
    )
    __or__, __ror__, __ior__ = _binary(np.bitwise_or), _reflected(np.bitwise_or), _in_place(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = (
        _binary(np.bitwise_xor),
        _reflected(np.bitwise_xor),
        _in_place(np.bitwise_xor),
    )
    __lshift__, __rlshift__ = _binary(np.left_shift), _reflected(np.left_shift)
    __rshift__, __rrshift__ = _binary(np.right_shift), _reflected(np.right_shift)
    __ilshift__, __irshift__ = _in_place(np.left_shift), _in_place(np.right_shift)
    __eq__, __ne__ = _binary(np.equal), _binary(np.not_equal)
    __lt__, __le__, __gt__, __ge__ = map(_binary, (np.less, np.less_equal, np.greater, np.greater_equal))


def _restored(data: np.ndarray[Any, Any], device: str) -> ndarray:
    return ndarray(data if device == CPU else copy_to_device(data), device)
