"""SVG text of an operation graph. No external program, no fonts of its own, no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pydsl.report.layout import Box, Link, Route, arrange
from pydsl.report.opmodel import GraphCluster, GraphLink, GraphNode, OpGraph

TITLE, DETAIL, HEADER = 12.5, 10.5, 12.0
_ADVANCE = 0.602  # of a character of a monospaced font, in font sizes
_MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
_SANS = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

#: fill and line of kernels, in turn
KERNEL_COLOURS = (
    ("#e9f1fb", "#3f78b8"),
    ("#e9f6ea", "#43904d"),
    ("#fdf2e2", "#c47a1c"),
    ("#f5ecfa", "#8d54ab"),
    ("#fcebed", "#c24f60"),
    ("#e4f5f5", "#2f8c8c"),
    ("#f7f4da", "#94841f"),
    ("#ededf4", "#66667f"),
)
#: fill, line, text
NODE_COLOURS = {
    "argument": ("#2f3e55", "#2f3e55", "#ffffff"),
    "constant": ("#dfe3ea", "#8a94a6", "#2f3e55"),
    "memory": ("#ffffff", "#8a94a6", "#2f3e55"),
    "operation": ("#ffffff", "#9aa5b5", "#1d2733"),
    "write": ("#fff7d6", "#b49a2c", "#3d3510"),
    "view": ("#ffffff", "#c6ccd6", "#5a6675"),
    "scalar": ("#f4f5f7", "#9aa5b5", "#1d2733"),
    "check": ("#fdeeee", "#c24f60", "#6b1f2b"),
    "control": ("#fdeeee", "#c24f60", "#6b1f2b"),
    "result": ("#1f7a4d", "#1f7a4d", "#ffffff"),
}
#: line colour, width, dashes, meaning
LINK_STYLES = {
    "RAW": ("#5b6878", 1.3, "", "data flow (read after write)"),
    "WAR": ("#d9731a", 1.5, "6 3", "in place: waits for a reader (write after read)"),
    "WAW": ("#c2283c", 1.5, "2 3", "in place: written again (write after write)"),
    "memory": ("#a9b3c1", 1.1, "1 3", "the array that is written"),
}
_PILLS = {"argument", "constant", "memory", "view", "result"}


def draw(graph: OpGraph, heading: str = "") -> str:
    """The SVG text."""
    boxes: dict[GraphNode, Box] = {}
    root = _box(graph.root, boxes)
    links = [Link(boxes[link.source], boxes[link.target], link.kind) for link in graph.links]
    routes = arrange(root, links)
    top = 46.0 if heading else 10.0
    legend, legend_width, legend_height = _legend(graph)
    width = max(root.width, legend_width, _width(heading, 15) + 20) + 20
    height = top + root.height + legend_height + 20
    shift = (width - root.width) / 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{escape(_MONO)}">',
        f"<title>{escape(heading or graph.root.title)}</title>",
        *_markers(),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    if heading:
        out.append(
            f'<text x="16" y="28" font-size="15" font-weight="600" fill="#1d2733">{escape(heading)}</text>'
        )
    out.append(f'<g transform="translate({shift:.1f} {top:.1f})">')
    frames, headers = _clusters(root)
    out += [*frames, *_routes(routes, _tips(graph.links)), *headers]
    out += [text for node, box in boxes.items() for text in _leaf(node, box)]
    out.append("</g>")
    out.append(f'<g transform="translate(16 {top + root.height + 14:.1f})">')
    out += legend
    out += ["</g>", "</svg>"]
    return "\n".join(out) + "\n"


# --- boxes --------------------------------------------------------------------------------------------------------


def _box(cluster: GraphCluster, boxes: dict[GraphNode, Box], outer: bool = True) -> Box:
    box = Box(data=cluster)
    if not outer:
        box.header = 26.0
        box.width = _width(cluster.title, HEADER) + 24
    for member in cluster.members:
        if isinstance(member, GraphCluster):
            box.add(_box(member, boxes, False))
        else:
            boxes[member] = box.add(_sized(member))
    return box


def _sized(node: GraphNode) -> Box:
    small = node.kind == "view"
    title = _width(node.title, DETAIL if small else TITLE)
    detail = _width(node.detail, DETAIL)
    if small:
        return Box(max(title + 18, 30.0), 20.0, data=node)
    return Box(max(title, detail, 34.0) + 22, 38.0 if node.detail else 26.0, data=node)


def _width(text: str, size: float) -> float:
    return len(text) * size * _ADVANCE


def _leaf(node: GraphNode, box: Box) -> list[str]:
    fill, line, ink = NODE_COLOURS[node.kind]
    radius = box.height / 2 if node.kind in _PILLS else 5.0
    extra = ' stroke-dasharray="3 3" opacity="0.55"' if node.dead else ""
    weight = 2.4 if node.kept else 1.0
    middle = box.x + box.width / 2
    out = [f"<g{extra}>", f"<title>{escape(tooltip(node))}</title>"]
    out.append(
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}"'
        f' fill="{fill}" stroke="{line}" stroke-width="{weight}"/>'
    )
    bold = ' font-weight="600"' if node.kind in ("argument", "result") else ""
    if node.kind == "view":
        out.append(_text(middle, box.y + 13.6, node.title, DETAIL, ink))
    elif node.detail:
        faint = ink if node.kind in ("argument", "result") else "#77828f"
        out.append(_text(middle, box.y + 16.0, node.title, TITLE, ink, bold))
        out.append(_text(middle, box.y + 30.5, node.detail, DETAIL, faint))
    else:
        out.append(_text(middle, box.y + box.height / 2 + 4.4, node.title, TITLE, ink, bold))
    out.append("</g>")
    return out


def _text(x: float, y: float, text: str, size: float, ink: str, more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="middle"'
    return f'<text {place} fill="{ink}"{more}>{escape(text)}</text>'


def tooltip(node: GraphNode) -> str:
    """What is shown when the pointer rests on a node."""
    lines = [f"{node.title}  {node.detail}".strip()]
    if node.op is not None and node.op.loc is not None:
        lines.append(f"line {node.op.loc.line}: {node.op.loc.source.strip()}")
    if node.dead:
        lines.append("not computed: nothing needs it")
    if node.kept:
        lines.append("kept in memory")
    return "\n".join([*lines, *node.notes])


def _clusters(box: Box) -> tuple[list[str], list[str]]:
    """The frames of clusters, and their headings (drawn over the links)."""
    frames: list[str] = []
    headers: list[str] = []
    for child in box.children:
        if not child.children:
            continue
        cluster: GraphCluster = child.data
        if cluster.number:
            fill, line = KERNEL_COLOURS[(cluster.number - 1) % len(KERNEL_COLOURS)]
            style = f'fill="{fill}" stroke="{line}" stroke-width="1.4"'
        else:
            line = "#8a94a6"
            fill = "#fafbfc"
            style = f'fill="{fill}" stroke="{line}" stroke-width="1.2" stroke-dasharray="7 4"'
        frames.append(
            f'<rect x="{child.x:.1f}" y="{child.y:.1f}" width="{child.width:.1f}" height="{child.height:.1f}"'
            f' rx="9" {style}/>'
        )
        tip = "\n".join([cluster.title, *cluster.notes])
        start = (
            f'<text x="{child.x + 12:.1f}" y="{child.y + 18:.1f}" font-size="{HEADER}" font-weight="600"'
            f' font-family="{escape(_SANS)}" fill='
        )
        title = escape(cluster.title)
        headers.append(
            f'{start}"{fill}" stroke="{fill}" stroke-width="4">{title}</text>'
        )  # keeps links off the text
        headers.append(f'{start}"{line}"><title>{escape(tip)}</title>{title}</text>')
        inner = _clusters(child)
        frames += inner[0]
        headers += inner[1]
    return frames, headers


# --- links --------------------------------------------------------------------------------------------------------


def _markers() -> list[str]:
    out = ["<defs>"]
    for kind, (colour, *_) in LINK_STYLES.items():
        out.append(
            f'<marker id="arrow-{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
            f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.6 L8 4 L0 7.4 z" fill="{colour}"/></marker>'
        )
    return [*out, "</defs>"]


def _routes(routes: Sequence[Route], tips: dict[str, str]) -> list[str]:
    out = []
    for route in sorted(routes, key=lambda r: list(LINK_STYLES).index(r.style), reverse=False):
        colour, width, dashes, _ = LINK_STYLES[route.style]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        arrow = f' marker-end="url(#arrow-{route.style})"' if route.arrow else ""
        tip = f"<title>{escape(tips[route.style])}</title>" if route.style in tips else ""
        close = f">{tip}</path>" if tip else "/>"
        out.append(
            f'<path d="{_path(route)}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}{arrow}{close}'
        )
    return out


def _path(route: Route) -> str:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3), *rest = route.points
    middle = (y1 + y2) / 2
    text = f"M{x0:.1f} {y0:.1f}"
    if y1 > y0 + 0.05:
        text += f" L{x1:.1f} {y1:.1f}"
    text += f" C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    last = y2
    for x, y in ((x3, y3), *rest):
        if y > last + 0.05:  # a line of no length would turn the arrow
            text += f" L{x:.1f} {y:.1f}"
        last = y
    return text


def _tips(links: Sequence[GraphLink]) -> dict[str, str]:
    """The texts of the in-place links, by style (routes are shared, so a route shows those of its style)."""
    found: dict[str, list[str]] = {}
    for link in links:
        if link.text:
            found.setdefault(link.kind, []).append(f"{link.source.title} -> {link.target.title}: {link.text}")
    return {kind: "\n".join(texts) for kind, texts in found.items()}


# --- legend -------------------------------------------------------------------------------------------------------


def _legend(graph: OpGraph) -> tuple[list[str], float, float]:
    """Only what occurs; in columns."""
    entries: list[tuple[list[str], str]] = []
    kinds = {link.kind for link in graph.links}
    for kind, (colour, width, dashes, meaning) in LINK_STYLES.items():
        if kind in kinds:
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            mark = (
                f'<path d="M0 0 L34 0" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}'
                f' marker-end="url(#arrow-{kind})"/>'
            )
            entries.append(([mark], meaning))
    nodes = graph.nodes()
    meanings = {
        "argument": "argument",
        "view": "view: no code is made for it",
        "write": "write in place",
        "result": "result",
    }
    for kind, meaning in meanings.items():
        if any(node.kind == kind for node in nodes):
            entries.append(([_swatch(kind)], meaning))
    if any(node.kept for node in nodes):
        entries.append(([_swatch("operation", 2.4)], "temporary: its result stays in memory"))
    if any(node.dead for node in nodes):
        entries.append(([_swatch("operation", 1.0, True)], "not computed: nothing needs it"))
    out: list[str] = []
    rows = -(-len(entries) // 3)
    columns: list[float] = []
    x = 0.0
    for start in range(0, len(entries), rows or 1):
        column = entries[start : start + rows]
        for row, (marks, meaning) in enumerate(column):
            out.append(f'<g transform="translate({x:.1f} {row * 20 + 8})">')
            out += marks
            out.append(
                f'<text x="42" y="4" font-size="11" font-family="{escape(_SANS)}" fill="#4a5563">'
                f"{escape(meaning)}</text></g>"
            )
        columns.append(max(len(meaning) for _, meaning in column) * 6.0 + 66)
        x += columns[-1]
    return out, x + 16, rows * 20.0


def _swatch(kind: str, weight: float = 1.0, dashed: bool = False) -> str:
    fill, line, _ = NODE_COLOURS[kind]
    radius = 7 if kind in _PILLS else 3
    extra = ' stroke-dasharray="3 3" opacity="0.55"' if dashed else ""
    paint = f'fill="{fill}" stroke="{line}" stroke-width="{weight}"'
    return f'<rect x="4" y="-7" width="26" height="14" rx="{radius}" {paint}{extra}/>'
