"""The dtype that a scalar operation has when nothing else is said: the one that its ufunc gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from pydsl.ir import ops as _ops  # fills the table of records
from pydsl.ir.record import RECORDS
from pydsl.loops.ir import DType

_ = _ops


def usual_dtype(name: str, dtypes: Sequence[DType]) -> DType | None:
    """The dtype of an operation on operands of these dtypes; None where the text form has to say it."""
    if name == "select":
        return dtypes[1]
    if name == "copy":
        return dtypes[0]
    return _ufunc_dtype(name, tuple(dtypes))


@cache
def _ufunc_dtype(name: str, dtypes: tuple[DType, ...]) -> DType | None:
    record = RECORDS.get(name)
    if record is None or record.ufunc is None or record.ufunc.nin != len(dtypes):
        return None
    try:
        resolved = record.ufunc.resolve_dtypes((*dtypes, *[None] * record.ufunc.nout))
    except TypeError:
        return None
    return np.dtype(resolved[-1])
