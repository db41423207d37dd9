"""What the nodes of an operation graph are called."""

from __future__ import annotations

from pydsl.ir.core import Function, Op, Value
from pydsl.ir.record import Kind
from pydsl.ir.types import Storage, TensorType
from pydsl.report import names
from pydsl.report.names import Names


class Titles:
    """The titles of one function's operations and references."""

    def __init__(self, function: Function) -> None:
        self.names = Names(function)
        self.whole = _whole_references(function)

    def title(self, op: Op) -> str:
        if op.record.writes:
            target = self.reference(op.operands[0])
            value = op.operands[1 if op.name != "masked_store" else 2]
            text = f" = {self.scalar(value)}" if not value.is_tensor and self.is_constant(value) else ""
            return f"{op.name.replace('_', ' ')} {target}{text}"
        name = str(op.attrs["kind"]) if op.name == "reduce" else op.name
        if name == "cast" and op.results:
            type_ = op.result.type
            name = f"to {type_.dtype.name}"
        elif any(not v.is_tensor for v in op.operands) and op.record.kind is Kind.ELEMENTWISE:
            name += f"({', '.join('·' if v.is_tensor else self.scalar(v) for v in op.operands)})"
        hint = op.results[0].hint if op.results else ""
        return f"{hint} = {name}" if hint else name

    def is_constant(self, value: Value) -> bool:
        return isinstance(value.owner, Op) and value.owner.name == "constant"

    def scalar(self, value: Value) -> str:
        if isinstance(value.owner, Op) and value.owner.name == "constant":
            return names.number(value.owner.attrs["value"])
        if isinstance(value.owner, Op) and value.owner.name == "index":
            return names.index(value.owner.attrs["expr"])
        if isinstance(value.owner, Op) and value.owner.name == "cast":
            return self.scalar(value.owner.operands[0])
        return value.hint or "·"

    def reference(self, value: Value) -> str:
        """The user's text for a reference where it is short, else the name of its storage and its shape."""
        owner = value.owner
        storage = value.tensor.storage
        if not (isinstance(owner, Op) and owner.record.kind is Kind.VIEW):
            return value.hint or self.names.storage(storage)
        if storage in self.whole:
            text = names.view_text(value.tensor, self.whole[storage])
            if text is not None:
                return self.names.storage(storage) + text
        written = names.source_text(owner.loc)
        if owner.attrs.get("how") != "broadcast" and 0 < len(written) <= 32 and written[-1] in "])T":
            if "=" not in written:
                return written
        shape = ", ".join(map(names.index, value.tensor.shape))
        return f"{self.names.storage(storage)} as [{shape}]"

    def leaving(self, op: Op) -> str:
        if op.name == "raise":
            return f"raise {op.attrs['error'].__name__}"
        return op.name

    def control(self, op: Op) -> str:
        where = f"  (line {op.loc.line})" if op.loc is not None else ""
        if op.name == "for":
            variable = op.regions[0].args[0].hint or "i"
            start, stop = (self.scalar(v) for v in op.operands[:2])
            step = op.attrs["step"]
            bounds = (
                stop
                if start == "0" and step == 1
                else f"{start}, {stop}" + (f", {step}" if step != 1 else "")
            )
            return f"for {variable} in range({bounds}){where}"
        if op.name == "if":
            return f"if {self.scalar(op.operands[0])}{where}".replace("if ·", "if")
        return f"{op.name}{where}"


def _whole_references(function: Function) -> dict[Storage, TensorType]:
    """For each storage the reference that its views are described from: an argument, or the new array."""
    found: dict[Storage, TensorType] = {}
    for value in function.body.args:
        if value.is_tensor:
            found.setdefault(value.tensor.storage, value.tensor)
    for op in function.walk():
        if op.record.allocates or op.name == "constant_array":
            for result in op.results:
                if result.is_tensor:
                    found.setdefault(result.tensor.storage, result.tensor)
    return found
