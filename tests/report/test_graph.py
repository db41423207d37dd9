"""The operation graph: what it says, and that its picture is a good one."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from pydsl.report.graph import Graph, graph
from pydsl.report.layout import Box, Link, arrange
from pydsl.report.opmodel import GraphNode
from tests.report.samples import SAMPLES, record

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=SAMPLES)
def drawn(request: pytest.FixtureRequest) -> Graph:
    return graph(record(SAMPLES[request.param]()))


@pytest.mark.parametrize("name", ["flip", "softmax", "steps", "loop"])
def test_text(name: str, golden) -> None:
    golden(f"dag-{name}.txt", graph(record(SAMPLES[name]())).text)


def test_svg_is_well_formed_and_complete(drawn: Graph) -> None:
    root = ElementTree.fromstring(drawn.svg)
    assert root.tag == f"{SVG}svg"
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for node in drawn.model.nodes():
        assert node.title in texts
    assert "script" not in drawn.svg and "href" not in drawn.svg


def test_svg_stays_inside(drawn: Graph) -> None:
    root = ElementTree.fromstring(drawn.svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter(f"{SVG}rect"):
        assert float(box.get("x", 0)) + float(box.get("width", 0)) <= width
        assert float(box.get("y", 0)) + float(box.get("height", 0)) <= height


def test_dot(drawn: Graph) -> None:
    assert drawn.dot.startswith("digraph")
    assert drawn.dot.count("{") == drawn.dot.count("}")
    assert drawn.dot.count(" -> n") == len(drawn.model.links)


def test_links_follow_program_order(drawn: Graph) -> None:
    numbers = {node: k for k, node in enumerate(drawn.model.nodes())}
    assert all(link.source in numbers and link.target in numbers for link in drawn.model.links)


def test_save(drawn: Graph, tmp_path) -> None:
    assert drawn.save(tmp_path / "g.svg").read_text() == drawn.svg == drawn._repr_svg_()
    assert drawn.save(tmp_path / "g.dot").read_text() == drawn.dot
    assert drawn.save(tmp_path / "g.txt").read_text() == str(drawn)


def named(drawn: Graph, title: str) -> list[GraphNode]:
    return [node for node in drawn.model.nodes() if node.title == title]


def test_in_place_edges_of_a_swap() -> None:
    """Each column is written only after the other side has read it."""
    drawn = graph(record(SAMPLES["flip"]()))
    waits = [link for link in drawn.model.links if link.kind == "WAR"]
    assert len(waits) == 2
    assert all("on b: identical" in link.text for link in waits)
    assert all(link.target.kind == "write" for link in waits)


def test_a_partial_write_leaves_the_rest_of_the_argument_visible() -> None:
    drawn = graph(record(SAMPLES["steps"]()))
    (z,) = named(drawn, "z = exp")
    sources = [link.source for link in drawn.model.links if link.target is z and link.kind == "RAW"]
    assert sorted(source.kind for source in sources) == ["argument", "write"]


# --- layout -------------------------------------------------------------------------------------------------------


def random_tree(rng: random.Random, depth: int = 0) -> Box:
    box = Box(header=20.0 if depth else 0.0)
    for _ in range(rng.randint(2, 6)):
        if depth < 2 and rng.random() < 0.3:
            box.add(random_tree(rng, depth + 1))
        else:
            box.add(Box(rng.uniform(20, 150), rng.uniform(15, 40)))
    return box


def inside(inner: Box, outer: Box) -> bool:
    return (
        inner.x >= outer.x - 0.01
        and inner.y >= outer.y - 0.01
        and inner.x + inner.width <= outer.x + outer.width + 0.01
        and inner.y + inner.height <= outer.y + outer.height + 0.01
    )


def apart(a: Box, b: Box) -> bool:
    return (
        a.x + a.width <= b.x + 0.01
        or b.x + b.width <= a.x + 0.01
        or a.y + a.height <= b.y + 0.01
        or b.y + b.height <= a.y + 0.01
    )


def check_boxes(box: Box) -> None:
    for k, child in enumerate(box.children):
        assert inside(child, box)
        assert all(apart(child, other) for other in box.children[:k])
        check_boxes(child)


@pytest.mark.parametrize("seed", range(80))
def test_random_layouts_do_not_overlap(seed: int) -> None:
    rng = random.Random(seed)
    root = random_tree(rng)
    leaves = list(root.leaves())
    pairs = {tuple(sorted(rng.sample(range(len(leaves)), 2))) for _ in range(2 * len(leaves))}
    routes = arrange(root, [Link(leaves[a], leaves[b], rng.choice(["RAW", "WAR"])) for a, b in sorted(pairs)])
    check_boxes(root)
    for route in routes:
        heights = [y for _, y in route.points]
        assert heights == sorted(heights), "a link goes up"


def test_a_chain_is_drawn_straight() -> None:
    root = Box()
    leaves = [root.add(Box(60 + 20 * k, 20)) for k in range(5)]
    arrange(root, [Link(a, b) for a, b in pairwise(leaves)])
    centres = {round(leaf.x + leaf.width / 2, 1) for leaf in leaves}
    assert len(centres) == 1
    assert [leaf.y for leaf in leaves] == sorted(leaf.y for leaf in leaves)
