"""What plain NumPy would allocate for the same program: the arrays that its operations return.

Operations with one place in the source are one NumPy call (a `clip` is two operations, a conversion inside of a ufunc
is none of its own), so an array that only operations of its own place use is not counted. An array lives until its last
use: a program that keeps it in a variable keeps it longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydsl.errors import SourceLocation
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.types import Origin, Storage


@dataclass
class PlainMemory:
    """Arrays and bytes that NumPy allocates in one call. rough: sizes or trip counts that are not constant."""

    arrays: int = 0
    total: int = 0
    peak: int = 0
    rough: bool = False


def plain_memory(function: Function) -> PlainMemory:
    """The allocations of plain NumPy; results are counted too."""
    found = PlainMemory()
    users = _users(function)
    live: dict[Storage, int] = {}
    remaining = {storage: len(ops) for storage, ops in users.items()}
    now = 0

    def visit(block: Block, trips: int) -> None:
        nonlocal now
        for op in block.ops:
            if op.record.allocates and op.results and op.result.is_tensor:
                storage = op.result.tensor.storage
                if _is_array(storage, op, users):
                    nbytes = _size(storage, found)
                    found.arrays += trips
                    found.total += trips * nbytes
                    live[storage] = nbytes
                    now += nbytes
                    found.peak = max(found.peak, now)
            for region in op.regions:
                visit(region, trips * _trips(op, found))
            for storage in _touched(op):
                remaining[storage] = remaining.get(storage, 0) - 1
                if remaining[storage] <= 0 and storage in live:
                    now -= live.pop(storage)

    visit(function.body, 1)
    return found


def _users(function: Function) -> dict[Storage, list[Op]]:
    found: dict[Storage, list[Op]] = {}
    for op in function.walk():
        for storage in _touched(op):
            found.setdefault(storage, []).append(op)
    return found


def _touched(op: Op) -> list[Storage]:
    """The new arrays that an operation makes, uses or refers to, each once."""
    values: list[Value] = [*op.operands, *op.results]
    storages = [root for v in values if v.is_tensor for root in v.tensor.storage.roots()]
    return list(dict.fromkeys(s for s in storages if s.origin is Origin.ALLOC))


def _is_array(storage: Storage, maker: Op, users: dict[Storage, list[Op]]) -> bool:
    if maker.loc is None:
        return True
    return any(_place(op.loc) != _place(maker.loc) for op in users.get(storage, ()))


def _place(loc: SourceLocation | None) -> tuple[object, ...] | None:
    return None if loc is None else (loc.file, loc.line, loc.col, loc.end_line, loc.end_col)


def _size(storage: Storage, found: PlainMemory) -> int:
    if storage.nbytes is None or not storage.nbytes.is_const:
        found.rough = True
        return 0
    return storage.nbytes.value


def _trips(op: Op, found: PlainMemory) -> int:
    if op.name == "if":
        return 1
    if op.name == "for":
        start, stop = (
            v.owner.attrs.get("value") if isinstance(v.owner, Op) else None for v in op.operands[:2]
        )
        if isinstance(start, int) and isinstance(stop, int):
            return len(range(start, stop, op.attrs["step"]))
    found.rough = True
    return 1
