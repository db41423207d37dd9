"""The calls: an expression for each form of each function, over the names of :mod:`tests.conformance.inputs`."""

from __future__ import annotations

import numpy as np

UNARY = """absolute negative positive sign square sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p sin
cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint fabs isnan
isinf isfinite signbit logical_not invert conjugate deg2rad rad2deg spacing bitwise_count""".split()
BINARY = """add subtract multiply divide floor_divide remainder fmod power float_power maximum minimum fmax fmin
arctan2 hypot logaddexp logaddexp2 copysign nextafter heaviside equal not_equal less less_equal
greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
left_shift right_shift gcd lcm""".split()
REDUCTIONS = """sum prod max min mean var std any all argmax argmin count_nonzero ptp nansum nanprod nanmax nanmin
nanmean nanvar nanstd""".split()
TRANSCENDENTAL = frozenset(
    """cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
arccosh arctanh power float_power arctan2 hypot logaddexp logaddexp2 sinc i0 angle geomspace
logspace hanning hamming blackman kaiser absolute sqrt square reciprocal divide multiply""".split()
)

#: name of the function -> its calls
OTHERS: dict[str, str] = {
    # making
    "zeros_like": "np.zeros_like(a)",
    "ones_like": "np.ones_like(a)",
    "full_like": "np.full_like(a, 3)",
    "array": "np.array(a); np.array(a, order='F'); np.array(a, ndmin=3); np.array([v, w])",
    "asarray": "np.asarray(a); np.asarray(a, dtype=np.float64)",
    "ascontiguousarray": "np.ascontiguousarray(a)",
    "asfortranarray": "np.asfortranarray(a)",
    "copy": "np.copy(a); np.copy(a, order='F'); a.copy(); a.copy('K')",
    "astype": "a.astype(np.float64); a.astype(np.int32); a.astype(bool); a.astype(np.complex64)",
    "diag": "np.diag(v); np.diag(a); np.diag(a, 1)",
    "diagflat": "np.diagflat(v)",
    "tril": "np.tril(a); np.tril(v); np.tril(a, 1)",
    "triu": "np.triu(a); np.triu(a, -1)",
    "vander": "np.vander(v, 3)",
    "meshgrid": "np.meshgrid(v, w); np.meshgrid(v, w, indexing='ij', sparse=True)",
    # shapes
    "reshape": "np.reshape(a, -1); a.reshape(-1, 2); a.reshape(-1, 2, order='F')",
    "ravel": "np.ravel(a); a.ravel('F'); a.flatten()",
    "transpose": "np.transpose(a); a.T; a.transpose()",
    "swapaxes": "np.swapaxes(a, 0, 1)",
    "moveaxis": "np.moveaxis(a, 0, -1)",
    "rollaxis": "np.rollaxis(a, 1)",
    "expand_dims": "np.expand_dims(a, 0); np.expand_dims(a, (0, -1))",
    "squeeze": "np.squeeze(a[None]); a[None].squeeze(0)",
    "broadcast_to": "np.broadcast_to(v, (2, 5))",
    "broadcast_arrays": "np.broadcast_arrays(a, b)",
    "atleast_1d": "np.atleast_1d(a)",
    "atleast_2d": "np.atleast_2d(v)",
    "atleast_3d": "np.atleast_3d(a)",
    "flip": "np.flip(a); np.flip(a, 0)",
    "flipud": "np.flipud(a)",
    "fliplr": "np.fliplr(a)",
    "rot90": "np.rot90(a); np.rot90(a, 2); np.rot90(a, -1)",
    "roll": "np.roll(a, 1); np.roll(a, 1, axis=0); np.roll(v, -2)",
    "diagonal": "np.diagonal(a); a.diagonal(1)",
    "real": "np.real(a); a.real",
    "imag": "np.imag(a); a.imag",
    # joining
    "concatenate": "np.concatenate([a, b]); np.concatenate([a, b], axis=1); np.concatenate([a, b], axis=None)",
    "stack": "np.stack([a, b]); np.stack([a, b], axis=-1)",
    "vstack": "np.vstack([v, w])",
    "hstack": "np.hstack([a, b])",
    "dstack": "np.dstack([a, b])",
    "column_stack": "np.column_stack([v, w])",
    "append": "np.append(a, v); np.append(a, b, axis=0)",
    "tile": "np.tile(v, 2); np.tile(a, (2, 1))",
    "repeat": "np.repeat(a, 2); np.repeat(a, 2, axis=0); v.repeat(3)",
    "split": "np.array_split(v, 2); np.split(v, [1, 3]); np.array_split(a, 2, axis=0)",
    "unstack": "np.unstack(a)",
    "block": "np.block([[a, b], [b, a]])",
    "insert": "np.insert(v, 0, 1); np.insert(a, 0, 1, axis=0)",
    "delete": "np.delete(v, 0); np.delete(a, 0, axis=0)",
    "resize": "np.resize(v, (2, 4))",
    "trim_zeros": "np.trim_zeros(v)",
    "pad": "np.pad(v, 2); np.pad(a, 1, mode='edge'); np.pad(v, (1, 2), mode='wrap'); np.pad(v, 2, mode='reflect')",
    "r_": "np.r_[v, w]",
    "c_": "np.c_[v, w]",
    # elementwise, composed
    "clip": "np.clip(a, 1, 3); np.clip(a, None, 2); a.clip(0, 5); np.clip(a, b, None)",
    "where": "np.where(m, a, b); np.where(m, a, 0); np.where(m)",
    "select": "np.select([m, ~m], [a, b]); np.select([m], [a], 7)",
    "choose": "np.choose(i % 2, [v, w])",
    "round": "np.round(a); np.round(a, 1); a.round(); np.around(a, -1)",
    "fix": "np.fix(a)",
    "divmod": "np.divmod(a, b)",
    "modf": "np.modf(a)",
    "frexp": "np.frexp(a)",
    "nan_to_num": "np.nan_to_num(a); np.nan_to_num(a, nan=1.0)",
    "isclose": "np.isclose(a, b); np.isclose(a, a)",
    "allclose": "np.allclose(a, a)",
    "array_equal": "np.array_equal(a, a); np.array_equal(a, b)",
    "array_equiv": "np.array_equiv(a, a)",
    "isneginf": "np.isneginf(a)",
    "isposinf": "np.isposinf(a)",
    "iscomplex": "np.iscomplex(a)",
    "isreal": "np.isreal(a)",
    "angle": "np.angle(a)",
    "sinc": "np.sinc(a)",
    "i0": "np.i0(a)",
    "real_if_close": "np.real_if_close(a)",
    # along an axis
    "cumsum": "np.cumsum(a); np.cumsum(a, axis=0); a.cumsum(axis=1)",
    "cumprod": "np.cumprod(a, axis=1)",
    "cumulative_sum": "np.cumulative_sum(v); np.cumulative_sum(a, axis=0, include_initial=True)",
    "nancumsum": "np.nancumsum(a, axis=0)",
    "nancumprod": "np.nancumprod(a, axis=1)",
    "diff": "np.diff(a); np.diff(a, axis=0); np.diff(v, 2); np.diff(v, prepend=0)",
    "ediff1d": "np.ediff1d(a)",
    "gradient": "np.gradient(v); np.gradient(a, axis=1)",
    "trapezoid": "np.trapezoid(v); np.trapezoid(a, axis=0)",
    "unwrap": "np.unwrap(v)",
    "median": "np.median(a); np.median(a, axis=0)",
    "quantile": "np.quantile(a, 0.3); np.quantile(a, 0.3, axis=0)",
    "percentile": "np.percentile(v, 40)",
    "nanmedian": "np.nanmedian(a, axis=0)",
    "nanquantile": "np.nanquantile(v, 0.4)",
    "average": "np.average(a); np.average(a, axis=0); np.average(v, weights=w * w + 1)",
    "cov": "np.cov(a)",
    "corrcoef": "np.corrcoef(a)",
    "trace": "np.trace(a); a.trace(1)",
    # sorting and searching
    "sort": "np.sort(a); np.sort(a, axis=0); np.sort(a, axis=None)",
    "argsort": "np.argsort(a, kind='stable'); np.argsort(a, axis=0, kind='stable')",
    "lexsort": "np.lexsort((v, w))",
    "searchsorted": "np.searchsorted(np.sort(v), w); np.searchsorted(np.sort(v), w, side='right')",
    "digitize": "np.digitize(v, np.sort(w))",
    "nonzero": "np.nonzero(a); np.flatnonzero(a); np.argwhere(a)",
    "unique": "np.unique(a); np.unique(v, return_index=True, return_inverse=True, return_counts=True)",
    "isin": "np.isin(a, v)",
    "union1d": "np.union1d(v, w)",
    "intersect1d": "np.intersect1d(v, w)",
    "setdiff1d": "np.setdiff1d(v, w)",
    "setxor1d": "np.setxor1d(v, w)",
    "bincount": "np.bincount(i); np.bincount(i, minlength=9); np.bincount(i, weights=v)",
    "histogram": "np.histogram(v, 3, range=(-2, 8)); np.histogram(v, [0, 2, 5])",
    "interp": "np.interp(v, np.sort(w), w)",
    # indexing
    "take": "np.take(v, i); np.take(a, [0, -1], axis=1); v.take(i, mode='clip')",
    "take_along_axis": "np.take_along_axis(v, i, 0)",
    "compress": "np.compress(k, v); a.compress([True, False], axis=1)",
    "extract": "np.extract(m, a)",
    "getitem": "a[1:]; a[::-1]; a[..., 0]; a[m]; v[i]; a[:, [0, 2]]; v[::2]; a[None]; v[k]",
    "ix_": "a[np.ix_([0, 1], [2, 0])]",
    # products
    "dot": "np.dot(v, w); np.dot(a, b.T)",
    "matmul": "a @ b.T; np.matmul(v, w)",
    "inner": "np.inner(v, w)",
    "outer": "np.outer(v, w)",
    "vdot": "np.vdot(v, w)",
    "tensordot": "np.tensordot(a, b, axes=([0, 1], [0, 1]))",
    "einsum": "np.einsum('ij,ij->i', a, b); np.einsum('ij->ji', a)",
    "kron": "np.kron(v, w)",
    "cross": "np.cross(a[:, :3], b[:, 1:])",
    "convolve": "np.convolve(v, w); np.convolve(v, w[:2], 'same')",
    "correlate": "np.correlate(v, w, 'full')",
    "polyval": "np.polyval(w, v)",
    # bits
    "packbits": "np.packbits(v)",
    "unpackbits": "np.unpackbits(a)",
    # methods of ufuncs
    "ufunc.reduce": "np.add.reduce(a); np.maximum.reduce(a, axis=1); np.subtract.reduce(v); np.logical_xor.reduce(a)",
    "ufunc.accumulate": "np.add.accumulate(v); np.maximum.accumulate(a, axis=1); np.subtract.accumulate(v)",
    "ufunc.reduceat": "np.add.reduceat(v, [0, 2, 1])",
    "ufunc.outer": "np.add.outer(v, w); np.multiply.outer(v, 2)",
    # functions of functions
    "apply_along_axis": "np.apply_along_axis(np.sum, 1, a)",
    "apply_over_axes": "np.apply_over_axes(np.sum, a, [0])",
    "piecewise": "np.piecewise(v, [k], [1, 0])",
}
#: functions that NumPy answers with Python or static values are compared as they are


def calls() -> dict[str, list[str]]:
    """All calls, by the name of the function."""
    table: dict[str, list[str]] = {}
    for name in UNARY:
        table[name] = [f"np.{name}(a)", f"np.{name}(a, out=np.empty(a.shape, np.{name}(a).dtype))"]
    for name in BINARY:
        table[name] = [f"np.{name}(a, b)", f"np.{name}(a, 2)", f"np.{name}(v, v[:1], out=np.empty(v.shape))"]
    for name in REDUCTIONS:
        table[name] = [f"np.{name}(a)", f"np.{name}(a, axis=0)", f"np.{name}(a, axis=1, keepdims=True)"]
        if name != "count_nonzero":
            kept = f"np.{name}(a, axis=1)"
            table[name].append(f"np.{name}(a, axis=1, out=np.empty({kept}.shape, {kept}.dtype))")
    for name, text in OTHERS.items():
        table[name] = [call.strip() for call in text.split(";")]
    missing = [name for name in table if not hasattr(np, name) and "." not in name and name != "getitem"]
    assert not missing, missing
    return table
