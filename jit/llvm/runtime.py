"""Calls from compiled code into the runtime, all through the runtime table, and memory owned by the kernel.

A block of memory has a header of 64 bytes in front of its data, whose first word counts the references to it.
"""

from __future__ import annotations

from pydsl.jit.llvm.text import FunctionText, ModuleText
from pydsl.jit.runtime.table import index

HEADER = 64
STATE_SLOT = -2
"""The slot with the saved thread state, null while the lock of the interpreter is held."""


def table_entry(b: FunctionText, rt: str, name: str) -> str:
    """The pointer stored in the runtime table under a name."""
    return b.op(f"load ptr, ptr {b.op(f'getelementptr inbounds ptr, ptr {rt}, i64 {index(name)}')}")


def _allocate_text() -> str:
    return f"""define internal ptr @pydsl.allocate(ptr %rt, i64 %nbytes) nounwind noinline {{
entry:
  %fp = getelementptr inbounds ptr, ptr %rt, i64 {index("aligned_alloc")}
  %f = load ptr, ptr %fp
  %padded = add i64 %nbytes, {2 * HEADER - 1}
  %size = and i64 %padded, {-HEADER}
  %block = call ptr %f(i64 {HEADER}, i64 %size)
  %failed = icmp eq ptr %block, null
  br i1 %failed, label %none, label %fine
none:
  ret ptr null
fine:
  store i64 1, ptr %block
  %data = getelementptr inbounds i8, ptr %block, i64 {HEADER}
  ret ptr %data
}}"""


def _release_text() -> str:
    return f"""define internal void @pydsl.release(ptr %rt, ptr %data) nounwind noinline {{
entry:
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %count
count:
  %block = getelementptr inbounds i8, ptr %data, i64 {-HEADER}
  %had = load i64, ptr %block
  %left = sub i64 %had, 1
  store i64 %left, ptr %block
  %last = icmp eq i64 %left, 0
  br i1 %last, label %free, label %done
free:
  %fp = getelementptr inbounds ptr, ptr %rt, i64 {index("free")}
  %f = load ptr, ptr %fp
  call void %f(ptr %block)
  br label %done
done:
  ret void
}}"""


def _retain_text() -> str:
    return f"""define internal void @pydsl.retain(ptr %data) nounwind {{
entry:
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %count
count:
  %block = getelementptr inbounds i8, ptr %data, i64 {-HEADER}
  %had = load i64, ptr %block
  %more = add i64 %had, 1
  store i64 %more, ptr %block
  br label %done
done:
  ret void
}}"""


def _no_memory_text() -> str:
    return f"""define internal void @pydsl.no_memory(ptr %rt, ptr %slots) nounwind noinline cold {{
entry:
  %statep = getelementptr inbounds i64, ptr %slots, i64 {STATE_SLOT}
  %state = load ptr, ptr %statep
  %released = icmp ne ptr %state, null
  br i1 %released, label %take, label %set
take:
  %restorep = getelementptr inbounds ptr, ptr %rt, i64 {index("PyEval_RestoreThread")}
  %restore = load ptr, ptr %restorep
  call void %restore(ptr %state)
  br label %set
set:
  %errorp = getelementptr inbounds ptr, ptr %rt, i64 {index("PyErr_NoMemory")}
  %error = load ptr, ptr %errorp
  call ptr %error()
  br i1 %released, label %give, label %done
give:
  %savep = getelementptr inbounds ptr, ptr %rt, i64 {index("PyEval_SaveThread")}
  %save = load ptr, ptr %savep
  %new = call ptr %save()
  store ptr %new, ptr %statep
  br label %done
done:
  ret void
}}"""


def allocate(b: FunctionText, rt: str, nbytes: str) -> str:
    """A new block with one reference, or null: the address of its data, 64-byte aligned."""
    function = b.module.helper("pydsl.allocate", _allocate_text)
    return b.op(f"call ptr {function}(ptr {rt}, i64 {nbytes})")


def release(b: FunctionText, rt: str, data: str) -> None:
    """Give up a reference to a block; null is none."""
    function = b.module.helper("pydsl.release", _release_text)
    b.do(f"call void {function}(ptr {rt}, ptr {data})")


def retain(b: FunctionText, data: str) -> None:
    """Take another reference to a block; null is none."""
    function = b.module.helper("pydsl.retain", _retain_text)
    b.do(f"call void {function}(ptr {data})")


def no_memory(b: FunctionText, rt: str, slots: str) -> None:
    """Set MemoryError, taking the interpreter's lock for it where it was given up."""
    function = b.module.helper("pydsl.no_memory", _no_memory_text)
    b.do(f"call void {function}(ptr {rt}, ptr {slots})")


def copy(module: ModuleText, b: FunctionText, target: str, source: str, nbytes: str) -> None:
    """Copy bytes that may overlap."""
    function = module.declare("llvm.memmove.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1 immarg"])
    b.do(f"call void {function}(ptr {target}, ptr {source}, i64 {nbytes}, i1 false)")
