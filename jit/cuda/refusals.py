"""What kernels cannot do, found in the tensor IR: everything at once, with the user's lines."""

from __future__ import annotations

from collections.abc import Iterator

from pydsl.errors import Diagnostic, UnsupportedError
from pydsl.ir.core import Function

COMPLEX_MATH = frozenset(
    {
        "sqrt",
        "power",
        "float_power",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
    }
)
"""Functions of complex numbers that CUDA's math library does not have."""


def refuse_unsupported(function: Function) -> None:
    """Checks a function before it is lowered.

    Raises
    ------
    UnsupportedError: it calls functions that no device has.
    """
    findings = list(_findings(function))
    if findings:
        raise UnsupportedError(findings, function.name)


def _findings(function: Function) -> Iterator[Diagnostic]:
    for op in function.walk():
        if op.name in COMPLEX_MATH and any(_is_complex(value) for value in op.operands):
            yield Diagnostic(
                op.loc,
                f"np.{op.name} of complex numbers on CUDA",
                'its real and imaginary part by real functions, or target="cpu"',
            )
        elif op.name == "call":
            yield Diagnostic(
                op.loc, "a call of Python from a CUDA function", 'the call outside of it, or target="cpu"'
            )


def _is_complex(value: object) -> bool:
    dtype = getattr(getattr(value, "type", None), "dtype", None)
    return dtype is not None and dtype.kind == "c"
