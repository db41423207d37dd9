"""From a kernel into Python: the arrays that a call site hands over, the call, and what it raised.

`PythonCaller` is called by the native side with the GIL held. It answers None, or the exception to raise: the native
side raises it, so that no frame of the runtime shows, only the user's line and the frames below.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from pydsl.ir import calls
from pydsl.jit.runtime import table
from pydsl.jit.runtime.abi import CallOperand, PythonCall, Specialization
from pydsl.jit.runtime.errors import traceback_at
from pydsl.jit.runtime.layout import WRITEABLE

_NEW_ARRAY = ctypes.PYFUNCTYPE(
    ctypes.py_object,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)


class PythonCaller:
    """Performs the calls of one specialization."""

    def __init__(self, spec: Specialization) -> None:
        self._calls = [_Prepared(call) for call in spec.calls]
        self._name = spec.name

    def __call__(self, number: int, words: int) -> BaseException | None:
        call = self._calls[number]
        try:
            calls.perform(call.site, call.arrays(words))
        except BaseException as error:  # whatever it is, it goes to the user
            return self._shown(error, call.site)
        return None

    def _shown(self, error: BaseException, site: calls.CallSite) -> BaseException:
        """The exception with the user's line in the compiled function above the frames of the function that was
        called."""
        below = error.__traceback__
        while below is not None and below.tb_frame.f_code.co_filename in _OWN_FILES:
            below = below.tb_next
        if site.loc is None:
            return error.with_traceback(below)
        here: TracebackType | None = traceback_at(site.loc, self._name)
        if here is not None:
            here.tb_next = below
        return error.with_traceback(here)


_OWN_FILES = (__file__, calls.__file__)

Reader = Callable[[list[int], int], "np.ndarray[Any, Any]"]


class _Prepared:
    """A call site with what makes its operands of the words."""

    def __init__(self, call: PythonCall) -> None:
        self.site = call.site
        readers = [_reader(operand) for operand in call.operands]
        self._readers: list[tuple[int, Reader]] = []
        position = 0
        for count, read in readers:
            self._readers.append((position, read))
            position += count
        self._words = ctypes.c_int64 * position

    def arrays(self, words: int) -> list[np.ndarray[Any, Any]]:
        """The operands."""
        values = self._words.from_address(words)[:]
        return [read(values, position) for position, read in self._readers]


def _reader(operand: CallOperand) -> tuple[int, Reader]:
    """How many words an operand has, and a function that makes its array of them."""
    dtype, rank = operand.dtype, len(operand.shape)
    numbers = (*operand.shape, *operand.strides)
    open_numbers = [position for position, number in enumerate(numbers) if number is None]
    new_array = _NEW_ARRAY(table.runtime_table().get("PyArray_NewFromDescr"))
    incref, descr, descr_address, array_type = _incref(), dtype, id(dtype), id(np.ndarray)
    place_type = ctypes.c_ssize_t * (2 * rank)
    layout = place_type(*(number or 0 for number in numbers))
    shape_address = ctypes.addressof(layout)
    to_strides = ctypes.sizeof(ctypes.c_ssize_t) * rank
    strides_address = shape_address + to_strides

    def fixed(words: list[int], first: int, _keep: Any = (layout, descr)) -> np.ndarray[Any, Any]:
        incref(descr_address)  # the new array takes the reference over
        array: np.ndarray[Any, Any] = new_array(
            array_type, descr_address, rank, shape_address, strides_address, words[first], WRITEABLE, None
        )
        return array

    def varying(words: list[int], first: int) -> np.ndarray[Any, Any]:
        place = place_type(*layout)
        for k, position in enumerate(open_numbers, first + 1):
            place[position] = words[k]
        address = ctypes.addressof(place)
        incref(descr_address)
        array: np.ndarray[Any, Any] = new_array(
            array_type, descr_address, rank, address, address + to_strides, words[first], WRITEABLE, None
        )
        return array

    return 1 + len(open_numbers), varying if open_numbers else fixed


def _incref() -> Any:
    return ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("Py_IncRef", ctypes.pythonapi))
