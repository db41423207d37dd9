"""Copy elision: what is computed in a temporary and then copied as a whole is computed where it ends up.

Before::

    for i, j in [N, 4]: @level[16*i + 4*j] = ...
    for i, j in [N, 4]: @out[4096 + 16*i + 4*j] = @level[16*i + 4*j]

After::

    for i, j in [N, 4]: @out[4096 + 16*i + 4*j] = ...

Forwarding has done so already where one write computes all of the temporary; this is about those that are
written in parts, changed in place, reduced into, or read by others, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydsl.fusion.access import Access, conflict, points, reads, written
from pydsl.fusion.dead import visible
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind, rewrite
from pydsl.ir.affine import Affine
from pydsl.loops.ir import Buffer, Expr, Load, Space

#: where a destination must live: memory that exists on entry, or whose place does not depend on anything computed
_FIXED = (Space.ARG, Space.ARENA, Space.LOCAL, Space.HEAP)


def elide_copies(statements: Sequence[Statement], local: set[Buffer]) -> list[Statement]:
    """The statements without copies of whole temporaries, in order; accesses are rewritten in place.

    Parameters
    ----------
    local: buffers that nothing outside the line reads.
    """
    kept = list(statements)
    for copy in statements:
        source = _source(copy, local)
        if source is None:
            continue
        assert copy.buffer is not None
        shift = copy.address - source.offset
        if _legal(kept, kept.index(copy), source, shift):
            kept.remove(copy)
            for statement in kept:
                _move(statement, source.buffer, copy.buffer, shift)
    return kept


def _source(copy: Statement, local: set[Buffer]) -> Load | None:
    """The load of a statement that copies all of a local buffer, unchanged and in its layout, to another one."""
    load, buffer = copy.value, copy.buffer
    if copy.kind is not StatementKind.MAP or copy.predicate is not None or buffer is None:
        return None
    if (
        not isinstance(load, Load)
        or load.dtype != copy.dtype
        or load.buffer is buffer
        or load.buffer not in local
    ):
        return None
    if buffer.space not in _FIXED or (buffer.space is not Space.ARG and not _static(buffer)):
        return None
    if not _static(load.buffer) or not (copy.address - load.offset).is_const:
        return None
    region = next(iter(reads(copy))).region()
    if region is None or not region.is_const or load.buffer.nbytes is None:
        return None
    layout, nbytes = region.layout, load.buffer.nbytes.value
    once = points(copy.extents) * region.itemsize == nbytes
    return load if once and layout.dense and (layout.low, layout.high) == (0, nbytes) else None


def _static(buffer: Buffer) -> bool:
    return buffer.nbytes is not None and buffer.nbytes.is_const


def _legal(statements: Sequence[Statement], position: int, source: Load, shift: Affine) -> bool:
    """Whether the temporary may live in the destination from its first access to its last."""
    copy = statements[position]
    target = written(copy)
    assert target is not None
    users = [i for i, s in enumerate(statements) if _touches(s, source.buffer)]
    if any(
        a.itemsize > target.itemsize
        for i in users
        for a in _accesses(statements[i])
        if a.buffer is source.buffer
    ):
        return False  # the destination may be aligned for smaller elements only
    first, last = users[0], users[-1]
    for i in range(first, position):
        if any(conflict(access, target) for access in _accesses(statements[i])):
            return False
        if statements[i].kind is StatementKind.CHECK and visible(target.buffer):
            return False
    for statement in statements[position + 1 : last + 1]:
        write = written(statement)
        if write is not None and (write.buffer is source.buffer or conflict(write, target)):
            return False
    return True


def _accesses(statement: Statement) -> list[Access]:
    write = written(statement)
    return reads(statement) if write is None else [*reads(statement), write]


def _touches(statement: Statement, buffer: Buffer) -> bool:
    return any(access.buffer is buffer for access in _accesses(statement))


def _move(statement: Statement, old: Buffer, new: Buffer, shift: Affine) -> None:
    """Replaces a buffer by a place in another one."""

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Load) and node.buffer is old:
            return Load(new, node.offset + shift, node.dtype)
        if isinstance(node, IndexedLoad) and node.buffer is old:
            terms = tuple((rewrite(index, leaf), stride) for index, stride in node.terms)
            return IndexedLoad(new, node.offset + shift, terms, node.dtype)
        return None

    memo: dict[int, Expr] = {}
    statement.map_expressions(lambda expr: rewrite(expr, leaf, memo))
    if statement.buffer is old:
        statement.buffer, statement.address = new, statement.address + shift
        statement.notes.append(f"computed in place in `{new.name}`, to which all of `{old.name}` is copied")
