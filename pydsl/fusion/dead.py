"""Removal of dead statements: values that nothing reads, and writes that are overwritten before anything reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydsl.analysis.overlap import Region, covers, has_internal_overlap, may_share
from pydsl.fusion.access import Access, conflict, points, reads, written
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import Buffer, Space, Var


def remove_dead(
    statements: Sequence[Statement], local: set[Buffer], live_scalars: set[Var]
) -> list[Statement]:
    """The statements that matter, in order.

    Parameters
    ----------
    local: buffers that nothing after the line reads.
    live_scalars: scalar variables that are used outside the line.
    """
    kept: list[Statement] = []
    later_reads, later_writes = _Accesses(), _Accesses()
    scalars = set(live_scalars)
    may_fail_later = False
    for statement in reversed(statements):
        write = written(statement)
        if statement.kind is StatementKind.SCALAR:
            if statement.scalar not in scalars:
                continue
        elif write is not None:
            if _is_dead(write, local, later_reads, later_writes, may_fail_later):
                continue
            if statement.predicate is None and not statement.terms:
                later_writes.add(write)
        kept.append(statement)
        for access in reads(statement):
            later_reads.add(access)
            # a write that is read before this point is no longer simply overwritten
            later_writes.forget(access)
        scalars.update(used_scalars(statement))
        may_fail_later = may_fail_later or statement.kind is StatementKind.CHECK
    kept.reverse()
    return kept


class _Accesses:
    """Accesses by buffer, so that only those on the same memory are compared."""

    def __init__(self) -> None:
        self.by_buffer: dict[Buffer, list[Access]] = {}
        self.pointers = False

    def add(self, access: Access) -> None:
        self.by_buffer.setdefault(access.buffer, []).append(access)
        self.pointers = self.pointers or access.buffer.space is Space.POINTER

    def near(self, buffer: Buffer) -> Iterator[list[Access]]:
        """The lists of accesses to memory that the buffer may stand for."""
        if not self.pointers and buffer.space is not Space.POINTER:
            if buffer in self.by_buffer:
                yield self.by_buffer[buffer]
            return
        yield from (found for other, found in self.by_buffer.items() if may_alias(other, buffer))

    def conflicts(self, access: Access) -> bool:
        return any(conflict(access, other) for found in self.near(access.buffer) for other in found)

    def forget(self, access: Access) -> None:
        """Drops what conflicts with an access."""
        for found in self.near(access.buffer):
            found[:] = [other for other in found if not conflict(other, access)]


def _is_dead(
    write: Access, local: set[Buffer], later_reads: _Accesses, later_writes: _Accesses, may_fail_later: bool
) -> bool:
    if write.buffer in local and not later_reads.conflicts(write):
        return True
    if may_fail_later and visible(write.buffer):
        return False
    covers_it = later_writes.by_buffer.get(write.buffer)
    region = write.region() if covers_it else None
    return region is not None and covers_it is not None and overwritten(region, covers_it)


def visible(buffer: Buffer) -> bool:
    """Whether the caller sees what is written to a buffer even when the function raises later."""
    return buffer.space in (Space.ARG, Space.GLOBAL, Space.POINTER) and not buffer.fresh


def overwritten(region: Region, writes: Sequence[Access]) -> bool:
    """Whether writes cover a region: one of them alone, or several that are disjoint and add up to it."""
    parts: list[Region] = []
    for write in writes:
        part = write.region()
        if part is None:
            continue
        if covers(part, region):
            return True
        if part.is_const and region.is_const and covers(region, part) and not has_internal_overlap(part):
            parts.append(part)
    if sum(_nbytes(p) for p in parts) < _nbytes(region) or has_internal_overlap(region):
        return False
    chosen: list[Region] = []
    for part in parts:
        if not any(may_share(part, other) for other in chosen):
            chosen.append(part)
    return sum(_nbytes(p) for p in chosen) == _nbytes(region)


def _nbytes(region: Region) -> int:
    return points(region.shape) * region.itemsize


def used_scalars(statement: Statement) -> set[Var]:
    """Scalar variables of the function that a statement uses, in expressions and in addresses."""
    from_expressions = statement.scalar_uses()
    return from_expressions - set(statement.all_vars)
