"""The settings that come from the environment: one typed registry, the only place that reads `os.environ`.

    if knobs.VERIFY.get(): ...
    with knobs.scope(num_threads=1, dump="ir,loops"): ...

A knob is read when it is used, never at import. `scope` overrides knobs for the running thread or task (a context
variable): threads started inside begin without it. ``python -m pydsl.knobs`` prints `docs/knobs.md`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydsl.errors import KnobError

T = TypeVar("T")

_NO_OVERRIDES: Mapping[str, Any] = MappingProxyType({})
_overrides: ContextVar[Mapping[str, Any]] = ContextVar("pydsl_knobs", default=_NO_OVERRIDES)


@dataclass(frozen=True)
class Knob(Generic[T]):
    """One setting.

    name: the keyword of `scope`; the environment variable is ``PYDSL_`` and the name in capitals.
    parse: text to value; raises ValueError for what it does not take.
    check: whether a value given to `scope` is one that the knob can have (a text is parsed first).
    default: called at each use, for defaults that depend on the machine.
    default_text: the default as the documentation states it.
    expected: the accepted values, in words.
    changes_code: whether the generated code depends on it, so that it is part of the key of compiled code.
    """

    name: str
    parse: Callable[[str], T]
    check: Callable[[object], bool]
    default: Callable[[], T]
    default_text: str
    expected: str
    doc: str
    changes_code: bool = field(kw_only=True)

    @property
    def env(self) -> str:
        return f"PYDSL_{self.name.upper()}"

    def get(self) -> T:
        """The value in force: the innermost scope, else the environment, else the default."""
        overrides = _overrides.get()
        if self.name in overrides:
            value: T = overrides[self.name]
            return value
        text = os.environ.get(self.env, "").strip()
        return self._parsed(self.env, text) if text else self.default()

    def accept(self, value: object) -> T:
        """The value for an override, which may be text as in the environment."""
        if self.check(value):
            return value  # type: ignore[return-value]
        if isinstance(value, str):
            return self._parsed(self.name, value)
        raise KnobError(self.name, value, self.expected)

    def _parsed(self, given_as: str, text: str) -> T:
        try:
            return self.parse(text)
        except ValueError as error:
            raise KnobError(given_as, text, self.expected) from error


# --- value types --------------------------------------------------------------------------------------------------

DUMP_STAGES = ("ir", "passes", "dag", "loops", "llvm", "optimized", "asm", "ptx", "explain")


@dataclass(frozen=True)
class Dump:
    """Which stages of a compilation are written out, and where: a directory, or the standard error stream."""

    stages: frozenset[str] = frozenset()
    directory: Path | None = None

    def wants(self, stage: str) -> bool:
        return stage in self.stages


def _parse_dump(text: str) -> Dump:
    stages: set[str] = set()
    directory: Path | None = None
    for item in filter(None, (part.strip() for part in text.split(","))):
        if item == "all":
            stages.update(DUMP_STAGES)
        elif item in DUMP_STAGES:
            stages.add(item)
        elif "/" in item or os.sep in item:
            directory = Path(item).expanduser()
        else:
            raise ValueError(item)
    return Dump(frozenset(stages or DUMP_STAGES), directory)


_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _parse_flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text.lower()]


def _parse_count(text: str) -> int:
    count = int(text)
    if not _is_count(count):
        raise ValueError(text)
    return count


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parse_cache_dir(text: str) -> Path | None:
    return None if text.lower() == "off" else Path(text).expanduser()


def _default_cache_dir() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "pydsl"


_ARCH = re.compile(r"sm_[0-9]{2,3}a?")


def _parse_arch(text: str) -> str | None:
    if not _ARCH.fullmatch(text.lower()):
        raise ValueError(text)
    return text.lower()


def _choice(name: str, choices: tuple[str, ...], doc: str, *, changes_code: bool) -> Knob[str]:
    """A knob with one of a few words; the first is the default."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return Knob(
        name,
        parse,
        lambda value: value in choices,
        lambda: choices[0],
        choices[0],
        "one of " + ", ".join(choices),
        doc,
        changes_code=changes_code,
    )


def _flag(name: str, doc: str, *, changes_code: bool) -> Knob[bool]:
    return Knob(
        name,
        _parse_flag,
        lambda value: isinstance(value, bool),
        lambda: False,
        "0",
        "1, true, yes, on or 0, false, no, off",
        doc,
        changes_code=changes_code,
    )


# --- the registry -------------------------------------------------------------------------------------------------

