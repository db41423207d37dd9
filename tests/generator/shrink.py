"""Makes a failing program smaller: drops statements, unwraps blocks, drops arguments and helpers, simplifies data.

A candidate is kept when it still fails in the same way. Every step is tried in a fixed order until none helps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from tests.generator.program import Line, Nest, Node, Program

Fails = Callable[[Program], bool]


def shrink(program: Program, fails: Fails, budget: int = 600) -> Program:
    """A smaller program that fails in the same way.

    budget: how many candidates are tried.
    """
    progress = True
    while progress and budget > 0:
        progress = False
        for candidate in candidates(program):
            if candidate.size() >= program.size():
                continue
            budget -= 1
            if budget <= 0:
                break
            if _sound(candidate) and fails(candidate):
                program = candidate
                progress = True
                break
    return program


def _sound(program: Program) -> bool:
    try:
        program.function()
        program.make_arguments()
    except Exception:
        return False
    return True


def candidates(program: Program) -> Iterator[Program]:
    """Smaller programs, the boldest first."""
    for body in _bodies(program.body):
        yield program.with_body(body)
    source = program.function_source
    for k, helper in enumerate(program.helpers):
        name = helper.split("(")[0].removeprefix("def ")
        if source.count(f"{name}(") == 1:
            yield replace(program, helpers=(*program.helpers[:k], *program.helpers[k + 1 :]))
    for k, argument in enumerate(program.arguments):
        uses = len(re.findall(rf"\b{argument.name}\b", source))
        others = [a.text for j, a in enumerate(program.arguments) if j != k]
        if uses <= 1 and not any(re.search(rf"\b{argument.name}\b", text) for text in others):
            yield replace(program, arguments=(*program.arguments[:k], *program.arguments[k + 1 :]))
        if argument.readonly:
            yield _with_argument(program, k, replace(argument, readonly=False, text=argument.text + ""))
    used = " ".join(argument.text for argument in program.arguments)
    for k, buffer in enumerate(program.buffers):
        if not re.search(rf"\b{buffer.name}\b", used):
            yield replace(program, buffers=(*program.buffers[:k], *program.buffers[k + 1 :]))
    yield from _simpler_arguments(program)
    yield from _simpler_lines(program)
    yield from _simpler_data(program)


def _with_argument(program: Program, k: int, argument: object) -> Program:
    return replace(program, arguments=(*program.arguments[:k], argument, *program.arguments[k + 1 :]))  # type: ignore[arg-type]


def _bodies(nodes: Sequence[Node]) -> Iterator[tuple[Node, ...]]:
    """Bodies with a part left out."""
    nodes = tuple(nodes)
    n = len(nodes)
    size = n // 2
    while size >= 1:
        for start in range(0, n - size + 1, max(size // 2, 1)):
            yield nodes[:start] + nodes[start + size :]
        size //= 2
    for k, node in enumerate(nodes):
        if isinstance(node, Line):
            lines = node.text.split("\n")
            if len(lines) > 1 and not lines[0].endswith(":"):
                for j in range(len(lines)):
                    yield (*nodes[:k], Line("\n".join(lines[:j] + lines[j + 1 :])), *nodes[k + 1 :])
            continue
        yield (*nodes[:k], *node.body, *nodes[k + 1 :])
        if node.orelse:
            yield (*nodes[:k], *node.orelse, *nodes[k + 1 :])
            yield (*nodes[:k], replace(node, orelse=()), *nodes[k + 1 :])
            for inner in _bodies(node.orelse):
                yield (*nodes[:k], replace(node, orelse=inner), *nodes[k + 1 :])
        for inner in _bodies(node.body):
            if inner:
                yield (*nodes[:k], replace(node, body=inner), *nodes[k + 1 :])


_SIMPLER: list[tuple[str, str]] = [
    (r"^return [(\[](.*)[)\]]$", r"return \1"),
    (r"^return (\w+), .*$", r"return \1"),
    (r"^return .*?, (\w+)$", r"return \1"),
    (r"^return .+$", "return"),
    (r"= np\.\w+\(([^,()]+), [^,()]+\)$", r"= \1"),
    (r"(=|return) \(([^()]*)\) \S+ \S.*$", r"\1 \2"),
    (r"(=|return) .* \S+ \(([^()]*)\)$", r"\1 \2"),
    (r"(=|return) (\S+) \S+ .*$", r"\1 \2"),
    (r"(=|return) .* \S+ (\S+)$", r"\1 \2"),
    (r"\[[^\[\]]*\]", ""),
    (r", [^,\[\]()]*\]", "]"),
    (r"\[[^,\[\]()]*, ", "["),
    (r"\.\w+\(\)", ""),
    (r"\.T\b", ""),
    (r"(?<![\w\])])\(([^()\s,]+)\)", r"\1"),
    (r"-?\d+\.\d+", "2.0"),
]


def _simpler_lines(program: Program) -> Iterator[Program]:
    """One line with a simpler expression."""
    for path, line in _lines(program.body, ()):
        for pattern, replacement in _SIMPLER:
            for match in re.finditer(pattern, line.text):
                text = line.text[: match.start()] + match.expand(replacement) + line.text[match.end() :]
                if text != line.text:
                    yield program.with_body(_replaced(program.body, path, Line(text)))


def _lines(nodes: Sequence[Node], path: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], Line]]:
    for k, node in enumerate(nodes):
        if isinstance(node, Line):
            yield (*path, k), node
        else:
            yield from _lines(node.body, (*path, k, "body"))
            yield from _lines(node.orelse, (*path, k, "orelse"))


def _replaced(nodes: Sequence[Node], path: Sequence[object], line: Line) -> tuple[Node, ...]:
    k = path[0]
    assert isinstance(k, int)
    if len(path) == 1:
        return (*nodes[:k], line, *nodes[k + 1 :])
    node = nodes[k]
    assert isinstance(node, Nest)
    part = str(path[1])
    inner = _replaced(getattr(node, part), path[2:], line)
    changed = replace(node, body=inner) if part == "body" else replace(node, orelse=inner)
    return (*nodes[:k], changed, *nodes[k + 1 :])


def _simpler_arguments(program: Program) -> Iterator[Program]:
    """Views with a step left out."""
    for k, argument in enumerate(program.arguments):
        for match in re.finditer(
            r"\.T\b|\[[^\[\]]*\]|\.transpose\([^)]*\)+|\.reshape\([^)]*\)+", argument.text
        ):
            text = argument.text[: match.start()] + argument.text[match.end() :]
            yield _with_argument(program, k, replace(argument, text=text))


def _simpler_data(program: Program) -> Iterator[Program]:
    """Shorter and duller buffers."""
    for k, buffer in enumerate(program.buffers):
        values = buffer.values
        options = [values[: values.size // 2], values[:-1]] if values.size else []
        for data in options:
            changed = replace(buffer, values=data)
            yield replace(program, buffers=(*program.buffers[:k], changed, *program.buffers[k + 1 :]))


def dull(program: Program, fails: Fails) -> Program:
    """The same program with counting data where it still fails: easier to read."""
    for k, buffer in enumerate(program.buffers):
        if buffer.values.dtype.kind == "b":
            continue
        data = np.arange(1, buffer.values.size + 1).astype(buffer.values.dtype)
        changed = replace(buffer, values=data)
        candidate = replace(program, buffers=(*program.buffers[:k], changed, *program.buffers[k + 1 :]))
        if fails(candidate):
            program = candidate
    return program
