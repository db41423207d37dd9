"""Reads the import graph of the code base and names what breaks its rules. Local imports count like the others.

- Imports run one way: no module imports itself, over however many others.
- A package imports only packages of its own layer or a lower one (`LAYERS`).
- `pydsl` outside of `jit` and `kernels` knows neither LLVM nor the CUDA packages nor `pydsl.jit`.
- Kernels use the public API alone: ``from pydsl import ...``.
- The folders are imported by their installed names (`pydsl.jit`), never as `jit`; and no import hides in a call of
  `import_module`, except in the modules that exist to be lazy (`LAZY`).

Imports under ``if TYPE_CHECKING:`` do not run and are not counted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "errors knobs",
        "ir",
        "analysis callbacks",
        "transforms",
        "fusion loops",
        "lowering",
        "library frontend",
        "report",
        "jit numpy",
        "kernels",
    )
)
LAZY = {"pydsl", "pydsl.jit", "pydsl.jit.lazy", "pydsl.numpy"}
FOLDERS = {"pydsl": "pydsl", "jit": "pydsl.jit", "kernels": "pydsl.kernels"}
BACK_END_ONLY = {"llvmlite", "cuda", "pydsl.jit"}


@dataclass(frozen=True)
class Import:
    """One import statement's claim on one module; `line` is where it stands."""

    target: str
    line: int


@dataclass(frozen=True)
class Module:
    name: str
    file: Path
    imports: tuple[Import, ...]


# --- reading ------------------------------------------------------------------------------------------------------


def read_tree(root: Path) -> dict[str, Module]:
    """All modules under the source folders of `root`, by installed name."""
    files: dict[str, Path] = {}
    for folder, package in FOLDERS.items():
        for file in sorted((root / folder).rglob("*.py")):
            parts = file.relative_to(root / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            files[name] = file
    return {name: Module(name, file, tuple(_imports(name, file, files))) for name, file in files.items()}


def _imports(name: str, file: Path, known: Mapping[str, Path]) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in known else base, node.lineno)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            first = node.args[0] if node.args else None
            literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield Import(first.value if literal else "<computed>", node.lineno)  # type: ignore[union-attr]


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without the bodies of ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.orelse:
                yield statement
                yield from _running(statement)
        else:
            yield child
            yield from _running(child)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


# --- rules --------------------------------------------------------------------------------------------------------


def problems(modules: Mapping[str, Module]) -> list[str]:
    """Every broken rule, in words."""
    found = [f"import cycle: {' -> '.join(cycle)}" for cycle in cycles(modules)]
    for module in modules.values():
        for item in module.imports:
            found += [f"{module.file}:{item.line}: {text}" for text in _broken(module, item, modules)]
    return found


def _broken(module: Module, item: Import, modules: Mapping[str, Module]) -> Iterator[str]:
    here, there = _part(module.name), _part(item.target)
    if item.target == "<computed>" and module.name not in LAZY:
        yield "an import hides in a call of import_module"
    if item.target.partition(".")[0] in {"jit", "kernels"}:
        yield f"{item.target} is installed as pydsl.{item.target}"
    if here not in {"jit", "kernels"} and any(_within(item.target, name) for name in BACK_END_ONLY):
        yield f"{module.name} must not import {item.target}"
    if here == "kernels" and _within(item.target, "pydsl") and there not in {"", "kernels"}:
        if item.target != "pydsl.jit":  # `from pydsl import jit` names the decorator, which is that module
            yield f"kernels use the public API only, not {item.target}"
    if here and there and item.target in modules and _rank(there) > _rank(here):
        yield f"{here} is below {there} and must not import {item.target}"


def _part(name: str) -> str:
    """The component of `pydsl` that a module belongs to; empty for `pydsl` itself and for other packages."""
    parts = name.split(".")
    return parts[1] if parts[0] == "pydsl" and len(parts) > 1 else ""


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _rank(part: str) -> int:
    for rank, names in enumerate(LAYERS):
        if part in names:
            return rank
    raise LookupError(f"pydsl.{part} has no layer; give it one in {__file__}")


def cycles(modules: Mapping[str, Module]) -> list[list[str]]:
    """A shortest cycle through the first module of each knot of imports, as a closed path."""
    graph = {
        name: sorted({item.target for item in module.imports} & modules.keys())
        for name, module in modules.items()
    }
    found: list[list[str]] = []
    seen: set[str] = set()
    for name in sorted(graph):
        path = None if name in seen else _way_back(name, graph)
        if path:
            seen.update(path)
            found.append(path)
    return found


def _way_back(start: str, graph: Mapping[str, Iterable[str]]) -> list[str] | None:
    """The shortest path of at least one step from a node to itself."""
    paths = [[start]]
    visited: set[str] = set()
    for path in paths:
        for target in graph[path[-1]]:
            if target == start:
                return [*path, start]
            if target not in visited:
                visited.add(target)
                paths.append([*path, target])
    return None
