"""``np.linalg``: everything that LAPACK does, by NumPy's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.frontend import broadcasting as rules
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.delegated import OPEN, Shape, call_numpy, fixed, refuse, tensor
from pydsl.frontend.numpy_api.registry import handles
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

# --- shapes -----------------------------------------------------------------------------------------------------------


def _matrices(
    b: Builder, function: Callable[..., Any], a: Operand, *rest: Operand, square: bool = True
) -> Value:
    """A stack of (square) matrices, or NumPy's refusal; sizes known at run time only are checked by NumPy there."""
    x = tensor(b, a)
    shape = x.tensor.shape
    fits = len(shape) >= 2
    if fits and square:
        fits = not (shape[-1].is_const and shape[-2].is_const) or shape[-1] == shape[-2]
    if not fits:
        refuse(function, (x, *rest), {})
        raise Unsupported(f"np.linalg.{function.__name__} of an array with {len(shape)} dimensions")
    return x


def _smaller(b: Builder, x: Value) -> Affine:
    rows, columns = x.tensor.shape[-2:]
    return b.min_index(rows, columns)


# --- square matrices --------------------------------------------------------------------------------------------------


@handles(np.linalg.inv, makes_array=True)
def inv(b: Builder, a: Operand) -> Any:
    """``np.linalg.inv``."""
    x = _matrices(b, np.linalg.inv, a)
    return call_numpy(b, np.linalg.inv, (x,), {}, [x.tensor.shape])


@handles(np.linalg.det, makes_array=True)
def det(b: Builder, a: Operand) -> Any:
    """``np.linalg.det``."""
    x = _matrices(b, np.linalg.det, a)
    return call_numpy(b, np.linalg.det, (x,), {}, [x.tensor.shape[:-2]])


@handles(np.linalg.slogdet, makes_array=True)
def slogdet(b: Builder, a: Operand) -> Any:
    """``np.linalg.slogdet``."""
    x = _matrices(b, np.linalg.slogdet, a)
    return call_numpy(b, np.linalg.slogdet, (x,), {}, [x.tensor.shape[:-2]] * 2)


@handles(np.linalg.cholesky, makes_array=True)
def cholesky(b: Builder, a: Operand, /, *, upper: Operand = False) -> Any:
    """``np.linalg.cholesky``."""
    x = _matrices(b, np.linalg.cholesky, a)
    return call_numpy(b, np.linalg.cholesky, (x,), {"upper": fixed(upper, "upper=")}, [x.tensor.shape])


@handles(np.linalg.eigh, makes_array=True)
def eigh(b: Builder, a: Operand, UPLO: Operand = "L") -> Any:  # noqa: N803
    """``np.linalg.eigh``."""
    x = _matrices(b, np.linalg.eigh, a)
    return call_numpy(b, np.linalg.eigh, (x, UPLO), {}, [x.tensor.shape[:-1], x.tensor.shape])


@handles(np.linalg.eigvalsh, makes_array=True)
def eigvalsh(b: Builder, a: Operand, UPLO: Operand = "L") -> Any:  # noqa: N803
    """``np.linalg.eigvalsh``."""
    x = _matrices(b, np.linalg.eigvalsh, a)
    return call_numpy(b, np.linalg.eigvalsh, (x, UPLO), {}, [x.tensor.shape[:-1]])


@handles(np.linalg.eig, makes_array=True)
def eig(b: Builder, a: Operand) -> Any:
    """``np.linalg.eig`` of complex matrices."""
    x = _matrices(b, np.linalg.eig, a)
    _refuse_real(x, "eig")
    return call_numpy(b, np.linalg.eig, (x,), {}, [x.tensor.shape[:-1], x.tensor.shape])


@handles(np.linalg.eigvals, makes_array=True)
def eigvals(b: Builder, a: Operand) -> Any:
    """``np.linalg.eigvals`` of complex matrices."""
    x = _matrices(b, np.linalg.eigvals, a)
    _refuse_real(x, "eigvals")
    return call_numpy(b, np.linalg.eigvals, (x,), {}, [x.tensor.shape[:-1]])


def _refuse_real(x: Value, name: str) -> None:
    if x.tensor.dtype.kind != "c":
        raise Unsupported(
            f"np.linalg.{name} of a real matrix, whose result is real or complex as the values are",
            f"np.linalg.{name}(a.astype(complex)); or, for a symmetric matrix, "
            f"np.linalg.{'eigh' if name == 'eig' else 'eigvalsh'}",
        )


