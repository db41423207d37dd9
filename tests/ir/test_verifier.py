"""The verifier accepts what is well-formed and names what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pydsl.errors import VerificationError
from pydsl.ir.affine import Affine
from pydsl.ir.core import Block, Function, Value
from pydsl.ir.types import INDEX, Origin, ScalarType
from pydsl.ir.verifier import verify
from tests.ir import build
from tests.ir.build import B1, F8, I8, Maker


@pytest.mark.parametrize("name", build.EXAMPLES)
def test_examples_are_well_formed(name: str) -> None:
    make, args = build.EXAMPLES[name]
    verify(make(*args))


def vector(m: Maker) -> Value:
    return m.array_args("x", np.arange(6.0))[0]


BAD: dict[str, Callable[[Maker], Any]] = {}


def bad(message: str) -> Callable[[Callable[[Maker], Any]], None]:
    def keep(make: Callable[[Maker], Any]) -> None:
        BAD[message] = make

    return keep


@bad("no terminator follows")
def _(m: Maker) -> None:
    m.const(1)


@bad("a terminator is not the last")
def _(m: Maker) -> None:
    m.ret()
    m.ret()


@bad("a block is empty")
def _(m: Maker) -> None:
    pass


@bad("used but not defined before")
def _(m: Maker) -> None:
    m.ret(Value(INDEX))


@bad("is used in a type but not defined before")
def _(m: Maker) -> None:
    m.ret(m.op("alloc", type=m.new(F8, [Value(INDEX, "n")])))


@bad("is used in a type but is no integer")
def _(m: Maker) -> None:
    n = m.const(2.0, ScalarType(F8))
    m.ret(m.op("alloc", type=m.new(F8, [n])))


@bad("is defined twice")
def _(m: Maker) -> None:
    m.const(1)
    m.block.ops.append(m.block.ops[0])
    m.ret()


@bad("has another owner")
def _(m: Maker) -> None:
    m.const(1).owner = None
    m.ret()


@bad("is not registered with the function")
def _(m: Maker) -> None:
    a = vector(m)
    m.function.storages.clear()
    m.ret(a)


@bad("reaches outside its 48 bytes")
def _(m: Maker) -> None:
    m.ret(m.view(vector(m), [6], [8], 8))


@bad("is allocated twice")
def _(m: Maker) -> None:
    type_ = m.new(F8, [2])
    m.op("alloc", type=type_)
    m.op("alloc", type=type_)
    m.ret()


@bad("new memory in @x, which is arg")
def _(m: Maker) -> None:
    a = vector(m)
    m.op("copy", a, type=a.type)
    m.ret()


@bad("the shapes of")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("add", a, a, type=m.new(F8, [5])))


@bad("the loop of these operands is float64, float64, float64")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("add", a, a, type=m.new(I8, [6])))


@bad("not supported for the input types")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("bitwise_and", a, a, type=m.new(F8, [6])))


@bad("int64 is stored into float64")
def _(m: Maker) -> None:
    m.emit("store", [vector(m), m.const(1)])
    m.ret()


@bad("the shapes of the value and the destination differ")
def _(m: Maker) -> None:
    a = vector(m)
    m.emit("store", [a, m.view(a, [5], [8], 0)])
    m.ret()


@bad("its storage is read-only")
def _(m: Maker) -> None:
    a = vector(m)
    a.tensor.storage.writeable = False
    m.emit("store", [a, m.const(1.0, ScalarType(F8))])
    m.ret()


@bad("the mask is")
def _(m: Maker) -> None:
    a = vector(m)
    m.emit("masked_store", [a, a, m.const(1.0, ScalarType(F8))])
    m.ret()


@bad("the condition is float64")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("select", a, a, a, type=m.new(F8, [6])))


@bad("the result is in another storage than the operand")
def _(m: Maker) -> None:
    m.ret(m.op("view", vector(m), type=m.new(F8, [6]), how="index"))


@bad("the shape of the result is not that of the other axes")
def _(m: Maker) -> None:
    m.ret(m.op("reduce", vector(m), type=m.new(F8, [6]), kind="sum", axes=(0,)))


@bad("the accumulator is float32")
def _(m: Maker) -> None:
    m.ret(m.op("reduce", vector(m), type=m.new(np.dtype(np.float32), []), kind="sum", axes=(0,)))


@bad("there is no reduction 'add'")
def _(m: Maker) -> None:
    m.ret(m.op("reduce", vector(m), type=m.new(F8, []), kind="add", axes=(0,)))


@bad("label 0 is 6 and 5")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("contract", a, m.view(a, [5], [8], 0), type=m.new(F8, []), a=(0,), b=(0,), out=()))


@bad("attributes out are missing")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("contract", a, a, type=m.new(F8, []), a=(0,), b=(0,)))


@bad("the shape of the value is not that of the indexed array")
def _(m: Maker) -> None:
    i = m.op("iota", type=m.new(I8, [3]))
    m.ret(m.op("gather", vector(m), i, type=m.new(F8, [2]), axes=(0,), position=0))


@bad("an index is no integer")
def _(m: Maker) -> None:
    a = vector(m)
    m.ret(m.op("gather", a, a, type=m.new(F8, [6]), axes=(0,), position=0))


@bad("the operand is no 0-d tensor")
def _(m: Maker) -> None:
    m.ret(m.op("load", vector(m), type=ScalarType(F8)))


@bad("the condition is no bool scalar")
def _(m: Maker) -> None:
    m.emit("check", [m.const(1)], error=ValueError, message="")
    m.ret()


@bad("there is no return site")
def _(m: Maker) -> None:
    m.ret(site=-1)


@bad("outside of a loop")
def _(m: Maker) -> None:
    m.emit("break")


@bad("a function does not yield")
def _(m: Maker) -> None:
    m.emit("yield")


@bad("does not fit the carried value")
def _(m: Maker) -> None:
    zero = m.const(0)
    i, x = Value(INDEX), Value(ScalarType(F8))
    with m.at(Block([i, x])) as body:
        m.emit("yield", [x])
    m.emit("for", [zero, zero, zero], [ScalarType(F8)], [body], step=1)
    m.ret()


@bad("2 values for 1")
def _(m: Maker) -> None:
    zero = m.const(0)
    i, x = Value(INDEX), Value(INDEX)
    with m.at(Block([i, x])) as body:
        m.emit("yield", [x, i])
    m.emit("for", [zero, zero, zero], [INDEX], [body], step=1)
    m.ret()


@bad("float64 for py_int64")
def _(m: Maker) -> None:
    true = m.const(True, ScalarType(B1))
    with m.at(Block()) as then:
        m.emit("yield", [m.const(1)])
    with m.at(Block()) as orelse:
        m.emit("yield", [m.const(1.0, ScalarType(F8))])
    m.emit("if", [true], [INDEX], [then, orelse])
    m.ret()


@bad("%0 is used but")
def _(m: Maker) -> None:
    zero = m.const(0)
    with m.at(Block([Value(INDEX)])) as body:
        inside = m.const(1)
        m.emit("yield")
    m.emit("for", [zero, zero], [], [body], step=1)
    inside.id = 0
    m.ret(inside)


@bad("step 0")
def _(m: Maker) -> None:
    zero = m.const(0)
    with m.at(Block([Value(INDEX)])) as body:
        m.emit("yield")
    m.emit("for", [zero, zero], [], [body], step=0)
    m.ret()


@bad("is no source of the join @y")
def _(m: Maker) -> None:
    a, b = m.array_args("a b", np.arange(6.0), np.arange(6.0))
    zero = m.const(0)
    phi = m.storage(Origin.PHI, "y", F8, sources=[a.tensor.storage])
    joined = replace(a.tensor, storage=phi)
    with m.at(Block([Value(INDEX), Value(joined)])) as body:
        m.emit("yield", [b])
    m.emit("for", [zero, zero, a], [joined], [body], step=1)
    m.ret()


@bad("float64[4] strides [8] offset 8 in @a for")
def _(m: Maker) -> None:
    (a,) = m.array_args("a", np.arange(6.0))
    n = Value(INDEX, "n")
    five, zero = m.const(5), m.const(0)
    first = m.view(a, [5], [8], 8)
    carried = Value(a.tensor.with_view([Affine.of(n)], [Affine.of(8)], Affine.of(8)))
    with m.at(Block([Value(INDEX), n, carried])) as body:
        m.emit("yield", [five, m.view(a, [4], [8], 8)])
    m.emit("for", [zero, five, five, first], [INDEX, first.type], [body], step=1)
    m.ret()


@pytest.mark.parametrize("message", BAD)
def test_problems_are_found(message: str) -> None:
    m = Maker()
    BAD[message](m)
    function: Function = m.function
    with pytest.raises(VerificationError) as error:
        verify(function, stage="a test")
    assert message in str(error.value)
    assert "in a test" in str(error.value)
