"""A specialization executed from Python: the same guards, the same kernel, the same results as the native entry.

Used where `layout.py` does not recognise the interpreter's objects, and as the reference that tests compare
native entries with. Slow (tens of microseconds), and never releases the GIL, but nothing here depends on the layout
of an object.
"""

from __future__ import annotations

import ctypes
import threading
from math import prod
from typing import Any

import numpy as np

from pydsl.jit.runtime import table
from pydsl.jit.runtime.abi import (
    HEADER_WORDS,
    MISS,
    MISSING,
    RETURN_EXCEPTION_SET,
    ArgPath,
    ArgResult,
    ArrayGuard,
    ArrayResult,
    AttributesGuard,
    BoolGuard,
    CallForm,
    CellGuard,
    ComplexGuard,
    Condition,
    ConstResult,
    DictGuard,
    Disjoint,
    EqualGuard,
    Extent,
    FloatGuard,
    Guard,
    IdentityGuard,
    IntGuard,
    ListGuard,
    NameGuard,
    NoneGuard,
    NumpyScalarGuard,
    ObjectGuard,
    OverlapGuard,
    Result,
    ResultDict,
    ResultList,
    ResultObject,
    ResultStorage,
    ResultTuple,
    ScalarResult,
    Slot,
    Specialization,
    TupleGuard,
)
from pydsl.jit.runtime.calls import PythonCaller
from pydsl.jit.runtime.entry_results import is_primary
from pydsl.jit.runtime.errors import ErrorFactory
from pydsl.jit.runtime.layout import WRITEABLE
from pydsl.jit.runtime.statics import static_equal

_ALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_CALL_PYTHON = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)
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
_SET_BASE = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
_KERNEL = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


class _GuardError(Exception):
    """A guard does not hold."""


class _Run:
    """The state of one call: slots, objects by path, storages."""

    def __init__(self, spec: Specialization) -> None:
        count = max(1, spec.n_slots)
        self._memory = (ctypes.c_uint64 * (HEADER_WORDS + count))()
        self.slots = (ctypes.c_uint64 * count).from_buffer(self._memory, 8 * HEADER_WORDS)
        self.floats = (ctypes.c_double * count).from_buffer(self.slots)
        self.ints = (ctypes.c_int64 * count).from_buffer(self.slots)
        self.objects: dict[ArgPath, Any] = {}
        self.arrays: dict[int, tuple[ArrayGuard, np.ndarray[Any, Any]]] = {}
        self.owners: dict[int, np.ndarray[Any, Any]] = {}
        self.buffers: set[int] = set()
        self.failure: BaseException | None = None


