"""The NumPy (and builtin) callables that the front end knows, found by identity.

``lookup(callable)`` gives ``handler(builder, *args, **kwargs)``; ``method(value, name)`` the handler of a method,
called as ``handler(builder, value, *args, **kwargs)``; ``attribute(builder, value, name)`` an attribute's value.
Importing this package fills the tables; each module has one subject.
"""

from __future__ import annotations

from pydsl.frontend.numpy_api import (
    attributes,
    builtin_functions,
    creation,
    decompositions,
    fft,
    indexing,
    joining,
    linalg,
    manipulation,
    math_functions,
    methods,
    norms,
    padding,
    random,
    reductions,
    sets,
    sorting,
    statistics,
    stride_tricks,
    ufuncs,
)
from pydsl.frontend.numpy_api.registry import (
    alias,
    attribute,
    canonical,
    creates_array,
    handles,
    has_attribute,
    known_callables,
    lookup,
    method,
)

__all__ = [
    "alias",
    "attribute",
    "attributes",
    "builtin_functions",
    "canonical",
    "creates_array",
    "creation",
    "decompositions",
    "fft",
    "handles",
    "has_attribute",
    "indexing",
    "joining",
    "known_callables",
    "linalg",
    "lookup",
    "manipulation",
    "math_functions",
    "method",
    "methods",
    "norms",
    "padding",
    "random",
    "reductions",
    "sets",
    "sorting",
    "statistics",
    "stride_tricks",
    "ufuncs",
]
