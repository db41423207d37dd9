"""Calls of Python functions: the numbers that vary go into words on the stack, and the runtime does the rest.

For each operand, in order: the address of its first element, then those of its dimensions and strides that are not
constants (`pydsl.jit.runtime.calls` reads them back by the same rule).
"""

from __future__ import annotations

from pydsl.jit.llvm.frame import Frame
from pydsl.jit.llvm.runtime import table_entry
from pydsl.jit.llvm.storage import Storage
from pydsl.loops.ir import CallPython


def emit_call(frame: Frame, storage: Storage, stmt: CallPython) -> None:
    """The call; the function is left where it raises."""
    text = frame.text
    values: list[tuple[str, str]] = []
    for operand in stmt.operands:
        values.append(("ptr", frame.address(operand.buffer, operand.offset)))
        varying = [n for n in (*operand.shape, *operand.strides) if not n.is_const]
        values += [("i64", frame.index(number)) for number in varying]
    words = text.entry_op(f"alloca [{max(1, len(values))} x i64]")
    for position, (type_, value) in enumerate(values):
        address = text.op(f"getelementptr inbounds i64, ptr {words}, i64 {position}")
        text.do(f"store {type_} {value}, ptr {address}")
    function = table_entry(text, frame.rt, "call_python")
    arguments = f"ptr {frame.rt}, ptr {frame.slots}, i64 {stmt.site}, ptr {words}"
    storage.stop_if(text.op(f"icmp ne i64 {text.op(f'call i64 {function}({arguments})')}, 0"))
