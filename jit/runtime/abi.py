"""The contract between compiled kernels, the pipeline that makes them and the runtime that calls them.

Plain frozen records: no llvmlite, no ctypes, no behaviour beyond derived numbers. Three parties share them:
the pipeline fills a `Specialization`, the LLVM emitter writes a kernel that obeys it, and the runtime
(`entry.py` natively, `portable.py` in Python) checks the guards, runs the kernel and builds the results.

The kernel is `i64 @pydsl_kernel(ptr %rt, ptr %slots)`:

- `rt` is the process-wide runtime table (`table.py` names its entries).
- `slots` is an array of 8-byte slots. First the argument slots, in the order of the flattened dynamic
  leaves: an array takes one slot (its data pointer) plus one for every `None` of `ArrayGuard.shape`, then
  of `ArrayGuard.strides`, then one for each of `ArrayGuard.products`; an integer or bool takes an i64
  (unsigned 64-bit values keep their bit pattern); a float of any width is widened to f64 bits; a complex
  takes two f64 slots. Then, in any order the pipeline likes, result slots, storage data slots and error
  payload slots. All of them start as zero, except the data slots of storages that the entry allocates.
- It returns k >= 0: finished through return site k, whose result tree is `Specialization.results[k]`;
  -(1 + e): error e of `Specialization.errors`; `RETURN_EXCEPTION_SET`: a Python exception is already set
  (an allocation failed, or the kernel has set one itself, with the GIL: see `STATE_SLOT`).

An *argument path* (`ArgPath`) names an object reachable from the call: first an index into
`Specialization.guards`, then item indices of tuples and lists, keys of dicts, or names of attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

KERNEL_NAME = "pydsl_kernel"
RETURN_EXCEPTION_SET = -(2**63)
"""Kernel return value: stop, a Python exception is set already."""

STATE_SLOT, TABLE_SLOT, HEADER_WORDS = -2, -1, 2
"""Words in front of the slots. `slots[STATE_SLOT]` is the saved thread state while the GIL is released, else null;
`slots[TABLE_SLOT]` belongs to the runtime."""

ArgPath: TypeAlias = "tuple[int | str, ...]"


@dataclass(frozen=True, slots=True)
class Slot:
    """A number that is known at run time only: read as i64 from this slot after the kernel has run."""

    index: int


Extent: TypeAlias = "int | Slot"

# ---------------------------------------------------------------------------------------------- guards


@dataclass(frozen=True, slots=True)
class ArrayGuard:
    """An exact `np.ndarray`. `None` in shape or strides means any; such numbers are passed in the slots after
    `slot` (which gets the data pointer): first the open dimensions, then the open strides, each in axis order.
    The strides of an array without elements do not matter. `read_only` turns arrays away that can be written: what was
    compiled for one that cannot may be nothing but the error that says so. Each of `products` gets a further slot:
    the product of these open dimensions divided by a constant."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    strides: tuple[int | None, ...]
    needs_writeable: bool
    aligned: bool
    slot: int
    read_only: bool = False
    products: tuple[tuple[tuple[int, ...], int], ...] = ()

    @property
    def is_empty(self) -> bool:
        return 0 in self.shape

    @property
    def open_dims(self) -> tuple[int, ...]:
        return tuple(axis for axis, n in enumerate(self.shape) if n is None)

    @property
    def open_strides(self) -> tuple[int, ...]:
        return tuple(axis for axis, s in enumerate(self.strides) if s is None)

    @property
    def n_slots(self) -> int:
        return 1 + len(self.open_dims) + len(self.open_strides) + len(self.products)


@dataclass(frozen=True, slots=True)
class FloatGuard:
    """An exact Python float: f64 in `slot`."""

    slot: int
    n_slots: int = field(default=1, init=False)


@dataclass(frozen=True, slots=True)
class IntGuard:
    """An exact Python int that fits i64 (never a bool): i64 in `slot`."""

    slot: int
    n_slots: int = field(default=1, init=False)


@dataclass(frozen=True, slots=True)
class ComplexGuard:
    """An exact Python complex: real part in `slot`, imaginary part in `slot + 1`."""

    slot: int
    n_slots: int = field(default=2, init=False)


@dataclass(frozen=True, slots=True)
class BoolGuard:
    """The bool `value` itself; no slot."""

    value: bool
    n_slots: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class NumpyScalarGuard:
    """A NumPy scalar of exactly this dtype's scalar type: i64, f64 or two f64, by kind, from `slot` on."""

    dtype: np.dtype[Any]
    slot: int

    @property
    def n_slots(self) -> int:
        return 2 if self.dtype.kind == "c" else 1


@dataclass(frozen=True, slots=True)
class ObjectGuard:
    """An object of exactly the class `cls`: its address in `slot`. The call keeps it alive."""

    cls: type
    slot: int
    n_slots: int = field(default=1, init=False)


