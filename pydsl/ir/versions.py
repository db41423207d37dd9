"""Versions of storages: memory in SSA form.

A write makes a new version of the storage it writes; a read is of the version that is current there. Versions are
derived from the IR, never stored in it: the printer shows them, and the text form is checked against them.

An access through a join (``PHI``) is an access to every storage that it may stand for. A loop whose body writes a
storage begins each iteration with a new version of it (the join of the version before the loop and the one at the end
of the body), and ends with another; an ``if`` ends with a new version of what either branch writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.ir.core import Block, Function, Op
from pydsl.ir.types import Origin, Storage

Version = tuple[Storage, int]


@dataclass
class Versions:
    """The versions of all storages of a function; version 0 is what is there before the function.

    Parameters
    ----------
    reads: versions that an operation reads.
    defines: versions that an operation makes.
    enters: versions that begin with each run of a loop's first region.
    """

    reads: dict[Op, tuple[Version, ...]] = field(default_factory=dict)
    defines: dict[Op, tuple[Version, ...]] = field(default_factory=dict)
    enters: dict[Block, tuple[Version, ...]] = field(default_factory=dict)


def storage_versions(function: Function) -> Versions:
    """Number the versions in program order."""
    return _Numbering(function).versions


class _Numbering:
    def __init__(self, function: Function) -> None:
        self.versions = Versions()
        self.made: dict[Storage, int] = {}
        self.roots: dict[Storage, tuple[Storage, ...]] = {}
        order = {storage: position for position, storage in enumerate(function.storages)}
        self.order = order
        self.escaping = {
            root for storage in function.storages if storage.origin is Origin.PHI for root in storage.roots()
        }
        self.written: dict[Op, tuple[Storage, ...]] = {}
        self._collect(function.body)
        self._block(function.body, {})

    def _roots(self, storage: Storage) -> tuple[Storage, ...]:
        """The storages an access touches, in order of creation."""
        if storage not in self.roots:
            self.roots[storage] = tuple(sorted(storage.roots(), key=lambda s: self.order.get(s, s.id)))
        return self.roots[storage]

    def _collect(self, block: Block) -> dict[Storage, None]:
        """What a block writes, as seen from outside."""
        all_written: dict[Storage, None] = {}
        for op in block.ops:
            inside: dict[Storage, None] = {}
            for region in op.regions:
                inside.update(self._collect(region))
            if op.regions:
                self.written[op] = tuple(inside)
            all_written.update(inside)
            for index in op.record.written(op):
                all_written.update(dict.fromkeys(self._roots(op.operands[index].tensor.storage)))
            if op.record.allocates:
                made = (result.tensor.storage for result in op.results if result.is_tensor)
                all_written.update(dict.fromkeys(storage for storage in made if storage in self.escaping))
        local = {
            result.tensor.storage
            for op in block.ops
            if op.record.allocates
            for result in op.results
            if result.is_tensor
        }
        return {s: None for s in all_written if s not in local or s in self.escaping}

    def _fresh(self, storages: tuple[Storage, ...], current: dict[Storage, int]) -> tuple[Version, ...]:
        for storage in storages:
            current[storage] = self.made[storage] = self.made.get(storage, 0) + 1
        return tuple((storage, current[storage]) for storage in storages)

    def _block(self, block: Block, current: dict[Storage, int]) -> None:
        for op in block.ops:
            self._op(op, current)

    def _op(self, op: Op, current: dict[Storage, int]) -> None:
        touched = dict.fromkeys(
            root for index in op.record.reads(op) for root in self._roots(op.operands[index].tensor.storage)
        )
        if touched:
            self.versions.reads[op] = tuple((storage, current.get(storage, 0)) for storage in touched)
        if op.regions:
            self._regions(op, current)
            return
        made: dict[Storage, None] = {}
        for index in op.record.written(op):
            made.update(dict.fromkeys(self._roots(op.operands[index].tensor.storage)))
        if op.record.allocates:
            made.update(dict.fromkeys(result.tensor.storage for result in op.results if result.is_tensor))
        if made:
            self.versions.defines[op] = self._fresh(tuple(made), current)

    def _regions(self, op: Op, current: dict[Storage, int]) -> None:
        written = self.written[op]
        if op.name == "if":
            for region in op.regions:
                self._block(region, dict(current))
        else:
            inside = dict(current)
            if written:
                self.versions.enters[op.regions[0]] = self._fresh(written, inside)
            for region in op.regions:
                self._block(region, inside)
        if written:
            self.versions.defines[op] = self._fresh(written, current)
