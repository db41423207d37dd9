"""Forwarding: a load of a value that an earlier statement wrote becomes that value's expression.

Before::

    for i, j in [N, 4]: @t[i, j] = @a[i, j] * 2
    for i    in [N]:    @c[i]    = @t[i, 1] + 1

After (the write to ``@t`` is then dead)::

    for i in [N]: @c[i] = @a[i, 1] * 2 + 1

Views need no special treatment: the map from the load's index to the index of the write is found from the addresses.
A load is forwarded when one earlier write covers it, when everything that write has read is still unchanged, and when
it is cheaper than keeping the value in memory. The cost model knows recomputation: a value that is broadcast is
computed once per evaluation of the innermost loop it depends on, and an expensive one is kept in memory instead.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from pydsl.fusion.access import Access, conflict, element_map, points, read, written
from pydsl.fusion.dead import overwritten
from pydsl.fusion.reuse import reuses_operands
from pydsl.fusion.sharing import Sharing
from pydsl.fusion.statement import IndexedLoad, Statement, StatementKind, cost, rewrite, substitute
from pydsl.ir.affine import Affine
from pydsl.loops.alias import may_alias
from pydsl.loops.ir import Buffer, Expr, Load

#: adds that a GPU does while it starts a kernel
LAUNCH = 4_000_000
#: adds of a value that is cheaper to compute than to wait for
CHEAP = 16


@dataclass
class _Use:
    """One load that an earlier write covers."""

    reader: int
    load: Load
    map: list[Affine]


@dataclass
class _Definition:
    """What is known about the value a statement writes."""

    uses: list[_Use] = field(default_factory=list)
    blocked: bool = False  # some load needs it in memory


class Forwarding:
    """Forwarding over one straight line of statements.

    Parameters
    ----------
    statements: in program order; their expressions are rewritten in place.
    local: buffers that nothing outside the line reads.
    threads: for a GPU: a value that is kept costs a launch, and what is cheap is computed again rather.
    """

    def __init__(self, statements: Sequence[Statement], local: set[Buffer], *, threads: bool = False) -> None:
        self.statements = statements
        self.threads = threads
        self.local = local
        self.writes = [written(s) for s in statements]
        self.writers: dict[Buffer, list[int]] = defaultdict(list)
        for i, access in enumerate(self.writes):
            if access is not None:
                self.writers[access.buffer].append(i)
        self.aliased: dict[Buffer, list[int]] = {}
        self.definitions: dict[int, _Definition] = defaultdict(_Definition)
        self.sources: dict[tuple[int, int], tuple[int, list[Affine]]] = {}

    def run(self) -> None:
        for i in range(len(self.statements)):
            self._find_sources(i)
        inlined: set[int] = set()
        for i, statement in enumerate(self.statements):
            self._rewrite(i, statement, inlined)
            if self._should_inline(i):
                inlined.add(i)

    # --- reaching definitions ---

    def _find_sources(self, i: int) -> None:
        statement = self.statements[i]
        for load in statement.loads():
            access = read(statement, load)
            for w in self._writers_before(i, load.buffer):
                write = self.writes[w]
                assert write is not None
                if not conflict(access, write):
                    continue
                found = self._map(access, w, load)
                if found is None:
                    # this write and those before it that may be seen past it must stay in memory
                    self._block_from(w, access)
                    break
                assert isinstance(load, Load)
                self.definitions[w].uses.append(_Use(i, load, found))
                self.sources[i, id(load)] = (w, found)
                break

    def _map(self, access: Access, w: int, load: Load | IndexedLoad) -> list[Affine] | None:
        writer, write = self.statements[w], self.writes[w]
        assert write is not None
        if (
            writer.kind is not StatementKind.MAP
            or writer.predicate is not None
            or isinstance(load, IndexedLoad)
            or load.dtype != writer.dtype  # the same bytes read as another type
        ):
            return None
        return element_map(access, write)

    def _block_from(self, w: int, access: Access) -> None:
        for earlier in self._writers_before(w + 1, access.buffer):
            write = self.writes[earlier]
            if write is not None and conflict(access, write):
                self.definitions[earlier].blocked = True

    def _writers_before(self, i: int, buffer: Buffer) -> list[int]:
        same = self.aliased.get(buffer)
        if same is None:
            aliases = (ws for other, ws in self.writers.items() if may_alias(other, buffer))
            same = self.aliased[buffer] = sorted(w for ws in aliases for w in ws)
        return same[bisect_left(same, i) - 1 :: -1] if same and same[0] < i else []

    # --- decisions ---

    def _should_inline(self, w: int) -> bool:
        definition = self.definitions.get(w)
        writer = self.statements[w]
        if definition is None or not definition.uses or writer.value is None or writer.dtype is None:
            return False
        weight = cost(writer.value)
        if weight == 0 or isinstance(writer.value, Load):
            return True
        if not self._removable(w):
            return False
        if definition.blocked:
            writer.notes.append(
                "kept in memory: some reads of it need more than this one write, or come at loaded indices"
            )
            return False
        late = next((use.reader for use in definition.uses if not self._unchanged(w, use.reader)), None)
        if late is not None:
            writer.notes.append(
                f"kept in memory: what it is computed from changes before {_place(self.statements[late])}"
            )
            return False
        if any(reuses_operands(self.statements[use.reader]) for use in definition.uses):
            writer.notes.append("kept in memory: an operand of a product, whose elements are used many times")
            return False
        size = points(writer.extents)
        evaluations: dict[object, int] = {}
        for use in definition.uses:
            reader = self.statements[use.reader]
            # readers over one space will share a loop and the value in it; a reduction loop is its own
            depth = _depth(use.map, reader)
            own = use.reader if depth > len(reader.vars) else None
            key = (own, (reader.extents + reader.reduce_extents)[:depth], tuple(_shape(use.map, reader)))
            evaluations[key] = _evaluations(use.map, reader)
        traffic = _traffic(size * writer.dtype.itemsize)
        recompute = sum(evaluations.values()) * weight
        keep = size * (weight + 2 * traffic) + sum(evaluations.values()) * traffic + 64
        if self.threads and weight <= CHEAP:
            keep += LAUNCH
        if recompute <= keep:
            return True
        times = sum(evaluations.values()) / max(size, 1)
        writer.notes.append(
            f"kept in memory: inlined it would be computed {times:.0f} times for each element, "
            f"at a cost of {weight} adds"
        )
        return False

    def _removable(self, w: int) -> bool:
        """Whether the write can go once its readers have the value: nobody else reads it, or it is overwritten."""
        write = self.writes[w]
        assert write is not None
        if write.buffer in self.local:
            return True
        region = write.region()
        later = [
            access
            for i in self.writers[write.buffer]
            if i > w and self.statements[i].predicate is None and (access := self.writes[i]) is not None
        ]
        return region is not None and overwritten(region, later)

    def _unchanged(self, w: int, i: int) -> bool:
        """Whether everything statement ``w`` has read still has its value just before statement ``i``."""
        writer = self.statements[w]
        for load in writer.loads():
            access = read(writer, load)
            for between in self._writers_before(i, load.buffer):
                if between < w:
                    break
                write = self.writes[between]
                if write is not None and conflict(access, write):
                    return False
        return True

    def _rewrite(self, i: int, statement: Statement, inlined: set[int]) -> None:
        if not any((i, id(load)) in self.sources for load in statement.loads()):
            return

        shared = Sharing()
        forwarded: dict[tuple[int, tuple[Affine, ...]], Expr] = {}

        def leaf(node: Expr) -> Expr | None:
            source = self.sources.get((i, id(node))) if isinstance(node, Load) else None
            if source is None:
                return None
            w, index = source
            if w not in inlined or not self._unchanged(w, i):
                return None
            key = w, tuple(index)
            if key not in forwarded:
                writer = self.statements[w]
                assert writer.value is not None
                statement.absorbed.append(writer)
                forwarded[key] = shared(substitute(writer.value, dict(zip(writer.vars, index, strict=True))))
            return forwarded[key]

        memo: dict[int, Expr] = {}
        statement.map_expressions(lambda expr: shared(rewrite(expr, leaf, memo)))


def _place(statement: Statement) -> str:
    return f"line {statement.loc.line}" if statement.loc is not None else f"`{statement.label()}`"


def _shape(index: list[Affine], reader: Statement) -> list[Affine]:
    """The map with the reader's variables replaced by their positions, to compare maps of different readers."""
    mapping: dict[Hashable, Affine | int] = {v: Affine.of(("var", k)) for k, v in enumerate(reader.all_vars)}
    return [expr.substitute(mapping) for expr in index]


def _depth(index: list[Affine], reader: Statement) -> int:
    """How many of the reader's loops an expression of these indices is under, once invariants are hoisted."""
    used = {symbol for expr in index for symbol in expr.symbols()}
    extents = reader.extents + reader.reduce_extents
    varying = [
        k
        for k, v in enumerate(reader.all_vars)
        if v in used and not (extents[k].is_const and extents[k].value == 1)
    ]
    return max(varying, default=-1) + 1


def _evaluations(index: list[Affine], reader: Statement) -> int:
    """How often an expression of these indices is evaluated in the reader's loops, invariants hoisted."""
    return points((reader.extents + reader.reduce_extents)[: _depth(index, reader)])


def _traffic(nbytes: int) -> int:
    """Cost of moving one element through the level of the memory hierarchy that holds ``nbytes``, in vector adds."""
    if nbytes <= 256 << 10:
        return 1
    return 6 if nbytes <= 8 << 20 else 16
