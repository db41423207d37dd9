"""Reorder: perfectly nested loops in another order.

Before::

    for i in [0, n): for j in [0, m): @a[8*j] = add(@a[8*j]: float64, @b[8*m*i + 8*j]: float64)

After ``reorder(loop, ["j", "i"])``::

    for j in [0, m): for i in [0, n): @a[8*j] = add(@a[8*j]: float64, @b[8*m*i + 8*j]: float64)

Legal where every dependence keeps its direction: the first loop that has a distance other than 0 carries it forwards,
in the old order and in the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydsl.loops.ir import For, Stmt
from pydsl.loops.schedule.legality import band, movable, refuse


def reorder(outer: For, order: Sequence[str]) -> For:
    """The nest with its loops in another order.

    Parameters
    ----------
    order: the names of the loop variables, outermost first; as many loops are taken as there are names.

    Raises
    ------
    ScheduleError: the loops are not perfectly nested, or a dependence would turn around.
    """
    loops = band("reorder", outer, len(order))
    by_name = {loop.var.name: loop for loop in loops}
    if sorted(by_name) != sorted(order):
        raise refuse("reorder", loops, f"({', '.join(order)}) is not an order of ({', '.join(by_name)})")
    chosen = [by_name[name] for name in order]
    for pair in movable("reorder", loops):
        if pair.dependence is None or not pair.dependence.allows_order([loop.var for loop in chosen]):
            raise refuse("reorder", loops, f"({', '.join(order)}) would turn around {pair}")
    body: list[Stmt] = loops[-1].body
    for loop in reversed(chosen):
        body = [replace(loop, body=body, independent=False)]
    (new,) = body
    assert isinstance(new, For)
    return new
