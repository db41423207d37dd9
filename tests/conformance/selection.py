"""Which calls are tried in which dtype and layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.conformance.check import Case
from tests.conformance.inputs import DTYPES, LAYOUTS


def chosen(table: Mapping[str, Sequence[str]], dtype: str, layout: str, *, everything: bool) -> list[Case]:
    """The cases of a dtype and layout: all calls in C order, and in turn two of the other layouts for each."""
    cases = [Case(name, call, dtype, layout) for name, listed in table.items() for call in listed]
    if everything or layout == "C":
        return cases
    other = LAYOUTS[1:].index(layout)
    shift = DTYPES.index(dtype)
    return [case for n, case in enumerate(cases) if (n + shift - other) % len(LAYOUTS[1:]) in (0, 3)]


def sample(table: Mapping[str, Sequence[str]], part: int, parts: int) -> dict[tuple[str, str], list[Case]]:
    """A small part of the whole product, the same in every run, by dtype and layout."""
    groups: dict[tuple[str, str], list[Case]] = {}
    flat = [(name, call) for name, listed in table.items() for call in listed]
    for n, (name, call) in enumerate(flat):
        if n % parts != part:
            continue
        dtype = DTYPES[(n // parts) % len(DTYPES)]
        layout = LAYOUTS[(n // parts // 2) % len(LAYOUTS)]
        groups.setdefault((dtype, layout), []).append(Case(name, call, dtype, layout))
    return groups