@handles(np.linalg.matrix_power, makes_array=True)
def matrix_power(b: Builder, a: Operand, n: Operand) -> Any:
    """``np.linalg.matrix_power``."""
    x = _matrices(b, np.linalg.matrix_power, a, 2)
    power = fixed(n, "the power of a matrix")
    if isinstance(power, (int, np.integer)) and power == 1:
        return x  # NumPy gives the very array, too
    order = {0: rules.keep_order(x.tensor.shape, x.tensor.strides)} if power == 0 else None
    return call_numpy(b, np.linalg.matrix_power, (x, power), {}, [x.tensor.shape], order)


@handles(np.linalg.matrix_rank, makes_array=True)
def matrix_rank(
    b: Builder,
    A: Operand,  # noqa: N803
    tol: Operand = None,
    hermitian: Operand = False,
    *,
    rtol: Operand = None,
) -> Any:
    """``np.linalg.matrix_rank``."""
    x = tensor(b, A)
    options = {"tol": tol, "hermitian": fixed(hermitian, "hermitian="), "rtol": rtol}
    given = {key: value for key, value in options.items() if value is not None}
    return call_numpy(b, np.linalg.matrix_rank, (x,), given, [x.tensor.shape[:-2]])


@handles(np.linalg.cond, makes_array=True)
def cond(b: Builder, x: Operand, p: Operand = None) -> Any:
    """``np.linalg.cond``."""
    order = fixed(p, "the order of a condition number")
    matrix = _matrices(b, np.linalg.cond, x, order, square=order not in (None, 2, -2))
    return call_numpy(b, np.linalg.cond, (matrix, order), {}, [matrix.tensor.shape[:-2]])


# --- systems of equations ---------------------------------------------------------------------------------------------


@handles(np.linalg.solve, makes_array=True)
def solve(builder: Builder, /, a: Operand, b: Operand) -> Any:
    """``np.linalg.solve``: a right side of one dimension is a vector, any other a stack of matrices."""
    y = tensor(builder, b)
    x = _matrices(builder, np.linalg.solve, a, y)
    rows, right = x.tensor.shape[-1], y.tensor.shape
    vector = len(right) == 1
    meeting = right[0] if vector else (right[-2] if len(right) > 1 else None)
    if meeting is None or (meeting.is_const and rows.is_const and meeting != rows):
        refuse(np.linalg.solve, (x, y), {})
    try:
        batch = builder.broadcast_shape([x.tensor.shape[:-2], () if vector else right[:-2]])
    except NumpyError:
        refuse(np.linalg.solve, (x, y), {})
        raise
    shape = (*batch, rows) if vector else (*batch, rows, right[-1])
    return call_numpy(builder, np.linalg.solve, (x, y), {}, [shape])


@handles(np.linalg.lstsq, makes_array=True)
def lstsq(builder: Builder, /, a: Operand, b: Operand, rcond: Operand = None) -> Any:
    """``np.linalg.lstsq``."""
    x, y = tensor(builder, a), tensor(builder, b)
    if x.tensor.rank != 2 or y.tensor.rank not in (1, 2):
        refuse(np.linalg.lstsq, (x, y), {"rcond": None})
    rows, columns = x.tensor.shape
    if rows.is_const and y.tensor.shape[0].is_const and rows != y.tensor.shape[0]:
        refuse(np.linalg.lstsq, (x, y), {"rcond": None})
    shapes = [(columns, *y.tensor.shape[1:]), OPEN, (), (_smaller(builder, x),)]
    given = rcond if isinstance(rcond, Value) else fixed(rcond, "rcond=")
    return call_numpy(builder, np.linalg.lstsq, (x, y), {"rcond": given}, shapes)


@handles(np.linalg.pinv, makes_array=True)
def pinv(
    b: Builder, a: Operand, rcond: Operand = None, hermitian: Operand = False, *, rtol: Operand = np._NoValue
) -> Any:
    """``np.linalg.pinv``."""
    x = _matrices(b, np.linalg.pinv, a, square=False)
    options = {"hermitian": fixed(hermitian, "hermitian=")}
    if rcond is not None:
        options["rcond"] = rcond
    if rtol is not np._NoValue:
        options["rtol"] = rtol
    *batch, rows, columns = x.tensor.shape
    return call_numpy(b, np.linalg.pinv, (x,), options, [(*batch, columns, rows)])


