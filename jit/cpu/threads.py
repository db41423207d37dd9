"""Threads of compiled code: libgomp, entered through the runtime table.

    install()             fills the table; idempotent, called before code with parallel loops is loaded
    thread_count()        how many threads a parallel loop may use: at least 1, and 1 where there is no parallel runtime
    set_threads(n)        changes it

A forked child has none of the pool's threads, and libgomp would wait for them for ever: there the entry is taken out of
the table, and loops run on the calling thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import threading

from pydsl import knobs
from pydsl.jit.runtime import table

_CANDIDATES = ("libgomp.so.1", "libgomp.dylib")
_BUSY, _THREADS = 0, 1
_LOCK = threading.Lock()


@functools.cache
def _state() -> ctypes.Array[ctypes.c_int64]:
    """What the table's entry "parallel" points to: whether a loop is running in parallel, and the number of threads."""
    return (ctypes.c_int64 * 2)(0, knobs.NUM_THREADS.get())


@functools.cache
def _library() -> ctypes.CDLL | None:
    for name in (*_CANDIDATES, ctypes.util.find_library("gomp")):
        if name:
            try:
                return ctypes.CDLL(name)
            except OSError:
                continue
    return None


@functools.cache
def install() -> bool:
    """Fill the entries of the runtime table for parallel loops. Answers whether there is a parallel runtime."""
    state = _state()
    table.provide("parallel", ctypes.addressof(state), state)
    library = _library()
    if library is None:
        return False
    address = ctypes.cast(library.GOMP_parallel, ctypes.c_void_p).value
    table.provide("GOMP_parallel", address or 0, library)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)
    return True


def _after_fork() -> None:
    table.provide("GOMP_parallel", 0)
    _state()[_BUSY] = 0


def thread_count() -> int:
    """How many threads a parallel loop may use."""
    return knobs.NUM_THREADS.get() if _library() is not None else 1


def set_threads(count: int) -> None:
    """How many threads parallel loops use from now on."""
    with _LOCK:
        _state()[_THREADS] = max(1, count)