@dataclass(frozen=True, slots=True)
class NoneGuard:
    """None."""

    n_slots: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class IdentityGuard:
    """This very object."""

    obj: object
    n_slots: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class EqualGuard:
    """This object or another one of exactly the same type and value (floats by their bits)."""

    obj: object
    n_slots: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class TupleGuard:
    """A tuple of exactly the class `cls` (a namedtuple's class, or `tuple`) whose items pass `items`."""

    items: tuple[Guard, ...]
    cls: type = tuple

    @property
    def n_slots(self) -> int:
        return sum(item.n_slots for item in self.items)


@dataclass(frozen=True, slots=True)
class ListGuard:
    """An exact list of exactly this many items, each passing its guard."""

    items: tuple[Guard, ...]

    @property
    def n_slots(self) -> int:
        return sum(item.n_slots for item in self.items)


@dataclass(frozen=True, slots=True)
class DictGuard:
    """An exact dict with exactly these string keys (in any order); the value of each passes its guard."""

    items: tuple[tuple[str, Guard], ...]

    @property
    def n_slots(self) -> int:
        return sum(item.n_slots for _, item in self.items)


@dataclass(frozen=True, slots=True)
class AttributesGuard:
    """An instance of exactly `cls` (a dataclass) whose attributes pass their guards."""

    cls: type
    items: tuple[tuple[str, Guard], ...]

    @property
    def n_slots(self) -> int:
        return sum(item.n_slots for _, item in self.items)


Guard: TypeAlias = (
    ArrayGuard
    | FloatGuard
    | IntGuard
    | ComplexGuard
    | BoolGuard
    | NumpyScalarGuard
    | ObjectGuard
    | NoneGuard
    | IdentityGuard
    | EqualGuard
    | TupleGuard
    | ListGuard
    | DictGuard
    | AttributesGuard
)


@dataclass(frozen=True, slots=True)
class CallForm:
    """How the call was spelled: `nargs` positional arguments, then keywords in this order."""

    nargs: int
    kwnames: tuple[str, ...] = ()

    @property
    def n_passed(self) -> int:
        return self.nargs + len(self.kwnames)


@dataclass(frozen=True, slots=True)
class GlobalGuard:
    """`namespace[name] is obj`; with `obj` = `MISSING`: the name is not there (a builtin is used instead). A builtin
    that is used needs a guard with the namespace `builtins.__dict__`, too."""

    namespace: dict[str, Any]
    name: str
    obj: object


@dataclass(frozen=True, slots=True)
class CellGuard:
    """The closure cell holds this very object (`MISSING`: it is empty)."""

    cell: Any
    obj: object


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""Stands for a name that is not defined, or a cell that is empty."""


class _Miss:
    """The type of `MISS`."""

    def __repr__(self) -> str:
        return "MISS"


MISS = _Miss()
"""The answer of a specialization called from Python: a guard did not hold, nothing has happened."""

NameGuard: TypeAlias = "GlobalGuard | CellGuard"


@dataclass(frozen=True, slots=True)
class Disjoint:
    """The byte extents of two array arguments, named by their data slots, do not intersect.
    An array without elements overlaps nothing."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class SameOffset:
    """Data pointer of `second` minus data pointer of `first` (named by their data slots) is exactly `delta`."""

    first: int
    second: int
    delta: int


OverlapGuard: TypeAlias = "Disjoint | SameOffset"


@dataclass(frozen=True, slots=True)
class Condition:
    """`const + sum(coefficient * slots[slot])` compared with 0: what a kernel for several shapes takes for granted
    about the numbers in the argument slots. Not asked for where one of the slots `unless` is 0: the strides of an array
    without elements do not matter."""

    kind: Literal["eq", "ne", "ge"]
    const: int
    terms: tuple[tuple[int, int], ...]
    unless: tuple[int, ...] = ()


# ---------------------------------------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class ResultStorage:
    """Memory that leaves the call inside a result.

    `allocated_by`
        - `"entry"`: static shape; NumPy allocates it before the kernel runs, data pointer in `data_slot`;
        - `"kernel"`: the kernel calls `rt[ALLOC](rt, slots, index of this storage, nbytes)` for it at most once
          per run, before it returns through a site that uses it. The runtime keeps the object; the kernel
          keeps the data pointer (the callback also stores it in `data_slot`);
        - an argument path: the memory of that array argument.
    `shape`, `strides` (bytes) describe the primary array: the one that owns the memory. An `ArrayResult` that is
    exactly the primary array is the owner itself; others are views of it. Unused for arguments.
    """

    dtype: np.dtype[Any]
    shape: tuple[Extent, ...]
    strides: tuple[Extent, ...]
    allocated_by: Literal["entry", "kernel"] | ArgPath
    data_slot: int


