"""A chart of speed-ups as SVG, written without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

Record = dict[str, Any]

COLOURS = {"pydsl": "#2a6fbb", "numba": "#c8873a"}
LEFT, RIGHT, TOP, BAR, GAP = 230, 60, 56, 11, 10
WIDTH = 860


def speedup(record: Record, peer: str) -> float | None:
    """How many times faster than NumPy a warm call is; nothing if the peer failed or was wrong."""
    entry = record["peers"].get(peer, {})
    if entry.get("wrong") or "warm_s" not in entry:
        return None
    return record["peers"]["numpy"]["warm_s"] / entry["warm_s"]


def speedup_chart(records: Sequence[Record]) -> str:
    """Horizontal bars on a logarithmic axis: warm calls against NumPy, one group for each case and size."""
    values = [v for r in records for peer in COLOURS if (v := speedup(r, peer)) is not None]
    low = 10 ** math.floor(math.log10(min([1.0, *values])))
    high = 10 ** math.ceil(math.log10(max([10.0, *values])))
    row = BAR * len(COLOURS) + GAP
    height = TOP + row * len(records) + 30

    def at(value: float) -> float:
        share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">Warm calls: times faster than NumPy</text>',
    ]
    for i, (peer, colour) in enumerate(COLOURS.items()):
        swatch = LEFT + 90 * i
        parts.append(f'<rect x="{swatch}" y="27" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{swatch + 15}" y="36">{peer}</text>')
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        x = at(10.0**power)
        stroke = "#444" if power == 0 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 24}" stroke="{stroke}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{10.0**power:g}x</text>')
    for i, record in enumerate(records):
        parts += bars(record, TOP + row * i, at)
    return "\n".join([*parts, "</svg>", ""])


def bars(record: Record, y: float, at: Any) -> list[str]:
    """The bars of one case at one size."""
    label = escape(f"{record['case']} {record['title']}, {record['size']}")
    parts = [f'<text x="{LEFT - 8}" y="{y + BAR + 4}" text-anchor="end">{label}</text>']
    for i, (peer, colour) in enumerate(COLOURS.items()):
        top = y + BAR * i
        value = speedup(record, peer)
        if value is None:
            entry = record["peers"].get(peer)
            why = "" if entry is None else "wrong result" if entry.get("wrong") else "cannot compile"
            parts.append(f'<text x="{at(1.0) + 4:.1f}" y="{top + 9}" font-size="9" fill="#888">{why}</text>')
            continue
        start, end = sorted((at(1.0), at(value)))
        parts.append(
            f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, 1):.1f}" height="{BAR - 1}" fill="{colour}"/>'
        )
        parts.append(f'<text x="{end + 4:.1f}" y="{top + 9}" font-size="9">{value:.1f}</text>')
    return parts
