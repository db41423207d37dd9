"""Dead code elimination.

Before::

    %t = add(%a, %b)
    %n = constant(3)
    return(%a)

After::

    return(%a)
"""

from __future__ import annotations

from collections.abc import Hashable

from pydsl.ir.core import Block, Function, symbols_of
from pydsl.ir.types import TensorType


def eliminate_dead_code(function: Function) -> None:
    """Removes pure operations whose results nothing uses, in place. Writes stay: fusion knows which are dead."""
    used: set[Hashable] = set()
    _sweep(function.body, used)


def _sweep(block: Block, used: set[Hashable]) -> None:
    kept = []
    for op in reversed(block.ops):
        for region in op.regions:
            _sweep(region, used)
        if op.record.pure and op.results and not any(r in used for r in op.results):
            continue
        kept.append(op)
        used.update(op.operands)
        used.update(symbols_of(op))
        for operand in op.operands:
            if isinstance(operand.type, TensorType):
                for part in (*operand.type.shape, *operand.type.strides, operand.type.offset):
                    used.update(part.symbols())
                if operand.type.storage.nbytes is not None:
                    used.update(operand.type.storage.nbytes.symbols())
    block.ops = kept[::-1]
