"""Calls of the library GEMM through the runtime table."""

from __future__ import annotations

import itertools

from pydsl.ir.affine import Affine
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.scalars import FLOAT64, float_literal, llvm_type
from pydsl.jit.runtime.table import index
from pydsl.loops.ir import Gemm

GEMM_PREFIX = "pydsl.gemm."
"""The functions that call the library have names that begin so."""

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


def emit_gemm(frame: Frame, stmt: Gemm) -> None:
    """``C = A @ B + beta * C``; nothing where C has no elements."""
    text, t = frame.text, llvm_type(stmt.dtype)
    m, n, k = (frame.index(size) for size in (stmt.m, stmt.n, stmt.k))
    call, done = text.block("gemm"), text.block("after")
    some = text.op(f"and i1 {text.op(f'icmp sgt i64 {m}, 0')}, {text.op(f'icmp sgt i64 {n}, 0')}")
    text.branch(some, call, done)
    text.start(call)
    with frame.scope():
        pointers = [
            frame.address(buffer, offset)
            for buffer, offset in ((stmt.a, stmt.a_offset), (stmt.b, stmt.b_offset), (stmt.c, stmt.c_offset))
        ]
        sizes = [_int32(frame, size) for size in (m, n, k)]
        lead = [_leading(frame, size) for size in (stmt.lda, stmt.ldb, stmt.ldc)]
        function = text.module.helper(f"{GEMM_PREFIX}{t}", lambda: _gemm_text(t))
        arguments = [
            f"ptr {frame.rt}",
            f"i32 {_TRANSPOSED if stmt.trans_a else _PLAIN}",
            f"i32 {_TRANSPOSED if stmt.trans_b else _PLAIN}",
            *(f"i32 {size}" for size in sizes),
            *itertools.chain.from_iterable(
                (f"ptr {pointer}", f"i32 {size}") for pointer, size in zip(pointers, lead, strict=True)
            ),
            f"{t} {float_literal(stmt.beta, stmt.dtype)}",
        ]
        text.do(f"call void {function}({', '.join(arguments)})")
    text.start(done)


def _gemm_text(t: str) -> str:
    entry = index("cblas_sgemm" if t == "float" else "cblas_dgemm")
    one = float_literal(1.0, FLOAT64)
    return f"""define internal void @{GEMM_PREFIX}{t}(ptr %rt, i32 %ta, i32 %tb, i32 %m, i32 %n, i32 %k,
    ptr %a, i32 %lda, ptr %b, i32 %ldb, ptr %c, i32 %ldc, {t} %beta) nounwind noinline {{
entry:
  %fp = getelementptr inbounds ptr, ptr %rt, i64 {entry}
  %f = load ptr, ptr %fp
  call void %f(i32 {_ROW_MAJOR}, i32 %ta, i32 %tb, i32 %m, i32 %n, i32 %k, {t} {one}, ptr %a, i32 %lda,
    ptr %b, i32 %ldb, {t} %beta, ptr %c, i32 %ldc)
  ret void
}}"""


def _int32(frame: Frame, value: str) -> str:
    return frame.text.op(f"trunc i64 {value} to i32") if value.startswith("%") else value


def _leading(frame: Frame, size: Affine) -> str:
    """A leading dimension; the library wants at least 1 even where nothing is read."""
    if size.is_const:
        return str(max(1, size.value))
    return _int32(frame, frame.text.intrinsic("smax", "i64", frame.index(size), "1"))
