"""Windows: ``sliding_window_view``."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.core import Value


@handles(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    b: Builder,
    x: Operand,
    window_shape: Operand,
    axis: Operand = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Value:
    """``np.lib.stride_tricks.sliding_window_view``: a read-only view."""
    value = b.reducible(x)
    old = value.tensor
    windows = [
        b.as_affine(w) for w in (window_shape if isinstance(window_shape, (tuple, list)) else (window_shape,))
    ]
    for window in windows:
        message = "`window_shape` cannot contain negative values"
        b.check(b.compare_index("ge", window, rules.ZERO), ValueError, message)
    if axis is None:
        axes = list(range(old.rank))
        if len(windows) != len(axes):
            raise NumpyError(
                ValueError,
                "Since axis is None, must provide window_shape for all dimensions of `x`; got "
                f"{len(windows)} window_shape elements and `x.ndim` is {old.rank}.",
            )
    else:
        given = axis if isinstance(axis, (tuple, list)) else (axis,)
        axes = [b.normalize_axis(k, old.rank) for k in given]
        if len(windows) != len(axes):
            raise NumpyError(
                ValueError,
                f"Must provide matching length window_shape and axis; got {len(windows)} window_shape elements and "
                f"{len(axes)} axes elements.",
            )
    shape = list(old.shape)
    for k, window in zip(axes, windows, strict=True):
        message = "window shape cannot be larger than input array shape"
        b.check(b.compare_index("le", window, shape[k]), ValueError, message)
        shape[k] = shape[k] - window + 1
    strides = [*old.strides, *(old.strides[k] for k in axes)]
    result = b.view(value, [*shape, *windows], strides, old.offset, "sliding_window")
    return result if writeable else b.mark_read_only(value, result)


@handles(np.lib.stride_tricks.as_strided)
def as_strided(b: Builder, *args: Any, **kwargs: Any) -> Value:
    """Refused: nothing bounds it."""
    raise Unsupported("np.lib.stride_tricks.as_strided", "sliding_window_view, broadcast_to or slices")
