"""Calls of Python functions: what is called with what, and how its answer gets into memory.

A :class:`CallSite` is the constant part of a ``call`` operation. Everything that varies passes through memory: operands
are arrays, those of rank 0 for scalars; results are copied into arrays that the caller has made. :func:`perform` is the
executable meaning of the operation, for the interpreters and for the runtime alike.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pydsl.errors import SourceLocation

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Maker: TypeAlias = Callable[[Sequence[Array], list[tuple[Any, Any]]], Any]
"""Makes an argument of the operands; notes containers, and copies of them, in the list."""

# --- arguments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArrayInput:
    """Operand number ``index`` as an array."""

    index: int


@dataclass(frozen=True)
class ScalarInput:
    """The element of operand number ``index``: a Python scalar if ``weak``, else a NumPy scalar."""

    index: int
    weak: bool


@dataclass(frozen=True)
class ObjectInput:
    """The object whose address operand number ``index`` holds."""

    index: int


@dataclass(frozen=True, eq=False)
class Fixed:
    """An object known at compile time."""

    value: Any


@dataclass(frozen=True, eq=False)
class Built:
    """A container made of further inputs at each call."""

    items: tuple[Input, ...]
    rebuild: Callable[[Sequence[Any]], Any]


Input: TypeAlias = ArrayInput | ScalarInput | ObjectInput | Fixed | Built

# --- results --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArrayOutput:
    """An array. A dimension that is None has the length of the operand's, or if ``open`` any: then the operand gets the
    shape (int64), and the array waits for a call of :class:`Waiting`."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    open: bool = False


@dataclass(frozen=True)
class ScalarOutput:
    """A scalar: exactly Python's bool, int, float or complex if ``weak``, else exactly a NumPy scalar."""

    dtype: np.dtype[Any]
    weak: bool


@dataclass(frozen=True)
class NoOutput:
    """None."""


@dataclass(frozen=True)
class IgnoredOutput:
    """Whatever it is, nobody looks at it."""


@dataclass(frozen=True)
class TupleOutput:
    """A tuple, or an instance of the named tuple ``cls``."""

    items: tuple[Output, ...]
    cls: type = tuple


Output: TypeAlias = ArrayOutput | ScalarOutput | NoOutput | IgnoredOutput | TupleOutput


class Waiting:
    """Arrays of open shape between the call that made them and the one that fetches them, of each thread."""

    def __init__(self) -> None:
        self._local = threading.local()

    def clear(self) -> None:
        """Forget what was never fetched: the function ended between the two calls."""
        self._local.arrays = []

    def put(self, array: Array) -> None:
        """Keep an array."""
        self._local.arrays.append(array)

    def __call__(self) -> Array:
        """The first array that still waits."""
        array: Array = self._local.arrays.pop(0)
        return array


@dataclass(frozen=True, eq=False)
class CallSite:
    """What a ``call`` operation calls.

    Parameters
    ----------
    function: the callable.
    name: of the function, for people.
    args, kwargs: the arguments, in terms of the operands.
    n_inputs: so many of the operands are inputs, the others receive results.
    output: what the function returns; its arrays and scalars are copied into the remaining operands, in order.
    written: the operands that the call may write, results included.
    reaches: whether the function may read and write arrays that it was not given: arguments and globals of the compiled
        function.
    waiting: where arrays of open shape wait.
    trusted: the function is known not to keep its arguments and not to return memory of theirs.
    readonly: inputs that the function sees as read-only arrays.
    loc: the place of the call, for the traceback.
    """

    function: Callable[..., Any]
    name: str
    args: tuple[Input, ...]
    kwargs: tuple[tuple[str, Input], ...]
    n_inputs: int
    output: Output
    written: tuple[int, ...]
    reaches: bool
    trusted: bool
    readonly: tuple[int, ...] = ()
    waiting: Waiting | None = None
    loc: SourceLocation | None = None

    @functools.cached_property
    def makers(self) -> tuple[Maker, ...]:
        """What makes the arguments of a call."""
        return tuple(map(_maker, self.args))

    @functools.cached_property
    def plain(self) -> bool:
        """Whether all that it returns is one array of known shape."""
        return isinstance(self.output, ArrayOutput) and not self.output.open

    @functools.cached_property
    def named_makers(self) -> tuple[tuple[str, Maker], ...]:
        """What makes the keyword arguments."""
        return tuple((name, _maker(item)) for name, item in self.kwargs)


# --- execution ------------------------------------------------------------------------------------------------------

_WEAK = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def perform(site: CallSite, arrays: Sequence[Array]) -> None:
    """Call the function and put its results into the operands.

    Parameters
    ----------
    arrays: one array for each operand. The caller must hold no other references to them than this sequence.

    Raises
    ------
    TypeError, ValueError: the answer is not what was declared.
    RuntimeError: the function kept an array, or returned memory of one.
    Exception: whatever the function raises.
    """
    for index in site.readonly:
        arrays[index].flags.writeable = False
    if site.waiting is not None and site.function is not site.waiting:
        site.waiting.clear()
    built: list[tuple[Any, Any]] = []
    args = [make(arrays, built) for make in site.makers]
    kwargs = {name: make(arrays, built) for name, make in site.named_makers}
    if site.trusted:
        answer = site.function(*args, **kwargs)
        if site.plain and answer.__class__ is np.ndarray:
            target = arrays[-1]
            if answer.shape == target.shape and answer.dtype == target.dtype:
                target[...] = answer
                return
        _collect(site, site.output, answer, iter(arrays[site.n_inputs :]), ())
        return
    try:
        answer = site.function(*args, **kwargs)
    except BaseException as error:
        del args, kwargs
        built.clear()
        if _kept(site, arrays):  # the frames of the traceback hold them: they must not outlive the memory
            traceback.clear_frames(error.__traceback__)
        raise
    del args, kwargs
    _check_containers(site, built)
    built.clear()
    _collect(site, site.output, answer, iter(arrays[site.n_inputs :]), arrays[: site.n_inputs])
    del answer
    if _kept(site, arrays):
        raise RuntimeError(
            f"the callback {site.name} kept an array that it was given, or a view of one: keep a copy instead, "
            "`x.copy()`"
        )


