"""Where a scalar comes from: arguments, loop variables, or data."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.ir.affine import Affine
from pydsl.ir.core import Function, Op, Value
from pydsl.ir.record import Kind


@dataclass
class Roots:
    """What a scalar is computed from.

    leaves: indices of scalar arguments of the function.
    loop_variables: arguments of other blocks: loop variables and carried values.
    opaque: whether array elements, symbolic dimensions, or results of control flow, are among its sources.
    symbols, data: which of those.
    """

    leaves: list[int] = field(default_factory=list)
    loop_variables: list[Value] = field(default_factory=list)
    opaque: bool = False
    symbols: bool = False
    data: bool = False


def roots(value: object, function: Function) -> Roots:
    """The sources of a scalar (or of an index expression) of a function."""
    found = Roots()
    body = function.body
    work: list[object] = list(value.symbols()) if isinstance(value, Affine) else [value]
    seen: set[object] = set()
    while work:
        item = work.pop()
        if item in seen or not isinstance(item, Value):
            continue
        seen.add(item)
        owner = item.owner
        if item.is_tensor:
            found.opaque = found.data = True
        elif item in function.symbols:
            found.opaque = found.symbols = True
        elif owner is body:
            found.leaves.append(body.args.index(item))
        elif isinstance(owner, Op):
            if owner.record.kind is Kind.CONTROL or owner.name == "load":
                found.opaque = found.data = True
            work.extend(owner.operands)
            for attr in owner.attrs.values():
                if isinstance(attr, Affine):
                    work.extend(attr.symbols())
        else:
            found.loop_variables.append(item)
    return found
