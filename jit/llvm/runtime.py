"""Calls from compiled code into the runtime, all through the runtime table, and memory owned by the kernel.

A block of memory has a header of 64 bytes in front of its data: the number of references to it, and its size. Large
blocks ask for huge pages, as NumPy's do.

An arena is taken from one of two places in the runtime table where the last calls left theirs, and put back there: its
pages are touched for the first time once in a process, not once in a call.
"""

from __future__ import annotations

from pydsl.jit.llvm.text import FunctionText, ModuleText
from pydsl.jit.runtime.table import index

HEADER = 64

_LARGE = 4 << 20
_HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE = 14
_LARGEST_KEPT = 64 << 20
_ARENAS = ("arena_0", "arena_1")
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
  %large = icmp uge i64 %nbytes, {_LARGE}
  %alignment = select i1 %large, i64 {_HUGE_PAGE}, i64 {HEADER}
  %padded = add i64 %nbytes, {2 * HEADER - 1}
  %size = and i64 %padded, {-HEADER}
  %block = call ptr %f(i64 %alignment, i64 %size)
  %failed = icmp eq ptr %block, null
  br i1 %failed, label %none, label %some
none:
  ret ptr null
some:
  br i1 %large, label %huge, label %fine
huge:
  %mp = getelementptr inbounds ptr, ptr %rt, i64 {index("madvise")}
  %madvise = load ptr, ptr %mp
  %available = icmp ne ptr %madvise, null
  br i1 %available, label %advise, label %fine
advise:
  %done = call i32 %madvise(ptr %block, i64 %size, i32 {_MADV_HUGEPAGE})
  br label %fine
fine:
  store i64 1, ptr %block
  %sizep = getelementptr inbounds i64, ptr %block, i64 1
  store i64 %nbytes, ptr %sizep
  %data = getelementptr inbounds i8, ptr %block, i64 {HEADER}
  ret ptr %data
}}"""


def _take_arena_text() -> str:
    return f"""define internal ptr @pydsl.take_arena(ptr %rt, i64 %nbytes) nounwind noinline {{
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %next, %dropped ], [ %next, %missing ]
  %more = icmp ult i64 %i, {len(_ARENAS)}
  br i1 %more, label %try, label %new
try:
  %next = add i64 %i, 1
  %at = add i64 %i, {index(_ARENAS[0])}
  %place = getelementptr inbounds ptr, ptr %rt, i64 %at
  %data = atomicrmw xchg ptr %place, ptr null acquire
  %none = icmp eq ptr %data, null
  br i1 %none, label %missing, label %found
missing:
  br label %look
found:
  %sizep = getelementptr inbounds i8, ptr %data, i64 {8 - HEADER}
  %size = load i64, ptr %sizep
  %fits = icmp uge i64 %size, %nbytes
  br i1 %fits, label %take, label %small
take:
  ret ptr %data
small:
  call void @pydsl.release(ptr %rt, ptr %data)
  br label %dropped
dropped:
  br label %look
new:
  %fresh = call ptr @pydsl.allocate(ptr %rt, i64 %nbytes)
  ret ptr %fresh
}}"""


def _give_arena_text() -> str:
    return f"""define internal void @pydsl.give_arena(ptr %rt, ptr %data) nounwind noinline {{
entry:
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %sizep = getelementptr inbounds i8, ptr %data, i64 {8 - HEADER}
  %size = load i64, ptr %sizep
  %keep = icmp ule i64 %size, {_LARGEST_KEPT}
  br i1 %keep, label %first, label %free
first:
  %place0 = getelementptr inbounds ptr, ptr %rt, i64 {index(_ARENAS[0])}
  %swap0 = cmpxchg ptr %place0, ptr null, ptr %data release monotonic
  %ok0 = extractvalue {{ ptr, i1 }} %swap0, 1
  br i1 %ok0, label %done, label %second
second:
  %place1 = getelementptr inbounds ptr, ptr %rt, i64 {index(_ARENAS[1])}
  %swap1 = cmpxchg ptr %place1, ptr null, ptr %data release monotonic
  %ok1 = extractvalue {{ ptr, i1 }} %swap1, 1
  br i1 %ok1, label %done, label %free
free:
  call void @pydsl.release(ptr %rt, ptr %data)
  br label %done
done:
  ret void
}}"""


def release_text() -> str:
    """The function `pydsl.release`."""
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
    function = b.module.helper("pydsl.release", release_text)
    b.do(f"call void {function}(ptr {rt}, ptr {data})")


def take_arena(b: FunctionText, rt: str, nbytes: str) -> str:
    """A block of at least so many bytes, or null."""
    b.module.helper("pydsl.allocate", _allocate_text)
    b.module.helper("pydsl.release", release_text)
    function = b.module.helper("pydsl.take_arena", _take_arena_text)
    return b.op(f"call ptr {function}(ptr {rt}, i64 {nbytes})")


def give_arena(b: FunctionText, rt: str, data: str) -> None:
    """Put an arena back for the next call; null is none."""
    b.module.helper("pydsl.release", release_text)
    function = b.module.helper("pydsl.give_arena", _give_arena_text)
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
