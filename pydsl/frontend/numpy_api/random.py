"""``np.random``: methods of generators and the functions of the module, by calls of NumPy's own, so with the same bits.

A generator is an argument (an object that compiled code only hands on), a global (a static object), or made by
``np.random.default_rng(seed)`` inside: then it is its state, six words in memory, which each call takes and gives back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydsl.frontend import dtypes
from pydsl.frontend.builder import Builder, Operand
from pydsl.frontend.call_python import New, NewArray, NewNothing, NewScalar, delegate
from pydsl.frontend.failures import NumpyError, Unsupported
from pydsl.frontend.numpy_api.delegated import fixed, name_of, tensor
from pydsl.frontend.numpy_api.registry import handles
from pydsl.frontend.values import Opaque
from pydsl.ir.affine import Affine
from pydsl.ir.core import Value

GENERATORS = (np.random.Generator, np.random.RandomState)

#: distributions by the number of parameters in front of `size`; the second group gives integers
_REAL: dict[str, int] = {
    "random": 0, "standard_normal": 0, "standard_exponential": 0, "standard_cauchy": 0, "exponential": 1,
    "standard_gamma": 1, "chisquare": 1, "pareto": 1, "power": 1, "rayleigh": 1, "standard_t": 1, "weibull": 1,
    "normal": 2, "uniform": 2, "gamma": 2, "beta": 2, "f": 2, "gumbel": 2, "laplace": 2, "logistic": 2, "lognormal": 2,
    "noncentral_chisquare": 2, "vonmises": 2, "wald": 2, "noncentral_f": 3, "triangular": 3,
    "random_sample": 0, "ranf": 0, "sample": 0,
}  # fmt: skip
_WHOLE: dict[str, int] = {
    "poisson": 1, "geometric": 1, "logseries": 1, "zipf": 1, "binomial": 2, "negative_binomial": 2, "hypergeometric": 3,
    "integers": 2, "randint": 2,
}  # fmt: skip
_OPTIONS = ("size", "dtype", "out", "method", "endpoint")


@dataclass(frozen=True)
class _Call:
    """A call of one method of one generator.

    leading: what stands in front of the method's arguments (the generator, if it is known at run time only).
    """

    b: Builder
    function: Callable[..., Any]
    name: str
    leading: tuple[Operand, ...]
    written: tuple[Value, ...] = ()

    def __call__(
        self, args: Sequence[Operand], kwargs: Mapping[str, Operand], new: New, *written: Value
    ) -> Any:
        given = {key: value for key, value in kwargs.items() if value is not None}
        arguments = (*self.leading, *args)
        return delegate(self.b, self.function, self.name, arguments, given, new, (*self.written, *written))


# --- generators -------------------------------------------------------------------------------------------------------


def generator_method(b: Builder, owner: Any, name: str, args: Sequence[Operand], kwargs: Any) -> Any:
    """`owner.name(...)` of a generator: a static object, or an :class:`Opaque`."""
    if isinstance(owner, Opaque):
        method = getattr(owner.cls, name, None)
        if method is None:
            known = f"{owner.cls.__module__}.{owner.cls.__name__}"
            raise NumpyError(AttributeError, f"'{known}' object has no attribute '{name}'")
        if owner.state is None:
            call = _Call(b, method, f"{owner.cls.__name__}.{name}", (owner,))
        else:
            restored = functools.partial(_with_state, method)
            call = _Call(b, restored, f"Generator.{name}", (owner.state,), (owner.state,))
    else:
        call = _Call(b, getattr(owner, name), f"{type(owner).__name__}.{name}", ())
    return _dispatch(call, name, args, dict(kwargs))


def _dispatch(call: _Call, name: str, args: Sequence[Operand], kwargs: dict[str, Operand]) -> Any:
    if name in _REAL or name in _WHOLE:
        return _distribution(call, name, args, kwargs)
    handler = _OTHERS.get(name)
    if handler is None:
        raise Unsupported(f"`.{name}` of a generator", "pydsl.callback(f, result=...)")
    return handler(call, *args, **kwargs)


def _distribution(call: _Call, name: str, args: Sequence[Operand], kwargs: dict[str, Operand]) -> Any:
    b, count = call.b, {**_REAL, **_WHOLE}[name]
    options = dict(zip(_trailing(name), args[count:], strict=False))
    options.update({key: value for key, value in kwargs.items() if key in _OPTIONS})
    parameters = [*args[:count], *(value for key, value in kwargs.items() if key not in _OPTIONS)]
    for key in ("dtype", "method", "endpoint"):
        if key in options:
            options[key] = fixed(options[key], f"{key}=")
    out = options.get("out")
    if isinstance(out, Value):
        b.check_writeable(out, "output array")
        call(args, kwargs, NewNothing(), out)
        return out
    dtype = _dtype(name, options.get("dtype"))
    size = options.get("size")
    if size is not None:
        return call(args, kwargs, NewArray(dtype, b.as_shape(size)))
    shape = _broadcast(b, parameters)
    if shape:
        return call(args, kwargs, NewArray(dtype, shape))
    return call(args, kwargs, _one(name, dtype, options.get("dtype")))


def _trailing(name: str) -> tuple[str, ...]:
    """The options behind the parameters, in order."""
    if name == "standard_exponential":
        return ("size", "dtype", "method", "out")
    if name in ("integers", "randint"):
        return ("size", "dtype", "endpoint")
    return ("size", "dtype", "out")


def _dtype(name: str, dtype: Any) -> np.dtype[Any]:
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    return dtypes.INT64 if name in _WHOLE else dtypes.FLOAT64


def _one(name: str, dtype: np.dtype[Any], asked: Any) -> NewScalar:
    """One number: Python's, but for integers of a NumPy type."""
    if name == "integers" and asked not in (bool, int):
        return NewScalar(dtype)
    if name == "randint" and asked not in (None, bool, int):
        return NewScalar(dtype)
    return NewScalar(dtypes.INT64 if name in _WHOLE and dtype.kind != "b" else _wide(dtype), weak=True)


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtypes.FLOAT64 if dtype.kind == "f" else dtype


