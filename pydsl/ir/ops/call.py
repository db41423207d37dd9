"""Calls of Python functions."""

from __future__ import annotations

from pydsl.ir.record import Cost, Kind, OpRecord, define

CALL = define(
    OpRecord(
        "call",
        Kind.CALL,
        "`call(inputs..., results...)`: calls the Python function of `site`, a CallSite. All operands are tensors:"
        " rank 0 stands for a scalar, and what the function returns is copied into the last ones. It reads all inputs,"
        " writes the operands that `site` names, and where `site.reaches` also every array that is visible outside.",
        cost=Cost.HEAVY,
        may_raise=True,
        attrs=("site",),
    )
)
