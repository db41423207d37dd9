"""Layered drawing of nested graphs, after Sugiyama, Tagawa and Toda (1981): boxes in layers, links downwards.

A :class:`Box` is a leaf with a size or a cluster of boxes. Links join leaves anywhere in the tree. Each cluster is laid
out by itself, inner ones first: a link that crosses its border ends there in a *port* (one for each source leaf and
style, so that links from one leaf share their way). Outside, the cluster is a box with ports.

In each cluster: (1) layers by longest path, then every box moves towards the side where it has more links; (2) links
over several layers get way points, shared by links of one source; (3) orders that reduce crossings by barycentres;
(4) places that keep links straight: an isotonic regression for each layer, in sweeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pydsl.report.ordering import order_layers, place_layers

GAP_X = 22.0
GAP_Y = 30.0
PADDING = 16.0
PORT_WIDTH = 8.0

Point = tuple[float, float]


@dataclass(eq=False)
class Box:
    """A leaf, or a cluster if it has children. ``x`` and ``y`` (its upper left corner) are set by :func:`arrange`.

    Parameters
    ----------
    width, height: the size of a leaf; of a cluster at least this, and filled in.
    header: height that a cluster keeps free at its top.
    data: whatever the drawing needs.
    """

    width: float = 0.0
    height: float = 0.0
    children: list[Box] = field(default_factory=list)
    header: float = 0.0
    data: Any = None
    parent: Box | None = None
    x: float = 0.0
    y: float = 0.0

    def add(self, child: Box) -> Box:
        child.parent = self
        self.children.append(child)
        return child

    def leaves(self) -> Iterable[Box]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def ancestors(self) -> list[Box]:
        """The box and the clusters around it, inner first."""
        found, box = [], self
        while box is not None:
            found.append(box)
            box = box.parent  # type: ignore[assignment]
        return found


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two leaves; links with one source and one style share their way."""

    source: Box
    target: Box
    style: str = ""


@dataclass
class Route:
    """One drawn piece of links: points from top to bottom; ``arrow`` where it ends at a leaf."""

    points: list[Point]
    style: str
    arrow: bool


def arrange(root: Box, links: Sequence[Link]) -> list[Route]:
    """Sets the places of all boxes below ``root`` and returns the routes of the links."""
    layouts: dict[Box, _Cluster] = {}
    pieces = _pieces(links)
    _arrange(root, pieces, layouts)
    routes: list[Route] = []
    _settle(root, layouts, routes)
    return routes


# --- links to pieces ----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    """A node of one cluster's layout: a child, a port, or a way point."""

    width: float
    height: float
    box: Box | None = None
    port: str = ""  # "in", "out" or nothing
    layer: int = 0
    x: float = 0.0  # centre
    weight: float = 1.0


@dataclass(eq=False)
class _End:
    """One end of a piece: a child (with the key of its port, if the child is a cluster), or a port of the cluster."""

    box: Box | None
    key: tuple[Box, str]
    port: str = ""


@dataclass(eq=False)
class _Piece:
    source: _End
    target: _End
    style: str


def _pieces(links: Sequence[Link]) -> dict[Box, list[_Piece]]:
    """The links cut at the borders of clusters, by cluster, each piece once."""
    found: dict[Box, dict[tuple[Any, ...], _Piece]] = defaultdict(dict)

    def add(cluster: Box, source: _End, target: _End, style: str) -> None:
        found[cluster].setdefault(
            (source.box, source.port, target.box, target.port, source.key), _Piece(source, target, style)
        )

    for link in links:
        key = (link.source, link.style)
        up, down = link.source.ancestors(), link.target.ancestors()
        common = next(box for box in up if box in down and box.children)
        up, down = up[: up.index(common)], down[: down.index(common)]
        if not up or not down:
            continue
        for child, cluster in pairwise(up):
            add(cluster, _End(child, key), _End(None, key, "out"), link.style)
        add(common, _End(up[-1], key), _End(down[-1], key), link.style)
        for child, cluster in pairwise(down):
            add(cluster, _End(None, key, "in"), _End(child, key), link.style)
    return {cluster: list(pieces.values()) for cluster, pieces in found.items()}


