"""Which argument a joined reference points into at run time.

NumPy returns a view of an argument where the reference that is returned happens to be one. So a join that may be
returned keeps a number beside its pointer, that of the argument, and the return chooses among return sites by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from pydsl.ir.types import Origin, Storage
from pydsl.loops.ir import Apply, Assign, Const, Declare, Expr, Let, Read, Stmt, Var

_INT64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)
_MEMORY = -1  # the number of memory that is no argument's

#: most arguments that the references returned at one site are told apart by, multiplied over the references
MOST_CHOICES = 16


class Provenance:
    """The numbers of the joins that need one.

    Parameters
    ----------
    returned: storages of references that are returned.
    arguments: storages whose memory is the caller's.
    storages: all storages: what a join is assigned from may be a join itself (what a loop carries, behind the loop).
    """

    def __init__(
        self, returned: Iterable[Storage], arguments: Collection[Storage], storages: Iterable[Storage]
    ) -> None:
        self.numbers = {storage: number for number, storage in enumerate(arguments)}
        self.vars: dict[Storage, Var] = {}
        joined = [s for s in returned if s.origin is Origin.PHI and len(s.roots()) > 1 and self.candidates(s)]
        if joined:
            wanted = {argument for storage in joined for argument in self.candidates(storage)}
            for storage in storages:
                if storage.origin is Origin.PHI and wanted & storage.roots():
                    self.vars[storage] = Var("whose", _INT64, (_MEMORY, len(self.numbers) - 1))

    def candidates(self, storage: Storage) -> list[Storage]:
        """The arguments that a reference may point into."""
        return [argument for argument in self.numbers if argument in storage.roots()]

    def declare(self) -> list[Stmt]:
        return [Declare(var, Const(_MEMORY, _INT64)) for var in self.vars.values()]

    def follow(self, pairs: Sequence[tuple[Storage, Storage]]) -> list[Stmt]:
        """The numbers after all targets ``(target, source)`` have been pointed at their sources at once."""
        first: list[Stmt] = []
        second: list[Stmt] = []
        for target, source in pairs:
            var = self.vars.get(target)
            if var is None or source is target:
                continue
            value: Expr = Const(self.numbers.get(source, _MEMORY), _INT64)
            if source in self.vars:
                held = Var("next", _INT64)
                first.append(Let(held, Read(self.vars[source])))
                value = Read(held)
            second.append(Assign(var, value))
        return first + second

    def is_in(self, storage: Storage, argument: Storage) -> Expr:
        """Whether a join points into an argument."""
        return Apply("equal", (Read(self.vars[storage]), Const(self.numbers[argument], _INT64)), _BOOL)
