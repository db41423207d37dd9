"""Writing LLVM IR text for native entries: fresh names, loads of object fields, calls through the tables."""

from __future__ import annotations

from pydsl.jit.runtime import table

_LIKELY = '!prof !{!"branch_weights", i32 1048575, i32 1}'


class Code:
    """The body of one function, written line by line. `rt` and `spec` are the names of the two table pointers;
    `prologue` takes stack allocations, `constants` what belongs before the function."""

    def __init__(self, rt: str = "%rt", spec: str = "%spec") -> None:
        self.lines: list[str] = []
        self.prologue: list[str] = []
        self.constants: list[str] = []
        self._names = 0
        self._rt = rt
        self._spec = spec

    def fresh(self, hint: str = "v") -> str:
        """A name not used before in this function, without its sigil."""
        self._names += 1
        return f"{hint}{self._names}"

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def op(self, text: str) -> str:
        """An instruction with a result: answers its name."""
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    # memory -----------------------------------------------------------------------------------------

    def at(self, base: str, offset: int) -> str:
        """A pointer `offset` bytes behind `base`."""
        return self.op(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, kind: str, base: str, offset: int = 0) -> str:
        return self.op(f"load {kind}, ptr {self.at(base, offset)}")

    def store(self, kind: str, value: str, base: str, offset: int = 0) -> None:
        self.do(f"store {kind} {value}, ptr {self.at(base, offset)}")

    def constant_words(self, values: tuple[int, ...]) -> str:
        """A pointer to constant i64 words in the module."""
        if not values:
            return "null"
        name = f"@pydsl.entry.words.{len(self.constants)}"
        words = ", ".join(f"i64 {value}" for value in values)
        self.constants.append(f"{name} = private unnamed_addr constant [{len(values)} x i64] [{words}]")
        return name

    # tables and calls -------------------------------------------------------------------------------

    def runtime(self, name: str) -> str:
        """The pointer stored in the runtime table under this name."""
        return self.load("ptr", self._rt, 8 * table.index(name))

    def object(self, position: int) -> str:
        """The pointer stored at this position of the specialization's table."""
        return self.load("ptr", self._spec, 8 * position)

    def call(self, kind: str, name: str, *arguments: str) -> str:
        """Call a function of the runtime table; arguments are spelled with their types."""
        function = self.runtime(name)
        return self.op(f"call {kind} {function}({', '.join(arguments)})")

    def run(self, name: str, *arguments: str) -> None:
        """Like `call`, for a function without a result."""
        function = self.runtime(name)
        self.do(f"call void {function}({', '.join(arguments)})")

    # control ----------------------------------------------------------------------------------------

    def require(self, condition: str, otherwise: str) -> None:
        """Go on if the condition holds (which is likely), else jump to `otherwise`."""
        ok = self.fresh("ok")
        self.do(f"br i1 {condition}, label %{ok}, label %{otherwise}, {_LIKELY}")
        self.label(ok)

    def require_not_null(self, pointer: str, otherwise: str) -> None:
        self.require(self.op(f"icmp ne ptr {pointer}, null"), otherwise)

    def all_of(self, conditions: list[str]) -> str:
        """The conjunction of i1 values (at least one)."""
        result = conditions[0]
        for condition in conditions[1:]:
            result = self.op(f"and i1 {result}, {condition}")
        return result
