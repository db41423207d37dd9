"""Fusion groups: statements become loop nests, and nests over the same space become one.

A nest is a tree: loops hold loops and statements. A statement joins an earlier nest at every depth at which the extents
agree and every conflict between the two happens in one and the same iteration; below that depth it forms loops of its
own inside the shared ones. So ``boxes[:, 0]``, ``boxes[:, 2:]`` and ``scores`` of one length share the loop over rows,
and a row's softmax stays in cache. What may move past what is decided by conflicts of memory alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pydsl.analysis.dependence import lexicographically_nonnegative, only_same_iteration
from pydsl.analysis.overlap import has_internal_overlap
from pydsl.fusion.access import Access, conflict, reads, written
from pydsl.fusion.dead import used_scalars, visible
from pydsl.fusion.state import INT64
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind, substitute
from pydsl.ir.affine import Affine
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import Apply, Buffer, DType, Expr, Index, Load, Product, Space, Var

#: statements in one nest; more only make registers spill
MAX_STATEMENTS = 48


@dataclass(eq=False)
class Nest:
    """A loop over ``range(extent)`` with its body. ``notes`` say why something did not join."""

    var: Var
    extent: Affine
    body: list[Nest | Statement] = field(default_factory=list)
    reduction: bool = False

    def statements(self) -> Iterator[Statement]:
        for item in self.body:
            if isinstance(item, Nest):
                yield from item.statements()
            else:
                yield item


Item = Nest | Statement

_LARGE = 1000


def build_nests(statements: Sequence[Statement], fuse: bool = True, *, threads: bool = False) -> list[Item]:
    """Groups statements into nests, in an order that respects every conflict.

    Parameters
    ----------
    fuse: False keeps one nest per statement (for tests and for seeing what fusion gains).
    threads: for a GPU: a write that overlaps what is read needs a temporary, as no order of its loops is kept.
    """
    items: list[Item] = []
    for statement in statements:
        for part in _prepared(statement, threads):
            _place(items, part, loop_order(part), (), fuse)
    return items


# --- preparation: overlap with itself, reductions along outer axes ---


def _prepared(statement: Statement, threads: bool) -> Iterator[Statement]:
    if statement.kind in (StatementKind.SCALAR, StatementKind.CHECK):
        yield statement
        return
    if any(e.is_const and e.value == 0 for e in statement.extents):
        return
    if _needs_temporary(statement, threads):
        yield from _through_temporary(statement)
        return
    if statement.kind is StatementKind.REDUCE:
        statement.lane = _lane(statement)
    yield statement


def _needs_temporary(statement: Statement, threads: bool) -> bool:
    """Whether a write may hit an element that a later point of the space still has to read; with threads, any point."""
    write = written(statement)
    assert write is not None
    suspects = [
        r for r in reads(statement) if may_alias(r.buffer, write.buffer) and not _same_element(r, write)
    ]
    suspects = [r for r in suspects if conflict(r, write)]
    if not suspects:
        return False
    if (
        statement.kind is StatementKind.SCATTER
        and statement.op is not None
        and statement.op.attrs.get("accumulate")
    ):
        suspects = [r for r in suspects if not (r.whole and r.address == write.address)]
        return bool(suspects)
    if (
        threads
        or statement.kind is not StatementKind.MAP
        or any(r.whole or r.buffer is not write.buffer for r in suspects)
    ):
        return True
    order = tuple(v for v, _ in loop_order(statement))
    if all(_reads_first(r, write, order) for r in suspects):
        return False
    reversed_order = _Reversed(statement)
    write = written(statement)
    assert write is not None
    suspects = [
        r for r in reads(statement) if may_alias(r.buffer, write.buffer) and not _same_element(r, write)
    ]
    if all(_reads_first(r, write, order) for r in suspects if conflict(r, write)):
        statement.notes.append("runs backwards: the destination overlaps the source")
        return False
    reversed_order.undo()
    return True


def _same_element(access: Access, write: Access) -> bool:
    return (
        access.buffer is write.buffer
        and access.address == write.address
        and not access.whole
        and not write.whole
    )


def _reads_first(access: Access, write: Access, order: tuple[Var, ...]) -> bool:
    ranges = _ranges(access)
    return lexicographically_nonnegative(access, write, order, ranges, ranges)


def _ranges(access: Access) -> dict[Hashable, tuple[Affine | int | None, Affine | int | None]]:
    return {
        v: (0, e.value - 1 if e.is_const else None) for v, e in zip(access.vars, access.extents, strict=True)
    }


class _Reversed:
    """Turns the statement's loops around: every variable ``v`` becomes ``extent - 1 - v``."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._apply()

    def _apply(self) -> None:
        statement = self.statement
        mapping = {v: e - 1 - Affine.of(v) for v, e in zip(statement.vars, statement.extents, strict=True)}
        _substitute(statement, mapping)

    undo = _apply  # an involution


