"""What plain NumPy would allocate for the same program: the arrays that its operations return.

Operations with one place in the source are one NumPy call (a `clip` is two operations, a conversion inside of a ufunc
is none of its own), so an array that only operations of its own place use is not counted. An array lives until its last
use, or as long as a variable of the function holds it.
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
    return _Plain(function).run()


class _Plain:
    """Walks the operations in order with the arrays that are alive."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.found = PlainMemory()
        self.users = _users(function)
        self.remaining = {storage: len(ops) for storage, ops in self.users.items()}
        self.live: dict[Storage, int] = {}
        self.holders: dict[str, Storage] = {}  # what the variables of the function itself are bound to
        self.now = 0

    def run(self) -> PlainMemory:
        self._block(self.function.body, 1)
        return self.found

    def _block(self, block: Block, trips: int) -> None:
        for op in block.ops:
            if op.record.allocates and op.results and op.result.is_tensor:
                self._allocate(op, trips)
            for region in op.regions:
                self._block(region, trips * _trips(op, self.found))
            for value in op.results:
                self._bind(value, op)
            for storage in _touched(op):
                self.remaining[storage] -= 1
                self._release(storage)

    def _allocate(self, op: Op, trips: int) -> None:
        storage = op.result.tensor.storage
        if not _is_array(storage, op, self.users):
            return
        nbytes = _size(storage, self.found)
        self.found.arrays += trips
        self.found.total += trips * nbytes
        self.live[storage] = nbytes
        self.now += nbytes
        self.found.peak = max(self.found.peak, self.now)

    def _bind(self, value: Value, op: Op) -> None:
        """A variable of the function keeps its array; what it held before may go."""
        own = op.loc is not None and op.loc.function in ("", self.function.name)
        if value.hint and own:
            before = self.holders.pop(value.hint, None)
            if value.is_tensor:
                self.holders[value.hint] = value.tensor.storage
            if before is not None:
                self._release(before)

    def _release(self, storage: Storage) -> None:
        if self.remaining.get(storage, 0) <= 0 and storage not in self.holders.values():
            self.now -= self.live.pop(storage, 0)


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
