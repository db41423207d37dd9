"""Orders and horizontal places of the nodes of a layered drawing."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

SWEEPS = 24
PLACE_SWEEPS = 120


class NodeLike(Protocol):
    """What is asked of a node: its centre, its width, how strongly it wants to be where its neighbours are."""

    x: float
    width: float
    weight: float  # of lines to it: high for way points, so that long lines are straight
    layer: int


class LineLike(Protocol):
    """A line between nodes of adjacent layers."""

    @property
    def source(self) -> NodeLike: ...

    @property
    def target(self) -> NodeLike: ...

    off_source: float
    off_target: float


N = TypeVar("N", bound=NodeLike)
Neighbours = dict[int, list[tuple[NodeLike, float, float]]]


def order_layers(layers: list[list[N]], lines: Sequence[LineLike]) -> None:
    """Orders each layer, in place, for few crossings: sweeps of barycentres, the best order is kept."""
    up, down = _neighbours(lines)
    _number(layers)
    best = [list(layer) for layer in layers]
    fewest = crossings(layers, lines)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        for layer in layers[1:] if downwards else layers[-2::-1]:
            beside = up if downwards else down
            layer.sort(key=lambda node: _barycentre(node, beside))
            for k, node in enumerate(layer):
                node.x = float(k)
        count = crossings(layers, lines)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    layers[:] = best
    _number(layers)


def _number(layers: Sequence[Sequence[NodeLike]]) -> None:
    for layer in layers:
        for k, node in enumerate(layer):
            node.x = float(k)


def _neighbours(lines: Sequence[LineLike]) -> tuple[Neighbours, Neighbours]:
    """For each node: its neighbours above and below, with the distance of centres at which the line is straight, and
    how much that matters."""
    up: Neighbours = defaultdict(list)
    down: Neighbours = defaultdict(list)
    for line in lines:
        shift = line.off_source - line.off_target
        weight = line.source.weight * line.target.weight
        up[id(line.target)].append((line.source, shift, weight))
        down[id(line.source)].append((line.target, -shift, weight))
    return up, down


def _barycentre(node: NodeLike, beside: Neighbours) -> float:
    others = beside.get(id(node))
    if not others:
        return node.x
    # the offset inside a wide box breaks ties between lines to the same box
    return sum(other.x + 0.4 * _sign(shift) for other, shift, _ in others) / len(others)


def _sign(value: float) -> float:
    return (value > 0.5) - (value < -0.5)


def crossings(layers: Sequence[Sequence[NodeLike]], lines: Sequence[LineLike]) -> int:
    """The number of crossings between lines, by inversions of their ends."""
    place = {id(node): k for layer in layers for k, node in enumerate(layer)}
    by_layer: dict[int, list[tuple[tuple[int, float], tuple[int, float]]]] = defaultdict(list)
    for line in lines:
        ends = (place[id(line.source)], line.off_source), (place[id(line.target)], line.off_target)
        by_layer[line.source.layer].append(ends)
    total = 0
    for pairs in by_layer.values():
        pairs.sort()
        seen: list[tuple[int, float]] = []
        for _, target in pairs:
            total += len(seen) - bisect_right(seen, target)
            insort(seen, target)
    return total


# --- places -------------------------------------------------------------------------------------------------------


def place_layers(layers: Sequence[Sequence[NodeLike]], lines: Sequence[LineLike], gap: float) -> None:
    """Sets the centres of all nodes: order kept, nothing overlaps, lines as straight as they can be."""
    up, down = _neighbours(lines)
    for layer in layers:
        _pack(layer, gap)
    for sweep in range(PLACE_SWEEPS):
        last = sweep >= PLACE_SWEEPS - 2
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wishes: list[float] = []
            weights: list[float] = []
            for node in layer:
                near = [*up.get(id(node), ()), *(down.get(id(node), ()) if last or sweep > 4 else ())]
                near = near or down.get(id(node), [])
                total = sum(weight for *_, weight in near)
                wish = sum((other.x + shift) * weight for other, shift, weight in near)
                wishes.append(wish / total if near else node.x)
                weights.append(total or 0.1)
            _settle(layer, wishes, weights, gap)


def _pack(layer: Sequence[NodeLike], gap: float) -> None:
    x = 0.0
    for node in layer:
        node.x = x + node.width / 2
        x += node.width + gap
    for node in layer:
        node.x -= (x - gap) / 2


def _settle(layer: Sequence[NodeLike], wishes: Sequence[float], weights: Sequence[float], gap: float) -> None:
    """The nearest places to the wishes (weighted squares) in this order: pool adjacent violators."""
    starts: list[float] = []
    total = 0.0
    for k, node in enumerate(layer):
        if k:
            total += (layer[k - 1].width + node.width) / 2 + gap
        starts.append(total)
    blocks: list[list[float]] = []  # value, weight, count
    for wish, weight, start in zip(wishes, weights, starts, strict=True):
        blocks.append([wish - start, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value, mass, count = blocks.pop()
            left = blocks[-1]
            left[0] = (left[0] * left[1] + value * mass) / (left[1] + mass)
            left[1] += mass
            left[2] += count
    k = 0
    for value, _, count in blocks:
        for _ in range(int(count)):
            layer[k].x = value + starts[k]
            k += 1
