"""Dependency edges of random straight lines against sets of bytes, and the verifier that re-derives them."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from pydsl.analysis.edges import Edge, EdgeKind, data_flow, reduced
from pydsl.errors import VerificationError
from pydsl.fusion.edges import edges, print_edges, touches, verify_edges
from pydsl.fusion.statement import Statement, StatementKind
from pydsl.ir.affine import Affine
from pydsl.loops.ir import Apply, Buffer, Load, Space, Var

F4 = np.dtype(np.float32)
I8 = np.dtype(np.int64)


def variables(extents):
    return tuple(Var(f"i{k}", I8, (0, n - 1)) for k, n in enumerate(extents))


def random_address(rng, names, extents):
    """An address over the variables whose bytes lie in a buffer of 40 elements."""
    address = Affine.of(4 * rng.randrange(8))
    low = 0
    for var, extent in zip(names, extents):
        stride = 4 * rng.choice([0, 1, 1, 2, 3, 4, -1])
        address = address + Affine.of(var) * stride
        low += min(0, stride * (extent - 1))
    return address - low


def random_statement(rng, buffers, name):
    extents = tuple(rng.randint(1, 4) for _ in range(rng.randint(0, 2)))
    names = variables(extents)
    loads = [
        Load(rng.choice(buffers), random_address(rng, names, extents), F4) for _ in range(rng.randint(0, 2))
    ]
    return Statement(
        StatementKind.MAP,
        names,
        tuple(map(Affine.of, extents)),
        buffer=rng.choice(buffers),
        address=random_address(rng, names, extents),
        dtype=F4,
        value=Apply("add", tuple(loads), F4),
        name=name,
    )


def random_line(seed, count=7):
    rng = random.Random(seed)
    buffers = [Buffer(n, Space.ARG, F4, Affine.of(160)) for n in "ab"]
    return [random_statement(rng, buffers, f"s{k}") for k in range(count)]


def touched(statement, address):
    extents = [e.value for e in statement.extents]
    places = [
        address.evaluate(dict(zip(statement.vars, point))) for point in product(*[range(n) for n in extents])
    ]
    return {place + byte for place in places for byte in range(4)}


def brute_force(line):
    """(kind, source, target, buffer) by enumeration of bytes."""
    found = set()
    for j, later in enumerate(line):
        for i, earlier in enumerate(line[:j]):
            for kind, first, second in (
                ("RAW", [(earlier.buffer, earlier.address)], [(x.buffer, x.offset) for x in later.loads()]),
                ("WAR", [(x.buffer, x.offset) for x in earlier.loads()], [(later.buffer, later.address)]),
                ("WAW", [(earlier.buffer, earlier.address)], [(later.buffer, later.address)]),
                ("RAR", *([(x.buffer, x.offset) for x in s.loads()] for s in (earlier, later))),
            ):
                for (a, x), (b, y) in product(first, second):
                    if a is b and touched(earlier, x) & touched(later, y):
                        found.add((kind, i, j, a))
    return found


@pytest.mark.parametrize("seed", range(150))
def test_edges_equal_brute_force(seed):
    line = random_line(seed)
    assert {(e.kind.value, e.source, e.target, e.buffer) for e in edges(line)} == brute_force(line)


@pytest.mark.parametrize("seed", range(60))
def test_reduction_keeps_the_order_and_nothing_else(seed):
    line = random_line(seed)
    full = [e for e in edges(line, rar=False)]
    few = reduced(full)
    assert closure(few, len(line)) == closure(full, len(line))
    for pair in {(e.source, e.target) for e in few}:
        rest = [e for e in few if (e.source, e.target) != pair]
        assert closure(rest, len(line)) != closure(full, len(line)), "an edge too many"


def closure(found, count):
    reach = np.zeros((count, count), bool)
    for e in found:
        reach[e.source, e.target] = True
    for k in range(count):
        reach |= reach[:, k : k + 1] & reach[k : k + 1, :]
    return reach.tolist()


@pytest.mark.parametrize("seed", range(60))
def test_data_flow_names_every_writer_that_is_read(seed):
    line = random_line(seed)
    nodes = [touches(s) for s in line]
    flow = {(e.source, e.target) for e in data_flow(nodes, edges(line))}
    writer = {}
    for j, statement in enumerate(line):
        for load in statement.loads():
            for byte in touched(statement, load.offset):
                source = writer.get((load.buffer, byte))
                assert source is None or (source, j) in flow
        for byte in touched(statement, statement.address):
            writer[statement.buffer, byte] = j


@pytest.mark.parametrize("seed", range(20))
def test_the_verifier_accepts_what_is_derived(seed):
    line = random_line(seed)
    verify_edges(line, edges(line))
    verify_edges(line, edges(line, rar=False))


def test_the_verifier_misses_no_edge_that_is_removed():
    line = random_line(3)
    found = edges(line, rar=False)
    assert len(found) > 5
    for k in range(len(found)):
        with pytest.raises(VerificationError, match="missing"):
            verify_edges(line, found[:k] + found[k + 1 :])


def test_the_verifier_refuses_what_is_not_there():
    line = random_line(3)
    found = edges(line)
    invented = Edge(EdgeKind.RAW, 0, 6, Buffer("z", Space.ARG, F4), "identical")
    backwards = Edge(EdgeKind.WAW, 4, 2, line[2].buffer, "identical")
    e = found[0]
    changed = Edge(e.kind, e.source, e.target, e.buffer, "shifted by [9]", (9,))
    with pytest.raises(VerificationError, match="not there"):
        verify_edges(line, [*found, invented])
    with pytest.raises(VerificationError, match="points backwards"):
        verify_edges(line, [*found, backwards])
    with pytest.raises(VerificationError, match="says"):
        verify_edges(line, [changed, *found[1:]])


def vector_statement(name, buffer, start, source, offset, n=5):
    (i,) = variables((n,))
    return Statement(
        StatementKind.MAP,
        (i,),
        (Affine.of(n),),
        buffer=buffer,
        address=Affine.of(i) * 4 + start,
        dtype=F4,
        value=Load(source, Affine.of(i) * 4 + offset, F4),
        name=name,
    )


def test_text(golden):
    a, b = (Buffer(n, Space.ARG, F4, Affine.of(64)) for n in "ab")
    n = Var("n", I8)
    line = [
        vector_statement("scale", b, 0, a, 0),
        vector_statement("shift", a, 4, a, 0),
        vector_statement("again", b, 0, a, 8),
        Statement(StatementKind.SCALAR, scalar=n, value=Load(b, Affine.of(0), I8), name="count"),
        Statement(
            StatementKind.CHECK,
            value=Apply("greater", (Load(a, Affine.of(0), F4),), np.dtype(bool)),
            name="check",
        ),
        Statement(
            StatementKind.MAP,
            variables((5,)),
            (Affine.of(n),),
            buffer=a,
            address=Affine.of(0),
            dtype=F4,
            value=Load(b, Affine.of(n) * 4, F4),
            name="last",
        ),
    ]
    golden("edges.txt", print_edges(line, edges(line)))