def _substitute(statement: Statement, mapping: dict[Var, Affine]) -> None:
    from_index = dict(mapping)
    load = (
        substitute(Load(statement.buffer, statement.address, INT64), from_index)
        if statement.buffer is not None
        else None
    )
    if isinstance(load, Load):
        statement.address = load.offset
    statement.map_expressions(lambda expr: substitute(expr, from_index))


def _through_temporary(statement: Statement) -> Iterator[Statement]:
    """``dst[i] = value`` as ``tmp[i] = value; dst[i] = tmp[i]``; so too masks and indices that read ``dst``."""
    assert statement.buffer is not None and statement.dtype is not None and statement.value is not None
    value, terms, predicate = statement.value, statement.terms, statement.predicate
    old: Expr | None = None
    if (
        statement.kind is StatementKind.SCATTER
        and statement.op is not None
        and statement.op.attrs.get("accumulate")
    ):
        assert isinstance(value, Apply)
        old, value = value.args
    stored: Expr
    made, stored = _temporary(statement, value, statement.dtype)
    if statement.kind in (StatementKind.REDUCE, StatementKind.CONTRACT):
        first = made[-1]
        first.kind, first.reduction = statement.kind, statement.reduction
        first.reduce_vars, first.reduce_extents = statement.reduce_vars, statement.reduce_extents
    made[-1].absorbed = statement.absorbed
    yield from made
    if predicate is not None and _reads_written(statement, predicate):
        made, predicate = _temporary(statement, predicate, predicate.dtype)
        yield from made
    held: list[tuple[Expr, int]] = []
    for index, stride in terms:
        if _reads_written(statement, index):
            made, index = _temporary(statement, index, index.dtype)
            yield from made
        held.append((index, stride))
    if old is not None:
        assert isinstance(old, IndexedLoad) and isinstance(statement.value, Apply)
        stored = replace(statement.value, args=(replace(old, terms=tuple(held)), stored))
    fresh = tuple(Var(v.name, INT64, v.bounds) for v in statement.vars)
    second = Statement(
        StatementKind.SCATTER if statement.kind is StatementKind.SCATTER else StatementKind.MAP,
        statement.vars,
        statement.extents,
        buffer=statement.buffer,
        address=statement.address,
        dtype=statement.dtype,
        terms=tuple(held),
        value=stored,
        predicate=predicate,
        op=statement.op,
        name="copy back",
    )
    _substitute(second, {v: Affine.of(w) for v, w in zip(statement.vars, fresh, strict=True)})
    second.vars = fresh
    yield second


def _reads_written(statement: Statement, expr: Expr) -> bool:
    """Whether an expression may read the buffer that the statement writes, at another element than it writes."""
    write = written(statement)
    assert write is not None
    part = Statement(StatementKind.MAP, statement.vars, statement.extents, value=expr)
    return any(may_alias(r.buffer, write.buffer) and not _same_element(r, write) for r in reads(part))


