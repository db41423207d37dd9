"""Small functions of the tensor IR with what a report should say about them, compiled as far as loop IR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pydsl.ir.core import Function
from pydsl.ir.types import ScalarType
from pydsl.ir.verifier import verify
from pydsl.jit.pipeline import place_buffers, simplify
from pydsl.loops.ir import LoopFunction
from pydsl.loops.schedule.auto import ScheduleReport, schedule
from pydsl.lowering.function import Lowered, lower_function
from pydsl.lowering.memory import MemoryPlan
from tests.ir.build import EXAMPLES, F8, Maker

F4 = np.dtype(np.float32)


@dataclass
class Record:
    """A compilation without a back end."""

    source: Any
    function: Function
    lowered: Lowered
    loops: LoopFunction
    plan: MemoryPlan
    schedule: ScheduleReport
    llvm: str = "; nothing emitted\n"
    times: dict[str, float] = field(default_factory=dict)

    def optimized(self) -> str:
        return self.llvm

    def asm(self) -> str:
        return "# nothing assembled\n"


def record(function: Function, source: Any = None) -> Record:
    """Runs the middle of the pipeline."""
    verify(function)
    lowered = lower_function(function)
    simplify(lowered)
    report = schedule(lowered.function.body, 2)
    plan = place_buffers(lowered.function)
    return Record(source, function, lowered, lowered.function, plan, report)


def flip() -> Function:
    """`b[:, 0], b[:, 2] = w - b[:, 2], w - b[:, 0]; b[:, 1] -= p` on columns of one array."""
    m = Maker("flip")
    (b,) = m.array_args("b", np.zeros((1000, 4), F4))
    w, p = (m.arg(ScalarType(F4), name) for name in "wp")

    def column(k: int) -> Any:
        return m.view(b, [1000], [16], 4 * k)

    left = m.op("subtract", w, column(2), type=m.new(F4, [1000]))
    right = m.op("subtract", w, column(0), type=m.new(F4, [1000]))
    m.emit("store", [column(0), left])
    m.emit("store", [column(2), right])
    m.emit("store", [column(1), m.op("subtract", column(1), p, type=m.new(F4, [1000]))])
    return m.ret(b)


def softmax() -> Function:
    """Rows: `e = exp(x - max); e / sum`."""
    m = Maker("softmax")
    (x,) = m.array_args("x", np.zeros((1000, 80), F4))
    full, rows = [1000, 80], [1000]

    def spread(v: Any) -> Any:
        return m.view(v, full, [4, 0], 0, "broadcast")

    top = m.op("reduce", x, type=m.new(F4, rows), hint="top", kind="max", axes=(1,))
    low = m.op("subtract", x, spread(top), type=m.new(F4, full))
    e = m.op("exp", low, type=m.new(F4, full), hint="e")
    total = m.op("reduce", e, type=m.new(F4, rows), hint="total", kind="sum", axes=(1,))
    return m.ret(m.op("divide", e, spread(total), type=m.new(F4, full), hint="y"))


def layer() -> Function:
    """`h = maximum(x @ w + b, 0)`, and `h - h.sum(axis=0)`."""
    m = Maker("layer")
    x, w, b = m.array_args("x w b", np.zeros((200, 64), F4), np.zeros((64, 32), F4), np.zeros(32, F4))
    shape = [200, 32]
    product = m.op("contract", x, w, type=m.new(F4, shape), a=(0, 2), b=(2, 1), out=(0, 1))
    shifted = m.op("add", product, m.view(b, shape, [0, 4], 0, "broadcast"), type=m.new(F4, shape))
    zero = m.const(0.0, ScalarType(F4))
    h = m.op("maximum", shifted, zero, type=m.new(F4, shape), hint="h")
    total = m.op("reduce", h, type=m.new(F4, [32]), hint="total", kind="sum", axes=(0,))
    spread = m.view(total, shape, [0, 4], 0, "broadcast")
    return m.ret(m.op("subtract", h, spread, type=m.new(F4, shape), hint="z"))


def steps() -> Function:
    """`y = x * 2; x[1:] = y[:-1]; z = exp(x); x[:-1] = x[1:]; x += z`: dependent updates of one array."""
    m = Maker("steps")
    (x,) = m.array_args("x", np.zeros(1000))
    n = [1000]
    y = m.op("multiply", x, m.const(2.0, ScalarType(F8)), type=m.new(F8, n), hint="y")
    m.emit("store", [m.view(x, [999], [8], 8), m.view(y, [999], [8], 0)])
    z = m.op("exp", x, type=m.new(F8, n), hint="z")
    m.emit("store", [m.view(x, [999], [8], 0), m.view(x, [999], [8], 8)])
    m.emit("store", [x, m.op("add", x, z, type=m.new(F8, n))])
    return m.ret(y)


def example(name: str) -> Function:
    """One of the functions of the IR's own tests."""
    maker, args = EXAMPLES[name]
    return maker(*args)


SAMPLES = {
    "flip": flip,
    "softmax": softmax,
    "layer": layer,
    "steps": steps,
    "loop": lambda: example("loop"),
    "masked": lambda: example("masked"),
    "early": lambda: example("early"),
    "halving": lambda: example("halving"),
}
