"""From a loop function to the text of an LLVM module that defines ``i64 @pydsl_kernel(ptr %rt, ptr %slots)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pydsl.jit.llvm.casts import cast
from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.scalars import COMPLEX128, FLOAT64, INT64, DType, Value, is_complex
from pydsl.jit.llvm.statements import Writer
from pydsl.jit.llvm.storage import Storage
from pydsl.jit.llvm.target import Target
from pydsl.jit.llvm.text import FunctionText
from pydsl.jit.llvm.unit import Unit
from pydsl.loops.ir import LoopFunction

KERNEL = "pydsl_kernel"


class Parts(NamedTuple):
    """What writes a function: the classes of its storage and of its statements (those of another target)."""

    storage: type[Storage] = Storage
    writer: Callable[[Frame, Storage], Writer] = Writer


CPU_PARTS = Parts()


def emit_kernel(function: LoopFunction, target: Target, name: str = KERNEL, parts: Parts = CPU_PARTS) -> str:
    """The module, as text."""
    unit = Unit(function, target)
    text = FunctionText(unit.module, name, "i64", ["ptr noalias %rt", "ptr %slots"])
    frame = Frame(unit, text, "%rt", "%slots")
    status = text.entry_op("alloca i64")
    storage = parts.storage(frame, status)
    for var, slot in function.scalars:
        frame.bind(var, _from_slot(text, slot, var.dtype))
    if function.arena:
        storage.open_arena(function.arena)
    parts.writer(frame, storage).body(frame, function.body)
    if not text.terminated:
        storage.stop("0")
    text.start(frame.leave)
    storage.free_all()
    text.ret(f"i64 {text.op(f'load i64, ptr {status}')}")
    unit.module.function(text.text(attributes=target.function_attributes))
    return unit.module.text()


def _from_slot(text: FunctionText, slot: int, dtype: DType) -> Value:
    """A scalar argument: an i64, the bits of a double, or two doubles."""

    def word(type_: str, position: int) -> str:
        address = text.op(f"getelementptr inbounds i64, ptr %slots, i64 {position}")
        return text.op(f"load {type_}, ptr {address}")

    if is_complex(dtype):
        return cast(text, (word("double", slot), word("double", slot + 1)), COMPLEX128, dtype)
    if dtype.kind == "f":
        return cast(text, word("double", slot), FLOAT64, dtype)
    return cast(text, word("i64", slot), INT64, dtype)
