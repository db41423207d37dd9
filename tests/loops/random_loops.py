"""Random loop IR: loops of all kinds, branches, accumulators, temporaries, pointers, gathers, symbolic strides.

Everything stays within bounds whatever the data, so that two forms of one function may be compared on any input.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    Alloc,
    Assign,
    Break,
    Buffer,
    Const,
    Continue,
    Contract,
    Copy,
    Declare,
    Expr,
    For,
    If,
    Let,
    Load,
    Product,
    Read,
    Return,
    SetPointer,
    Space,
    Stmt,
    Store,
    StoreSlot,
    Var,
    While,
)
from tests.loops.build import BOOL, F64, I64, add, apply, arg, const, index, loop, mul, sym, temp, var

#: elements of every buffer
SIZE = 64
ARRAYS = 3
SLOTS = 12


@dataclass
class Scope:
    """What is visible: index variables with inclusive ranges, floats, mutable ones, integers and floats."""

    ranges: dict[Var, tuple[int, int]] = field(default_factory=dict)
    floats: list[Var] = field(default_factory=list)
    mutable: list[Var] = field(default_factory=list)
    rows: list[Var] = field(default_factory=list)  # loop variables over [0, n)
    loops: int = 0

    def inner(self) -> Scope:
        return Scope(
            self.ranges.copy(), self.floats.copy(), self.mutable.copy(), self.rows.copy(), self.loops
        )


class Generator:
    """One random program from a seed; the same seed gives the same program with fresh variables."""

    def __init__(self, seed: int, statements: int = 14) -> None:
        self.random = random.Random(seed)
        self.n = var("n", I64, 0, 8)
        self.args = [arg(f"a{k}", k) for k in range(ARRAYS)]
        self.indices = arg("ix", ARRAYS, I64, readonly=True)
        self.temps = [
            temp("t0", SIZE),
            temp("t1", SIZE),
            temp("t2", SIZE, space=Space.LOCAL),
        ]
        self.heaps = [Buffer(f"h{k}", Space.HEAP, F64, Affine.of(8 * SIZE)) for k in range(2)]
        self.pointer = Buffer("p", Space.POINTER, F64, targets=list(self.heaps))
        self.budget = statements
        self.slots = SLOTS

    def body(self) -> list[Stmt]:
        """The statements: temporaries start with defined contents."""
        out: list[Stmt] = []
        for heap in self.heaps:
            out.append(Alloc(heap, Affine.of(8 * SIZE)))
        for k, buffer in enumerate([*self.temps, *self.heaps]):
            i = var("i")
            out.append(loop(i, SIZE, Store(buffer, 8 * sym(i), const(float(k)))))
        out.append(SetPointer(self.pointer, self.heaps[0]))
        scope = Scope()
        out.extend(self.block(scope, self.budget))
        for k, buffer in enumerate([*self.heaps, self.pointer]):
            out.append(
                StoreSlot(self.slots + k, Load(buffer, Affine.of(8 * self.random.randrange(SIZE)), F64))
            )
        return [*out, Return(0)]

    def scalars(self, value: int) -> list[tuple[Var, int]]:
        return [(self.n, value)]

    # --- expressions ---

    def offset(self, scope: Scope) -> Affine:
        """A byte offset of an element within bounds."""
        r = self.random
        if scope.rows and r.random() < 0.25:
            row = r.choice(scope.rows)
            flat = Affine.of(Product.of(row, Affine.of(self.n) * 8))
            other = r.choice(scope.rows)
            return flat + (Affine.of(other) * 8 if r.random() < 0.7 else 0)
        total = Affine.of(r.randrange(4))
        for v in r.sample(list(scope.ranges), min(len(scope.ranges), r.choice((0, 1, 1, 2, 2)))):
            total = total + Affine.of(v) * r.choice((1, 1, 1, 2, 4, 8, -1))
        low, high = total.bounds(scope.ranges)
        assert low is not None and high is not None
        if high - low >= SIZE:
            return Affine.of(8 * r.randrange(SIZE))
        if low < 0:
            total = total - low
        elif high >= SIZE:
            total = total - (high - SIZE + 1)
        return total * 8

    def load(self, scope: Scope) -> Expr:
        return Load(
            self.random.choice([*self.args, *self.temps, *self.heaps, self.pointer]), self.offset(scope), F64
        )

    def value(self, scope: Scope, depth: int = 2) -> Expr:
        r = self.random
        kind = r.random()
        if depth == 0 or kind < 0.35:
            if scope.floats and r.random() < 0.5:
                return Read(r.choice(scope.floats))
            if scope.ranges and r.random() < 0.2:
                return apply("cast", index(Affine.of(r.choice(list(scope.ranges)))), dtype=F64)
            return self.load(scope) if r.random() < 0.8 else const(float(r.randrange(3)))
        left = self.value(scope, depth - 1)
        right = left if r.random() < 0.1 else self.value(scope, depth - 1)
        if kind < 0.9:
            return apply(r.choice(("add", "multiply", "subtract", "maximum")), left, right)
        return apply("select", self.condition(scope), left, right, dtype=F64)

    def condition(self, scope: Scope) -> Expr:
        return apply("less", self.value(scope, 0), self.value(scope, 0), dtype=BOOL)

    # --- statements ---

    def block(self, scope: Scope, count: int) -> list[Stmt]:
        out: list[Stmt] = []
        for _ in range(count):
            if self.budget <= 0:
                break
            self.budget -= 1
            out.extend(self.statement(scope))
            if out and isinstance(out[-1], (Break, Continue)):
                break
        return out

    def statement(self, scope: Scope) -> list[Stmt]:
        r = self.random
        kinds = ["store"] * 6 + [
            "let",
            "let",
            "index",
            "gather",
            "declare",
            "assign",
            "assign",
            "slot",
            "copy",
        ]
        kinds += ["for"] * 4 + ["nest", "if", "if", "while", "point", "contract"]
        kind = r.choice(kinds)
        if kind in ("for", "nest", "while", "contract") and scope.loops >= 3:
            kind = "store"
        return getattr(self, f"make_{kind}")(scope)

    def make_store(self, scope: Scope) -> list[Stmt]:
        buffer = self.random.choice([*self.args, *self.temps, *self.temps, *self.heaps, self.pointer])
        return [Store(buffer, self.offset(scope), self.value(scope))]

    def make_let(self, scope: Scope) -> list[Stmt]:
        v = var("x", F64)
        stmt = Let(v, self.value(scope))
        scope.floats.append(v)
        return [stmt]

    def make_index(self, scope: Scope) -> list[Stmt]:
        r = self.random
        expr = Affine.of(r.randrange(5))
        for v in r.sample(list(scope.ranges), min(len(scope.ranges), 2)):
            expr = expr + Affine.of(v) * r.choice((1, 2))
        low, high = expr.bounds(scope.ranges)
        assert low is not None and high is not None
        if low < 0 or high >= SIZE:
            return []
        v = var("k")
        scope.ranges[v] = (low, high)
        return [Let(v, index(expr))]

    def make_gather(self, scope: Scope) -> list[Stmt]:
        v = var("at")
        stmt = Let(v, Load(self.indices, self.offset(scope), I64))
        scope.ranges[v] = (0, SIZE // 8 - 1)
        return [stmt]

    def make_declare(self, scope: Scope) -> list[Stmt]:
        v = var("m", F64)
        stmt = Declare(v, self.value(scope))
        scope.floats.append(v)
        scope.mutable.append(v)
        return [stmt]

    def make_assign(self, scope: Scope) -> list[Stmt]:
        if not scope.mutable:
            return self.make_declare(scope)
        v = self.random.choice(scope.mutable)
        return [Assign(v, self.value(scope))]

    def make_slot(self, scope: Scope) -> list[Stmt]:
        slot = self.random.randrange(ARRAYS + 3, SLOTS)
        return [StoreSlot(slot, self.value(scope))]

    def make_copy(self, scope: Scope) -> list[Stmt]:
        dst, src = self.random.sample([*self.args, *self.temps, *self.heaps], 2)
        return [Copy(dst, Affine.of(8 * self.random.randrange(32)), src, Affine.of(0), Affine.of(8 * 16))]

    def make_point(self, scope: Scope) -> list[Stmt]:
        return [SetPointer(self.pointer, self.random.choice(self.heaps))]

    def make_for(self, scope: Scope) -> list[Stmt]:
        r = self.random
        inner = scope.inner()
        i = var("i")
        inner.loops += 1
        symbolic = r.random() < 0.3
        start = 0 if symbolic else r.choice((0, 0, 0, 0, 1, 2))
        extent = r.choice((0, 1, 2, 3, 4, 5, 8))
        stop = Affine.of(self.n) if symbolic else Affine.of(start + extent)
        inner.ranges[i] = (0, 7) if symbolic else (start, max(start, start + extent - 1))
        if symbolic:
            inner.rows.append(i)
        inner.loops += 1
        body = self.block(inner, r.randrange(1, 5))
        return [For(i, Affine.of(start), stop, body, label=r.choice(("", "", "user")))]

    def make_nest(self, scope: Scope) -> list[Stmt]:
        """Perfectly nested loops, many of which collapse."""
        r = self.random
        inner = scope.inner()
        i, j = var("i"), var("j")
        outer, extent = r.choice((0, 1, 3, 6)), r.choice((0, 1, 2, 4))
        inner.ranges |= {i: (0, max(0, outer - 1)), j: (0, max(0, extent - 1))}
        inner.loops += 2
        flat = 8 * (Affine.of(i) * extent + Affine.of(j))
        buffers = [*self.args, *self.temps]
        body: list[Stmt] = []
        for _ in range(r.randrange(1, 3)):
            shift = 8 * r.randrange(16)
            value: Expr = Load(r.choice(buffers), flat + shift, F64)
            if scope.mutable and r.random() < 0.3:
                accumulator = r.choice(scope.mutable)
                body.append(Assign(accumulator, add(Read(accumulator), value)))
            if r.random() < 0.5:
                value = mul(value, self.value(inner if r.random() < 0.3 else scope, 1))
            body.append(Store(r.choice(buffers), flat + 8 * r.randrange(16), value))
        return [loop(i, outer, loop(j, extent, *body))]

    def make_if(self, scope: Scope) -> list[Stmt]:
        r = self.random
        condition = self.condition(scope)
        then = self.block(scope.inner(), r.randrange(1, 4))
        if scope.loops and r.random() < 0.2 and not (then and isinstance(then[-1], (Break, Continue))):
            then.append(r.choice((Break(), Continue())))
        orelse = self.block(scope.inner(), r.randrange(0, 3))
        return [If(condition, then, orelse)]

    def make_while(self, scope: Scope) -> list[Stmt]:
        """A counter in a mutable variable, increased in the header."""
        r = self.random
        count = var("count")
        inner = scope.inner()
        inner.loops += 1
        header = self.block(inner, r.randrange(0, 3))
        if header and isinstance(header[-1], (Break, Continue)):
            header.pop()
        header.insert(0, Assign(count, apply("add", Read(count), Const(1, I64))))
        condition = apply("less", Read(count), Const(r.randrange(1, 5), I64), dtype=BOOL)
        return [Declare(count, Const(0, I64)), While(header, condition, self.block(inner.inner(), 3))]

    def make_contract(self, scope: Scope) -> list[Stmt]:
        r = self.random
        a, b = r.sample([*self.args, *self.temps], 2)
        i, j, acc = var("i"), var("j"), var("acc", F64)
        inner = scope.inner()
        inner.ranges |= {i: (0, 2), j: (0, 1)}
        inner.loops = 3
        inner.floats.append(acc)
        epilogue: list[Stmt] = []
        saved, self.random = self.random, random.Random(r.random())
        for _ in range(2):
            epilogue.extend(self.make_store(inner) if self.random.random() < 0.7 else self.make_let(inner))
        self.random = saved
        target = r.choice([t for t in (*self.args, *self.temps) if t not in (a, b)])
        # the operands must not change while the tiles are computed
        epilogue = [s for s in epilogue if not (isinstance(s, Store) and s.buffer in (a, b))]
        epilogue.append(Store(target, 8 * (Affine.of(i) * 2 + Affine.of(j)), Read(acc)))
        return [
            Contract(
                F64, ((i, 3, 32),), (j, 2, 8), ((4, 8, 16),), a, Affine.of(0), b, Affine.of(0), acc, epilogue
            )
        ]


def data(seed: int) -> list[np.ndarray]:
    """Arrays for a program: small whole numbers, so that equal values are common."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-2, 4, SIZE).astype(np.float64) for _ in range(ARRAYS)]
    return [*arrays, rng.integers(0, SIZE // 8, SIZE)]