# --- one cluster --------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Line:
    """A line between nodes of adjacent layers; ``off_source`` and ``off_target`` are distances from their centres."""

    source: Node
    target: Node
    style: str
    off_source: float = 0.0
    off_target: float = 0.0


@dataclass(eq=False)
class _Cluster:
    """The layout of one cluster, in its own coordinates."""

    nodes: list[Node] = field(default_factory=list)
    layers: list[list[Node]] = field(default_factory=list)
    tops: list[float] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ports: dict[tuple[str, tuple[Box, str]], Node] = field(default_factory=dict)


def _arrange(cluster: Box, pieces: dict[Box, list[_Piece]], layouts: dict[Box, _Cluster]) -> None:
    for child in cluster.children:
        if child.children:
            _arrange(child, pieces, layouts)
    layout = layouts[cluster] = _Cluster()
    by_box = {child: Node(child.width, child.height, child) for child in cluster.children}
    layout.nodes = list(by_box.values())

    def node(end: _End) -> tuple[Node, float]:
        if end.box is None:
            port = layout.ports.get((end.port, end.key))
            if port is None:
                port = layout.ports[end.port, end.key] = Node(PORT_WIDTH, 0.0, port=end.port)
                layout.nodes.append(port)
            return port, 0.0
        return by_box[end.box], 0.0

    def offset(end: _End, side: str) -> float:
        if end.box is None or not end.box.children:
            return 0.0
        return layouts[end.box].ports[side, end.key].x - end.box.width / 2

    lines = [
        (node(p.source)[0], node(p.target)[0], p, offset(p.source, "out"), offset(p.target, "in"))
        for p in pieces.get(cluster, ())
    ]
    assign_layers(layout.nodes, [(a, b) for a, b, *_ in lines])
    _way_points(layout, lines)
    order_layers(layout.layers, layout.lines)
    place_layers(layout.layers, layout.lines, GAP_X)
    _finish(cluster, layout)


def assign_layers(nodes: Sequence[Node], links: Sequence[tuple[Node, Node]]) -> None:
    """Longest-path layers, ports in the first and the last one; boxes with more links below than above move down."""
    above: dict[Node, set[Node]] = defaultdict(set)
    below: dict[Node, set[Node]] = defaultdict(set)
    for a, b in links:
        if a is not b:
            above[b].add(a)
            below[a].add(b)
    order = _topological(nodes, above, below)
    rank = {node: k for k, node in enumerate(order)}
    for node in order:
        earlier = [a for a in above[node] if rank[a] < rank[node]]
        node.layer = max((a.layer + 1 for a in earlier), default=0 if node.port != "" else 1)
    for node in reversed(order):
        later = [b for b in below[node] if rank[b] > rank[node]]
        if later and not node.port and len(later) >= len(above[node]):
            node.layer = max(node.layer, min(b.layer for b in later) - 1)
    inner = [node.layer for node in nodes if not node.port]
    last = max(inner, default=0) + 1
    first = min(inner, default=1)
    ports = {node.port for node in nodes}
    shift = 1 - first if "in" in ports else -first
    for node in nodes:
        node.layer = 0 if node.port == "in" else (last if node.port == "out" else node.layer) + shift


def _topological(
    nodes: Sequence[Node], above: dict[Node, set[Node]], below: dict[Node, set[Node]]
) -> list[Node]:
    """An order with links downwards; where links form a cycle, the one that closes it is left out."""
    missing = {node: len(above[node]) for node in nodes}
    position = {node: k for k, node in enumerate(nodes)}
    ready = [node for node in nodes if not missing[node]]
    order: list[Node] = []
    placed: set[Node] = set()
    while len(order) < len(nodes):
        if not ready:
            ready = [min((n for n in nodes if n not in placed), key=lambda n: (missing[n], position[n]))]
        node = ready.pop(0)
        if node in placed:
            continue
        placed.add(node)
        order.append(node)
        for other in sorted(below[node], key=position.__getitem__):
            missing[other] -= 1
            if not missing[other] and other not in placed:
                ready.append(other)
    return order