class PortableSpecialization:
    """Calls a kernel from Python."""

    entry = 0
    table = 0

    def __init__(self, spec: Specialization, kernel: int, keep: object = None) -> None:
        self.spec = self._spec = spec
        self._keep = keep
        self._kernel = _KERNEL(kernel)
        self._errors = ErrorFactory(spec)
        self._caller = PythonCaller(spec)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the call, or `MISS` if a guard does not hold."""
        spec = self._spec
        run = _Run(spec)
        try:
            _check_call(spec, run, args, kwargs)
        except _GuardError:
            return MISS
        _make_storages(spec, run)
        status = self._run_kernel(run)
        if status == RETURN_EXCEPTION_SET:
            raise run.failure if run.failure is not None else MemoryError()
        if status < 0:
            raise self._errors(-1 - status, ctypes.addressof(run.slots))
        return _Results(spec, run).build(spec.results[status])

    def _run_kernel(self, run: _Run) -> int:
        def alloc(_rt: int, _slots: int, storage: int, nbytes: int) -> int | None:
            try:
                owner = np.empty(nbytes, np.uint8)
            except MemoryError as error:
                run.failure = error
                return None
            run.owners[storage] = owner
            run.buffers.add(storage)
            address = int(owner.__array_interface__["data"][0])
            run.slots[self._spec.storages[storage].data_slot] = address
            return address

        def call_python(_rt: int, _slots: int, number: int, words: int) -> int:
            run.failure = self._caller(number, words)
            return 0 if run.failure is None else 1

        callbacks = {"alloc": _ALLOC(alloc), "call_python": _CALL_PYTHON(call_python)}
        runtime = _table_with(callbacks)
        return int(self._kernel(ctypes.addressof(runtime), ctypes.addressof(run.slots)))


_TABLE_LOCK = threading.Lock()


def _table_with(callbacks: dict[str, Any]) -> Any:
    """A copy of the runtime table with these entries."""
    with _TABLE_LOCK:
        words = (ctypes.c_uint64 * table.CAPACITY).from_address(table.runtime_table().address)
        copy = (ctypes.c_uint64 * table.CAPACITY)(*words)
    for name, callback in callbacks.items():
        address = ctypes.cast(callback, ctypes.c_void_p).value
        assert address is not None
        copy[table.index(name)] = address
    return copy


# ---------------------------------------------------------------------------------------------- guards


def _require(condition: bool) -> None:
    if not condition:
        raise _GuardError


def _check_call(spec: Specialization, run: _Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    _require(CallForm(len(args), tuple(kwargs)) == spec.call_form)
    _check_names(spec.name_guards)
    objects = (*args, *kwargs.values(), *spec.implicit)
    for position, (guard, obj) in enumerate(zip(spec.guards, objects, strict=True)):
        _Guards(run).check(guard, obj, (position,))
    for overlap in spec.overlaps:
        _check_overlap(overlap, run)
    for condition in spec.conditions:
        _require(_holds(condition, run))


def accepts(spec: Specialization, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether all guards of a specialization hold for a call."""
    try:
        _check_call(spec, _Run(spec), args, kwargs)
    except _GuardError:
        return False
    return True


def names_hold(spec: Specialization) -> bool:
    """Whether globals and closure cells are those that the specialization was compiled for."""
    try:
        _check_names(spec.name_guards)
    except _GuardError:
        return False
    return True


def _is_exactly(obj: Any, cls: type) -> bool:
    return type(obj) is cls


def _check_names(guards: tuple[NameGuard, ...]) -> None:
    for guard in guards:
        if isinstance(guard, CellGuard):
            try:
                _require(guard.cell.cell_contents is guard.obj)
            except ValueError:
                _require(guard.obj is MISSING)
        else:
            _require(guard.namespace.get(guard.name, MISSING) is guard.obj)


