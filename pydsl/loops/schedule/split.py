"""Split: a loop becomes two, the inner one of a constant number of iterations, and one for what is left over.

Before::

    for i in [0, 10): @a[8*i] = 0.0

After ``split(loop, 4)``::

    for i_o in [0, 2): for i_i in [0, 4): @a[32*i_o + 8*i_i] = 0.0
    for i in [8, 10): @a[8*i] = 0.0

The order of iterations stays, so this is always legal. There is no loop for the rest where there is no rest; with a
symbolic extent the numbers are computed before the loops.
"""

from __future__ import annotations

from dataclasses import replace

from pydsl.ir.affine import Affine
from pydsl.loops.ir import INT64, Apply, Const, For, Index, Let, LoopKind, Stmt, Var
from pydsl.loops.schedule.dependences import independent, leaves, skips
from pydsl.loops.schedule.legality import refuse
from pydsl.loops.substitute import substituted


def split(loop: For, factor: int, names: tuple[str, str] | None = None) -> list[Stmt]:
    """The statements that replace a loop.

    Parameters
    ----------
    factor: iterations of the inner loop.
    names: of the outer and the inner loop variable; by default the loop's own with ``_o`` and ``_i``.

    Raises
    ------
    ScheduleError: the factor is less than 1; the loop may end early or is marked already.
    """
    if factor < 1:
        raise refuse("split", loop, f"the factor {factor} is less than 1")
    if loop.kind is not LoopKind.SERIAL:
        raise refuse("split", loop, f"it is marked {loop.kind.value} already")
    if leaves(loop) or skips(loop.body):
        raise refuse("split", loop, "an iteration may end or skip the rest of the loop")
    outer_name, inner_name = names or (f"{loop.var.name}_o", f"{loop.var.name}_i")
    extent = loop.stop - loop.start
    if extent.is_const:
        whole = Affine.of(max(0, extent.value) // factor)
        before: list[Stmt] = []
    else:
        count = Var(f"{loop.var.name}_n", INT64, (0, None))
        before = [Let(count, Apply("floor_divide", (_not_negative(extent), Const(factor, INT64)), INT64))]
        whole = Affine.of(count)
    outer = Var(outer_name, INT64, (0, whole.value - 1 if whole.is_const else None))
    inner = Var(inner_name, INT64, (0, factor - 1))
    position = loop.start + Affine.of(outer) * factor + Affine.of(inner)
    body = substituted(loop.body, {loop.var: position})
    zero = Affine.of(0)
    inside = replace(loop, var=inner, start=zero, stop=Affine.of(factor), body=body)
    main = replace(loop, var=outer, start=zero, stop=whole, body=[inside])
    main.independent = inside.independent = independent(loop)
    rest = replace(loop, start=loop.start + whole * factor)
    if extent.is_const:
        return [part for part in (main, rest) if (part.stop - part.start).value > 0]
    return [*before, main, rest]


def _not_negative(extent: Affine) -> Apply:
    return Apply("maximum", (Index(extent), Const(0, INT64)), INT64)
