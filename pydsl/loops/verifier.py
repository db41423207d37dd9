"""Checks of loop IR: run after every pass in tests, and wherever `PYDSL_VERIFY` asks for it.

Variables are declared before they are used, where they can be seen; types agree; control flow leaves only what it
may leave; loops do not claim more than their shape allows. All findings are reported at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pydsl.errors import VerificationError
from pydsl.ir.affine import Affine
from pydsl.loops.alias import roots
from pydsl.loops.ir import (
    GEMM_DTYPES,
    Alloc,
    AllocResult,
    Apply,
    Assign,
    Break,
    Buffer,
    CallPython,
    Continue,
    Contract,
    Copy,
    Declare,
    DType,
    Expr,
    Fail,
    Fetch,
    For,
    Gemm,
    If,
    Index,
    Let,
    Load,
    LoopFunction,
    LoopKind,
    Read,
    Release,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
)
from pydsl.loops.walk import affines, buffers, expressions, subexpressions, walk

_BOOL = np.dtype(np.bool_)
_INT64 = np.dtype(np.int64)
_PREDICATES = frozenset(
    [
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "isnan",
        "isinf",
        "isfinite",
        "signbit",
    ]
)
_ENDS = (Return, Fail, Break, Continue)


def verify(function: LoopFunction) -> None:
    """Check a loop function.

    Raises
    ------
    VerificationError: listing everything that is wrong.
    """
    findings = findings_of(function)
    if findings:
        raise VerificationError(findings, f"the loops of {function.name}")


def findings_of(function: LoopFunction) -> list[str]:
    """What is wrong with a loop function, in words."""
    checker = _Checker(function)
    seen = _Seen(frozenset(var for var, _ in function.scalars), frozenset(), None, False)
    checker.body(function.body, seen)
    return checker.findings


@dataclass(frozen=True)
class _Seen:
    """What is known at a point: variables in sight, which of them may be assigned, the parallel loop around, and
    whether there is a loop to break out of."""

    known: frozenset[Var]
    mutable: frozenset[Var]
    parallel: For | None
    in_loop: bool

    def with_var(self, var: Var, *, mutable: bool = False) -> _Seen:
        return replace(
            self, known=self.known | {var}, mutable=self.mutable | {var} if mutable else self.mutable
        )


class _Checker:
    def __init__(self, function: LoopFunction) -> None:
        self.function = function
        self.findings: list[str] = []
        self._buffers = set(function.buffers)

    def say(self, finding: str) -> None:
        self.findings.append(finding)

    # --- statements -----------------------------------------------------------------------------------------

    def body(self, body: Sequence[Stmt], seen: _Seen) -> _Seen:
        """Checks statements in order; answers what is in sight after them."""
        for position, stmt in enumerate(body):
            if isinstance(stmt, _ENDS) and position + 1 < len(body):
                self.say(f"statements after {type(stmt).__name__}")
            seen = self.statement(stmt, seen)
        return seen

    def statement(self, stmt: Stmt, seen: _Seen) -> _Seen:
        self._names(stmt, seen)
        match stmt:
            case Let(var=var, value=value) | Declare(var=var, value=value):
                self._same(value.dtype, var.dtype, f"the value of {var!r}")
                return seen.with_var(var, mutable=isinstance(stmt, Declare))
            case Fetch():
                for var in stmt.vars:
                    seen = seen.with_var(var)
                return seen
            case Assign():
                self._assign(stmt, seen)
            case For():
                self._for(stmt, seen)
            case While(condition=condition):
                inside = replace(seen, in_loop=True)
                after_header = self.body(stmt.header, inside)
                self._condition(condition, after_header)
                self.body(stmt.body, after_header)
            case If(condition=condition):
                self._condition(condition, seen)
                self.body(stmt.then, seen)
                self.body(stmt.orelse, seen)
            case Return() | Fail() if seen.parallel is not None:
                self.say(f"{type(stmt).__name__} inside a parallel loop")
            case Break() | Continue() if not seen.in_loop:
                self.say(f"{type(stmt).__name__} outside of a loop")
            case Fail(error=error) if not 0 <= error < max(1, len(self.function.errors)):
                self.say(f"there is no error {error}")
            case Contract():
                self._contract(stmt, seen)
            case _:
                self._memory(stmt)
        return seen

    def _assign(self, stmt: Assign, seen: _Seen) -> None:
        self._same(stmt.value.dtype, stmt.var.dtype, f"the new value of {stmt.var!r}")
        if stmt.var not in seen.mutable:
            self.say(f"{stmt.var!r} is assigned, but not declared as mutable in sight")

    def _for(self, loop: For, seen: _Seen) -> None:
        if loop.var.dtype != _INT64:
            self.say(f"loop variable {loop.var!r} has dtype {loop.var.dtype}")
        if loop.kind is LoopKind.UNROLL and not (loop.stop - loop.start).is_const:
            self.say(f"the loop over {loop.var!r} is to be unrolled, but its extent is not constant")
        inside = replace(seen.with_var(loop.var), in_loop=True)
        if loop.kind is LoopKind.PARALLEL and seen.parallel is None:
            # what is declared outside cannot be assigned by several threads
            inside = replace(inside, parallel=loop, mutable=frozenset(), in_loop=False)
            self._parallel_memory(loop)
        if loop.kind is LoopKind.BLOCK:
            # what is declared outside belongs to the host
            inside = replace(inside, parallel=loop, mutable=frozenset(), in_loop=False)
            self._kernel(loop)
        self.body(loop.body, inside)

    def _kernel(self, loop: For) -> None:
        """Only the threads of a kernel touch memory, and only memory that is there already."""
        for stmt in walk(loop.body):
            if isinstance(
                stmt, (Alloc, AllocResult, Release, SetPointer, StoreSlot, Copy, Gemm, Contract, Fetch)
            ):
                self.say(f"{type(stmt).__name__} in the kernel over {loop.var!r}")
        for stmt in loop.body:
            if not isinstance(stmt, For) and any(True for _ in buffers(stmt)):
                self.say(f"an access outside of the thread loops of the kernel over {loop.var!r}")

    def _parallel_memory(self, loop: For) -> None:
        for stmt in walk(loop.body):
            if isinstance(stmt, AllocResult):
                self.say(f"a result is allocated inside the parallel loop over {loop.var!r}")

    def _contract(self, stmt: Contract, seen: _Seen) -> None:
        if not stmt.m or not stmt.k:
            self.say("a contraction needs an m and a k dimension")
        self._same(stmt.acc.dtype, stmt.dtype, "the accumulator of a contraction")
        for var, extent, _ in (*stmt.m, stmt.n):
            if extent < 0:
                self.say(f"the extent of {var!r} is negative")
            seen = seen.with_var(var)
        self.body(stmt.epilogue, replace(seen.with_var(stmt.acc), in_loop=False))

    def _memory(self, stmt: Stmt) -> None:
        match stmt:
            case Store(buffer=buffer):
                if buffer.readonly or buffer.space is Space.CONST:
                    self.say(f"store to {buffer!r}, which is read only")
            case Alloc(buffer=buffer):
                self._space(buffer, stmt, Space.HEAP)
            case AllocResult(buffer=buffer):
                self._space(buffer, stmt, Space.RESULT)
            case Release(buffer=buffer):
                self._space(buffer, stmt, Space.HEAP, Space.POINTER)
            case SetPointer(pointer=pointer, target=target):
                self._space(pointer, stmt, Space.POINTER)
                if pointer.targets and not roots(target) <= roots(pointer):
                    self.say(f"{pointer!r} is pointed at {target!r}, which is not among its targets")
            case CallPython(site=site) if not 0 <= site < len(self.function.calls):
                self.say(f"there is no call site {site}")
            case Gemm(dtype=dtype) if dtype.name not in GEMM_DTYPES:
                self.say(f"gemm of dtype {dtype}")
            case _:
                pass

    def _space(self, buffer: Buffer, stmt: Stmt, *spaces: Space) -> None:
        if buffer.space not in spaces:
            self.say(f"{type(stmt).__name__} of {buffer!r}, which is {buffer.space.value}")

    # --- names and types ------------------------------------------------------------------------------------

    def _names(self, stmt: Stmt, seen: _Seen) -> None:
        """Buffers and variables that the statement itself uses; the condition of a While sees its header too."""
        for buffer in buffers(stmt):
            if buffer not in self._buffers:
                self.say(f"{buffer!r} is not among the buffers of the function")
        if isinstance(stmt, While | If):
            return
        for expr in expressions(stmt):
            self._expression(expr, seen)
        for index in affines(stmt):
            self._index(index, seen)

    def _condition(self, condition: Expr, seen: _Seen) -> None:
        self._same(condition.dtype, _BOOL, "a condition")
        self._expression(condition, seen)

    def _expression(self, expr: Expr, seen: _Seen) -> None:
        for node in subexpressions(expr):
            match node:
                case Read(var=var) if var not in seen.known:
                    self.say(f"{var!r} is used before its declaration")
                case Index(expr=index) | Load(offset=index):
                    self._index(index, seen)
                case Apply():
                    self._apply(node)
                case _:
                    pass

    def _index(self, index: Affine, seen: _Seen) -> None:
        for symbol in index.symbols():
            if not isinstance(symbol, Var) or symbol.dtype != _INT64:
                self.say(f"{symbol!r} in an index expression is not an int64 variable")
            elif symbol not in seen.known:
                self.say(f"{symbol!r} is used before its declaration")

    def _apply(self, expr: Apply) -> None:
        dtypes = [arg.dtype for arg in expr.args]
        if expr.name == "select":
            self._same(dtypes[0], _BOOL, "the condition of a select")
            self._same(dtypes[1], expr.dtype, "the first value of a select")
            self._same(dtypes[2], expr.dtype, "the second value of a select")
        elif expr.name in _PREDICATES:
            self._same(expr.dtype, _BOOL, f"the result of {expr.name}")
        elif expr.name == "copy":
            self._same(dtypes[0], expr.dtype, "the operand of a copy")
        if expr.name in ("add", "subtract", "multiply", "divide"):
            for dtype in dtypes:
                self._same(dtype, expr.dtype, f"an operand of {expr.name}")

    def _same(self, dtype: DType, wanted: DType, what: str) -> None:
        if dtype != wanted:
            self.say(f"{what} has dtype {dtype}, not {wanted}")