@dataclass(frozen=True, slots=True)
class ArrayResult:
    """An array over `Specialization.storages[storage]`; strides and offset in bytes. The offset counts from the
    storage's data pointer (for an argument: from the argument's own data pointer, so it may be negative).
    `writeable=False` makes a read-only view; True means as writeable as its base."""

    storage: int
    dtype: np.dtype[Any]
    shape: tuple[Extent, ...]
    strides: tuple[Extent, ...]
    offset: Extent = 0
    writeable: bool = True


@dataclass(frozen=True, slots=True)
class ArgResult:
    """The very object that was passed."""

    path: ArgPath


@dataclass(frozen=True, slots=True)
class ScalarResult:
    """A scalar from `slot`, encoded like an argument of its kind: a Python int, float, bool or complex if
    `python`, otherwise a NumPy scalar of `dtype`."""

    dtype: np.dtype[Any]
    python: bool
    slot: int


@dataclass(frozen=True, slots=True)
class ConstResult:
    """An object known at compile time (None, a string, a number, ...)."""

    obj: object


@dataclass(frozen=True, slots=True)
class ResultTuple:
    """A new tuple of the class `cls` (a namedtuple's class, or a function, gets the items as arguments)."""

    items: tuple[Result, ...]
    cls: Callable[..., Any] = tuple


@dataclass(frozen=True, slots=True)
class ResultList:
    """A new list."""

    items: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class ResultDict:
    """A new dict with string keys."""

    items: tuple[tuple[str, Result], ...]


@dataclass(frozen=True, slots=True)
class ResultObject:
    """A new object `cls(**items)` (a dataclass)."""

    cls: type
    items: tuple[tuple[str, Result], ...]


Result: TypeAlias = (
    ArrayResult
    | ArgResult
    | ScalarResult
    | ConstResult
    | ResultTuple
    | ResultList
    | ResultDict
    | ResultObject
)

# ----------------------------------------------------------------------------------------------- errors

PayloadKind: TypeAlias = Literal["i64", "f64"]


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """Error e of the table: `message` is a `str.format` template over the payload (`{0}`, `{1}`, ...); payload
    number p is read from slot `Specialization.payload_slot + p` as `kinds[p]` (i64 if there is no such entry).
    `location` is a `pydsl.errors.SourceLocation`, or None."""

    exception: type[BaseException]
    message: str
    location: Any = None
    kinds: tuple[PayloadKind, ...] = ()


# ------------------------------------------------------------------------------- calls of Python functions


@dataclass(frozen=True, slots=True)
class CallOperand:
    """An array that the kernel hands to a Python function; what is None in its shape and strides is passed in words,
    behind the word with the address: first dimensions, then strides."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    strides: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class PythonCall:
    """One place where the kernel calls a Python function, through `rt[CALL_PYTHON](rt, slots, number, words)`, which
    answers 0, or something else with an exception set. `site` is a `pydsl.ir.calls.CallSite`."""

    site: Any
    operands: tuple[CallOperand, ...]


# ---------------------------------------------------------------------------------------- specialization


@dataclass(frozen=True, slots=True)
class Specialization:
    """Everything the runtime must know to call one compiled kernel.

    `guards` has one guard per object: first the passed arguments in the order of `call_form` (positional, then
    keywords), then one for each object of `implicit`: arrays and scalars that are not passed but used
    (defaults, arrays found in globals), whose guards are checked in the same way.
    """

    name: str
    call_form: CallForm
    guards: tuple[Guard, ...]
    results: tuple[Result, ...]
    n_slots: int
    implicit: tuple[object, ...] = ()
    name_guards: tuple[NameGuard, ...] = ()
    overlaps: tuple[OverlapGuard, ...] = ()
    conditions: tuple[Condition, ...] = ()
    storages: tuple[ResultStorage, ...] = ()
    errors: tuple[ErrorEntry, ...] = ()
    payload_slot: int = 0
    payload_count: int = 0
    release_gil: bool = False
    calls: tuple[PythonCall, ...] = ()

    @property
    def n_argument_slots(self) -> int:
        """The arguments have the first slots."""
        return sum(guard.n_slots for guard in self.guards)


@dataclass(frozen=True)
class CompiledSpecialization:
    """What the pipeline hands back: a specialization and its kernel as LLVM IR text.

    `optimize(module, target_machine)` runs the backend's passes over the parsed module (under the loader's
    lock); None leaves the module as it is. `report` is whatever `explain` and `inspect` want to show.
    """

    spec: Specialization
    llvm_ir: str
    optimize: Callable[[Any, Any], None] | None = None
    target_machine: Any = None
    report: Any = None