class _Guards:
    """Checks guards and fills the slots of one call."""

    def __init__(self, run: _Run) -> None:
        self.run = run

    def check(self, guard: Guard, obj: Any, path: ArgPath) -> None:
        run = self.run
        run.objects[path] = obj
        match guard:
            case ArrayGuard():
                self._array(guard, obj)
            case FloatGuard(slot):
                _require(type(obj) is float)
                run.floats[slot] = obj
            case IntGuard(slot):
                _require(type(obj) is int and -(2**63) <= obj < 2**63)
                run.ints[slot] = obj
            case ComplexGuard(slot):
                _require(type(obj) is complex)
                run.floats[slot], run.floats[slot + 1] = obj.real, obj.imag
            case NumpyScalarGuard():
                self._numpy_scalar(guard, obj)
            case BoolGuard(value):
                _require(obj is value)
            case ObjectGuard(cls, slot):
                _require(type(obj) is cls)
                run.slots[slot] = id(obj)
            case NoneGuard():
                _require(obj is None)
            case IdentityGuard(expected):
                _require(obj is expected)
            case EqualGuard(expected):
                _require(static_equal(obj, expected))
            case _:
                self._container(guard, obj, path)

    def _array(self, guard: ArrayGuard, obj: Any) -> None:
        _require(type(obj) is np.ndarray)
        _require(obj.dtype == guard.dtype and obj.dtype.isnative and obj.ndim == len(guard.shape))
        _require(all(w in (None, n) for w, n in zip(guard.shape, obj.shape, strict=True)))
        strides = zip(guard.strides, obj.strides, strict=True)
        empty = guard.is_empty or any(obj.shape[axis] == 0 for axis in guard.open_dims)
        _require(empty or all(wanted in (None, stride) for wanted, stride in strides))
        _require(obj.flags.writeable or not guard.needs_writeable)
        _require(not (obj.flags.writeable and guard.read_only))
        _require(obj.flags.aligned or not guard.aligned)
        run = self.run
        run.slots[guard.slot] = obj.__array_interface__["data"][0]
        numbers = [obj.shape[axis] for axis in guard.open_dims]
        numbers += [obj.strides[axis] for axis in guard.open_strides]
        numbers += [prod(obj.shape[axis] for axis in axes) // divisor for axes, divisor in guard.products]
        for position, number in enumerate(numbers):
            run.ints[guard.slot + 1 + position] = number
        run.arrays[guard.slot] = (guard, obj)

    def _numpy_scalar(self, guard: NumpyScalarGuard, obj: Any) -> None:
        _require(type(obj) is guard.dtype.type)
        run, slot = self.run, guard.slot
        if guard.dtype.kind == "c":
            run.floats[slot], run.floats[slot + 1] = float(obj.real), float(obj.imag)
        elif guard.dtype.kind == "f":
            run.floats[slot] = float(obj)
        else:
            run.slots[slot] = int(obj) & (2**64 - 1)

    def _container(
        self, guard: TupleGuard | ListGuard | DictGuard | AttributesGuard, obj: Any, path: ArgPath
    ) -> None:
        pairs: list[tuple[int | str, Guard, Any]]
        match guard:
            case TupleGuard(items, cls):
                _require(_is_exactly(obj, cls) and len(obj) == len(items))
                pairs = [(i, item, obj[i]) for i, item in enumerate(items)]
            case ListGuard(items):
                _require(type(obj) is list and len(obj) == len(items))
                pairs = [(i, item, obj[i]) for i, item in enumerate(items)]
            case DictGuard(named):
                _require(type(obj) is dict and {*obj} == {key for key, _ in named})
                pairs = [(key, item, obj[key]) for key, item in named]
            case AttributesGuard(cls, named):
                _require(type(obj) is cls and all(hasattr(obj, key) for key, _ in named))
                pairs = [(key, item, getattr(obj, key)) for key, item in named]
        for step, inner, item in pairs:
            self.check(inner, item, (*path, step))


def _check_overlap(guard: OverlapGuard, run: _Run) -> None:
    first, second = run.ints[guard.first], run.ints[guard.second]
    if not isinstance(guard, Disjoint):
        _require(second - first == guard.delta)
        return
    arrays = [run.arrays[slot][1] for slot in (guard.first, guard.second)]
    if all(array.size for array in arrays):
        (low1, high1), (low2, high2) = (np.lib.array_utils.byte_bounds(array) for array in arrays)
        _require(high1 <= low2 or high2 <= low1)


def _holds(condition: Condition, run: _Run) -> bool:
    if any(run.ints[slot] == 0 for slot in condition.unless):
        return True
    value = condition.const + sum(factor * run.ints[slot] for slot, factor in condition.terms)
    return value == 0 if condition.kind == "eq" else value != 0 if condition.kind == "ne" else value >= 0


# --------------------------------------------------------------------------------------------- results


def _make_storages(spec: Specialization, run: _Run) -> None:
    for position, storage in enumerate(spec.storages):
        if storage.allocated_by == "kernel":
            continue
        if storage.allocated_by == "entry":
            numbers = [n for n in (*storage.shape, *storage.strides) if isinstance(n, int)]
            rank = len(storage.shape)
            owner = _owned(storage.dtype, tuple(numbers[:rank]), tuple(numbers[rank:]))
        else:
            owner = run.objects[storage.allocated_by]
        run.owners[position] = owner
        run.slots[storage.data_slot] = owner.__array_interface__["data"][0]


def _owned(dtype: np.dtype[Any], shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """A new array that owns its memory, laid out in the order of these strides."""
    order = sorted(range(len(shape)), key=lambda axis: -abs(strides[axis]))
    packed = np.empty([shape[axis] for axis in order], dtype)
    return np.empty_like(packed.transpose(np.argsort(order) if order else None), order="K", subok=False)


class _Results:
    """Builds the results of one call."""

    def __init__(self, spec: Specialization, run: _Run) -> None:
        self.spec = spec
        self.run = run

    def build(self, result: Result) -> Any:
        match result:
            case ArrayResult():
                return self._array(result)
            case ArgResult(path):
                return self.run.objects[path]
            case ConstResult(obj):
                return obj
            case ScalarResult():
                return self._scalar(result)
            case ResultTuple(items, cls):
                built = [self.build(item) for item in items]
                return tuple(built) if cls is tuple else cls(*built)
            case ResultList(items):
                return [self.build(item) for item in items]
            case ResultDict(items):
                return {key: self.build(item) for key, item in items}
            case ResultObject(cls, items):
                return cls(**{key: self.build(item) for key, item in items})

    def _number(self, extent: Extent) -> int:
        return int(self.run.ints[extent.index]) if isinstance(extent, Slot) else extent

    def _numbers(self, extents: tuple[Extent, ...]) -> tuple[int, ...]:
        return tuple(self._number(extent) for extent in extents)

    def _owner(self, position: int, storage: ResultStorage) -> np.ndarray[Any, Any]:
        """The array that owns a storage; a buffer of the kernel is copied into one of its shape, once."""
        owner = self.run.owners[position]
        if position not in self.run.buffers:
            return owner
        self.run.buffers.remove(position)
        shape, strides = self._numbers(storage.shape), self._numbers(storage.strides)
        made = _owned(storage.dtype, shape, strides)
        made[...] = np.ndarray(shape, storage.dtype, owner, 0, strides)
        self.run.owners[position] = made
        return made

    def _array(self, result: ArrayResult) -> np.ndarray[Any, Any]:
        storage = self.spec.storages[result.storage]
        owner = self._owner(result.storage, storage)
        if is_primary(result, storage):
            return owner
        view = _view(
            owner,
            result.dtype,
            self._numbers(result.shape),
            self._numbers(result.strides),
            self._number(result.offset),
        )
        if not result.writeable:
            view.flags.writeable = False
        return view

    def _scalar(self, result: ScalarResult) -> Any:
        run, slot, kind = self.run, result.slot, result.dtype.kind
        value: Any
        if kind == "c":
            value = complex(run.floats[slot], run.floats[slot + 1])
        elif kind == "f":
            value = run.floats[slot]
        elif kind == "b":
            value = bool(run.slots[slot])
        else:
            value = run.slots[slot] if kind == "u" else run.ints[slot]
        return value if result.python else result.dtype.type(value)


def _view(
    owner: np.ndarray[Any, Any],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> np.ndarray[Any, Any]:
    """A view of any bytes of the owner's memory, also in front of its data pointer. NumPy has no Python function
    for that which keeps the base as views of NumPy have it, so this calls its C API."""
    rank = len(shape)
    dims, steps = (ctypes.c_ssize_t * rank)(*shape), (ctypes.c_ssize_t * rank)(*strides)
    address = int(owner.__array_interface__["data"][0]) + offset
    flags = WRITEABLE if owner.flags.writeable else 0
    runtime = table.runtime_table()
    new_array = _NEW_ARRAY(runtime.get("PyArray_NewFromDescr"))
    set_base = _SET_BASE(runtime.get("PyArray_SetBaseObject"))
    _steal(dtype)
    view = new_array(id(np.ndarray), id(dtype), rank, dims, steps, address, flags, None)
    _steal(owner)
    set_base(view, id(owner))
    return view


def _steal(obj: object) -> None:
    """One more reference, for a function that takes it over."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(obj))
