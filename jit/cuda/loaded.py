"""A CUDA program in memory: its host code, the context words that the code gets, and calls of it from Python.

Like `runtime/portable.py`, with memory on the device: guards and results are the same.
"""

from __future__ import annotations

import ctypes
import dataclasses
import threading
from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import InternalCompilerError, SourceLocation, render
from pydsl.jit.cuda import api
from pydsl.jit.cuda.buffers import Buffer, address_of, check_driver, new_array
from pydsl.jit.cuda.driver import STREAM, Driver, several_drivers
from pydsl.jit.cuda.guards import Guards
from pydsl.jit.cuda.program import CONTEXT_KERNELS, PLACES, CudaProgram
from pydsl.jit.cuda.staging import Staging
from pydsl.jit.runtime import loader, portable, table
from pydsl.jit.runtime.abi import HEADER_WORDS, KERNEL_NAME, MISS, RETURN_EXCEPTION_SET, ResultStorage
from pydsl.jit.runtime.errors import ErrorFactory
from pydsl.jit.shadows import shadow

Array: TypeAlias = "np.ndarray[Any, Any]"

_HOST_CODE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)  # gives the lock up


class _Running(threading.local):
    """The call that this thread is in, for the allocation callback."""

    call: _Call | None = None


_running = _Running()


class _Run(portable._Run):
    """The state of one call; the views of the slots as numbers are made when something asks for them."""

    def __init__(self, count: int) -> None:
        self._memory = (ctypes.c_uint64 * (HEADER_WORDS + count))()
        self.slots = (ctypes.c_uint64 * count).from_buffer(self._memory, 8 * HEADER_WORDS)
        self.objects, self.arrays, self.owners = {}, {}, {}
        self.buffers, self.failure = set(), None

    def __getattr__(self, name: str) -> Any:
        if name not in _NUMBERS:
            raise AttributeError(name)
        made = (_NUMBERS[name] * len(self.slots)).from_buffer(self.slots)
        setattr(self, name, made)
        return made


_NUMBERS: dict[str, Any] = {"floats": ctypes.c_double, "ints": ctypes.c_int64}


class _Call:
    """One call: what it allocates."""

    def __init__(self, owner: CudaSpecialization, run: portable._Run) -> None:
        self.owner = owner
        self.run = run

    def allocate(self, position: int, nbytes: int) -> int | None:
        run, driver = self.run, self.owner.driver
        try:
            buffer = Buffer(driver, max(nbytes, 1), f"a result of `{self.owner.spec.name}`")
        except Exception as error:
            run.failure = error
            return None
        dtype = np.dtype(np.uint8)
        run.owners[position] = shadow(buffer.address, dtype, (max(nbytes, 1),), None, buffer)
        run.buffers.add(position)
        run.slots[self.owner.spec.storages[position].data_slot] = buffer.address
        return buffer.address


def _allocate(_rt: int, _slots: int, position: int, nbytes: int) -> int | None:
    call = _running.call
    assert call is not None
    return call.allocate(position, nbytes)


_ALLOCATE = portable._ALLOC(_allocate)


