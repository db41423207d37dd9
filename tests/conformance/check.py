"""Running the cases: many expressions in one compiled function, each compared with NumPy's answer."""

from __future__ import annotations

import itertools
import linecache
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl import jit
from pydsl.errors import InternalCompilerError, UnsupportedError
from tests.conformance.inputs import NAMES, arguments

_serial = itertools.count()
BATCH = 12


@dataclass(frozen=True)
class Case:
    """One call in one dtype and layout."""

    function: str
    call: str
    dtype: str
    layout: str


@dataclass(frozen=True)
class Outcome:
    """``state``: ok, refused, or wrong; ``text``: why."""

    case: Case
    state: str
    text: str = ""


def _function(expressions: Sequence[str]) -> Any:
    """A function that returns all of them, one in a line."""
    name = f"<conformance {next(_serial)}>"
    lines = [f"def f({', '.join(NAMES)}):"]
    lines += [f"    r{n} = {text}" for n, text in enumerate(expressions)]
    lines.append(f"    return ({', '.join(f'r{n}' for n in range(len(expressions)))},)")
    source = "\n".join(lines) + "\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]


def _run(function: Any, dtype: str, layout: str) -> tuple[Any, dict[str, Any]]:
    given = arguments(dtype, layout)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(**given), given


def check(cases: Sequence[Case]) -> Iterator[Outcome]:
    """The outcomes of cases of one dtype and layout."""
    plain = []
    for case in cases:
        try:
            answer = _run(_function([case.call]), case.dtype, case.layout)
        except Exception as error:
            yield _raising(case, error)
        else:
            plain.append((case, answer))
    for start in range(0, len(plain), BATCH):
        yield from _batch(plain[start : start + BATCH])


def _raising(case: Case, expected: Exception) -> Outcome:
    try:
        found, _ = _run(jit(_function([case.call])), case.dtype, case.layout)
    except UnsupportedError as error:
        return Outcome(case, "refused", error.diagnostics[0].message)
    except InternalCompilerError as error:
        return Outcome(case, "wrong", str(error).split("\n")[0])
    except Exception as error:
        # a subclass will do: NumPy's own errors are private classes now and then
        if isinstance(error, type(expected)) or isinstance(expected, type(error)):
            return Outcome(case, "ok")
        return Outcome(case, "wrong", f"raises {type(error).__name__} instead of {type(expected).__name__}")
    return Outcome(
        case, "wrong", f"gives {found[0]!r} instead of {type(expected).__name__}: {expected}"[:300]
    )


def _batch(batch: Sequence[tuple[Case, Any]]) -> Iterator[Outcome]:
    first = batch[0][0]
    try:
        found, given = _run(jit(_function([case.call for case, _ in batch])), first.dtype, first.layout)
    except UnsupportedError as error:
        if len(batch) == 1:
            yield Outcome(first, "refused", error.diagnostics[0].message)
            return
    except InternalCompilerError as error:
        if len(batch) == 1:
            yield Outcome(first, "wrong", str(error).split("\n")[0])
            return
    except Exception as error:
        if len(batch) == 1:
            text = str(error).split("\n")[0]
            yield Outcome(first, "wrong", f"raises {type(error).__name__}: {text}")
            return
    else:
        for (case, (expected, theirs)), answer in zip(batch, found, strict=True):
            text = difference(case, expected[0], answer, theirs, given)
            yield Outcome(case, "wrong" if text else "ok", text)
        return
    half = len(batch) // 2
    yield from _batch(batch[:half])
    yield from _batch(batch[half:])


# --- comparing ------------------------------------------------------------------------------------------------------


def difference(case: Case, expected: Any, found: Any, theirs: dict[str, Any], mine: dict[str, Any]) -> str:
    """What is different; empty where nothing is."""
    if isinstance(expected, (tuple, list)):
        if not isinstance(found, type(expected)) and not isinstance(expected, type(found)):
            return f"type {type(found).__name__} instead of {type(expected).__name__}"
        if len(expected) != len(found):
            return f"{len(found)} results instead of {len(expected)}"
        parts = (difference(case, e, f, theirs, mine) for e, f in zip(expected, found, strict=True))
        return next((text for text in parts if text), "")
    if not isinstance(expected, (np.ndarray, np.generic)):
        return (
            ""
            if type(expected) is type(found) and expected == found
            else f"{found!r} instead of {expected!r}"
        )
    if isinstance(expected, np.ndarray) != isinstance(found, np.ndarray):
        return f"{type(found).__name__} instead of {type(expected).__name__}"
    e, f = np.asarray(expected), np.asarray(found)
    if e.dtype != f.dtype:
        return f"dtype {f.dtype} instead of {e.dtype}"
    if e.shape != f.shape:
        return f"shape {f.shape} instead of {e.shape}"
    if isinstance(expected, np.ndarray):
        for flag in ("c_contiguous", "f_contiguous"):
            if getattr(e.flags, flag) != getattr(f.flags, flag):
                return f"{flag} is {getattr(f.flags, flag)} instead of {getattr(e.flags, flag)}"
        for name in NAMES:
            if np.may_share_memory(e, theirs[name]) != np.may_share_memory(f, mine[name]):
                return f"{'no' if np.may_share_memory(e, theirs[name]) else 'a'} view of {name}"
    return _values(case, e, f)


def _values(case: Case, expected: Any, found: Any) -> str:
    if np.array_equal(expected, found, equal_nan=expected.dtype.kind in "fc"):
        return ""
    if expected.dtype.kind in "fc":
        kind = np.finfo(expected.dtype)
        finite = np.isfinite(expected)
        if np.array_equal(finite, np.isfinite(found)) and np.array_equal(np.isnan(expected), np.isnan(found)):
            size = np.abs(expected[finite])
            if case.function not in _PER_ELEMENT:
                size = np.maximum(size, size.max(initial=0.0) if size.size else 0.0)
            wide = np.clongdouble if expected.dtype.kind == "c" else np.longdouble
            gap = np.abs(expected[finite].astype(wide) - found[finite].astype(wide))
            if not (gap > _ULPS * float(kind.eps) * np.maximum(size, float(kind.smallest_subnormal))).any():
                return ""
    return f"{found.tolist()!r} instead of {expected.tolist()!r}"[:300]


_ULPS = 4
_PER_ELEMENT: frozenset[str] = frozenset()
