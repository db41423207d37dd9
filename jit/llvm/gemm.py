"""Calls of the library GEMM through the runtime table."""

from __future__ import annotations

from pydsl.ir.affine import Affine
from pydsl.jit.llvm import runtime
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.scalars import float_literal, llvm_type
from pydsl.loops.ir import Gemm

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
        function = runtime.table_entry(text, frame.rt, "cblas_sgemm" if t == "float" else "cblas_dgemm")
        arguments = [
            f"i32 {_ROW_MAJOR}",
            f"i32 {_TRANSPOSED if stmt.trans_a else _PLAIN}",
            f"i32 {_TRANSPOSED if stmt.trans_b else _PLAIN}",
            *(f"i32 {size}" for size in sizes),
            f"{t} {float_literal(1.0, stmt.dtype)}",
            f"ptr {pointers[0]}",
            f"i32 {lead[0]}",
            f"ptr {pointers[1]}",
            f"i32 {lead[1]}",
            f"{t} {float_literal(stmt.beta, stmt.dtype)}",
            f"ptr {pointers[2]}",
            f"i32 {lead[2]}",
        ]
        text.do(f"call void {function}({', '.join(arguments)})")
    text.start(done)


def _int32(frame: Frame, value: str) -> str:
    return frame.text.op(f"trunc i64 {value} to i32") if value.startswith("%") else value


def _leading(frame: Frame, size: Affine) -> str:
    """A leading dimension; the library wants at least 1 even where nothing is read."""
    if size.is_const:
        return str(max(1, size.value))
    return _int32(frame, frame.text.intrinsic("smax", "i64", frame.index(size), "1"))