def _way_points(layout: _Cluster, lines: Sequence[tuple[Node, Node, _Piece, float, float]]) -> None:
    """Cuts long lines at every layer; way points are shared by lines with one source and style."""
    count = max((node.layer for node in layout.nodes), default=0) + 1
    layout.layers = [[] for _ in range(count)]
    for node in layout.nodes:
        layout.layers[node.layer].append(node)
    points: dict[tuple[Node, tuple[Box, str], int], Node] = {}
    joined: set[tuple[Node, Node]] = set()
    for source, target, piece, out, into in lines:
        style = piece.style
        if source.layer >= target.layer:
            continue  # closes a cycle: not drawn
        last, at = source, out
        for layer in range(source.layer + 1, target.layer):
            key = (source, piece.source.key, layer)
            point = points.get(key)
            if point is None:
                point = points[key] = Node(4.0, 0.0, layer=layer, weight=4.0)
                layout.nodes.append(point)
                layout.layers[layer].append(point)
            if (last, point) not in joined:
                joined.add((last, point))
                layout.lines.append(Line(last, point, style, at))
            last, at = point, 0.0
        layout.lines.append(Line(last, target, style, at, into))


def _finish(cluster: Box, layout: _Cluster) -> None:
    """The vertical places, the final size, and where lines meet the boxes they end at."""
    margin = PADDING if cluster.parent is not None else 4.0
    low = min((n.x - n.width / 2 for n in layout.nodes), default=0.0)
    high = max((n.x + n.width / 2 for n in layout.nodes), default=0.0)
    width = max(high - low + 2 * margin, cluster.width)
    move = (width - (high - low)) / 2 - low
    for node in layout.nodes:
        node.x += move
    y = cluster.header + (0.0 if any(n.port == "in" for n in layout.nodes) else margin)
    for layer in layout.layers:
        height = max((node.height for node in layer), default=0.0)
        layout.tops.append(y)
        layout.heights.append(height)
        y += height + GAP_Y
    y -= GAP_Y
    cluster.width = width
    cluster.height = max(y + (0.0 if any(n.port == "out" for n in layout.nodes) else margin), cluster.height)
    _spread(layout)


def _spread(layout: _Cluster) -> None:
    """Lines that end at one leaf meet it side by side, in the order of where they come from."""
    ends: dict[Node, list[Line]] = defaultdict(list)
    for line in layout.lines:
        if line.target.box is not None and not line.target.box.children:
            ends[line.target].append(line)
    for node, lines in ends.items():
        lines.sort(key=lambda line: line.source.x + line.off_source)
        room = min(node.width * 0.6, 18.0 * (len(lines) - 1))
        for k, line in enumerate(lines):
            line.off_target = room * (k / (len(lines) - 1) - 0.5) if len(lines) > 1 else 0.0


# --- absolute places ----------------------------------------------------------------------------------------------


def _settle(cluster: Box, layouts: dict[Box, _Cluster], routes: list[Route]) -> None:
    layout = layouts[cluster]
    spans: dict[Node, tuple[float, float]] = {}
    for layer, top, height in zip(layout.layers, layout.tops, layout.heights, strict=True):
        for node in layer:
            if node.box is not None:
                y = top + (height - node.height) / 2
                node.box.x = cluster.x + node.x - node.width / 2
                node.box.y = cluster.y + y
                spans[node] = (y, y + node.height)
            elif node.port:
                edge = 0.0 if node.port == "in" else cluster.height
                spans[node] = (edge, edge)
            else:
                spans[node] = (top, top + height)
    for line in layout.lines:
        routes.append(_route(cluster, layout, line, spans))
    for child in cluster.children:
        if child.children:
            _settle(child, layouts, routes)


def _route(cluster: Box, layout: _Cluster, line: Line, spans: dict[Node, tuple[float, float]]) -> Route:
    start_x, end_x = line.source.x + line.off_source, line.target.x + line.off_target
    start, end = spans[line.source][1], spans[line.target][0]
    bend_from, bend_to = start, end
    if line.source.port != "in":
        bend_from = layout.tops[line.source.layer] + layout.heights[line.source.layer]
    if line.target.port != "out":
        bend_to = layout.tops[line.target.layer]
    points = [(start_x, start), (start_x, bend_from), (end_x, bend_to), (end_x, end)]
    if line.target.box is None and not line.target.port:
        points.append((end_x, spans[line.target][1]))  # through the layer of the way point
    arrow = line.target.box is not None and not line.target.box.children
    return Route([(cluster.x + x, cluster.y + y) for x, y in points], line.style, arrow)