def _broadcast(b: Builder, parameters: Sequence[Operand]) -> tuple[Affine, ...]:
    shapes = []
    for value in parameters:
        if isinstance(value, (list, tuple, np.ndarray)) or (isinstance(value, Value) and value.is_tensor):
            shapes.append(tensor(b, value).tensor.shape)
    return tuple(b.broadcast_shape(shapes)) if shapes else ()


# --- choices and orders -----------------------------------------------------------------------------------------------


def _integer_population(a: Operand) -> bool:
    if isinstance(a, Value):
        return not a.is_tensor or not a.tensor.rank
    return not isinstance(a, (list, tuple, np.ndarray))


def _choice(
    call: _Call,
    a: Operand,
    size: Operand = None,
    replace: Operand = True,
    p: Operand = None,
    axis: Operand = 0,
    shuffle: Operand = True,
) -> Any:
    b = call.b
    options: dict[str, Any] = {"replace": replace, "p": p}
    is_generator = "RandomState" not in call.name
    if is_generator:
        options |= {"axis": fixed(axis, "axis="), "shuffle": shuffle}
    head = () if size is None else b.as_shape(size)
    if _integer_population(a):
        new: New = NewScalar(dtypes.INT64, weak=True) if size is None else NewArray(dtypes.INT64, head)
        return call((a, size), options, new)
    x = tensor(b, a)
    place = b.normalize_axis(options.get("axis", 0), x.tensor.rank)
    shape = (*x.tensor.shape[:place], *head, *x.tensor.shape[place + 1 :])
    scalar = size is None and not shape
    return call((x, size), options, NewScalar(x.tensor.dtype) if scalar else NewArray(x.tensor.dtype, shape))


def _permutation(call: _Call, x: Operand, axis: Operand = 0) -> Any:
    options = {} if "RandomState" in call.name else {"axis": fixed(axis, "axis=")}
    if _integer_population(x):
        return call((x,), {}, NewArray(dtypes.INT64, (call.b.as_affine(x),)))
    value = tensor(call.b, x)
    rank = value.tensor.rank
    place = call.b.normalize_axis(options.get("axis", 0), rank)
    # as arr[..., order, ...] lies in memory: the indexed axis first
    order = (place, *(k for k in range(rank) if k != place))
    return call((value,), options, NewArray(value.tensor.dtype, value.tensor.shape, order))


def _shuffle(call: _Call, x: Operand, axis: Operand = 0) -> None:
    if not (isinstance(x, Value) and x.is_tensor):
        raise Unsupported("shuffling a list", "an array")
    call.b.check_writeable(x, "array")
    options = {} if "RandomState" in call.name else {"axis": fixed(axis, "axis=")}
    call((x,), options, NewNothing(), x)


def _permuted(call: _Call, x: Operand, *, axis: Operand = None, out: Operand = None) -> Any:
    value = tensor(call.b, x)
    options = {"axis": fixed(axis, "axis=")}
    if isinstance(out, Value):
        call.b.check_writeable(out, "output array")
        call((value,), {**options, "out": out}, NewNothing(), out)
        return out
    order = call.b.named_order("K", value.tensor.shape, value)
    return call((value,), options, NewArray(value.tensor.dtype, value.tensor.shape, tuple(order)))


