"""When two objects count as the same static value: exactly the same type and the same value, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np


def static_key(value: Any) -> Any:
    """A hashable stand-in for a static value: two values with equal keys are interchangeable for a compiler.
    Raises TypeError for a value that is only known by its identity."""
    cls = type(value)
    if value is None or cls in (bool, int, str, bytes):
        return (cls, value)
    if cls is float or cls is complex:
        return (cls, np.array(value).tobytes())
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return (cls, value.tobytes())
    if cls is slice:
        return (cls, static_key(value.start), static_key(value.stop), static_key(value.step))
    if cls is range:
        return (cls, value.start, value.stop, value.step)
    if isinstance(value, np.dtype):
        return (np.dtype, value.str)
    raise TypeError(f"{cls.__name__} objects are static by identity only")


def static_equal(first: Any, second: Any) -> bool:
    """Whether two objects are interchangeable static values."""
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    try:
        return bool(static_key(first) == static_key(second))
    except TypeError:
        return False
