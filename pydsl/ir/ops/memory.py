"""Memory: allocation, constants, views, stores, gathers and scatters."""

from __future__ import annotations

from pydsl.ir.record import Cost, Kind, OpRecord, define

ALLOC = define(
    OpRecord("alloc", Kind.ALLOC, "New uninitialised memory (`np.empty`).", cost=Cost.FREE, allocates=True)
)

CONSTANT_ARRAY = define(
    OpRecord(
        "constant_array",
        Kind.VIEW,
        "A tensor on a constant or global storage, whose array is `storage.data`.",
        cost=Cost.FREE,
    )
)

VIEW = define(
    OpRecord(
        "view",
        Kind.VIEW,
        "Another reference on the storage of its operand; the result type says which. `how` names the NumPy form.",
        cost=Cost.FREE,
        attrs=("how",),
    )
)

STORE = define(
    OpRecord(
        "store",
        Kind.WRITE,
        "`store(dst, value)`: writes a tensor of the same shape and dtype, or a scalar, as if the value were complete"
        " first.",
        writes=(0,),
    )
)

MASKED_STORE = define(
    OpRecord(
        "masked_store",
        Kind.WRITE,
        "`masked_store(dst, mask, value)`: writes where the bool tensor `mask` (same shape) is true; value and mask"
        " complete first.",
        writes=(0,),
    )
)

GATHER = define(
    OpRecord(
        "gather",
        Kind.GATHER,
        "`gather(src, index, ...)`: integer-array load. `axes` are the indexed axes of src; all indices have one shape"
        " B (broadcast before) and lie in bounds after adding the dimension to negative ones (checked before). The"
        " result is new memory of shape"
        " src.shape without axes, with B inserted at `position`.",
        cost=Cost.DIVIDE,
        allocates=True,
        attrs=("axes", "position"),
    )
)

SCATTER = define(
    OpRecord(
        "scatter",
        Kind.WRITE,
        "`scatter(dst, value, index, ...)`: integer-array store, in row-major order of B (the last write to an element"
        " stays). `axes` and `position` as in gather; value is a scalar or has the shape that gather would give;"
        " `accumulate` names a ufunc for `ufunc.at`.",
        writes=(0,),
        attrs=("axes", "position", "accumulate"),
    )
)

LOAD = define(OpRecord("load", Kind.SCALAR, "The element of a 0-d tensor as a scalar.", read_operands=(0,)))
