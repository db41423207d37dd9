"""How reports name things: the user's variables, shapes, sizes, places in the source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydsl.errors import SourceLocation
from pydsl.ir.affine import Affine
from pydsl.ir.core import Function, Op, Value
from pydsl.ir.types import Origin, ScalarType, Storage, TensorType, Type

_UNITS = (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10))


def size(nbytes: float) -> str:
    """A number of bytes: ``384 B``, ``62.5 kB``."""
    for unit, scale in _UNITS:
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}" if nbytes / scale < 1000 else f"{nbytes / scale:.0f} {unit}"
    return f"{nbytes:.0f} B"


def symbol(value: object) -> str:
    """A symbol of an index expression, as the user would call it."""
    if isinstance(value, Value):
        return value.hint or "?"
    return getattr(value, "name", None) or str(value)


def index(expr: Affine) -> str:
    """An index expression, as in ``4*n + 1``."""
    return expr.text(symbol)


def dims(extents: Iterable[Affine]) -> str:
    """``4000 x 4``; a single element is ``1``."""
    return " x ".join(map(index, extents)) or "1"


def dims_of(extents: Iterable[int]) -> str:
    """:func:`dims` of integers."""
    return " x ".join(map(str, extents))


def scalar(type_: ScalarType) -> str:
    """``float`` for Python's, ``float32`` for NumPy's."""
    if not type_.weak:
        return type_.dtype.name
    return {"b": "bool", "i": "int", "f": "float", "c": "complex"}.get(type_.dtype.kind, type_.dtype.name)


def tensor(type_: TensorType) -> str:
    """``float32[4000, 4]``"""
    return f"{type_.dtype.name}[{', '.join(map(index, type_.shape))}]"


def of_type(type_: Type) -> str:
    """A scalar's or a tensor's type."""
    return tensor(type_) if isinstance(type_, TensorType) else scalar(type_)


def line(loc: SourceLocation | None) -> str:
    """``line 7``"""
    return f"line {loc.line}" if loc is not None else "no line"


def lines(numbers: Iterable[int]) -> str:
    """``line 7`` or ``lines 7-9, 12``"""
    ordered = sorted(set(numbers))
    return f"line{'s' if len(ordered) > 1 else ''} {runs(ordered)}" if ordered else "no line"


def runs(numbers: Iterable[int]) -> str:
    """``1-3, 7``"""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def source_text(loc: SourceLocation | None) -> str:
    """The user's text of a span on one line; empty where it is not at hand."""
    if loc is None or loc.end_col is None or loc.end_line not in (None, loc.line):
        return ""
    raw = loc.source.encode("utf-8", "surrogatepass")
    return raw[loc.col : loc.end_col].decode("utf-8", "replace").strip()


def shortened(text: str, width: int) -> str:
    """A text, cut where it is longer."""
    return text if len(text) <= width else text[: width - 3] + "..."


def number(value: Any) -> str:
    """A constant in a few characters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def view_text(view: TensorType, base: TensorType) -> str | None:
    """The index that makes one reference from another, as in ``[:, 2::4]``; None where it is not a basic index.

    Only for constant references, where ``base`` has positive strides.
    """
    if (
        not (view.is_static and base.is_static)
        or view.dtype != base.dtype
        or 0 in (base.static_shape() or ())
    ):
        return None
    strides = [s.value for s in base.strides]
    sizes = [d.value for d in base.shape]
    order = sorted(range(base.rank), key=lambda k: -strides[k])
    rest = view.offset.value - base.offset.value
    start = [0] * base.rank
    for k in order:
        if strides[k] <= 0 or rest < 0:
            return None
        start[k] = min(rest // strides[k], sizes[k] - 1)
        rest -= start[k] * strides[k]
    found: list[tuple[int, str]] = []
    used: set[int] = set()
    for extent, stride in zip((d.value for d in view.shape), (s.value for s in view.strides), strict=True):
        if not stride:
            if extent != 1:
                return None
            found.append((-1, "None"))
            continue
        free = [k for k in order if k not in used and _walks(start[k], stride, extent, strides[k], sizes[k])]
        if not free:
            return None
        used.add(free[0])
        found.append((free[0], _slice(start[free[0]], stride // strides[free[0]], extent, sizes[free[0]])))
    return None if rest else _index_text(found, used, start)


def _walks(start: int, stride: int, extent: int, unit: int, size: int) -> bool:
    return stride % unit == 0 and 0 <= start + stride // unit * (extent - 1) < size


def _slice(start: int, step: int, extent: int, size: int) -> str:
    if extent == 1:
        step = 1
    stop = start + step * (extent - 1) + (1 if step > 0 else -1)
    first = "" if start == (0 if step > 0 else size - 1) else str(start)
    ends = start + step * extent
    last = "" if ends >= size or ends < 0 else str(stop)
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


def _index_text(found: list[tuple[int, str]], used: set[int], start: list[int]) -> str | None:
    kept = [k for k, _ in found if k >= 0]
    turned = ""
    if kept != sorted(kept):
        if kept != sorted(kept, reverse=True):
            return None
        found, turned = found[::-1], ".T"
    parts: list[str] = []
    position = 0
    for k, text in found:
        while position < k:
            if position not in used:
                parts.append(str(start[position]))
            position += 1
        parts.append(text)
        position = max(position, k + 1)
    parts += [str(start[k]) for k in range(position, len(start)) if k not in used]
    while parts and parts[-1] == ":":
        parts.pop()
    if parts[:2] == [":", ":"]:
        while parts[0] == ":":
            parts.pop(0)
        parts.insert(0, "...")
    return f"[{', '.join(parts)}]{turned}" if parts else turned


class Names:
    """The names of a function's storages: the user's variable where one was bound to the array."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._names: dict[Storage, str] = {}
        taken: set[str] = set()
        values = [*function.body.args]
        for op in function.walk():
            values.extend(op.results)
            for region in op.regions:
                values.extend(region.args)
        hints: dict[Storage, str] = {}
        for value in values:
            if value.is_tensor and value.hint and value.tensor.storage not in hints and _whole(value):
                hints[value.tensor.storage] = value.hint
        for storage in function.storages:
            name = storage.name if storage.origin is Origin.ARG else hints.get(storage, storage.name)
            base, count = name, 2
            while name in taken:
                name = f"{base}#{count}"
                count += 1
            taken.add(name)
            self._names[storage] = name

    def storage(self, storage: Storage) -> str:
        return self._names.get(storage, storage.name)


def _whole(value: Value) -> bool:
    owner = value.owner
    return not isinstance(owner, Op) or owner.record.allocates or value.tensor.covers_storage()
