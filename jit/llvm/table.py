"""The table of scalar operations: name and dtypes to the emitter that writes it.

`emit_op` is what the rest of the emitter calls. `supports` answers for the middle end and for tests whether there is
an entry; which loops there should be is said by the ufuncs of the op records.
"""

from __future__ import annotations

from pydsl.jit.llvm.bools import BOOLS
from pydsl.jit.llvm.casts import cast, convert_float
from pydsl.jit.llvm.complexes import COMPLEXES
from pydsl.jit.llvm.floats import FLOATS, HALF_BITS, HALVES
from pydsl.jit.llvm.integers import INTEGERS
from pydsl.jit.llvm.opcall import Emitter, OpCall
from pydsl.jit.llvm.scalars import (
    FLOAT16,
    FLOAT32,
    DType,
    UnsupportedScalarError,
    Value,
    kind_of,
    llvm_type,
    parts,
    single,
)
from pydsl.jit.llvm.text import FunctionText

TABLES: dict[str, dict[str, Emitter]] = {
    "b": BOOLS,
    "i": INTEGERS,
    "u": INTEGERS,
    "f": FLOATS,
    "c": COMPLEXES,
}
"""Kind of the first operand to the operations on it."""

STRUCTURAL = frozenset({"cast", "select", "copy"})


def supports(name: str, dtypes: tuple[DType, ...]) -> bool:
    """Whether the operation can be emitted for operands of these dtypes."""
    return name in STRUCTURAL or name in TABLES[kind_of(dtypes[0])]


def emit_op(b: FunctionText, call: OpCall) -> Value:
    """Write one scalar operation.

    Raises
    ------
    UnsupportedScalarError: there is no such operation on these dtypes.
    """
    name = call.name
    if name == "select":
        return _select(b, call)
    if name == "cast":
        return cast(b, call.args[0], call.dtypes[0], call.dtype)
    if name == "copy":
        return call.args[0]
    emitter = TABLES[kind_of(call.dtypes[0])].get(name)
    if emitter is None:
        raise UnsupportedScalarError(f"no operation {name} on {', '.join(map(str, call.dtypes))}")
    if call.dtypes[0] == FLOAT16:
        return HALF_BITS[name](b, call) if name in HALF_BITS else _through_float32(b, call, HALVES[name])
    return emitter(b, call)


def _select(b: FunctionText, call: OpCall) -> Value:
    condition = single(call.args[0])
    t = llvm_type(call.dtype)
    if call.dtype.kind != "c":
        return b.op(f"select i1 {condition}, {t} {single(call.args[1])}, {t} {single(call.args[2])}")
    (xr, xi), (yr, yi) = parts(call.args[1]), parts(call.args[2])
    return (
        b.op(f"select i1 {condition}, {t} {xr}, {t} {yr}"),
        b.op(f"select i1 {condition}, {t} {xi}, {t} {yi}"),
    )


def _through_float32(b: FunctionText, call: OpCall, emitter: Emitter) -> Value:
    """float16: the operation in float32, its result rounded."""
    args = tuple(
        convert_float(b, single(arg), FLOAT16, FLOAT32) if dtype == FLOAT16 else arg
        for arg, dtype in zip(call.args, call.dtypes, strict=True)
    )
    dtypes = tuple(FLOAT32 if dtype == FLOAT16 else dtype for dtype in call.dtypes)
    wide = FLOAT32 if call.dtype == FLOAT16 else call.dtype
    result = emitter(b, OpCall(call.name, args, dtypes, wide, call.flags))
    return convert_float(b, single(result), FLOAT32, FLOAT16) if call.dtype == FLOAT16 else result
