"""The specializations of one jitted function: bounded, searched by signature, visible to native calls.

Readers take no lock: the tuple of specializations and the published table are replaced as a whole. What has been
replaced is kept until no call of the function is running, since another thread may still be inside.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydsl.jit.runtime import dispatch
from pydsl.jit.signature import Signature

Settings: TypeAlias = "tuple[tuple[str, str], ...]"

MAX_SPECIALIZATIONS = 64
MAX_SYMBOLIC = 16


@dataclass(frozen=True, eq=False)
class Compiled:
    """A specialization with its key: the signature, and the knobs that change code. `code` is a `NativeSpecialization`
    or a `PortableSpecialization`, `report` is what the pipeline keeps for `explain` and `inspect`, `samples` the
    signatures of the calls that it was made for: several for one with symbols."""

    signature: Signature
    settings: Settings
    code: Any
    report: Any
    samples: tuple[Signature, ...] = ()

    @property
    def is_symbolic(self) -> bool:
        """Whether it serves several signatures."""
        return len(self.samples) > 1


class SpecializationTable:
    """The table of one function, in the order in which native calls try it."""

    def __init__(self, owner: dispatch.NativeCallable) -> None:
        self._address = id(owner)  # the owner holds this table: a reference would be a cycle
        self._lock = threading.Lock()
        self._order: tuple[Compiled, ...] = ()
        self._visible: tuple[Compiled, ...] = ()
        self._published: dispatch.Published | None = None
        self._retired: list[Any] = []

    def all(self) -> tuple[Compiled, ...]:
        return self._order

    def matching(self, signature: Signature, settings: Settings) -> tuple[Compiled, ...]:
        """Those that may answer calls with this signature: compiled for it, or with symbols. There may be several, for
        different values of globals."""
        return tuple(
            c for c in self._order if c.settings == settings and (c.is_symbolic or c.signature == signature)
        )

    def add(self, compiled: Compiled) -> None:
        """Put a specialization in front; the one that answered last comes next, the oldest may have to go. Those with
        symbols come after all others: a specialization for exactly these sizes is the better one."""
        with self._lock:
            order = list(self._order)
            hit = dispatch.last_hit(self._address)
            if hit is not None and hit < len(self._visible) and self._visible[hit] in order:
                order.remove(self._visible[hit])
                order.insert(0, self._visible[hit])
            order.insert(0, compiled)
            symbolic = [c for c in order if c.is_symbolic]
            exact = [c for c in order if not c.is_symbolic]
            kept = [*exact[: MAX_SPECIALIZATIONS - len(symbolic[:MAX_SYMBOLIC])], *symbolic[:MAX_SYMBOLIC]]
            self._retired += [c for c in order if c not in kept]
            self._order = tuple(kept)

    def show(self, settings: Settings) -> None:
        """Let native calls see the specializations for these settings, which are the ones in force here."""
        with self._lock:
            visible = tuple(c for c in self._order if c.settings == settings and c.code.entry)
            if visible and not self._is_shown(visible):
                self._retired.append((self._published, self._visible))
                self._visible = visible
                exact = sum(not c.is_symbolic for c in visible)
                pairs = [(c.code.entry, c.code.table) for c in visible]
                self._published = dispatch.Published(pairs, exact)
                dispatch.publish(self._address, self._published)
            if dispatch.running_calls(self._address) == 0:
                self._retired.clear()

    def _is_shown(self, visible: tuple[Compiled, ...]) -> bool:
        shown = self._published
        return shown is not None and visible == self._visible and shown.is_for_current_context()
