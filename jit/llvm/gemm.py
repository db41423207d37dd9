"""Calls of the library's matrix products through the runtime table.

A product with one column or one row is its matrix-vector product; the vectors may have any stride. The library works
on one thread: loops around these calls are what runs on several.
"""

from __future__ import annotations

import itertools

from pydsl.ir.affine import Affine
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.scalars import float_literal, is_complex, part_dtype
from pydsl.jit.runtime.table import index
from pydsl.loops.ir import DType, Gemm

GEMM_PREFIX = "pydsl.gemm."
"""The functions that call the library have names that begin so."""

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112
_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def emit_gemm(frame: Frame, stmt: Gemm) -> None:
    """``C = A @ B + beta * C``; nothing where C has no elements."""
    text = frame.text
    m, n = frame.index(stmt.m), frame.index(stmt.n)
    call, done = text.block("gemm"), text.block("after")
    some = text.op(f"and i1 {text.op(f'icmp sgt i64 {m}, 0')}, {text.op(f'icmp sgt i64 {n}, 0')}")
    text.branch(some, call, done)
    text.start(call)
    with frame.scope():
        if _is_one(stmt.n):
            _matrix_vector(frame, stmt)
        elif _is_one(stmt.m):
            _vector_matrix(frame, stmt)
        else:
            _matrix_matrix(frame, stmt)
    text.start(done)


def _is_one(size: Affine) -> bool:
    return size.is_const and size.value == 1


def _matrix_matrix(frame: Frame, stmt: Gemm) -> None:
    sizes = [_int32(frame, frame.index(size)) for size in (stmt.m, stmt.n, stmt.k)]
    lead = [_leading(frame, size) for size in (stmt.lda, stmt.ldb, stmt.ldc)]
    transposed = [_TRANSPOSED if flag else _PLAIN for flag in (stmt.trans_a, stmt.trans_b)]
    arguments = [f"i32 {number}" for number in (*transposed, *sizes)]
    for pointer, size in zip(_places(frame, stmt), lead, strict=True):
        arguments += [f"ptr {pointer}", f"i32 {size}"]
    _call(frame, "gemm", stmt, arguments, places=(5, 9))


def _matrix_vector(frame: Frame, stmt: Gemm) -> None:
    """One column: C[m] = A[m, k] @ b[k]."""
    a, b, c = _places(frame, stmt)
    b_step = "1" if stmt.trans_b else _leading(frame, stmt.ldb)
    matrix = a, stmt.trans_a, stmt.m, stmt.k, stmt.lda
    _gemv(frame, stmt, matrix, (b, b_step), (c, _leading(frame, stmt.ldc)))


def _vector_matrix(frame: Frame, stmt: Gemm) -> None:
    """One row: C[n] = B[k, n].T @ a[k]."""
    a, b, c = _places(frame, stmt)
    a_step = _leading(frame, stmt.lda) if stmt.trans_a else "1"
    matrix = b, not stmt.trans_b, stmt.n, stmt.k, stmt.ldb
    _gemv(frame, stmt, matrix, (a, a_step), (c, "1"))


def _gemv(
    frame: Frame,
    stmt: Gemm,
    matrix: tuple[str, bool, Affine, Affine, Affine],
    x: tuple[str, str],
    y: tuple[str, str],
) -> None:
    """``y = M @ x + beta * y``; M is given by its address, whether it is stored transposed, its rows and columns, and
    the distance of its stored lines."""
    place, transposed, rows, columns, lead = matrix
    stored = (columns, rows) if transposed else (rows, columns)
    sizes = [_int32(frame, frame.index(size)) for size in stored]
    arguments = [
        f"i32 {_TRANSPOSED if transposed else _PLAIN}",
        *(f"i32 {size}" for size in sizes),
        *(f"ptr {place}", f"i32 {_leading(frame, lead)}"),
        *itertools.chain.from_iterable((f"ptr {pointer}", f"i32 {step}") for pointer, step in (x, y)),
    ]
    _call(frame, "gemv", stmt, arguments, places=(3, 7))


def _places(frame: Frame, stmt: Gemm) -> list[str]:
    operands = ((stmt.a, stmt.a_offset), (stmt.b, stmt.b_offset), (stmt.c, stmt.c_offset))
    return [frame.address(buffer, offset) for buffer, offset in operands]


def _call(frame: Frame, routine: str, stmt: Gemm, arguments: list[str], places: tuple[int, int]) -> None:
    """Call through a helper that puts alpha and beta at their places among the arguments."""
    name = f"cblas_{_LETTERS[stmt.dtype.name]}{routine}"
    alpha, beta = (_factor(frame, value, stmt.dtype) for value in (1.0, stmt.beta))
    values = list(arguments)
    values.insert(places[0], alpha)
    values.insert(places[1] + 1, beta)
    types = [value.split()[0] for value in values]
    helper = frame.text.module.helper(f"{GEMM_PREFIX}{name}", lambda: _helper_text(name, types))
    frame.text.do(f"call void {helper}(ptr {frame.rt}, {', '.join(values)})")


def _factor(frame: Frame, value: float, dtype: DType) -> str:
    """A factor as the library wants it: a number, or the address of a complex one."""
    if not is_complex(dtype):
        return f"{'float' if dtype.itemsize == 4 else 'double'} {float_literal(value, dtype)}"
    part = part_dtype(dtype)
    t = "float" if part.itemsize == 4 else "double"
    cell = frame.text.entry_op(f"alloca [2 x {t}], align 16")
    second = frame.text.op(f"getelementptr inbounds {t}, ptr {cell}, i64 1")
    frame.text.do(f"store {t} {float_literal(value, part)}, ptr {cell}")
    frame.text.do(f"store {t} {float_literal(0.0, part)}, ptr {second}")
    return f"ptr {cell}"


def _helper_text(name: str, types: list[str]) -> str:
    parameters = ", ".join(f"{t} %a{number}" for number, t in enumerate(types))
    return f"""define internal void @{GEMM_PREFIX}{name}(ptr %rt, {parameters}) nounwind noinline {{
entry:
  %fp = getelementptr inbounds ptr, ptr %rt, i64 {index(name)}
  %f = load ptr, ptr %fp
  call void %f(i32 {_ROW_MAJOR}, {parameters})
  ret void
}}"""


def _int32(frame: Frame, value: str) -> str:
    return frame.text.op(f"trunc i64 {value} to i32") if value.startswith("%") else value


def _leading(frame: Frame, size: Affine) -> str:
    """A leading dimension; the library wants at least 1 even where nothing is read."""
    if size.is_const:
        return str(max(1, size.value))
    return _int32(frame, frame.text.intrinsic("smax", "i64", frame.index(size), "1"))