def _maker(item: Input) -> Maker:
    match item:
        case ArrayInput(index):
            return lambda arrays, _: arrays[index]
        case ScalarInput(index, True):
            return lambda arrays, _: arrays[index].item()
        case ScalarInput(index, False):
            return lambda arrays, _: arrays[index][()]
        case ObjectInput(index):
            return lambda arrays, _: ctypes.cast(int(arrays[index][()]), ctypes.py_object).value
        case Fixed(value):
            return lambda _arrays, _: value
        case Built(items, rebuild):
            return _container(tuple(map(_maker, items)), rebuild)
    raise TypeError(f"no argument is made of {item!r}")


def _container(makers: tuple[Maker, ...], rebuild: Callable[[Sequence[Any]], Any]) -> Maker:
    def make(arrays: Sequence[Array], built: list[tuple[Any, Any]]) -> Any:
        made = rebuild([part(arrays, built) for part in makers])
        state = made if isinstance(made, list | dict | set) else getattr(made, "__dict__", None)
        if state is not None:
            built.append((state, state.copy()))
        return made

    return make


def _check_containers(site: CallSite, built: list[tuple[Any, Any]]) -> None:
    """A list that the callback changes would be changed in Python, and not in the compiled function."""
    for given, before in built:
        if isinstance(given, dict):
            same = list(given) == list(before) and all(given[key] is before[key] for key in before)
        else:
            same = len(given) == len(before) and all(a is b for a, b in zip(given, before, strict=True))
        if not same:
            raise RuntimeError(
                f"the callback {site.name} changed a list, dict, set or object that it was given: return the new value "
                "instead, or write into an array"
            )


def _kept(site: CallSite, arrays: Sequence[Array]) -> bool:
    """Whether the function still holds an operand, whose memory may be gone when the compiled function returns."""
    return any(sys.getrefcount(arrays[index]) > _REFERENCES for index in range(site.n_inputs))


def _count_references() -> int:
    """What ``sys.getrefcount`` says of an array that only a sequence holds."""
    arrays = [np.empty(1)]
    return max(sys.getrefcount(arrays[index]) for index in range(1))


_REFERENCES = _count_references()


def _collect(site: CallSite, output: Output, answer: Any, targets: Any, inputs: Sequence[Array]) -> None:
    match output:
        case NoOutput():
            if answer is not None:
                raise _wrong(site, "None", answer)
        case TupleOutput(items, cls):
            if not isinstance(answer, tuple) or len(answer) != len(items):
                raise _wrong(site, f"a tuple of {len(items)} items", answer)
            if not site.trusted and type(answer) is not cls:
                raise _wrong(site, f"a {cls.__name__}", answer)
            for part, item in zip(items, answer, strict=True):
                _collect(site, part, item, targets, inputs)
        case ScalarOutput():
            next(targets)[...] = _scalar(site, output, answer)
        case ArrayOutput():
            _array(site, output, answer, targets, inputs)


def _scalar(site: CallSite, output: ScalarOutput, answer: Any) -> Any:
    wanted = _WEAK[output.dtype.kind] if output.weak else output.dtype.type
    if site.trusted and not output.weak and np.ndim(answer) == 0 and np.result_type(answer) == output.dtype:
        return answer
    if type(answer) is not wanted:
        raise _wrong(
            site, f"a {wanted.__name__ if output.weak else f'NumPy scalar of {output.dtype}'}", answer
        )
    return answer


def _array(site: CallSite, output: ArrayOutput, answer: Any, targets: Any, inputs: Sequence[Array]) -> None:
    exact = type(answer) is np.ndarray or (site.trusted and isinstance(answer, np.ndarray | np.generic))
    if not exact or answer.dtype != output.dtype or answer.ndim != len(output.shape):
        raise _wrong(site, f"a {output.dtype} array with {len(output.shape)} dimensions", answer)
    target = next(targets)
    if any(np.may_share_memory(answer, given) for given in inputs):
        raise RuntimeError(
            f"the callback {site.name} returned memory of an array that it was given: return a copy, or nothing "
            "where it wrote into its argument"
        )
    if output.open:
        assert site.waiting is not None
        if any(
            want is not None and want != have for want, have in zip(output.shape, answer.shape, strict=True)
        ):
            shape = ", ".join("any" if n is None else str(n) for n in output.shape)
            raise ValueError(
                f"the callback {site.name} returned shape {answer.shape} where ({shape}) was declared"
            )
        target[...] = answer.shape
        site.waiting.put(answer)
        return
    if answer.shape != target.shape:
        raise ValueError(
            f"the callback {site.name} returned shape {answer.shape} where {target.shape} was declared"
        )
    target[...] = answer


def _wrong(site: CallSite, wanted: str, answer: Any) -> TypeError:
    got = f"a {type(answer).__name__}"
    if isinstance(answer, np.ndarray):
        got = f"a {answer.dtype} array of shape {answer.shape}"
        if type(answer) is not np.ndarray:
            got += f" of class {type(answer).__name__}"
    elif isinstance(answer, tuple):
        got = f"a {type(answer).__name__} of {len(answer)} items"
    elif answer is None:
        got = "None"
    return TypeError(f"the callback {site.name} returned {got} where {wanted} was declared")
