"""`graph()`: the operation DAG as a picture (SVG), for Graphviz (dot) and as text."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from pydsl.report import names
from pydsl.report.kernels import kept_storages, kernel_facts
from pydsl.report.opgraph import op_graph
from pydsl.report.opmodel import GraphCluster, GraphNode, OpGraph
from pydsl.report.record import Compilation
from pydsl.report.svg import KERNEL_COLOURS, LINK_STYLES, NODE_COLOURS, draw

_SHAPES = {"argument": "oval", "memory": "oval", "constant": "oval", "result": "oval", "view": "plaintext"}


class Graph:
    """The operation graph of one compilation. In a notebook it shows itself.

    model: its nodes and links; the texts are made when they are asked for.
    """

    def __init__(self, model: OpGraph, heading: str) -> None:
        self.model = model
        self.heading = heading

    @property
    def svg(self) -> str:
        """The picture."""
        return draw(self.model, self.heading)

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        return _dot(self.model, self.heading)

    @property
    def text(self) -> str:
        """The nodes in topological order, each with the links that end in it."""
        return _text(self.model)

    def save(self, path: str | Path) -> Path:
        """Writes the picture (or, for the suffix ``.dot`` or ``.txt``, that text) to a file."""
        path = Path(path)
        text = {".dot": self.dot, ".txt": self.text}.get(path.suffix) if path.suffix != ".svg" else None
        path.write_text(self.svg if text is None else text, encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        nodes = self.model.nodes()
        kernels = {cluster.number for cluster in _clusters(self.model.root) if cluster.number}
        counts = f"{len(nodes)} nodes, {len(self.model.links)} edges, kernels: {len(kernels)}"
        return f"<graph of {self.heading}; {counts}>"


def graph(compilation: Compilation) -> Graph:
    """The operation graph of a compilation, kernels as boxes."""
    model = op_graph(compilation.function, compilation.lowered, kept_storages(compilation))
    facts = {fact.number: fact for fact in kernel_facts(compilation)}
    for cluster in _clusters(model.root):
        if cluster.number in facts:
            fact = facts[cluster.number]
            cluster.title = f"kernel {cluster.number}: {fact.heading}"
            cluster.notes = fact.notes
    return Graph(model, names.shortened(signature(compilation), 140))


def signature(compilation: Compilation) -> str:
    """``decode(boxes: float32[4000, 4], n: int)``, without what was a constant of the compilation."""
    function = compilation.function
    arguments = []
    for value in function.body.args[: len(function.body.args) - len(function.symbols)]:
        arguments.append(f"{value.hint or '_'}: {names.of_type(value.type)}")
    return f"{function.name}({', '.join(arguments)})"


def _clusters(cluster: GraphCluster) -> list[GraphCluster]:
    found: list[GraphCluster] = []
    for member in cluster.members:
        if isinstance(member, GraphCluster):
            found += [member, *_clusters(member)]
    return found


# --- other forms --------------------------------------------------------------------------------------------------


def _dot(model: OpGraph, heading: str) -> str:
    numbers = {node: k for k, node in enumerate(model.nodes())}
    out = [f'digraph "{_quoted(heading)}" {{', '  node [shape=box, fontname="monospace", fontsize=10];']

    def emit(cluster: GraphCluster, margin: str, prefix: str) -> None:
        for k, member in enumerate(cluster.members):
            if isinstance(member, GraphNode):
                fill, line, ink = NODE_COLOURS[member.kind]
                label = _quoted(member.title) + (f"\\n{_quoted(member.detail)}" if member.detail else "")
                style = "dashed" if member.dead else "filled"
                out.append(
                    f'{margin}n{numbers[member]} [label="{label}", shape={_SHAPES.get(member.kind, "box")},'
                    f' style={style}, fillcolor="{fill}", color="{line}", fontcolor="{ink}"];'
                )
                continue
            fill, line = KERNEL_COLOURS[(member.number - 1) % len(KERNEL_COLOURS)]
            out.append(f"{margin}subgraph cluster_{prefix}{k} {{")
            out.append(
                f'{margin}  label="{_quoted(member.title)}"; color="{line if member.number else "#8a94a6"}";'
            )
            emit(member, margin + "  ", f"{prefix}{k}_")
            out.append(f"{margin}}}")

    emit(model.root, "  ", "")
    for link in model.links:
        style = "solid" if link.kind == "RAW" else "dotted" if link.kind == "memory" else "dashed"
        colour = LINK_STYLES[link.kind][0]
        tip = f', tooltip="{_quoted(link.text)}"' if link.text else ""
        out.append(
            f'  n{numbers[link.source]} -> n{numbers[link.target]} [color="{colour}", style={style}{tip}];'
        )
    return "\n".join([*out, "}"]) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _text(model: OpGraph) -> str:
    numbers = {node: k for k, node in enumerate(model.nodes())}
    incoming: dict[GraphNode, list[str]] = defaultdict(list)
    for link in model.links:
        relation = link.text.rpartition(": ")[2]
        about = f" ({relation})" if relation else ""
        incoming[link.target].append(f"{link.kind} from {numbers[link.source]}{about}")
    lines: list[str] = []

    def emit(cluster: GraphCluster, margin: str) -> None:
        for member in cluster.members:
            if isinstance(member, GraphCluster):
                lines.append(f"{margin}{member.title}")
                emit(member, margin + "  ")
                continue
            place = (
                f"  line {member.op.loc.line}" if member.op is not None and member.op.loc is not None else ""
            )
            marks = "".join(
                f"  [{mark}]" for mark, on in (("dead", member.dead), ("kept", member.kept)) if on
            )
            head = f"{margin}{numbers[member]:3} {member.kind:9} {member.title}"
            lines.append(f"{head:<58} {member.detail}{marks}{place}".rstrip())
            lines.extend(f"{margin}      <- {text}" for text in incoming[member])

    emit(model.root, "")
    return "\n".join(lines) + "\n"
