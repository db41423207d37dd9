"""Rules of shapes and strides, as NumPy has them: axis order of results, reshape without copy, error texts.

Pure functions on index expressions. Where a rule compares strides that are not constant, symbols are taken as large and
equal (a row of an array is longer than its element); the rule then is right for every array but the degenerate ones,
whose layout does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from pydsl.ir.affine import Affine

Dims = tuple[Affine, ...]

ZERO = Affine.of(0)
ONE = Affine.of(1)
_LARGE = 1_000_003


def magnitude(expr: Affine) -> int:
    """The absolute value when every symbol is large."""
    if expr.is_const:
        return abs(expr.const)
    return abs(expr.const + _LARGE * sum(coeff for _, coeff in expr.terms))


def is_one(dim: Affine) -> bool:
    """Whether a dim is the constant 1."""
    return dim.is_const and dim.const == 1


def is_zero(dim: Affine) -> bool:
    """Whether a dim is the constant 0."""
    return dim.is_const and dim.const == 0


def shape_text(shape: Sequence[Affine], comma: str = ",") -> str:
    """A shape as NumPy's messages print it: ``(3,4)``, ``(3,)``, ``()``."""
    inner = comma.join(str(dim) if dim.is_const else "n" for dim in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def mismatch_text(shapes: Sequence[Sequence[Affine]]) -> str:
    """NumPy's message for operands that do not broadcast."""
    return (
        "operands could not be broadcast together with shapes "
        + " ".join(shape_text(s) for s in shapes)
        + " "
    )


def result_axis_order(shape: Dims, operands: Sequence[tuple[Dims, Dims]]) -> tuple[int, ...]:
    """Axes of a new result from slowest to fastest, in NumPy's 'K' order.

    The order in which ``nditer`` would walk the operands: axes sorted by the sizes of their strides, C order where the
    operands say nothing or contradict each other.

    shape: the broadcast shape.
    operands: (shape, strides) of each tensor operand before broadcasting.
    """
    rank = len(shape)
    if rank < 2:
        return tuple(range(rank))
    rows: list[list[int]] = []  # per operand: stride sizes by broadcast axis, 0 where repeated
    for dims, strides in operands:
        lead = rank - len(dims)
        sizes = [0 if is_one(d) else magnitude(s) for d, s in zip(dims, strides, strict=True)]
        rows.append([0] * lead + sizes)
    if all(_descending(row) for row in rows):
        return tuple(range(rank))
    order = list(range(rank - 1, -1, -1))  # fastest first, as nditer keeps it
    return tuple(reversed(_inserted(order, lambda placed, axis: _slower(rows, placed, axis))))


def joined_axis_order(operands: Sequence[tuple[Dims, Dims]]) -> tuple[int, ...]:
    """Axes from slowest to fastest of the result of ``concatenate``: sorted by the strides of all arrays."""

    def faster(placed: int, axis: int) -> bool | None:
        verdict: bool | None = None
        for dims, strides in operands:
            if not (is_one(dims[axis]) or is_one(dims[placed])):
                if magnitude(strides[axis]) <= magnitude(strides[placed]):
                    verdict = False
                elif verdict is None:
                    verdict = True
        return verdict

    return tuple(_inserted(list(range(len(operands[0][0]))), faster))


def _inserted(order: list[int], before: Callable[[int, int], bool | None]) -> list[int]:
    """NumPy's stable insertion sort of axes; ``before(placed, axis)``: whether ``axis`` goes before ``placed``."""
    for start in range(1, len(order)):
        axis = order[start]
        position = start
        for probe in range(start - 1, -1, -1):
            verdict = before(order[probe], axis)
            if verdict is None:
                continue
            if not verdict:
                break
            position = probe
        if position != start:
            order.insert(position, order.pop(start))
    return order


def _descending(row: list[int]) -> bool:
    """Whether the strides, repeated axes left aside, never grow: C order."""
    last: int | None = None
    for size in row:
        if size:
            if last is not None and size > last:
                return False
            last = size
    return True


def _slower(rows: list[list[int]], placed: int, axis: int) -> bool | None:
    """Whether ``axis`` must be walked inside ``placed``; None where no operand says."""
    verdict: bool | None = None
    for row in rows:
        a, b = row[axis], row[placed]
        if a and b:
            if b <= a:
                verdict = False
            elif verdict is None:
                verdict = True
    return verdict


def keep_order(shape: Dims, strides: Dims) -> tuple[int, ...]:
    """Axes from slowest to fastest of a copy of one array in 'K' order (``copy``, ``astype``, ``empty_like``)."""
    rank = len(shape)
    if rank < 2:
        return tuple(range(rank))
    order = sorted(range(rank), key=lambda axis: -magnitude(strides[axis]))  # stable: ties stay in C order
    return tuple(order)


def ordered_strides(
    shape: Dims, itemsize: int, order: Sequence[int], multiply: Callable[[Affine, Affine], Affine]
) -> Dims:
    """Strides of a new array whose axes run in ``order`` from slowest to fastest."""
    strides = [ZERO] * len(shape)
    step = Affine.of(itemsize)
    for axis in reversed(order):
        strides[axis] = step
        dim = shape[axis]
        if not (dim.is_const and dim.const <= 1):
            step = multiply(dim, step)
    return tuple(strides)


def is_packed(
    shape: Sequence[Affine],
    strides: Sequence[Affine],
    itemsize: int,
    multiply: Callable[[Affine, Affine], Affine],
) -> bool:
    """Whether the array is C-contiguous (reverse both for F)."""
    if any(is_zero(dim) for dim in shape):
        return True
    expected = Affine.of(itemsize)
    for dim, stride in zip(reversed(shape), reversed(strides), strict=True):
        if is_one(dim):
            continue
        if stride != expected:
            return False
        expected = multiply(dim, expected)
    return True


def reshaped_strides(
    shape: Dims,
    strides: Dims,
    new_shape: Dims,
    itemsize: int,
    fortran: bool,
    multiply: Callable[[Affine, Affine], Affine],
) -> Dims | None:
    """Strides of a view of the new shape, or None where NumPy has to copy (``_attempt_nocopy_reshape``)."""
    old = [(d, s) for d, s in zip(shape, strides, strict=True) if not is_one(d)]
    new: list[Affine] = [ZERO] * len(new_shape)
    oi, oj, ni, nj = 0, 1, 0, 1
    while ni < len(new_shape) and oi < len(old):
        new_count, old_count = new_shape[ni], old[oi][0]
        while new_count != old_count:
            if magnitude(new_count) < magnitude(old_count):
                if nj >= len(new_shape):
                    return None
                new_count = multiply(new_count, new_shape[nj])
                nj += 1
            else:
                if oj >= len(old):
                    return None
                old_count = multiply(old_count, old[oj][0])
                oj += 1
        if not _mergeable(old[oi:oj], fortran, multiply):
            return None
        if fortran:
            new[ni] = old[oi][1]
            for axis in range(ni + 1, nj):
                new[axis] = multiply(new_shape[axis - 1], new[axis - 1])
        else:
            new[nj - 1] = old[oj - 1][1]
            for axis in range(nj - 1, ni, -1):
                new[axis - 1] = multiply(new_shape[axis], new[axis])
        ni, nj, oi, oj = nj, nj + 1, oj, oj + 1
    last = new[ni - 1] if ni else Affine.of(itemsize)
    if fortran and ni:
        last = multiply(new_shape[ni - 1], last)
    for axis in range(ni, len(new_shape)):
        new[axis] = last
    return tuple(new)


def _mergeable(
    group: list[tuple[Affine, Affine]], fortran: bool, multiply: Callable[[Affine, Affine], Affine]
) -> bool:
    """Whether a run of axes can be walked as one."""
    for (outer_dim, outer), (inner_dim, inner) in pairwise(group):
        if fortran:
            if inner != multiply(outer_dim, outer):
                return False
        elif outer != multiply(inner_dim, inner):
            return False
    return True
