"""Removal of dead statements: values that nothing reads, and writes that are overwritten before anything reads them."""

from __future__ import annotations

from collections.abc import Sequence

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
    later_reads: list[Access] = []
    later_writes: list[Access] = []
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
                later_writes.append(write)
        kept.append(statement)
        accesses = reads(statement)
        # a write that is read again before this point is no longer simply overwritten
        later_writes = (
            [w for w in later_writes if not any(conflict(w, a) for a in accesses)]
            if accesses
            else later_writes
        )
        later_reads.extend(accesses)
        scalars.update(used_scalars(statement))
        may_fail_later = may_fail_later or statement.kind is StatementKind.CHECK
    kept.reverse()
    return kept


def _is_dead(
    write: Access,
    local: set[Buffer],
    later_reads: list[Access],
    later_writes: list[Access],
    may_fail_later: bool,
) -> bool:
    if (
        not any(may_alias(write.buffer, r.buffer) and conflict(write, r) for r in later_reads)
        and write.buffer in local
    ):
        return True
    if may_fail_later and visible(write.buffer):
        return False
    region = write.region()
    return region is not None and overwritten(region, [w for w in later_writes if w.buffer is write.buffer])


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
