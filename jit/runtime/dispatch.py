"""The callable object whose calls go straight into native code.

`NativeCallable` is a tiny type made through the C API: behind the object header it has a vectorcall pointer and three
words for the native dispatcher (`support.py`): the published table of specializations, the index of the last hit,
the number of running calls. An ordinary Python class derives from it, after which `activate_vectorcall` turns
the class's vectorcall flag on (CPython itself does not inherit it before 3.12).

As long as the vectorcall pointer is null, CPython calls `__call__` of the class instead: that is the slow path,
and all there is before the first compilation and where native entries cannot be used.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from pydsl import knobs
from pydsl.jit.runtime import support, table
from pydsl.jit.runtime.layout import TYPE_HAS_VECTORCALL, TYPE_IS_METHOD_DESCRIPTOR, native_layout

_READ_ONLY = 1
_PY_SSIZE_T = 19
_SLOT_CALL, _SLOT_MEMBERS, _SLOT_DOC = 50, 72, 56
_FLAG_DEFAULT = 1 << 18
_FLAG_BASE_TYPE = 1 << 10

_keep: list[Any] = []
_OVERRIDES = knobs._overrides  # the one place that needs the variable itself

MISS_METHOD = sys.intern("_call_slowly")


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _TypeSpec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    ]


def _make_base() -> type:
    layout = native_layout()
    if layout is None:
        return _plain_base()
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _PY_SSIZE_T, layout.header, _READ_ONLY, None))
    call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p)
    slots = (_Slot * 3)(
        _Slot(_SLOT_CALL, call), _Slot(_SLOT_MEMBERS, ctypes.cast(members, ctypes.c_void_p)), _Slot(0, None)
    )
    spec = _TypeSpec(
        b"pydsl.jit.runtime.dispatch.NativeCallable",
        layout.header + 8 * support.OBJECT_WORDS,
        0,
        _FLAG_DEFAULT | _FLAG_BASE_TYPE | TYPE_HAS_VECTORCALL,
        ctypes.cast(slots, ctypes.c_void_p),
    )
    prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)
    from_spec = prototype(("PyType_FromSpec", ctypes.pythonapi))
    made: type = from_spec(ctypes.addressof(spec))
    _keep.append((members, slots, spec))  # the type's name and members point into these
    return made


def _plain_base() -> type:
    """For interpreters whose layout is unknown: no native words, every call takes the slow path."""
    return type("NativeCallable", (), {"__slots__": ()})


if TYPE_CHECKING:

    class NativeCallable:
        """See the module's text."""

else:
    NativeCallable = _make_base()


def activate_vectorcall(cls: type) -> None:
    """Let calls of the instances of `cls`, a direct subclass of `NativeCallable`, use their vectorcall pointer;
    and let `instance.method(...)` skip the bound method, as it does for functions."""
    layout = native_layout()
    if layout is None:
        return
    word = ctypes.c_uint64.from_address(id(cls) + layout.type_flags)
    word.value |= TYPE_HAS_VECTORCALL | TYPE_IS_METHOD_DESCRIPTOR
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))


class Published:
    """An immutable table of (entry address, specialization table address) pairs, most wanted first. It holds for the
    knobs in force where it was made: elsewhere (inside or outside of a `knobs.scope`) calls miss it. Only the first
    `exact` pairs (all if not given) may be tried before the others after they have answered a call."""

    def __init__(self, pairs: list[tuple[int, int]], exact: int | None = None) -> None:
        self._context = _OVERRIDES.get()
        words = [
            len(pairs),
            table.runtime_table().address,
            id(MISS_METHOD),
            id(_OVERRIDES),
            id(self._context),
            len(pairs) if exact is None else exact,
        ]
        for entry, spec_table in pairs:
            words += [entry, spec_table]
        self._memory = (ctypes.c_uint64 * len(words))(*words)
        self.address = ctypes.addressof(self._memory)

    def is_for_current_context(self) -> bool:
        return _OVERRIDES.get() is self._context


def publish(function: int, published: Published) -> None:
    """Make these specializations the ones that calls of `function` (the address of a `NativeCallable`) try. The caller
    keeps `published` alive."""
    dispatcher = ensure_support()
    _object_word(function, support.OBJECT_TABLE).value = published.address
    _object_word(function, support.OBJECT_HINT).value = 0
    _object_word(function, 0).value = dispatcher


def last_hit(function: int) -> int | None:
    """The index of the published specialization that answered last; None where there is no native dispatch."""
    if native_layout() is None:
        return None
    return int(_object_word(function, support.OBJECT_HINT).value)


def running_calls(function: int) -> int:
    """The number of calls that are inside specializations of `function`."""
    if native_layout() is None:
        return 0
    return int(_object_word(function, support.OBJECT_ACTIVE).value)


def _object_word(function: int, offset: int) -> ctypes.c_int64:
    layout = native_layout()
    assert layout is not None
    return ctypes.c_int64.from_address(function + layout.header + offset)


_CREATION = threading.Lock()


def ensure_support() -> int:
    """Fill the runtime's own entries of the runtime table; answers the address of the dispatcher."""
    with _CREATION:
        return _load_dispatcher()


@functools.cache
def _load_dispatcher() -> int:
    """Compile the support module, put its functions into the runtime table: the dispatcher's address."""
    from pydsl.jit.runtime import loader  # noqa: PLC0415 - brings LLVM, which decorating must not

    layout = native_layout()
    assert layout is not None
    code = loader.load(support.support_ir(layout), level=0)
    _keep.append(code)
    for entry, name in support.FUNCTIONS.items():
        table.provide(entry, code.address(name))
    return code.address(support.DISPATCH)
