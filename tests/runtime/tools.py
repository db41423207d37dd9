"""Specializations from hand-written kernels, loaded natively and portably, for the tests of the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.jit.runtime import abi
from pydsl.jit.runtime.layout import native_layout
from pydsl.jit.runtime.native import NativeSpecialization, load_portable, materialize
from pydsl.jit.runtime.portable import PortableSpecialization
from pydsl.jit.runtime.table import index

F8 = np.dtype(np.float64)
I8 = np.dtype(np.int64)

NOTHING = """
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {
  ret i64 0
}
"""
"""A kernel that does nothing and returns through site 0."""


def add_one(n: int) -> str:
    """slots: pointers to n doubles each; second = first + 1."""
    return f"""
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {{
entry:
  %a = load ptr, ptr %slots
  %bp = getelementptr i64, ptr %slots, i64 1
  %b = load ptr, ptr %bp
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, {n}
  br i1 %more, label %body, label %exit
body:
  %p = getelementptr double, ptr %a, i64 %i
  %v = load double, ptr %p
  %e = fadd double %v, 1.0
  %q = getelementptr double, ptr %b, i64 %i
  store double %e, ptr %q
  %next = add i64 %i, 1
  br label %loop
exit:
  ret i64 0
}}
"""


def fill(slot: int, n: int, *, allocate: tuple[int, int] | None = None, extra: str = "") -> str:
    """Write 0.0, 1.0, ... to the memory at the pointer in `slot`; with `allocate` = (storage, nbytes) the memory comes
    from the allocation callback. `extra` are instructions before the return."""
    source = f"""
  %wherep = getelementptr i64, ptr %slots, i64 {slot}
  %data = load ptr, ptr %wherep"""
    if allocate is not None:
        source = f"""
  %allocp = getelementptr ptr, ptr %rt, i64 {index("alloc")}
  %alloc = load ptr, ptr %allocp
  %data = call ptr %alloc(ptr %rt, ptr %slots, i64 {allocate[0]}, i64 {allocate[1]})
  %null = icmp eq ptr %data, null
  br i1 %null, label %failed, label %start
failed:
  ret i64 {abi.RETURN_EXCEPTION_SET}
start:"""
    before = "start" if allocate is not None else "entry"
    return f"""
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {{
entry:{source}
  br label %loop
loop:
  %i = phi i64 [ 0, %{before} ], [ %next, %body ]
  %more = icmp slt i64 %i, {n}
  br i1 %more, label %body, label %exit
body:
  %v = sitofp i64 %i to double
  %q = getelementptr double, ptr %data, i64 %i
  store double %v, ptr %q
  %next = add i64 %i, 1
  br label %loop
exit:
  {extra}
  ret i64 0
}}
"""


def array_guard(
    slot: int, *shape: int, dtype: Any = F8, writes: bool = False, **changes: Any
) -> abi.ArrayGuard:
    """The guard of a C-contiguous array."""
    strides = np.empty(shape, dtype).strides
    fields: dict[str, Any] = {"shape": shape, "strides": strides, "aligned": True}
    fields |= changes
    return abi.ArrayGuard(dtype=np.dtype(dtype), needs_writeable=writes, slot=slot, **fields)


@dataclass
class Both:
    """The two ways to call one specialization."""

    native: NativeSpecialization
    portable: PortableSpecialization

    def ways(self) -> tuple[NativeSpecialization, PortableSpecialization]:
        return self.native, self.portable

    def hits(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the guards accept the call; both ways must agree."""
        answers = [way.call(args, kwargs) is not abi.MISS for way in self.ways()]
        assert answers[0] == answers[1], f"native {answers[0]}, portable {answers[1]}"
        return answers[0]

    def results(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [way.call(args, kwargs) for way in self.ways()]


def both(spec: abi.Specialization, kernel: str = NOTHING) -> Both:
    compiled = abi.CompiledSpecialization(spec, kernel)
    native = materialize(compiled, native_layout())
    assert isinstance(native, NativeSpecialization), "the layout self-test fails on this interpreter"
    return Both(native, load_portable(compiled))


def spec(
    *guards: abi.Guard,
    results: abi.Result | tuple[abi.Result, ...] = abi.ConstResult(None),
    n_slots: int = 16,
    kwnames: tuple[str, ...] = (),
    **fields: Any,
) -> abi.Specialization:
    implicit = len(fields.get("implicit", ()))
    form = abi.CallForm(len(guards) - len(kwnames) - implicit, kwnames)
    sites = results if isinstance(results, tuple) else (results,)
    return abi.Specialization("f", form, guards, sites, n_slots, **fields)


def ints(*slots: int) -> abi.ResultTuple:
    """A result tree that shows slots as integers."""
    return abi.ResultTuple(tuple(abi.ScalarResult(I8, True, slot) for slot in slots))


def floats(*slots: int) -> abi.ResultTuple:
    """A result tree that shows slots as floats."""
    return abi.ResultTuple(tuple(abi.ScalarResult(F8, True, slot) for slot in slots))
