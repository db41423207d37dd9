"""Facts about the kernels of a compilation: what runs in them, over which loops, and what stays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydsl.fusion.edges import absorbed
from pydsl.fusion.nests import Item, Nest
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.ir.core import Block, Op
from pydsl.ir.types import Storage
from pydsl.loops.ir import Buffer, Contract, For, Gemm, LoopKind, Space, Stmt, While
from pydsl.loops.walk import blocks, walk
from pydsl.report import names
from pydsl.report.record import Compilation

#: how notes about temporaries begin
MEMORY_NOTES = ("kept in memory: ", "a temporary: ")
TEMPORARY = (Space.ARENA, Space.HEAP, Space.LOCAL)


@dataclass
class LoopFact:
    """One loop of a kernel as it was generated."""

    variable: str
    extent: str
    kind: LoopKind
    independent: bool
    depth: int
    loop: For

    def __str__(self) -> str:
        words = {LoopKind.PARALLEL: "threads", LoopKind.VECTOR: "vector", LoopKind.UNROLL: "unrolled"}
        kind = words.get(self.kind, "")
        return f"{self.variable} in {self.extent}" + (f" ({kind})" if kind else "")


@dataclass
class LineWork:
    """The operations of one line of the user's source that a kernel computes."""

    line: int
    source: str
    operations: list[str]


@dataclass
class KernelFact:
    """One kernel.

    Parameters
    ----------
    work: its operations by line of the user's source, in program order; ``ops``: the operations themselves.
    writes: what it writes, as the user knows it.
    space: its widest iteration space.
    strategy: how its contractions run.
    inside: the user's loop or branch around it, as in ``while of line 12``; empty at the top.
    """

    number: int
    segment: int
    statements: list[Statement]
    work: list[LineWork]
    ops: list[Op]
    writes: list[str]
    space: str
    loops: list[LoopFact] = field(default_factory=list)
    reductions: list[str] = field(default_factory=list)
    strategy: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inside: str = ""

    @property
    def operations(self) -> int:
        return sum(len(work.operations) for work in self.work)

    @property
    def lines(self) -> list[int]:
        """The user's lines, in order."""
        return sorted({work.line for work in self.work if work.line})

    @property
    def parallel(self) -> bool:
        return any(loop.kind is LoopKind.PARALLEL for loop in self.loops)

    @property
    def vector(self) -> bool:
        return any(loop.kind is LoopKind.VECTOR for loop in self.loops)

    @property
    def heading(self) -> str:
        parts = [self.space]
        parts += ["threads"] if self.parallel else []
        parts += ["vector"] if self.vector else []
        return ", ".join([*parts, *self.strategy])


def members(item: Item) -> list[Statement]:
    """The statements of a nest, or the statement itself."""
    return list(item.statements()) if isinstance(item, Nest) else [item]


def kernel_facts(compilation: Compilation) -> list[KernelFact]:
    """All kernels, in the order of execution."""
    loops = loops_by_kernel(compilation.loops.body)
    namer = buffer_names(compilation)
    kept = set(compilation.loops.buffers)
    around = _control_around(compilation.function.body, "")
    facts: list[KernelFact] = []
    for position, segment in enumerate(compilation.lowered.segments):
        for number, item in segment.kernels.items():
            fact = _fact(number, position, members(item), namer, kept)
            fact.inside = around.get(segment.ops[0], "")
            for depth, stmt in loops.get(number, ()):
                _loop_fact(fact, depth, stmt)
            facts.append(fact)
    return facts


def _fact(
    number: int, segment: int, statements: list[Statement], namer: dict[Buffer, str], kept: set[Buffer]
) -> KernelFact:
    work: dict[tuple[str, int], LineWork] = {}
    seen: dict[Op, None] = {}
    for statement in statements:
        for one in (*absorbed(statement), statement):
            label = one.label()
            if label == "size" or (label.endswith(" init") and len(statements) > 1):
                continue
            if one.op is not None:
                if one.op in seen:
                    continue
                seen[one.op] = None
            line, text = (one.loc.line, one.loc.source.strip()) if one.loc is not None else (0, "")
            key = (one.loc.file if one.loc is not None else "", line)
            work.setdefault(key, LineWork(line, text, [])).operations.append(label)
    written = dict.fromkeys(
        namer.get(s.buffer, s.buffer.name) for s in statements if s.buffer is not None and s.buffer in kept
    ) or {"check" if any(s.kind is StatementKind.CHECK for s in statements) else "a scalar": None}
    widest = max(statements, key=lambda s: (len(s.extents), _points(s)), default=None)
    space = _space(widest) if widest is not None else "1"
    reductions = [
        f"{s.label()} over {names.dims(s.reduce_extents)}"
        for s in statements
        if s.kind is StatementKind.REDUCE and s.reduce_extents and s.extents
    ]
    notes = [note for s in statements for note in s.notes if not note.startswith(MEMORY_NOTES)]
    return KernelFact(
        number,
        segment,
        statements,
        sorted(work.values(), key=lambda w: w.line),
        list(seen),
        list(written),
        space,
        reductions=list(dict.fromkeys(reductions)),
        notes=list(dict.fromkeys(notes)),
    )


