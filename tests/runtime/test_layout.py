"""The layout of objects is recognised on CPython, and the runtime table is complete."""

from __future__ import annotations

import ctypes
import dataclasses
import sys

import pytest

from pydsl.jit.runtime import dispatch, loader, table
from pydsl.jit.runtime.layout import native_layout
from pydsl.jit.runtime.support import support_ir

CPYTHON = sys.implementation.name == "cpython" and ctypes.sizeof(ctypes.c_void_p) == 8


@pytest.mark.skipif(not CPYTHON, reason="native entries are for 64-bit CPython")
def test_this_interpreter_is_recognised() -> None:
    layout = native_layout()
    assert layout is not None
    if sys.version_info < (3, 14) and not layout.free_threaded:
        assert layout.dict_version is not None


def test_table_entries() -> None:
    assert len(set(table.ENTRIES)) == len(table.ENTRIES) <= table.CAPACITY
    dispatch.ensure_support()
    runtime = table.runtime_table()
    from_backends = table.ENTRIES[table.index("parallel_for") :]
    for name in table.ENTRIES:
        assert name in from_backends or runtime.get(name), name


def test_provided_entries_are_found() -> None:
    runtime = table.RuntimeTable()
    assert runtime.get("cblas_zgemm") == 0
    runtime.provide("cblas_zgemm", 1234)
    assert runtime.get("cblas_zgemm") == 1234
    assert ctypes.c_uint64.from_address(runtime.address + 8 * table.index("cblas_zgemm")).value == 1234


def test_support_code_for_free_threading_is_valid() -> None:
    layout = native_layout()
    assert layout is not None
    text = support_ir(dataclasses.replace(layout, free_threaded=True, dict_version=None))
    assert "atomicrmw" in text
    loader.load(text, level=0)
