"""Writing LLVM IR as text: a module, and functions in it, line by line.

Strings instead of an object model: a kernel is written in well under a millisecond. Nothing here knows the loop IR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydsl.jit.llvm.target import Target


class ModuleText:
    """One module under construction: declarations, constants, helper functions, metadata, attribute groups."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._declarations: dict[str, str] = {}
        self._globals: list[str] = []
        self._functions: list[str] = []
        self._metadata: list[str] = []
        self._interned: dict[str, str] = {}
        self._named: dict[str, list[str]] = {}
        self._attributes: dict[str, int] = {}
        self._kept: dict[str, None] = {}
        self._helpers: set[str] = set()
        self._numbers = 0

    # --- pieces ---------------------------------------------------------------------------------------------

    def number(self) -> int:
        """A number that is new in this module."""
        self._numbers += 1
        return self._numbers

    def declare(self, name: str, result: str, parameters: Sequence[str], attributes: str = "nounwind") -> str:
        """Declare an external function once; answers ``@name``."""
        if name not in self._declarations:
            group = self.attributes(attributes)
            self._declarations[name] = f"declare {result} @{name}({', '.join(parameters)}) {group}"
        return f"@{name}"

    def keep(self, name: str) -> None:
        """Keep a declared function until code generation although nothing calls it yet."""
        self._kept[name] = None

    def attributes(self, text: str) -> str:
        """The attribute group (``#n``) with this text."""
        return f"#{self._attributes.setdefault(text, len(self._attributes))}"

    def constant(self, name: str, text: str) -> str:
        """Define a global; answers ``@name``."""
        self._globals.append(f"@{name} = {text}")
        return f"@{name}"

    def helper(self, name: str, write: Callable[[], str]) -> str:
        """An internal function that is written when first asked for; answers ``@name``."""
        if name not in self._helpers:
            self._helpers.add(name)
            self._functions.append(write())
        return f"@{name}"

    def function(self, text: str) -> None:
        """Add the text of a function."""
        self._functions.append(text)

    # --- metadata -------------------------------------------------------------------------------------------

    def node(self, content: str) -> str:
        """The metadata node ``!{content}``, shared with equal ones."""
        found = self._interned.get(content)
        if found is None:
            found = self._interned[content] = f"!{len(self._metadata)}"
            self._metadata.append(f"{found} = !{{{content}}}")
        return found

    def distinct(self, content: str = "", *, self_first: bool = False) -> str:
        """A new distinct node; with `self_first` its first operand is itself."""
        name = f"!{len(self._metadata)}"
        inside = (f"{name}, {content}" if content else name) if self_first else content
        self._metadata.append(f"{name} = distinct !{{{inside}}}")
        return name

    def annotate(self, name: str, content: str) -> None:
        """Adds a node to a named list of metadata."""
        self._named.setdefault(name, []).append(self.node(content))

    # --- result ---------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole module."""
        lines = [*self._declarations.values(), *self._globals]
        if self._kept:
            pointers = ", ".join(f"ptr @{name}" for name in self._kept)
            lines.append(
                f"@llvm.compiler.used = appending global [{len(self._kept)} x ptr] [{pointers}],"
                ' section "llvm.metadata"'
            )
        lines += self._functions
        lines += [f"attributes #{number} = {{ {text} }}" for text, number in self._attributes.items()]
        lines += self._metadata
        lines += [f"!{name} = !{{{', '.join(nodes)}}}" for name, nodes in self._named.items()]
        return "\n".join(lines) + "\n"


class FunctionText:
    """One function under construction. Instructions go to the end of the current block.

    module: where declarations and metadata go.
    vector: the code being written is the body of a loop that will be vectorised, so branch-free forms on wide types
        are preferred to scalar shortcuts.
    terminated: the current block has its terminator; what follows is unreachable until the next label.
    parameters: may be completed until the text is asked for.
    """

    def __init__(self, module: ModuleText, name: str, result: str, parameters: Sequence[str]) -> None:
        self.module = module
        self.target = module.target
        self.name = name
        self.vector = False
        self.terminated = False
        self.parameters = list(parameters)
        self._result = result
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._names = 0

    # --- instructions ---------------------------------------------------------------------------------------

    def fresh(self, hint: str = "v") -> str:
        """A name that is new in this function, without its sigil."""
        self._names += 1
        return f"{hint}{self._names}"

    def op(self, text: str) -> str:
        """An instruction with a result; answers its name."""
        self._names += 1
        name = f"%v{self._names}"
        self._lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {text}")

    def reserve(self) -> int:
        """Keep a place for a line that is known later (a phi)."""
        self._lines.append("")
        return len(self._lines) - 1

    def fill(self, place: int, text: str) -> None:
        self._lines[place] = f"  {text}"

    def entry_op(self, text: str) -> str:
        """An instruction in the entry block, before everything else (allocas, values of the environment)."""
        self._names += 1
        name = f"%e{self._names}"
        self._entry.append(f"  {name} = {text}")
        return name

    def entry_do(self, text: str) -> None:
        self._entry.append(f"  {text}")

    def call(self, result: str, name: str, arguments: Sequence[str], attributes: str = "nounwind") -> str:
        """Call an external function, declared on the way; arguments are spelled with their types."""
        types = [argument.rsplit(" ", 1)[0] for argument in arguments]
        function = self.module.declare(name, result, types, attributes)
        return self.op(f"call {result} {function}({', '.join(arguments)})")

    def intrinsic(self, name: str, type_: str, *arguments: str, flags: str = "") -> str:
        """Call an overloaded LLVM intrinsic whose operands and result have one type."""
        function = self.module.declare(f"llvm.{name}.{suffix(type_)}", type_, [type_] * len(arguments))
        return self.op(f"call {flags}{type_} {function}({', '.join(f'{type_} {a}' for a in arguments)})")

    # --- blocks ---------------------------------------------------------------------------------------------

    def block(self, hint: str = "b") -> str:
        """The label of a new block."""
        return self.fresh(hint + ".")

    def start(self, label: str) -> None:
        """Begin a block, falling through from the current one."""
        if not self.terminated:
            self._lines.append(f"  br label %{label}")
        self._lines.append(f"{label}:")
        self.terminated = False

    def jump(self, label: str) -> None:
        if not self.terminated:
            self._lines.append(f"  br label %{label}")
            self.terminated = True

    def branch(self, condition: str, then: str, orelse: str, metadata: str = "") -> None:
        if not self.terminated:
            self._lines.append(f"  br i1 {condition}, label %{then}, label %{orelse}{metadata}")
            self.terminated = True

    def ret(self, text: str) -> None:
        if not self.terminated:
            self._lines.append(f"  ret {text}")
            self.terminated = True

    # --- result ---------------------------------------------------------------------------------------------

    def text(self, linkage: str = "", attributes: str = "nounwind") -> str:
        """The whole function."""
        group = self.module.attributes(attributes)
        header = f"{self._result} @{self.name}({', '.join(self.parameters)})"
        return "\n".join([f"define {linkage}{header} {group} {{", "entry:", *self._entry, *self._lines, "}"])


_SUFFIXES = {"float": "f32", "double": "f64", "half": "f16"}


def suffix(type_: str) -> str:
    """The overload suffix of an intrinsic for a scalar or vector type."""
    if type_.startswith("<"):
        count, _, element = type_[1:-1].partition(" x ")
        return f"v{count}{suffix(element)}"
    return _SUFFIXES.get(type_, type_)
