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
from pydsl.jit.runtime.abi import CallOperand, Specialization
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
        self._calls = [(call.site, [_reader(operand) for operand in call.operands]) for call in spec.calls]
        self._counts = [sum(n for n, _ in readers) for _, readers in self._calls]
        self._name = spec.name

    def __call__(self, number: int, words: int) -> BaseException | None:
        site, readers = self._calls[number]
        values = list((ctypes.c_int64 * self._counts[number]).from_address(words))
        arrays, position = [], 0
        for count, read in readers:
            arrays.append(read(values, position))
            position += count
        try:
            calls.perform(site, arrays)
        except BaseException as error:  # whatever it is, it goes to the user
            return self._shown(error, site)
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


def _reader(operand: CallOperand) -> tuple[int, Reader]:
    """How many words an operand has, and a function that makes its array of them."""
    dtype, rank = operand.dtype, len(operand.shape)
    numbers = (*operand.shape, *operand.strides)
    open_numbers = [position for position, number in enumerate(numbers) if number is None]
    runtime = table.runtime_table()
    new_array = _NEW_ARRAY(runtime.get("PyArray_NewFromDescr"))
    incref, descr, array_type = ctypes.pythonapi.Py_IncRef, ctypes.py_object(dtype), id(np.ndarray)
    layout = (ctypes.c_ssize_t * (2 * rank))(*(number or 0 for number in numbers))

    def read(words: list[int], first: int) -> np.ndarray[Any, Any]:
        place = layout
        if open_numbers:
            place = (ctypes.c_ssize_t * (2 * rank))(*layout)
            for k, position in enumerate(open_numbers, first + 1):
                place[position] = words[k]
        address = ctypes.addressof(place)
        incref(descr)  # the new array takes the reference over
        strides = address + ctypes.sizeof(ctypes.c_ssize_t) * rank
        array: np.ndarray[Any, Any] = new_array(
            array_type, id(dtype), rank, address, strides, words[first], WRITEABLE, None
        )
        return array

    return 1 + len(open_numbers), read
