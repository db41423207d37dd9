"""Every pass, and all of them in the order of the pipeline, leave the meaning of random loop IR alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pydsl.loops.ir import Buffer, Stmt
from pydsl.loops.passes.collapse import collapse
from pydsl.loops.passes.dead_code import remove_unread
from pydsl.loops.passes.products import bind_products
from pydsl.loops.passes.row_buffers import shrink_to_rows
from pydsl.loops.passes.scalar_replacement import scalar_replacement
from pydsl.loops.passes.unroll import unroll_short
from pydsl.loops.schedule.auto import schedule
from tests.loops.build import run
from tests.loops.random_loops import SIZE, Generator, data

Pass = Callable[[list[Stmt], set[Buffer]], list[Stmt]]


def _everything(body: list[Stmt], temporaries: set[Buffer]) -> list[Stmt]:
    body = unroll_short(collapse(body))
    body = remove_unread(scalar_replacement(body), temporaries)
    return shrink_to_rows(body, temporaries)


def _scheduled(body: list[Stmt], temporaries: set[Buffer]) -> list[Stmt]:
    body = _everything(body, temporaries)
    schedule(body, 2)
    return body


PASSES: dict[str, Pass] = {
    "collapse": lambda body, _: collapse(body),
    "unroll": lambda body, _: unroll_short(body),
    "scalars": lambda body, _: scalar_replacement(body),
    "unread": remove_unread,
    "rows": shrink_to_rows,
    "all": _everything,
    "scheduled": _scheduled,
}


def check(seed: int, change: Pass) -> None:
    """Compares a program with itself after a pass."""
    results = []
    for changed in (False, True):
        generator = Generator(seed)
        body = generator.body()
        if changed:
            body = change(body, set(generator.temps))
        body = bind_products(body, [generator.n])
        values = data(seed)
        results.append(
            run(
                body,
                values,
                generator.scalars(seed % 9 if seed % 9 * (seed % 9) <= SIZE else 8),
                backwards=changed,
            )
        )
    results[0].same(results[1])


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("part", range(4))
def test_passes_keep_the_meaning(name: str, part: int) -> None:
    for seed in range(60):
        check(1000 * part + seed, PASSES[name])