@handles(np.linalg.tensorinv, makes_array=True)
def tensorinv(b: Builder, a: Operand, ind: Operand = 2) -> Any:
    """``np.linalg.tensorinv``."""
    x, split = tensor(b, a), fixed(ind, "ind=")
    shape = x.tensor.shape
    refuse_static(np.linalg.tensorinv, x, (split,))
    return call_numpy(
        b, np.linalg.tensorinv, (x, split), {}, [(*shape[split:], *shape[:split])], sample=_whole_eye
    )


@handles(np.linalg.tensorsolve, makes_array=True)
def tensorsolve(builder: Builder, /, a: Operand, b: Operand, axes: Operand = None) -> Any:
    """``np.linalg.tensorsolve``."""
    x, y, moved = tensor(builder, a), tensor(builder, b), fixed(axes, "axes=")
    shape = list(x.tensor.shape)
    for axis in moved or ():
        position = builder.normalize_axis(axis, len(shape))
        shape = [*shape[:position], *shape[position + 1 :], shape[position]]
    result = tuple(shape[y.tensor.rank :])
    return call_numpy(builder, np.linalg.tensorsolve, (x, y, moved), {}, [result], sample=_whole_eye)


def refuse_static(function: Callable[..., Any], x: Value, rest: tuple[Any, ...]) -> None:
    """NumPy's refusal, of arrays without memory; singular matrices are no refusal yet."""
    try:
        refuse(function, (x, *rest), {})
    except NumpyError as error:
        if "Singular" not in error.message:
            raise


def _whole_eye(value: Value) -> Any:
    """A stand-in of the same shape that can be inverted however it is folded."""
    shape = [dim.const if dim.is_const else 2 for dim in value.tensor.shape]
    size = int(np.prod(shape))
    return (np.random.default_rng(0).random(size) + 0.1).reshape(shape).astype(value.tensor.dtype)


# --- factors ----------------------------------------------------------------------------------------------------------


@handles(np.linalg.qr, makes_array=True)
def qr(b: Builder, a: Operand, mode: Operand = "reduced") -> Any:
    """``np.linalg.qr``."""
    x = _matrices(b, np.linalg.qr, a, square=False)
    *batch, rows, columns = x.tensor.shape
    rank, k = x.tensor.rank, _smaller(b, x)
    shapes: dict[Any, list[Shape]] = {
        "reduced": [(*batch, rows, k), (*batch, k, columns)],
        "complete": [(*batch, rows, rows), (*batch, rows, columns)],
        "r": [(*batch, k, columns)],
        "raw": [(*batch, columns, rows), (*batch, k)],
    }
    if mode not in shapes:
        refuse(np.linalg.qr, (x, mode), {})
        raise Unsupported(f"np.linalg.qr with mode={mode!r}", "'reduced', 'complete', 'r' or 'raw'")
    turned = None
    if mode == "raw":  # the transpose of a copy of the array
        swap = {rank - 1: rank - 2, rank - 2: rank - 1}
        turned = {0: tuple([swap.get(k, k) for k in rules.keep_order(x.tensor.shape, x.tensor.strides)])}
    return call_numpy(b, np.linalg.qr, (x, mode), {}, shapes[mode], turned)


@handles(np.linalg.svd, makes_array=True)
def svd(
    b: Builder,
    a: Operand,
    full_matrices: Operand = True,
    compute_uv: Operand = True,
    hermitian: Operand = False,
) -> Any:
    """``np.linalg.svd``."""
    flags = [fixed(flag, "an option of svd") for flag in (full_matrices, compute_uv, hermitian)]
    x = _matrices(b, np.linalg.svd, a, square=bool(flags[2]))
    *batch, rows, columns = x.tensor.shape
    k = _smaller(b, x)
    values = (*batch, k)
    if not flags[1]:
        return call_numpy(b, np.linalg.svd, (x, *flags), {}, [values])
    full = flags[0]
    left = (*batch, rows, rows if full else k)
    right = (*batch, columns if full else k, columns)
    return call_numpy(b, np.linalg.svd, (x, *flags), {}, [left, values, right])


@handles(np.linalg.svdvals, makes_array=True)
def svdvals(b: Builder, x: Operand, /) -> Any:
    """``np.linalg.svdvals``."""
    matrix = _matrices(b, np.linalg.svdvals, x, square=False)
    return call_numpy(b, np.linalg.svdvals, (matrix,), {}, [(*matrix.tensor.shape[:-2], _smaller(b, matrix))])
