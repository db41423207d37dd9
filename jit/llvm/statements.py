"""Statements of the loop IR to LLVM IR, one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pydsl.errors import InternalCompilerError
from pydsl.jit.llvm.casts import cast
from pydsl.jit.llvm.contract import emit_contract
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.gemm import emit_gemm
from pydsl.jit.llvm.loops import emit_for, emit_while
from pydsl.jit.llvm.parallel import emit_parallel
from pydsl.jit.llvm.pycall import emit_call
from pydsl.jit.llvm.scalars import COMPLEX128, FLOAT64, INT64, is_complex, parts, single
from pydsl.jit.llvm.storage import COLD, Storage
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Assign,
    Break,
    CallPython,
    Continue,
    Contract,
    Copy,
    Declare,
    Expr,
    Fail,
    For,
    Gemm,
    If,
    Let,
    LoopKind,
    Release,
    Return,
    SetPointer,
    Stmt,
    Store,
    StoreSlot,
    While,
)


class Writer:
    """Writes the statements of one function."""

    def __init__(self, frame: Frame, storage: Storage) -> None:
        self.frame = frame
        self.storage = storage

    def body(self, frame: Frame, body: Sequence[Stmt]) -> None:
        """The statements in order, up to the first that ends the block."""
        for stmt in body:
            if frame.text.terminated:
                return
            _EMITTERS[type(stmt)](self, stmt)


Emit: TypeAlias = Callable[[Writer, Any], None]


def _for(w: Writer, stmt: For) -> None:
    if stmt.kind is LoopKind.PARALLEL and w.frame.home is None:
        emit_parallel(w.frame, w.storage, stmt, _write_function)
    else:
        emit_for(w.frame, stmt, w.body)


def _write_function(frame: Frame, storage: Storage, body: Sequence[Stmt]) -> None:
    Writer(frame, storage).body(frame, body)


def _while(w: Writer, stmt: While) -> None:
    emit_while(w.frame, stmt, w.body)


def _if(w: Writer, stmt: If) -> None:
    text = w.frame.text
    then, orelse, end = text.block("then"), text.block("else"), text.block("endif")
    condition = single(w.frame.evaluate(stmt.condition))
    rare = COLD if stmt.then and isinstance(stmt.then[-1], Fail) else ""
    text.branch(condition, then, orelse if stmt.orelse else end, rare)
    text.start(then)
    with w.frame.scope():
        w.body(w.frame, stmt.then)
    text.jump(end)
    if stmt.orelse:
        text.start(orelse)
        with w.frame.scope():
            w.body(w.frame, stmt.orelse)
    text.start(end)


def _let(w: Writer, stmt: Let) -> None:
    w.frame.bind(stmt.var, w.frame.evaluate(stmt.value))


def _declare(w: Writer, stmt: Declare) -> None:
    w.frame.declare(stmt.var, w.frame.evaluate(stmt.value))


def _assign(w: Writer, stmt: Assign) -> None:
    w.frame.assign(stmt.var, w.frame.evaluate(stmt.value))


def _store(w: Writer, stmt: Store) -> None:
    w.frame.store(stmt.buffer, stmt.offset, w.frame.evaluate(stmt.value), stmt.value.dtype)


def _break(w: Writer, _stmt: Break) -> None:
    w.frame.text.jump(w.frame.targets[-1][1])


def _continue(w: Writer, _stmt: Continue) -> None:
    w.frame.text.jump(w.frame.targets[-1][0])


def _store_slot(w: Writer, stmt: StoreSlot) -> None:
    _write_slots(w, stmt.slot, stmt.value)


def _write_slots(w: Writer, slot: int, value: Expr) -> None:
    """A scalar as the ABI wants it: i64, the bits of a double, or two doubles."""
    text, dtype = w.frame.text, value.dtype
    number = w.frame.evaluate(value)
    if is_complex(dtype):
        wide = cast(text, number, dtype, COMPLEX128)
        words = [("double", part) for part in parts(wide)]
    elif dtype.kind == "f":
        words = [("double", single(cast(text, number, dtype, FLOAT64)))]
    else:
        words = [("i64", single(cast(text, number, dtype, INT64)))]
    for position, (type_, word) in enumerate(words, slot):
        address = text.op(f"getelementptr inbounds i64, ptr {w.frame.slots}, i64 {position}")
        text.do(f"store {type_} {word}, ptr {address}")


def _return(w: Writer, stmt: Return) -> None:
    _only_in_kernel(w, stmt)
    w.storage.stop(str(stmt.site))


def _fail(w: Writer, stmt: Fail) -> None:
    _only_in_kernel(w, stmt)
    for position, value in enumerate(stmt.payload):
        _write_slots(w, w.frame.unit.function.payload_slot + position, value)
    w.storage.stop(str(-1 - stmt.error))


def _only_in_kernel(w: Writer, stmt: Stmt) -> None:
    if w.frame.home is not None:
        raise InternalCompilerError(f"{type(stmt).__name__} inside a parallel loop", stage="llvm")


def _alloc(w: Writer, stmt: Alloc) -> None:
    w.storage.alloc(stmt)


def _alloc_result(w: Writer, stmt: AllocResult) -> None:
    w.storage.alloc_result(stmt)


def _set_pointer(w: Writer, stmt: SetPointer) -> None:
    w.storage.set_pointer(stmt)


def _release(w: Writer, stmt: Release) -> None:
    w.storage.release(stmt)


def _copy(w: Writer, stmt: Copy) -> None:
    w.storage.copy(stmt)


def _gemm(w: Writer, stmt: Gemm) -> None:
    emit_gemm(w.frame, stmt)


def _contract(w: Writer, stmt: Contract) -> None:
    emit_contract(w.frame, w.storage, stmt, _write_function)


def _call(w: Writer, stmt: CallPython) -> None:
    _only_in_kernel(w, stmt)
    emit_call(w.frame, w.storage, stmt)


_EMITTERS: dict[type[Stmt], Emit] = {
    For: _for,
    While: _while,
    If: _if,
    Let: _let,
    Declare: _declare,
    Assign: _assign,
    Store: _store,
    Break: _break,
    Continue: _continue,
    StoreSlot: _store_slot,
    Return: _return,
    Fail: _fail,
    Alloc: _alloc,
    AllocResult: _alloc_result,
    SetPointer: _set_pointer,
    Release: _release,
    Copy: _copy,
    Gemm: _gemm,
    CallPython: _call,
    Contract: _contract,
}