def _temporary(statement: Statement, value: Expr, dtype: DType) -> tuple[list[Statement], Load]:
    """The statements that store a value for every point of a statement's space in new memory, and its load."""
    before: list[Statement] = []
    address = Affine.of(0)
    nbytes = Affine.of(dtype.itemsize)
    for var, extent in zip(reversed(statement.vars), reversed(statement.extents), strict=True):
        if extent.is_const and extent.value == 1:
            continue  # has no loop
        if nbytes.is_const:
            address = address + Affine.of(var) * nbytes.value
        else:
            address = address + Affine.of(Product.of(var, nbytes))
        grown = nbytes.mul(extent)
        if grown is None:
            size = Var("n", INT64, (0, None))
            product = Apply("multiply", (Index(nbytes), Index(extent)), INT64)
            before.append(
                Statement(StatementKind.SCALAR, scalar=size, value=product, op=statement.op, name="size")
            )
            grown = Affine.of(size)
        nbytes = grown
    tmp = Buffer("overlap", Space.ARENA, dtype, nbytes)
    made = Statement(
        StatementKind.MAP,
        statement.vars,
        statement.extents,
        buffer=tmp,
        address=address,
        dtype=dtype,
        value=value,
        op=statement.op,
        name=statement.label(),
        notes=["a temporary: the destination overlaps what is read"],
    )
    return [*before, made], Load(tmp, address, dtype)


