"""Nanoseconds per call of hand-written kernels, beside Numba (if installed) and NumPy.

python -m tests.runtime.bench_dispatch
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from pydsl.jit.cpu.passes import optimize
from pydsl.jit.decorator import JitFunction
from pydsl.jit.guard_plan import plan_guards
from pydsl.jit.runtime import abi
from pydsl.jit.signature import CompileRequest
from tests.runtime.tools import F8, NOTHING, add_one


def jitted(
    function: Callable[..., Any],
    kernel: str,
    result: abi.Result = abi.ConstResult(None),
    written: tuple[str, ...] = (),
    **fields: Any,
) -> JitFunction[..., Any]:
    """A jitted function whose compiler is a hand-written kernel."""

    def compiler(request: CompileRequest) -> abi.CompiledSpecialization:
        plan = plan_guards(request, [(name,) for name in written])
        spec = abi.Specialization(
            function.__name__,
            request.signature.call_form,
            plan.guards,
            (result,),
            plan.n_slots + 8,
            overlaps=plan.overlaps,
            name_guards=(abi.GlobalGuard(globals(), "np", np),),
            **fields,
        )
        return abi.CompiledSpecialization(spec, kernel, optimize)

    return JitFunction(function, compiler=compiler)


def nanoseconds(call: str, names: dict[str, Any]) -> float:
    """The best of several runs."""
    timer = timeit.Timer(call, globals=names)
    number = max(1, int(0.05 / (timer.timeit(1000) / 1000)))
    return min(timer.repeat(7, number)) / number * 1e9


def in_place(a: Any, b: Any) -> None:
    for i in range(len(a)):
        b[i] = a[i] + 1.0


def new_array(a: Any) -> Any:
    return a + 1.0


def view(a: Any) -> Any:
    return a[1:]


def scalars(a: Any, n: int, x: float) -> float:
    return x


def many(levels: Any) -> None: ...


def main() -> None:
    a, b = np.arange(10.0), np.zeros(10)
    store = abi.ResultStorage(F8, (10,), (8,), "entry", 1)
    argument = abi.ResultStorage(F8, (), (), (0,), 1)
    levels = [np.zeros((2, n)) for n in (3, 4, 5, 6, 7)]
    cases: list[tuple[str, JitFunction[..., Any], Callable[..., Any] | None, tuple[Any, ...]]] = [
        (
            "two arrays, in place",
            jitted(in_place, add_one(10), written=("b",)),
            lambda a, b: np.add(a, 1.0, b),
            (a, b),
        ),
        (
            "one array to a new one",
            jitted(new_array, add_one(10), abi.ArrayResult(0, F8, (10,), (8,)), storages=(store,)),
            new_array,
            (a,),
        ),
        (
            "a view of an argument",
            jitted(view, NOTHING, abi.ArrayResult(0, F8, (9,), (8,), 8), storages=(argument,)),
            view,
            (a,),
        ),
        (
            "array, int, float to float",
            jitted(scalars, NOTHING, abi.ScalarResult(F8, True, 2)),
            None,
            (a, 3, 0.5),
        ),
        ("a list of five arrays", jitted(many, NOTHING), None, (levels,)),
    ]
    try:
        import numba
    except ImportError:
        numba = None
    print(f"{'ns per call':30} {'pydsl':>8} {'numba':>8} {'numpy':>8}")
    for label, function, numpy_version, arguments in cases:
        names = {f"x{i}": argument for i, argument in enumerate(arguments)}
        call = f"f({', '.join(names)})"
        row: list[float | None] = [nanoseconds(call, names | {"f": function})]
        peer = None
        if numba is not None and function.__wrapped__ is not many:
            peer = numba.njit(function.__wrapped__)
        row += [nanoseconds(call, names | {"f": f}) if f is not None else None for f in (peer, numpy_version)]
        print(f"{label:30}", *(f"{ns:8.1f}" if ns is not None else " " * 8 for ns in row))


if __name__ == "__main__":
    main()