def _space(statement: Statement) -> str:
    """The iteration space; of a reduction to one number, what it reduces."""
    if statement.extents or not statement.reduce_extents:
        return names.dims(statement.extents)
    return f"{statement.label()} over {names.dims(statement.reduce_extents)}"


def _control_around(block: Block, inside: str) -> dict[Op, str]:
    found: dict[Op, str] = {}
    for op in block.ops:
        found[op] = inside
        here = f"`{op.name}` of {names.line(op.loc)}"
        for region in op.regions:
            found.update(_control_around(region, here if op.name != "if" or not inside else inside))
    return found


def _points(statement: Statement) -> int:
    total = 1
    for extent in statement.extents:
        total *= extent.value if extent.is_const else 1 << 20
    return total


# --- loops --------------------------------------------------------------------------------------------------------


def loops_by_kernel(body: list[Stmt]) -> dict[int, list[tuple[int, Stmt]]]:
    """Loops, register-tiled contractions and library calls by kernel, with their depth inside it."""
    found: dict[int, list[tuple[int, Stmt]]] = {}

    def visit(stmts: list[Stmt], kernel: int, depth: int) -> None:
        for stmt in stmts:
            number = getattr(stmt, "kernel", 0) or kernel
            inside = isinstance(stmt, (For, While, Contract, Gemm)) and not _is_users(stmt)
            if inside and number:
                found.setdefault(number, []).append((depth if number == kernel else 0, stmt))
            for block in blocks(stmt):
                visit(block, number, (depth if number == kernel else 0) + inside)

    visit(body, 0, 0)
    return found


def _is_users(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.label == "user"


def _loop_fact(fact: KernelFact, depth: int, stmt: Stmt) -> None:
    match stmt:
        case For():
            extent = stmt.stop - stmt.start
            name = stmt.var.name if stmt.label != "reduce" else f"{stmt.var.name} (reduction)"
            loop = LoopFact(name, names.index(extent), stmt.kind, stmt.independent, depth, stmt)
            if not any(str(loop) == str(other) and loop.depth == other.depth for other in fact.loops):
                fact.loops.append(loop)
        case Contract():
            m = names.dims_of(extent for _, extent, _ in stmt.m)
            k = names.dims_of(extent for extent, _, _ in stmt.k)
            text = f"product ({m}) x ({k}) x {stmt.n[1]} in register tiles"
            text += ", rows on threads" if stmt.parallel else ""
            after = sum(1 for _ in walk(stmt.epilogue)) - 1
            fact.strategy.append(text + (", what follows on the tile" if after > 0 else ""))
        case Gemm():
            sizes = " x ".join(map(names.index, (stmt.m, stmt.k, stmt.n)))
            fact.strategy.append(f"library product {sizes}")
        case _:
            pass


def user_loops(body: list[Stmt]) -> Iterator[For]:
    """The loops of the user's program."""
    for stmt in walk(body):
        if isinstance(stmt, For) and stmt.label == "user":
            yield stmt


# --- buffers ------------------------------------------------------------------------------------------------------


def buffer_names(compilation: Compilation) -> dict[Buffer, str]:
    """The user's names of buffers."""
    namer = names.Names(compilation.function)
    return {buffer: namer.storage(storage) for storage, buffer in compilation.lowered.buffers.items()}


def kept_buffers(compilation: Compilation) -> list[Buffer]:
    """The temporaries that are left in the generated code."""
    return [buffer for buffer in compilation.loops.buffers if buffer.space in TEMPORARY]


def kept_storages(compilation: Compilation) -> list[Storage]:
    """The storages of the temporaries that are left."""
    kept = set(kept_buffers(compilation))
    return [storage for storage, buffer in compilation.lowered.buffers.items() if buffer in kept]
