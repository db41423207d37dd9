"""The second half of a native entry: result storages before the kernel, result objects after it.

Every object made on the way sits in a word of `%made`, which starts as null, so that one cold loop can drop
whatever exists when something fails. A result that is finished moves out of its word. The first words belong
to the storages (at the end of the slots, where the allocation callback puts them, too).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.jit.runtime.abi import (
    ArgPath,
    ArgResult,
    ArrayResult,
    ConstResult,
    Extent,
    Result,
    ResultDict,
    ResultList,
    ResultObject,
    ResultStorage,
    ResultTuple,
    ScalarResult,
    Slot,
    Specialization,
)
from pydsl.jit.runtime.irtext import Code
from pydsl.jit.runtime.layout import WRITEABLE, Layout
from pydsl.jit.runtime.spectable import SpecTable

FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Made:
    """A new reference in a word of the slots that the result being built still owns."""

    word: int
    pointer: str


class ResultWriter:
    """Writes allocation and results of one specialization. `objects` are the argument objects by path."""

    def __init__(
        self, code: Code, layout: Layout, objects: SpecTable, spec: Specialization, paths: dict[ArgPath, str]
    ) -> None:
        self.code = code
        self.layout = layout
        self.table = objects
        self.spec = spec
        self.paths = paths
        self.words = len(spec.storages)

    def _word(self, position: int) -> str:
        """A pointer to the word of an object that has been made."""
        return self.code.at("%slots", 8 * (self.spec.n_slots + position))

    def _keep(self, pointer: str) -> Made:
        """Check a new reference and remember it until it moves on."""
        self.code.require_not_null(pointer, FAIL)
        made = Made(self.words, pointer)
        self.words += 1
        self.code.do(f"store ptr {pointer}, ptr {self._word(made.word)}")
        return made

    def _move(self, made: Made) -> str:
        """Give the reference away."""
        self.code.do(f"store ptr null, ptr {self._word(made.word)}")
        return made.pointer

    # storages -----------------------------------------------------------------------------------------

    def allocate(self) -> None:
        """Make the storages that the entry allocates, and pass on the data pointers of arguments."""
        for position, storage in enumerate(self.spec.storages):
            if storage.allocated_by == "entry":
                self._allocate(position, storage)
            elif storage.allocated_by != "kernel":
                owner = self.paths[storage.allocated_by]
                data = self.code.load("ptr", owner, self.layout.array_data)
                self.code.store("ptr", data, "%slots", 8 * storage.data_slot)

    def _allocate(self, position: int, storage: ResultStorage) -> None:
        shape, strides = _static(storage.shape), _static(storage.strides)
        packed = strides == _packed_strides(shape, storage.dtype.itemsize)
        array = self._new_array(
            storage.dtype,
            self.code.constant_words(shape),
            "null" if packed else self.code.constant_words(strides),
            len(shape),
            "null",
            "0",
        )
        self.code.require_not_null(array, FAIL)
        self.code.do(f"store ptr {array}, ptr {self._word(position)}")
        data = self.code.load("ptr", array, self.layout.array_data)
        self.code.store("ptr", data, "%slots", 8 * storage.data_slot)

    def _new_array(
        self, dtype: np.dtype[np.generic], dims: str, strides: str, rank: int, data: str, flags: str
    ) -> str:
        code = self.code
        descr = code.object(self.table.object(dtype))
        code.run("Py_IncRef", f"ptr {descr}")
        ndarray = code.runtime("ndarray")
        return code.call(
            "ptr",
            "PyArray_NewFromDescr",
            f"ptr {ndarray}",
            f"ptr {descr}",
            f"i32 {rank}",
            f"ptr {dims}",
            f"ptr {strides}",
            f"ptr {data}",
            f"i32 {flags}",
            "ptr null",
        )

    # one return site ----------------------------------------------------------------------------------

    def site(self, result: Result) -> str:
        """Build the result of a return site: the name of a new reference."""
        for position in sorted(_used_storages(result)):
            if self.spec.storages[position].allocated_by == "kernel":
                self._finish(position)
        made = self._build(result)
        pointer = self._move(made)
        for position, storage in enumerate(self.spec.storages):
            if storage.allocated_by in ("entry", "kernel"):
                self._drop(position)
        return pointer

    def _drop(self, position: int) -> None:
        code = self.code
        obj = code.op(f"load ptr, ptr {self._word(position)}")
        code.run("Py_DecRef", f"ptr {obj}")

    def _finish(self, position: int) -> None:
        """Give a buffer that the kernel asked for the shape and strides of its primary array."""
        code, storage = self.code, self.spec.storages[position]
        owner = code.op(f"load ptr, ptr {self._word(position)}")
        dims, strides = self._extents(storage.shape), self._extents(storage.strides)
        rank, size = len(storage.shape), storage.dtype.itemsize
        code.run(
            "finish",
            "ptr %rt",
            f"ptr {owner}",
            f"i64 {rank}",
            f"i64 {size}",
            f"ptr {dims}",
            f"ptr {strides}",
        )

    def _extents(self, extents: tuple[Extent, ...]) -> str:
        """A pointer to these numbers: constants, or words filled from the slots."""
        if not any(isinstance(extent, Slot) for extent in extents):
            return self.code.constant_words(_static(extents))
        code = self.code
        name = f"%{code.fresh('extents')}"
        code.prologue.append(f"  {name} = alloca [{len(extents)} x i64]")
        for axis, extent in enumerate(extents):
            code.store("i64", self._number(extent), name, 8 * axis)
        return name

    def _number(self, extent: Extent) -> str:
        if isinstance(extent, Slot):
            return self.code.load("i64", "%slots", 8 * extent.index)
        return str(extent)

    # results ------------------------------------------------------------------------------------------

    def _build(self, result: Result) -> Made:
        match result:
            case ArrayResult():
                return self._array(result)
            case ArgResult(path):
                return self._shared(self.paths[path])
            case ConstResult(obj):
                return self._shared(self.code.object(self.table.object(obj)))
            case ScalarResult():
                return self._scalar(result)
            case ResultTuple(items, cls):
                made = [self._build(item) for item in items]
                return self._tuple(made) if cls is tuple else self._instance(cls, made)
            case ResultList(items):
                return self._list([self._build(item) for item in items])
            case ResultDict(items):
                return self._dict([(key, self._build(item)) for key, item in items])
            case ResultObject(cls, items):
                return self._instance_by_name(cls, [(key, self._build(item)) for key, item in items])

    def _shared(self, pointer: str) -> Made:
        self.code.run("Py_IncRef", f"ptr {pointer}")
        return self._keep(pointer)

    def _array(self, result: ArrayResult) -> Made:
        storage = self.spec.storages[result.storage]
        if storage.allocated_by in ("entry", "kernel"):
            owner = self.code.op(f"load ptr, ptr {self._word(result.storage)}")
            if is_primary(result, storage):
                return self._shared(owner)
        else:
            assert isinstance(storage.allocated_by, tuple)
            owner = self.paths[storage.allocated_by]
        return self._view(result, owner)

    def _view(self, result: ArrayResult, owner: str) -> Made:
        code = self.code
        flags = "0"
        if result.writeable:
            flags = code.op(f"and i32 {code.load('i32', owner, self.layout.array_flags)}, {WRITEABLE}")
        data = code.load("ptr", owner, self.layout.array_data)
        start = code.op(f"getelementptr i8, ptr {data}, i64 {self._number(result.offset)}")
        dims, strides = self._extents(result.shape), self._extents(result.strides)
        view = self._keep(self._new_array(result.dtype, dims, strides, len(result.shape), start, flags))
        code.run("Py_IncRef", f"ptr {owner}")
        status = code.call("i32", "PyArray_SetBaseObject", f"ptr {view.pointer}", f"ptr {owner}")
        code.require(code.op(f"icmp eq i32 {status}, 0"), FAIL)
        return view

    def _scalar(self, result: ScalarResult) -> Made:
        code, kind = self.code, result.dtype.kind
        if result.python:
            return self._python_scalar(result)
        size, slot = result.dtype.itemsize, result.slot
        if kind in "biu":
            value = code.load("i64", "%slots", 8 * slot)
            narrow = value if size == 8 else code.op(f"trunc i64 {value} to i{8 * size}")
            code.store(f"i{8 * size}", narrow, "%scalar")
        else:
            parts = 2 if kind == "c" else 1
            for part in range(parts):
                value = code.load("double", "%slots", 8 * (slot + part))
                width = size // parts
                name = "double"
                if width < 8:
                    value, name = code.op(f"fptrunc double {value} to float"), "float"
                if width < 4:
                    value, name = code.op(f"fptrunc float {value} to half"), "half"
                code.store(name, value, "%scalar", part * width)
        descr = code.object(self.table.object(result.dtype))
        return self._keep(code.call("ptr", "PyArray_Scalar", "ptr %scalar", f"ptr {descr}", "ptr null"))

    def _python_scalar(self, result: ScalarResult) -> Made:
        code, kind, where = self.code, result.dtype.kind, 8 * result.slot
        if kind == "c":
            parts = [f"double {code.load('double', '%slots', where + 8 * part)}" for part in (0, 1)]
            return self._keep(code.call("ptr", "PyComplex_FromDoubles", *parts))
        if kind == "f":
            value = code.load("double", "%slots", where)
            return self._keep(code.call("ptr", "PyFloat_FromDouble", f"double {value}"))
        maker = {"b": "PyBool_FromLong", "u": "PyLong_FromUnsignedLongLong", "i": "PyLong_FromLongLong"}[kind]
        return self._keep(code.call("ptr", maker, f"i64 {code.load('i64', '%slots', where)}"))

    # containers ---------------------------------------------------------------------------------------

    def _tuple(self, items: list[Made]) -> Made:
        code = self.code
        made = self._keep(code.call("ptr", "PyTuple_New", f"i64 {len(items)}"))
        for position, item in enumerate(items):
            pointer = self._move(item)
            code.call("i32", "PyTuple_SetItem", f"ptr {made.pointer}", f"i64 {position}", f"ptr {pointer}")
        return made

    def _list(self, items: list[Made]) -> Made:
        code = self.code
        made = self._keep(code.call("ptr", "PyList_New", f"i64 {len(items)}"))
        for position, item in enumerate(items):
            pointer = self._move(item)
            code.call("i32", "PyList_SetItem", f"ptr {made.pointer}", f"i64 {position}", f"ptr {pointer}")
        return made

    def _dict(self, items: list[tuple[str, Made]]) -> Made:
        code = self.code
        made = self._keep(code.call("ptr", "PyDict_New"))
        for key, item in items:
            name = code.object(self.table.object(key))
            status = code.call(
                "i32", "PyDict_SetItem", f"ptr {made.pointer}", f"ptr {name}", f"ptr {item.pointer}"
            )
            code.require(code.op(f"icmp eq i32 {status}, 0"), FAIL)
            code.run("Py_DecRef", f"ptr {self._move(item)}")
        return made

    def _instance(self, cls: Callable[..., Any], items: list[Made]) -> Made:
        """`cls(*items)`."""
        code = self.code
        name = f"%{code.fresh('arguments')}"
        code.prologue.append(f"  {name} = alloca [{max(1, len(items))} x ptr]")
        for position, item in enumerate(items):
            code.store("ptr", item.pointer, name, 8 * position)
        made = self._call(cls, name, len(items), "null")
        for item in items:
            code.run("Py_DecRef", f"ptr {self._move(item)}")
        return made

    def _instance_by_name(self, cls: type, items: list[tuple[str, Made]]) -> Made:
        """`cls(**items)`."""
        keywords = self._dict(items)
        made = self._call(cls, "null", 0, keywords.pointer)
        self.code.run("Py_DecRef", f"ptr {self._move(keywords)}")
        return made

    def _call(self, cls: Callable[..., Any], arguments: str, count: int, keywords: str) -> Made:
        code = self.code
        target = code.object(self.table.object(cls))
        passed = (f"ptr {target}", f"ptr {arguments}", f"i64 {count}", f"ptr {keywords}")
        return self._keep(code.call("ptr", "PyObject_VectorcallDict", *passed))


def is_primary(result: ArrayResult, storage: ResultStorage) -> bool:
    """Whether this result is the very array that owns the storage."""
    return (
        storage.allocated_by in ("entry", "kernel")
        and result.writeable
        and result.offset == 0
        and (result.dtype, result.shape, result.strides) == (storage.dtype, storage.shape, storage.strides)
    )


def _packed_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides in C order, for arrays with elements."""
    strides = [itemsize]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides[: len(shape)]))


def _static(extents: tuple[Extent, ...]) -> tuple[int, ...]:
    return tuple(extent for extent in extents if isinstance(extent, int))


def _used_storages(result: Result) -> set[int]:
    match result:
        case ArrayResult():
            return {result.storage}
        case ResultTuple(items) | ResultList(items):
            return set().union(*(_used_storages(item) for item in items))
        case ResultDict(items) | ResultObject(_, items):
            return set().union(*(_used_storages(item) for _, item in items))
        case _:
            return set()