LOG = _choice(
    "log",
    ("off", "info", "debug"),
    "What is reported on the standard error stream: `info` one line for each compilation, `debug` also each pass with "
    "its time.",
    changes_code=False,
)
DUMP: Knob[Dump] = Knob(
    "dump",
    _parse_dump,
    lambda value: isinstance(value, Dump),
    Dump,
    "nothing",
    "a comma list of " + ", ".join(DUMP_STAGES) + " or all, and at most one directory, written with a slash",
    "Stages of each compilation to write out, to the standard error stream or to files in the directory that is named "
    "(all stages, if only a directory is): `PYDSL_DUMP=ir,loops`, `PYDSL_DUMP=llvm,./dump/`.",
    changes_code=False,
)
CACHE_DIR: Knob[Path | None] = Knob(
    "cache_dir",
    _parse_cache_dir,
    lambda value: value is None or isinstance(value, Path),
    _default_cache_dir,
    "`pydsl` in the user's cache directory",
    "a directory, or off",
    "Where compiled code is kept between runs; `off` keeps none.",
    changes_code=False,
)
NUM_THREADS: Knob[int] = Knob(
    "num_threads",
    _parse_count,
    _is_count,
    available_cores,
    "the cores that the process may use",
    "a positive integer",
    "The largest number of threads that a parallel loop uses. 1 compiles no loop for parallel execution.",
    changes_code=True,
)
DISABLE_JIT = _flag(
    "disable_jit",
    "Call the undecorated Python functions: for debugging, and to compare.",
    changes_code=False,
)
TARGET = _choice(
    "target",
    ("cpu", "cuda", "simulator"),
    "What functions are compiled for when the decorator does not say: the host, a CUDA device, or the CUDA path run on "
    "the host.",
    changes_code=True,
)
VERIFY = _flag(
    "verify",
    "Run the verifier of each stage after every pass. The test suite does.",
    changes_code=False,
)
FASTMATH = _flag(
    "fastmath",
    "Give up bit-identity with NumPy where the decorator does not say: allow reassociation, fused multiply-add and "
    "approximate functions.",
    changes_code=True,
)
SHAPES = _choice(
    "shapes",
    ("auto", "static"),
    "`auto`: when a function is called again with other sizes, one version is compiled that takes the dimensions that "
    "vary as numbers. `static`: every combination of sizes has a version of its own.",
    changes_code=True,
)

CUDA_SIM = _flag(
    "cuda_sim",
    "Run the CUDA path on the host, where every access of a kernel is checked: for tests, and for machines without a "
    "device. Slow.",
    changes_code=False,
)
CUDA_SIM_MEMORY: Knob[int | None] = Knob(
    "cuda_sim_memory",
    _parse_count,
    lambda value: value is None or _is_count(value),
    lambda: None,
    "no limit",
    "a number of bytes",
    "The memory of the simulated device.",
    changes_code=False,
)
CUDA_ARCH: Knob[str | None] = Knob(
    "cuda_arch",
    _parse_arch,
    lambda value: value is None or (isinstance(value, str) and bool(_ARCH.fullmatch(value))),
    lambda: None,
    "that of the device; sm_80 on the simulator",
    "an architecture such as sm_80, sm_90 or sm_100",
    "The architecture that CUDA kernels are compiled for.",
    changes_code=True,
)

REGISTRY: Mapping[str, Knob[Any]] = MappingProxyType(
    {
        knob.name: knob
        for knob in (
            LOG,
            DUMP,
            CACHE_DIR,
            NUM_THREADS,
            DISABLE_JIT,
            TARGET,
            VERIFY,
            FASTMATH,
            SHAPES,
            CUDA_SIM,
            CUDA_SIM_MEMORY,
            CUDA_ARCH,
        )
    }
)


@contextmanager
def scope(**overrides: object) -> Iterator[None]:
    """Override knobs, by name, inside a `with` block. Values may be text, as in the environment.

    Examples
    --------
    >>> with scope(num_threads=1, dump="ir,loops"):
    ...     NUM_THREADS.get(), sorted(DUMP.get().stages)
    (1, ['ir', 'loops'])
    """
    values = dict(_overrides.get())
    for name, value in overrides.items():
        if name not in REGISTRY:
            raise KnobError(name, value, "a knob: " + ", ".join(REGISTRY))
        values[name] = REGISTRY[name].accept(value)
    token = _overrides.set(values)
    try:
        yield
    finally:
        _overrides.reset(token)


def cache_key() -> tuple[tuple[str, str], ...]:
    """Name and value of every knob that changes the generated code, for the key of compiled code."""
    return tuple((knob.name, repr(knob.get())) for knob in REGISTRY.values() if knob.changes_code)


@dataclass(frozen=True, slots=True)
class State:
    """What a call from Python needs of the knobs, made anew only when one of them has changed.

    key: as `cache_key` gives it. simulated: whether the CUDA path runs on the simulator.
    """

    overrides: Mapping[str, Any]
    raw: tuple[Any, ...]
    disable_jit: bool
    target: str
    simulated: bool
    key: tuple[tuple[str, str], ...]


_NAMES = tuple(knob.env for knob in REGISTRY.values())
# `os.environ[name]` encodes and decodes at each use; the mapping behind it, where there is one, does not
_BEHIND: Any = getattr(os.environ, "_data", None)
_KEYS = tuple(map(os.environ.encodekey, _NAMES)) if isinstance(_BEHIND, dict) else _NAMES
_read = _BEHIND.get if isinstance(_BEHIND, dict) else os.environ.get
_states: list[State] = []


def state() -> State:
    """The knobs in force, for the path of a call."""
    overrides, raw = _overrides.get(), tuple(map(_read, _KEYS))
    for known in _states:
        if known.overrides is overrides and known.raw == raw:
            return known
    target = TARGET.get()
    simulated = CUDA_SIM.get() or target == "simulator"
    made = State(overrides, raw, DISABLE_JIT.get(), target, simulated, cache_key())
    _states[:] = [made]
    return made


def markdown() -> str:
    """The text of `docs/knobs.md`."""
    lines = [
        "# Knobs",
        "",
        "<!-- Generated by `python -m pydsl.knobs > docs/knobs.md`. Do not edit. -->",
        "",
        "Settings are read from the environment when they are used; an empty variable counts as unset. In a program,",
        "`pydsl.knobs.scope(name=value)` overrides them inside a `with` block, for the running thread or task.",
    ]
    for knob in REGISTRY.values():
        effect = "yes: code is compiled anew for another value" if knob.changes_code else "no"
        lines += [
            "",
            f"## {knob.env}",
            "",
            knob.doc,
            "",
            f"- In `scope`: `{knob.name}`",
            f"- Value: {knob.expected}",
            f"- Default: {knob.default_text}",
            f"- Changes the generated code: {effect}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