class CudaSpecialization:
    """A program loaded on one driver.

    Parameters
    ----------
    program: what the pipeline made.
    driver: where its kernels run.
    place: where the function is defined, for kernels that do not know their line.
    """

    entry = 0
    table = 0

    def __init__(self, program: CudaProgram, driver: Driver, place: SourceLocation | None = None) -> None:
        self.program = program
        self.driver = driver
        self._place = place
        handles = driver.load(program)
        products = driver.products() if program.products else 0
        words = (STREAM, products, *handles)
        self._words = (ctypes.c_uint64 * max(len(words), CONTEXT_KERNELS))(*words)
        implicit = (*program.spec.implicit[:-1], ctypes.addressof(self._words))
        self.spec = dataclasses.replace(program.spec, implicit=implicit)
        self._code = loader.load(program.host_ir, program.optimize)
        self._kernel = _HOST_CODE(self._code.address(KERNEL_NAME))
        self._errors = ErrorFactory(self.spec)
        self._table = (ctypes.c_uint64 * table.CAPACITY)(*driver.table)
        self._table[table.index("alloc")] = api.address_of(_ALLOCATE)
        self._guards = Guards(self.spec)
        self._slot_count = max(1, self.spec.n_slots)
        self._form = (self.spec.call_form.nargs, self.spec.call_form.kwnames)
        self._has_arrays = any(type(obj) is np.ndarray for obj in self.spec.implicit)

    # calls --------------------------------------------------------------------------------------------

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], staging: Staging | None = None) -> Any:
        """The result for shadows, or `MISS` if a guard does not hold. With `staging` the shadows stand for host arrays,
        and so do the results."""
        spec = self.spec
        run = _Run(self._slot_count)
        captured = self._captured()
        if (len(args), tuple(kwargs)) != self._form:
            return MISS
        if not self._guards.hold((*args, *kwargs.values(), *captured), run):
            return MISS
        self._make_storages(run)
        try:
            status = self._run(run)
        finally:
            if staging is not None and self.driver.lost is None:
                self._copy_back(run, staging)
        if status < 0:
            raise self._errors(-1 - status, ctypes.addressof(run.slots))
        if staging is not None:
            self._fetch(run, staging)
        return _Results(spec, run, staging is None).build(spec.results[status])

    def _captured(self) -> tuple[Any, ...]:
        """The implicit objects, arrays of the host among them copied in as they are now."""
        implicit = self.spec.implicit
        if not self._has_arrays:
            return implicit
        arrays = [obj for obj in implicit if type(obj) is np.ndarray]
        staged = Staging(self.driver, arrays)
        return tuple(staged.shadow_of(obj) if type(obj) is np.ndarray else obj for obj in implicit)

    def _make_storages(self, run: portable._Run) -> None:
        spec = self.spec
        for position, storage in enumerate(spec.storages):
            if storage.allocated_by == "kernel":
                continue
            if storage.allocated_by == "entry":
                owner = self._new(storage)
            else:
                owner = run.objects[storage.allocated_by]
            run.owners[position] = owner
            run.slots[storage.data_slot] = address_of(owner)

    def _new(self, storage: ResultStorage) -> Array:
        shape = tuple(n for n in storage.shape if isinstance(n, int))
        strides = tuple(n for n in storage.strides if isinstance(n, int))
        return new_array(self.driver, storage.dtype, shape, strides)

    def _run(self, run: portable._Run) -> int:
        driver, name = self.driver, self.spec.name
        if several_drivers():
            for _, array in run.arrays.values():
                check_driver(array, driver, f"`{name}`")
        driver.failures.last = None
        before, _running.call = _running.call, _Call(self, run)
        try:
            status = int(self._kernel(ctypes.addressof(self._table), ctypes.addressof(run.slots)))
        finally:
            _running.call = before
        if status == RETURN_EXCEPTION_SET:
            raise self._failure(run)
        return status

    def _failure(self, run: portable._Run) -> Exception:
        """The exception for what stopped the host code."""
        if isinstance(run.failure, Exception):
            return run.failure
        last = self.driver.failures.last
        if last is None:
            return InternalCompilerError(f"`{self.spec.name}` stopped without a reason", stage="CUDA")
        status, place = last
        what, location = PLACES.get(place, ""), self._place
        if place >= 0:
            kernel = self.program.kernels[place]
            what, location = f"launching {kernel.name}", kernel.loc or self._place
        return self.driver.error(int(status), render(f"`{self.spec.name}`, {what}", location))

    # host arrays --------------------------------------------------------------------------------------

    def _copy_back(self, run: portable._Run, staging: Staging) -> None:
        for guard, made in run.arrays.values():
            if guard.needs_writeable and staging.host_of(made) is not None:
                staging.copy_back(made)

    def _fetch(self, run: portable._Run, staging: Staging) -> None:
        """Replace what the results are made of by arrays of the host."""
        for path, obj in list(run.objects.items()):
            host = staging.host_of(obj)
            if host is not None:
                run.objects[path] = host
        for position, owner in list(run.owners.items()):
            host = staging.host_of(owner)
            if host is None:
                host = np.empty_like(owner, order="K", subok=False)
                if owner.size:
                    self.driver.copy_out(address_of(host), address_of(owner), host.nbytes)
                    staging.bytes_out += host.nbytes
            run.owners[position] = host


class _Results(portable._Results):
    """Builds results; on the device a buffer is the memory of its array, without a copy."""

    def __init__(self, spec: Any, run: portable._Run, on_device: bool) -> None:
        super().__init__(spec, run)
        self.on_device = on_device

    def _owner(self, position: int, storage: ResultStorage) -> Array:
        if not self.on_device or position not in self.run.buffers:
            return super()._owner(position, storage)
        self.run.buffers.remove(position)
        owner = self.run.owners[position]
        shape, strides = self._numbers(storage.shape), self._numbers(storage.strides)
        made = shadow(address_of(owner), storage.dtype, shape, strides, owner)
        self.run.owners[position] = made
        return made
