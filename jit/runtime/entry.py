"""The native entry of a specialization, as LLVM IR text: a module of its own beside the kernel's.

    ptr @pydsl_entry(ptr %spec, ptr %args, i64 %nargs, ptr %kwnames)

Checks the guards, fills the slots, makes the result storages, runs the kernel (through the table) and builds the
results. It is compiled without optimisation, which takes a tenth of the time and costs a call 4 ns; inlining the kernel
gains nothing more. Answers a new reference, null with an exception set, or
the pointer value 1: a guard did not hold and nothing has happened.

Behind the slots lie the words of objects made on the way (storages first).
"""

from __future__ import annotations

from pydsl.jit.runtime.abi import HEADER_WORDS, RETURN_EXCEPTION_SET, STATE_SLOT, TABLE_SLOT, Specialization
from pydsl.jit.runtime.entry_guards import MISS, GuardWriter
from pydsl.jit.runtime.entry_results import FAIL, ResultWriter
from pydsl.jit.runtime.irtext import Code
from pydsl.jit.runtime.layout import Layout
from pydsl.jit.runtime.spectable import KERNEL, SpecTable
from pydsl.jit.runtime.table import index

ENTRY_NAME = "pydsl_entry"
MISS_VALUE = 1

_HELPERS = f"""
define internal void @pydsl.entry.drop(ptr %rt, ptr %words, i64 %count) noinline {{
start:
  %where = getelementptr i8, ptr %rt, i64 {8 * index("Py_DecRef")}
  %release = load ptr, ptr %where
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %exit
body:
  %word = getelementptr ptr, ptr %words, i64 %i
  %obj = load ptr, ptr %word
  call void %release(ptr %obj)
  %next = add i64 %i, 1
  br label %loop
exit:
  ret void
}}

define internal void @pydsl.entry.clear(ptr %words, i64 %count) {{
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %exit
body:
  %word = getelementptr i64, ptr %words, i64 %i
  store i64 0, ptr %word
  %next = add i64 %i, 1
  br label %loop
exit:
  ret void
}}
"""


def write_entry(spec: Specialization, layout: Layout, objects: SpecTable) -> str:
    """Write the entry of a specialization; `objects` gets the pointers that it needs."""
    code = Code()
    guards = GuardWriter(code, layout, objects, "%slots")
    holds: list[str] = []

    def hold(pointer: str) -> None:
        code.do(f"store ptr {pointer}, ptr {code.at('%holds', 8 * len(holds))}")
        holds.append(pointer)

    guards.hold = hold
    guards.write(spec)
    results = ResultWriter(code, layout, objects, spec, guards.objects)
    results.allocate()
    _run_kernel(code, spec)
    _return_sites(code, spec, results, len(holds))
    _failure_exits(code, spec, results.words, len(holds))
    body = [*_prologue(spec, results.words, len(holds)), *code.prologue, *code.lines]
    head = f"define ptr @{ENTRY_NAME}(ptr %spec, ptr %args, i64 %nargs, ptr %kwnames) {{"
    return "\n".join([_HELPERS, *code.constants, head, *body, "}", ""])


def _prologue(spec: Specialization, words: int, n_holds: int) -> list[str]:
    """Stack memory. All of it starts as zero, except the argument slots, which the guards fill."""
    total = HEADER_WORDS + spec.n_slots + words
    first = HEADER_WORDS + spec.n_argument_slots
    lines = [
        "entry:",
        "  %pair = alloca [2 x ptr]",
        "  %scalar = alloca [2 x i64], align 16",
        "  %overflow = alloca i32",
        f"  %frame = alloca [{total} x i64], align 16",
        f"  %slots = getelementptr i64, ptr %frame, i64 {HEADER_WORDS}",
        f"  %behind = getelementptr i64, ptr %frame, i64 {first}",
        *_clear("%behind", total - first, "frame"),
        f"  %stateslot = getelementptr i64, ptr %slots, i64 {STATE_SLOT}",
        "  store ptr null, ptr %stateslot",
        f"  %specslot = getelementptr i64, ptr %slots, i64 {TABLE_SLOT}",
        "  store ptr %spec, ptr %specslot",
        "  %rt = load ptr, ptr %spec",
    ]
    if n_holds:
        lines[4:4] = [f"  %holds = alloca [{n_holds} x i64], align 16"]
        lines += _clear("%holds", n_holds, "holds")
    return lines


def _clear(memory: str, words: int, name: str) -> list[str]:
    """Store zeros, written out while they are few."""
    if words > 64:
        return [f"  call void @pydsl.entry.clear(ptr {memory}, i64 {words})"]
    lines = []
    for position in range(words):
        lines.append(f"  %{name}.{position} = getelementptr i64, ptr {memory}, i64 {position}")
        lines.append(f"  store i64 0, ptr %{name}.{position}")
    return lines


def _run_kernel(code: Code, spec: Specialization) -> None:
    if spec.release_gil:
        state = code.call("ptr", "PyEval_SaveThread")
        code.store("ptr", state, "%slots", 8 * STATE_SLOT)
    kernel = code.object(KERNEL)
    code.do(f"%status = call i64 {kernel}(ptr %rt, ptr %slots)")
    if spec.release_gil:
        code.run("PyEval_RestoreThread", f"ptr {code.load('ptr', '%slots', 8 * STATE_SLOT)}")


def _return_sites(code: Code, spec: Specialization, results: ResultWriter, n_holds: int) -> None:
    cases = " ".join(f"i64 {k}, label %site{k}" for k in range(1, len(spec.results)))
    from_kernel = spec.errors or spec.calls
    if not from_kernel and not any(storage.allocated_by == "kernel" for storage in spec.storages):
        code.do(f"switch i64 %status, label %site0 [ {cases} ]")
    else:
        code.do(f"switch i64 %status, label %error [ i64 0, label %site0 {cases} ]")
        code.label("error")
        already = code.op(f"icmp eq i64 %status, {RETURN_EXCEPTION_SET}")
        code.do(f"br i1 {already}, label %{FAIL}, label %raise")
        code.label("raise")
        code.run("raise", "ptr %rt", "ptr %spec", "ptr %slots", "i64 %status")
        code.do(f"br label %{FAIL}")
    for number, result in enumerate(spec.results):
        code.label(f"site{number}")
        pointer = results.site(result)
        _drop_holds(code, n_holds)
        code.do(f"ret ptr {pointer}")


def _failure_exits(code: Code, spec: Specialization, words: int, n_holds: int) -> None:
    """Cold exits: drop what was made, drop what was held."""
    code.label(FAIL)
    if words:
        made = code.at("%slots", 8 * spec.n_slots)
        code.do(f"call void @pydsl.entry.drop(ptr %rt, ptr {made}, i64 {words})")
    _drop_holds(code, n_holds)
    code.do("ret ptr null")
    code.label(MISS)
    _drop_holds(code, n_holds)
    code.do(f"ret ptr inttoptr (i64 {MISS_VALUE} to ptr)")


def _drop_holds(code: Code, n_holds: int) -> None:
    if n_holds:
        code.do(f"call void @pydsl.entry.drop(ptr %rt, ptr %holds, i64 {n_holds})")
