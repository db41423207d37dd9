"""`explain()`: what became of a function, in words: kernels, fusion, memory, traffic, threads, checks, compile time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from textwrap import wrap

from pydsl import knobs
from pydsl.fusion.edges import absorbed
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.ir.core import Op
from pydsl.ir.record import Kind
from pydsl.loops.ir import Buffer, For, Space
from pydsl.report import names
from pydsl.report.graph import signature
from pydsl.report.kernels import (
    MEMORY_NOTES,
    KernelFact,
    buffer_names,
    kept_buffers,
    kernel_facts,
    members,
    user_loops,
)
from pydsl.report.plain import PlainMemory, plain_memory
from pydsl.report.reasons import Apart, apart, duration, too_short, why_dependent, why_serial
from pydsl.report.record import Compilation
from pydsl.report.traffic import Traffic, traffic

WIDTH = 100
#: reasons for missed fusion that the text lists
MOST_REASONS = 12
_WHERE = {
    Space.LOCAL: "on the stack",
    Space.ARENA: "in the arena",
    Space.HEAP: "on the heap",
}


@dataclass
class Temporary:
    """An array that fusion could not remove. ``nbytes`` is None where its size is known at run time only."""

    name: str
    nbytes: int | None
    where: str
    reason: str


@dataclass
class LoopNote:
    """What was decided about the threads of a loop; ``reason`` is empty for a parallel one.

    kernel: its number, 0 for a loop of the user's. short: its estimated time, where only that is the reason.
    """

    loop: str
    parallel: bool
    reason: str = ""
    kernel: int = 0
    short: float | None = None


@dataclass
class Explanation:
    """What is known about one compilation; ``str`` of it is the text for people.

    Parameters
    ----------
    operations: array operations of the program; ``dead``: those of them that nothing needs; ``single``: those on
        single elements, outside of kernels.
    apart: neighbouring kernels that share data and were not fused, with the reason.
    traffic: bytes by kernel, and the least possible.
    plain: what NumPy would allocate.
    times: seconds by stage of the compilation.
    symbols: dimensions and strides that varied between calls: this version takes them as numbers.
    launches: kernels of a device, with their launch configuration.
    """

    signature: str
    place: str
    operations: int
    single: int
    dead: int
    kernels: list[KernelFact]
    apart: list[Apart]
    temporaries: list[Temporary]
    arena: int
    plain: PlainMemory
    traffic: Traffic
    loops: list[LoopNote]
    checks: list[str]
    times: dict[str, float] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    launches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(_text(self)) + "\n"

    def __repr__(self) -> str:
        return str(self)


def explain(compilation: Compilation) -> Explanation:
    """The explanation of a compilation."""
    namer = buffer_names(compilation)
    kernels = kernel_facts(compilation)
    loc = compilation.function.loc
    operations = [op for op in compilation.function.walk() if _is_array_work(op)]
    results = frozenset(s.slot for s in compilation.lowered.storages if s.made_by == "entry")
    in_kernels = {op for fact in kernels for op in fact.ops}
    outside = {op for op in operations if op not in in_kernels}
    single = outside & _outside_kernels(compilation)
    return Explanation(
        signature(compilation),
        f"{loc.file}:{loc.line}" if loc is not None else "",
        len(operations),
        len(single),
        len(outside - single),
        kernels,
        [found for segment in compilation.lowered.segments for found in apart(segment, namer)],
        _temporaries(compilation, namer),
        compilation.plan.arena,
        plain_memory(compilation.function),
        traffic(compilation.loops, results),
        list(_loop_notes(compilation, kernels, namer)),
        _checks(compilation),
        dict(compilation.times),
        symbols=[symbol.hint for symbol in compilation.function.symbols],
    )


def _is_array_work(op: Op) -> bool:
    if op.record.kind in (Kind.ALLOC, Kind.VIEW, Kind.CONTROL, Kind.CHECK, Kind.SCALAR):
        return False
    return any(r.is_tensor for r in op.results) or bool(op.record.writes)


def _outside_kernels(compilation: Compilation) -> set[Op]:
    """The operations that code outside of kernels computes."""
    found: set[Op] = set()
    for segment in compilation.lowered.segments:
        for item in segment.items:
            for statement in members(item):
                found.update(s.op for s in (*absorbed(statement), statement) if s.op is not None)
    return found


# --- memory -------------------------------------------------------------------------------------------------------


def _temporaries(compilation: Compilation, namer: dict[Buffer, str]) -> list[Temporary]:
    writers: dict[Buffer, list[Statement]] = {}
    for segment in compilation.lowered.segments:
        for item in segment.items:
            for statement in members(item):
                if statement.buffer is not None:
                    writers.setdefault(statement.buffer, []).append(statement)
    found = []
    for buffer in kept_buffers(compilation):
        nbytes = buffer.nbytes.value if buffer.nbytes is not None and buffer.nbytes.is_const else None
        made = writers.get(buffer, [])
        found.append(
            Temporary(
                _name(buffer, made, namer), nbytes, _WHERE[buffer.space], _why(buffer, made, compilation)
            )
        )
    return found


def _name(buffer: Buffer, made: list[Statement], namer: dict[Buffer, str]) -> str:
    if buffer not in namer and made and made[0].loc is not None:
        return f"{buffer.name} (line {made[0].loc.line})"
    return namer.get(buffer, buffer.name)


def _why(buffer: Buffer, made: list[Statement], compilation: Compilation) -> str:
    for statement in made:
        for note in statement.notes:
            for prefix in MEMORY_NOTES:
                if note.startswith(prefix):
                    return note.removeprefix(prefix)
    kinds = {statement.kind for statement in made}
    if StatementKind.CONTRACT in kinds:
        return "the result of a product that a later sweep reads"
    if StatementKind.REDUCE in kinds:
        return "the result of a reduction, complete before a later sweep reads it"
    if buffer.space is Space.HEAP:
        return "its size is known at run time only, or it lives on from one iteration to the next"
    segments = [
        position
        for position, segment in enumerate(compilation.lowered.segments)
        if any(_uses(s, buffer) for item in segment.items for s in members(item))
    ]
    if len(segments) > 1:
        return "control flow lies between its use and where it is made"
    return "read in another way than it is written"


def _uses(statement: Statement, buffer: Buffer) -> bool:
    return statement.buffer is buffer or any(load.buffer is buffer for load in statement.loads())


# --- loops and checks ---------------------------------------------------------------------------------------------


def _loop_notes(
    compilation: Compilation, kernels: list[KernelFact], namer: dict[Buffer, str]
) -> Iterator[LoopNote]:
    threads = knobs.NUM_THREADS.get()
    for fact in kernels:
        outer = [loop for loop in fact.loops if loop.depth == 0]
        for loop in outer[:1]:
            reason = why_serial(loop.loop, threads, namer)
            short = None if why_dependent(loop.loop, namer) else too_short(loop.loop)
            yield LoopNote(f"kernel {fact.number}, {loop}", not reason, reason, fact.number, short)
    for user in user_loops(compilation.loops.body):
        yield _user_loop(user, threads, namer)


def _user_loop(loop: For, threads: int, namer: dict[Buffer, str]) -> LoopNote:
    where = f" (line {loop.loc.line})" if loop.loc is not None else ""
    name = f"your loop over {loop.var.name}{where}"
    reason = why_serial(loop, threads, namer)
    if reason.startswith("too short") and not why_dependent(loop, namer):
        reason += "; its iterations are independent"
    return LoopNote(name, not reason, reason)


def _checks(compilation: Compilation) -> list[str]:
    found = []
    for error in compilation.loops.errors:
        where = names.line(error.loc)
        found.append(f"{where}: {error.error.__name__}: {re.sub(r'{[^{}]*}', '...', error.message)}")
    return found


# --- text ---------------------------------------------------------------------------------------------------------


def _text(x: Explanation) -> Iterator[str]:
    yield from _signature_text(x.signature)
    total = sum(x.times.values())
    compiled = f"compiled in {1e3 * total:.1f} ms" if x.times else ""
    if x.place or compiled:
        yield "  " + ", ".join(part for part in (x.place, compiled) if part)
    if x.symbols:
        verb = "is" if len(x.symbols) == 1 else "are"
        yield f"  one version for many sizes: {', '.join(x.symbols)} {verb} known at run time only"
    yield ""
    yield _summary(x)
    for fact in x.kernels:
        yield ""
        yield from _kernel_text(fact)
    if x.apart:
        yield ""
        yield "Not fused"
        by_reason: dict[str, list[Apart]] = {}
        for pair in x.apart:
            by_reason.setdefault(pair.reason, []).append(pair)
        for reason, pairs in list(by_reason.items())[:MOST_REASONS]:
            which = ", ".join(f"{pair.first} and {pair.second}" for pair in pairs)
            yield from _item(f"kernels {which}: {reason}")
        if len(by_reason) > MOST_REASONS:
            yield from _item(
                f"and {len(by_reason) - MOST_REASONS} more; the attribute `apart` has all of them"
            )
    yield ""
    yield from _memory_text(x)
    yield ""
    yield from _traffic_text(x)
    if x.loops:
        yield ""
        yield "Threads"
        yield from _threads_text(x.loops)
    if x.launches:
        yield ""
        yield "Launches"
        yield from (part for line in x.launches for part in _item(line))
    yield ""
    yield "Checks at run time"
    yield from (line for check in x.checks or ["none"] for line in _item(check))
    if x.times:
        yield ""
        yield "Time of compilation"
        yield from _item(", ".join(f"{stage} {1e3 * seconds:.1f} ms" for stage, seconds in x.times.items()))


def _signature_text(text: str) -> Iterator[str]:
    """On one line, or with as many arguments on each line as there is room for."""
    line = ""
    for part in re.split(r"(?<=, )(?=\w+: )", text):
        if line and len(line) + len(part) > WIDTH:
            yield line.rstrip()
            line = "    "
        line += part
    yield line


def _summary(x: Explanation) -> str:
    fused = x.operations - x.dead - x.single
    text = f"{_count(len(x.kernels), 'kernel')} for {_count(fused, 'array operation')}"
    if not x.kernels:
        text = "No kernels"
    if x.single:
        text += f"; {_count(x.single, 'operation')} on single elements, outside of kernels"
    if x.dead:
        text += f"; {_count(x.dead, 'operation')} without code, because nothing needs {'it' if x.dead == 1 else 'them'}"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _kernel_text(fact: KernelFact) -> Iterator[str]:
    place = f" (in {fact.inside})" if fact.inside else ""
    yield f"Kernel {fact.number}{place}: {fact.space} -> {', '.join(fact.writes)}"
    for loop in fact.loops:
        yield f"    {'  ' * loop.depth}for {loop}"
    for text in fact.strategy:
        yield f"    {text}"
    numbers = max((len(str(work.line)) for work in fact.work), default=1)
    width = min(max((len(work.source) for work in fact.work), default=0), 62)
    for work in fact.work:
        source = names.shortened(work.source, width)
        head = f"    {work.line or '':>{numbers}}  {source:<{width}}  "
        first, *rest = wrap(", ".join(_counted(work.operations)), max(WIDTH - len(head), 24)) or [""]
        yield (head + first).rstrip()
        yield from (" " * len(head) + text for text in rest)
    for reduction in fact.reductions:
        yield from _item(f"reduces: {reduction}", 4)
    for note in fact.notes:
        yield from _item(f"note: {note}", 4)


def _counted(labels: Iterable[str]) -> list[str]:
    """``add, add`` as ``2 add``."""
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return [label if count == 1 else f"{count} {label}" for label, count in counts.items()]


def _threads_text(notes: list[LoopNote]) -> Iterator[str]:
    short = [note for note in notes if note.kernel and note.short is not None]
    if len(short) > 2:
        which = names.runs(note.kernel for note in short)
        longest = duration(max(note.short or 0.0 for note in short))
        yield from _item(
            f"kernels {which}: one thread; too short to pay for more (the longest about {longest})"
        )
    for note in notes:
        if len(short) < 3 or note not in short:
            yield from _item(
                f"{note.loop}: {'on threads' if note.parallel else f'one thread; {note.reason}'}"
            )


def _memory_text(x: Explanation) -> Iterator[str]:
    yield "Memory"
    for temporary in x.temporaries:
        size = names.size(temporary.nbytes) if temporary.nbytes is not None else "size known at run time"
        yield from _item(f"{temporary.name}: {size} {temporary.where}; {temporary.reason}")
    if not x.temporaries:
        yield from _item("no temporaries")
    about = "about " if x.plain.rough else ""
    stack = sum(t.nbytes or 0 for t in x.temporaries if t.where == _WHERE[Space.LOCAL])
    here = names.size(x.arena + stack) if x.arena + stack else "nothing"
    yield from _item(
        f"allocated beside the results: {here}; plain NumPy allocates {_count(x.plain.arrays, 'array')}, results"
        f" included: {about}{names.size(x.plain.total)} in all, {about}{names.size(x.plain.peak)} at once"
    )


def _traffic_text(x: Explanation) -> Iterator[str]:
    yield "Bytes moved"
    found = x.traffic
    unknown = any(touched.unknown for touched in found.kernels.values())
    about = "at least " if unknown else "about " if found.rough else ""
    ratio = f" ({found.moved / found.least:.2f} times)" if found.least and not unknown else ""
    least = f"reading each input and writing each output once: {names.size(found.least)}{ratio}"
    yield from _item(f"{about}{names.size(found.moved)}; {least}")
    if len(found.kernels) > 1:
        for number, touched in sorted(found.kernels.items()):
            name = f"kernel {number}" if number else "outside of kernels"
            runs = f", in {touched.trips} runs" if touched.trips != 1 else ""
            read, written = names.size(touched.read_bytes), names.size(touched.written_bytes)
            what = "sizes known at run time" if touched.unknown else f"{read} read, {written} written"
            yield from _item(f"{name}: {what}{runs}", 4)


def _item(text: str, indent: int = 2) -> Iterator[str]:
    margin = " " * indent
    yield from wrap(
        text, WIDTH, initial_indent=margin, subsequent_indent=margin + "  ", break_long_words=False
    )