# --- several numbers at once ------------------------------------------------------------------------------------------


def _vectors(
    call: _Call, like: Operand, size: Operand, kind: str, args: Sequence[Operand], options: Any
) -> Any:
    """A vector as long as a parameter for each point."""
    shape = tensor(call.b, like).tensor.shape
    head = () if size is None else call.b.as_shape(size)
    dtype = dtypes.INT64 if kind == "whole" else dtypes.FLOAT64
    return call(args, {**options, "size": size}, NewArray(dtype, (*head, *shape[-1:])))


def _multivariate_normal(
    call: _Call,
    mean: Operand,
    cov: Operand,
    size: Operand = None,
    check_valid: Operand = None,
    **options: Any,
) -> Any:
    if check_valid is not None:
        options["check_valid"] = check_valid
    return _vectors(call, mean, size, "real", (mean, cov), options)


def _multinomial(call: _Call, n: Operand, pvals: Operand, size: Operand = None) -> Any:
    if size is None and not _integer_population(n):
        raise Unsupported("multinomial with an array of counts", "size=")
    return _vectors(call, pvals, size, "whole", (n, pvals), {})


def _dirichlet(call: _Call, alpha: Operand, size: Operand = None) -> Any:
    return _vectors(call, alpha, size, "real", (alpha,), {})


def _multivariate_hypergeometric(
    call: _Call, colors: Operand, nsample: Operand, size: Operand = None, method: Operand = "marginals"
) -> Any:
    return _vectors(call, colors, size, "whole", (colors, nsample), {"method": method})


# --- the older functions ----------------------------------------------------------------------------------------------


def _rand(call: _Call, *dims: Operand) -> Any:
    if not dims:
        return call((), {}, NewScalar(dtypes.FLOAT64, weak=True))
    return call(dims, {}, NewArray(dtypes.FLOAT64, call.b.as_shape(tuple(dims))))


def _seed(call: _Call, seed: Operand = None) -> None:
    call((seed,), {}, NewNothing())


_OTHERS: dict[str, Callable[..., Any]] = {
    "choice": _choice,
    "permutation": _permutation,
    "shuffle": _shuffle,
    "permuted": _permuted,
    "multivariate_normal": _multivariate_normal,
    "multinomial": _multinomial,
    "dirichlet": _dirichlet,
    "multivariate_hypergeometric": _multivariate_hypergeometric,
    "rand": _rand,
    "randn": _rand,
    "seed": _seed,
}


def _register_module() -> None:
    for name in (*_REAL, *_WHOLE, *_OTHERS):
        function = getattr(np.random, name, None)
        if function is None:
            continue

        def handler(
            b: Builder, *args: Operand, _function: Any = function, _name: str = name, **kwargs: Operand
        ) -> Any:
            call = _Call(b, _function, f"RandomState.{_name}", ())
            return _dispatch(call, _name, args, kwargs)

        handler.__doc__ = f"``np.random.{name}``."
        handles(function, makes_array=True)(handler)


_register_module()


# --- generators made inside -------------------------------------------------------------------------------------------

_WORD = 2**64 - 1
_STATE_WORDS = 6


@handles(np.random.default_rng, makes_array=True)
def default_rng(b: Builder, seed: Operand = None) -> Any:
    """``np.random.default_rng`` of a seed."""
    if isinstance(seed, (Opaque, *GENERATORS)):
        return seed
    new = NewArray(dtypes.UINT64, (Affine.of(_STATE_WORDS),))
    if isinstance(seed, Value) and seed.is_tensor:
        seed = tensor(b, seed)
    state = delegate(b, _seeded, name_of(np.random.default_rng), (seed,), {}, new)
    return Opaque(np.random.Generator, None, state)


def _seeded(seed: Any) -> Any:
    return _state_of(np.random.default_rng(seed))


def _with_state(method: Callable[..., Any], state: Any, *args: Any, **kwargs: Any) -> Any:
    """A method of a generator that is given by its state."""
    generator = np.random.Generator(np.random.PCG64(0))
    words = [int(word) for word in state]
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]},
        "has_uint32": words[4],
        "uinteger": words[5],
    }
    try:
        return method(generator, *args, **kwargs)
    finally:
        state[:] = _state_of(generator)


def _state_of(generator: np.random.Generator) -> Any:
    state: Any = generator.bit_generator.state
    big, inc = state["state"]["state"], state["state"]["inc"]
    words = [big >> 64, big & _WORD, inc >> 64, inc & _WORD, state["has_uint32"], state["uinteger"]]
    return np.array(words, np.uint64)