def _lane(statement: Statement) -> Var | None:
    """The result dimension to run inside the reduction (for one along outer axes), if that walks memory in order."""
    order = loop_order(statement)
    if not order:
        return None
    inner, extent = order[-1]
    if extent.is_const and extent.value < 8:
        return None
    reduced = [
        r
        for r, e in zip(statement.reduce_vars, statement.reduce_extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    inside = [_step(load.offset, inner) for load in statement.loads()]
    outside = [min((_step(load.offset, r) for r in reduced), default=0) for load in statement.loads()]
    return inner if inside and sum(inside) < sum(outside) else None


def _step(address: Affine, var: Var) -> int:
    """How far an address moves with a variable; strides that only the run knows are taken as large."""
    step = abs(address.coeff(var))
    for symbol, coeff in address.terms:
        if isinstance(symbol, Product) and symbol.factor is var:
            step += _LARGE * abs(coeff) * sum(abs(c) for _, c in symbol.stride.terms)
    return step


# --- loop order and placement ---


def loop_order(statement: Statement) -> list[tuple[Var, Affine]]:
    """The statement's explicit loops, outermost first: result dimensions by falling stride of the destination."""
    if statement.kind is StatementKind.CHECK:
        return []  # it makes its own loops, twice
    dims = [
        (v, e)
        for v, e in zip(statement.vars, statement.extents, strict=True)
        if not (e.is_const and e.value == 1)
    ]
    if statement.kind is StatementKind.SCATTER or statement.buffer is None:
        return dims
    write = written(statement)
    region = write.region() if write is not None else None
    if region is not None and all(s.is_const and s.value == 0 for s in region.strides) and dims:
        return dims
    if region is None or (region.is_const and has_internal_overlap(region)):
        return dims  # the last write in row-major order must stay
    strides = {
        v: abs(s.value) if s.is_const else None for v, s in zip(statement.vars, region.strides, strict=True)
    }
    if not any(s is None for s in strides.values()):
        dims.sort(key=lambda d: -(strides[d[0]] or 0))
    return [d for d in dims if d[0] is not statement.lane]


def _place(
    items: list[Item],
    statement: Statement,
    order: list[tuple[Var, Affine]],
    common: tuple[Var, ...],
    fuse: bool,
) -> None:
    if fuse and order and _may_join(statement):
        for position in range(len(items) - 1, -1, -1):
            item = items[position]
            if isinstance(item, Nest) and _joins(item, statement, order, common):
                var, _ = order[0]
                _rename(statement, var, item.var)
                _place(item.body, statement, order[1:], (*common, item.var), fuse)
                _merge(items, position, common)
                return
            if _depends(item, statement, common):
                break
    if fuse and statement.kind is StatementKind.SCALAR:
        items.insert(_earliest(items, statement, common), statement)
        return
    if fuse and statement.kind is StatementKind.CHECK:
        position = len(items)
        while position and not _depends(items[position - 1], statement, common):
            position -= 1
        items.insert(position, statement)
        return
    position = len(items)
    while fuse and position and _is_contraction(items[position - 1]):
        if _depends(items[position - 1], statement, common):
            break
        position -= 1  # what its epilogue reads must come before a product
    items.insert(position, _own_nest(statement, order))


def _merge(items: list[Item], position: int, common: tuple[Var, ...]) -> bool:
    """Merges a nest into an earlier one, as if its statements had joined that one.

    Before::

        for i: @out[i, 0] = ...
        for i: @t[i] = ...              (shares nothing with the first)
               @out[i, 1] = @t[i]       (joined the second)

    After: one loop.
    """
    later = items[position]
    assert isinstance(later, Nest)
    for number in range(position - 1, -1, -1):
        earlier = items[number]
        if isinstance(earlier, Nest) and _merges(earlier, later, common):
            del items[position]
            for statement in later.statements():
                _rename(statement, later.var, earlier.var)
            inside = (*common, earlier.var)
            for item in later.body:
                _append(earlier.body, item, inside)
            return True
        if any(_depends(earlier, statement, common) for statement in _members(later)):
            return False
    return False


def _merges(earlier: Nest, later: Nest, common: tuple[Var, ...]) -> bool:
    if earlier.extent != later.extent or earlier.reduction or later.reduction:
        return False
    first, second = _members(earlier), _members(later)
    if len(first) + len(second) > MAX_STATEMENTS or not all(map(_may_join, (*first, *second))):
        return False
    pairs = [(a, b) for a in first for b in second]
    return any(_related(a, b) for a, b in pairs) and all(
        _same_iteration(a, b, {later.var: earlier.var}, common) for a, b in pairs
    )


def _append(items: list[Item], item: Item, common: tuple[Var, ...]) -> None:
    """Adds an item to a body: merged with a nest there, or where it stands least in the way of others."""
    items.append(item)
    if isinstance(item, Nest) and _merge(items, len(items) - 1, common):
        return
    position = len(items) - 1
    while position and not any(_depends(items[position - 1], s, common) for s in _members(item)):
        position -= 1
    items.insert(position, items.pop())


def _members(item: Item) -> list[Statement]:
    return [item] if isinstance(item, Statement) else list(item.statements())


def _earliest(items: list[Item], statement: Statement, common: tuple[Var, ...]) -> int:
    """Where a scalar may move up to, so that it does not stand between nests that could be one."""
    needed = used_scalars(statement)
    loads = any(True for _ in statement.loads())
    position = len(items)
    while position:
        item = items[position - 1]
        if isinstance(item, Statement) and item.scalar in needed:
            break
        if loads and _depends(item, statement, common):
            break
        position -= 1
    return position


def _is_contraction(item: Item) -> bool:
    return any(s.kind is StatementKind.CONTRACT for s in _members(item))


def _own_nest(statement: Statement, order: list[tuple[Var, Affine]]) -> Item:
    item: Item = statement
    for var, extent in reversed(order):
        item = Nest(var, extent, [item], reduction=var in statement.reduce_vars)
    return item


def _may_join(statement: Statement) -> bool:
    return statement.kind in (StatementKind.MAP, StatementKind.REDUCE)


def _joins(
    item: Nest, statement: Statement, order: list[tuple[Var, Affine]], common: tuple[Var, ...]
) -> bool:
    var, extent = order[0]
    if item.extent != extent or item.reduction:
        return False
    members = list(item.statements())
    if len(members) >= MAX_STATEMENTS or any(not _hosts(m, statement, order, common) for m in members):
        return False
    if not any(_related(m, statement) for m in members):
        return False
    return all(_same_iteration(m, statement, {var: item.var}, common) for m in members)


def _hosts(
    member: Statement, statement: Statement, order: list[tuple[Var, Affine]], common: tuple[Var, ...]
) -> bool:
    if member.kind is StatementKind.CONTRACT:
        # only an epilogue over exactly the result's space, which needs no more than the element of the result: one that
        # could only share outer loops (it overwrites rows that the product reads) would leave the product single rows
        own = loop_order(member)[-len(order) :]
        return (
            statement.kind is StatementKind.MAP
            and [e for _, e in order] == [e for _, e in own]
            and _same_iteration(
                member, statement, {v: w for (v, _), (w, _) in zip(order, own, strict=True)}, common
            )
        )
    return member.kind in (StatementKind.MAP, StatementKind.REDUCE)


def _related(member: Statement, statement: Statement) -> bool:
    """Whether two statements share a buffer, so that sharing a loop saves memory traffic."""
    mine = {load.buffer for load in statement.loads()} | {statement.buffer}
    return member.buffer in mine or any(load.buffer in mine for load in member.loads())


def _same_iteration(
    member: Statement, statement: Statement, hosts: dict[Var, Var], common: tuple[Var, ...]
) -> bool:
    """Whether all conflicts of the two happen at equal values of the loops that they would share.

    hosts: the statement's variables, and those of the loops that it would join.
    """
    index: dict[Hashable, Affine | int] = {var: Affine.of(host) for var, host in hosts.items()}
    for a, b in _conflicting(member, statement):
        mapped = Access(
            b.buffer,
            b.address.substitute(index),
            b.itemsize,
            tuple(hosts.get(v, v) for v in b.vars),
            b.extents,
            b.whole,
        )
        if mapped.whole or a.whole or a.buffer is not b.buffer:
            return False
        ranges_a, ranges_b = _ranges(a), _ranges(mapped)
        for fixed in common:
            ranges_a.pop(fixed, None)
            ranges_b.pop(fixed, None)
        if not only_same_iteration(a, mapped, tuple(hosts.values()), ranges_a, ranges_b):
            return False
    return True


def _conflicting(first: Statement, second: Statement) -> Iterator[tuple[Access, Access]]:
    """Pairs of accesses on one memory of which at least one writes."""
    write_first, write_second = written(first), written(second)
    if write_first is not None:
        for access in reads(second):
            if may_alias(access.buffer, write_first.buffer):
                yield write_first, access
        if write_second is not None and may_alias(write_first.buffer, write_second.buffer):
            yield write_first, write_second
    if write_second is not None:
        for access in reads(first):
            if may_alias(access.buffer, write_second.buffer):
                yield access, write_second


def _depends(item: Item, statement: Statement, common: tuple[Var, ...]) -> bool:
    """Whether the statement must stay behind the item (in one iteration of the common loops)."""
    members = [item] if isinstance(item, Statement) else item.statements()
    return any(must_follow(m, statement, common) for m in members)


def must_follow(first: Statement, second: Statement, common: tuple[Var, ...] = ()) -> bool:
    """Whether ``second`` must run after ``first``."""
    if first.scalar is not None and first.scalar in used_scalars(second):
        return True
    if first.kind is StatementKind.CHECK and _visible(second):
        return True
    if second.kind is StatementKind.CHECK and (_visible(first) or first.kind is StatementKind.CHECK):
        return True
    if StatementKind.CHECK in (first.kind, second.kind) and guarded(first, second):
        return True
    return any(conflict(_inside(a, common), _inside(b, common)) for a, b in _conflicting(first, second))


def guarded(first: Statement, second: Statement) -> bool:
    """A check guards the loads after it that may lie outside of their memory where it fails."""
    return first.kind is StatementKind.CHECK and not all(r.surely_inside() for r in reads(second))


def _inside(access: Access, common: tuple[Var, ...]) -> Access:
    if not common:
        return access
    kept = [(v, e) for v, e in zip(access.vars, access.extents, strict=True) if v not in common]
    return Access(
        access.buffer,
        access.address,
        access.itemsize,
        tuple(v for v, _ in kept),
        tuple(e for _, e in kept),
        access.whole,
    )


def _visible(statement: Statement) -> bool:
    """Whether the statement writes memory that the caller sees even when the function raises."""
    return statement.buffer is not None and visible(statement.buffer)


def _rename(statement: Statement, var: Var, host: Var) -> None:
    _substitute(statement, {var: Affine.of(host)})
    statement.vars = tuple(host if v is var else v for v in statement.vars)
